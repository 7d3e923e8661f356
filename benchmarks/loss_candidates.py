"""The losses that are compared: each a function () -> (loss, d_hidden, d_kernel, d_bias).

The peers are written as their users write them, on the logits `[B, T, V]` of a Dense layer.
"""

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.cases import Case

Run = Callable[[], list[Any]]


def make(name: str, case: Case, *, chunk_tokens: int | None = None) -> Run:
    """The candidate, ready: data in memory, graph traced, nothing of the case's size run yet."""
    if name.startswith("torch"):
        return importlib.import_module("benchmarks.torch_candidates").make(name, case)
    if name == "float64 reference":
        return lambda: _reference(case)
    return _make_tensorflow(name, case, chunk_tokens)


def _make_tensorflow(name: str, case: Case, chunk_tokens: int | None) -> Run:
    import tensorflow as tf

    data: dict[str, Any] = {key: tf.constant(array) for key, array in case.arrays().items()}
    base = name.removesuffix(" xla")
    if base.startswith("matmul"):
        arguments, function = _matmul(tf, base.removeprefix("matmul "), case, data)
    else:
        loss = {"keras": _keras, "addons": _addons, "fused": _fused}[base.split()[0]](
            tf, base, chunk_tokens
        )
        arguments = [data[key] for key in ("hidden", "kernel", "bias", "targets", "weights")]
        function = _with_gradient(tf, loss)
    traced = tf.function(function, autograph=False, jit_compile=name.endswith("xla"))
    if not name.endswith("xla"):
        traced.get_concrete_function(*arguments)
    tf.linalg.matmul(tf.ones([256, 256]), tf.ones([256, 256])).numpy()  # the thread pool exists

    def run() -> list[Any]:
        results = traced(*arguments)
        results[0].numpy()  # done, not only started
        return results

    return run


def _with_gradient(tf: Any, loss: Callable[..., Any]) -> Callable[..., list[Any]]:
    def function(hidden: Any, kernel: Any, bias: Any, targets: Any, weights: Any) -> list[Any]:
        with tf.GradientTape() as tape:
            tape.watch([hidden, kernel, bias])
            value = loss(hidden, kernel, bias, targets, weights)
        return [value, *tape.gradient(value, [hidden, kernel, bias])]

    return function


def _keras(tf: Any, *_: Any) -> Callable[..., Any]:
    """Keras's loss with the one reduction that divides by the weights."""
    import keras

    loss = keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, reduction="mean_with_sample_weight"
    )
    return lambda hidden, kernel, bias, targets, weights: loss(
        targets, tf.matmul(hidden, kernel) + bias, sample_weight=weights
    )


def _addons(tf: Any, *_: Any) -> Callable[..., Any]:
    """`tfa.seq2seq.sequence_loss` with its default flags: on flattened logits, masked afterwards."""

    def loss(hidden: Any, kernel: Any, bias: Any, targets: Any, weights: Any) -> Any:
        logits = tf.matmul(hidden, kernel) + bias
        flat = tf.reshape(weights, [-1])
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels=tf.reshape(targets, [-1]), logits=tf.reshape(logits, [-1, tf.shape(logits)[2]])
        )
        return tf.math.divide_no_nan(tf.reduce_sum(losses * flat), tf.reduce_sum(flat))

    return loss


def _fused(tf: Any, name: str, chunk_tokens: int | None) -> Callable[..., Any]:
    from components.sequence_loss import linear_sequence_loss

    options: dict[str, Any] = {"compute_dtype": name.split()[1], "chunk_tokens": chunk_tokens}
    return lambda *arguments: linear_sequence_loss(*arguments, **options).mean


def _matmul(tf: Any, dtype: str, case: Case, data: dict[str, Any]) -> tuple[list[Any], Any]:
    """The three products that no exact loss can do without, on the real positions, whole."""
    real = tf.cast(tf.boolean_mask(data["hidden"], data["weights"] > 0), dtype)  # [N, D]
    kernel = tf.cast(data["kernel"], dtype)
    random = np.random.default_rng(2).standard_normal((case.real, case.classes), dtype=np.float32)

    def function(hidden: Any, kernel: Any, gradient: Any) -> list[Any]:
        return [
            tf.matmul(hidden, kernel),
            tf.matmul(gradient, kernel, transpose_b=True),
            tf.matmul(hidden, gradient, transpose_a=True),
        ]

    return [real, kernel, tf.cast(random, dtype)], function


def _reference(case: Case) -> list[Any]:
    """float64 NumPy, row by row blocks: what the others are compared with."""
    data: dict[str, Any] = {key: value.astype(np.float64) for key, value in case.arrays().items()}
    weights = data["weights"].reshape(-1)
    hidden = data["hidden"].reshape(-1, case.features)
    targets = case.arrays()["targets"].reshape(-1)
    total, d_hidden = 0.0, np.zeros_like(hidden)
    d_kernel, d_bias = np.zeros_like(data["kernel"]), np.zeros_like(data["bias"])
    for rows in np.array_split(np.flatnonzero(weights), 16):
        logits = hidden[rows] @ data["kernel"] + data["bias"]
        logits -= logits.max(axis=1, keepdims=True)
        powers = np.exp(logits)
        total += (np.log(powers.sum(axis=1)) - logits[np.arange(len(rows)), targets[rows]]).sum()
        gradient = powers / powers.sum(axis=1, keepdims=True)
        gradient[np.arange(len(rows)), targets[rows]] -= 1
        gradient /= weights.sum()
        d_hidden[rows] = gradient @ data["kernel"].T
        d_kernel += hidden[rows].T @ gradient
        d_bias += gradient.sum(axis=0)
    return [total / weights.sum(), d_hidden.reshape(data["hidden"].shape), d_kernel, d_bias]
