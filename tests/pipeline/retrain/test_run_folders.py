"""The folders of orders and outcomes: as many as are of use, after hundreds of runs as after twenty."""

import os

import pytest
import test_retrain_command as pretend
from test_retrain_command import CONFIG, once

from pipeline import prune_command
from pipeline.config import load_config
from pipeline.retrain import run_folders
from pipeline.retrain.ledger import open_ledger

folder, runs, span = pretend.folder, pretend.runs, pretend.span
FOLDER = "runs/pretend/retrain/runs"


def there() -> set[str]:
    return set(os.listdir(FOLDER))


def names(runs, *numbers: int) -> set[str]:
    return {runs.orders[number].key[:16] for number in numbers}


def prune(keep: int | None, **more) -> list[str]:
    return run_folders.prune(
        load_config("config.yaml"), open_ledger("runs/pretend"), keep=keep, **more
    )


def test_the_newest_twenty_stay_unless_more_are_wanted(runs, folder, span) -> None:
    span(*range(1, 24))
    assert once() == 0
    assert there() == names(runs, *range(3, 23))
    (folder / "config.yaml").write_text(CONFIG.replace("retries", "keep_runs: 2, retries"))
    span(24)
    once()
    assert there() == names(runs, 22, 23)


def test_what_is_to_be_tried_again_stays(runs, folder, span, monkeypatch) -> None:
    monkeypatch.setattr(run_folders, "KEPT", 1)
    span(1, 2, 3)
    runs.ends = {2: ["outside"]}
    assert once() == 1
    prune(None)
    assert there() == names(runs, 1)
    state, _ = open_ledger("runs/pretend").load()
    assert prune(1) == []
    assert state.run(runs.orders[1].key).state == "failed"
    once()
    assert there() == names(runs, 3)


def test_what_somebody_claimed_stays(runs, span, monkeypatch) -> None:
    span(1, 2)

    def dies(*_, **__):
        raise SystemExit

    once()
    with monkeypatch.context() as patched:
        patched.setattr("pipeline.retrain.supervise.run_child", dies)
        span(3)
        with pytest.raises(SystemExit):
            once()
    before = there()
    assert len(before) == 3
    prune(1)
    state, _ = open_ledger("runs/pretend").load()
    assert there() == {state.claimed().key[:16]}


def test_a_run_that_is_claimed_while_this_looks_is_left_alone(runs, span, monkeypatch) -> None:
    """Its folder is not among those that were there before the ledger was read."""
    span(1, 2)
    once()
    ledger = open_ledger("runs/pretend")

    class Late:
        def load(self):
            found = ledger.load()
            os.mkdir(f"{FOLDER}/{'0' * 16}")
            return found

    gone = run_folders.prune(load_config("config.yaml"), Late(), keep=1)
    assert [os.path.basename(each) for each in gone] == list(names(runs, 0))
    assert "0" * 16 in there()


def test_prune_takes_them_too(runs, span, capsys) -> None:
    span(1, 2)
    once()
    config = load_config("config.yaml")
    for dry_run, text in ((True, "would free"), (False, "freed")):
        assert len(there()) == 2
        prune_command.run(config, prune_command.Options(1, None, dry_run=dry_run))
        assert f"{text} 1 folder of orders to retrain's runs" in capsys.readouterr().out
    assert there() == names(runs, 1)


def test_a_dry_run_and_what_is_no_run_s(runs, folder, span) -> None:
    span(1, 2)
    once()
    (folder / FOLDER / "notes").mkdir()
    assert len(prune(1, dry_run=True)) == 1
    assert there() == names(runs, 0, 1) | {"notes"}
    prune(1)
    assert there() == names(runs, 1) | {"notes"}
