"""Jobs of the fake Vertex that only pretend: what their Pusher would leave on the bucket, and no more."""

import json
import threading
from collections.abc import Callable
from typing import Any

from components import failures
from components.errors import InputError

ROOT = "gs://bucket/pipelines/numbers"
SERVED = f"{ROOT}/served"
DATA = "gs://bucket/data"


class Jobs:
    """What runs the jobs.

    Attributes:
      asked: the parameters of all jobs that began, in order.
      ends: how the next ones end: pushed, refused, failed, bad (a step tells that the input is at
        fault), told (one tells of something else), silent (no outcome), dies (pushed, and no word of
        it), cancelled; pushed where nothing is said.
      before: is called with the run key and the version to come before a job does anything.
      open: jobs that have begun end only while it is set.
      errors: what a step meets where it tells of it, by how the job ends.
    """

    def __init__(self, store: Any) -> None:
        self.asked: list[dict[str, Any]] = []
        self.ends: list[str] = []
        self.before: Callable[[str, int], Any] = lambda key, version: None
        self.open = threading.Event()
        self.open.set()
        self.errors: dict[str, Exception] = {
            "bad": InputError("rows.jsonl:1: got no text, expected text"),
            "told": RuntimeError("no memory left"),
        }
        self._store = store
        self._version = 0

    def __call__(self, body: dict[str, Any], number: str) -> dict[str, Any]:
        """A job to its end, as part of a PipelineJob."""
        values = body["runtimeConfig"]["parameterValues"]
        self.asked.append(values | {"job": number})
        self.before(values["run_key"], self._version + 1)
        end = self.ends.pop(0) if self.ends else "pushed"
        self.open.wait(60)
        if end in ("pushed", "dies"):
            self._push(values["run_key"], told=end == "pushed")
        if end == "refused":
            self._tell(values["run_key"], state="refused", reason="not blessed: for a reason")
        if end in ("bad", "told"):
            failures.tell(f"{ROOT}/runs", failures.of(self.errors[end], number, "ExampleGen"))
        if end in ("failed", "dies", "bad", "told"):
            error = {"code": 9, "message": "out of memory"}
            task = {"taskId": "1", "taskName": "SequenceTrainer", "state": "FAILED", "error": error}
            return {"state": "PIPELINE_STATE_FAILED", "jobDetail": {"taskDetails": [task]}}
        return {"state": f"PIPELINE_STATE_{'CANCELLED' if end == 'cancelled' else 'SUCCEEDED'}"}

    def _push(self, key: str, *, told: bool) -> None:
        """As the Pusher does: its note, the version, its graph last, and its word on it."""
        self._version += 1
        note = json.dumps({"keys": [key]})
        self._store.put(f"{SERVED}/.runs/{self._version}.json", note)
        self._store.put(f"{SERVED}/{self._version}/saved_model.pb", "model")
        if told:
            self._tell(key, state="pushed", version=str(self._version))

    def _tell(self, key: str, **facts: str) -> None:
        told = {"key": key, "reason": "", "version": "", "metrics": {"perplexity": 2.0}} | facts
        self._store.put(f"{ROOT}/runs/{key}/outcome.json", json.dumps(told))

    @property
    def versions(self) -> list[str]:
        """The versions that are served."""
        found = self._store.names(f"{SERVED}/")
        return [each for each in found if each.endswith("/saved_model.pb")]


def put_span(store: Any, number: int, text: str = "some words") -> None:
    """A span arrives, its marker last."""
    store.put(f"{DATA}/span-{number}/rows.jsonl", json.dumps({"text": f"{text} {number}"}) + "\n")
    store.put(f"{DATA}/span-{number}/_SUCCESS", "")
