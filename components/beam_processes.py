"""FnApiRunner with workers that are processes: `--runner=components.beam_processes.Runner`.

As its `multi_processing` mode, but for four things: its workers import what `beam_worker` does, its ports
are on loopback, a worker that dies ends the pipeline (Beam would wait for it for ever), and so does a
pipeline that ends its workers, whatever they are at.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from typing import Any

from apache_beam.portability import python_urns
from apache_beam.portability.api import endpoints_pb2
from apache_beam.runners.portability.fn_api_runner import fn_runner, worker_handlers
from apache_beam.transforms import environments
from google.protobuf import text_format

from components import beam_loopback
from components.errors import Passing

WORKER = "components.beam_worker"
_AGAIN_SECONDS = 0.1
_END_SECONDS = 60
# Sent from outside: by someone, or by a machine that has no memory left.
_FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP)


class Runner(fn_runner.FnApiRunner):
    """Its default environment is a process; `--direct_num_workers` says how many there are."""

    def __init__(self) -> None:
        worker = environments.SubprocessSDKEnvironment.from_command_string(WORKER)
        super().__init__(default_environment=worker)

    def run_stages(self, *args: Any) -> Any:
        """As its parent's, with workers of their own.

        Raises:
          Passing: a worker was killed.
          RuntimeError: a worker ended of itself, or what it ran raised something.
        """
        workers = self._provision_info = _Workers()
        try:
            return super().run_stages(*args)
        except Exception as error:
            if workers.died:  # else it is how Beam saw that
                raise workers.died from error
            raise


def start_worker(worker_id: str, *, control: str, logging: str) -> subprocess.Popen[bytes]:
    """A process that takes its work at `control`, host:port, and ends when nothing listens there."""
    told = {
        "WORKER_ID": worker_id,
        "CONTROL_API_SERVICE_DESCRIPTOR": _descriptor(control),
        "LOGGING_API_SERVICE_DESCRIPTOR": _descriptor(logging),
    }
    command = [sys.executable, "-m", WORKER]
    return subprocess.Popen(command, env=os.environ | told, stdin=subprocess.DEVNULL)


def _descriptor(address: str) -> str:
    return text_format.MessageToString(endpoints_pb2.ApiServiceDescriptor(url=address))


class _Workers(fn_runner.ExtendedProvisionInfo):
    """Those of one pipeline, to whom Beam gives this: what one of them dies of is the end of all."""

    def __init__(self) -> None:
        super().__init__()
        self._all: list[_Worker] = []
        self.died: Exception | None = None

    def for_environment(self, environment: Any) -> "_Workers":
        """Itself: they have all packages, nothing is staged for them."""
        del environment
        return self

    def add(self, worker: "_Worker") -> None:
        self._all.append(worker)

    def end(self, reason: Exception) -> None:
        """Kill all; whoever waits for an answer of any of them gets an exception instead."""
        self.died = self.died or reason
        for worker in list(self._all):
            worker.end(self.died)


class _Server(worker_handlers.GrpcServer):
    """Beam's servers for the workers of a pipeline: for these workers on loopback."""

    def __init__(self, state: Any, provision_info: Any, worker_manager: Any) -> None:
        ours = isinstance(provision_info, _Workers)
        with beam_loopback.kept(worker_handlers) if ours else contextlib.nullcontext():
            super().__init__(state, provision_info, worker_manager)


worker_handlers.GrpcServer = _Server  # it has no other place to say so


@worker_handlers.WorkerHandler.register_environment(python_urns.SUBPROCESS_SDK, bytes)
class _Worker(worker_handlers.GrpcWorkerHandler):
    """One process; in place of Beam's own handler, which does not look after it."""

    def __init__(self, command: bytes, state: Any, workers: _Workers, grpc_server: Any) -> None:
        del command  # `start_worker` knows it
        super().__init__(state, workers, grpc_server)
        self._workers = workers
        self._closing = threading.Event()

    def start_worker(self) -> None:
        logging = self.logging_api_service_descriptor().url
        self._process = start_worker(self.worker_id, control=self.control_address, logging=logging)
        self._workers.add(self)
        self._watching = threading.Thread(target=self._watch, daemon=True)
        self._watching.start()

    def _watch(self) -> None:
        code = self._process.wait()
        while not self._closing.is_set():
            self._workers.end(_death(code))
            self._closing.wait(_AGAIN_SECONDS)  # what is asked for meanwhile has to end, too

    def end(self, reason: Exception) -> None:
        """Kill it, and let nobody wait for its answers or its data."""
        self._process.kill()
        self.data_conn._closed = True  # close() waits until all is sent, to whom?
        # The table may change while it is looked through: the next time then.
        with contextlib.suppress(RuntimeError):
            self.control_conn.abort(reason)

    def close(self) -> None:
        self._closing.set()
        # With an answer outstanding nobody wants it any more: the pipeline has failed.
        if self._workers.died or self.control_conn._futures_by_id:
            self._process.kill()
            self.control_conn.close()
            self.stop_worker()
        else:
            super().close()

    def stop_worker(self) -> None:
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._watching.join()


def _death(code: int) -> Exception:
    if -code in _FROM_OUTSIDE:
        name = signal.Signals(-code).name
        return Passing(
            f"beam.local: a worker process was ended by {name}, as a machine that runs out of memory "
            "does; expected it to live until its work is done (fewer beam.local.workers need less)"
        )
    how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
    return RuntimeError(f"a worker process of beam.local ended {how} before its work was done")
