"""A batch for `linear_sequence_loss`, and its loss and gradients by way of the logits."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from components.sequence_loss import linear_sequence_loss, sequence_loss_sum

B, T, V, D = 4, 6, 13, 5
LENGTHS = (6, 3, 0, 5)
SUMS = ("token_mean", "token_sum", "example_mean", "batch_mean", "length_mean", "nonzero_mean")
TOLERANCE = {"float64": 1e-13, "float32": 2e-6}
Found = dict[str, np.ndarray]
Loss = Callable[..., Any]


@dataclasses.dataclass(frozen=True)
class Case:
    """hidden [B, T, D], kernel [D, V], bias [V] or None, targets [B, T], weights [B, T], lengths [B].

    What is left of them is float64; `found` casts.
    """

    hidden: np.ndarray
    kernel: np.ndarray
    bias: np.ndarray | None
    targets: np.ndarray
    weights: np.ndarray
    lengths: np.ndarray

    def but(self, **changes: Any) -> "Case":
        return dataclasses.replace(self, **changes)

    @property
    def dead(self) -> np.ndarray:
        return self.weights == 0


def case(
    seed: int = 0,
    lengths: Sequence[int] = LENGTHS,
    *,
    width: int = T,
    classes: int = V,
    features: int = D,
    bias: bool = True,
    values: Sequence[float] = (0.0, 0.25, 0.5, 1.0, 2.0),
    scale: float = 1.0,
) -> Case:
    """Unequal logits and weights; holes inside the lengths, nothing past them."""
    random = np.random.default_rng(seed)
    shape = len(lengths), width
    return Case(
        hidden=random.normal(size=(*shape, features)) * scale,
        kernel=random.normal(size=(features, classes)),
        bias=random.normal(size=classes) if bias else None,
        targets=random.integers(0, classes, size=shape),
        weights=random.choice(values, size=shape)
        * (np.arange(width) < np.reshape(lengths, [-1, 1])),
        lengths=np.array(lengths, np.int64),
    )


def fused(hidden, kernel, bias, targets, weights, **options):
    """The loss under test."""
    return linear_sequence_loss(hidden, kernel, bias, targets, weights, **options)


def on_logits(
    hidden, kernel, bias, targets, weights, *, transpose_kernel=False, chunk_tokens=None, **options
):
    """What it must equal."""
    logits = tf.matmul(hidden, kernel, transpose_b=transpose_kernel)
    logits = logits if bias is None else logits + bias
    return sequence_loss_sum(logits, targets, weights, **options)


def step(loss: Loss, *, reduction: str = "token_mean", **options: Any) -> Callable[..., Any]:
    """Tensors -> mean, numerator, denominator and the mean's gradients by name."""

    def compute(hidden, kernel, bias, targets, weights, lengths):
        inputs = {"hidden": hidden, "kernel": kernel, "bias": bias, "weights": weights}
        inputs = {name: x for name, x in inputs.items() if x is not None and x.dtype.is_floating}
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            lengths = lengths if reduction == "length_mean" else None
            total = loss(
                hidden, kernel, bias, targets, weights,
                reduction=reduction, target_lengths=lengths, **options,
            )  # fmt: skip
            mean = total.mean
        found = {"mean": mean, "numerator": total.numerator}
        if total.denominator is not None:
            found["denominator"] = total.denominator
        return found | tape.gradient(mean, inputs)

    return compute


@functools.cache
def compiled(loss: Loss, mode: str, reduction: str, options: tuple) -> Callable[..., Any]:
    """`step`, traced once for each shape unless eager."""
    compute = step(loss, reduction=reduction, **dict(options))
    if mode == "eager":
        return compute
    return tf.function(compute, jit_compile=mode == "xla", autograph=False)


def tensors(arrays: Case, dtype: str, *, transposed: bool = False) -> list:
    """What the losses take: floats in `dtype`, ids int32."""
    kernel = arrays.kernel.T if transposed else arrays.kernel
    floats = [arrays.hidden, kernel, arrays.bias, arrays.weights]
    hidden, kernel, bias, weights = (x if x is None else tf.constant(x, dtype) for x in floats)
    ids = tf.constant(arrays.targets, tf.int32)
    return [hidden, kernel, bias, ids, weights, tf.constant(arrays.lengths)]


def found(
    arrays: Case,
    loss: Loss = fused,
    *,
    dtype: str = "float64",
    mode: str = "eager",
    reduction: str = "token_mean",
    **options: Any,
) -> Found:
    """Value and gradients as float64; the kernel's gradient always [D, V]."""
    transposed = options.get("transpose_kernel", False)
    compute = compiled(loss, mode, reduction, tuple(sorted(options.items())))
    results = compute(*tensors(arrays, dtype, transposed=transposed))
    arrays = {name: tf.cast(x, tf.float64).numpy() for name, x in results.items()}
    if transposed:
        arrays["kernel"] = arrays["kernel"].T
    return arrays


def wanted(arrays: Case, *, dtype: str = "float64", **options: Any) -> Found:
    """By way of the logits in float64, from inputs rounded to `dtype`."""

    def rounded(x: np.ndarray | None) -> np.ndarray | None:
        return x if x is None else tf.cast(tf.constant(x, dtype), tf.float64).numpy()

    names = ("hidden", "kernel", "bias", "weights")
    arrays = arrays.but(**{name: rounded(getattr(arrays, name)) for name in names})
    return found(arrays, on_logits, **options)


def assert_same(got: Found, expected: Found, arrays: Case, tolerance: float) -> None:
    """All entries, relative to each one's largest element; weights where they are not 0."""
    assert got.keys() == expected.keys()
    for name, array in expected.items():
        live = ~arrays.dead if name == "weights" else np.ones(array.shape, bool)
        bound = tolerance * np.abs(array[live]).max(initial=0.0) + 1e-300
        np.testing.assert_allclose(got[name][live], array[live], rtol=0, atol=bound, err_msg=name)


def assert_bitwise(got: Found, expected: Found) -> None:
    assert got.keys() == expected.keys()
    for name, array in expected.items():
        assert np.isfinite(array).all(), name
        np.testing.assert_array_equal(got[name], array, err_msg=name)
