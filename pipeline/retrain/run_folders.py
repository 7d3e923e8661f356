"""The folder of each run's order and outcome: where it is, and which are old enough to go."""

import os
import re
import shutil

from pipeline import paths
from pipeline.config import Config
from pipeline.retrain.ledger import Ledger

KEPT = 20  # unless `keep_runs` says how many
_NAME = re.compile(r"[0-9a-f]{16}")


def folder(config: Config, key: str) -> str:
    """Of the run with this key."""
    return os.path.join(_all(config), _name(key))


def prune(config: Config, ledger: Ledger, *, keep: int | None, dry_run: bool = False) -> list[str]:
    """Remove the folders of all runs but the newest; the newest is the one that goes on, if one does.

    Args:
      config, ledger: of the pipeline.
      keep: how many stay, at least 1; None: `KEPT`.
      dry_run: only say what would be removed.

    Returns:
      The folders.
    """
    there = _there(config)  # before the ledger: a run is claimed before it has a folder
    state, _ = ledger.load()
    kept = {_name(run.key) for run in state.runs[-(keep or KEPT) :]}
    old = [os.path.join(_all(config), name) for name in there if name not in kept]
    if not dry_run:
        for each in old:
            shutil.rmtree(each, ignore_errors=True)  # what is left of one goes the next time
    return old


def _there(config: Config) -> list[str]:
    folder = _all(config)
    names = os.listdir(folder) if os.path.isdir(folder) else []
    return sorted(name for name in names if _NAME.fullmatch(name))


def _all(config: Config) -> str:
    return os.path.join(paths.pipeline_folder(config), "retrain", "runs")


def _name(key: str) -> str:
    return key[:16]
