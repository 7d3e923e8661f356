"""Checkpoints on disk: whole or not there, of this run or named as another's."""

import dataclasses
import errno
import pathlib

import numpy as np
import pytest

from components.trainer import checkpoint
from components.trainer.checkpoint import Checkpoint, CheckpointError, Checkpoints, run_key
from components.trainer.request import (
    BatchOptions,
    EarlyStopping,
    LossOptions,
    ModelOptions,
    TrainOptions,
    TrainRequest,
)
from transform.settings import Settings, Side

SHAPES = {"model/0": (2, 3)}


def made(batch: int) -> Checkpoint:
    return Checkpoint(batch, {"model/0": np.full([2, 3], batch, np.float32)}, {"lr": 0.1 + 0.2})


def names(folder: pathlib.Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_newest_is_read_back_to_the_bit_and_two_are_kept(tmp_path) -> None:
    kept = Checkpoints(str(tmp_path), "abc")
    for batch in (5, 10, 100_000):
        kept.save(made(batch))
    assert names(tmp_path) == ["abc-000000010.npz", "abc-000100000.npz"]
    found, ignored = kept.newest(SHAPES)
    assert ignored == []
    assert found is not None
    assert found.batch == 100_000
    assert found.facts["lr"] == 0.1 + 0.2
    np.testing.assert_array_equal(found.arrays["model/0"], made(100_000).arrays["model/0"])


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],
        lambda content: b"",
        lambda content: content.replace(bytes(np.float32(10)), bytes(np.float32(11))),
        lambda content: b"no archive at all",
    ],
)
def test_a_damaged_one_is_ignored_with_the_reason(tmp_path, damage) -> None:
    kept = Checkpoints(str(tmp_path), "abc")
    kept.save(made(5))
    newest = pathlib.Path(kept.save(made(10)))
    newest.write_bytes(damage(newest.read_bytes()))
    found, ignored = kept.newest(SHAPES)
    assert found is not None
    assert found.batch == 5
    (reason,) = ignored
    assert reason.startswith("abc-000000010.npz: damaged (")


def test_what_others_left_is_ignored_by_name(tmp_path) -> None:
    Checkpoints(str(tmp_path), "dead").save(made(5))
    (tmp_path / "abc-000000007.npz.writing").write_bytes(b"half")
    (tmp_path / "notes.txt").write_text("mine")
    found, ignored = Checkpoints(str(tmp_path), "abc").newest(SHAPES)
    assert found is None
    assert ignored == [
        "abc-000000007.npz.writing: half-written, removed",
        "dead-000000005.npz: of other data, configuration or code",
        "notes.txt: not a checkpoint",
    ]
    assert names(tmp_path) == ["dead-000000005.npz", "notes.txt"]


def test_one_of_another_model_under_this_name_is_ignored(tmp_path) -> None:
    kept = Checkpoints(str(tmp_path), "abc")
    kept.save(made(5))
    assert kept.newest({"model/0": (9, 9)})[1] == [
        "abc-000000005.npz: damaged (model/0: got (2, 3), expected (9, 9))"
    ]
    (tmp_path / "abc-000000005.npz").rename(tmp_path / "fed-000000005.npz")
    (reason,) = Checkpoints(str(tmp_path), "fed").newest(SHAPES)[1]
    assert "the key inside is another" in reason


def test_a_full_disk_leaves_the_last_checkpoint_and_says_so(tmp_path, monkeypatch) -> None:
    kept = Checkpoints(str(tmp_path), "abc")
    kept.save(made(5))

    def full(file, **arrays):
        file.write(b"some of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoint.np, "savez", full)
    with pytest.raises(CheckpointError) as error:
        kept.save(made(10))
    assert "\n" not in str(error.value)
    assert "abc-000000010.npz: No space left on device; " in str(error.value)
    assert str(error.value).endswith("of the earlier ones abc-000000005.npz is intact")
    assert names(tmp_path) == ["abc-000000005.npz"]
    monkeypatch.undo()
    found, _ = kept.newest(SHAPES)
    assert found is not None
    assert found.batch == 5


def test_clearing_leaves_what_is_no_checkpoint(tmp_path) -> None:
    kept = Checkpoints(str(tmp_path), "abc")
    kept.save(made(5))
    Checkpoints(str(tmp_path), "dead").save(made(5))
    (tmp_path / "notes.txt").write_text("mine")
    kept.clear()
    assert names(tmp_path) == ["notes.txt"]
    Checkpoints(str(tmp_path / "none"), "abc").clear()


def test_the_key_is_of_all_that_decides_the_weights_and_of_nothing_else(tmp_path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "rows").write_bytes(b"content")
    (tmp_path / "other").write_bytes(b"Content")
    base = TrainRequest(
        train_files=(str(tmp_path / "a" / "rows"),),
        eval_files=(),
        transform_graph="",
        vocabulary="",
        serving_folder="",
        settings=Settings(task="lm", target=Side("text", "whitespace", 8)),
        model=ModelOptions(),
        loss=LossOptions(),
        batch=BatchOptions(),
        train=TrainOptions(early_stopping=EarlyStopping()),
    )

    def key(vocabulary: str = "v", **changes) -> str:
        return run_key(dataclasses.replace(base, **changes), vocabulary)

    train = base.train
    same = [
        {"train_files": (str(tmp_path / "b" / "rows"),)},  # a new execution's folder
        {"serving_folder": "new"},
        {"state_folder": "new"},
        {"train": dataclasses.replace(train, log_steps=7, checkpoint_steps=7)},
    ]
    assert {key(**change) for change in same} == {key()}
    others = [
        {"vocabulary": "w"},
        {"train_files": (str(tmp_path / "other"),)},
        {"eval_files": (str(tmp_path / "other"),)},
        {"code_hash": "new"},
        {"model": ModelOptions(units=7)},
        {"loss": LossOptions(z_loss=0.1)},
        {"batch": BatchOptions(size=7)},
        {"train": dataclasses.replace(train, seed=7)},
        {"train": dataclasses.replace(train, early_stopping=EarlyStopping(patience=7))},
        {"settings": Settings(task="lm", target=Side("text", "whitespace", 9))},
    ]
    assert len({key(), *(key(**change) for change in others)}) == 1 + len(others)
    bases = {run_key(base, "v", digest) for digest in ("", "one model", "another")}
    assert len(bases) == 3
    assert key() in bases
