"""All recorded calls of TensorFlow 1's and Addons' losses, values and gradients.

A sum of terms that cancel is judged against the size of its terms: the loss of signed weights, and
`grad_weights`, which is rounding only where its true value is 0.
"""

import dataclasses
import functools
import json
import pathlib
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from components.sequence_loss import compat, sequence_loss, sequence_loss_by_example

FLOAT32, FLOAT64 = 1e-6, 1e-14
FOLDER = pathlib.Path(__file__).resolve().parents[2] / "golden"


@dataclasses.dataclass(frozen=True)
class Case:
    """One recorded call: arguments, arrays (batch-major) and outputs."""

    name: str
    producer: str
    function: str
    suite: str
    flags: dict[str, bool]
    custom: str | None
    logits: np.ndarray
    targets: np.ndarray
    weights: np.ndarray
    outputs: dict[str, np.ndarray]

    @property
    def nan_by_design(self) -> bool:
        """Addons' 0 * -inf for one-hot targets."""
        return self.targets.ndim == 3 and not np.isfinite(self.logits).all()


@functools.cache
def _arrays(file: str) -> dict[str, np.ndarray]:
    with np.load(FOLDER / file) as archive:
        return {key: archive[key] for key in archive.files}


def _case(row: dict[str, Any]) -> Case:
    inputs, outputs = row["inputs"], row["outputs"]
    given, made = _arrays(inputs["file"]), _arrays(outputs["file"])
    logits, targets = given[inputs["logits"]], given[inputs["targets"]]
    if row["targets_form"] == "one_hot":
        targets = np.eye(logits.shape[-1], dtype=logits.dtype)[targets]
    kinds = ("loss", "loss_float64", "grad_logits", "grad_weights")
    return Case(
        name=row["name"],
        producer=row["producer"],
        function=row["source_function"],
        suite=row["suite"],
        flags=row["arguments"],
        custom=row["softmax_loss_function"],
        logits=logits,
        targets=targets,
        weights=given[inputs["weights"]],
        outputs={kind: made[outputs[kind]] for kind in kinds if kind in outputs},
    )


@functools.cache
def cases() -> tuple[Case, ...]:
    """All recorded calls."""
    index = json.loads((FOLDER / "index.json").read_text())
    return tuple(_case(row) for row in index["cases"])


def _explicit_sparse(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)


