"""The Beam pipeline with a real SavedModel, against a NumPy oracle that knows the raw rows."""

import dataclasses
import hashlib
import json
import math

import numpy as np
import pytest

from components.errors import InputError
from components.evaluator.adding import Plan, ScoreAndAdd
from components.evaluator.blessing import Blessing
from components.evaluator.evaluation import EvaluationRequest, evaluate
from components.evaluator.models import ModelError
from components.evaluator.ranking import Limits
from components.evaluator.scoring import Scorer, check_signature
from components.evaluator.slicing import OVERALL, SliceKey
from components.evaluator.thresholds import parse_thresholds
from components.evaluator.token_slices import make_token_slices


@pytest.fixture(scope="module")
def rows(make_row):
    rng = np.random.default_rng(7)
    made = []
    for index in range(150):
        size = int(rng.integers(0, 12))
        made.append(
            make_row(
                losses=tuple(rng.exponential(2.0, size).astype(np.float32).tolist()),
                weights=tuple(rng.choice([0.0, 0.5, 1.0, 2.0], size).tolist()),
                correct=tuple(rng.integers(0, 2, size).tolist()),
                lang=["de", "en", ""][index % 3],
                grade=index % 4,
                sure=tuple(rng.uniform(0, 1, size).astype(np.float32).tolist()),
                unknown_bytes=index % 3,
            )
        )
    # A slice whose every token has weight 0, and one where every token has weight 1.
    made.append(make_row((1.0, 2.0), (0.0, 0.0), (1, 1), lang="eo", grade=0))
    unit = make_row(
        (1.0, 3.0), (1.0, 1.0), (1, 0), lang="fi", grade=0, sure=(0.75, 0.3), unknown_bytes=3
    )
    return [*made, unit]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("evaluation")


@pytest.fixture(scope="module")
def model(folder, make_model):
    return make_model(folder / "model")


@pytest.fixture(scope="module")
def worse(folder, make_model):
    return make_model(folder / "worse", scale=1.25)


@pytest.fixture(scope="module")
def examples(folder, rows, make_examples):
    return make_examples(folder / "examples" / "data.gz", rows)


def oracle(rows, scale=1.0):
    """Straight from the rows, token by token, in float64."""
    loss = weight = correct = right = count = words = unknown = zero = 0.0
    unit_weights = True
    bins = np.zeros(15)
    for row in rows:
        scored = list(zip(row.losses, row.weights, row.correct, strict=True))
        weight += sum(w for _, w, _ in scored)
        loss += scale * math.fsum(x * w for x, w, _ in scored)
        correct += sum(w * c for _, w, c in scored)
        count += sum(w > 0 for _, w, _ in scored)
        unit_weights &= sum(w for _, w, _ in scored) == sum(w > 0 for _, w, _ in scored)
        if any(w > 0 for _, w, _ in scored):
            right += all(c for _, w, c in scored if w > 0)
            words += len(scored)
            unknown += row.unknown_bytes
            for (_, w, c), sure in zip(scored, row.sure, strict=True):
                bins[min(int(15 * sure), 14)] += w * (sure - c)
        else:
            zero += 1
    counts = {
        "token_count": count,
        "token_weight": weight,
        "example_count": len(rows),
        "zero_weight_examples": zero,
    }
    if not weight:
        return counts
    sizes = {
        "bits_per_byte": (loss / math.log(2) + 8 * unknown) / (4 * words),
        "loss_per_word": loss / words,
    }
    return (
        counts
        | (sizes if unit_weights else {})
        | {
            "masked_token_loss": loss / weight,
            "perplexity": math.exp(loss / weight),
            "token_accuracy": correct / weight,
            "sequence_accuracy": right / (len(rows) - zero),
            "calibration": np.abs(bins).sum() / weight,
        }
    )


def run(request, make_pipeline):
    return {report.key: report for report in evaluate(request, make_pipeline).reports}


def values(measured):
    return {name: item.value for name, item in measured.items() if not item.absent}


COLUMNS = ("lang", "grade", "target_length")


