"""A worker process that jobs are sent to over the portable protocol, and the line's parts done twice."""

import os
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).parent
REPOSITORY = HERE.parents[2]
sys.path.insert(0, str(HERE))


@pytest.fixture(scope="session")
def pool(tmp_path_factory):
    """The address of a worker pool in a process of its own, and that process; in an empty folder."""
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    with open(tmp_path_factory.mktemp("pool") / "log", "w") as log:
        process = subprocess.Popen(
            [sys.executable, str(HERE / "worker_pool.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=tmp_path_factory.mktemp("empty"),
            env=environment,
        )
        yield process.stdout.readline().strip(), process
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def job_server():
    """The address of a job server in this process."""
    from apache_beam.runners.portability.local_job_service import LocalJobServicer

    server = LocalJobServicer()
    yield f"localhost:{server.start_grpc_server(0)}"
    server.stop()


@pytest.fixture(scope="session")
def portable(pool, job_server) -> list[str]:
    """Beam's arguments for that worker: those of the profile flink, with a worker pool."""
    from pipeline import beam_profile
    from pipeline.config.beam import BeamConfig, FlinkConfig

    flink = FlinkConfig(
        job_server=job_server, environment_type="EXTERNAL", environment_config=pool[0]
    )
    return beam_profile.arguments(BeamConfig(flink=flink), "flink")


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """Rows and models."""
    from real_parts import make

    return make(tmp_path_factory.mktemp("made"))


@pytest.fixture(scope="session")
def noted():
    """What ran on the worker: filled by `both`."""
    from noting import Noted

    return Noted()


@pytest.fixture(scope="session")
def both(made, portable, noted, tmp_path_factory):
    """The parts in this process, one worker; and by the worker process."""
    import apache_beam as beam
    from noting import noting
    from real_parts import Parts

    from pipeline import beam_profile

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(beam, "Pipeline", noting(noted))
        yield (
            Parts(made, list(beam_profile.HERE), tmp_path_factory.mktemp("here")),
            Parts(made, portable, tmp_path_factory.mktemp("there")),
        )


@pytest.fixture(scope="session")
def ingested(both):
    """ExampleGen's on the rows of a task, here and there."""
    from real_parts import TAGS, TRANSLATION, learning

    found = {}
    for name, columns, more in (
        ("seq2seq", TRANSLATION, {}),
        ("tagging", TAGS, {}),
        ("lm", {"text": "text"}, {"sequences": learning()}),
    ):
        found[name] = [parts.ingest(name, columns, **more) for parts in both]
    return found