def _label_smoothing(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    classes = logits.shape[-1]
    smoothed = tf.one_hot(labels, classes, dtype=logits.dtype) * 0.9 + 0.1 / classes
    return -tf.reduce_sum(smoothed * tf.nn.log_softmax(logits), axis=-1)


def _brier(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    wanted = tf.one_hot(labels, logits.shape[-1], dtype=logits.dtype)
    return tf.reduce_sum((tf.nn.softmax(logits) - wanted) ** 2, axis=-1)


def _minus_call_mean(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    losses = _explicit_sparse(labels, logits)
    return losses - tf.reduce_mean(losses)


CUSTOM = {
    None: None,
    "explicit_sparse": _explicit_sparse,
    "label_smoothing_0.1": _label_smoothing,
    "brier": _brier,
    "xent_minus_call_mean": _minus_call_mean,
}


def miss(got: np.ndarray, wanted: np.ndarray, tolerance: float, scale: float = 0.0) -> float:
    """How many times the tolerance `got` is off: > 1 is a miss.

    The tolerance is relative to the largest wanted value or `scale`, plus 1e-37 for denormals.
    """
    got, wanted = np.asarray(got, np.float64), np.asarray(wanted, np.float64)
    if got.shape != wanted.shape or not np.isfinite(got).all():
        return float("inf")
    if not wanted.size:
        return 0.0
    bound = tolerance * max(np.abs(wanted).max(), scale) + 1e-37
    return float(np.abs(got - wanted).max() / bound)


FUNCTIONS = {
    "tensorflow.contrib.seq2seq.sequence_loss": compat.contrib_sequence_loss,
    "tensorflow.contrib.legacy_seq2seq.sequence_loss": compat.legacy_sequence_loss,
    "tensorflow.contrib.legacy_seq2seq.sequence_loss_by_example": (
        compat.legacy_sequence_loss_by_example
    ),
    "tensorflow_addons.seq2seq.sequence_loss": compat.addons_sequence_loss,
    "tensorflow_addons.seq2seq.SequenceLoss": compat.addons_sequence_loss,
}
GROUPS = sorted({(case.producer, case.function, case.suite) for case in cases()})


def call(case, logits, targets, weights):
    """The function of ours that stands for the recorded one."""
    options = {**case.flags, "softmax_loss_function": CUSTOM[case.custom]}
    if case.producer == "tf-1.13.2":
        # the sum flags came with 1.14
        options = {**options, "epsilon": 1e-12}
    if "legacy" in case.function:
        logits, targets, weights = (tf.unstack(x, axis=1) for x in (logits, targets, weights))
    return FUNCTIONS[case.function](logits, targets, weights, **options)


def constants(case, dtype):
    """Logits, targets and weights in `dtype`; ids keep theirs."""
    targets = case.targets if case.targets.ndim == 2 else case.targets.astype(dtype)
    return tf.constant(case.logits, dtype), tf.constant(targets), tf.constant(case.weights, dtype)


def run(loss, case, dtype):
    """Loss, gradient to the logits and to the weights, as in the recordings: of sum(loss)."""
    logits, targets, weights = constants(case, dtype)
    with tf.GradientTape() as tape:
        tape.watch([logits, weights])
        value = loss(case, logits, targets, weights)
        total = tf.reduce_sum(value)
    grad_logits, grad_weights = tape.gradient(total, [logits, weights])
    return {"loss": value, "grad_logits": grad_logits, "grad_weights": grad_weights}


def divisor(case):
    """What each W e was divided by, `[B, T]` float64, from README section 1; inf where it was 0."""
    weights = case.weights.astype(np.float64)
    flags = {"sum_over_timesteps": False, "sum_over_batch": False, **case.flags}
    if "legacy" in case.function:
        sums = weights.sum(1, keepdims=True) + 1e-12
        sums = sums if flags["average_across_timesteps"] else np.ones_like(sums)
        return np.broadcast_to(
            sums * (len(weights) if flags.get("average_across_batch") else 1), weights.shape
        )
    averages = flags["average_across_batch"], flags["average_across_timesteps"]
    chosen = averages if any(averages) else (flags["sum_over_batch"], flags["sum_over_timesteps"])
    if not any(chosen):
        return np.ones_like(weights)
    counts = weights if any(averages) else (weights != 0).astype(np.float64)
    axes = tuple(axis for axis, reduced in enumerate(chosen) if reduced)
    sums = counts.sum(axes, keepdims=True) + (1e-12 if case.producer == "tf-1.13.2" else 0.0)
    return np.broadcast_to(np.where(sums == 0, np.inf, sums), weights.shape)


def terms(case):
    """Sizes of what is added up: sum |W e / D|, and the largest |e / D|."""
    targets = case.targets.argmax(-1) if case.targets.ndim == 3 else case.targets
    losses = sequence_loss(
        case.logits.astype(np.float64),
        targets,
        reduction="none",
        softmax_loss_function=CUSTOM[case.custom],
    )
    scaled = np.abs(losses.numpy() / divisor(case))
    return np.abs(case.weights * scaled).sum(), scaled.max(initial=0.0)


def misses(case, loss=call, also_float64=True):
    """Names and factors of the outputs of one case that are off."""
    dtype = case.logits.dtype
    tolerance = FLOAT64 if dtype == np.float64 else FLOAT32
    got = run(loss, case, dtype)
    term, slope = terms(case)
    found = []
    for kind, scale in (("loss", term), ("grad_logits", 0.0), ("grad_weights", slope)):
        if kind in case.outputs:
            found.append((kind, miss(got[kind], case.outputs[kind], tolerance, scale)))
    if also_float64 and dtype == np.float32:
        exact = loss(case, *constants(case, np.float64))
        found.append(("64", miss(exact, case.outputs["loss_float64"], FLOAT64, term)))
    return [(case.name, kind, factor) for kind, factor in found if not factor <= 1.0]


@pytest.mark.parametrize("group", GROUPS, ids="|".join)
def test_recorded_call_is_reproduced(group):
    found = [
        case
        for case in cases()
        if (case.producer, case.function, case.suite) == group and not case.nan_by_design
    ]
    assert [miss for case in found for miss in misses(case)] == []


def test_recordings_are_complete():
    assert len(cases()) == 1424
    assert sum(case.nan_by_design for case in cases()) == 4


def test_one_hot_targets_at_minus_infinity_are_those_of_ids():
    for case in (case for case in cases() if case.nan_by_design):
        assert np.isnan(case.outputs["loss"]).any()
        by_ids = dataclasses.replace(case, targets=case.targets.argmax(-1))
        wanted, got = run(call, by_ids, np.float32), run(call, case, np.float32)
        assert all(miss(got[kind], wanted[kind], FLOAT32) <= 1 for kind in wanted), case.name


NAMES = {
    # (library, flags that are True) -> reduction
    ("batch", "average_across_batch average_across_timesteps"): "token_mean",
    ("batch", "average_across_timesteps"): "per_example",
    ("batch", "sum_over_batch sum_over_timesteps"): "nonzero_mean",
    ("batch", ""): "none",
    ("legacy", "average_across_batch"): "batch_mean",
    ("legacy", ""): "token_sum",
    ("by_example", ""): "per_example_sum",
    ("by_example", "average_across_timesteps"): "by_example",
}


def reduction_of(case):
    """The name of our reduction that is the recorded call, or None."""
    library = "by_example" if "by_example" in case.function else "legacy"
    library = library if "legacy" in case.function else "batch"
    if case.producer == "tf-1.13.2" or case.nan_by_design:
        return None
    if library != "batch" and case.custom == "xent_minus_call_mean":
        return None  # the legacy functions call it once per time step, ours once
    return NAMES.get((library, " ".join(sorted(flag for flag, on in case.flags.items() if on))))


def call_by_name(case, logits, targets, weights):
    """`sequence_loss` (or `sequence_loss_by_example` on tensors) for the recorded call."""
    function = CUSTOM[case.custom]
    if reduction_of(case) == "by_example":
        return sequence_loss_by_example(logits, targets, weights, softmax_loss_function=function)
    return sequence_loss(
        logits, targets, weights, reduction=reduction_of(case), softmax_loss_function=function
    )


@pytest.mark.parametrize("reduction", sorted(set(NAMES.values())))
def test_named_reduction_is_the_recorded_call(reduction):
    suites = ("float64", "weights", "custom", "extreme")
    found = [case for case in cases() if reduction_of(case) == reduction and case.suite in suites]
    assert len(found) >= 10
    assert [miss for case in found for miss in misses(case, call_by_name, False)] == []
