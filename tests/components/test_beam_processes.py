"""Beam's workers as processes: who works, on which ports, and what a death among them does (Linux)."""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import apache_beam as beam
import open_ports
import pytest

from components import beam_processes, shards
from components.errors import InputError, Passing
from pipeline import beam_profile
from pipeline.config.beam import BeamConfig, LocalBeamConfig

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
WORKERS = 2
ROWS = 40  # so that no worker is without


def arguments() -> list[str]:
    local = LocalBeamConfig(workers=WORKERS, mode="processes")
    return beam_profile.arguments(BeamConfig(local=local), "local")


@pytest.fixture
def light(monkeypatch) -> None:
    """Workers that import Beam alone: quicker."""
    monkeypatch.setattr(beam_processes, "WORKER", "apache_beam.runners.worker.sdk_worker_main")


def signing_in(folder: pathlib.Path, then: str = ""):
    """A step for workers, which know nothing of this module: they wait for each other, and for `go`.

    Args:
      folder: where each worker leaves its id.
      then: what the first of them does: "kill" itself, "exit", or "raise"; all others would sleep.
    """
    expected = WORKERS

    def step(row: int) -> int:
        import os
        import signal
        import time

        (folder / str(os.getpid())).touch()
        while len(names := sorted(folder.glob("[0-9]*"))) < expected:
            time.sleep(0.02)
        if then and names[0].name != str(os.getpid()):
            time.sleep(600 if then in ("kill", "exit") else 0.02)
        elif then == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif then == "exit":
            os._exit(7)
        elif then == "raise":
            raise ValueError(f"no good: {row}")
        while not then and not (folder / "go").exists():
            time.sleep(0.02)
        return row

    return step


def run(folder: pathlib.Path, then: str = "") -> None:
    """A pipeline with that step, to its end: two minutes are a hang."""
    raised: list[Exception] = []

    def to_its_end() -> None:
        try:
            with beam.Pipeline(argv=arguments()) as pipeline:
                step = beam.Map(signing_in(folder, then))
                _ = pipeline | beam.Create(range(ROWS)) | beam.Reshuffle() | step
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=to_its_end, daemon=True)
    thread.start()
    thread.join(120)
    if thread.is_alive():
        pytest.fail("the pipeline does not end")
    if raised:
        raise raised[0]


def workers(folder: pathlib.Path) -> list[int]:
    return sorted(int(name.name) for name in folder.glob("[0-9]*"))


def alive(pid: int) -> bool:
    """Whether a process is there, and not only its exit code."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(what) -> None:
    for _ in range(3000):
        if what():
            return
        time.sleep(0.02)
    pytest.fail("it did not come to pass in a minute")


@pytest.fixture
def running(light, tmp_path):
    """A pipeline whose workers have all begun, on a thread."""
    before = open_ports.listening(os.getpid())
    thread = threading.Thread(target=run, args=[tmp_path])
    thread.start()
    try:
        wait_for(lambda: len(workers(tmp_path)) == WORKERS)
        yield before
    finally:
        (tmp_path / "go").touch()
        thread.join()


def test_the_work_is_done_elsewhere_on_loopback_and_nothing_is_left(running, tmp_path) -> None:
    found = workers(tmp_path)
    assert os.getpid() not in found
    assert set(found) <= set(open_ports.family(os.getpid()))
    opened = open_ports.listening(os.getpid()) - running
    assert opened  # they talk to this process
    assert all(map(open_ports.is_loopback, opened)), opened
    assert set.union(*map(open_ports.listening_off_loopback, found)) == set()
    (tmp_path / "go").touch()
    wait_for(lambda: not any(map(alive, found)))
    wait_for(lambda: not opened & open_ports.listening(os.getpid()))


def test_a_worker_that_is_killed_is_one_line(light, tmp_path) -> None:
    with pytest.raises(Passing, match=r"^beam.local: a worker process was ended by SIGKILL, as a"):
        run(tmp_path, "kill")
    assert len(workers(tmp_path)) == WORKERS
    assert not any(map(alive, workers(tmp_path)))


def test_a_worker_that_ends_of_itself_is_a_failure(light, tmp_path) -> None:
    with pytest.raises(
        RuntimeError, match=r"^a worker process of beam.local ended with exit code 7"
    ):
        run(tmp_path, "exit")
    assert not any(map(alive, workers(tmp_path)))


def test_workers_that_cannot_be_started_are_a_failure(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(beam_processes, "WORKER", "components.no_such_module")
    with pytest.raises(RuntimeError, match="ended with exit code 1 before its work was done"):
        run(tmp_path)


def test_what_a_step_raises_arrives_with_its_words(light, tmp_path) -> None:
    with pytest.raises(
        RuntimeError, match=r"ValueError: no good: \d+ \[while running 'Map\(step\)'\]"
    ):
        run(tmp_path, "raise")
    assert not any(map(alive, workers(tmp_path)))


def test_bad_input_is_told_by_worker_processes_as_by_threads(light, tmp_path) -> None:
    def refuse(path: str) -> None:
        from components.errors import InputError

        raise InputError(f"{path}: got nothing, expected something")

    paths = [f"rows-{number}" for number in range(3)]
    with pytest.raises(InputError) as raised:
        shards.each(
            lambda: beam.Pipeline(argv=arguments()),
            paths,
            refuse,
            label="Work",
            folder=str(tmp_path),
        )
    assert str(raised.value) == "\n".join(f"{p}: got nothing, expected something" for p in paths)


def test_a_worker_makes_tfdv_importable_and_dies_with_who_started_it(tmp_path) -> None:
    """In the folder that it was started in, by a process that is killed."""

    def step(row: int) -> int:
        import os
        import pathlib
        import time

        import tensorflow_data_validation  # noqa: F401

        pathlib.Path(folder, str(os.getpid())).touch()
        time.sleep(600)
        return row

    folder = str(tmp_path)
    pickled = as_bytes(step)
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, *arguments()],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        stdin=subprocess.PIPE,
    )
    starter.stdin.write(pickled)
    starter.stdin.close()
    try:
        wait_for(lambda: workers(tmp_path) or starter.poll() is not None)
        found = workers(tmp_path)
        assert found
    finally:
        starter.kill()
        starter.wait()
    try:
        wait_for(lambda: not any(map(alive, found)))
    finally:
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


STARTER = """
import sys
import apache_beam as beam
from apache_beam.internal import pickler
step = pickler.loads(sys.stdin.buffer.read())
with beam.Pipeline(argv=sys.argv[1:]) as pipeline:
    pipeline | beam.Create(range(4)) | beam.Reshuffle() | beam.Map(step)
"""


def as_bytes(step) -> bytes:
    from apache_beam.internal import pickler

    return pickler.dumps(step)
