"""The lines that are printed give the numbers that they promise, on random data."""

import itertools
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.sequence_loss import (
    SequenceLoss,
    compat,
    sequence_loss,
    sequence_loss_by_example,
    token_cross_entropy,
)

B, T, V = 3, 4, 5
RANDOM = np.random.default_rng(7)
LOGITS = RANDOM.normal(size=(B, T, V)) * 3
IDS = RANDOM.integers(V, size=(B, T))
ONE_HOT = np.eye(V)[IDS]
LENGTHS = np.array([6, 2, 1])  # one exceeds T
MASK = np.arange(T) < LENGTHS[:, None]
WEIGHTS = np.array([[0.5, 2.0, 0.0, 1.0], [1.0, 0.0, 0.0, 0.0], [3.0, 1.0, 0.25, 0.0]])
CHANCES = np.exp(LOGITS) / np.exp(LOGITS).sum(-1, keepdims=True)
E = -np.log((CHANCES * ONE_HOT).sum(-1))
WE, COUNT = WEIGHTS * E, WEIGHTS != 0
EPSILON = 1e-12

# What a printed formula says, in NumPy.
FORMULAS = {
    "sum(w*loss) / sum(w)": WE.sum() / WEIGHTS.sum(),
    "sum_t(w*loss) / sum_t(w)": WE.sum(1) / WEIGHTS.sum(1),
    "sum_b(w*loss) / sum_b(w), not / B": np.divide(
        WE.sum(0), WEIGHTS.sum(0), out=np.zeros(T), where=WEIGHTS.sum(0) != 0
    ),
    "w*loss, not reduced": WE,
    "sum(w*loss) / count_nonzero(w)": WE.sum() / COUNT.sum(),
    "sum_t(w*loss) / count_nonzero_t(w)": WE.sum(1) / COUNT.sum(1),
    "sum_b(w*loss) / count_nonzero_b(w)": np.divide(
        WE.sum(0), COUNT.sum(0), out=np.zeros(T), where=COUNT.sum(0) != 0
    ),
    "sum_t(w*loss) / (sum_t(w) + 1e-12)": WE.sum(1) / (WEIGHTS.sum(1) + EPSILON),
    "sum_t(w*loss), not divided": WE.sum(1),
    "sum over b of sum_t(w*loss) / (sum_t(w) + 1e-12), divided by B: every sequence one vote,"
    " empty ones too": (WE.sum(1) / (WEIGHTS.sum(1) + EPSILON)).mean(),
    "sum over b of sum_t(w*loss) / (sum_t(w) + 1e-12): not divided by B": (
        WE.sum(1) / (WEIGHTS.sum(1) + EPSILON)
    ).sum(),
    "sum(w*loss) / B": WE.sum() / B,
    "sum(w*loss), not divided": WE.sum(),
}
FLAGS = (
    "average_across_timesteps",
    "average_across_batch",
    "sum_over_timesteps",
    "sum_over_batch",
)


def evaluated(code: str, **names):
    """The value of a printed line."""
    ours = {
        "tf": tf,
        "compat": compat,
        "sequence_loss": sequence_loss,
        "sequence_loss_by_example": sequence_loss_by_example,
        "token_cross_entropy": token_cross_entropy,
        "SequenceLoss": SequenceLoss,
    }
    return eval(code, {**ours, **names})


def flagged(count: int):
    return [
        ", ".join(f"{name}={value}" for name, value in zip(FLAGS, values, strict=False))
        for values in itertools.product((True, False), repeat=count)
    ]


@pytest.mark.parametrize(
    ("function", "flags"),
    [
        *(("tf.contrib.seq2seq.sequence_loss", flags) for flags in flagged(4)),
        *(("tfa.seq2seq.sequence_loss", flags) for flags in flagged(4)),
        *(("tfa.seq2seq.SequenceLoss", flags) for flags in flagged(4)),
        *(("tf.contrib.legacy_seq2seq.sequence_loss", flags) for flags in flagged(2)),
        *(("tf.contrib.legacy_seq2seq.sequence_loss_by_example", f) for f in flagged(1)),
    ],
)
def test_every_combination_of_flags(function: str, flags: str, findings) -> None:
    """The formula, the line of the same number, and that of a reduction by name, agree."""
    lists = ", ".join(f"tf.unstack({name}, axis=1)" for name in ("x", "y", "w"))
    arguments = {True: lists + ", ", False: "x, y, w, "}["legacy" in function]
    arguments = "" if function.endswith("Loss") else arguments
    text = (
        f"import tensorflow as tf\nimport tensorflow_addons as tfa\n{function}({arguments}{flags})"
    )
    (finding,) = findings(text)
    data = {"x": LOGITS, "y": IDS, "w": WEIGHTS}
    if finding.outcome.refused:
        exact = "addons" if "tfa" in function else "contrib"
        with pytest.raises(ValueError, match="both True"):
            evaluated(f"compat.{exact}_sequence_loss(x, y, w, {flags})", **data)
        assert finding.ours.same is None
        assert not hasattr(finding.edit, "node")
        return
    formula = finding.outcome.formula.split("; TF 1.0")[0]
    got = evaluated(finding.ours.same.code, **data)
    got = got(IDS, LOGITS, WEIGHTS) if function.endswith("Loss") else got
    np.testing.assert_allclose(got, FORMULAS[formula], rtol=1e-12)
    if finding.outcome.reduction and finding.outcome.reduction != "nonzero_mean":
        line = finding.ours.better or finding.ours.same
        again = evaluated(line.code, **data)
        again = again(IDS, LOGITS, WEIGHTS) if function.endswith("Loss") else again
        np.testing.assert_allclose(again, FORMULAS[formula], rtol=1e-11)


