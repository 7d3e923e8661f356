"""The function over HTTP: whatever is delivered how often, in which order, a run key has one job."""

import base64
import dataclasses
import json
import pathlib
import shlex
import sys
import threading
import urllib.error
import urllib.request
import uuid

import functions_framework
import pretended_jobs
import pytest
import werkzeug.serving
from pretended_jobs import DATA, ROOT, put_span
from small_pipeline import CONFIG, REPOSITORY, compiled

from components import failures
from pipeline.retrain import lease
from pipeline.retrain.ledger import open_ledger

FINALIZED = "google.cloud.storage.object.v1.finalized"
PUBLISHED = "google.cloud.pubsub.topic.v1.messagePublished"
RETRAIN = "retrain: {runner: vertex, backoff_seconds: 0}\n"


@pytest.fixture
def jobs(vertex, store, config_file, tmp_path, monkeypatch):
    config_file.write_text(CONFIG + RETRAIN)
    (tmp_path / "compiled.json").write_text(json.dumps(compiled()))
    monkeypatch.setenv("COMPILED", str(tmp_path / "compiled.json"))
    monkeypatch.setenv("FAKE_VERTEX_PORT", str(vertex.port))
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.setenv("TOKENLINE_CONFIG", str(config_file))
    found = pretended_jobs.Jobs(store)
    vertex.runner = found
    yield found
    found.open.set()
    for thread in vertex._threads:
        thread.join()


@pytest.fixture
def function(jobs, monkeypatch):
    """The function as functions-framework serves it, on a port of loopback; its module."""
    source = REPOSITORY / "functions" / "retrain_trigger" / "main.py"
    app = functions_framework.create_app("retrain_trigger", str(source))
    module = sys.modules["main"]
    here = pathlib.Path(__file__).parent / "retrain_here.py"
    look = [sys.executable, str(here), *module.LOOK[module.LOOK.index("retrain") :]]
    monkeypatch.setattr(module, "LOOK", look)
    server = werkzeug.serving.make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    module.address = f"http://127.0.0.1:{server.server_port}/"
    yield module
    server.shutdown()
    thread.join()


@pytest.fixture
def deliver(function):
    """Delivers a CloudEvent; returns the status and what was answered."""

    def post(body, **headers):
        request = urllib.request.Request(function.address, body, headers)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def call(data, kind=FINALIZED, number=None):
        headers = {
            "Content-Type": "application/json",
            "ce-specversion": "1.0",
            "ce-type": kind,
            "ce-source": "//storage.googleapis.com/projects/_/buckets/bucket",
            "ce-id": number or str(uuid.uuid4()),
        }
        return post(json.dumps(data).encode(), **headers)

    call.post = post
    return call


def finalized(address):
    bucket, _, name = address.removeprefix("gs://").partition("/")
    return {"bucket": bucket, "name": name, "generation": "1", "size": "0"}


def of_span(number, name="_SUCCESS"):
    return finalized(f"{DATA}/span-{number}/{name}")


def states():
    return {span: one.state for span, one in open_ledger(ROOT).load()[0].newest().items()}


def ended(vertex):
    for thread in vertex._threads:
        thread.join()


def test_a_new_span_is_one_job_however_often_it_is_told(deliver, jobs, vertex, store):
    jobs.open.clear()
    put_span(store, 1)
    code, told = deliver(of_span(1), number="7")
    assert (code, told["why"]) == (200, f"{DATA}/span-1/_SUCCESS: span 1")
    assert "run_submitted" in told["events"]
    assert told["events"][-1] == "run_goes_on"
    for number in ("7", "8"):  # the same delivery, and another event of the same object
        code, told = deliver(of_span(1), number=number)
        assert (code, "run_submitted" in told["events"]) == (200, False)
    jobs.open.set()
    ended(vertex)
    assert deliver(of_span(1), number="7")[0] == 200
    assert states() == {1: "pushed"}
    assert len(vertex.made("POST", "pipelineJobs")) == 1