def test_every_slice_equals_the_oracle(tmp_path, rows, model, worse, examples, make_pipeline):
    request = EvaluationRequest((examples,), model, worse, str(tmp_path), COLUMNS, batch_size=32)
    reports = run(request, make_pipeline)
    members = {OVERALL: rows}
    for row in rows:
        length = sum(weight > 0 for weight in row.weights)
        bucket = ["0", "1-4", "5-8", "9-16"][np.searchsorted([0, 4, 8], length)]
        for column, value in (
            ("lang", row.lang or "(none)"),
            ("grade", row.grade),
            ("target_length", bucket),
        ):
            members.setdefault(SliceKey(column, value), []).append(row)
    assert set(reports) == set(members)
    for key, chosen in members.items():
        # float32 in the model, float64 here.
        assert values(reports[key].candidate) == pytest.approx(oracle(chosen), rel=2e-7), key
        assert values(reports[key].baseline) == pytest.approx(oracle(chosen, 1.25), rel=2e-7), key
    empty = reports[SliceKey("lang", "eo")].candidate
    assert empty["masked_token_loss"].absent == "no token has weight > 0"
    assert empty["zero_weight_examples"].value == 1
    # 4 nats over 8 bytes and 2 words; the unknown word's 3 bytes have 8 bits each.
    finnish = reports[SliceKey("lang", "fi")].candidate
    assert finnish["bits_per_byte"].value == pytest.approx(0.5 / math.log(2) + 3, rel=1e-12)
    assert finnish["loss_per_word"].value == 2.0
    # Bin 11 of 15: |0.75 - 1|; bin 4: |0.3 - 0|.
    assert finnish["calibration"].value == pytest.approx((0.25 + 0.3) / 2, rel=1e-7)
    assert reports[OVERALL].candidate["bits_per_byte"].absent == "weights are not all 1"


def test_batches_files_and_order_change_nothing(
    tmp_path, rows, model, worse, examples, make_examples, make_pipeline
):
    pieces = [rows[140:], rows[3:50][::-1], rows[:3], rows[50:140]]
    files = [
        make_examples(tmp_path / "pieces" / f"{index}.gz", piece)
        for index, piece in enumerate(pieces)
    ]
    whole = run(
        EvaluationRequest((examples,), model, worse, str(tmp_path / "a"), COLUMNS, batch_size=500),
        make_pipeline,
    )
    split = run(
        EvaluationRequest(tuple(files), model, worse, str(tmp_path / "b"), COLUMNS, batch_size=7),
        make_pipeline,
    )
    assert list(whole) == list(split)
    for key, report in whole.items():
        for side in ("candidate", "baseline", "diff"):
            for name, item in getattr(report, side).items():
                other = getattr(split[key], side)[name]
                assert (other.value, other.low, other.high) == pytest.approx(
                    (item.value, item.low, item.high), rel=1e-11, abs=1e-13, nan_ok=True
                ), (key, side, name)
    assert whole[OVERALL].diff["masked_token_loss"].has_interval


def test_a_second_run_is_bitwise_the_same(tmp_path, model, examples, make_pipeline):
    for name in "ab":
        request = EvaluationRequest((examples,), model, None, str(tmp_path / name), COLUMNS)
        evaluate(request, make_pipeline)
    first, second = (
        sorted(map(str, json.loads((tmp_path / name / "sums.json").read_text()))) for name in "ab"
    )
    assert first == second


def test_a_non_finite_loss_is_named(tmp_path, rows, make_row, model, make_examples, make_pipeline):
    bad = make_row((math.nan, 1.0), (1.0, 1.0), (1, 1), lang="de")
    path = make_examples(tmp_path / "bad" / "x.gz", [*rows, bad])
    thresholds = parse_thresholds('[{"metric": "token_accuracy", "min": 0.0}]')
    request = EvaluationRequest((path,), model, None, str(tmp_path), ("lang",), thresholds)
    verdict = evaluate(request, make_pipeline).verdict
    key = hashlib.blake2b(bad.serialize(), digest_size=16).hexdigest()
    assert not verdict.blessed
    assert verdict.reasons == (
        f"1 example has a NaN or infinite score, for instance that of example {key}",
    )


def test_poison_at_weight_zero_is_none(tmp_path, make_row, model, make_examples, make_pipeline):
    # Only the model can leave out the token; the example's sums are what is judged here.
    good = make_row((1.0,), (1.0,), (1,))
    path = make_examples(tmp_path / "x.gz", [good, make_row((), (), ())])
    evaluation = evaluate(EvaluationRequest((path,), model, None, str(tmp_path)), make_pipeline)
    assert evaluation.verdict.blessed
    assert evaluation.reports[0].candidate["masked_token_loss"].value == 1.0


