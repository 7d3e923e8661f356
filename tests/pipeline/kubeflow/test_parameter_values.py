"""Our runtime parameters by name: what the configuration refuses for a key, a value may not be either."""

import copy
import hashlib
import json
import pathlib

import pytest
from compiled_line import CONFIG, compiled

from components.errors import InputError
from components.example_gen import files
from pipeline.__main__ import main
from pipeline.config import load_config
from pipeline.kubeflow import parameter_values, parameters
from pipeline.retrain import planning
from pipeline.submit import parameters as declared_ones

DATA, SERVED = "gs://bucket/data/span-{SPAN}", "gs://bucket/pipelines/numbers/served"
DEFAULTS = {
    "data_path": DATA,
    "spans": "latest:1",
    "new_spans": "[]",
    "fingerprint": "",
    "train_steps": 0,
    "push_destination": SERVED,
    "run_key": "",
}
DECLARED = {
    name: {"parameterType": parameters.KINDS[name], "defaultValue": value}
    for name, value in DEFAULTS.items()
}
_BUCKET = "expected a bucket's name of a-z, 0-9, '.', '_' and '-'"
_SPANS = 'expected a JSON list of numbers, each once, "all" or "latest:N"'
WRONG = {
    "train_steps=-5": "got -5, expected an integer >= 1, or 0: as configured",
    "spans=foo": f"got 'foo', {_SPANS}",
    "spans=": f"got '', {_SPANS}",
    "spans=latest": f"got 'latest', {_SPANS}",
    "spans=latest:0": f"got 'latest:0', {_SPANS}",
    'spans=[3,"a"]': f"got '[3,\"a\"]', {_SPANS}",
    "spans=[3,3]": f"got '[3,3]', {_SPANS}",
    "spans=[-3]": f"got '[-3]', {_SPANS}",
    "spans=[3": f"got '[3', {_SPANS}",
    "new_spans=3": "got '3', expected a JSON list of numbers, each once",
    "new_spans=all": "got 'all', expected a JSON list of numbers, each once",
    "data_path=gs://b/d": "got 'gs://b/d', expected {SPAN} in it, as in the default",
    "data_path=gs://b/{SPAN}/{SPAN}": "got 'gs://b/{SPAN}/{SPAN}', expected {SPAN} at most once",
    "data_path=gs://{SPAN}/d": f"got 'gs://{{SPAN}}/d', {_BUCKET}",
    "data_path=http://b/{SPAN}": "got 'http://b/{SPAN}', expected an address at gs://",
    "push_destination=gs:///served": f"got 'gs:///served', {_BUCKET}",
    "push_destination=gs://b/{SPAN}": "got 'gs://b/{SPAN}', expected no {SPAN}: it is filled in for",
    "push_destination=gs://b/../x": "got 'gs://b/../x', expected no '.' or '..' in it: a bucket has",
    "push_destination=gs://b/served/": "got 'gs://b/served/', expected no / at its end",
    "fingerprint=abc": "got 'abc', expected 32 hex digits, or '': taken when the run starts",
    "run_key=../other": "got '../other', expected 64 hex digits, or '': of no run of retrain",
}  # fmt: skip
BESIDE = {
    ("spans=[]",): "spans: got '[]', expected at least one, as data_path has {SPAN}",
    (
        "spans=[3, 4]",
        "new_spans=[5]",
    ): "new_spans: got [5], expected some of the spans [3, 4]",
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """With a configuration, and pipeline.json, a line with our parameters."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipeline_config.yaml").write_text(
        CONFIG.replace("cloud:\n", "cloud:\n  project: p\n  region: europe-west4\n")
    )
    _write(tmp_path, {})
    return tmp_path


def _write(folder, values, declared=DECLARED):
    """A PipelineJob with these values, of a line that declares these parameters."""
    spec = {
        "pipelineInfo": {"name": "small"},
        "schemaVersion": "2.1.0",
        "root": {
            "inputDefinitions": {"parameters": declared},
            "dag": {"tasks": {"Step": {"componentRef": {"name": "Step"}}}},
        },
        "components": {"Step": {"executorLabel": "step"}},
        "deploymentSpec": {"executors": {"step": {"container": {"image": "i", "command": ["c"]}}}},
    }
    runtime = {"gcsOutputDirectory": "gs://bucket/p", "parameterValues": values}
    job = {"pipelineSpec": spec, "runtimeConfig": runtime}
    (folder / "pipeline.json").write_text(json.dumps(job))


def _commands(*more):
    """Each command that takes values."""
    return (
        ["submit", "pipeline.json", *more, "--dry-run"],
        ["schedule", "0 3 * * *", "pipeline.json", *more, "--dry-run"],
        ["emulate", "pipeline.json", *more],
    )


def _given(texts):
    return [part for text in texts for part in ("--parameter", text)]


def _as_values(texts):
    pairs = dict(text.split("=", 1) for text in texts)
    return {name: int(text) if name == "train_steps" else text for name, text in pairs.items()}


@pytest.mark.parametrize("text", WRONG)
def test_each_command_refuses_the_value_by_name(text, folder, capsys) -> None:
    name = text.partition("=")[0]
    for command in _commands("--parameter", text):
        assert main(command) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"tokenline: --parameter {name}: {WRONG[text]}")
        assert error.count("\n") == 1


@pytest.mark.parametrize("text", WRONG)
def test_each_command_refuses_the_value_in_a_job_file(text, folder, capsys) -> None:
    name = text.partition("=")[0]
    _write(folder, _as_values([text]))
    for command in _commands():
        assert main(command) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"tokenline: pipeline.json: parameter {name}: {WRONG[text]}")
        assert error.count("\n") == 1


@pytest.mark.parametrize("texts", BESIDE)
def test_values_that_contradict_each_other_are_refused(texts, folder, capsys) -> None:
    for command in _commands(*_given(texts)):
        assert main(command) == 2
        assert capsys.readouterr().err == f"tokenline: pipeline.json: parameter {BESIDE[texts]}\n"
    _write(folder, _as_values(texts[:1]))  # one in the file, one as an argument
    for command in _commands(*_given(texts[1:])):
        assert main(command) == 2
        assert capsys.readouterr().err == f"tokenline: pipeline.json: parameter {BESIDE[texts]}\n"


@pytest.mark.parametrize(
    "texts",
    [
        ("train_steps=0",),
        ("train_steps=20", "spans=[3, 4]", "new_spans=[4]"),
        ("spans=all", "new_spans=[4]"),
        ("spans=latest:12",),
        ("data_path=gs://other/x-{SPAN}/y", "push_destination=gs://other/served"),
        (f"fingerprint={'0a' * 16}", f"run_key={'0a' * 32}"),
    ],
)
def test_what_a_run_understands_is_sent(texts, folder, capsys) -> None:
    assert main(["submit", "pipeline.json", *_given(texts), "--dry-run"]) == 0
    sent = json.loads(capsys.readouterr().out)["pipelineJob"]["runtimeConfig"]
    assert sent["parameterValues"] == _as_values(texts)


def test_only_kubeflow_may_have_other_stores_than_google_s(folder, capsys) -> None:
    texts = ["data_path=minio://other/span-{SPAN}", "push_destination=s3://other/served"]
    command = ["submit", "pipeline.json", *_given(texts), "--dry-run"]
    assert main(command) == 2
    expected = "".join(
        f"tokenline: --parameter {name}: got {value!r}, expected an address at gs://\n"
        for name, _, value in (text.partition("=") for text in texts)
    )
    assert capsys.readouterr().err.replace("\n--", "\ntokenline: --") == expected
    config = pathlib.Path("pipeline_config.yaml")
    config.write_text(f"{config.read_text()}\nkubeflow: {{host: 'http://localhost:1'}}\n")
    assert main([*command, "--target", "kubeflow"]) == 0
    assert json.loads(capsys.readouterr().out)


def test_without_spans_in_the_path_there_are_none_to_list() -> None:
    flat = DEFAULTS | {"data_path": "gs://bucket/data", "spans": "[]"}
    assert parameter_values.contradictions(flat) == {}
    assert parameter_values.contradictions(flat | {"spans": "[0]"}) == {}
    found = parameter_values.contradictions(flat | {"spans": " [3]"})
    assert found == {"spans": "got ' [3]', but data_path has no {SPAN}"}


@pytest.mark.parametrize(
    ("name", "kind", "default", "value"),
    [
        ("train_steps", "STRING", "many", "-5"),
        ("train_steps", "NUMBER_DOUBLE", 0.5, "-5"),
        ("train_steps", "NUMBER_INTEGER", -1, "-5"),
        ("train_steps", "NUMBER_INTEGER", "many", "-5"),
        ("spans", "STRING", {"a": 1}, "foo"),
        ("spans", "LIST", [1], '["a"]'),
        ("spans", "STRING", "left to right", "foo"),
        ("fingerprint", "STRING", None, "abc"),
        ("data_path", "STRING", "bq://p.d.table", "bq://p.d.other"),
        ("run_key", "STRUCT", {}, '{"a": 1}'),
    ],
)
def test_another_pipeline_s_parameter_of_that_name_is_its_own(name, kind, default, value) -> None:
    facts = {"parameterType": kind} | ({} if default is None else {"defaultValue": default})
    declared = declared_ones.declared_by({name: facts})
    declared_ones.check(declared_ones.from_texts([f"{name}={value}"], declared), declared, "x")


def test_what_our_own_code_makes_of_them_fits(folder) -> None:
    """The rules say again how long these are."""
    (folder / "a.txt").write_text("a")
    key = planning.run_key([(1, 1, "c")], [(1, 1)], "code", hashlib.sha256().hexdigest())
    file = files.InputFile(1, str(folder / "a.txt"), 1)
    made = {"run_key": key, "fingerprint": files.fingerprint([file])}
    for name, value in made.items():
        assert parameter_values.fault(name, value, "") == ""
        assert parameter_values.fault(name, value[:-1], "") != ""


def test_every_parameter_that_is_compiled_is_known_here_and_checked(folder, job) -> None:
    config = load_config("pipeline_config.yaml")
    compiled_ones = parameters.defaults(config, config.cloud)
    assert compiled_ones == DEFAULTS
    declared = job["pipelineSpec"]["root"]["inputDefinitions"]["parameters"]
    assert declared == DECLARED
    checked = {text.partition("=")[0] for text in WRONG}
    assert checked == set(declared)


def test_a_line_without_spans_and_a_list_of_them_are_ours_too(tmp_path) -> None:
    flat = CONFIG.replace("/span-{SPAN}", "").replace(", generator: {name: numbers, rows: 60}", "")
    (tmp_path / "data").mkdir()
    for text in (flat, CONFIG.replace("data: {path", "data: {spans: [3, 5], path")):
        found = compiled(tmp_path, text)["pipelineSpec"]
        for each in declared_ones.definitions(found).values():
            assert parameter_values.is_ours(each.name, each.type, each.default), each


def test_a_default_is_not_held_against_itself() -> None:
    """Whoever changes a default in the file has another pipeline, which is his."""
    declared = copy.deepcopy(DECLARED)
    declared["train_steps"]["defaultValue"] = -1
    found = declared_ones.declared_by(declared)
    declared_ones.check({"train_steps": -7}, found, "x")
    with pytest.raises(InputError, match=r"^x: parameter spans: got 'foo'"):
        declared_ones.check({"spans": "foo"}, found, "x")
