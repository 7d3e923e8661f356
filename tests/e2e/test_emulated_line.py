"""The compiled line, run as the service would: what a local run gives, and what a later run builds on."""

import json
import pathlib
import shutil
from typing import Any

import pytest

pytestmark = pytest.mark.pipeline

CONFIG = """
pipeline: {name: numbers, root: runs}
task: seq2seq
data:
  path: data/span-{SPAN}
  spans: all
  generator: {name: numbers, rows: 400, seed: 1}
  columns: {source: source, target: target}
  split: {train: 3, eval: 1}
transform: {source_tokenizer: character, target_tokenizer: whitespace}
model: {units: 16}
batch: {size: 64}
train: {epochs: 2, learning_rate: 0.01}
serving: {check: {examples: 8, max_batch: 2}}
cloud:
  root: gs://bucket/pipelines
  data: gs://bucket/data/span-{SPAN}
  image: region-docker.pkg.dev/p/r/tokenline:1
"""
REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
DATA = "gs://bucket/data/span-{SPAN}=data/span-{SPAN}"
ROOT = pathlib.Path("runs/emulated")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tokenline) -> pathlib.Path:
    """A project with one span and its compiled line."""
    folder = tmp_path_factory.mktemp("emulated")
    (folder / "pipeline_config.yaml").write_text(CONFIG)
    for arguments in (["generate", "--span", "1"], ["compile", "-o", "pipeline.json"]):
        done = tokenline(*arguments, cwd=folder)
        assert done.code == 0, done.out + done.err
    return folder


class Emulated:
    """One job: its tasks, and where their outputs lie."""

    def __init__(self, folder: pathlib.Path, finished: Any) -> None:
        events = [json.loads(line) for line in finished.out.splitlines()]
        self.code, self.open_ports = finished.code, finished.open_ports
        self.folder, self.job = folder, events[-1]["job"]
        self.left = [each for each in events if each["event"] == "left"]
        self.tasks = {task["name"]: task for task in self.job["tasks"]}

    def state(self, task: str) -> str:
        return self.tasks[task]["state"]

    def artifact(self, task: str, output: str) -> dict[str, Any]:
        (found,) = self.tasks[task]["outputs"]["artifacts"][output]
        return found

    def path(self, task: str, output: str) -> pathlib.Path:
        return self.folder / ROOT / self.artifact(task, output)["uri"].removeprefix("gs://")

    def read(self, task: str, output: str, name: str) -> Any:
        return json.loads((self.path(task, output) / name).read_text())


@pytest.fixture(scope="module")
def emulate(folder, tokenline):
    def call(*arguments: str) -> Emulated:
        options = ["--isolation", "fork", "--json", "--data", DATA, *arguments]
        finished = tokenline("emulate", "pipeline.json", *options, cwd=folder)
        assert finished.code in (0, 3), finished.out[-3000:] + finished.err
        return Emulated(folder, finished)

    return call


@pytest.fixture(scope="module")
def first(emulate) -> Emulated:
    return emulate()


@pytest.fixture(scope="module")
def second(first, emulate, folder, tokenline) -> Emulated:
    """After a new span has come."""
    assert tokenline("generate", "--span", "2", cwd=folder).code == 0
    return emulate()


@pytest.fixture(scope="module")
def third(second, emulate) -> Emulated:
    """Without anything new."""
    return emulate()


@pytest.fixture(scope="module")
def alike(folder, tmp_path_factory) -> pathlib.Path:
    """Another project with the same line and the first span, of which no other comes."""
    alike = tmp_path_factory.mktemp("alike")
    for name in ("pipeline_config.yaml", "pipeline.json"):
        shutil.copy(folder / name, alike)
    (alike / "data").mkdir()
    (alike / "data/span-1").symlink_to(folder / "data/span-1")
    return alike


@pytest.fixture(scope="module")
def local(alike, tokenline) -> Any:
    """The metrics by slice of a run that is not emulated."""
    done = tokenline("run", cwd=alike)
    assert done.code == 0, done.out + done.err
    return done.record["metrics"]["slices"]


@pytest.fixture(scope="module")
def apart(alike, tokenline) -> Emulated:
    """The first job, its steps in processes of their own."""
    done = tokenline("emulate", "pipeline.json", "--json", "--data", DATA, cwd=alike)
    assert done.code == 0, done.out[-3000:] + done.err
    return Emulated(alike, done)


def test_the_first_job_runs_all_and_pushes(first, tokenline, folder) -> None:
    assert first.job["state"] == "SUCCEEDED"
    assert {task["state"] for task in first.tasks.values()} == {"SUCCEEDED"}
    assert first.artifact("SequenceEvaluator", "blessing")["metadata"]["blessed"] == 1.0
    assert first.left == []
    assert first.open_ports == set()
    pushed = first.artifact("Pusher", "pushed_model")["metadata"]["pushed_destination"]
    model = folder / ROOT / pushed.removeprefix("gs://")
    said = tokenline("predict", "--model", str(model), cwd=folder, text="12\n7\n")
    assert said.code == 0, said.err
    assert len(said.out.splitlines()) == 2


@pytest.mark.parametrize("job", ["first", pytest.param("apart", marks=pytest.mark.slow)])
def test_the_metrics_are_those_of_a_local_run(job, local, request) -> None:
    found = request.getfixturevalue(job).read("SequenceEvaluator", "evaluation", "metrics.json")
    for ours, theirs in zip(found["slices"], local, strict=True):
        assert ours["slice"] == theirs["slice"]
        assert ours["candidate"] == pytest.approx(theirs["candidate"], rel=1e-6, nan_ok=True)


def test_the_second_job_sees_the_span_and_builds_on_the_first(first, second) -> None:
    assert second.artifact("SpanWindow", "span_window")["metadata"]["spans"] == "[1, 2]"
    model = first.artifact("SequenceTrainer", "model")["uri"]
    started = second.read("SequenceTrainer", "history", "history.json")["start"]
    assert started["model"].endswith(model.removeprefix("gs://"))
    known = first.read("VocabularyGen", "vocabulary", "vocabulary.json")["sides"]
    for side, rows in started["rows"].items():
        assert (rows["kept"], rows["moved"]) == (known[side]["size"], 0)
    blessing = second.artifact("SequenceEvaluator", "blessing")["metadata"]
    assert blessing["baseline_model"] == model
    assert "baseline_model" not in first.artifact("SequenceEvaluator", "blessing")["metadata"]


def test_the_third_job_comes_from_the_cache(second, third) -> None:
    again = {name for name, task in third.tasks.items() if task["state"] == "SUCCEEDED"}
    assert third.artifact("SequenceTrainer", "model") == second.artifact("SequenceTrainer", "model")
    for name in ("SpanWindow", "ExampleGen", "StatisticsGen", "VocabularyGen", "Transform"):
        assert name not in again
    assert third.state("SequenceTrainer") == "SKIPPED"


@pytest.mark.slow
def test_in_processes_of_their_own_only_the_wheel_is_there(apart) -> None:
    assert apart.open_ports == set()
    assert {task["state"] for task in apart.tasks.values()} == {"SUCCEEDED"}
    logs = {log.name: log.read_text() for log in pathlib.Path(apart.job["folder"]).glob("*.log")}
    assert len(logs) > 10
    sources = [str(REPOSITORY / name) for name in ("components", "pipeline", "transform")]
    assert not [name for name, text in logs.items() if any(each in text for each in sources)]
    (image,) = (apart.folder / ROOT / ".emulator").glob("image-*")
    installed = next(image.glob("lib/python*/site-packages"))
    assert (installed / "components").is_dir()
    assert not (installed / "tests").exists()