def test_no_example_is_not_blessed(tmp_path, model, make_examples, make_pipeline):
    path = make_examples(tmp_path / "none" / "x.gz", [])
    evaluation = evaluate(EvaluationRequest((path,), model, None, str(tmp_path)), make_pipeline)
    assert not evaluation.verdict.blessed
    assert "no token has weight > 0" in evaluation.verdict.reasons[0]


CHANGE = parse_thresholds('[{"metric": "masked_token_loss", "max_increase": 0.0}]')


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"drop": ("score",)}, "no signature 'score', it has: other"),
        ({"drop": ("correct_sum",)}, "score lacks the output(s) correct_sum"),
        ({"refuse_grade": 3}, "score failed (InvalidArgumentError"),
    ],
)
@pytest.mark.parametrize("compare", [True, False])
def test_a_baseline_that_cannot_run_fails_what_compares_with_it(
    tmp_path, settings, problem, compare, model, examples, make_model, make_pipeline
):
    broken = make_model(tmp_path / "broken", **settings)
    rule = Blessing(compare=compare)
    evaluation = evaluate(
        EvaluationRequest((examples,), model, broken, str(tmp_path), blessing=rule), make_pipeline
    )
    assert evaluation.verdict.blessed is not compare
    assert evaluation.verdict.outcome == ("baseline_unusable" if compare else "within_bounds")
    assert evaluation.verdict.baseline.status == "unusable"
    (told,) = evaluation.verdict.reasons if compare else evaluation.verdict.notes
    assert "the last blessed model cannot be used (" in told
    assert problem in told
    assert not evaluation.reports[0].baseline


def test_a_baseline_that_cannot_be_traced_is_a_named_verdict(
    tmp_path, model, worse, examples, make_pipeline, monkeypatch
):
    traced = Scorer._traced

    def fails(self, score, predicted):
        if self._path == worse:
            raise ValueError("no kernel for\nan operation")
        return traced(self, score, predicted)

    monkeypatch.setattr(Scorer, "_traced", fails)
    verdict = evaluate(
        EvaluationRequest((examples,), model, worse, str(tmp_path)), make_pipeline
    ).verdict
    assert (verdict.blessed, verdict.outcome) == (False, "baseline_unusable")
    told = f"{worse}: cannot be traced (ValueError: no kernel for an operation)"
    assert verdict.baseline.problem == told


@pytest.mark.parametrize("limits", [{"block_rows": 7, "batch_size": 3}, {"block_mb": 1}])
def test_what_is_held_at_once_changes_no_number(
    tmp_path, model, examples, make_pipeline, limits, monkeypatch
):
    held = []
    monkeypatch.setattr(EvaluationRequest, "limits", _noted(held, EvaluationRequest.limits))
    named = EvaluationRequest((examples,), model, None, str(tmp_path / "a"), ("lang",))
    whole = evaluate(named, make_pipeline).reports
    small = dataclasses.replace(named, output=str(tmp_path / "b"), **limits)
    # As text: from Python 3.13 on, dataclasses with NaN in them equal nothing.
    assert repr(evaluate(small, make_pipeline).reports) == repr(whole)
    assert held[0].block_rows == 16_384
    assert held[0].block_bytes == 32 << 20
    assert held[1].block_rows == limits.get("block_rows", 16_384)
    assert held[1].block_bytes == limits.get("block_mb", 32) << 20
    assert held[1].rows == limits.get("batch_size", 256)


def _noted(held, limits):
    def get(self):
        held.append(limits.fget(self))
        return held[-1]

    return property(get)


def test_losses_per_token_of_other_tokens_are_not_compared(
    tmp_path, model, examples, make_model, make_pipeline
):
    # Another column, tokenizer or weighting: a difference would mean nothing.
    other = make_model(tmp_path / "other", weight_scale=0.5)
    verdict = evaluate(
        EvaluationRequest((examples,), model, other, str(tmp_path), thresholds=CHANGE),
        make_pipeline,
    ).verdict
    assert (verdict.blessed, verdict.outcome) == (False, "not_comparable")
    (rule, threshold) = verdict.reasons
    assert rule.startswith(
        "bits_per_byte (overall) cannot be compared with the last blessed model: weights are not all "
    )
    text = (
        "masked_token_loss (overall) cannot be compared with the last blessed model: the baseline "
        "scores other tokens: weight"
    )
    assert threshold.startswith(text)


