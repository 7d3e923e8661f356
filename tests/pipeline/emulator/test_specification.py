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
        (lambda s: s.pop("root"), "x: got no root, expected a compiled pipeline"),
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
            lambda s: _task(s, "B")["inputs"]["artifacts"]["found"]["taskOutputArtifact"].clear(),
            "x: root: task B: input found: got '', expected one of A, B",
        ),
        (
            lambda s: _task(s, "B")["inputs"]["parameters"].update(
                n={"taskOutputParameter": {"producerTask": "A"}}
            ),
            "x: root: task B: parameter n: got '', expected one of rows",
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
