"""What pruning frees, and what it never touches: made-up runs in a real store."""

import dataclasses
import json
import os
import pathlib
import shutil

import pytest
from ml_metadata.proto import metadata_store_pb2 as proto
from store_book import CACHED, RUNNING, Book

from pipeline import base_model, paths, retention, vocabulary_state
from pipeline.__main__ import main
from pipeline.config import Config, load_config
from pipeline.store import lineage, questions

CONFIG = """
pipeline: {name: p, root: runs}
task: lm
data: {path: rows}
"""
NODES = ("ExampleGen", "VocabularyGen", "SequenceTrainer", "SequenceEvaluator", "Pusher")


class Line:
    """Runs of the whole line; run N is on span N, its vocabulary extends the one before."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.book = Book(self.folder)
        self.vocabulary = ""
        self.model = 0

    def run(self, number: int, *, blessed: bool = True, version: int = 0) -> None:
        """One run to its end; its model is pushed as `version`, if there is one."""
        tfx_run, made = f"tfx-{number}", self._made(number)
        examples = made("ExampleGen", "Examples")
        base = {"base_vocabulary": self.vocabulary} if self.vocabulary else {}
        vocabulary = made("VocabularyGen", "components.Vocabulary", input_key=f"k{number}", **base)
        model = made("SequenceTrainer", "Model", data_key=json.dumps({"content": f"c{number}"}))
        facts = {"blessed": int(blessed), "current_model_id": model}
        blessing = made("SequenceEvaluator", "ModelBlessing", **facts)
        where = str(self.folder / f"serving/{version}") if version else ""
        pushed = made("Pusher", "PushedModel", pushed=int(bool(version)), pushed_destination=where)
        self._fill(number, version)
        earlier = {"base_model": self.model} if self.model else {}
        ran = self.book.ran
        ran(tfx_run, "ExampleGen", {}, {"examples": examples})
        ran(tfx_run, "VocabularyGen", {"examples": examples}, {"vocabulary": vocabulary})
        if self.model:
            ran(tfx_run, "BaseModel", {}, {"result": self.model})
        given = {"examples": examples, "vocabulary": vocabulary} | earlier
        ran(tfx_run, "SequenceTrainer", given, {"model": model})
        ran(tfx_run, "SequenceEvaluator", {"model": model}, {"blessing": blessing})
        ran(tfx_run, "Pusher", {"model": model, "blessing": blessing}, {"pushed_model": pushed})
        self.vocabulary = str(self.folder / f"artifacts/VocabularyGen/out/{number}")
        self.model = model
        self.record(number)

    def record(self, number: int) -> None:
        folder = self.folder / f"runs/2026010{number}-000000"
        folder.mkdir(parents=True)
        facts = {"tfx_run": f"tfx-{number}", "spans": [number], "seconds": 1.0, "pushed": None}
        (folder / "run.json").write_text(json.dumps(facts | {"verdict": {"blessed": True}}))

    def _made(self, number: int):  # type: ignore[no-untyped-def]
        return lambda node, kind, **facts: self.book.artifact(
            kind, f"artifacts/{node}/out/{number}", **facts
        )

    def _fill(self, number: int, version: int) -> None:
        artifacts = self.folder / "artifacts"
        for node in NODES:
            (artifacts / node / f"out/{number}/data").write_text(f"{node} {number}")
            (artifacts / node / f".system/executor_execution/{number}").mkdir(parents=True)
        facts = {"token_identity": "t", "sides": {"target": {"size": 100 + number}}}
        (artifacts / f"VocabularyGen/out/{number}/vocabulary.json").write_text(json.dumps(facts))
        model = artifacts / f"SequenceTrainer/out/{number}"
        (model / "Format-Serving").mkdir()
        (model / "Format-Serving/fingerprint.pb").write_text(f"of {number}")
        (model / "starting_point").mkdir()
        (model / "starting_point/facts.json").write_text("{}")
        if version:
            shutil.copytree(model / "Format-Serving", self.folder / f"serving/{version}")

    def there(self) -> dict[str, list[int]]:
        """The runs whose folder of each node's output is there."""
        return {
            node: sorted(map(int, os.listdir(self.folder / f"artifacts/{node}/out")))
            for node in NODES
        }

    def live(self) -> int:
        found = self.book.rows.get_artifacts()
        return sum(each.state == proto.Artifact.LIVE for each in found)

    def records(self) -> list[int]:
        return sorted(int(name[7]) for name in os.listdir(self.folder / "runs"))

    def check_whole(self, number: int) -> None:
        """The run's lineage is complete, down to the folders."""
        ran = lineage.executions(self.book.store, f"tfx-{number}")
        assert {each.node for each in ran} >= set(NODES)
        for each in ran:
            for made in each.outputs:
                assert os.path.isdir(made.uri) or each.node == "BaseModel", (each.node, made.uri)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Eight runs: 2 is withdrawn, 3 and 5 are served, 6 is the last blessed, 7 and 8 are not."""
    folder = tmp_path_factory.mktemp("retention")
    (folder / "rows").mkdir()
    (folder / "rows/a.jsonl").write_text('{"text": "a"}\n')
    (folder / "pipeline_config.yaml").write_text(CONFIG)
    line = Line(folder / "runs/p")
    versions = {2: 3, 3: 1, 5: 2}
    for number in range(1, 9):
        line.run(number, blessed=number < 7, version=versions.get(number, 0))
    (line.folder / "serving/.withdrawn").mkdir()
    (line.folder / "serving/3").rename(line.folder / "serving/.withdrawn/3")
    shutil.copytree(folder / "runs", folder / "as made")
    return folder


@pytest.fixture
def config(made: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    monkeypatch.chdir(made)
    shutil.rmtree("runs")
    return load_config("pipeline_config.yaml")


@pytest.fixture
def line(config: Config) -> "Line":
    """The runs as they were made, where they were made: the store holds whole paths."""
    shutil.copytree("as made", "runs")
    return Line(pathlib.Path(paths.pipeline_folder(config)))


def test_what_is_served_withdrawn_compared_with_or_new_stays_whole(
    config: Config, line: Line
) -> None:
    choices = _next_choices(line)
    freed = retention.prune(config, keep_runs=1)
    kept = [2, 3, 5, 6, 8]
    for number in kept:
        line.check_whole(number)
    assert freed.runs == tuple(f"2026010{number}-000000" for number in (1, 4, 7))
    assert line.records() == kept
    there = line.there()
    assert there["ExampleGen"] == there["Pusher"] == there["SequenceEvaluator"] == kept
    # 7 besides: what the newest run started from. And what each vocabulary that is kept extends.
    assert there["SequenceTrainer"] == [2, 3, 5, 6, 7, 8]
    assert there["VocabularyGen"] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert len(freed.folders) == 3 * 5 - 1 - 3
    assert line.live() == 8 * 5 - 11
    assert _next_choices(line) == choices
    assert not (line.folder / "pruned").exists()


def _next_choices(line: Line) -> tuple[str, str, str, int]:
    """What a run on new data would extend, start from, and not take from the cache."""
    kept = line.book.store
    vocabulary = vocabulary_state.base_vocabulary(questions.vocabularies(kept), "new", "t")
    model = base_model.base_model(questions.models(kept), json.dumps({"content": "new"}))
    return vocabulary, model, kept.place, questions.last_lost_push(kept)


def test_the_longest_vocabulary_stays_whoever_made_it(config: Config, line: Line) -> None:
    facts = {"token_identity": "t", "sides": {"target": {"size": 999}}}
    line.book.artifact("components.Vocabulary", "artifacts/VocabularyGen/out/0")
    place = line.folder / "artifacts/VocabularyGen/out/0/vocabulary.json"
    place.write_text(json.dumps(facts))
    retention.prune(config, keep_runs=1)
    assert 0 in line.there()["VocabularyGen"]


def test_a_result_from_the_cache_is_the_newer_runs_too(config: Config, line: Line) -> None:
    found = line.book.rows.get_artifacts_by_type("Examples")
    line.book.ran("tfx-9", "ExampleGen", {}, {"examples": min(each.id for each in found)}, CACHED)
    line.record(9)
    retention.prune(config, keep_runs=1)
    assert line.there()["ExampleGen"] == [1, 2, 3, 5, 6]
    assert line.there()["SequenceTrainer"] == [2, 3, 5, 6]


def test_an_unfinished_run_keeps_its_results_and_checkpoints(config: Config, line: Line) -> None:
    examples = line.book.artifact("Examples", "artifacts/ExampleGen/out/9")
    line.book.ran("tfx-9", "ExampleGen", {}, {"examples": examples})
    line.book.ran("tfx-9", "SequenceTrainer", {"examples": examples}, {}, RUNNING)
    state = line.folder / "artifacts/SequenceTrainer/state/checkpoints"
    state.mkdir(parents=True)
    (line.folder / "runs/20260109-000000").mkdir()
    (line.folder / "runs/20260101-999999").mkdir()  # ended long ago, in nothing
    retention.prune(config, keep_runs=1)
    assert 9 in line.there()["ExampleGen"]
    assert state.is_dir()
    assert 9 in line.records()
    assert not (line.folder / "runs/20260101-999999").exists()


@pytest.mark.parametrize(
    ("runs", "spans", "pruned"),
    [
        (None, None, []),
        (8, None, []),
        (5, None, [1]),
        (None, 8, []),
        (None, 2, [1, 4]),
        (3, 2, [1, 4]),
        (1, 8, [1, 4, 7]),
    ],
)
def test_the_limits(config: Config, line: Line, runs, spans, pruned: list[int]) -> None:
    freed = retention.prune(config, keep_runs=runs, keep_spans=spans)
    assert [int(name[7]) for name in freed.runs] == pruned


def test_what_there_is_does_not_grow_from_run_to_run(config: Config) -> None:
    line = Line(pathlib.Path(paths.pipeline_folder(config)))
    live, notes = [], []
    for number in range(1, 9):
        line.run(number, version=number)
        if number > 2:
            shutil.rmtree(line.folder / f"serving/{number - 2}")  # as the Pusher keeps two
        retention.prune(config, keep_runs=2)
        live.append(line.live())
        notes.append(len(os.listdir(line.folder / "artifacts/Pusher/.system/executor_execution")))
        line.check_whole(number)
    assert live[3:] == [live[-1]] * 5
    # The base model and vocabulary of the older of the two.
    assert live[-1] == 2 * 5 + 2
    assert max(notes) <= 8


def test_a_line_is_kept_of_each_run_that_was_pruned(config: Config, line: Line) -> None:
    retention.prune(config, keep_runs=5)
    retention.prune(config, keep_runs=1)
    text = (line.folder / retention.HISTORY).read_text()
    found = [json.loads(each) for each in text.splitlines()]
    assert [each["spans"] for each in found] == [[1], [4], [7]]
    assert found[0] == {
        "run": "20260101-000000",
        "tfx_run": "tfx-1",
        "spans": [1],
        "seconds": 1.0,
        "blessed": True,
        "pushed": None,
    }


@pytest.mark.parametrize("step", ["_move", "_mark_deleted"])
def test_killed_in_between_the_next_call_goes_on(
    config: Config, line: Line, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def die(*given: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(retention, step, die)
        with pytest.raises(KeyboardInterrupt):
            retention.prune(config, keep_runs=1)
    retention.prune(config, keep_runs=1)
    assert line.live() == 8 * 5 - 11
    assert line.records() == [2, 3, 5, 6, 8]
    assert len((line.folder / retention.HISTORY).read_text().splitlines()) == 3
    assert not (line.folder / "pruned").exists()


def test_the_command_shows_and_does_the_same(config: Config, line: Line, capsys) -> None:
    before = line.there()
    assert main(["prune", "--keep-runs", "1", "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert line.there() == before
    assert not (line.folder / retention.HISTORY).exists()
    assert main(["prune", "--keep-runs", "1"]) == 0
    assert capsys.readouterr().out == shown.replace("would free", "freed")
    assert shown == (
        "  run 20260101-000000\n  run 20260104-000000\n  run 20260107-000000\n"
        "would free 0.0 MB: 3 runs, 11 folders of artifacts\n"
    )
    for arguments, problem in (
        ([], "got no limit, expected --keep-runs or --keep-spans: what is to stay"),
        (["--keep-runs", "0"], "--keep-runs: got 0, expected at least 1"),
    ):
        assert main(["prune", *arguments]) == 2
        assert capsys.readouterr().err == f"tokenline: {problem}\n"


def test_a_version_that_was_put_there_by_hand_is_known_by_its_bytes(
    config: Config, line: Line
) -> None:
    model = line.folder / "artifacts/SequenceTrainer/out/4/Format-Serving"
    shutil.copytree(model, line.folder / "serving/40")
    freed = retention.prune(config, keep_runs=1)
    assert [int(name[7]) for name in freed.runs] == [1, 7]
    line.check_whole(4)
    assert dataclasses.asdict(freed)["size"] > 0
