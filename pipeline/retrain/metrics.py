"""What Prometheus reads of retrain, as a file or at a loopback port.

Source of the format: Prometheus, "Exposition formats", text format 0.0.4.
"""

import contextlib
import dataclasses
import http.server
import os
import socketserver
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pipeline.config.problems import Unsuited
from pipeline.retrain.states import Run
from pipeline.retrain.telling import Facts

_POLL_SECONDS = 0.1
_EVAL = "eval_"  # before the name of a metric of the eval split


class Metrics:
    """What Prometheus reads: counters since this process started, and how things stand now."""

    def __init__(self, pipeline: str, runs: Sequence[Run] = ()) -> None:
        """Take the pipeline's name, and its runs of before, oldest first."""
        self._pipeline = pipeline
        self._lock = threading.Lock()
        self._runs = {"pushed": 0, "refused": 0, "failed": 0}
        self._spans: dict[str, int] = {}
        self._values: dict[str, float] = {}
        for run in runs:
            if run.state in ("pushed", "refused"):
                facts = {"seconds": run.ended - run.started, "at": run.ended}
                self._came_out(facts | {"metrics": run.metrics, "version": run.pushed_version})

    def __call__(self, event: str, facts: Facts) -> None:
        with self._lock:
            if event == "looked":
                self._spans = dict(facts["spans"])
            elif event == "run_started":
                self._values["run_started_timestamp_seconds"] = facts["at"]
            elif event.removeprefix("run_") in self._runs:
                self._ended(event.removeprefix("run_"), facts)

    def _ended(self, state: str, facts: Facts) -> None:
        self._runs[state] += 1
        if state == "failed":
            self._values["last_run_seconds"] = facts["seconds"]
        else:
            self._came_out(facts)

    def _came_out(self, facts: Facts) -> None:
        self._values["last_run_seconds"] = facts["seconds"]
        self._values["last_success_timestamp_seconds"] = facts["at"]
        # A metric that this model has no value for, as a loss that is NaN, must not show the last model's.
        for name in [name for name in self._values if name.startswith(_EVAL)]:
            del self._values[name]
        for name, value in facts["metrics"].items():
            self._values[f"{_EVAL}{name}"] = value
        if facts["version"] is not None:
            self._values["pushed_version"] = float(facts["version"])

    def text(self) -> str:
        """All of it, in Prometheus's text format."""
        with self._lock:
            runs = [self._line("runs_total", n, state=state) for state, n in self._runs.items()]
            spans = [
                self._line("spans", n, state=state) for state, n in sorted(self._spans.items())
            ]
            lines = ["# TYPE tokenline_runs_total counter", *runs]
            lines += ["# TYPE tokenline_spans gauge", *spans]
            for name, value in sorted(self._values.items()):
                lines += [f"# TYPE tokenline_{name} gauge", self._line(name, value)]
        return "\n".join(lines) + "\n"

    def _line(self, name: str, value: float, **labels: str) -> str:
        labels = {"pipeline": self._pipeline, **labels}
        named = ",".join(f'{key}="{text}"' for key, text in labels.items())
        return f"tokenline_{name}{{{named}}} {value}"


@dataclasses.dataclass(frozen=True)
class MetricsFile:
    """Keeps a file as `metrics` stands, whole at any time: for node_exporter's textfile collector."""

    metrics: Metrics
    path: str

    def __call__(self, event: str, facts: Facts) -> None:
        del event, facts
        partial = f"{self.path}.{os.getpid()}"
        with open(partial, "w", encoding="utf-8") as file:
            file.write(self.metrics.text())
        os.replace(partial, self.path)


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def server_bind(self) -> None:
        """Without the look-up of a name for the address, which may ask the network."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", self.server_address[1]


@contextlib.contextmanager
def served(text: Callable[[], str], port: int, *, attempts: int = 20) -> Iterator[int]:
    """Answer `GET /metrics` on a loopback port from a thread while the block runs; gives the port.

    Args:
      text: makes the page.
      port: 0: any that is free.
      attempts: how often to try, a tenth of a second apart: a retrain that was killed loses its lock, on
        which its successor waits, a moment before its port.

    Raises:
      InputError: the port is taken.
    """
    server = _bound(_handler(text), port, attempts)
    thread = threading.Thread(target=server.serve_forever, args=(_POLL_SECONDS,), daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def _bound(handler: type[http.server.BaseHTTPRequestHandler], port: int, attempts: int) -> _Server:
    for left in reversed(range(attempts)):
        try:
            return _Server(("127.0.0.1", port), handler)
        except OSError as error:
            if not left:
                text = f"got {port}, expected a free port: {error.strerror}"
                raise Unsuited(("retrain.metrics_port", text)) from None
        _pause()
    raise AssertionError("unreachable")


def _pause() -> None:
    time.sleep(_POLL_SECONDS)


def _handler(text: Callable[[], str]) -> type[http.server.BaseHTTPRequestHandler]:

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path.split("?")[0] == "/metrics"
            body = text().encode() if found else b"only /metrics is here\n"
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: Any) -> None:
            """Say nothing: the terminal is retrain's."""

    return Handler