def test_out_of_order_the_spans_are_still_in_order_and_an_outcome_begins_the_next(
    deliver, jobs, vertex, store
):
    for number in (1, 2):
        put_span(store, number)
    assert deliver(of_span(2))[0] == 200
    ended(vertex)
    key = jobs.asked[0]["run_key"]
    code, told = deliver(finalized(f"{ROOT}/runs/{key}/outcome.json"))
    assert (code, told["why"]) == (200, f"{ROOT}/runs/{key}/outcome.json: a run has ended")
    ended(vertex)
    assert deliver(of_span(1))[0] == 200
    assert states() == {1: "pushed", 2: "pushed"}
    assert [each["new_spans"] for each in jobs.asked] == ["[1]", "[2]"]
    assert len(vertex.made("POST", "pipelineJobs")) == 2


def test_deliveries_at_once_are_one_job(deliver, jobs, vertex, store):
    put_span(store, 1)
    jobs.open.clear()
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(deliver(of_span(1)))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    codes = [code for code, _ in answers]
    assert 200 in codes
    assert set(codes) <= {200, 503}
    assert all("is in progress" in told["problem"] or "has just begun" in told["problem"]
               for code, told in answers if code == 503)  # fmt: skip
    assert len(vertex.jobs) == 1


def test_pub_sub_brings_a_bucket_s_notification_or_just_asks(deliver, jobs, vertex, store):
    put_span(store, 1)

    def message(**attributes):
        return {"message": {"data": base64.b64encode(b"{}").decode(), "attributes": attributes}}

    notified = {"bucketId": "bucket", "objectId": "data/span-1/_SUCCESS"}
    deleted = message(eventType="OBJECT_DELETE", **notified)
    assert "ignored" in deliver(deleted, PUBLISHED)[1]
    made = message(eventType="OBJECT_FINALIZE", **notified)
    assert "run_submitted" in deliver(made, PUBLISHED)[1]["events"]
    ended(vertex)
    code, told = deliver(message(), PUBLISHED)  # of a scheduler
    assert (code, told["why"]) == (200, "a message that asks for it")
    assert states() == {1: "pushed"}


def test_a_run_that_failed_is_tried_again_by_its_own_message(
    deliver, jobs, vertex, store, config_file
):
    """The step's word is the event; it is delivered until the next attempt is on its way."""
    config_file.write_text(CONFIG + RETRAIN.replace("backoff_seconds: 0", "backoff_seconds: 60"))
    put_span(store, 1)
    jobs.ends = ["told"]
    jobs.open.clear()
    assert deliver(of_span(1))[0] == 200
    (job,) = (name.rpartition("/")[2] for name in vertex.jobs)
    word = finalized(f"{ROOT}/runs/{job}/outcome.json")
    failures.tell(f"{ROOT}/runs", failures.of(RuntimeError("no memory"), job, "Transform"))
    code, told = deliver(word)  # the job has not ended yet
    assert (code, told["awaited"]) == (503, f"the end of job {job}, of which a step has failed")
    jobs.open.set()
    ended(vertex)
    for _ in range(2):  # when it has failed, and in its back-off
        code, told = deliver(word)
        assert code == 503
        assert told["awaited"].startswith("another attempt in ")
    assert len(vertex.jobs) == 1
    back_off_ends()
    assert deliver(word)[0] == 200
    assert deliver(word)[0] == 200
    ended(vertex)
    assert deliver(finalized(f"{ROOT}/runs/{jobs.asked[0]['run_key']}/outcome.json"))[0] == 200
    assert states() == {1: "pushed"}
    assert [name[-2:] for name in vertex.jobs] == ["-1", "-2"]


@pytest.mark.parametrize(
    ("seconds", "awaited"),
    [(0.0, "another attempt in 0 s"), (60.0, "another attempt in 60 s"), (None, "")],
)
def test_an_attempt_that_is_due_by_now_is_awaited_too(function, seconds, awaited):
    assert function._awaited({"event": "ended", "retry_in_seconds": seconds}) == awaited


def back_off_ends():
    ledger = open_ledger(ROOT)
    state, token = ledger.load()
    due = tuple(dataclasses.replace(one, retry_at=0.0) for one in state.spans)
    assert ledger.save(dataclasses.replace(state, spans=due), token)


