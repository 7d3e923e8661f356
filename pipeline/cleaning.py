"""Cleaning up after killed runs: as each run begins, and when a retrain starts though no run is due."""

import os

from pipeline import lock, paths, unfinished
from pipeline.config import Config
from pipeline.store import owner, stale
from pipeline.store.connection import store_of


def clean(config: Config) -> list[str]:
    """Mark as failed what killed runs left running, and remove what they left half-written.

    The caller holds the pipeline's lock.

    Returns:
      A line for each such run.

    Raises:
      InputError: the metadata store cannot be used, or has another pipeline of this name.
    """
    kept, folder = store_of(config), paths.pipeline_folder(config)
    owner.claim(kept, folder)
    found = stale.clean(kept, os.path.join(folder, "artifacts"), config.serving.push_to)
    return [stale.told(ended, os.path.join(folder, "runs")) for ended in found]


def clean_alone(config: Config) -> int:
    """The same without a run, with its lines on the terminal; returns the exit code.

    Raises:
      InputError: as `clean` raises it, or because a run is going on.
    """
    with lock.held(paths.lock(config), "a run of this pipeline"):
        for line in clean(config):
            print(line)
        unfinished.forget(config)
    return 0
