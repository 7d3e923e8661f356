"""What a retrain needs from its start on, looked at before anything is begun. No TensorFlow."""

import os
import shutil
from collections.abc import Iterator

from components import storage
from components.code_hash import code_hash
from components.errors import InputError
from pipeline import paths
from pipeline.config import Config
from pipeline.config.problems import Unsuited
from pipeline.retrain import arrivals, metrics
from pipeline.retrain.ledger import Ledger
from pipeline.retrain.renewal import CODE


def check(config: Config) -> None:
    """Whether what the configuration names for a retrain can be used.

    Raises:
      InputError: a line for each key whose value cannot be.
    """
    problems = [*_notify(config.retrain.notify), *_metrics_file(config.retrain.metrics_file)]
    if problems:
        raise InputError("\n".join(problems))


def rehearse(config: Config, ledger: Ledger, *, own_port: int) -> None:
    """Whether a new `--watch` could begin: all that it opens is opened, but no lock is taken.

    Args:
      config: what it would be started with.
      ledger: of the pipeline.
      own_port: the one at which whoever asks serves metrics, and which it will have left; 0: none.

    Raises:
      InputError: it could not.
    """
    check(config)
    ledger.load()
    arrivals.Scanner(config)
    code_hash(*CODE)
    _check_folder(paths.pipeline_folder(config))
    if not storage.is_remote(config.data.path):
        import watchfiles  # noqa: F401  # what is not installed shows now
    port = config.retrain.metrics_port
    if port and port != own_port:
        with metrics.served(str, port):
            pass


def _notify(command: tuple[str, ...]) -> Iterator[str]:
    if command and shutil.which(command[0]) is None:
        yield f"retrain.notify: got {command[0]!r}, expected a command that can be run"


def _metrics_file(path: str | None) -> Iterator[str]:
    if path is None:
        return
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        yield f"retrain.metrics_file: got {path}, expected a file in a folder that is there"
    elif os.path.isdir(path):
        yield f"retrain.metrics_file: got the folder {path}, expected a file"
    elif not os.access(folder, os.W_OK | os.X_OK):
        yield f"retrain.metrics_file: got {path}, expected a folder to write into"


def _check_folder(folder: str) -> None:
    """Raises InputError where the pipeline's folder could neither be made nor be written into."""
    there = folder
    while not os.path.lexists(there):
        there = os.path.dirname(there)
    if not os.path.isdir(there):
        raise Unsuited(("pipeline.root", f"{there}: got a file, expected a folder"))
    if not os.access(there, os.W_OK | os.X_OK):
        raise Unsuited(("pipeline.root", f"{there}: expected a folder to write into"))