@pytest.mark.parametrize(("ends", "made"), [(["bad"], 1), (["told", "failed"], 2)])
def test_a_span_that_cannot_be_trained_is_parked_and_its_message_done_with(
    deliver, jobs, vertex, store, config_file, ends, made
):
    config_file.write_text(CONFIG + RETRAIN.replace("0}", "0, retries: 1}"))
    put_span(store, 1)
    jobs.ends = list(ends)
    codes = []
    while codes[-1:] != [200] or states() != {1: "parked"}:
        jobs.open.clear()
        codes.append(deliver(of_span(1))[0])
        jobs.open.set()
        ended(vertex)
        assert len(codes) < 8
    assert set(codes) == {200} or ends != ["bad"]
    assert len(vertex.jobs) == made
    assert deliver(of_span(1))[0] == 200
    assert len(vertex.jobs) == made


def test_a_scheduler_asks_as_the_page_says(deliver, jobs, vertex, store):
    """A job that was killed has told nothing: nobody but a scheduler asks."""
    page = (REPOSITORY / "docs" / "retraining.md").read_text()
    command = page[page.index("gcloud scheduler jobs create http") :].partition("```")[0]
    words = shlex.split(command.replace("\\\n", " "))
    given = dict(each[2:].split("=", 1) for each in words if each.startswith("--"))
    headers = dict(each.split("=", 1) for each in given["headers"].split(","))
    body = given["message-body"].encode()
    put_span(store, 1)
    jobs.ends = ["failed"]
    codes = []
    while states() != {1: "pushed"}:
        code, told = deliver.post(body, **headers)
        assert "ignored" not in told
        codes.append(code)
        ended(vertex)
        assert len(codes) < 8
    assert len(vertex.jobs) == 2


@pytest.mark.parametrize(
    "address",
    [
        f"{DATA}/span-1/rows.jsonl",
        f"{DATA}/span-1/more/_SUCCESS",
        f"{DATA}/span-x/_SUCCESS",
        f"{DATA}/_SUCCESS",
        "gs://other/data/span-1/_SUCCESS",
        f"{ROOT}/runs/abc/order.json",
        f"{ROOT}/runs/abc/def/outcome.json",
        f"{ROOT}/retrain/ledger.json",
    ],
)
def test_an_unrelated_object_is_no_look(deliver, function, monkeypatch, address):
    monkeypatch.setattr(function, "LOOK", ["false"])
    code, told = deliver(finalized(address))
    assert (code, [*told]) == (200, ["ignored"])


def test_an_event_of_another_kind_is_no_look(deliver, function, monkeypatch):
    monkeypatch.setattr(function, "LOOK", ["false"])
    assert deliver(of_span(1), "google.cloud.storage.object.v1.deleted")[0] == 200


@pytest.mark.parametrize(
    ("data", "kind", "says"),
    [
        ([], FINALIZED, "data.bucket: got None, expected text"),
        ({"bucket": "b", "name": 3}, FINALIZED, "data.name: got 3, expected text"),
        ("text", PUBLISHED, "data.message: got none"),
        ({"message": {"attributes": 3}}, PUBLISHED, "data.message.attributes: got no mapping"),
        ({"message": {"attributes": {"eventType": "OBJECT_FINALIZE"}}}, PUBLISHED, "bucketId"),
    ],
)
def test_a_poison_event_is_not_delivered_again(deliver, function, monkeypatch, data, kind, says):
    monkeypatch.setattr(function, "LOOK", ["false"])
    code, told = deliver(data, kind)
    assert code == 200
    assert says in told["ignored"]


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"null"])
def test_what_is_no_event_at_all_is_not_delivered_again(deliver, function, monkeypatch, body):
    monkeypatch.setattr(function, "LOOK", ["false"])
    code, told = deliver.post(body)
    assert code == 200
    assert "no CloudEvent" in told["ignored"]


def test_while_another_is_at_work_it_is_delivered_again(deliver, jobs, vertex, store):
    put_span(store, 1)
    with lease.held(f"{ROOT}/retrain/lease.json", "x", lost=lambda: None):
        code, told = deliver(of_span(1))
        assert code == 503
        assert "is in progress (process" in told["problem"]
    assert deliver(of_span(1))[0] == 200
    assert len(vertex.jobs) == 1


def test_a_bad_configuration_is_said_and_delivered_again(deliver, config_file):
    config_file.write_text(CONFIG)
    code, told = deliver(of_span(1))
    assert (code, told["problem"]) == (
        503,
        "retrain.runner: got local, expected vertex for a function",
    )
    config_file.write_text("task: lm\ncolour: red\n")
    assert deliver(of_span(1))[0] == 503
