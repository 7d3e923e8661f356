"""What a step says of its failure: kept of the first one, of one job alone, and never in the way."""

import json

import pytest

from components import conditional, failures
from components.errors import InputChanged, InputError, Passing
from components.example_gen.faults import FileFault
from pipeline.submission import job_of

JOB = job_of("numbers", "0123456789abcdef" * 4, 1)
NEXT = job_of("numbers", "0123456789abcdef" * 4, 2)
STACK = "Traceback (most recent call last):\n  File x, line 1"


@pytest.fixture(params=["local", "ram"])
def folder(request, tmp_path):
    return str(tmp_path) if request.param == "local" else f"ram://{tmp_path.name}/runs"


def failed(reason="no memory", job=JOB, **more):
    return failures.Failure(job=job, step="SequenceTrainer", reason=reason, **more)


@pytest.mark.parametrize(
    ("error", "reason", "permanent", "passing"),
    [
        (InputError("a:1: x\na:2: y"), "a:1: x\na:2: y", True, False),
        (FileFault("a.jsonl", "cut off", line=3), "a.jsonl:3: cut off", True, False),
        (Passing("no answer"), "no answer", False, True),
        (InputChanged("run again"), "run again", False, True),
        (ValueError("no\nmore"), "Step failed: ValueError: no", False, False),
        (KeyError(), "Step failed: KeyError", False, False),
        (
            RuntimeError(
                f"Error running pipeline.\n{STACK}\nImportError: no a [while running 'W']\n"
            ),
            "Step failed: ImportError: no a [while running 'W']",
            False,
            False,
        ),
        (OSError(28, "No space"), "Step failed: OSError: [Errno 28] No space", False, False),
    ],
)
def test_only_bad_input_is_for_good(error, reason, permanent, passing):
    found = failures.of(error, JOB, "Step")
    assert (found.reason, found.permanent, found.passing) == (reason, permanent, passing)
    assert (found.job, found.step) == (JOB, "Step")


def test_what_is_told_is_read_and_lies_under_the_job(folder):
    told = failed("rows.jsonl:3: got no text", permanent=True)
    failures.tell(folder, told)
    assert failures.read(folder, JOB) == told
    facts = json.loads(conditional.read(f"{folder}/{JOB}/outcome.json").content)
    assert facts["state"] == "failed"
    assert failures.read(folder, NEXT) is None


def test_what_lies_under_another_job_s_name_is_nothing(tmp_path):
    failures.tell(str(tmp_path), failed())
    (tmp_path / JOB).rename(tmp_path / NEXT)
    assert failures.read(str(tmp_path), NEXT) is None


@pytest.mark.parametrize(
    ("told", "stays"),
    [
        ([failed("a"), failed("b")], "a"),
        ([failed("a"), failed("b", permanent=True)], "b"),
        ([failed("a", permanent=True), failed("b")], "a"),
        ([failed("a", permanent=True), failed("b", permanent=True)], "a"),
    ],
)
def test_of_two_steps_the_first_stays_unless_only_the_second_is_for_good(folder, told, stays):
    for each in told:
        failures.tell(folder, each)
    assert failures.read(folder, JOB).reason == stays


def test_a_step_that_is_overtaken_looks_again(tmp_path, monkeypatch):
    """Between its look and its write another step has told."""
    read, folder = conditional.read, str(tmp_path)

    def overtaken(address, **more):
        found = read(address, **more)
        monkeypatch.setattr(conditional, "read", read)
        failures.tell(folder, failed("first", permanent=True))
        return found

    monkeypatch.setattr(conditional, "read", overtaken)
    failures.tell(folder, failed("second", permanent=True))
    assert failures.read(folder, JOB).reason == "first"


@pytest.mark.parametrize(
    "job",
    [
        "numbers-20260101-120000-ab12",
        f"{JOB}-20260101-120000-ab12",  # of a pipeline that is called so
        "numbers",
        "",
        "{{$.pipeline_job_name}}",
    ],
)
def test_of_a_job_that_retrain_did_not_submit_nothing_is_told(tmp_path, job):
    failures.tell(str(tmp_path), failed(job=job))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"{}", b'{"state": "failed", "colour": 1}'])
def test_what_another_tokenline_told_is_nothing_and_is_replaced(tmp_path, content):
    (tmp_path / JOB).mkdir()
    (tmp_path / JOB / "outcome.json").write_bytes(content)
    assert failures.read(str(tmp_path), JOB) is None
    failures.tell(str(tmp_path), failed())
    assert failures.read(str(tmp_path), JOB) == failed()


def test_what_a_deleted_job_of_the_same_id_told_is_forgotten(folder):
    failures.forget(folder, JOB)
    assert conditional.read(f"{folder}/{JOB}/outcome.json").content is None
    failures.tell(folder, failed("old", permanent=True))
    failures.forget(folder, JOB)
    failures.forget(folder, JOB)
    assert failures.read(folder, JOB) is None
    failures.tell(folder, failed("new"))
    assert failures.read(folder, JOB).reason == "new"
