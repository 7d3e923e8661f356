"""A pool of Beam workers on this machine: `python -m components.beam_pool HOST:PORT`.

What `environment_type: EXTERNAL` asks for where no container of Beam's is: for each worker that a cluster
wants it starts a process that has imported what `beam_worker` does. It takes orders from whoever reaches
its port, so the port is on loopback unless another host is named.
"""

import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from apache_beam.portability.api import beam_fn_api_pb2, beam_fn_api_pb2_grpc
from apache_beam.runners.worker import worker_pool_main

from components.beam_processes import start_worker
from components.errors import InputError

_THREADS = 8  # an order is answered at once


class Pool(worker_pool_main.BeamFnExternalWorkerPoolServicer):
    """Beam's, which starts a worker by another command; it stops them as Beam's does."""

    def StartWorker(self, request: Any, context: Any) -> Any:
        """Start one; what is wrong is in the answer."""
        del context
        running = self._worker_processes
        for name, process in list(running.items()):  # of which other threads see to the same
            if process.poll() is not None:
                running.pop(name, None)
        try:
            control = request.control_endpoint.url
            logging = request.logging_endpoint.url
            running[request.worker_id] = start_worker(
                request.worker_id, control=control, logging=logging
            )
        except OSError as error:
            return beam_fn_api_pb2.StartWorkerResponse(error=str(error))
        return beam_fn_api_pb2.StartWorkerResponse()

    def end(self) -> None:
        """End all workers."""
        for process in list(self._worker_processes.values()):
            process.kill()
            process.wait()


def serve(address: str) -> tuple[str, grpc.Server, Pool]:
    """A pool at host:port, which takes orders from now on; port 0: a free one.

    Returns:
      Its address, the server, and the pool.

    Raises:
      InputError: it cannot listen there.
    """
    host, colon, port = address.rpartition(":")
    expected = "expected HOST:PORT, as localhost:50000"
    if not (host and colon and port.isdecimal() and int(port) < 1 << 16):
        raise InputError(f"worker pool: got {address!r}, {expected}")
    server = grpc.server(ThreadPoolExecutor(_THREADS), options=[("grpc.so_reuseport", 0)])
    try:
        taken = server.add_insecure_port(address)
    except RuntimeError:
        raise InputError(
            f"worker pool: {address} cannot be listened at, {expected}, where nothing listens yet"
        ) from None
    pool = Pool()
    beam_fn_api_pb2_grpc.add_BeamFnExternalWorkerPoolServicer_to_server(pool, server)
    server.start()
    return f"{host}:{taken}", server, pool


def main(arguments: list[str]) -> int:
    """Serve until interrupted; the exit code."""
    try:
        address, server, pool = serve(arguments[0] if len(arguments) == 1 else " ".join(arguments))
    except InputError as error:
        print(f"tokenline: {error}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # its workers end with it, either way
    print(f"worker pool at {address}", flush=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        server.stop(None)
    finally:
        pool.end()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