def data_of(name: str) -> dict:
    """Values for the names in an example."""
    floats = tf.float32 if name == "hand-3-batch" else tf.float64
    live = MASK if name.startswith("hand-3") else WEIGHTS
    return {
        "scores": tf.constant(LOGITS, floats),
        "guess": tf.constant(LOGITS, floats),
        "chances": tf.constant(CHANCES, floats),
        "truth": tf.constant(ONE_HOT if name.startswith("hand-2") else IDS),
        "ids": tf.constant(IDS),
        "live": tf.cast(live, floats),
        "importance": tf.constant(WEIGHTS, floats),
        "keep": tf.constant(MASK),
        "lengths": tf.constant(LENGTHS),
        "losses": tf.constant(E, floats),
        "count": tf.cast(LENGTHS.sum(), floats),
    }


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("name-1", WE.sum(1) / WEIGHTS.sum(1)),
        ("name-1-lists", WE.sum(1) / WEIGHTS.sum(1)),
        ("name-1-addons", WE.sum(1) / WEIGHTS.sum(1)),
        ("name-1-graph", WE.sum() / WEIGHTS.sum()),
        ("name-2", WE.sum(1) / WEIGHTS.sum(1)),
        ("name-3", WE.sum(1) / WEIGHTS.sum(1)),
        ("name-3-sums", WE.sum(1)),
        ("name-3-flag", FORMULAS["sum_b(w*loss) / sum_b(w), not / B"]),
    ],
)
def test_the_lines_for_functions_that_are_gone(name: str, wanted, found) -> None:
    """Against the formulas of the originals, in float64."""
    (finding,) = found[name]
    names = data_of(name) | {"tf1": tf, "by_time": False}
    names["steps"] = [tf.unstack(names[each], axis=1) for each in ("scores", "ids", "importance")]
    np.testing.assert_allclose(evaluated(finding.ours.same.code, **names), wanted, rtol=1e-11)
    if finding.ours.better is not None and finding.then:
        got = evaluated(finding.ours.better.code, **names)
        np.testing.assert_allclose(got, np.mean(wanted), rtol=1e-11)


@pytest.mark.parametrize(
    "name",
    [
        *("hand-1", "hand-1-nested", "hand-1-times", "hand-2", "hand-2-object", "hand-2-smooth"),
        *("hand-3", "hand-3-safe", "hand-3-rows", "hand-3-batch"),
    ],
)
def test_the_lines_for_hand_made_losses(name: str, found, sources) -> None:
    """Against the example itself, run."""
    (finding,) = found[name]
    names = data_of(name)
    scope: dict = {}
    exec(sources[name], scope)
    function = scope.get("masked") or scope.get("weighted")
    if function is None:
        function = scope["Losses"]().masked
    code = function.__code__ if hasattr(function, "__code__") else function.python_function.__code__
    arguments = [names[each] for each in code.co_varnames[: code.co_argcount] if each != "self"]
    wanted = function(*arguments)
    got = evaluated(finding.ours.same.code, **names)
    np.testing.assert_allclose(got, wanted, rtol=1e-6)


def test_the_masked_keras_loss(found, sources) -> None:
    (finding,) = found["hand-1-loss"]
    scope: dict = {}
    exec(sources["hand-1-loss"], scope)
    names = data_of("hand-1-loss") | {"keep": IDS != 0}
    wanted = scope["Masked"]().call(names["truth"], names["guess"])
    np.testing.assert_allclose(evaluated(finding.ours.same.code, **names), wanted, rtol=1e-6)


def test_what_is_said_of_keras_defaults() -> None:
    """÷ B*T, sample_weight not in the divisor; with a mask on y_pred, ÷ the unmasked."""
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    logits, ids = tf.constant(LOGITS, tf.float32), tf.constant(IDS)
    np.testing.assert_allclose(loss(ids, logits, WEIGHTS), WE.sum() / (B * T), rtol=1e-5)
    masked = tf.identity(logits)
    masked._keras_mask = tf.constant(MASK)
    np.testing.assert_allclose(loss(ids, masked), (E * MASK).sum() / MASK.sum(), rtol=1e-5)
