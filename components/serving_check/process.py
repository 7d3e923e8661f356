"""Starting `clean_process` and reading what it says. Everything that goes wrong is a text, not an end."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import numpy as np

import components
from components import folders, storage
from components.serving_check import clean_process

# Ours, and what made the model: none of it is on a machine that serves. The last three are not
# TensorFlow's own either, and only slow down its start.
PROJECT = ("components", "transform", "pipeline", "benchmarks")
REFUSED = (
    *PROJECT,
    "tfx",
    "tfx_bsl",
    "apache_beam",
    "tensorflow_transform",
    "tensorflow_model_analysis",
    "tensorflow_data_validation",
    "keras_hub",
    "sklearn",
    "pandas",
    "scipy",
)
_ONE_BYTE = "latin-1"

Answer = dict[str, np.ndarray]
"""Arrays by output's name: object arrays of bytes where the output is text."""


@dataclass(frozen=True)
class Call:
    """One request: a signature, and the positions of its rows in `Request.rows`."""

    signature: str
    rows: tuple[int, ...]


@dataclass(frozen=True)
class Request:
    """What to ask of a model.

    Attributes:
      model: SavedModel folder.
      needs: packages whose operations its graph holds.
      rows: serialized examples and texts.
      calls: in this order.
      timed: calls whose time is taken: their signature, and the rows to choose from.
      sizes: rows of a timed request.
    """

    model: str
    needs: tuple[str, ...]
    rows: tuple[bytes, ...]
    calls: tuple[Call, ...]
    timed: Call
    sizes: tuple[int, ...]


@dataclass(frozen=True)
class Reply:
    """What came back; `failed` says why there is nothing else.

    Attributes:
      answers: of each call: arrays, or why it was refused.
      latency_ms: batch size -> median and p95.
      memory_mb, memory_before_mb: the most memory held, and before the model was loaded, MiB.
      foreign: modules of the project that the process loaded in spite of all.
    """

    failed: str = ""
    answers: tuple[Answer | str, ...] = ()
    latency_ms: dict[str, dict[str, float]] = field(default_factory=dict)
    memory_mb: float = 0.0
    memory_before_mb: float = 0.0
    foreign: tuple[str, ...] = ()


class Server:
    """The running process: answers at once, measures when `reply` is asked for.

    with Server(request) as server: ...; server.reply(timeout)
    """

    def __init__(
        self, request: Request, *, calls_timed: int = 10, seconds_timed: float = 2.0
    ) -> None:
        """Take what to ask, and how long to measure each batch size at most."""
        self._request = request
        self._limits = {"calls": calls_timed, "seconds": seconds_timed}

    def __enter__(self) -> "Server":
        """Start it."""
        self._folder = tempfile.TemporaryDirectory(prefix="serving-check-")
        self._reply, self._errors = (self._path(name) for name in ("reply.json", "stderr.txt"))
        self._model = os.path.abspath(self._request.model)
        if storage.is_remote(self._request.model):  # the process may have no way to read it there
            self._model = self._path("model")
            folders.download(self._request.model, self._model)
        with open(self._path("request.json"), "w") as file:
            json.dump(self._content(), file)
        with open(self._errors, "wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-I", clean_process.__file__, file.name, self._reply],
                cwd=self._folder.name,
                stdin=subprocess.PIPE,
                stdout=errors,
                stderr=errors,
                # On the CPU: this process may hold all of a GPU's memory.
                env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": "-1"},
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it, if it still runs."""
        self._process.kill()
        self._process.communicate()
        self._folder.cleanup()

    def reply(self, timeout: float) -> Reply:
        """Let it measure, and wait for at most `timeout` seconds."""
        try:
            self._process.communicate(b"\n", timeout=timeout)
        except subprocess.TimeoutExpired:
            return Reply(failed=f"it was not done after {timeout:g} s")
        if not os.path.exists(self._reply):
            return Reply(failed=f"it ended with exit code {self._process.returncode}{self._said()}")
        with open(self._reply) as file:
            found = json.load(file)
        return Reply(
            failed=found.get("failed", ""),
            answers=tuple(map(_answer, found.get("answers", ()))),
            latency_ms=found.get("latency_ms", {}),
            memory_mb=found.get("memory_mb", 0.0),
            memory_before_mb=found.get("memory_before_mb", 0.0),
            foreign=(*found["importable"], *found["foreign"]),
        )

    def _path(self, name: str) -> str:
        return os.path.join(self._folder.name, name)

    def _content(self) -> dict[str, Any]:
        request = self._request
        timed = {"signature": request.timed.signature, "rows": request.timed.rows}
        return {
            "model": self._model,
            "needs": request.needs,
            "refused": REFUSED,
            "project": project_folders(),
            "rows": [row.decode(_ONE_BYTE) for row in request.rows],
            "calls": [(call.signature, call.rows) for call in request.calls],
            "timed": timed | self._limits | {"sizes": request.sizes},
        }

    def _said(self) -> str:
        """The last line that it wrote, for whoever has to find out why it died."""
        with open(self._errors, "rb") as file:
            lines = file.read().decode("utf-8", "replace").strip().split("\n")
        return f": {lines[-1][:300]}" if lines[-1] else ""


def project_folders() -> tuple[str, ...]:
    """The folders of the project's packages, wherever they are installed."""
    root = os.path.dirname(os.path.dirname(os.path.abspath(components.__file__)))
    return tuple(os.path.join(root, name) for name in PROJECT)


def answers_here(signatures: Any, request: Request, calls: Sequence[Call]) -> list[Answer | str]:
    """What a model that is loaded in this process says to the same calls."""
    asked = [(call.signature, [request.rows[at] for at in call.rows]) for call in calls]
    return [
        str(found["error"]) if "error" in found else found
        for found in clean_process.answers(signatures, asked)
    ]


def _answer(found: dict[str, Any]) -> Answer | str:
    if "error" in found:
        return str(found["error"])
    return {name: _array(**value) for name, value in found.items()}


def _array(dtype: str, shape: list[int], values: list[Any]) -> np.ndarray:
    if dtype != "string":
        return np.array(values, dtype).reshape(shape)
    made: np.ndarray = np.empty(len(values), object)
    made[:] = [text.encode(_ONE_BYTE) for text in values]
    return made.reshape(shape)
