"""The loss under test, called on a probe: value and gradient as NumPy arrays.

Looks every function up when it is called, so that what is certified is what the package exports.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from components import sequence_loss as loss
from pipeline.verify import oracle
from pipeline.verify.case import Probe
from pipeline.verify.certificate import Check
from pipeline.verify.compare import (
    GRADIENT,
    Pair,
    Size,
    close,
    loss_steps,
    not_exercised,
    rounded,
    softmax_steps,
)
from pipeline.verify.model import Sums

# Reductions that keep the batch axis: parts are joined, not added.
SHAPED = ("none", "per_example", "per_example_sum")
SUMMED = tuple(name for name in oracle.REDUCTIONS if name not in SHAPED)


@dataclass(frozen=True)
class Measured:
    """A loss and the gradient `[B, T, V]` of its sum to the logits, in float32."""

    value: np.ndarray
    gradient: np.ndarray


def measure(probe: Probe, reduction: str, **options: Any) -> Measured:
    """`sequence_loss` under one reduction; `options`: label_smoothing, z_loss."""
    logits = tf.constant(probe.logits)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = loss.sequence_loss(
            logits,
            tf.constant(probe.targets),
            tf.constant(probe.weights),
            reduction=reduction,
            target_lengths=_lengths(probe, reduction),
            **options,
        )
        total = tf.reduce_sum(value)
    return Measured(value.numpy(), tf.convert_to_tensor(tape.gradient(total, logits)).numpy())


def expected(probe: Probe, reduction: str) -> tuple[oracle.Array, oracle.Array]:
    """The oracle's value and gradient, float64."""
    known = oracle.token_losses(probe.logits, probe.targets, probe.live)
    factors = oracle.coefficients(reduction, probe.weights64, probe.lengths)
    value = oracle.value(reduction, known.losses, probe.weights64, probe.lengths)
    return value, factors[..., None] * known.gradient


def nats(probe: Probe, reduction: str) -> float:
    """How float32's rounding scales in this reduction's number, see `compare.Pair`."""
    factors = oracle.coefficients(reduction, probe.weights64, probe.lengths)
    added = functools.partial(oracle.reduced, reduction)
    return rounded(factors, probe.magnitudes, loss_steps(probe.classes), added)


def gradient_nats(probe: Probe, reduction: str) -> float:
    """The same for the gradient to the logits, c (softmax - one-hot)."""
    factors = oracle.coefficients(reduction, probe.weights64, probe.lengths)
    return rounded(factors, probe.magnitudes, softmax_steps(probe.classes), np.asarray)


@dataclass(frozen=True)
class Part:
    """A part of a batch under one reduction: numerator and denominator in float64, or an array.

    `denominator` is None for a sum that nothing divides, `joined` is None but where the reduction
    keeps the batch axis. `gradient` `[B, T, V]` is that of the numerator, or of the array's sum.
    """

    numerator: float
    denominator: float | None
    joined: np.ndarray | None
    gradient: np.ndarray


def part_measurer() -> Callable[[Probe], dict[str, Part]]:
    """A function from a probe to its `Part` under every reduction; traced once for all shapes."""

    def traced(logits: Any, targets: Any, weights: Any, lengths: Any) -> dict[str, Any]:
        given = (logits, targets, weights, lengths)
        return {name: _traced_part(name, *given) for name in oracle.REDUCTIONS}

    step = tf.function(
        traced,
        input_signature=[
            tf.TensorSpec([None, None, None], tf.float32),
            tf.TensorSpec([None, None], tf.int64),
            tf.TensorSpec([None, None], tf.float32),
            tf.TensorSpec([None], tf.int64),
        ],
        autograph=False,
    )

    def call(probe: Probe) -> dict[str, Part]:
        found = step(probe.logits, probe.targets, probe.weights, probe.lengths)
        return {name: _part(name, values) for name, values in found.items()}

    return call


def _traced_part(name: str, logits: Any, targets: Any, weights: Any, lengths: Any) -> Any:
    keywords: dict[str, Any] = {"reduction": name}
    if name == "length_mean":
        keywords["target_lengths"] = lengths
    with tf.GradientTape() as tape:
        tape.watch(logits)
        if name in SHAPED:
            found: Any = [loss.sequence_loss(logits, targets, weights, **keywords)]
        else:
            sums = loss.sequence_loss_sum(logits, targets, weights, **keywords)
            found = [sums.numerator] + ([] if sums.denominator is None else [sums.denominator])
        total = tf.reduce_sum(found[0])
    return [*found, tape.gradient(total, logits)]


def _part(name: str, values: Sequence[Any]) -> Part:
    first, *divisor, gradient = [value.numpy() for value in values]
    if name in SHAPED:
        return Part(0.0, None, first, gradient)
    return Part(float(first), float(divisor[0]) if divisor else None, None, gradient)


def together(parts: Sequence[Part]) -> tuple[np.ndarray, np.ndarray]:
    """Value and gradient of the whole from its parts: sums added, then one division."""
    gradient = np.concatenate([part.gradient for part in parts]).astype(np.float64)
    if parts[0].joined is not None:
        return np.concatenate([p.joined for p in parts if p.joined is not None]), gradient
    numerator = sum(part.numerator for part in parts)
    if parts[0].denominator is None:
        return np.asarray(numerator), gradient
    divisor = sum(part.denominator or 0.0 for part in parts)
    if divisor == 0:
        return np.asarray(0.0), np.zeros_like(gradient)
    return np.asarray(numerator / divisor), gradient / divisor


def close_sums(
    invariant: int, compared: str, parts: Sequence[Sums], whole: Sums, size: Size
) -> Check:
    """The token mean and its gradient to the variables: parts, added up, against the whole."""
    divisor = sum(part.denominator for part in parts)
    if not divisor or not whole.denominator:
        return not_exercised(invariant, compared, "no position has weight")
    loss = sum(part.numerator for part in parts) / divisor
    gradient = sum(part.gradient.astype(np.float64) for part in parts) / divisor
    # Rounding errors of the tokens' gradients have any sign: of their mean, a root is left.
    rounding = 1.0 / np.sqrt(max(1, size.tokens))
    pairs = [
        Pair("loss", loss, whole.numerator / whole.denominator, 1.0),
        Pair(
            f"gradient to {len(whole.gradient):,} weights",
            gradient,
            whole.gradient.astype(np.float64) / whole.denominator,
            rounding,
        ),
    ]
    return close(invariant, compared, pairs, relative=GRADIENT, size=size)


def _lengths(probe: Probe, reduction: str) -> Any:
    return tf.constant(probe.lengths) if reduction == "length_mean" else None
