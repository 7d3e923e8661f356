"""The pool of workers for a cluster on this machine, and the one that Beam opens in a step's own process."""

import os
import pathlib
import subprocess
import sys

import apache_beam as beam
import grpc
import open_ports
import pytest
from apache_beam.portability.api import beam_fn_api_pb2, beam_fn_api_pb2_grpc, endpoints_pb2
from apache_beam.runners.portability.local_job_service import LocalJobServicer
from apache_beam.runners.worker import worker_pool_main

from components import beam_pool, beam_runner
from pipeline import beam_profile
from pipeline.config.beam import BeamConfig, FlinkConfig

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def pool(tmp_path):
    """A pool in a process of its own, in an empty folder; its first line, and the process."""
    with open(tmp_path / "log", "w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "components.beam_pool", "localhost:0"],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        )
    yield process.stdout.readline().strip(), process
    process.terminate()
    process.wait()


@pytest.fixture
def job_server():
    server = LocalJobServicer()
    yield f"localhost:{server.start_grpc_server(0)}"
    server.stop()


def test_its_workers_are_processes_that_can_import_tfdv(pool, job_server, tmp_path) -> None:
    """As StatisticsGen's steps have them do, without anything of ours before."""

    def step(row: int) -> int:
        import os
        import pathlib

        import tensorflow_data_validation  # noqa: F401

        pathlib.Path(folder, str(os.getpid())).touch()
        return row

    folder = str(tmp_path)
    line, process = pool
    assert line.startswith("worker pool at localhost:")
    at = open_ports.listening(process.pid)
    assert at
    assert all(map(open_ports.is_loopback, at)), at
    flink = FlinkConfig(
        job_server=job_server, environment_type="EXTERNAL", environment_config=line.split()[-1]
    )
    arguments = beam_profile.arguments(BeamConfig(flink=flink), "flink")
    with beam.Pipeline(argv=arguments) as pipeline:
        _ = pipeline | beam.Create(range(3)) | beam.Map(step)
    [worker] = tmp_path.glob("[0-9]*")
    assert int(worker.name) not in (os.getpid(), process.pid)


def test_its_workers_end_with_it(pool) -> None:
    """Their ports are still there: of themselves they would not."""
    line, process = pool
    with grpc.insecure_channel(line.split()[-1]) as channel:
        stub = beam_fn_api_pb2_grpc.BeamFnExternalWorkerPoolStub(channel)
        server = LocalJobServicer()  # anything that answers, and says nothing
        at = endpoints_pb2.ApiServiceDescriptor(url=f"localhost:{server.start_grpc_server(0)}")
        request = beam_fn_api_pb2.StartWorkerRequest(
            worker_id="w", control_endpoint=at, logging_endpoint=at
        )
        assert stub.StartWorker(request).error == ""
        threads = pathlib.Path(f"/proc/{process.pid}/task").glob("*/children")
        [worker] = [int(child) for each in threads for child in each.read_text().split()]
        process.terminate()
        assert process.wait() == 0
        server.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)


class Ended:
    """A worker that has ended; while one thread looks at it, another takes it out and puts one in."""

    def __init__(self, running):
        self._running = running

    def poll(self):
        self._running.pop("a", None)
        self._running["b"] = self
        return 0


def test_several_workers_may_be_asked_for_at_once(monkeypatch) -> None:
    pool = beam_pool.Pool()
    running = pool._worker_processes
    running["a"] = Ended(running)
    monkeypatch.setattr(beam_pool, "start_worker", lambda worker_id, **more: worker_id)
    request = beam_fn_api_pb2.StartWorkerRequest(worker_id="c")
    assert pool.StartWorker(request, None).error == ""
    assert running["c"] == "c"
    assert "a" not in running


@pytest.mark.parametrize("given", [[], ["50000"], ["localhost:"], ["localhost:99999"], ["a", "b"]])
def test_what_is_no_address_is_one_line(given, capsys) -> None:
    assert beam_pool.main(given) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"tokenline: worker pool: got {' '.join(given)!r}, expected HOST:PORT")
    assert len(told.splitlines()) == 1


def test_a_port_that_is_taken_is_one_line(capsys) -> None:
    address, server, _ = beam_pool.serve("localhost:0")
    try:
        assert beam_pool.main([address]) == 2
    finally:
        server.stop(None)
    assert f"{address} cannot be listened at" in capsys.readouterr().err


def test_the_pool_of_loopback_listens_on_loopback() -> None:
    """LOOPBACK: Beam serves threads of the step's own process to the cluster."""
    beam_runner.make_ready(["--environment_type=LOOPBACK"])
    before = open_ports.listening(os.getpid())
    address, server = worker_pool_main.BeamFnExternalWorkerPoolServicer.start()
    try:
        opened = open_ports.listening(os.getpid()) - before
    finally:
        server.stop(None)
    assert {at.split()[1] for at in opened} == {address.rpartition(":")[2]}
    assert all(map(open_ports.is_loopback, opened)), opened
