"""Each check can fail: mutants of the loss, the model and the line, and the row that turns red."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from components import sequence_loss as loss
from components.evaluator import metrics
from components.trainer import batching
from pipeline.scoring import model_rows
from pipeline.verify import fused, masking, one_number, parity, poison, skew, splitting
from pipeline.verify.certificate import FAIL
from pipeline.verify.model import ExportedModel

CHECKS = {1: masking.checks, 2: poison.checks, 3: splitting.checks, 5: parity.checks}


def of(checks, status):
    return [check.compared for check in checks if check.status == status]


def mean_of_means(original):
    def mutant(*args, **keywords):
        sums = original(*args, **keywords)
        return loss.LossSum(sums.mean, tf.ones_like(sums.mean))

    return mutant


def divided_by_positions(original):
    def mutant(logits, targets, weights, **keywords):
        value = original(logits, targets, weights, **keywords)
        return value * tf.reduce_sum(weights) / tf.cast(tf.size(weights), tf.float32)

    return mutant


def leaking_pads(original):
    def mutant(logits, targets, weights, **keywords):
        value = original(logits, targets, weights, **keywords)
        # Where every logit is finite the value is the same; the gradient is not.
        leak = tf.reduce_mean(logits, axis=-1)
        return value + 1e-3 * tf.reduce_mean(leak - tf.stop_gradient(leak))

    return mutant


def multiplied_afterwards(original):
    """0 * NaN is NaN: right wherever every number is finite."""

    def mutant(logits, targets, weights, **keywords):
        poison = tf.reduce_sum(tf.zeros_like(logits) * logits)
        return original(logits, targets, weights, **keywords) + poison

    return mutant


def smoothed_at_pads(original):
    """Label smoothing that looks at every position, masked or not."""

    def mutant(logits, targets, weights, *, label_smoothing=0.0, **keywords):
        everywhere = -tf.reduce_mean(tf.nn.log_softmax(logits))
        return original(logits, targets, weights, **keywords) + label_smoothing * everywhere

    return mutant


def never_complaining(original):
    def mutant(logits, *args, **keywords):
        return original(tf.where(tf.math.is_nan(logits), 0.0, logits), *args, **keywords)

    return mutant


def counting_weights(original):
    """sum_over_timesteps with sum_over_batch divided by the weights, not by their number."""

    def mutant(logits, targets, weights, *flags, **keywords):
        if flags == (False, False, True, True):
            flags = (True, True, False, False)
        return original(logits, targets, weights, *flags, **keywords)

    return mutant


def token_weighted(original):
    """Legacy's mean of rows' means as one mean over tokens."""

    def mutant(logits, targets, weights, by_time=True, by_batch=True):
        if not (by_time and by_batch):
            return original(logits, targets, weights, by_time, by_batch)
        stacked = [tf.stack(each, axis=1) for each in (logits, targets, weights)]
        return loss.compat.contrib_sequence_loss(*stacked)

    return mutant


@pytest.mark.parametrize(
    ("target", "mutate", "invariant", "row"),
    [
        ("sequence_loss_sum", mean_of_means, 3, "every reduction: batches of 1"),
        ("sequence_loss", divided_by_positions, 1, "loss: the data's"),
        ("sequence_loss", divided_by_positions, 1, "loss: with"),
        ("sequence_loss", leaking_pads, 1, "gradient to the logits: the data's"),
        ("sequence_loss", leaking_pads, 2, "gradient to the logits"),
        ("sequence_loss", smoothed_at_pads, 1, "loss: the data's"),
        ("sequence_loss", smoothed_at_pads, 1, "loss: with"),
        ("sequence_loss", multiplied_afterwards, 2, "loss: NaN"),
        ("sequence_loss", never_complaining, 2, "NaN at a weighted position"),
        ("compat.contrib_sequence_loss", counting_weights, 5, "contrib sequence_loss"),
        ("compat.addons_sequence_loss", counting_weights, 5, "Addons sequence_loss"),
        ("compat.legacy_sequence_loss", token_weighted, 5, "legacy sequence_loss"),
        ("sequence_loss_by_example", divided_by_positions, 5, "sequence_loss_by_example"),
    ],
)
def test_a_mutant_of_the_loss_fails_its_row(
    case, monkeypatch, target: str, mutate, invariant: int, row: str
) -> None:
    *path, name = target.split(".")
    owner = getattr(loss, path[0]) if path else loss
    original = getattr(owner, name)
    if name == "sequence_loss_by_example":
        monkeypatch.setattr(owner, name, lambda x, t, w, by: 1.01 * original(x, t, w, by))
    else:
        monkeypatch.setattr(owner, name, mutate(original))
    failed = of(CHECKS[invariant](case("lm")), FAIL)
    assert any(each.startswith(row) for each in failed), failed
    if mutate is mean_of_means:
        ways = ("batches of 7", "4 micro-batches, added", "2 unequal replicas")
        assert {f"every reduction: {way}" for way in ways} <= set(failed)


@pytest.fixture
def other_model(project, case):
    """A case whose network is a copy that a test may spoil."""

    def make(task: str):
        return dataclasses.replace(case(task), model=ExportedModel(project(task).model))

    return make


def test_a_model_that_reads_its_padding_fails(other_model, monkeypatch) -> None:
    spoilt = other_model("lm")
    hidden = spoilt.model.network.hidden

    def leaking(features, *, training=False):
        seen = tf.cast(tf.clip_by_value(features["decoder_inputs"], 0, 99), tf.float32)
        return hidden(features, training=training) + tf.reduce_mean(seen) / 10

    monkeypatch.setattr(spoilt.model.network, "hidden", leaking)
    failed = of(masking.checks(spoilt), FAIL)
    assert [each.split(" (")[0] for each in failed] == [
        "model: ids at padding changed",
        "model: each row alone, without padding",
    ]
    assert of(poison.checks(spoilt), FAIL) == ["model: ids -1 and 10⁹ at padding"]
    assert "model: longer padding" in of(splitting.checks(spoilt), FAIL)


@pytest.mark.usefixtures("no_beam")
def test_an_export_with_other_weights_than_the_network_fails(other_model) -> None:
    """What `score` computes is not what was trained: oracle and training's number disagree."""
    spoilt = other_model("lm")
    bias = next(v for v in spoilt.model.network.variables if v.name == "projection_bias")
    bias.assign(bias + np.linspace(0, 0.1, bias.shape[0]).astype("float32"))
    failed = of(one_number.checks(spoilt), FAIL)
    assert "oracle = exported `score`, by position" in failed
    assert "oracle = exported `score`" in failed
    assert "oracle = `tokenline score`" in failed