def test_the_loss_per_token_stands_in_where_weights_are_not_all_1(
    tmp_path, model, worse, examples, make_pipeline
):
    verdict = evaluate(
        EvaluationRequest((examples,), worse, model, str(tmp_path), ("lang",)), make_pipeline
    ).verdict
    assert (verdict.blessed, verdict.outcome) == (False, "worse")
    text = "masked_token_loss (overall) is worse than the last blessed model's: "
    assert verdict.reasons[0].startswith(text)
    assert verdict.notes[0] == (
        "masked_token_loss is compared instead of bits_per_byte (weights are not all 1); "
        "it is fair, as both models know the same words"
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"drop": ("score",)}, "candidate model .*: no signature 'score', it has: other"),
        ({"drop": ("loss_sum", "weight_sum")}, r"lacks the output\(s\) loss_sum, weight_sum"),
        ({"refuse_grade": 3}, "candidate model .*: score failed .* starts with example [0-9a-f]+"),
    ],
)
def test_a_candidate_that_cannot_run_is_an_error_of_one_line(
    tmp_path, settings, message, examples, make_model, make_pipeline
):
    broken = make_model(tmp_path / "broken", **settings)
    with pytest.raises(ModelError, match=message) as caught:
        evaluate(EvaluationRequest((examples,), broken, None, str(tmp_path)), make_pipeline)
    assert "\n" not in str(caught.value)


def test_no_model_at_all(tmp_path):
    with pytest.raises(ModelError, match="not a SavedModel"):
        check_signature(str(tmp_path / "nothing"))


def test_a_slice_column_of_lists_is_an_error(tmp_path, model, examples, make_pipeline):
    request = EvaluationRequest((examples,), model, None, str(tmp_path), ("weights",))
    with pytest.raises(InputError, match=r"^slices: column 'weights' has \d+ values"):
        evaluate(request, make_pipeline)


def test_a_slice_column_that_names_rows_stops_the_scoring(
    tmp_path, model, make_row, make_examples, make_pipeline, monkeypatch
):
    scored = []
    score = Scorer.__call__
    monkeypatch.setattr(
        Scorer, "__call__", lambda self, batch: scored.append(len(batch)) or score(self, batch)
    )
    rows = [make_row((1.0,), (1.0,), (1,), grade=number) for number in range(1500)]
    path = make_examples(tmp_path / "many" / "x.gz", rows)
    request = EvaluationRequest(
        (path,), model, None, str(tmp_path), ("lang", "grade"), batch_size=100
    )
    text = "^slices: column 'grade' has at least 1001 different values, expected at most 1000$"
    with pytest.raises(InputError, match=text):
        evaluate(request, make_pipeline)
    assert sum(scored) == 1100
    records = json.loads((tmp_path / "sums.json").read_text())
    assert sum(r[0] == "grade" for r in records) == 1000
    assert [r[0] for r in records if isinstance(r[1], str) and len(r) == 2] == ["bad_slice"]


def test_what_goes_wrong_is_told_once_a_bundle(model, make_row):
    good = [make_row((1.0,), (1.0,), (1,)).serialize()] * 3
    bad = [make_row((1.0, 2.0), (1.0, 1.0), (1, 1)).serialize()]
    plan = Plan((model,), ("losses",), make_token_slices((), None), Limits())
    scorer = ScoreAndAdd(plan)
    scorer.setup()
    # The second bundle meets nothing wrong, but what it lacks was wrong before.
    for bundle in ([good, bad, bad, good], [good, good]):
        scorer.start_bundle()
        outputs = [output for batch in bundle for output in scorer.process(batch)]
        incidents = [output.value for output in outputs if hasattr(output, "tag")]
        assert [kind for kind, _ in incidents] == ["bad_slice"]
        assert "'losses' has 2 values in an example" in incidents[0][1]
    assert outputs[-1].value == incidents[0]
    assert len(outputs) == 1


def test_a_slice_column_that_is_nowhere_is_noted(tmp_path, model, examples, make_pipeline):
    request = EvaluationRequest((examples,), model, None, str(tmp_path), ("langg",))
    assert "slice column 'langg' is in no example" in evaluate(request, make_pipeline).verdict.notes


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": 0}, "batch_size: got 0, expected at least 1"),
        ({"block_rows": 0}, "block_rows: got 0, expected at least 1"),
        ({"block_mb": 0}, "block_mb: got 0, expected at least 1"),
        ({"confidence": 1.0}, "confidence: got 1.0, expected between 0 and 1"),
        ({"min_tokens": -1}, "min_tokens: got -1, expected at least 0"),
    ],
)
def test_requests_that_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        EvaluationRequest((), "", None, "", **settings)
