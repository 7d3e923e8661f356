"""A version that the ledger knows as pushed last, and that is not there any more."""

import json
import os
import pathlib
import shutil

import pytest
import test_retrain_command as pretend
from test_retrain_command import once

from pipeline.retrain.ledger import open_ledger
from pipeline.retrain.pushed import Lost, lost
from pipeline.retrain.states import Run, State

folder, runs, span = pretend.folder, pretend.runs, pretend.span


def pushed(*versions: int | None) -> State:
    runs = tuple(
        Run(
            key=str(number), window="1", new=((number, 1, "a"),), state="pushed", started=0.0,
            ended=1e9, pushed_version=version,
        )
        for number, version in enumerate(versions)
    )  # fmt: skip
    return State(runs=runs)


@pytest.fixture
def serving(tmp_path) -> pathlib.Path:
    for version in ("1", "2", ".withdrawn/3"):
        place = tmp_path / "serving" / version
        place.mkdir(parents=True)
        os.utime(place, (1e9, 1e9))
    return tmp_path / "serving"


@pytest.mark.parametrize(
    ("state", "is_lost"),
    [
        (State(), False),
        (pushed(None), False),  # of a run that pushed nothing
        (pushed(1), False),
        (pushed(2), False),
        (pushed(3), False),  # withdrawn: somebody decided that
        (pushed(4), True),
        (pushed(4, None), True),
        (pushed(4, 2), False),  # the last one counts
    ],
)
def test_what_was_pushed_last_is_looked_for(serving, state, is_lost) -> None:
    assert (lost(state, str(serving)) is not None) == is_lost
    assert lost(state, "gs://bucket/serving") is None


def test_what_was_pushed_by_hand_since_stands_for_it(serving) -> None:
    shutil.rmtree(serving)
    assert lost(pushed(2), str(serving)) == Lost(2, str(serving))
    (serving / "1").mkdir(parents=True)  # now; the run ended long ago
    assert lost(pushed(2), str(serving)) is None


def test_status_and_a_start_say_so_and_nothing_is_trained_by_itself(
    runs, folder, span, capsys
) -> None:
    span(1)
    assert once() == 0  # its version is pretended
    capsys.readouterr()
    assert once() == 0
    said = capsys.readouterr().out
    line = "version 1, which was pushed last, is not in serving.push_to (runs/pretend/serving)"
    assert said.count(line) == 1
    assert "`tokenline run` pushes a model again" in said
    assert "nothing new" in said
    once(status=True)
    assert line in " ".join(capsys.readouterr().out.split())
    once(status=True, as_json=True)
    found = json.loads(capsys.readouterr().out)["lost"]
    assert found == {"version": 1, "push_to": str(folder / "runs/pretend/serving")}
    assert len(runs.orders) == 1
    (folder / "runs/pretend/serving/1").mkdir(parents=True)
    state, _ = open_ledger("runs/pretend").load()
    assert state.runs[-1].pushed_version == 1
    once()
    assert "not in serving.push_to" not in capsys.readouterr().out
    once(status=True, as_json=True)
    assert json.loads(capsys.readouterr().out)["lost"] is None
