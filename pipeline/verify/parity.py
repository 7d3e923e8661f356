"""Invariant 5: TensorFlow 1's and Addons' losses, on the user's logits, targets and weights.

The formulas, in float64 NumPy, with e the token losses, W the weights and 0 for anything over 0:

| function | flags | value |
|---|---|---|
| contrib, Addons `sequence_loss` | average over some axes | sum W e / (sum W + epsilon) |
| | sum over some axes | sum W e / count(W != 0) |
| | none | W e |
| legacy `sequence_loss_by_example` | average | sum_t W e / (sum_t W + 1e-12) |
| | no average | sum_t W e |
| legacy `sequence_loss` | | sum_b of that, / B with average_across_batch |

epsilon is 0 in TensorFlow 1.14, 1.15 and Addons, 1e-12 up to 1.13. (Recordings of the originals are
what the repository's own tests compare with; they are not part of an installation.)
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from components import sequence_loss as loss
from pipeline.verify import oracle
from pipeline.verify.case import Case, Probe
from pipeline.verify.certificate import Check
from pipeline.verify.compare import (
    VALUE,
    Pair,
    close,
    loss_steps,
    not_exercised,
    rounded,
    softmax_steps,
)

_EPSILON = 1e-12
_FLOAT64 = 1e-12  # sums of many thousand terms, in another order
# average over time, over batch; sum over time, over batch
_FLAGS = (
    (True, True, False, False),
    (True, False, False, False),
    (False, True, False, False),
    (False, False, True, True),
    (False, False, True, False),
    (False, False, False, True),
    (False, False, False, False),
)


@dataclass(frozen=True)
class Original:
    """A function of TensorFlow 1 or Addons under some flags.

    `call` is ours, on logits, targets, weights; `coefficients` is the formula: weights `[B, T]` to
    d(sum of the value) / d(token loss); `axes` are those that the value is summed over.
    """

    name: str
    call: Callable[[Any, Any, Any], Any]
    coefficients: Callable[[oracle.Array], oracle.Array]
    axes: tuple[int, ...]


def checks(case: Case) -> Iterator[Check]:
    """Rows of invariant 5, in float32 and in float64."""
    probe = case.probe
    if not probe.live.any():
        yield not_exercised(5, "TensorFlow 1's losses", "no position has weight")
        return
    known = oracle.token_losses(probe.logits, probe.targets, probe.live)
    groups = {
        "contrib sequence_loss, 11 flag sets": _contrib(),
        "Addons sequence_loss, 7 flag sets": _addons(),
        "legacy sequence_loss, 4 flag sets": _legacy(),
        "sequence_loss_by_example, lists and tensors": _by_example(),
    }
    for name, originals in groups.items():
        for dtype, relative in ((tf.float32, VALUE), (tf.float64, _FLOAT64)):
            pairs = [pair for each in originals for pair in _compared(each, probe, known, dtype)]
            compared = f"{name}, {dtype.name}"
            yield close(5, compared, pairs, relative=relative, size=probe.size)


def _compared(
    original: Original, probe: Probe, known: oracle.TokenLosses, dtype: tf.DType
) -> list[Pair]:
    """(value, gradient of its sum to the logits) of our function against the formula."""
    logits = tf.cast(tf.constant(probe.logits), dtype)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        found = original.call(logits, tf.constant(probe.targets), tf.cast(probe.weights, dtype))
        total = tf.reduce_sum(found)
    gradient = tf.convert_to_tensor(tape.gradient(total, logits)).numpy()
    factors = original.coefficients(probe.weights64)
    wanted = (factors * known.losses).sum(axis=original.axes)
    # float64 needs no allowance for rounding.
    rounds = float(dtype == tf.float32)
    sizes = probe.magnitudes
    nats = rounded(
        factors, sizes, loss_steps(probe.classes), lambda each: each.sum(axis=original.axes)
    )
    gradient_nats = rounded(factors, sizes, softmax_steps(probe.classes), np.asarray)
    return [
        Pair(original.name, found.numpy(), wanted, rounds * nats),
        Pair(
            f"{original.name} (gradient)",
            gradient,
            factors[..., None] * known.gradient,
            rounds * gradient_nats,
        ),
    ]


def _contrib() -> list[Original]:
    plain = [_flagged("contrib", loss.compat.contrib_sequence_loss, flags, 0.0) for flags in _FLAGS]
    averages = [flags for flags in _FLAGS if not (flags[2] or flags[3])]
    return plain + [
        _flagged("contrib 1.13", loss.compat.contrib_sequence_loss, flags, _EPSILON)
        for flags in averages
    ]


def _addons() -> list[Original]:
    return [_flagged("addons", loss.compat.addons_sequence_loss, flags, 0.0) for flags in _FLAGS]


def _flagged(
    name: str, function: Callable[..., Any], flags: tuple[bool, ...], epsilon: float
) -> Original:
    by_time, by_batch = flags[0] or flags[2], flags[1] or flags[3]
    axes = tuple(axis for axis, reduced in enumerate((by_batch, by_time)) if reduced)
    keywords = {"epsilon": epsilon} if epsilon else {}

    def coefficients(weights: oracle.Array) -> oracle.Array:
        if not axes:
            return weights
        averaged = flags[0] or flags[1]
        counted = weights if averaged else (weights != 0).astype(np.float64)
        return _over(weights, counted.sum(axis=axes, keepdims=True) + epsilon)

    words = " ".join(
        word for word, on in zip(("avgT", "avgB", "sumT", "sumB"), flags, strict=True) if on
    )
    return Original(
        f"{name} {words or 'no flag'}",
        lambda logits, targets, weights: function(logits, targets, weights, *flags, **keywords),
        coefficients,
        axes,
    )


def _legacy() -> list[Original]:
    made = []
    for by_time in (True, False):
        for by_batch in (True, False):
            made.append(
                Original(
                    f"legacy avgT={by_time} avgB={by_batch}",
                    _listed(loss.compat.legacy_sequence_loss, by_time, by_batch),
                    _legacy_coefficients(by_time, by_batch),
                    (0, 1),
                )
            )
    return made


def _by_example() -> list[Original]:
    made = []
    for by_time in (True, False):
        formula = _legacy_coefficients(by_time, False)
        listed = _listed(loss.compat.legacy_sequence_loss_by_example, by_time)
        name = f"avgT={by_time}"
        made.append(Original(f"lists {name}", listed, formula, (1,)))
        made.append(Original(f"tensors {name}", _whole(by_time), formula, (1,)))
    return made


def _whole(by_time: bool) -> Callable[[Any, Any, Any], Any]:
    return lambda logits, targets, weights: loss.sequence_loss_by_example(
        logits, targets, weights, by_time
    )


def _listed(function: Callable[..., Any], *flags: bool) -> Callable[[Any, Any, Any], Any]:
    """Our function on lists of T time steps, as TensorFlow 1 took them."""
    return lambda logits, targets, weights: function(
        *(tf.unstack(each, axis=1) for each in (logits, targets, weights)), *flags
    )


def _legacy_coefficients(by_time: bool, by_batch: bool) -> Callable[[oracle.Array], oracle.Array]:
    def coefficients(weights: oracle.Array) -> oracle.Array:
        rows = weights
        if by_time:
            rows = weights / (weights.sum(axis=1, keepdims=True) + _EPSILON)
        return rows / len(weights) if by_batch else rows

    return coefficients


def _over(weights: oracle.Array, divisor: oracle.Array) -> oracle.Array:
    whole = np.broadcast_to(divisor, weights.shape)
    return np.divide(weights, whole, out=np.zeros_like(weights), where=whole != 0)
