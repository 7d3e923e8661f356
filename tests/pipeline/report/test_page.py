"""The page: what is on it, that nothing on it is live, and that it takes gaps."""

import dataclasses
import os
import pathlib
import re
from typing import Any

import pytest
from made_up_run import history, made_up_run, measured, updates
from parsed import Page

from pipeline.report import ReportData, page, write_report
from pipeline.report.elements import element

FULL = made_up_run()


@pytest.mark.parametrize(
    "expected",
    [
        "letters seq2seq · span 1, 2 · run 20261122-091011",
        "✓ Blessed: better bits_per_byte changed by at most −0.0131 at 95 %, margin 0.02",
        "serving check passed · pushed to runs/serving/3",
        "loss per token 1.412 nats, masked 1.408 … 1.416 Δ −0.0550 better",
        "token accuracy 37.22 % 36.77 … 37.66 Δ +1.41 points better",
        "clustered by example. Δ: change from the last blessed model",
        "news −0.0189 better −0.0196 … −0.0182 92,110",
        "by how often the token is in the training data",
        "23 checks, 0 failed",
        "law too small: not judged +0.0648 worse +0.0570 … +0.0726 700",
        "Too small, so not judged: positions 65-128.",
        "BLEU 31.20 of 500 decoded examples 30.10 … 32.30",
        "BLEU, chrF and exact match are of 500 decoded examples (eval.decode_examples). sacreBLEU: "
        "BLEU nrefs:1|tok:13a; chrF nrefs:1|nc:6.",
        "law bits per byte change, at most slice too small +0.0648 +0.0570 … +0.0726 +0.0200",
        "– not measured on parts of a sequence",
        "train, last 1.220 validation, last 1.401",
        "started from runs/letters/artifacts/SequenceTrainer/model/8",
        "4,400 steps, 51,234 useful tokens per second",
        "Gradient norm and learning rate",
        "Bad batches skipped: 12 step 1: it is bad; 32 rows: data/a.jsonl:7 step 2: it is bad",
        "… and 2 more in history.json",
        "of the updates were clipped to 1.",
        "this model last blessed model bars: intervals of this model",
        "data/span-2/pairs.jsonl:17 · 0.8664 nats per token",
        "generated das haus ist klein aber der garten",
        "blaue Ideen schlafen A sentence that nobody would say is here. data/span-2/pairs.jsonl:900 6.100",
        "' ' 2.500 642.5 300.0 300",
        "skew ✓ passed 32 rows: ids, lengths and weights are equal",
        "batch of 8 9.250 12.50",
        "Memory of the serving process: 512.5 MB.",
        "trial learning_rate units validation loss steps parameters time 3 0.0125 24 1.500",
        "2 0.75 16 failed: <b>non-finite</b> loss – – –",
        "tuned: learning_rate 0.0125, units 24 (best of 3 trials, 1 failed)",
        "3.1 % of the positions of a training epoch are padding; 64.8 % if all were padded",
        "padded to (target × source) rows a batch examples padding 9 × 10 64 9,000 3.0 %",
        "train: trained 98.0 %, weight 0 0.7 %, cut off 1.0 %, left out 0.3 %",
        "split side sequences tokens read trained weight 0 cut off left out unknown",
        "train target 5,000 100,000 98,000 700 1,000 300 12",
        "eval target – 10,000 10,000 – 0 – –",
        "train, target: 300 tokens left out, too long",
        "12 of 1,500 eval rows are in the training split too.",
        "train 10 target – 60,000",
        "split Σ w mean w token example train 123,456 1.260 1.250 1.000",
        "Goodput: 70.0 % of the time went into training steps.",
        "loading TensorFlow and TFX 20.0 % 8.0 s steps 70.0 % 28.0 s export 9.8 % 3.9 s "
        "other 0.2 % 0.1 s total 40.0 s",
        "Time to first step, from the start of the process: 10.0 s (loading TensorFlow and TFX "
        "8.0 s, tracing 1.5 s, first batch 0.2 s, first step 0.2 s).",
        "this one took it from the cache. Interrupted and continued: 2.",
        "ExampleGen cached 1.5 s SequenceTrainer done 1 min 15 s total 1 min 16 s",
        "Data span 1: 20,000 rows, in 1 file",
        "#30 · cached, of run 2026-11-22T09:10:11.123456 · 2026-11-23 07:35:22 UTC, 2.5 s",
        "SequenceTrainer #36 · ran · 2026-11-23 07:36:22 UTC, 2.5 s ← transformed_examples #29, "
        "base_model #9 of run an-older-run model #30 Model 24661debc8d0",
        "rows 20,000 bad rows left out 1 splits train: 18,000, eval: 2,000",
        "columns not used xpos: 20,000 files not read README",
        "data/span-1/pairs.jsonl 1 20,000 1 1.9 MB",
        "pairs.jsonl:7: column 'source': got an empty string",
        "model runs/serving/3",
        "train.epochs 10 train.steps – train.clip_norm 1.0 eval.slices source_kind",
    ],
)
def test_page_says(expected: str) -> None:
    assert expected in Page(page(FULL)).words


