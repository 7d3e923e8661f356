"""What `linear_sequence_loss` refuses, and how clearly."""

import numpy as np
import pytest
import tensorflow as tf

from components.sequence_loss import linear_sequence_loss, linear_sequence_loss_parts

B, T, V, D = 3, 4, 7, 5
RANDOM = np.random.default_rng(41)
GOOD = {
    "hidden": tf.constant(RANDOM.normal(size=(B, T, D)), tf.float32),
    "kernel": tf.constant(RANDOM.normal(size=(D, V)), tf.float32),
    "bias": tf.constant(RANDOM.normal(size=V), tf.float32),
    "targets": tf.constant(RANDOM.integers(0, V, size=(B, T))),
    "weights": tf.constant(RANDOM.choice([0.5, 1, 2], size=(B, T)), tf.float32),
}
LOSSES = pytest.mark.parametrize("loss", [linear_sequence_loss, linear_sequence_loss_parts])
MODES = pytest.mark.parametrize("mode", ["eager", "graph"])
SHAPED = "which keeps a dimension and so has no sum to add up"
X, K, Y, W = (GOOD[name] for name in ("hidden", "kernel", "targets", "weights"))
# changed argument, its value, the error, what its message says
REFUSED = [
    ("hidden", None, TypeError, r"hidden: got None, expected a floating tensor \[B, T, D\]"),
    ("hidden", X[0], ValueError, r"hidden: got float32 \[4, 5\], expected rank 3: \[B, T, D\]"),
    ("hidden", X[None], ValueError, r"hidden: got float32 \[1, 3, 4, 5\], expected rank 3"),
    ("hidden", tf.cast(X, tf.int32), TypeError, r"hidden: got int32 .*, expected a floating dtype"),
    ("hidden", X[..., :4], ValueError, r"kernel: got float32 \[5, 7\], expected \[D, V\] with the D of"
     r" hidden float32 \[3, 4, 4\]"),
    ("kernel", None, TypeError, r"kernel: got None, expected a floating tensor \[D, V\]"),
    ("kernel", tf.transpose(K), ValueError, r"kernel: got float32 \[7, 5\], expected \[D, V\] with"),
    ("kernel", K[0], ValueError, r"kernel: got float32 \[7\], expected rank 2: \[D, V\]"),
    ("kernel", tf.cast(K, tf.int64), TypeError, r"kernel: got int64 \[5, 7\], expected a floating"),
    ("transpose_kernel", True, ValueError, r"kernel: got float32 \[5, 7\], expected \[V, D\] with"),
    ("bias", GOOD["bias"][:6], ValueError, r"bias: got float32 \[6\], expected \[V\] of kernel"),
    ("bias", 0.0, ValueError, r"bias: got float32 \[\], expected rank 1: \[V\] or None"),
    ("bias", tf.zeros([V], tf.int32), TypeError, r"bias: got int32 \[7\], expected a floating"),
    ("targets", None, TypeError, r"targets: got None, expected integer ids \[B, T\]"),
    ("targets", tf.one_hot(Y, V), ValueError, r"targets: got .*\[3, 4, 7\], expected ids \[B, T\];"
     r" distributions need the logits: use sequence_loss"),
    ("targets", tf.cast(Y, tf.float32), TypeError, r"targets: got float32 \[3, 4\], expected integer"),
    ("targets", Y[:, :3], ValueError, r"targets: got int64 \[3, 3\], expected \[B, T\] of hidden"),
    ("targets", Y[0], ValueError, r"targets: got int64 \[4\], expected \[B, T\] of hidden float32"),
    ("weights", W[:, :1], ValueError, r"weights: got float32 \[3, 1\], expected \[B, T\] of hidden"),
    ("weights", W[0], ValueError, r"weights: got float32 \[4\], expected \[B, T\] of hidden"),
    ("weights", tf.transpose(W), ValueError, r"weights: got float32 \[4, 3\], expected \[B, T\]"),
    ("weights", tf.cast(W, tf.complex64), TypeError, r"weights: got complex64 .* real or bool"),
    ("reduction", "mean", ValueError, r"reduction: got 'mean', expected one of none|token_mean"),
    ("reduction", "none", ValueError, SHAPED),
    ("reduction", "per_example", ValueError, SHAPED),
    ("reduction", "per_example_sum", ValueError, SHAPED),
    ("reduction", "length_mean", ValueError, "'length_mean' needs target_lengths"),
    ("target_lengths", [1.0, 2.0, 3.0], TypeError, r"target_lengths: got float32 \[3\], expected int"),
    ("target_lengths", [1, 2], ValueError, r"target_lengths: got int32 \[2\], expected \[B\] of hidden"),
    ("chunk_tokens", 0, ValueError, "chunk_tokens: got 0, expected a positive integer or None"),
    ("chunk_tokens", -4, ValueError, "chunk_tokens: got -4, expected a positive integer or None"),
    ("chunk_tokens", 2.0, TypeError, "chunk_tokens: got 2.0, expected a positive integer or None"),
    ("chunk_tokens", True, TypeError, "chunk_tokens: got True, expected a positive integer or None"),
    ("label_smoothing", 1.0, ValueError, "label_smoothing: got 1.0, expected 0 <= x < 1"),
    ("label_smoothing", -0.1, ValueError, "label_smoothing: got -0.1, expected 0 <= x < 1"),
    ("z_loss", -1.0, ValueError, "z_loss: got -1.0, expected >= 0"),
    ("compute_dtype", "float16", TypeError, "compute_dtype: got float16, expected one of float64"),
    ("compute_dtype", tf.int32, TypeError, "compute_dtype: got int32, expected one of float64"),
]  # fmt: skip


