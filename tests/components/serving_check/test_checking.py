"""The verdict on models that are right, or wrong in one way: each is caught, and named."""

import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from components.errors import InputError
from components.serving_check import checking, rows
from components.serving_check.checking import CheckRequest, Options
from components.serving_check.rows import Split

TEXTS = ["ab", "c d", "efgh", "i"]


@pytest.fixture
def verdict_on(write_split, serve, fakes):
    """Check a served model whose answers a function changes, against one that is right."""

    def check(
        change=lambda *_: None, *, options=None, here=None, texts=TEXTS, trained=None, **server
    ):
        raw, transformed = write_split([texts])
        own = fakes.trained_on(0, texts[:3]) if trained is None else trained
        model = serve(
            fakes.Model(change), fakes.Model(here) if here else None, trained=own, **server
        )
        wanted = options or Options(examples=9, max_batch=3)
        return checking.check(CheckRequest(model, raw, transformed, options=wanted))

    return check


def failed(verdict):
    return {check.name: check.text for check in verdict.checks if not check.passed}


def test_a_model_that_is_right_passes_and_says_what_was_looked_at(verdict_on):
    verdict = verdict_on()
    assert failed(verdict) == {}
    assert verdict.passed
    names = ["clean process", "requests", "batches", "outputs", "trainer", "skew", "latency"]
    assert [check.name for check in verdict.checks] == [*names, "memory"]
    told = {check.name: check.text for check in verdict.checks}
    for shown in ("empty text", "emoji", "combining marks", "NUL and newline", "over-long text"):
        assert shown in told["requests"]
    assert told["batches"] == "batches of 1 to 3 = one by one, to 1e-05"
    assert told["trainer"] == (
        "3 rows: score = what the trainer computed before the export, to 1e-05"
    )
    assert told["skew"] == "4 of 4 rows: transform_features = what Transform wrote, exactly"
    written = json.loads(verdict.to_json())
    assert written["passed"]
    assert set(written["checks"][0]) == {"name", "passed", "text"}
    assert written["latency_ms"]["2"] == {"median": 2.0, "p95": 5.0}
    assert written["memory_mb"] == 700.0


def test_a_row_that_hears_of_the_others_of_its_batch_is_caught(verdict_on):
    def leak(name, rows, outputs):
        if name == "serving_default" and len(rows) == 2:
            outputs["log_probability"][0] += 1e-3  # the second row of all: batches are of 1, 2, ...

    found = failed(verdict_on(leak, here=leak))
    assert set(found) == {"batches"}
    assert (
        "serving_default, Split-eval/part-0.gz, row 2: log_probability: got -" in found["batches"]
    )


def test_a_difference_within_the_tolerance_is_none(verdict_on):
    def rounding(name, rows, outputs):
        if "log_probability" in outputs:
            outputs["log_probability"] *= np.float32(1 + 4e-6 * (len(rows) > 1))

    assert verdict_on(rounding).passed


@pytest.mark.parametrize(("rows_changed", "passed"), [(1, True), (2, False)])
def test_one_row_may_be_a_tie_and_is_told(verdict_on, rows_changed, passed):
    def other_choice(name, rows, outputs):
        for at, row in enumerate(rows):
            if (
                name == "score"
                and len(rows) > 1
                and any(t.encode() in row for t in ["ab", "i"][:rows_changed])
            ):
                outputs["ids"][at, 0] += 1

    verdict = verdict_on(other_choice, here=other_choice)
    assert verdict.passed == passed
    text = next(check.text for check in verdict.checks if check.name == "batches")
    assert ("; a tie decodes otherwise: score, Split-eval/part-0.gz, row 1: ids" in text) == passed


def test_a_process_that_answers_otherwise_than_this_one_is_caught(verdict_on):
    def other(name, rows, outputs):
        if name == "score":
            outputs["log_probability"] *= np.float32(1.001)

    found = failed(verdict_on(other))
    assert set(found) == {"outputs"}
    assert found["outputs"].startswith("score, Split-eval/part-0.gz, row 1: log_probability: got -")


def test_an_export_of_other_weights_is_caught(verdict_on):
    """The same model answers here and there, and it is not the one that was trained."""

    def other(name, rows, outputs):
        if name == "score":
            outputs["loss_sum"] *= np.float32(1.001)

    found = failed(verdict_on(other, here=other))
    assert set(found) == {"trainer"}
    assert found["trainer"].startswith("score, Split-eval/part-0.gz, row 1: loss_sum: got ")


def test_the_trainers_rows_are_asked_though_they_are_not_chosen(verdict_on, fakes):
    texts = ["a", "b", "cdefghijk", "d", "e"]
    verdict = verdict_on(
        options=Options(examples=1, max_batch=2), texts=texts, trained=fakes.trained_on(0, texts)
    )
    assert verdict.passed
    told = {check.name: check.text for check in verdict.checks}
    assert told["trainer"].startswith("5 rows: ")
    assert told["skew"].startswith("5 of 5 rows: ")


