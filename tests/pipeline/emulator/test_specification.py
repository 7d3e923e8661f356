"""Reading compiled pipelines, and what is refused."""

import json
import pathlib

import pytest
import yaml
from compiled import Compiled, source

from components.errors import InputError
from pipeline.emulator import specification


def _good() -> Compiled:
    compiled = Compiled()
    compiled.declared = {"n": {"parameterType": "NUMBER_INTEGER", "defaultValue": 3}}
    compiled.step("A", outputs={"out": "tfx.Examples"}, values={"rows": "NUMBER_INTEGER"})
    compiled.step(
        "B", inputs={"found": ("A", "out")}, parameters={"n": {"componentInputParameter": "n"}}
    )
    return compiled


def test_json_and_yaml_say_the_same(tmp_path: pathlib.Path) -> None:
    compiled = _good()
    (tmp_path / "a.json").write_text(json.dumps(compiled.document))
    (tmp_path / "a.yaml").write_text("# comment\n" + yaml.dump(compiled.specification))
    from_json, from_yaml = (
        specification.read(str(tmp_path / f"a.{kind}")) for kind in ("json", "yaml")
    )
    assert from_json.root == from_yaml.root
    assert from_json.components == from_yaml.components
    assert from_json.output == "gs://bucket/root"
    assert from_yaml.output == "gs://pipeline-root"  # the file says none
    assert from_json.root.parameters["n"]["defaultValue"] == 3


def test_what_only_the_service_knows_is_no_fault() -> None:
    document = _good().document | {"serviceAccount": "a@b", "network": "n", "labels": {"a": "b"}}
    assert specification.from_document(document, "x").labels == {"a": "b"}


def _broken(change) -> dict:
    document = _good().document
    change(document["pipelineSpec"])
    return document


def _task(spec, name):
    return spec["root"]["dag"]["tasks"][name]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda s: s.update(schemaVersion="2.0.0"),
            "x: schemaVersion: got '2.0.0', expected '2.1.0'",
        ),
        (lambda s: s.update(colour="red"), "x: is no pipelineSpec: "),
        (
            lambda s: s["deploymentSpec"]["executors"].clear(),
            "x: components.A.executorLabel: no executor 'A_executor' in deploymentSpec",
        ),
        (lambda s: s["components"].pop("B"), "x: root: task B: no component 'B'"),
        (lambda s: s.pop("root"), "x: root: got none"),
        (
            lambda s: _task(s, "B").update(dependentTasks=["C"]),
            "x: root: task B comes after 'C', expected one of A, B",
        ),
        (
            lambda s: _task(s, "A").update(dependentTasks=["B"]),
            "x: root: tasks wait for each other: A, B",
        ),
        (
            lambda s: _task(s, "B")["inputs"]["artifacts"].update(found=source("A", "outs")),
            "x: root: task B: input found: got 'outs', expected one of out",
        ),
        (
            lambda s: s["root"]["inputDefinitions"]["parameters"].clear(),
            "x: root: task B: parameter n: got 'n', expected one of none",
        ),
        (
            lambda s: _task(s, "A").update(parameterIterator={"itemInput": "a"}),
            "x: tasks.A.parameterIterator: loops cannot be emulated",
        ),
        (
            lambda s: s["deploymentSpec"]["executors"].update(
                A_executor={"customJob": {"customJob": {}}}
            ),
            "x: executors.A_executor: cannot run customJob",
        ),
    ],
)
def test_a_broken_specification_is_told_in_a_line(change, says: str) -> None:
    with pytest.raises(InputError) as raised:
        specification.from_document(_broken(change), "x")
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        (
            "absent.json",
            None,
            "absent.json: No such file or directory, expected a compiled pipeline",
        ),
        ("a.json", "{", "a.json: is no JSON: "),
        ("a.yaml", "a: [", "a.yaml: is no YAML: "),
        ("a.yaml", "", "a.yaml: got NoneType, expected a compiled pipeline"),
        ("a.json", "{}", "a.json: pipelineInfo: got none"),
        ("c.yaml", "pipeline: {name: x}", "c.yaml: is no pipelineSpec: "),
    ],
)
def test_another_file_is_told_in_a_line(tmp_path, monkeypatch, name, text, says: str) -> None:
    monkeypatch.chdir(tmp_path)
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError) as raised:
        specification.read(name)
    assert str(raised.value).startswith(says)
    assert "\n" not in str(raised.value)
