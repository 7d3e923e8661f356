"""One reading of compiled pipelines: what every command that takes one refuses, and what all see of it."""

import json

import pytest
import yaml

from components.errors import InputError
from pipeline.__main__ import main
from pipeline.kubeflow import reading

SPEC = {
    "pipelineInfo": {"name": "small"},
    "schemaVersion": "2.1.0",
    "root": {"inputDefinitions": {"parameters": {"n": {"parameterType": "NUMBER_INTEGER"}}}},
}
CONFIG = """
pipeline: {name: small}
task: lm
data: {path: "rows-{SPAN}"}
cloud: {project: p, region: europe-west4, root: "gs://b/p", data: "gs://b/d-{SPAN}", image: "i:1"}
"""
COMMANDS = (
    ["compile", "--lint", "FILE"],
    ["submit", "--dry-run", "FILE"],
    ["schedule", "0 3 * * *", "--dry-run", "FILE"],
    ["emulate", "FILE"],
)


def _with(**changes) -> str:
    return json.dumps(SPEC | changes)


def _job(**fields) -> str:
    return json.dumps({"pipelineSpec": SPEC, **fields})


REFUSED = {
    "absent": ("p.json", None, "No such file or directory, expected a compiled pipeline"),
    "no JSON": ("p.json", "{", "not valid JSON: Expecting property name"),
    "no YAML": ("p.yaml", "- [", "not valid YAML: while parsing"),
    "no text": ("p.json", b"\xff\xfe", "not UTF-8 (byte 0), expected"),
    "too deep": ("p.json", "[" * 100_000, "not valid JSON: maximum recursion"),
    "too deep for messages": (
        "p.json",
        _with(deploymentSpec={"executors": json.loads('{"a":' * 400 + "1" + "}" * 400)}),
        "got parts in parts, too deep to read, expected a compiled pipeline",
    ),
    "a list": ("p.json", "[]", "got list, expected a compiled pipeline"),
    "a part of itself": ("p.yaml", "root: &a {b: *a}", "got a part that holds itself, expected a"),
    "nothing": ("p.yaml", "", "got NoneType, expected a compiled pipeline"),
    "an empty object": ("p.json", "{}", "got no pipelineInfo, expected"),
    "no schema": ("p.json", _with(schemaVersion=None), "got no schemaVersion, expected"),
    "no name": ("p.json", _with(pipelineInfo={}), "got no pipelineInfo.name, expected"),
    "another spec": ("p.json", '{"pipelineSpec": 3}', "pipelineSpec: got int, expected"),
    "a configuration": (
        "c.yaml",
        "pipeline: {name: x}",
        'is no pipelineSpec: Message type "ml_pipelines.PipelineSpec" has no field named "pipeline" at',
    ),
    "another root": ("p.json", _with(root=3), "is no pipelineSpec: Failed to parse root field"),
    "a mistyped field": (
        "p.json",
        _with(root={"dag": {"tasks": {"A": {"dependentTaks": ["B"]}}}}),
        "is no pipelineSpec: ",
    ),
    "another executor": (
        "p.json",
        _with(deploymentSpec={"executors": {"a": {"container": {"args": 5}}}}),
        "is no pipelineSpec.deploymentSpec: Failed to parse executors field",
    ),
    "no number": (
        "p.json",
        _with(deploymentSpec={"executors": {"a": {"container": {"resources": {"cpuLimit": "x"}}}}}),
        "is no pipelineSpec.deploymentSpec: ",
    ),
    "another job": ("p.json", _job(runtimeConfig=3), "is no PipelineJob: Failed to parse runtimeCo"),
    "another label": ("p.json", _job(labels={"a": 3}), "is no PipelineJob: Failed to parse labels"),
    "values of schema 2.0": (
        "p.json",
        _job(runtimeConfig={"parameters": {"n": {"intValue": 3}}}),
        "runtimeConfig.parameters: got values as schema 2.0 has them, expected parameterValues",
    ),
    "half a character": (
        "p.json",
        _with(root={"dag": {"tasks": {"A": {"taskInfo": {"name": "\ud800"}}}}}),
        "got '\\ud800', half a character, expected text",
    ),
    "a key of its own": ("p.json", _job(encryptionSpec={"kmsKeyName": "k"}), "encryptionSpec: got a v"),
    "another policy": (
        "p.json",
        _job(runtimeConfig={"failurePolicy": 1}),
        "runtimeConfig: failurePolicy: got a value, expected none: it would not be sent",
    ),
    "another field": ("p.json", _job(lables={"a": "b"}), "is no PipelineJob: Message type"),
    "a field of another name": (
        "p.json",
        _job(runtimeConfig={"parameterValue": {"train_steps": 5}}),
        "is no PipelineJob: Failed to parse runtimeConfig field: Message type",
    ),
    "another account": ("p.json", _job(serviceAccount=3), "serviceAccount: got 3, expected text"),
}  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
@pytest.mark.parametrize("case", REFUSED)
def test_each_command_refuses_it_in_the_same_line(
    command, case, tmp_path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipeline_config.yaml").write_text(CONFIG)
    name, content, says = REFUSED[case]
    if content is not None:
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    assert main([name if each == "FILE" else each for each in command]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"tokenline: {name}: {says}")
    assert error.count("\n") == 1
    assert "Available Fields" not in error


def test_a_spec_alone_and_a_job_are_told_apart(tmp_path) -> None:
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(SPEC))
    (tmp_path / "a.json").write_text(_job(serviceAccount="a@b", templateUri="x"))
    alone, job = (reading.read(str(tmp_path / f"a.{kind}")) for kind in ("yaml", "json"))
    assert alone.spec == job.spec == SPEC
    assert alone.job is None
    assert alone.document == SPEC
    assert job.job == {"serviceAccount": "a@b"}
    assert job.document == job.job | {"pipelineSpec": SPEC}


