"""A file that is there while a run is: one that is there without a run was left by one that was killed.

That is how it is known, without a look into the metadata store, that there may be something to clean up.
"""

import contextlib
import os
from collections.abc import Iterator

from components import storage
from components.errors import InputError, Passing
from pipeline import paths
from pipeline.config import Config


@contextlib.contextmanager
def noted(config: Config, run: str) -> Iterator[None]:
    """Note that a run is going on while the block runs; the caller holds the pipeline's lock.

    The note stays where the block is left by what may also have kept TFX from writing down how the run
    ended: a kill, an interrupt, a store that is gone.

    Args:
      config: of the pipeline.
      run: the id of the run.
    """
    storage.write_whole(_path(config), lambda file: file.write(f"{run}\n".encode()))
    try:
        yield
    except Passing:
        raise
    except InputError:
        forget(config)
        raise
    forget(config)


def is_noted(config: Config) -> bool:
    """Whether a run is going on, or was killed."""
    return os.path.exists(_path(config))


def forget(config: Config) -> None:
    """What a killed run left has been cleaned up; the caller holds the pipeline's lock."""
    with contextlib.suppress(FileNotFoundError):
        os.remove(_path(config))


def _path(config: Config) -> str:
    return os.path.join(paths.pipeline_folder(config), "unfinished")
