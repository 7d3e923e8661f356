"""`tokenline report`: which run, which format, where it goes, and that its links lead there."""

import json
import os
import pathlib
import shutil
from typing import Any

import pytest
from made_up_run import made_up_run
from parsed import Page

from pipeline.__main__ import main

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
RUNS = pathlib.Path("runs/numbers/runs")


def _record(run: str) -> dict[str, Any]:
    data = made_up_run()
    lineage = [
        node
        | {"outputs": [{k: v for k, v in each.items() if k != "link"} for each in node["outputs"]]}
        for node in data.lineage
    ]
    return {
        "pipeline": "numbers",
        "task": "seq2seq",
        "run": run,
        "tfx_run": f"tfx-{run}",
        "spans": [1],
        "nodes": [{"name": "SequenceTrainer", "state": "done", "seconds": 2.0}],
        "verdict": dict(data.verdict),
        "metrics": dict(data.metrics),
        "worst": data.worst,
        "samples": data.samples,
        "serving_check": data.serving,
        "history": {
            "points": list(data.history),
            "lengths": data.lengths,
            "goodput": {"step": 9.0},
        },
        "ledger": data.ledger,
        "ingest": data.ingest,
        "lineage": lineage,
        "pushed": "runs/numbers/serving/1",
        "log": f"{RUNS}/{run}/log.txt",
        "config": {},
    }


@pytest.fixture
def folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A project with two runs: the older one was recorded before there was a lineage."""
    shutil.copy(REPOSITORY / "pipeline_config.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    old, new = _record("20260101-000000"), _record("20260102-000000")
    for name in ("lineage", "worst", "samples", "serving_check"):
        del old[name]
    old["history"] = {"points": []}
    for record in (old, new):
        (RUNS / record["run"]).mkdir(parents=True)
        (RUNS / record["run"] / "run.json").write_text(json.dumps(record))
    return tmp_path


def _printed(capfd: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["report", *arguments]) == 0
    return capfd.readouterr().out


def test_html_of_the_newest_run_is_beside_its_record(folder, capfd) -> None:
    place = RUNS / "20260102-000000/report.html"
    assert _printed(capfd) == f"{place}\n"
    first = place.read_bytes()
    words = Page(first.decode()).words
    assert "seq2seq · span 1 · run 20260102-000000" in words
    assert "Ein Satz" in words
    assert "batch of 8" in words
    assert "Goodput: 100.0 %" in words
    _printed(capfd)
    assert place.read_bytes() == first


def test_a_run_of_an_older_version_has_a_report(folder, capfd) -> None:
    _printed(capfd, "--run", "20260101-000000", "-o", "old.html")
    words = Page(pathlib.Path("old.html").read_text()).words
    assert "Blessed" in words
    assert "Lineage" not in words


def test_markdown_goes_to_stdout_or_a_file(folder, capfd) -> None:
    text = _printed(capfd, "--format", "markdown")
    assert text.startswith(
        "# numbers\n\nseq2seq · span 1 · run 20260102-000000\n\n✓ Blessed: better\n"
    )
    assert _printed(capfd, "--format", "markdown", "-o", "new/report.md") == "new/report.md\n"
    assert pathlib.Path("new/report.md").read_text() == text
    assert _printed(capfd, "-o", "-").startswith("<!doctype html>")


@pytest.mark.parametrize("output", ["page.html", "a/b/page.html", str(RUNS / "x.html")])
def test_links_are_relative_to_where_the_page_is(folder, capfd, output: str) -> None:
    _printed(capfd, "-o", output)
    page = Page(pathlib.Path(output).read_text())
    links = [value for name, value in page.attributes if name == "href" and value[0] != "#"]
    base = os.path.dirname(os.path.abspath(output))
    found = {os.path.relpath(os.path.join(base, link), folder) for link in links}
    assert "runs/numbers/artifacts/SequenceTrainer/model/36" in found
    assert "runs/numbers/artifacts/SequenceEvaluator/evaluation/37/metrics.json" in found
    assert {"runs/numbers/serving/1", f"{RUNS}/20260102-000000/log.txt"} <= found
    assert not any(os.path.isabs(link) for link in links)


def test_a_project_that_was_moved_keeps_its_links(folder, capfd) -> None:
    _printed(capfd)
    place = RUNS / "20260102-000000/report.html"
    before = place.read_bytes()
    moved = folder / "moved"
    moved.mkdir()
    for name in ("pipeline_config.yaml", "runs"):
        shutil.move(folder / name, moved / name)
    os.chdir(moved)
    _printed(capfd)
    assert place.read_bytes() == before


def test_what_cannot_be_reported_is_refused_in_one_line(folder, capfd) -> None:
    assert main(["report", "--run", "nope"]) == 2
    assert capfd.readouterr().err == (
        "tokenline: --run: got 'nope', expected one of 20260101-000000, 20260102-000000\n"
    )
    shutil.rmtree("runs")
    assert main(["report", "--format", "markdown"]) == 2
    assert "no finished run yet" in capfd.readouterr().err


def test_a_file_that_cannot_be_written_is_named_with_its_option(folder, capfd) -> None:
    (folder / "taken").write_text("a file")
    assert main(["report", "-o", "taken/report.html"]) == 2
    told = capfd.readouterr().err
    assert told.startswith("tokenline: --output: taken/report.html cannot be written: ")
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    ("inputs", "looked_up", "name"),
    [
        ([{"name": "base_model", "id": 9, "run": "a-run"}], "", "model #9 of run a-run"),
        ([{"name": "base_model", "id": 9, "run": ""}], "b-run", "model #9 of run b-run"),
        ([{"name": "base_model", "id": 9, "run": ""}], "", "model #9"),
        ([], "", "a model"),
    ],
)
def test_what_training_started_from_is_told_by_id_and_run(
    folder, capfd, inputs, looked_up, name
) -> None:
    place = RUNS / "20260102-000000/run.json"
    record = json.loads(place.read_text())
    rows = {"target": {"kept": 9, "moved": 0, "new": 1, "left_out": 0}}
    model = "/elsewhere/runs/numbers/artifacts/SequenceTrainer/model/8"
    record["history"]["start"] = {"model": model, "rows": rows, "slots": {}}
    output = {"name": "result", "id": 9, "type": "Model", "uri": "a", "hash": ""}
    record["lineage"] = [
        {"name": "BaseModel", "run": looked_up, "inputs": [], "outputs": [output]},
        {"name": "SequenceTrainer", "inputs": inputs, "outputs": []},
    ]
    place.write_text(json.dumps(record))
    text = _printed(capfd, "--format", "markdown")
    assert f"started from {name} (…/SequenceTrainer/model/8): target 9 rows kept" in text
    assert "/elsewhere" not in text


def test_paths_are_as_the_user_would_type_them(folder, capfd) -> None:
    place = RUNS / "20260102-000000/run.json"
    record = json.loads(place.read_text())
    record["ingest"]["first_bad_rows"] = [f"{folder}/data/a.jsonl:7: bad"]
    place.write_text(json.dumps(record))
    assert "- data/a.jsonl:7: bad\n" in _printed(capfd, "--format", "markdown")
