"""A process that has loaded TFX once and forks for each step. Talks JSON lines; run by `forks`.

In: {"command", "folder", "log", "environment"}. Out: {"ready"}, then {"pid"} and {"code"} for each step.
It runs nothing of TensorFlow itself: a fork of a process with its threads would hang.
"""

import contextlib
import ctypes
import gc
import importlib
import json
import logging
import os
import runpy
import signal
import sys
import traceback
from typing import Any, BinaryIO

_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG, prctl(2)


def main(modules: list[str]) -> None:
    """Load the modules, then run steps until the input ends."""
    _die_with_parent()
    said = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what libraries print is no part of the conversation
    for module in modules:
        with contextlib.suppress(ImportError):  # the step that needs it says so
            importlib.import_module(module)
    gc.collect()
    gc.freeze()  # a collection in a fork would copy all of it
    _say(said, {"ready": True})
    for line in sys.stdin.buffer:
        step = json.loads(line)
        child = os.fork()
        if child == 0:
            _become(step, said)
        _say(said, {"pid": child})
        _, status = os.waitpid(child, 0)
        _say(said, {"code": os.waitstatus_to_exitcode(status)})


def _say(said: BinaryIO, fact: dict[str, Any]) -> None:
    said.write(json.dumps(fact).encode() + b"\n")


def _become(step: dict[str, Any], said: BinaryIO) -> None:
    """Be the step's process; does not return."""
    code = 1
    try:
        _die_with_parent()
        os.setsid()
        said.close()
        _redirect(step["log"])
        os.chdir(step["folder"])
        os.environ.clear()
        os.environ.update(step["environment"])
        code = _run_module(step["command"])
    except BaseException:
        traceback.print_exc()
    finally:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _redirect(log: str) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    written = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.dup2(nothing, 0)
    os.dup2(written, 1)
    os.dup2(written, 2)
    sys.stdin = os.fdopen(0, closefd=False)  # what was read ahead is another's
    os.close(nothing)
    os.close(written)


def _run_module(command: list[str]) -> int:
    """`python -m MODULE ARGUMENTS`, here; returns the exit code."""
    module, *arguments = command[2:]
    sys.argv = [module, *arguments]
    sys.path[0] = ""
    sys.modules.pop(module, None)  # it is to run as __main__
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        if ended.code is None or isinstance(ended.code, int):
            return int(ended.code or 0)
        print(ended.code, file=sys.stderr)
        return 1
    return 0


def _die_with_parent() -> None:
    """Ask Linux to end this process with the one that started it."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1:])
