"""Spans come to a bucket, retrain submits the whole line for them, the emulator runs it, the bucket tells."""

import json
import pathlib
import re

import fake_storage
import pytest
from small_pipeline import REPOSITORY
from test_submitted_line import LINE, emulated

from pipeline.__main__ import main
from pipeline.emulator import places
from pipeline.emulator.artifact_store import PROJECT
from pipeline.retrain.ledger import open_ledger
from pipeline.submit import following

pytestmark = [pytest.mark.pipeline, pytest.mark.slow]

ROOT = "gs://bucket/pipelines/submitted"
RETRAIN = "retrain: {runner: vertex, window: {spans: 2}}\n"


@pytest.fixture
def bucket(config_file, tmp_path, monkeypatch):
    """A bucket whose files are those of the emulator."""
    monkeypatch.setattr(following, "POLL_SECONDS", 0.2)
    config_file.write_text(LINE + RETRAIN)
    found = fake_storage.FakeStorage(tmp_path / "emulated")
    with fake_storage.serving(found) as address:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", address)
        yield found


def arrives(number):
    """Made here, and laid where the emulator's bucket has it."""
    assert main(["generate", "--span", str(number)]) == 0
    pathlib.Path(f"data/span-{number}/_SUCCESS").touch()
    places.lay(places.at("emulated"), ["gs://bucket/data/span-{SPAN}=data/span-{SPAN}"])


def expire(store):
    """All that the page's lifecycle rules name is old enough to go; what went."""
    page = (REPOSITORY / "docs" / "retraining.md").read_text()
    text = page.partition('```json\n{"lifecycle"')[2].partition("```")[0]
    gone = []
    for rule in json.loads(f'{{"lifecycle"{text}')["lifecycle"]["rule"]:
        assert rule["action"] == {"type": "Delete"}
        condition = rule["condition"]
        for prefix in condition["matchesPrefix"]:
            there = re.sub(r"\b\d{12}\b", PROJECT, prefix).replace("/numbers/", "/submitted/")
            for address in store.names(f"gs://bucket/{there}"):
                if address.endswith(tuple(condition.get("matchesSuffix", [""]))):
                    pathlib.Path("emulated", address.removeprefix("gs://")).unlink()
                    gone.append(address)
    return gone


def window(key, store):
    """What the job of a run has read."""
    (job,) = [
        found
        for path in pathlib.Path("emulated/.emulator/jobs").glob("*/job.json")
        if key[:16] in (found := json.loads(path.read_text()))["id"]
    ]
    (task,) = [each for each in job["tasks"] if each["name"] == "SpanWindow"]
    uri = task["outputs"]["artifacts"]["span_window"][0]["uri"]
    return json.loads(store.get(f"{uri}/spans.json"))


def test_two_spans_are_each_new_in_one_job_and_the_second_starts_from_the_first(
    vertex, bucket, capsys
):
    vertex.runner = emulated
    arrives(1)
    assert main(["retrain"]) == 0
    state, _ = open_ledger(ROOT).load()
    (first,) = state.runs
    assert (first.state, first.pushed_version) == ("pushed", 1)
    assert first.metrics["masked_token_loss"] > 0
    found = window(first.key, bucket)
    assert (found["spans"], found["new"]) == ([1], [1])

    gone = expire(bucket)
    assert {"ExampleGen", "Transform"} == {re.split(r"[/_]", each)[6] for each in gone}
    arrives(2)
    assert main(["retrain", "--no-wait"]) == 0
    assert "goes on" in capsys.readouterr().out
    for thread in vertex._threads:
        thread.join()
    assert main(["retrain", "--no-wait"]) in (0, 3)
    state, _ = open_ledger(ROOT).load()
    second = state.runs[-1]
    assert second.state in ("pushed", "refused"), second.reason
    found = window(second.key, bucket)
    assert (found["spans"], found["new"]) == ([1, 2], [2])
    models = [
        artifact
        for artifact in json.loads(pathlib.Path("emulated/.emulator/store.json").read_text())[
            "artifacts"
        ]
        if "SequenceTrainer" in artifact["uri"] and "warm_start" in artifact["metadata"]
    ]
    assert [bool(each["metadata"]["base_model"]) for each in models] == [False, True]

    assert main(["retrain"]) == 0
    assert "nothing new" in capsys.readouterr().out
    assert len(vertex.made("POST", "pipelineJobs")) == len(vertex.jobs) == 2
    served = [name for name in bucket.names(f"{ROOT}/served/") if name.endswith("saved_model.pb")]
    assert len(served) == sum(run.state == "pushed" for run in state.runs)


def test_a_span_with_a_bad_row_is_parked_after_one_job_with_its_file_and_line(
    vertex, bucket, capsys
):
    vertex.runner = emulated
    assert main(["generate", "--span", "1"]) == 0
    folder = pathlib.Path("data/span-1")
    (rows,) = folder.glob("*.jsonl")
    with rows.open("a") as file:
        file.write('{"source": "1 2"}\n')
    (folder / "_SUCCESS").touch()
    places.lay(places.at("emulated"), ["gs://bucket/data/span-{SPAN}=data/span-{SPAN}"])
    assert main(["retrain"]) == 2
    state, _ = open_ledger(ROOT).load()
    (run,) = state.runs
    assert (run.state, run.permanent, run.attempts) == ("failed", True, 1)
    assert f"{rows.name}:401" in run.reason
    assert [span.state for span in state.spans] == ["parked"]
    assert f"span 1: parked: {run.reason.splitlines()[0]}" in capsys.readouterr().out
    assert len(vertex.jobs) == 1
