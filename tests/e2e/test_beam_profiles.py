"""The whole line in other profiles of `beam`: what it measures is what it measures with `local`.

`flink` without Flink: Beam's own job server, here, and our worker pool, in a process and a folder of
its own.
"""

import json
import os
import pathlib
import subprocess
import sys
from dataclasses import dataclass

import pytest
from apache_beam.runners.portability.local_job_service import LocalJobServicer
from comparing import same

pytestmark = [pytest.mark.pipeline, pytest.mark.slow]

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
CONFIG = """
pipeline: {name: small, root: runs}
task: seq2seq
data:
  path: data/span-{SPAN}
  generator: {name: numbers, rows: 300, seed: 3}
  extra_columns: {digits: integer}
  split: {train: 3, eval: 1}
  max_source_length: 20
  max_target_length: 26
transform: {source_tokenizer: character, target_tokenizer: whitespace}
model: {family: gru, units: 16}
batch: {size: 32}
train: {epochs: 2, learning_rate: 0.01}
eval: {slices: [digits, target_length], decode_examples: 20}
serving: {check: {enabled: false}}
"""
PROCESSES = "beam: {local: {workers: 2, mode: processes}}\n"
# Each runs a Beam pipeline or more.
OF_BEAM = ("ExampleGen", "StatisticsGen", "VocabularyGen", "Transform", "SequenceEvaluator")
# What a worker process says of itself when it starts, wherever its log goes.
STARTED = "Python sdk harness starting"


@dataclass(frozen=True)
class Pool:
    """A worker pool, and where its workers log."""

    address: str
    log: pathlib.Path


@pytest.fixture
def pool(tmp_path):
    with open(tmp_path / "log", "w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "components.beam_pool", "localhost:0"],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        )
    yield Pool(process.stdout.readline().split()[-1], tmp_path / "log")
    process.terminate()
    process.wait()


@pytest.fixture
def job_server():
    server = LocalJobServicer()
    yield f"localhost:{server.start_grpc_server(0)}"
    server.stop()


@pytest.fixture(scope="module")
def run(tokenline, tmp_path_factory):
    """The line in a folder of its own, with a section `beam`: how it ended, and its log."""

    def call(name: str, section: str = ""):
        folder = tmp_path_factory.mktemp(name)
        (folder / "pipeline_config.yaml").write_text(CONFIG + section)
        done = tokenline("run", cwd=folder)
        assert done.code == 0, done.out + done.err
        assert (folder / "runs/small/serving/1/saved_model.pb").exists()
        return done, (folder / done.record["log"]).read_text(errors="replace")

    return call


@pytest.fixture(scope="module")
def local(run):
    done, log = run("local")
    assert STARTED not in log
    return done


def check_same(done, local) -> None:
    assert done.open_ports == set()
    assert done.states() == local.states()
    assert done.record["metrics"]["slices"][0]["candidate"]["token_count"] > 100
    for part in ("metrics", "verdict", "ledger"):
        same(done.record[part], local.record[part], part)
    assert done.record["pushed"] == local.record["pushed"]


def test_flinks_profile_measures_the_same_by_workers_of_a_pool(
    run, local, pool, job_server
) -> None:
    flink = f"job_server: '{job_server}', environment_config: '{pool.address}'"
    section = f"beam: {{profile: flink, flink: {{environment_type: EXTERNAL, {flink}}}}}\n"
    done, log = run("flink", section)
    check_same(done, local)
    assert STARTED not in log
    assert pool.log.read_text().count(STARTED) >= len(OF_BEAM)


def test_processes_measure_the_same(run, local) -> None:
    done, log = run("processes", PROCESSES)
    check_same(done, local)
    assert log.count(STARTED) >= 2 * len(OF_BEAM)


def test_a_bad_row_is_one_line_and_exit_2_with_processes(tokenline, tmp_path) -> None:
    (tmp_path / "pipeline_config.yaml").write_text(CONFIG + PROCESSES)
    (tmp_path / "data/span-1").mkdir(parents=True)
    rows = [{"source": str(n), "target": f"number {n}", "digits": 1} for n in range(200)]
    rows[150]["target"] = ["a", "list"]
    file = tmp_path / "data/span-1/rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    failed = tokenline("run", cwd=tmp_path)
    assert failed.code == 2
    assert failed.err.startswith("tokenline: data/span-1/rows.jsonl:151: column 'target'")
    assert len(failed.err.strip().splitlines()) == 1
    assert failed.open_ports == set()