def test_what_is_null_or_called_as_in_the_proto_is_read_as_the_services_read_it() -> None:
    written = {
        "pipeline_info": {"name": "small"},
        "schema_version": "2.1.0",
        "root": {"input_definitions": {"parameters": {"n": {"parameter_type": 2}}}},
        "components": None,
        "deploymentSpec": {"executors": {"a": {"container": None}}},
    }
    found = reading.checked(written, "x")
    assert found.spec == SPEC | {"deploymentSpec": {"executors": {"a": {}}}}
    job = {"pipelineSpec": SPEC, "labels": None, "runtimeConfig": {"parameterValues": {"n": 3}}}
    read = reading.checked(job, "x").job
    assert json.dumps(read) == '{"runtimeConfig": {"parameterValues": {"n": 3}}}'  # not 3.0


def test_settings_of_a_platform_come_in_a_second_document(tmp_path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(f"# of kfp\n{yaml.safe_dump(SPEC)}---\nplatforms: {{}}\n")
    assert reading.read(str(path)).further
    path.write_text(yaml.safe_dump(SPEC))
    assert not reading.read(str(path)).further


def test_what_stands_there_instead_is_not_told_in_full() -> None:
    """Which field comes first, and what was expected last."""
    with pytest.raises(InputError) as raised:
        reading.checked(SPEC | {"root": {"dag": {"tasks": ["a part"] * 10_000}}}, "x")
    told = str(raised.value)
    assert told.startswith("x: is no pipelineSpec: Failed to parse root field")
    assert told.endswith(f" at PipelineSpec.root.dag.tasks; {reading.EXPECTED}")
    assert len(told) < 600


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_of_json_is_refused(number) -> None:
    spec = SPEC | {"deploymentSpec": {"executors": json.loads(f'{{"a": {number}}}')}}
    with pytest.raises(InputError, match=r"^x: is no pipelineSpec"):
        reading.checked(spec, "x")