@pytest.mark.parametrize(
    ("trained", "told"),
    [
        ([], "nothing to compare with: no row of the trainer's was asked"),
        ([{"shard": 0}], "got KeyError: 'row', expected rows of sums"),
        ([{"shard": 7, "row": 0, "loss_sum": 1.0, "weight_sum": 1.0}], "no row of the trainer's"),
    ],
)
def test_a_model_that_nothing_is_known_of_fails(verdict_on, trained, told):
    found = failed(verdict_on(trained=trained))
    assert set(found) == {"trainer"}
    assert told in found["trainer"]


def test_skew_is_caught_with_the_rows_place(verdict_on):
    def skewed(name, rows, outputs):
        if name == "transform_features":
            outputs["targets"][outputs["targets"] == ord("d")] = ord("D")

    found = failed(verdict_on(skewed, here=skewed))
    assert found == {
        "skew": "Split-eval/part-0.gz, row 2 ('c d'): targets[2]: got 68 from the served model, "
        "Transform wrote 100"
    }


def test_what_is_refused_or_not_finite_is_named(verdict_on):
    def broken(name, rows, outputs):
        if name == "generate" and b"" in rows:
            raise tf.errors.InvalidArgumentError(None, None, "assertion failed: no text\n[[a]]")
        for at, row in enumerate(rows):
            if name == "serving_text" and b"\x00" in row:
                outputs["log_probability"][at] = np.nan

    found = failed(verdict_on(broken, here=broken))["requests"]
    assert "serving_text: log_probability of NUL and newline is not finite" in found
    assert "generate refuses empty text: InvalidArgumentError: assertion failed: no text" in found


def test_an_answer_of_another_length_is_caught(verdict_on):
    def short(name, rows, outputs):
        if name == "score":
            outputs["truncated"] = outputs["truncated"][:1]

    found = failed(verdict_on(short, here=short))
    assert "score: truncated has the shape [1] for 2 row(s)" in found["requests"]


def test_a_text_that_is_silently_cut_is_caught(verdict_on):
    def silent(name, rows, outputs):
        if "truncated" in outputs:
            outputs["truncated"][:] = False

    found = failed(verdict_on(silent, here=silent))
    assert set(found) == {"requests"}
    assert "serving_text: over-long text is not said to be truncated" in found["requests"]


def test_rows_that_do_not_match_are_skew_and_the_texts_are_asked_all_the_same(
    verdict_on, monkeypatch
):
    """Which row is which is not known: none is sent."""
    lost = Split((), 4, ("got 3 transformed rows of the 4 in part-0.gz, expected all",))
    monkeypatch.setattr(rows, "choose", lambda *_, **__: lost)
    verdict = verdict_on()
    assert failed(verdict) == {"skew": lost.faults[0]}
    assert "empty text" in next(each.text for each in verdict.checks if each.name == "requests")


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"max_latency_ms": 5.0, "max_memory_mb": 700.0}, {}),
        ({"max_latency_ms": 4.9}, {"latency": "p95 5.0 ms (batch of 2), > max_latency_ms 4.9"}),
        (
            {"max_memory_mb": 699.0},
            {"memory": "700 MB resident (0 without the model), > max_memory_mb 699"},
        ),
    ],
)
def test_limits_hold_at_the_limit(verdict_on, limits, expected):
    assert failed(verdict_on(options=Options(examples=9, max_batch=3, **limits))) == expected


def test_a_process_that_ends_badly_is_the_reason(verdict_on):
    verdict = verdict_on(failed="it was not done after 300 s")
    assert not verdict.passed
    assert verdict.reasons == (
        "clean process: the model cannot be served without the project: it was not done after 300 s",
    )
    assert verdict.line == "FAILED: clean process"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "holds no assets.extra/tokenline.json, expected a model of tokenline"),
        ("{", "got invalid JSON ("),
        ("[]", "got list, expected a JSON object"),
        ('{"needs": []}', "got no settings of this version of tokenline (KeyError: 'settings')"),
        ('{"settings": {"task": "lm"}}', "got no settings of this version of tokenline (KeyError"),
        ('{"settings": 3}', "got no settings of this version of tokenline (TypeError"),
    ],
)
def test_a_model_that_does_not_say_what_it_is_fails_with_the_reason(
    write_split, serve, fakes, content, told
):
    raw, transformed = write_split([TEXTS])
    model = serve(fakes.Model())
    facts = pathlib.Path(model) / "assets.extra" / "tokenline.json"
    facts.unlink() if content is None else facts.write_text(content)
    verdict = checking.check(CheckRequest(model, raw, transformed))
    assert not verdict.passed
    assert verdict.line == "FAILED: facts"
    (reason,) = verdict.reasons
    assert reason.startswith(f"facts: {model}")
    assert told in reason


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"examples": 0}', "options.examples: got 0, expected at least 1"),
        ('{"rows": 3}', "options: got '{\"rows\": 3}', expected a JSON object"),
        ("[", r"options: got '\[', expected a JSON object"),
    ],
)
def test_wrong_options_are_refused(text, message):
    with pytest.raises(InputError, match=message):
        Options.from_json(text)
