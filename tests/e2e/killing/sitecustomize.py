"""Kills the process at a named call, for the tests of retrain; on PYTHONPATH it is loaded at start.

KILL_AT is `module:function:before|after:n`: SIGKILL before or after the n-th call of that function (or
`Class.method`) in a process, and once in all: KILLED names a file that is then made. With KILL_PARENT
set, the parent goes first, as when a machine loses power.
"""

import functools
import importlib.abc
import importlib.machinery
import os
import signal
import sys


def _kill() -> None:
    try:
        os.close(os.open(os.environ["KILLED"], os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return
    if os.environ.get("KILL_PARENT"):
        os.kill(os.getppid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def _patched(function, when: str, number: int):
    calls = 0

    @functools.wraps(function)
    def call(*arguments, **named):
        nonlocal calls
        calls += 1
        mine = calls == number
        if mine and when == "before":
            _kill()
        result = function(*arguments, **named)
        if mine and when == "after":
            _kill()
        return result

    return call


class _Finder(importlib.abc.MetaPathFinder):
    """Patches the one module when it is loaded."""

    def __init__(self, module: str, path: str, when: str, number: int) -> None:
        self._module, self._path, self._when, self._number = module, path, when, number

    def find_spec(self, name, path=None, target=None):
        if name != self._module:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is None or spec.loader is None:
            return spec
        load = spec.loader.exec_module

        def exec_module(module) -> None:
            load(module)
            *owners, attribute = self._path.split(".")
            owner = functools.reduce(getattr, owners, module)
            patched = _patched(getattr(owner, attribute), self._when, self._number)
            setattr(owner, attribute, patched)

        spec.loader.exec_module = exec_module
        return spec


if os.environ.get("KILL_AT"):
    _module, _path, _when, _number = os.environ["KILL_AT"].split(":")
    sys.meta_path.insert(0, _Finder(_module, _path, _when, int(_number)))