@LOSSES
@pytest.mark.parametrize(("name", "value", "error", "message"), REFUSED)
def test_refused(loss, name, value, error, message):
    with pytest.raises(error, match=message) as caught:
        loss(**{**GOOD, name: value})
    assert "\n" not in str(caught.value)


def test_lengths_without_weights():
    arguments = {**GOOD, "weights": None}
    with pytest.raises(ValueError, match="target_lengths without weights"):
        linear_sequence_loss(**arguments, target_lengths=[1, 2, 3])


def call(mode, **changes):
    """The numerator, eagerly or in a graph whose B and T are unknown."""
    arguments = {**GOOD, **changes}
    if mode == "eager":
        return linear_sequence_loss(**arguments).numerator
    tensors = {name: arguments.pop(name) for name in ("hidden", "targets", "weights")}
    compute = tf.function(
        lambda **x: linear_sequence_loss(**arguments, **x).numerator,
        autograph=False,
    )
    specs = {name: tf.TensorSpec([None] * len(x.shape), x.dtype) for name, x in tensors.items()}
    specs["hidden"] = tf.TensorSpec([None, None, D], tf.float32)
    return compute.get_concrete_function(**specs)(**tensors)


def at(tensor, value, place=(1, 2)):
    """`tensor` with `value` at example 1, position 2."""
    value = tf.broadcast_to(tf.cast(value, tensor.dtype), tensor.shape[2:])
    return tf.tensor_scatter_nd_update(tensor, [place], [value])


BANNED = tf.where(tf.range(V) == 3, -np.inf, GOOD["bias"])
PLACE = r"example\D*1\D.*position\D*2\D"
AT_RUN_TIME = {
    "id too large": ({"targets": at(Y, V)}, "target id outside the vocabulary.*" + PLACE + ".*7"),
    "id negative": ({"targets": at(Y, -1)}, "target id outside the vocabulary.*" + PLACE + ".*-1"),
    "nan hidden": ({"hidden": at(X, np.nan)}, "non-finite loss or weight.*" + PLACE),
    "inf hidden": ({"hidden": at(X, np.inf)}, "non-finite loss or weight.*" + PLACE),
    "nan weight": ({"weights": at(W, np.nan)}, "non-finite loss or weight.*" + PLACE + ".*nan"),
    "inf weight": ({"weights": at(W, np.inf)}, "non-finite loss or weight.*" + PLACE + ".*inf"),
    "banned target": (
        {"bias": BANNED, "targets": at(tf.where(Y == 3, tf.ones_like(Y), Y), 3)},
        "non-finite loss or weight.*" + PLACE + ".*inf",
    ),
    "regularised": (
        {"hidden": at(X, np.nan), "label_smoothing": 0.1, "z_loss": 0.1, "chunk_tokens": 2},
        "non-finite loss or weight.*" + PLACE,
    ),
    "forward only": ({"hidden": at(X, np.nan), "forward_only": True}, "non-finite.*" + PLACE),
}


@MODES
@pytest.mark.parametrize("name", AT_RUN_TIME)
def test_errors_that_name_the_place(name, mode):
    changes, message = AT_RUN_TIME[name]
    with pytest.raises(tf.errors.InvalidArgumentError, match="(?s)" + message):
        call(mode, **changes)
    zero = at(changes.get("weights", W), 0.0)
    assert np.isfinite(call(mode, **{**changes, "weights": zero}))


@pytest.mark.parametrize(
    ("name", "value"),
    [("weights", W[:, :1]), ("weights", W[:1]), ("targets", Y[:, :3]), ("targets", Y[:2])],
)
def test_shapes_that_differ_only_at_run_time(name, value):
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"{name}: got shape"):
        call("graph", **{name: value})


@MODES
def test_negative_lengths(mode):
    with pytest.raises(tf.errors.InvalidArgumentError, match="target_lengths: negative length"):
        call(mode, target_lengths=[1, -2, 3], reduction="length_mean")


def test_xla_cannot_raise_but_is_not_finite():
    """One compilation; the same batch with weight 0 at the place is finite."""

    @tf.function(jit_compile=True, autograph=False)
    def compute(hidden, bias, targets, weights):
        arguments = {"hidden": hidden, "bias": bias, "targets": targets, "weights": weights}
        parts = linear_sequence_loss_parts(**{**GOOD, **arguments}, chunk_tokens=5)
        return parts.total.mean, parts.plain.mean

    for name, (changes, _) in AT_RUN_TIME.items():
        good = [GOOD[field] for field in ("hidden", "bias", "targets", "weights")]
        given = dict(zip(("hidden", "bias", "targets", "weights"), good, strict=True))
        given |= {field: x for field, x in changes.items() if field in given}
        assert not np.isfinite(compute(**given)).any(), name
        given["weights"] = at(given["weights"], 0.0)
        assert np.isfinite(compute(**given)).all(), name


@MODES
@pytest.mark.parametrize("name", ["hidden", "kernel", "bias", "weights"])
def test_forward_only_has_no_gradient(name, mode):
    """An error, not a silent None that would leave a variable untrained."""

    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            mean = linear_sequence_loss(**{**GOOD, name: x}, forward_only=True).mean
        return tape.gradient(mean, x)

    compute = gradient if mode == "eager" else tf.function(gradient, autograph=False)
    with pytest.raises(LookupError, match="linear_sequence_loss: forward_only=True"):
        compute(GOOD[name])
