"""The fused projection and loss on the user's hidden states and projection (invariants 2 and 4)."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from components import sequence_loss as loss
from pipeline.verify import measure
from pipeline.verify.case import Case, Probe
from pipeline.verify.certificate import Check
from pipeline.verify.compare import GRADIENT, VALUE, Pair, close, identical
from pipeline.verify.poison import poisoned

_SUBJECTS = ("hidden", "kernel", "bias")


def one_number(case: Case) -> Iterator[Check]:
    """Every summed reduction, value and gradients: fused = projection, then `sequence_loss_sum`."""
    kernel, bias = case.model.network.projection()
    values, gradients = [], []
    for reduction in measure.SUMMED:
        got = _fused(case.probe, kernel, bias, reduction)
        wanted = _plain(case.probe, kernel, bias, reduction)
        nats = measure.nats(case.probe, reduction)
        values.append(Pair(reduction, got[0], wanted[0], nats))
        rounding = _rounding(case.probe, kernel, reduction)
        gradients += [
            Pair(f"{reduction} to {name}", ours, theirs, nats)
            for name, ours, theirs, nats in zip(
                _SUBJECTS, got[1:], wanted[1:], rounding, strict=True
            )
        ]
    size = case.probe.size
    yield close(4, "fused = plain: loss, summed reductions", values, relative=VALUE, size=size)
    yield close(
        4,
        "fused = plain: gradients to states and projection",
        gradients,
        relative=GRADIENT,
        size=size,
    )


def poison(case: Case) -> Iterator[Check]:
    """NaN and Inf in hidden states at weight 0, which a matmul would spread."""
    kernel, bias = case.model.network.projection()
    clean = case.probe.longer(case.random())
    dirty = poisoned(clean, case.random())
    pairs = [
        Pair(name, got, wanted)
        for name, got, wanted in zip(
            ("loss", *_SUBJECTS),
            _fused(dirty, kernel, bias, "token_mean"),
            _fused(clean, kernel, bias, "token_mean"),
            strict=True,
        )
    ]
    compared = f"fused: poisoned states at {clean.masked:,} masked positions"
    yield identical(2, compared, pairs, size=clean.size)


def _fused(probe: Probe, kernel: Any, bias: Any, reduction: str) -> list[np.ndarray]:
    def total(hidden: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
        keywords = _keywords(probe, reduction)
        return loss.linear_sequence_loss(
            hidden, kernel, bias, probe.targets, probe.weights, **keywords
        ).mean

    return _value_and_gradients(total, probe, kernel, bias)


def _plain(probe: Probe, kernel: Any, bias: Any, reduction: str) -> list[np.ndarray]:
    def total(hidden: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
        logits = tf.tensordot(hidden, kernel, axes=1) + bias
        keywords = _keywords(probe, reduction)
        return loss.sequence_loss_sum(logits, probe.targets, probe.weights, **keywords).mean

    return _value_and_gradients(total, probe, kernel, bias)


def _value_and_gradients(total: Any, probe: Probe, kernel: Any, bias: Any) -> list[np.ndarray]:
    subjects = [tf.constant(probe.hidden), tf.identity(kernel), tf.identity(bias)]
    with tf.GradientTape() as tape:
        tape.watch(subjects)
        value = total(*subjects)
    gradients = tape.gradient(value, subjects, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return [value.numpy(), *(tf.convert_to_tensor(each).numpy() for each in gradients)]


def _rounding(probe: Probe, kernel: Any, reduction: str) -> tuple[float, float, float]:
    """What the softmax's rounding amounts to in the gradients to states, kernel and bias."""
    one = measure.gradient_nats(probe, reduction)
    many = one * float(np.sqrt(max(1, probe.size.tokens)))
    return one * float(np.abs(kernel).max()), many * float(np.abs(probe.hidden).max()), many


def _keywords(probe: Probe, reduction: str) -> dict[str, Any]:
    lengths = {"target_lengths": probe.lengths} if reduction == "length_mean" else {}
    return {"reduction": reduction} | lengths
