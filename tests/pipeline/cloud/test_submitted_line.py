"""The whole line, compiled, sent by the real client over TLS, and run by the emulator."""

import json

import fake_vertex
import pytest

from pipeline.__main__ import main
from pipeline.emulator import command as emulate_command
from pipeline.emulator import emulation, places, specification, telling
from pipeline.submit import following, parameters
from pipeline.terminal import Terminal

pytestmark = [pytest.mark.pipeline, pytest.mark.slow]

LINE = """
pipeline: {name: submitted, root: runs}
task: seq2seq
data:
  path: data/span-{SPAN}
  generator: {name: numbers, rows: 400, seed: 1}
  columns: {source: source, target: target}
  split: {train: 3, eval: 1}
transform: {source_tokenizer: character, target_tokenizer: whitespace}
model: {units: 16}
batch: {size: 64}
train: {learning_rate: 0.01}
serving: {check: {enabled: false}}
cloud:
  project: my-project
  region: europe-west4
  root: gs://bucket/pipelines
  data: gs://bucket/data/span-{SPAN}
  image: europe-docker.pkg.dev/p/r/tokenline:0.1.0
"""
STATES = {"CACHED": "SKIPPED"}  # where the emulator has a name of its own


def emulated(body, number):
    """A runner: the job as the emulator ran it, as part of a PipelineJob."""
    pipeline = specification.from_document(
        {name: body[name] for name in ("pipelineSpec", "runtimeConfig")}, number
    )
    declared = parameters.declared_by(pipeline.root.parameters)
    laid = places.at("emulated")
    places.lay(laid, ["gs://bucket/data/span-{SPAN}=data/span-{SPAN}"])
    with open("emulated.log", "w") as log:
        job = emulation.emulate(
            pipeline,
            parameters.complete(pipeline.given, declared, number),
            places=laid,
            isolation=emulate_command.isolation("fork", pipeline, laid),
            events=telling.to_terminal(Terminal(log)),
            job=number,
        )
    tasks = [_task(run) for run in job.tasks]
    return {"state": f"PIPELINE_STATE_{job.state}", "jobDetail": {"taskDetails": tasks}}


def _task(run):
    outputs = {
        name: {"artifacts": [{"uri": each.uri, "metadata": each.metadata} for each in found]}
        for name, found in run.outputs.artifacts.items()
    }
    error = {"error": {"code": 2, "message": run.reason}} if run.reason else {}
    state = STATES.get(run.state, run.state)
    return fake_vertex.step(run.name, state, run.seconds, outputs=outputs, **error)


def test_the_line_is_submitted_run_and_pushed(vertex, config_file, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(following, "POLL_SECONDS", 0.2)
    config_file.write_text(LINE)
    assert main(["generate", "--span", "1"]) == 0
    vertex.runner = emulated
    arguments = ["submit", "--parameter", "train_steps=20", "--wait", "--json"]
    assert main(arguments) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()[1:]]
    told = {each["step"]: each["state"] for each in events if each["event"] == "step"}
    assert {"SpanWindow", "SequenceTrainer", "Pusher"} <= set(told)
    assert set(told.values()) == {"done"}
    assert events[-1]["pushed"] == "gs://bucket/pipelines/submitted/served/1"
    assert (tmp_path / "emulated/bucket/pipelines/submitted/served/1/saved_model.pb").exists()
    assert main(arguments) in (0, 3)  # nothing is new: what can be is cached
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    told = {each["step"]: each["state"] for each in events if each["event"] == "step"}
    assert told["SequenceTrainer"] == "cached"