def test_the_verdict_comes_first() -> None:
    words = Page(page(FULL)).words
    places = [
        words.index(text)
        for text in ("Blessed", "loss per token", "by source_kind", "train, last 1.2")
    ]
    assert places == sorted(places)


def _fields() -> list[str]:
    return [field.name for field in dataclasses.fields(ReportData) if field.name != "name"]


@pytest.mark.parametrize("name", _fields())
def test_any_part_may_be_missing(name: str) -> None:
    empty = getattr(ReportData(name="n"), name)
    Page(page(dataclasses.replace(FULL, **{name: empty})))
    Page(page(dataclasses.replace(ReportData(name="n"), **{name: getattr(FULL, name)})))


def test_without_anything_there_is_a_verdict_and_no_section() -> None:
    found = Page(page(ReportData(name="n")))
    assert "No verdict The run ended before evaluation." in found.words
    assert not {"section", "nav", "table", "svg"} & {tag for tag, _ in found.tags}


@pytest.mark.parametrize(
    "data",
    [
        ReportData(name="n", metrics={"slices": [{"slice": "overall", "candidate": None}]}),
        ReportData(name="n", metrics={"slices": [{"candidate": {"perplexity": float("inf")}}]}),
        ReportData(name="n", metrics={"slices": [{"candidate": {"masked_token_loss": 1.0}}]}),
        ReportData(name="n", verdict={"blessed": False}),
        ReportData(name="n", verdict={"blessed": False, "findings": [{}, {"passed": False}]}),
        ReportData(name="n", serving={"passed": False}),
        ReportData(name="n", serving={"passed": True, "latency_ms": {"p50": 3.0, "limit": None}}),
        ReportData(name="n", worst={"examples": [{}], "tokens": [{}]}),
        ReportData(name="n", samples={"samples": [{}, {"tokens": ["a"]}, {"tokens": []}]}),
        ReportData(name="n", samples={"samples": [{"tokens": ["a", "b"], "losses": [None]}]}),
        ReportData(name="n", lengths={"sides": [{"name": "target", "bins": []}]}),
        ReportData(name="n", lengths={"sides": [{"name": "target", "bins": [[0, 0, 5]]}]}),
        ReportData(name="n", lineage=[{}, {"name": "A", "outputs": [{}], "inputs": [{}]}]),
        ReportData(name="n", history=[{"step": 1}, {"step": 2, "train_loss": float("nan")}]),
        ReportData(name="n", durations=[{"component": "A"}, {"component": "B", "seconds": None}]),
        ReportData(name="n", tuning={"values": {"units": 8}, "trials": []}),
        ReportData(name="n", ledger={"train": {"target": {"tokens_read": 3}}}),  # of an older run
        ReportData(
            name="n", ledger={"splits": {"train": None, "eval": {"target": {"kept": None}}}}
        ),
        ReportData(name="n", ledger={"splits": None, "spans": 3, "weights": {"train": {}}}),
        ReportData(name="n", ledger={"splits": {"a": {"b": {}}}, "checks": {"duplicates": None}}),
        ReportData(name="n", ingest={"files": [{}]}),
    ],
)
def test_gaps_inside_parts(data: ReportData) -> None:
    assert "n" in Page(page(data)).words


def poison(value: Any, evil: str) -> Any:
    if isinstance(value, str):
        return evil
    if isinstance(value, dict):
        return {key: poison(item, evil) for key, item in value.items()}
    return [poison(item, evil) for item in value] if isinstance(value, list | tuple) else value


