"""The report: what is on the page, that nothing on it is live, and that it takes gaps."""

import copy
import dataclasses
import html.parser
import itertools
import os
import pathlib
import re
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from pipeline.report import ReportData, page, write_report
from pipeline.report_chart import training_curve
from pipeline.report_html import count, element, number, percent, seconds, size

VOID = {"meta"}


def _values(loss: float, accuracy: float, tokens: int) -> dict[str, float]:
    return {
        "masked_token_loss": loss,
        "perplexity": 2.0,
        "token_accuracy": accuracy,
        "sequence_accuracy": accuracy,
        "token_count": float(tokens),
        "example_count": 20.0,
    }


def _slice(column: str, value: str | int, **changes: Any) -> dict[str, Any]:
    label = f"{column}={value}" if column else "overall"
    whole: dict[str, Any] = {
        "slice": label,
        "column": column,
        "value": value,
        "gated": True,
        "candidate": _values(0.0123, 0.9987, 1234567),
        "baseline": _values(0.02, 0.99, 1234567),
        "diff": {"masked_token_loss": -0.0077, "token_accuracy": 0.0087},
        "intervals": {
            "candidate": {"masked_token_loss": [0.0101, 0.0145]},
            "diff": {"masked_token_loss": [-0.009, -0.006], "token_accuracy": [-0.01, 0.02]},
        },
        "absent": {"candidate": {}},
    }
    return whole | changes


LEDGER = {
    "splits": {
        "train": {
            "target": {
                "sequences": 5000,
                "tokens_read": 100000,
                "kept": 98700,
                "truncated": 1000,
                "dropped": 300,
                "trained": 98000,
                "zero_weight": 700,
                "context": 0,
                "out_of_vocabulary": 12,
                "eos_and_bos": 5000,
                "dropped_by": {"too_long": 300},
            }
        },
        "eval": {"target": {"tokens_read": 10000, "trained": 10000, "truncated": 0}},
    },
    "spans": {
        "train": {
            "9": {"target": {"tokens_read": 40000}},
            "10": {"target": {"tokens_read": 60000}},
        },
        "eval": {"10": {"target": {"tokens_read": 10000}}},
    },
    "weights": {
        "train": {"sum": 123456.0, "mean": 1.26, "factors": {"token": 1.25, "example": 1.0}}
    },
    "checks": {
        "duplicates": {"eval": {"rows": 1500, "in_train": 12}, "test": {"rows": 9, "in_train": 0}}
    },
}
FULL = ReportData(
    name="numbers",
    subtitle="run 2026-11-22 · seq2seq",
    verdict={
        "blessed": True,
        "reasons": ["sequence_accuracy (overall) is 0.9987, >= 0.9"],
        "notes": ["no baseline model"],
        "baseline": True,
    },
    metrics={
        "confidence": 0.95,
        "slices": [
            _slice("", ""),
            _slice("digits", 5),
            _slice(
                "digits",
                13,
                gated=False,
                candidate={"token_count": 0.0},
                diff=None,
                intervals={},
                absent={"candidate": {"masked_token_loss": "no token has weight > 0"}},
            ),
        ],
    },
    history=[
        {
            "step": step,
            "train_loss": 3.2 * 0.99**step,
            "validation_loss": 3.0 * 0.99**step if step % 200 == 0 else None,
            "useful_tokens_per_second": 51234.0,
        }
        for step in range(50, 501, 50)
    ],
    ledger=LEDGER,
    ingest={
        "rows": 20000,
        "bad_rows": 1,
        "splits": {"train": 18000, "eval": 2000},
        "spans": {"1": 20000},
        "unread_files": ["README"],
        "unconfigured_columns": {"xpos": 20000},
        "first_bad_rows": ["data/span-1/numbers.jsonl:7: column 'source': got an empty string"],
        "files": [
            {
                "path": "data/span-1/numbers.jsonl",
                "span": 1,
                "rows": 20000,
                "bad": 1,
                "bytes": 1_900_000,
            }
        ],
    },
    updates=[
        {
            "step": 250,
            "updates": 250,
            "gradient_norm": 2.0,
            "largest_norm": 5.0,
            "learning_rate": 0.01,
            "clipped": 100,
        },
        {
            "step": 500,
            "updates": 150,
            "gradient_norm": 0.5,
            "largest_norm": 0.75,
            "learning_rate": 0.005,
            "clipped": 0,
        },
    ],
    skipped=[
        {"step": step, "reason": "it is bad", "rows": 32, "first": ["data/a.jsonl:7"]}
        for step in range(1, 13)
    ],
    time={
        "goodput": {"import": 8.0, "step": 28.0, "data_wait": 0.02, "export": 3.92, "other": 0.06},
        "first_step": {"import": 8.0, "tracing": 1.5, "data_wait": 0.25, "step": 0.25},
        "resumes": 2,
        "cached": True,
    },
    durations=[
        {"component": "ExampleGen", "seconds": 1.5, "state": "cached"},
        {"component": "SequenceTrainer", "seconds": 75.0, "state": "done"},
    ],
    config={
        "train": {"epochs": 10, "steps": None, "clip_norm": 1.0},
        "eval": {"slices": ["digits"]},
    },
    places={"model": "runs/serving/3"},
)


