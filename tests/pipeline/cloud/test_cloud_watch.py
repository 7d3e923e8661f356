"""`tokenline retrain --watch` where runs are jobs, as processes that are ended and begun again."""

import json
import os
import pathlib
import queue
import signal
import subprocess
import sys
import threading

import pretended_jobs
import pytest
from pretended_jobs import ROOT, put_span
from small_pipeline import CONFIG, REPOSITORY, compiled

from pipeline.retrain.ledger import open_ledger

RETRAIN = """
retrain: {runner: vertex, retries: 1, backoff_seconds: 0, poll_seconds: 0.2, max_poll_seconds: 0.2}
"""
PATIENCE = 120  # seconds; only a failure waits so long


@pytest.fixture
def jobs(vertex, store, config_file, tmp_path):
    config_file.write_text(CONFIG + RETRAIN)
    (tmp_path / "compiled.json").write_text(json.dumps(compiled()))
    found = pretended_jobs.Jobs(store)
    vertex.runner = found
    yield found
    found.open.set()
    for thread in vertex._threads:
        thread.join()


class Watch:
    """A process that watches; what it tells is read line by line."""

    def __init__(self, port):
        here = pathlib.Path(__file__).parent / "retrain_here.py"
        more = {"COMPILED": "compiled.json", "FAKE_VERTEX_PORT": str(port)}
        self._process = subprocess.Popen(
            [sys.executable, str(here), "retrain", "--watch", "--json"],
            env=os.environ | more | {"PYTHONPATH": str(REPOSITORY)},
            stdout=subprocess.PIPE,
            text=True,
        )
        self.told = []
        self._lines = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        for line in self._process.stdout:
            self._lines.put(json.loads(line))

    def until(self, event):
        """Read on until it tells of this; the facts."""
        while True:
            self.told.append(self._lines.get(timeout=PATIENCE))
            if self.told[-1]["event"] == event:
                return self.told[-1]

    def end(self, how):
        """Send it a signal; its exit code, when it is gone."""
        self._process.send_signal(how)
        code = self._process.wait(PATIENCE)
        self._reader.join()
        while not self._lines.empty():
            self.told.append(self._lines.get())
        return code

    def is_there(self):
        return self._process.poll() is None

    def names(self):
        return [each["event"] for each in self.told]


@pytest.fixture
def watch(vertex):
    """Begins to watch."""
    begun = []

    def begin():
        begun.append(Watch(vertex.port))
        return begun[-1]

    yield begin
    for each in begun:
        if each.is_there():
            each.end(signal.SIGKILL)


def states():
    return {span: one.state for span, one in open_ledger(ROOT).load()[0].newest().items()}


def submitted(vertex):
    return [call.query["pipelineJobId"] for call in vertex.made("POST", "pipelineJobs")]


def let_time_go_by(store):
    """The lease of one that was killed is over."""
    found = json.loads(store.get(f"{ROOT}/retrain/lease.json"))
    store.put(f"{ROOT}/retrain/lease.json", json.dumps(found | {"expires": 1.0}))


def looks_at(job, vertex):
    """Is set once somebody looks at this job, which has not ended."""
    found, answer = threading.Event(), vertex.answer

    def answered(call):
        if call.method == "GET" and call.path.endswith(job):
            found.set()
        return answer(call)

    vertex.answer = answered
    return found


@pytest.mark.parametrize(
    "how", [signal.SIGTERM, pytest.param(signal.SIGKILL, marks=pytest.mark.slow)]
)
def test_a_job_that_goes_on_is_found_by_the_next_watch_and_not_submitted_twice(
    jobs, vertex, store, watch, how
):
    jobs.open.clear()
    put_span(store, 1)
    first = watch()
    job = first.until("run_submitted")["job"]
    assert first.end(how) == (0 if how == signal.SIGTERM else -signal.SIGKILL)
    assert ("run_goes_on" in first.names()) == (how == signal.SIGTERM)
    assert states() == {1: "claimed"}

    looked = looks_at(job, vertex)
    second = watch()
    if how == signal.SIGKILL:  # its lease outlives it, and is waited for
        second.until("locked")
        let_time_go_by(store)
    second.until("started")
    assert looked.wait(PATIENCE)
    put_span(store, 2)  # comes while the first one is followed
    jobs.open.set()
    assert second.until("recovered")["new"] == "1"
    assert second.until("run_pushed")["new"] == "1"
    assert second.until("run_pushed")["new"] == "2"
    put_span(store, 3)  # and one while it waits
    assert second.until("run_pushed")["new"] == "3"
    assert second.end(signal.SIGTERM) == 0
    assert second.names()[-1] == "stopped"
    assert states() == {1: "pushed", 2: "pushed", 3: "pushed"}
    assert len(jobs.versions) == 3
    assert submitted(vertex) == list(dict.fromkeys(submitted(vertex)))
    assert submitted(vertex)[0] == job
    assert [each["new_spans"] for each in jobs.asked] == ["[1]", "[2]", "[3]"]


def test_a_watch_goes_on_whatever_its_runs_and_what_is_outside_meet(jobs, vertex, store, watch):
    jobs.ends = ["bad", "told"]
    put_span(store, 1)
    put_span(store, 2)
    found = watch()
    parked = found.until("span_parked")
    assert (parked["span"], parked["reason"]) == (1, str(jobs.errors["bad"]))
    failed = found.until("run_failed")
    assert failed["reason"] == "ExampleGen failed: RuntimeError: no memory left"
    assert failed["retry_in_seconds"] is not None
    assert found.until("run_pushed")["new"] == "2"
    store.read_faults.append(403)
    assert "roles/storage.objectAdmin" in found.until("trouble")["reason"]
    vertex.faults.extend([(403, False)] * 2)
    put_span(store, 3)
    assert "roles/aiplatform.user" in found.until("run_failed")["reason"]
    assert found.until("run_pushed")["new"] == "3"
    assert found.end(signal.SIGTERM) == 0
    assert states() == {1: "parked", 2: "pushed", 3: "pushed"}
    assert len(set(submitted(vertex))) == len(vertex.jobs) == 4
