"""`tokenline retrain` where runs are jobs: what is submitted, once, and how what became of it is known."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading

import pretended_jobs
import pytest
from pretended_jobs import ROOT, SERVED, put_span
from small_pipeline import CONFIG, REPOSITORY, compiled

from components import failures
from components.errors import InputError, Passing
from pipeline import lock
from pipeline.config import load_config
from pipeline.retrain import cloud_orders, cloud_places, cloud_runs, endings, lease, runs
from pipeline.retrain.command import Options, retrain
from pipeline.retrain.ledger import open_ledger
from pipeline.retrain.retrainer import Retrainer
from pipeline.retrain.telling import Teller
from pipeline.retrain.watching import Stop
from pipeline.submit import following

RETRAIN = "retrain: {runner: vertex, window: {spans: 2}, retries: 1, backoff_seconds: 0}\n"


class Killed(BaseException):
    """The process is gone at this point."""


def dies(*arguments, **more):
    raise Killed


@pytest.fixture(autouse=True)
def line(monkeypatch):
    """A small compiled pipeline instead of the whole line; how often it was compiled."""
    from pipeline import kubeflow_runner

    made = []

    def compile_pipeline(config, target, path):
        made.append(target)
        with open(path, "w") as file:
            json.dump(
                compiled() | {"runtimeConfig": {"gcsOutputDirectory": config.cloud.root}}, file
            )

    monkeypatch.setattr(kubeflow_runner, "compile_pipeline", compile_pipeline)
    monkeypatch.setattr(following, "POLL_SECONDS", 0.01)
    return made


@pytest.fixture
def jobs(vertex, store, config_file):
    config_file.write_text(CONFIG + RETRAIN)
    found = pretended_jobs.Jobs(store)
    vertex.runner = found
    yield found
    found.open.set()
    for thread in vertex._threads:
        thread.join()


@pytest.fixture
def span(store):
    def make(*numbers, **more):
        for number in numbers:
            put_span(store, number, **more)

    return make


def once(**more):
    return retrain(Options("pipeline_config.yaml", **more))


def state():
    return open_ledger(ROOT).load()[0]


def states():
    return {span: version.state for span, version in state().newest().items()}


def submitted(vertex):
    """The ids under which jobs were asked for, each request counted."""
    return [call.query["pipelineJobId"] for call in vertex.made("POST", "pipelineJobs")]


def test_spans_are_taken_in_order_each_new_in_one_job(jobs, vertex, span, capsys):
    span(1, 2, 4)
    assert once() == 0
    read = [(json.loads(each["spans"]), json.loads(each["new_spans"])) for each in jobs.asked]
    assert read == [([1], [1]), ([1, 2], [2]), ([2, 4], [4])]
    assert states() == {1: "pushed", 2: "pushed", 4: "pushed"}
    assert [run.pushed_version for run in state().runs] == [1, 2, 3]
    assert state().runs[0].metrics == {"perplexity": 2.0}
    assert len({each["fingerprint"] for each in jobs.asked}) == 3
    for run, each in zip(state().runs, jobs.asked, strict=True):
        assert each["run_key"] == run.key
        assert each["job"] == f"numbers-{run.key[:16]}-1"
    told = capsys.readouterr().out
    assert f"job numbers-{state().runs[0].key[:16]}-1: https://console.cloud" in told
    assert "span 4 pushed as version 3" in told


def test_nothing_new_asks_vertex_nothing_and_compiles_nothing(jobs, vertex, span, line, capsys):
    span(1)
    once()
    calls = len(vertex.calls)
    assert once() == 0
    assert "nothing new" in capsys.readouterr().out
    assert (len(vertex.calls), line) == (calls, ["vertex"])


def test_the_fingerprint_is_what_example_gen_takes_of_the_files(jobs, span, tmp_path):
    from components.example_gen import files

    span(1)
    once()
    there = tmp_path / "same" / "span-1"
    there.mkdir(parents=True)
    (there / "rows.jsonl").write_text(json.dumps({"text": "some words 1"}) + "\n")
    listing = files.input_files(str(tmp_path / "same" / "span-{SPAN}"), (1,), "jsonl")
    assert jobs.asked[0]["fingerprint"] == files.fingerprint(listing.files)


def test_without_waiting_a_job_is_left_and_taken_up_by_the_next(jobs, vertex, span, capsys):
    jobs.open.clear()
    span(1, 2)
    assert once(waits=False) == 0
    assert "goes on; the next `tokenline retrain` takes it up" in capsys.readouterr().out
    assert states()[1] == "claimed"
    assert once(waits=False) == 0  # still at it
    assert len(submitted(vertex)) == 1
    jobs.open.set()
    vertex._threads[0].join()
    assert once(waits=False) == 0
    assert states()[1] == "pushed"
    assert len(submitted(vertex)) == 2
    vertex._threads[1].join()
    assert once(waits=False) == 0
    assert states() == {1: "pushed", 2: "pushed"}
    assert len(jobs.versions) == 2


def test_a_job_that_was_left_and_failed_is_known_by_its_state(jobs, vertex, span):
    span(1)
    jobs.ends = ["failed", "failed"]
    for _ in range(3):
        once(waits=False)
        for thread in vertex._threads:
            thread.join()
    assert states() == {1: "parked"}
    key = state().runs[0].key[:16]
    assert submitted(vertex) == [f"numbers-{key}-1", f"numbers-{key}-2"]


def test_a_refusal_is_told_with_its_reason(jobs, span):
    span(1)
    jobs.ends = ["refused"]
    assert once() == 3
    assert states() == {1: "refused"}
    assert state().runs[0].reason == "not blessed: for a reason"


def test_a_failed_job_is_followed_by_another_and_then_the_span_is_parked(jobs, vertex, span):
    span(1, 2)
    jobs.ends = ["failed", "cancelled"]
    assert once() == 1
    assert states() == {1: "parked", 2: "pushed"}
    first, second = [run.key[:16] for run in state().runs]
    ids = [f"numbers-{first}-1", f"numbers-{first}-2", f"numbers-{second}-1"]
    assert submitted(vertex) == ids
    assert state().runs[0].reason == f"job {ids[1]} was cancelled"


def test_the_reason_of_a_failure_is_the_step_s(jobs, span, capsys):
    span(1)
    jobs.ends = ["failed"]
    assert once() == 1
    assert "failed: SequenceTrainer failed: out of memory" in capsys.readouterr().out
    assert states() == {1: "pushed"}


def test_bad_input_is_parked_at_once_with_what_the_step_said(jobs, vertex, span, capsys):
    span(1, 2)
    jobs.ends = ["bad"]
    assert once() == 2
    said = "rows.jsonl:1: got no text, expected text"
    assert states() == {1: "parked", 2: "pushed"}
    first = state().runs[0]
    assert (first.reason, first.permanent, first.attempts) == (said, True, 1)
    assert [job[-2:] for job in submitted(vertex)] == ["-1", "-1"]
    told = capsys.readouterr().out
    assert f"run {first.key[:8]}: failed: {said}\n" in told
    assert f"span 1: parked: {said}" in told
    once(status=True)
    assert said in capsys.readouterr().out


def test_bad_input_of_a_job_that_nobody_waited_for_is_known_as_well(jobs, vertex, span):
    span(1)
    jobs.ends = ["bad"]
    jobs.open.clear()
    assert once(waits=False) == 0
    jobs.open.set()
    vertex._threads[0].join()
    assert once(waits=False) == 2
    assert states() == {1: "parked"}
    assert len(submitted(vertex)) == 1


def test_what_a_step_told_that_may_end_otherwise_is_tried_again(jobs, vertex, span):
    span(1)
    jobs.ends = ["told", "told"]
    assert once() == 1
    assert states() == {1: "parked"}
    said = "ExampleGen failed: RuntimeError: no memory left"
    assert [(run.reason, run.attempts) for run in state().runs] == [(said, 2)]
    assert [job[-2:] for job in submitted(vertex)] == ["-1", "-2"]


def test_what_may_pass_is_an_attempt_as_each_costs_a_job(jobs, vertex, span):
    span(1)
    jobs.ends = ["told"] * 5
    jobs.errors["told"] = Passing("the job server does not answer")
    assert once() == 1
    assert states() == {1: "parked"}
    assert len(submitted(vertex)) == 2


def test_what_one_job_told_is_not_the_next_one_s_reason(jobs, vertex, span):
    span(1)
    jobs.ends = ["bad"]
    once()
    assert once(retry=1) == 0
    jobs.ends = ["failed"]
    assert once() == 1  # tried again, as it is not known whose fault it was
    assert states() == {1: "pushed"}
    assert [job[-2:] for job in submitted(vertex)] == ["-1", "-2", "-3"]


def test_what_a_job_told_that_was_deleted_since_is_not_taken_for_that_of_its_namesake(
    jobs, vertex, span
):
    span(1)
    jobs.ends = ["bad", "failed", "pushed"]
    once()
    once(retry=1)
    vertex.jobs.clear()
    assert once() == 1
    assert states() == {1: "pushed"}
    assert [job[-2:] for job in submitted(vertex)] == ["-1", "-1", "-2"]


def test_a_run_that_pushed_has_pushed_whatever_a_step_told(jobs, span):
    """A step that nothing waits for may fail beside the others."""
    span(1)

    def fails_too(key, version):
        job = f"numbers-{key[:16]}-1"
        failures.tell(f"{ROOT}/runs", failures.of(InputError("x"), job, "Check"))

    jobs.before, jobs.ends = fails_too, ["dies"]
    assert once() == 0
    assert states() == {1: "pushed"}


def test_while_nobody_can_say_why_it_failed_it_is_not_tried_again(jobs, vertex, span, monkeypatch):
    span(1)
    jobs.ends = ["bad"]
    with monkeypatch.context() as patched:
        patched.setattr(failures, "read", lambda *_: (_ for _ in ()).throw(Passing("no store")))
        with pytest.raises(Passing):
            once()
    assert states() == {1: "claimed"}
    assert once() == 2
    assert states() == {1: "parked"}
    assert len(submitted(vertex)) == 1


def test_a_job_without_an_outcome_has_failed(jobs, span):
    span(1)
    jobs.ends = ["silent", "silent"]
    assert once() == 1
    assert "left no outcome" in state().runs[0].reason


def test_a_job_that_pushed_and_died_has_pushed(jobs, vertex, span):
    span(1)
    jobs.ends = ["dies"]
    assert once() == 0
    assert states() == {1: "pushed"}
    assert state().runs[0].pushed_version == 1
    assert len(submitted(vertex)) == 1


def test_half_a_version_is_no_push(jobs, span, store):
    span(1)
    jobs.ends = ["failed"]

    def half(key, version):
        store.put(f"{SERVED}/.runs/7.json", json.dumps({"keys": [key]}))
        store.put(f"{SERVED}/7/variables/variables.index", "")

    jobs.before = half
    assert once() == 1
    assert state().runs[0].pushed_version == 1


@pytest.mark.parametrize("waits", [True, False])
@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (runs.Runs, ""),  # nowhere
        (cloud_orders, "write"),  # claimed
        (cloud_runs.CloudRuns, "_submit"),  # ordered
        (cloud_runs.CloudRuns, "_follow"),  # submitted
        (endings.Endings, "finish"),  # ended, and told
    ],
)
def test_wherever_it_dies_a_key_has_one_job_and_one_version(
    jobs, vertex, span, monkeypatch, owner, name, waits
):
    span(1, 2)
    if name:
        with monkeypatch.context() as patched:
            patched.setattr(owner, name, dies)
            try:
                once(waits=waits)
            except Killed:
                pass
            else:
                assert not waits
    for _ in range(4):
        for thread in vertex._threads:
            thread.join()
        once(waits=waits)
    assert states() == {1: "pushed", 2: "pushed"}
    assert len(vertex.jobs) == len(set(submitted(vertex))) == 2
    assert all(job.endswith("-1") for job in submitted(vertex))
    assert [each["new_spans"] for each in jobs.asked] == ["[1]", "[2]"]
    assert len(jobs.versions) == 2


def test_dies_after_the_request_is_sent_and_before_its_answer(jobs, vertex, span, monkeypatch):
    from pipeline.submission import VertexSubmitter

    span(1)
    submit = VertexSubmitter.submit

    def sent(*arguments):
        submit(*arguments)
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(VertexSubmitter, "submit", sent)
        with pytest.raises(Killed):
            once()
    assert once() == 0
    assert states() == {1: "pushed"}
    assert len(submitted(vertex)) == 1


def test_a_lost_answer_of_vertex_is_no_second_job(jobs, vertex, span):
    span(1)
    answer = vertex.answer

    def lost(call):
        if call.method == "POST" and not submitted(vertex):
            vertex.faults.append((503, True))
        return answer(call)

    vertex.answer = lost
    assert once() == 0
    assert (len(submitted(vertex)), len(vertex.jobs)) == (2, 1)


@pytest.mark.parametrize("running", [True, False])
def test_a_ledger_that_was_lost_submits_nothing_again(jobs, vertex, span, store, running):
    span(1)
    if running:
        jobs.open.clear()
    once(waits=not running)
    store.objects.pop(("bucket", "pipelines/numbers/retrain/ledger.json"))
    jobs.open.set()
    assert once() == 0
    assert states() == {1: "pushed"}
    assert len(submitted(vertex)) == len(jobs.versions) == 1


def test_two_at_once_submit_one_job(jobs, vertex, span, store, monkeypatch):
    """The lease has failed: one has slept since its claim, the other has found that it is dead."""
    from pipeline.submission import VertexSubmitter

    span(1)
    submit, order = VertexSubmitter.submit, []

    def meanwhile(self, key, number, values):
        order.append(number)
        if len(order) == 1:
            store.objects.pop(("bucket", "pipelines/numbers/retrain/lease.json"))
            store.objects.pop(("bucket", f"pipelines/numbers/runs/{key}/order.json"))
            assert once(waits=False) == 0
        return submit(self, key, number, values)

    monkeypatch.setattr(VertexSubmitter, "submit", meanwhile)
    once()
    assert order == [1, 1]
    assert (len(vertex.jobs), len(jobs.versions)) == (1, 1)
    assert once() == 0
    assert states() == {1: "pushed"}


def test_another_code_does_not_submit_what_was_ordered_before(jobs, vertex, span, monkeypatch):
    span(1)
    with monkeypatch.context() as patched:
        patched.setattr(cloud_runs.CloudRuns, "_submit", dies)
        with pytest.raises(Killed):
            once()
    before = state().claimed().key
    monkeypatch.setattr("pipeline.retrain.command.code_hash", lambda *_: "another")
    assert once() == 0
    assert states() == {1: "pushed"}
    assert [each["run_key"] == before for each in jobs.asked] == [False]


def test_another_image_is_another_run(jobs, span, config_file):
    def key():
        config = cloud_places.in_cloud(load_config(str(config_file)))
        from pipeline.retrain import order

        return order.config_digest(config)

    before = key()
    config_file.write_text((CONFIG + RETRAIN).replace("tokenline:0.1.0", "tokenline:0.2.0"))
    assert key() != before
    config_file.write_text((CONFIG + RETRAIN).replace("{team: nlp}", "{team: mt}"))
    assert key() == before


def test_a_span_that_changes_before_it_is_submitted_is_not_submitted(
    jobs, vertex, span, monkeypatch
):
    span(1)
    write, changed = cloud_orders.write, []

    def change(*arguments, **more):
        write(*arguments, **more)
        if not changed:
            changed.append(True)
            span(1, text="other words")
            shutil.rmtree("runs/numbers/retrain/staged")

    monkeypatch.setattr(cloud_orders, "write", change)
    assert once() == 1  # nobody's fault: it is tried again
    assert submitted(vertex) == []
    assert once() == 0
    assert states() == {1: "pushed"}
    assert len(submitted(vertex)) == 1


def test_what_was_ordered_and_has_changed_is_not_submitted_for_ever(
    jobs, vertex, span, store, monkeypatch
):
    span(1)
    with monkeypatch.context() as patched:
        patched.setattr(cloud_runs.CloudRuns, "_submit", dies)
        with pytest.raises(Killed):
            once()
    span(1, text="other words")
    shutil.rmtree("runs/numbers/retrain/staged")  # as on another machine
    assert once() == 0
    assert states() == {1: "pushed"}
    assert len(submitted(vertex)) == 1
    assert state().runs[-1].key == jobs.asked[0]["run_key"]


def test_killed_for_real_while_it_waits(jobs, vertex, span, store, tmp_path):
    """Another process, and no way for it to say goodbye: its lease is there until its time is over."""
    jobs.open.clear()
    begun = threading.Event()
    jobs.before = lambda *_: begun.set()
    span(1)
    (tmp_path / "compiled.json").write_text(json.dumps(compiled()))
    here = pathlib.Path(__file__).parent / "retrain_here.py"
    more = {"COMPILED": "compiled.json", "FAKE_VERTEX_PORT": str(vertex.port)}
    waiting = subprocess.Popen(
        [sys.executable, str(here), "retrain"],
        env=os.environ | more | {"PYTHONPATH": str(REPOSITORY)},
    )
    assert begun.wait(120)
    waiting.kill()
    waiting.wait()
    with pytest.raises(lock.Held, match=f"process {waiting.pid} on "):
        once()
    found = json.loads(store.get(f"{ROOT}/retrain/lease.json"))
    store.put(f"{ROOT}/retrain/lease.json", json.dumps(found | {"expires": 1.0}))  # time goes by
    jobs.open.set()
    assert once() == 0
    assert states() == {1: "pushed"}
    assert len(submitted(vertex)) == 1


def test_the_status_is_the_bucket_s(jobs, vertex, span, capsys):
    span(1)
    once()
    calls = len(vertex.calls)
    assert once(status=True) == 0
    assert "pushed" in capsys.readouterr().out
    assert len(vertex.calls) == calls


@pytest.mark.parametrize("code", [403, 504])
def test_what_vertex_refuses_is_nobody_s_attempt_and_parks_nothing(
    jobs, vertex, span, code, capsys
):
    span(1)
    for _ in range(3):
        vertex.faults.append((code, False))
        assert once() == 1
    assert "Vertex AI, project my-project, europe-west4" in capsys.readouterr().out
    assert states() == {1: "pending"}
    assert state().spans[0].attempts == 0
    vertex.faults.clear()
    assert once() == 0
    assert len(submitted(vertex)) == 1


def test_a_signal_leaves_the_job_and_its_claim(jobs, vertex, span, capsys):
    jobs.open.clear()
    span(1)
    jobs.before = lambda *_: os.kill(os.getpid(), signal.SIGTERM)
    assert once() == 143
    assert "goes on" in capsys.readouterr().out
    assert states() == {1: "claimed"}
    jobs.open.set()
    assert once() == 0
    assert len(submitted(vertex)) == 1


def test_one_that_lost_its_lease_ends(jobs, span, store, monkeypatch):
    jobs.open.clear()
    span(1)
    held = lease.held
    monkeypatch.setattr(lease, "held", lambda *a, **more: held(*a, seconds=0.3, **more))
    jobs.before = lambda *_: store.put(f"{ROOT}/retrain/lease.json", "{}")
    with pytest.raises(Passing, match="has taken over"):
        once()
    assert states() == {1: "claimed"}


def test_a_second_one_is_told_who_is_at_work(jobs, span):
    with (
        lease.held(f"{ROOT}/retrain/lease.json", "x", lost=dies),
        pytest.raises(lock.Held, match=r"another `tokenline retrain` .* is in progress \(process"),
    ):
        once()


def test_what_the_next_one_finds_is_on_the_bucket(jobs, span, store):
    span(1)
    once()
    key = state().runs[0].key
    assert store.names(f"{ROOT}/retrain/") == [
        f"{ROOT}/retrain/lease.json",
        f"{ROOT}/retrain/ledger.json",
    ]
    order = json.loads(store.get(f"{ROOT}/runs/{key}/order.json"))
    assert (order["key"], order["attempt"], order["number"], order["new"]) == (key, 1, 1, [1])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "{runner: vertex, keep_runs: 3}",
            "retrain.keep_runs: has no effect with retrain.runner ver",
        ),
        ("{runner: kubeflow}", "retrain.runner: got"),
    ],
)
def test_settings_that_mean_nothing_there(config_file, text, says):
    config_file.write_text(f"{CONFIG}retrain: {text}\n")
    with pytest.raises(InputError, match=says):
        load_config(str(config_file))


def test_vertex_needs_a_project(config_file):
    place = "  project: my-project\n  region: europe-west4\n"
    config_file.write_text(CONFIG.replace(place, "") + RETRAIN)
    with pytest.raises(
        InputError, match=r"retrain.runner: got vertex, expected local: there is no"
    ):
        load_config(str(config_file))


def test_not_to_wait_is_for_jobs(config_file):
    with pytest.raises(InputError, match=r"--no-wait: has no effect with retrain\.runner local"):
        once(waits=False)


def test_the_retrainer_does_not_know_where_runs_go_on(jobs, span):
    """It is given runs that are neither."""
    config = cloud_places.in_cloud(load_config("pipeline_config.yaml"))

    class Elsewhere:
        def clean_up(self):
            pass

        def check_free(self):
            pass

        def can_read(self, version):
            return False

        def begin(self, plan, attempt):
            return runs.Outcome(key=plan.key, state="pushed", version="5")

        def with_record(self, key, outcome):
            return outcome

    span(1)
    with Stop() as stop:
        ledger = open_ledger(ROOT)
        assert Retrainer(config, ledger, Elsewhere(), Teller([]), stop, code="c").once() == 0
    assert states() == {1: "pushed"}