class _Page(html.parser.HTMLParser):
    """Checks that tags nest; collects tags with attributes, and the text outside <style>."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


def _parse(data: ReportData) -> _Page:
    parsed = _Page(page(data))
    assert parsed.open == []
    return parsed


@pytest.mark.parametrize(
    "expected",
    [
        "numbers run 2026-11-22 · seq2seq",
        "Blessed sequence_accuracy (overall) is 0.9987, >= 0.9 no baseline model",
        "loss per token 0.01230 nats, masked, per token 0.01010 … 0.01450 Δ −0.007700",
        "token accuracy 99.87 % Δ +0.87 points",
        "by digits 5 0.01230",
        "13 – no token has weight > 0",
        "1,234,567",
        "95 %, jackknife",
        "500 steps, 51,234 useful tokens per second",
        "ExampleGen cached 1.5 s",
        "SequenceTrainer done 1 min 15 s",
        "total 1 min 16 s",
        "split side sequences tokens read trained weight 0 cut off left out unknown",
        "train target 5,000 100,000 98,000 700 1,000 300 12",
        "eval target – 10,000 10,000 – 0 – –",
        "train, target: 300 tokens left out, too long",
        "12 of 1,500 eval rows are in the training split too.",
        "split span side sequences tokens read trained",
        "train 9 target – 40,000",
        "train 10 target – 60,000",
        "split Σ w mean w token example train 123,456 1.260 1.250 1.000",
        "rows 20,000 bad rows left out 1 splits train: 18,000, eval: 2,000",
        "columns not used xpos: 20,000 files not read README",
        "data/span-1/numbers.jsonl 1 20,000 1 1.9 MB",
        "numbers.jsonl:7: column 'source': got an empty string",
        "model runs/serving/3",
        "train.epochs 10 train.steps – train.clip_norm 1.0 eval.slices digits",
        "Gradient norm and learning rate",
        "Bad batches skipped: 12 step 1: it is bad; 32 rows: data/a.jsonl:7 step 2: it is bad",
        "… and 2 more in history.json",
        "25.00 % of the updates were clipped to 1.",
        "largest 0.7500",
        "rate 0.005000",
        "phase share time loading TensorFlow and TFX 20.0 % 8.0 s steps 70.0 % 28.0 s "
        "export 9.8 % 3.9 s other 0.2 % 0.1 s total 40.0 s",
        "Time to first step, from the start of the process: 10.0 s (loading TensorFlow and TFX "
        "8.0 s, tracing 1.5 s, first batch 0.2 s, first step 0.2 s).",
        "this one took it from the cache. Interrupted and continued: 2.",
    ],
)
def test_page_says(expected: str) -> None:
    assert expected in _parse(FULL).words


def test_a_ledger_of_one_span_has_no_table_by_span_and_no_columns_without_use() -> None:
    row = {"tokens_read": 10, "context": 0, "dropped": 0, "dropped_by": {}}
    one = {"splits": {"train": {"target": row}}, "spans": {"train": {"1": {"target": row}}}}
    words = _parse(ReportData(name="n", ledger=one)).words
    assert "By span" not in words
    assert "context" not in words
    assert "left out" not in words.replace("+ left out", "")
    assert "Weights" not in words


def test_changes_are_coloured_only_where_the_interval_excludes_0() -> None:
    text = page(FULL)
    assert re.search(r'class="change better">Δ −0.007700<', text)
    assert re.search(r'class="change same">Δ \+0.87 points<', text)
    worse = copy.deepcopy(FULL.metrics)
    worse["slices"][0]["diff"]["masked_token_loss"] = 0.5
    worse["slices"][0]["intervals"]["diff"]["masked_token_loss"] = [0.4, 0.6]
    assert 'class="change worse">Δ +0.5000<' in page(dataclasses.replace(FULL, metrics=worse))
    # An accuracy is better when it grows.
    worse["slices"][0]["intervals"]["diff"]["token_accuracy"] = [0.005, 0.012]
    text = page(dataclasses.replace(FULL, metrics=worse))
    assert 'class="change better">Δ +0.87 points<' in text


def test_slices_too_small_to_judge_are_set_aside() -> None:
    assert page(FULL).count('<tr class="aside">') == 1


def test_not_blessed() -> None:
    refused = dataclasses.replace(FULL, verdict={"blessed": False, "reasons": ["too bad"]})
    text = page(refused)
    assert 'class="verdict bad"' in text
    assert "Not blessed" in text
    assert "too bad" in text


def _fields() -> list[str]:
    return [field.name for field in dataclasses.fields(ReportData) if field.name != "name"]


@pytest.mark.parametrize("name", _fields())
def test_any_part_may_be_missing(name: str) -> None:
    empty = getattr(ReportData(name="n"), name)
    _parse(dataclasses.replace(FULL, **{name: empty}))
    _parse(dataclasses.replace(ReportData(name="n"), **{name: getattr(FULL, name)}))


@pytest.mark.parametrize(
    "data",
    [
        ReportData(name="n"),
        ReportData(name="n", metrics={"slices": [{"slice": "overall", "candidate": None}]}),
        ReportData(name="n", metrics={"slices": [{"candidate": {"perplexity": float("inf")}}]}),
        ReportData(name="n", history=[{"step": 1}, {"step": 2, "train_loss": float("nan")}]),
        ReportData(name="n", durations=[{"component": "A"}, {"component": "B", "seconds": None}]),
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
    assert "n" in _parse(data).words


def test_everything_is_escaped() -> None:
    evil = "<script>alert(1)</script>\"'&"

    def poison(value: Any) -> Any:
        if isinstance(value, str):
            return evil
        if isinstance(value, dict):
            return {key: poison(item) for key, item in value.items()}
        return [poison(item) for item in value] if isinstance(value, list | tuple) else value

    values = {name: poison(getattr(FULL, name)) for name in _fields()}
    values["config"] = values["places"] = {evil: evil}
    row = {"tokens_read": evil, "dropped_by": {evil: evil}}
    values["ledger"] = {
        "splits": {evil: {evil: row}},
        "spans": {evil: {evil: {evil: row}, "2": {evil: row}}},
        "weights": {evil: {"sum": evil, "factors": {evil: evil}}},
        "checks": {"duplicates": {evil: {"rows": evil, "in_train": evil}}},
    }
    parsed = _parse(ReportData(name=evil, **values))
    assert not {"script", "img", "link", "iframe"} & {tag for tag, _ in parsed.tags}
    assert parsed.words.count("<script>alert(1)</script>\"'&") > 15
    attributes = {name for _, given in parsed.tags for name in given}
    assert not {name for name in attributes if name.startswith("on")}


def test_attributes_are_escaped() -> None:
    assert element("p", "a & b", title='"><b>', class_="") == (
        '<p title="&quot;&gt;&lt;b&gt;">a &amp; b</p>'
    )


def test_nothing_is_requested_from_anywhere() -> None:
    parsed = _parse(FULL)
    attributes = [(name, value) for _, given in parsed.tags for name, value in given.items()]
    assert not [name for name, _ in attributes if name in ("src", "href", "srcset", "action")]
    text = page(FULL)
    assert not re.search(r"https?:|url\(|@import", text)
    assert "default-src 'none'" in text
    assert "prefers-color-scheme: dark" in text


def _curve(history: list[dict[str, Any]]) -> ET.Element:
    return ET.fromstring(str(training_curve(history)))


def _texts(curve: ET.Element) -> list[str]:
    return [item.text or "" for item in curve.iter("text")]


def test_curve_maps_points_to_the_axes() -> None:
    curve = _curve(
        [
            {"step": 0, "train_loss": 4.0},
            {"step": 50, "train_loss": 3.0, "validation_loss": 2.0},
            {"step": 100, "train_loss": 2.0, "validation_loss": 1.0},
        ]
    )
    lines = {item.get("class"): item.find("path") for item in curve.iter("g") if item.get("class")}
    assert set(lines) == {"line train", "line validation"}
    path = lines["line train"]
    assert path is not None
    places = [
        tuple(map(float, place.split())) for place in re.split("[ML]", path.get("d") or "")[1:]
    ]
    (x0, y0), (x1, y1), (x2, y2) = places
    assert x1 - x0 == pytest.approx(x2 - x1)
    assert y1 - y0 == pytest.approx(y2 - y1)
    assert y0 < y1 < y2  # a lower loss is lower on the page
    texts = _texts(curve)
    assert {"0", "1", "2", "3", "4", "20", "100"} <= set(texts)
    assert {"step", "masked loss (nats per token)"} <= set(texts)
    assert texts[-2:] == ["train 2.000", "validation 1.000"]


def test_curve_of_a_steep_fall_is_logarithmic() -> None:
    texts = _texts(_curve([{"step": 1, "train_loss": 3.0}, {"step": 1000, "train_loss": 0.003}]))
    assert "masked loss (nats per token, log scale)" in texts
    assert {"0.005", "0.01", "0.1", "1", "2"} <= set(texts)


@pytest.mark.parametrize(
    "history",
    [
        [{"step": 0, "train_loss": 0.0}],
        [{"step": 5, "validation_loss": 2.5}],
        [{"step": 1, "train_loss": 1.0}, {"step": 2, "train_loss": 1.0, "validation_loss": 1.0}],
        [{"step": 1, "train_loss": -1.0}, {"step": 2, "train_loss": -3.0}],
        [{"step": 1, "train_loss": 1e9}, {"step": 2, "train_loss": 1e-9}],
    ],
)
def test_curves_that_are_odd_stay_inside_the_frame(history: list[dict[str, Any]]) -> None:
    curve = _curve(history)
    _, _, width, height = map(float, (curve.get("viewBox") or "").split())
    downs = [float(item.get("y") or 0) for item in curve.iter("text")]
    downs += [float(item.get("cy") or 0) for item in curve.iter("circle")]
    acrosses = [float(item.get("cx") or 0) for item in curve.iter("circle")]
    assert all(0 <= down <= height for down in downs)
    assert all(0 <= across <= width for across in acrosses)
    labels = [
        float(t.get("y") or 0) for t in curve.iter("text") if "label" in (t.get("class") or "")
    ]
    assert all(abs(a - b) >= 12 for a, b in itertools.pairwise(labels))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (number(0.012344), "0.01234"),
        (number(123.456), "123.5"),
        (number(12345.6), "12,346"),
        (number(0), "0"),
        (number(-1.5e-7), "−1.50e−07"),
        (number(0.5, sign=True), "+0.5000"),
        (number(float("nan")), "–"),
        (number(None), "–"),
        (percent(0.99996), "99.99 %"),
        (percent(1.0), "100.00 %"),
        (percent(-0.01, sign=True), "−1.00 %"),
        (count(1234567.0), "1,234,567"),
        (count("x"), "x"),
        (count(None), "–"),
        (size(999), "999 B"),
        (size(1_900_000), "1.9 MB"),
        (size(5e12), "5000.0 GB"),
        (seconds(3.21), "3.2 s"),
        (seconds(75), "1 min 15 s"),
        (seconds(7325), "2 h 2 min"),
    ],
)
def test_numbers(text: str, expected: str) -> None:
    assert text == expected


def test_file_appears_complete(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "new" / "report.html"
    write_report(FULL, path)
    before = path.read_bytes()
    assert before.decode("utf-8") == page(FULL)
    write_report(FULL, path)
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
