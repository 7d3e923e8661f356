"""A model server's stand-in: a process that has TensorFlow, and none of the code that made the model.

Run as a file, `python -I clean_process.py REQUEST REPLY`, by `process.Server`; it can import nothing of
ours. Both files are JSON, in which a byte is the character of its number, so that every string
survives. It reads a line from its standard input before it measures time, so that the one who asks can
be quiet meanwhile.
"""

import importlib
import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

_ONE_BYTE = "latin-1"


class Refuser:
    """Comes first among Python's finders: these packages are not there."""

    def __init__(self, packages: Sequence[str]) -> None:
        """Take their top-level names."""
        self._packages = frozenset(packages)

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Refuse, or leave it to the next finder.

        Raises:
          ModuleNotFoundError: for a refused package, as if it was not installed.
        """
        if name.partition(".")[0] in self._packages:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def main(request_file: str, reply_file: str) -> None:
    """Answer the request; what goes wrong is in the reply."""
    with open(request_file) as file:
        request = json.load(file)
    sys.meta_path.insert(0, Refuser(request["refused"]))
    reply: dict[str, Any] = {}
    try:
        _serve(request, reply)
    except Exception as error:  # any, so that there is always a reply
        reply["failed"] = in_one_line(error)
    reply["importable"] = [name for name in request["refused"] if _importable(name)]
    reply["foreign"] = modules_below(request["project"])
    with open(reply_file, "w") as file:
        json.dump(reply, file)


def _serve(request: Mapping[str, Any], reply: dict[str, Any]) -> None:
    import tensorflow as tf

    for package in request["needs"]:
        importlib.import_module(package)
    reply["memory_before_mb"] = resident_mb()
    loaded = tf.saved_model.load(request["model"])
    rows = [row.encode(_ONE_BYTE) for row in request["rows"]]
    calls = [(name, [rows[at] for at in places]) for name, places in request["calls"]]
    reply["answers"] = [_as_json(answer) for answer in answers(loaded.signatures, calls)]
    sys.stdin.readline()
    timed = request["timed"]
    chosen = [rows[at] for at in timed["rows"]]
    reply["latency_ms"] = {
        str(size): latency(loaded.signatures[timed["signature"]], chosen, size, timed)
        for size in timed["sizes"]
    }
    reply["memory_mb"] = resident_mb()


def answers(
    signatures: Mapping[str, Any], calls: Sequence[tuple[str, Sequence[bytes]]]
) -> list[dict[str, Any]]:
    """What the signatures say: arrays by output's name for each call, or {"error": why}."""
    import tensorflow as tf

    found: list[dict[str, Any]] = []
    for name, rows in calls:
        if name not in signatures:
            found.append({"error": f"there is no signature {name!r}"})
            continue
        try:
            said = signatures[name](**_argument(signatures[name], rows))
            found.append({key: value.numpy() for key, value in said.items()})
        except (tf.errors.OpError, ValueError, TypeError) as error:
            found.append({"error": in_one_line(error)})
    return found


def latency(
    signature: Any, rows: Sequence[bytes], size: int, limits: Mapping[str, float]
) -> dict[str, float]:
    """Milliseconds of requests of `size` rows: median and 95th percentile, after a warm-up.

    Args:
      signature: called with the rows in turn.
      rows: to choose from; repeated if there are fewer.
      size: rows of a request.
      limits: "calls", at most so many; "seconds", after which no further one starts.
    """
    taken: list[float] = []
    begun = time.perf_counter()
    for call in range(1 + int(limits["calls"])):
        batch = [rows[(call * size + place) % len(rows)] for place in range(size)]
        argument = _argument(signature, batch)
        started = time.perf_counter()
        for value in signature(**argument).values():
            value.numpy()
        taken.append(1000 * (time.perf_counter() - started))
        if time.perf_counter() - begun > limits["seconds"] and call:
            break
    kept = sorted(taken[1:])
    return {"median": statistics.median(kept), "p95": kept[-(-95 * len(kept) // 100) - 1]}


def resident_mb() -> float:
    """The most memory that this process has held, in MiB (2^20 bytes)."""
    try:
        # Not `getrusage`: on Linux that remembers the process that started this one.
        with open("/proc/self/status") as file:
            line = next(line for line in file if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 2**10
    except (OSError, StopIteration):
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most / (2**20 if sys.platform == "darwin" else 2**10)


def in_one_line(error: BaseException) -> str:
    """An exception's kind and the line of it that says most: TensorFlow writes many."""
    lines = [line.strip() for line in str(error).split("\n") if line.strip()]
    said = next((line for line in lines if "assertion failed" in line), lines[0] if lines else "")
    return f"{type(error).__name__}: {said[:300]}"


def modules_below(folders: Sequence[str]) -> list[str]:
    """The loaded modules whose files are in one of these folders, but for this one."""
    roots = tuple(os.path.join(os.path.realpath(folder), "") for folder in folders)
    files = {name: getattr(module, "__file__", None) for name, module in list(sys.modules.items())}
    return sorted(
        name
        for name, file in files.items()
        if file and os.path.realpath(file).startswith(roots) and file != __file__
    )


def _argument(signature: Any, rows: Sequence[bytes]) -> dict[str, Any]:
    import tensorflow as tf

    (name,) = signature.structured_input_signature[1]
    return {name: tf.constant(list(rows), tf.string)}


def _as_json(answer: Mapping[str, Any]) -> dict[str, Any]:
    if "error" in answer:
        return dict(answer)
    return {
        name: {"dtype": _dtype(value), "shape": list(value.shape), "values": _flat(value)}
        for name, value in answer.items()
    }


def _dtype(value: Any) -> str:
    return "string" if value.dtype == object else str(value.dtype)


def _flat(value: Any) -> list[Any]:
    flat = value.ravel().tolist()
    return [each.decode(_ONE_BYTE) for each in flat] if value.dtype == object else flat


def _importable(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


if __name__ == "__main__":
    main(*sys.argv[1:])
