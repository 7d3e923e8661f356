"""retrain killed at named points and at random times, then run again: nothing is lost, doubled or half.

A first run on span 1 is kept as it is on disk; each test goes back to it, brings span 2, and has the
run on it killed. What the undisturbed run makes of span 2 is what must come out.
"""

import functools
import importlib
import random

import pytest
from retrain_project import check_as_undisturbed, running

pytestmark = pytest.mark.pipeline

# Where the run is killed: `sitecustomize`'s KILL_AT, and whether retrain goes with it.
POINTS = {
    "span claimed": ("pipeline.retrain.supervise:run_child:before:1", False),
    "run just started": ("pipeline.inputs:resolve:after:1", True),
    "after ingest": ("components.example_gen.executor:Executor.Do:after:1", True),
    "mid-Transform": ("components.sequence_transform.materialise:materialise:after:1", True),
    "mid-training": ("components.trainer.checkpoint:Checkpoints.save:after:2", True),
    "mid-checkpoint": ("numpy:savez:after:2", True),  # written, and not yet under its name
    "after export": ("components.trainer.executor:Executor.Do:after:1", True),
    "mid-evaluation": ("components.evaluator.evaluation:_judge:before:1", True),
    "mid-push": ("components.pusher.versions:_sync:before:3", True),
    "just pushed": ("components.pusher.versions:push:after:1", True),
    "push not told": ("pipeline.retrain.child:_outcome:before:1", True),
    "push told, not in the ledger": ("pipeline.retrain.child:_prune:before:1", True),
    "the run alone": ("components.trainer.checkpoint:Checkpoints.save:after:1", False),
}
QUICK = ("mid-training",)  # the others are `make test-slow`


@pytest.mark.parametrize("point", POINTS)
def test_the_named_points_are_there(point: str) -> None:
    """Most are seen in `make test-slow` only, where a name that has gone shows late."""
    module, path, *_ = POINTS[point][0].split(":")
    assert callable(functools.reduce(getattr, path.split("."), importlib.import_module(module)))


@pytest.mark.parametrize(
    "point",
    [
        pytest.param(
            name, marks=[] if name in QUICK else pytest.mark.slow, id=name.replace(" ", "-")
        )
        for name in POINTS
    ],
)
def test_killed_at_a_named_point(project, undisturbed, point: str, tmp_path) -> None:
    project.restore()
    project.span(2)
    place, with_parent = POINTS[point]
    settings = {"KILL_AT": place, "KILLED": str(tmp_path / "killed")}
    killed = project.retrain(**settings, **({"KILL_PARENT": "1"} if with_parent else {}))
    assert (tmp_path / "killed").exists(), killed.stdout + killed.stderr
    if point in QUICK:
        assert project.left_something
    again = project.retrain()
    assert again.returncode == 0, again.stdout + again.stderr
    check_as_undisturbed(project, undisturbed)
    assert "nothing new" in project.retrain().stdout


def test_killed_after_its_push_and_begun_again_as_another_run(project, tmp_path) -> None:
    """Another configuration is another key: what was pushed must be known by more than that."""
    project.restore()
    project.span(2)
    place, _ = POINTS["just pushed"]
    killed = project.retrain(KILL_AT=place, KILLED=str(tmp_path / "killed"), KILL_PARENT="1")
    assert (tmp_path / "killed").exists(), killed.stdout + killed.stderr
    config = project.folder / "pipeline_config.yaml"
    config.write_text(config.read_text().replace("epochs: 6", "epochs: 5"))
    again = project.retrain()
    assert again.returncode == 0, again.stdout + again.stderr
    assert "after it had pushed version 2" in again.stdout
    assert project.versions() == ["1", "2"]
    told = [(run["new"][0][0], run["state"], run["pushed_version"]) for run in project.ledger()]
    assert told == [(1, "pushed", 1), (2, "pushed", 2)]
    assert "nothing new" in project.retrain().stdout


@pytest.mark.slow
def test_a_start_with_nothing_due_cleans_up_after_a_killed_run(project, tmp_path) -> None:
    project.restore()
    project.span(2)
    place, _ = POINTS["mid-training"]
    killed = project.run(KILL_AT=place, KILLED=str(tmp_path / "killed"))
    assert (tmp_path / "killed").exists(), killed.stdout + killed.stderr
    assert len(running(project)) == 1
    half = project.pipeline / "artifacts/SequenceTrainer/model"
    folders = set(half.iterdir())
    (project.folder / "data/span-2/_SUCCESS").unlink()
    again = project.retrain()
    assert again.returncode == 0, again.stdout + again.stderr
    assert "which ended in SequenceTrainer" in again.stdout
    assert "nothing new" in again.stdout
    assert running(project) == []
    assert len(folders - set(half.iterdir())) == 1
    assert "cleaned up" not in project.retrain().stdout
    (project.folder / "data/span-2/_SUCCESS").touch()
    assert project.retrain().returncode == 0
    assert project.versions() == ["1", "2"]


@pytest.mark.slow
def test_content_that_comes_back_is_a_run_of_its_own(project) -> None:
    """Its model may be the one of before, which is pushed as a new version all the same."""
    project.restore()
    rows = project.folder / "data/span-1/rows.jsonl"
    first = rows.read_text()
    contents = ["\n".join(reversed(first.splitlines())) + "\n", first]
    for number, content in enumerate(contents, start=2):
        rows.write_text(content)
        (rows.parent / "_SUCCESS").touch()
        done = project.retrain()
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"pushed as version {number}" in done.stdout
    runs = project.ledger()
    assert [run["new"][0][1] for run in runs] == [1, 2, 3]
    assert len({run["key"] for run in runs}) == 3
    assert "nothing new" in project.retrain().stdout


@pytest.mark.slow
@pytest.mark.parametrize("draw", range(20))
def test_killed_at_a_random_time(project, undisturbed, draw: int) -> None:
    project.restore()
    project.span(2)
    project.retrain_for(random.Random(draw).uniform(0.2, 25.0))
    again = project.retrain()
    assert again.returncode == 0, again.stdout + again.stderr
    check_as_undisturbed(project, undisturbed)