def averaging_examples(original):
    """The Evaluator's sums, each example's divided by its weight."""

    def mutant(scores):
        sums = original(scores)
        weight = np.maximum(sums[:, 1:2], 1e-9)
        return np.concatenate([sums[:, :2] / weight, sums[:, 2:]], axis=1)

    return mutant


def rounding(original):
    """`tokenline score` with three digits."""

    def mutant(outputs, row):
        return {k: round(v, 3) if k == "loss_sum" else v for k, v in original(outputs, row).items()}

    return mutant


class AveragingPositions(loss.SequenceLoss):
    def __call__(self, y_true, y_pred, sample_weight=None):
        return super().__call__(y_true, y_pred, sample_weight) / y_pred.shape[1]


def test_each_number_is_compared_by_itself(case, monkeypatch) -> None:
    """Five mutants at once, each in the code of one number: these rows turn red and no other."""
    batches, sums = batching.evaluation_batches, metrics.sums_of_examples
    monkeypatch.setattr(batching, "evaluation_batches", lambda *a, **k: batches(*a, **k).take(7))
    monkeypatch.setattr(metrics, "sums_of_examples", averaging_examples(sums))
    monkeypatch.setattr(model_rows, "scored", rounding(model_rows.scored))
    monkeypatch.setattr(loss, "SequenceLoss", AveragingPositions)
    record = case("lm").subject.record
    trained = record["history"]["validation"]["masked_token_loss"]
    changed = record | {"history": {"validation": {"masked_token_loss": 1.0001 * trained}}}
    subject = dataclasses.replace(case("lm").subject, record=changed)
    spoilt = dataclasses.replace(case("lm"), subject=subject)
    assert of(one_number.checks(spoilt), FAIL) == [
        "oracle = trainer's validation, on Transform's rows",
        "oracle = Keras SequenceLoss, batches added",
        "oracle = Evaluator's masked_token_loss",
        "oracle = `tokenline score`",
        "the run's record, whole split = `score` now",
    ]
    assert of(splitting.beam_bundles(spoilt), FAIL)


def test_a_row_that_transform_did_not_write_fails(case) -> None:
    right = case("lm").materialised
    spoilt = dataclasses.replace(right, rows=(None, *right.rows[1:]))
    failed = of(skew.checks(dataclasses.replace(case("lm"), materialised=spoilt)), FAIL)
    assert failed == ["Transform's rows = `transform_features`"]


def test_a_row_too_many_fails(case) -> None:
    spoilt = dataclasses.replace(case("lm").materialised, available=41)
    failed = of(skew.checks(dataclasses.replace(case("lm"), materialised=spoilt)), FAIL)
    assert failed == ["rows in the split: Transform's = ExampleGen's"]


def test_another_vocabulary_fails(case, project) -> None:
    other = str(project("tagging").artifacts / "vocabulary")
    subject = dataclasses.replace(case("lm").subject, vocabulary=other)
    failed = of(skew.checks(dataclasses.replace(case("lm"), subject=subject)), FAIL)
    assert failed == ["vocabulary: the model's hash = Transform's"]


def projected(rounded: bool, spread: bool):
    """A fused loss written as its definition; rounded logits, or dead rows left in the matmul."""

    def linear(hidden, kernel, bias, targets, weights, **keywords):
        if not spread:
            hidden = tf.where((weights != 0)[..., None], hidden, 0.0)
        logits = tf.tensordot(hidden, kernel, axes=1) + bias
        if rounded:
            logits = tf.cast(tf.cast(logits, tf.bfloat16), tf.float32)
        return loss.sequence_loss_sum(logits, targets, weights, **keywords)

    return linear


@pytest.mark.parametrize(
    ("rounded", "spread", "failed"),
    [
        (False, False, []),
        (False, True, ["fused: poisoned states at"]),
        (
            True,
            False,
            [
                "fused = plain: loss, summed reductions",
                "fused = plain: gradients to states and projection",
            ],
        ),
    ],
)
def test_a_mutant_of_the_fused_loss_fails(case, monkeypatch, rounded, spread, failed) -> None:
    monkeypatch.setattr(loss, "linear_sequence_loss", projected(rounded, spread))
    checks = [*fused.poison(case("lm")), *fused.one_number(case("lm"))]
    found = of(checks, FAIL)
    assert len(found) == len(failed)
    assert all(row.startswith(begins) for row, begins in zip(found, failed, strict=True))