def poisoned(evil: str) -> ReportData:
    """A run in which all texts, and the keys that come from users, are evil."""
    values = {name: poison(getattr(FULL, name), evil) for name in _fields()}
    values["config"] = values["places"] = {evil: evil}
    row = {"tokens_read": evil, "dropped_by": {evil: evil}}
    values["ledger"] = {
        "splits": {evil: {evil: row}},
        "spans": {evil: {evil: {evil: row}, "2": {evil: row}}},
        "weights": {evil: {"sum": evil, "factors": {evil: evil}}},
        "checks": {"duplicates": {evil: {"rows": evil, "in_train": evil}}},
    }
    values["links"] = {}
    return ReportData(name=evil, **values)


def test_everything_is_escaped() -> None:
    evil = "<script>alert(1)</script>\"'&"
    found = Page(page(poisoned(evil)))
    assert not {"script", "img", "link", "iframe"} & {tag for tag, _ in found.tags}
    assert found.words.count("<script>alert(1)</script>\"'&") > 100
    assert not [name for name, _ in found.attributes if name.startswith("on")]


def test_attributes_are_escaped() -> None:
    assert element("p", "a & b", title='"><b>', class_="") == (
        '<p title="&quot;&gt;&lt;b&gt;">a &amp; b</p>'
    )


def test_nothing_is_requested_from_anywhere() -> None:
    found = Page(page(FULL))
    assert not [name for name, _ in found.attributes if name in ("src", "srcset", "action")]
    links = [value for name, value in found.attributes if name == "href"]
    assert all(link.startswith(("#", "../")) for link in links)
    text = page(FULL)
    assert not re.search(r"https?:|url\(|@import", text)
    assert "default-src 'none'" in text
    assert "prefers-color-scheme: dark" in text


def test_links_inside_the_page_lead_somewhere() -> None:
    found = Page(page(FULL))
    places = {value for name, value in found.attributes if name == "id"}
    targets = {value[1:] for name, value in found.attributes if name == "href" and value[0] == "#"}
    assert targets == places
    assert len(targets) == 14


def test_figures_have_words() -> None:
    """Those that a table beside them does not already tell."""
    found = Page(page(FULL))
    drawings = [given for tag, given in found.tags if tag == "svg" and "viewbox" not in given]
    assert all(given.get("aria-label") or given.get("aria-hidden") == "true" for given in drawings)
    spoken = [given["aria-label"] for given in drawings if "aria-label" in given]
    assert "Masked loss per token over training steps: train from 6.769 to 1.220; " in spoken[0]


def test_a_long_run_with_many_slices_is_a_small_file() -> None:
    many = [measured("", "", 1.4, 1.5, 1e6)]
    for column in ("a", "b", "c"):
        many += [measured(column, f"value {i}", 1.4, 1.5, 1000.0 + i) for i in range(1000)]
    findings = [FULL.verdict["findings"][0] | {"slice": item["slice"]} for item in many]
    long = dataclasses.replace(
        FULL,
        metrics={"confidence": 0.95, "slices": many},
        verdict=FULL.verdict | {"findings": findings, "reasons": ["a reason"] * 3001},
        history=history(20_000),
        updates=updates() * 2,
    )
    text = page(long)
    assert len(text.encode()) < 300_000
    assert "… and 976 smaller ones in metrics.json" in text
    assert text.index("value 976") < text.index("value 999")  # the largest, in their order
    assert "value 100<" not in text
    assert "… and 2,989 more in verdict.json" in text


def test_file_appears_complete(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "new" / "report.html"
    write_report(FULL, path)
    before = path.read_bytes()
    assert before.decode("utf-8") == page(FULL)
    write_report(made_up_run(), path)
    assert path.read_bytes() == before

    def full_disk(source: str, target: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_report(dataclasses.replace(FULL, name="other"), path)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == ["report.html"]


def test_a_value_that_is_not_utf8_does_not_stop_the_page(tmp_path: pathlib.Path) -> None:
    write_report(ReportData(name="n", subtitle="a\udcffb"), tmp_path / "report.html")
    assert "a\\udcffb" in (tmp_path / "report.html").read_text("utf-8")
