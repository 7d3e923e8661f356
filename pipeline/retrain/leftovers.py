"""What killed runs left is cleaned up as a retrain starts, also where no run is due that would do it.

The metadata store is read by a process of its own: a retrain that finds nothing must not load its library,
and one that goes on for months must not keep it.
"""

import os
import subprocess
import sys

from pipeline import lock, paths, unfinished
from pipeline.config import Config
from pipeline.retrain.supervise import code_path
from pipeline.retrain.telling import Teller

_MOST_SECONDS = 120.0  # a server's store may be out of reach; the next run tries again


def clear(config: Config, config_file: str, teller: Teller) -> None:
    """Clean up after killed runs, if there are any and no run is going on; what is done is told.

    What stands in the way is told as well, and is no reason not to go on.
    """
    if not unfinished.is_noted(config) or lock.is_held(paths.lock(config)):
        return
    command = [sys.executable, "-m", "pipeline", "run", "--only-clean", "--config", config_file]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=os.environ | {"PYTHONPATH": code_path()},
            timeout=_MOST_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        teller.tell("not_cleaned", reason=f"that took longer than {_MOST_SECONDS:.0f} s")
        return
    for line in done.stdout.splitlines():
        teller.tell("cleaned", reason=line)
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        teller.tell("not_cleaned", reason=said[-1].removeprefix("tokenline: "))
