"""What is refused and how clearly; the originals' recorded errors are the list of what must be."""

import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from components.sequence_loss import (
    SequenceLoss,
    check_finite,
    compat,
    nonfinite_examples,
    sequence_loss,
    sequence_loss_sum,
    token_cross_entropy,
)

B, T, V = 3, 5, 10
ERRORS = pathlib.Path(__file__).resolve().parents[2] / "golden" / "errors.json"
RANDOM = np.random.default_rng(5)
X = tf.constant(RANDOM.normal(size=(B, T, V)), tf.float32)
Y = tf.constant(RANDOM.integers(0, V, size=(B, T)), tf.int32)
W = tf.constant(RANDOM.choice([0.5, 1.0, 2.0], size=(B, T)), tf.float32)


def with_id(value, dtype=tf.int32):
    """Targets with `value` at example 1, position 2."""
    return tf.cast(tf.tensor_scatter_nd_update(Y, [[1, 2]], [value]), dtype)


def zero_at(weights):
    """Weights with 0 at example 1, position 2."""
    return tf.tensor_scatter_nd_update(weights, [[1, 2]], [0.0])


def positional(a, b):
    """A custom function without the argument names of TF 1."""
    return tf.reduce_sum(b, -1)


# id in errors.json, after contrib. or tfa. -> what the call is given
BATCH = {
    "type.weights_none": (X, Y, None),
    "rank.logits0": (X[0, 0, 0], Y, W),
    "rank.logits2": (X[0], Y, W),
    "rank.logits4": (X[None], Y, W),
    "rank.targets1": (X, Y[0], W),
    "rank.targets3": (X, tf.one_hot(Y, V), W),
    "rank.targets4": (X, tf.one_hot(Y, V)[None], W),
    "rank.weights0": (X, Y, tf.constant(1.0)),
    "rank.weights1": (X, Y, W[0]),
    "rank.weights3": (X, Y, W[None]),
    "rank.all_wrong": (X[0], Y[0], W[0]),
    "dtype.targets_float": (X, tf.cast(Y, tf.float32), W),
    "dtype.targets_int8": (X, tf.cast(Y, tf.int8), W),
    "dtype.targets_uint8": (X, tf.cast(Y, tf.uint8), W),
    "dtype.targets_int16": (X, tf.cast(Y, tf.int16), W),
    "dtype.targets_uint16": (X, tf.cast(Y, tf.uint16), W),
    "dtype.targets_bool": (X, Y > 1, W),
    "dtype.weights_int32": (X, Y, tf.ones_like(Y)),
    "dtype.weights_bool": (X, Y, W > 0),
    "dtype.weights_float64": (X, Y, tf.cast(W, tf.float64)),
    "dtype.logits_int32": (tf.cast(X, tf.int32), Y, W),
    "dtype.logits_float64": (tf.cast(X, tf.float64), Y, W),
    "mismatch.targets_T": (X, Y[:, 1:], W),
    "mismatch.targets_B": (X, Y[1:], W),
    "mismatch.weights_T": (X, Y, W[:, 1:]),
    "mismatch.weights_B": (X, Y, W[1:]),
    "mismatch.weights_B1": (X, Y, W[:, :1]),
    "mismatch.weights_1T": (X, Y, W[:1]),
    "mismatch.logits_T": (X[:, 1:], Y, W),
    "accepts.weights_transposed": (X, Y, tf.transpose(W)),
    "accepts.weights_1x1": (X, Y, W[:1, :1]),
    "accepts.weights_1xBT": (X, Y, tf.reshape(W, [1, -1])),
    "accepts.targets_transposed": (X, tf.transpose(Y), W),
    "range.eq_V": (X, with_id(V), W),
    "range.minus1": (X, with_id(-1), W),
    "range.huge": (X, with_id(1_000_000), W),
    "range.int64": (X, with_id(-1, tf.int64), W),
    "custom.positional_names": (X, Y, W, {"softmax_loss_function": positional}),
    "custom.wrong_size": (
        X, Y, W, {"softmax_loss_function": lambda labels, logits: tf.reduce_sum(logits)}
    ),
    "custom.rank2": (X, Y, W, {"softmax_loss_function": lambda labels, logits: logits[:, :1]}),
}  # fmt: skip
STEPS = [tf.unstack(x, axis=1) for x in (X, Y, W)]
BATCH["type.lists"] = tuple(STEPS)
LISTS = {
    "type.tensors3d": (X, Y, W),
    "type.tensors3d_int_weights_like": (X, tf.cast(Y, tf.float32), W),
    "type.numpy_arrays": (X.numpy(), Y.numpy(), W.numpy()),
    "type.weights_none": (STEPS[0], STEPS[1], None),
    "lengths.logits": (STEPS[0][1:], STEPS[1], STEPS[2]),
    "lengths.targets": (STEPS[0], STEPS[1][1:], STEPS[2]),
    "lengths.weights": (STEPS[0], STEPS[1], STEPS[2][1:]),
    "lengths.all3": (STEPS[0], STEPS[1][1:], STEPS[2][2:]),
    "empty_lists": ([], [], []),
    "rank.logit3": ([x[None] for x in STEPS[0]], STEPS[1], STEPS[2]),
    "rank.logit1": ([x[0] for x in STEPS[0]], STEPS[1], STEPS[2]),
    "rank.weight_B1": (STEPS[0], STEPS[1], [w[:, None] for w in STEPS[2]]),
    "mismatch.target_B": (STEPS[0], [y[1:] for y in STEPS[1]], STEPS[2]),
    "mismatch.weight_B": (STEPS[0], STEPS[1], [w[1:] for w in STEPS[2]]),
    "mismatch.weight_one_step": (STEPS[0], STEPS[1], [STEPS[2][0][:1], *STEPS[2][1:]]),
    "dtype.targets_float": (STEPS[0], [tf.cast(y, tf.float32) for y in STEPS[1]], STEPS[2]),
    "dtype.targets_int16": (STEPS[0], [tf.cast(y, tf.int16) for y in STEPS[1]], STEPS[2]),
    "dtype.weights_int32": (STEPS[0], STEPS[1], [tf.ones_like(y) for y in STEPS[1]]),
    "dtype.weights_bool": (STEPS[0], STEPS[1], [w > 0 for w in STEPS[2]]),
    "dtype.weights_float64": (STEPS[0], STEPS[1], [tf.cast(w, tf.float64) for w in STEPS[2]]),
    "range.eq_V": (STEPS[0], tf.unstack(with_id(V), axis=1), STEPS[2]),
    "range.minus1": (STEPS[0], tf.unstack(with_id(-1), axis=1), STEPS[2]),
    "kwargs.sum_over_timesteps": (*STEPS, {"sum_over_timesteps": True}),
    "kwargs.average_across_batch": (*STEPS, {"average_across_batch": True}),
    "custom.positional_names": (*STEPS, {"softmax_loss_function": positional}),
}
TABLES = {
    "contrib": (compat.contrib_sequence_loss, BATCH),
    "tfa": (compat.addons_sequence_loss, BATCH),
    "byex": (compat.legacy_sequence_loss_by_example, LISTS),
    "legacy": (compat.legacy_sequence_loss, LISTS),
}
# Recorded errors without a counterpart: (prefix of the id, why).
ELSEWHERE = (
    ("missing.", "attribute access in old TensorFlow"),
    ("tfa.missing.", "attribute access in Addons"),
    ("SequenceLoss.", "the class; ours is tested in test_loss_keras.py"),
    ("contrib.type.numpy", "accepted"),
    ("tfa.type.python_lists", "accepted"),
    ("byex.type.tuple_and_list", "accepted"),
    ("legacy.type.tuple_and_list", "accepted"),
    ("tfa.custom.one_hot_targets", "accepted"),
    ("contrib.empty.V0", "below"),
    ("contrib.mismatch.dynamic", "below"),
    ("contrib.rank.unknown", "below"),
)


def subject(identifier):
    """`mismatch.targets_T` of `contrib.mismatch.targets_T.avgT-avgB`."""
    _, _, rest = identifier.partition(".")
    return ".".join(rest.split(".")[:2])


def recorded(wanted):
    """The rows of errors.json whose outcome is `wanted`."""
    rows = json.loads(ERRORS.read_text())["rows"]
    return [row for row in rows if row["outcome"] == wanted]


def invoke(identifier):
    """Our counterpart of a recorded call."""
    function, table = TABLES[identifier.partition(".")[0]]
    logits, targets, weights, *options = table[subject(identifier)]
    return function(logits, targets, weights, **(options[0] if options else {}))


def flags_of(identifier):
    """The four flags of `tfa.flags.0110`."""
    names = ["average_across_timesteps", "average_across_batch"]
    names += ["sum_over_timesteps", "sum_over_batch"]
    return dict(zip(names, (digit == "1" for digit in identifier[-4:]), strict=True))


def test_every_recorded_error_is_an_error_here():
    """Same type as TF 1's graph mode; one line that says what it got and what it expected."""
    seen = 0
    for row in recorded("error"):
        identifier = row["id"]
        if identifier.startswith(tuple(prefix for prefix, _ in ELSEWHERE)):
            continue
        if ".flags." in identifier or "at_zero_weight" in identifier:
            continue  # their own tests
        kinds = {
            "AttributeError": TypeError,
            "InvalidArgumentError": (TypeError, ValueError, tf.errors.InvalidArgumentError),
        }
        wanted = (
            kinds.get(row["error_type"])
            or {"TypeError": TypeError, "ValueError": ValueError}[row["error_type"]]
        )
        if "numpy_arrays" in identifier:
            wanted = TypeError  # ValueError from NumPy, by accident
        with pytest.raises(wanted) as caught:
            invoke(identifier)
        message = str(caught.value)
        assert "\n" not in message, identifier
        if "custom.positional" not in identifier and "kwargs" not in identifier:
            assert "got" in message, (identifier, message)
        seen += 1
    assert seen > 120


@pytest.mark.parametrize(
    "identifier",
    [
        "contrib.accepts.weights_transposed",
        "contrib.accepts.weights_1x1",
        "contrib.accepts.weights_1xBT",
        "contrib.accepts.targets_transposed",
        "contrib.custom.wrong_size",
        "contrib.custom.rank2",
        "tfa.accepts.weights_transposed",
        "tfa.accepts.weights_1x1",
        "tfa.accepts.targets_transposed",
        "byex.rank.weight_B1",
        "legacy.rank.weight_B1",
    ],
)
def test_silently_wrong_numbers_are_errors_here(identifier):
    with pytest.raises(ValueError, match=r"got .* expected"):
        invoke(identifier)


def test_flags_are_accepted_and_refused_as_recorded():
    rows = [row for row in recorded("ok") + recorded("error") if ".flags." in row["id"]]
    assert len(rows) >= 32
    for row in rows:
        function, _ = TABLES[row["id"].partition(".")[0]]
        if row["outcome"] == "error":
            with pytest.raises(ValueError, match="got both True, expected one"):
                function(X, Y, W, **flags_of(row["id"]))
        else:
            got = function(X, Y, W, **flags_of(row["id"]))
            assert got.shape == np.shape(row["result"])


@pytest.mark.parametrize(
    ("logits", "targets", "weights", "error", "words"),
    [
        (X, Y, tf.transpose(W), ValueError, r"weights: got float32 \[5, 3\], expected \[B, T\]"),
        (X, Y, W[:, :1], ValueError, r"weights: got float32 \[3, 1\].*float32 \[3, 5, 10\]"),
        (X, Y, W[0], ValueError, r"weights: got float32 \[5\]"),
        (X, Y, tf.constant("a"), TypeError, "weights: got string"),
        (X, tf.cast(Y, tf.float32), W, TypeError, "targets: got float32.*integer ids"),
        (X, Y[..., None], W, ValueError, r"targets: got int32 \[3, 5, 1\]"),
        (X, tf.transpose(Y), W, ValueError, r"targets: got int32 \[5, 3\]"),
        (X[0], Y, W, ValueError, r"logits: got float32 \[5, 10\], expected rank 3"),
        (Y[..., None], Y, W, TypeError, "logits: got int32"),
        (None, Y, W, TypeError, "logits: got None"),
        (STEPS[0], Y, W, TypeError, "logits: got a list of 5 tensors.*axis=1"),
        (tuple(X.numpy()), Y, W, TypeError, "logits: got a list of 3 tensors"),
        (X, Y, W[:1, :1], ValueError, r"weights: got float32 \[1, 1\]"),
        (X, Y, tf.reshape(W, [1, -1]), ValueError, r"weights: got float32 \[1, 15\]"),
        (X, None, W, TypeError, "targets: got None"),
    ],
)
def test_bad_arguments(logits, targets, weights, error, words):
    for function in (sequence_loss, sequence_loss_sum):
        with pytest.raises(error, match=words):
            function(logits, targets, weights)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"reduction": "mean"}, "reduction: got 'mean', expected one of token_mean"),
        ({"reduction": "length_mean"}, "needs target_lengths"),
        ({"label_smoothing": 1.0}, "label_smoothing: got 1.0"),
        ({"z_loss": -1.0}, "z_loss: got -1.0"),
        ({"z_loss": 0.1, "from_logits": False}, "z_loss: needs logits"),
        ({"label_smoothing": 0.1, "softmax_loss_function": positional}, "would be ignored"),
        ({"target_lengths": [1, 2, 3]}, "lengths mask nothing under 'token_mean'"),
        ({"reduction": "length_mean", "target_lengths": [1, 2]}, r"target_lengths: got int32 \[2"),
    ],
)
def test_bad_options(options, words):
    with pytest.raises(ValueError, match=words):
        sequence_loss(X, Y, **options)


@pytest.mark.parametrize("reduction", ["none", "per_example", "per_example_sum"])
def test_only_scalars_have_sums(reduction):
    with pytest.raises(ValueError, match=f"got '{reduction}', which keeps a dimension"):
        sequence_loss_sum(X, Y, W, reduction=reduction)


@pytest.mark.parametrize("wrap", [lambda f: f, lambda f: tf.function(f, autograph=False)])
@pytest.mark.parametrize("bad", [-1, V, 10**6])
def test_live_id_out_of_range_names_its_place(wrap, bad):
    words = r"target id .* example\]? \[?1\]?,? \[?position\]? \[?2\]?,? \[?got\]? \[?" + str(bad)
    for function in (
        lambda: sequence_loss(X, with_id(bad), W),
        lambda: token_cross_entropy(X, with_id(bad)),
        lambda: compat.contrib_sequence_loss(X, with_id(bad), W),
    ):
        with pytest.raises(tf.errors.InvalidArgumentError, match=words):
            wrap(function)()
    assert np.isfinite(sequence_loss(X, with_id(bad), zero_at(W)))


@pytest.mark.parametrize("wrap", [lambda f: f, lambda f: tf.function(f, autograph=False)])
def test_live_nonfinite_loss_names_its_place(wrap):
    broken = tf.tensor_scatter_nd_update(X, [[1, 2, 0]], [np.nan])
    words = r"non-finite loss .* example\]? \[?1\]?,? \[?position\]? \[?2"
    with pytest.raises(tf.errors.InvalidArgumentError, match=words):
        wrap(lambda: sequence_loss(broken, Y, W))()
    assert np.isfinite(wrap(lambda: sequence_loss(broken, Y, zero_at(W)))())
    losses = compat.contrib_sequence_loss(broken, Y, W, False, False)
    with pytest.raises(tf.errors.InvalidArgumentError, match=words):
        wrap(lambda: check_finite(losses, W))()
    assert nonfinite_examples(losses, W).numpy().tolist() == [False, True, False]


def test_under_xla_the_result_is_the_flag():
    compiled = tf.function(lambda y, w: sequence_loss(X, y, w), jit_compile=True)
    assert np.isnan(compiled(with_id(V), W))
    assert np.isfinite(compiled(with_id(V), zero_at(W)))


def test_shapes_known_only_at_run_time():
    unknown = [tf.TensorSpec([None, None, None]), tf.TensorSpec([None, None], tf.int32)]
    loss = tf.function(sequence_loss, [*unknown, tf.TensorSpec([None, None])])
    np.testing.assert_allclose(loss(X, Y, W), sequence_loss(X, Y, W), rtol=1e-6)
    for weights in (W[:, :1], tf.transpose(W), W[:1]):
        with pytest.raises(tf.errors.InvalidArgumentError, match="weights: got shape"):
            loss(X, Y, weights)
    for lost in range(3):
        specs = [*unknown, tf.TensorSpec([None, None])]
        specs[lost] = tf.TensorSpec(None, specs[lost].dtype)
        with pytest.raises(ValueError, match="of unknown rank"):
            tf.function(sequence_loss, specs).get_concrete_function()


def test_no_classes():
    with pytest.raises(tf.errors.InvalidArgumentError, match="target id outside the vocabulary"):
        compat.contrib_sequence_loss(X[..., :0], Y, W)


def test_negative_length_is_an_error():
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"negative length: example 1.* got -2"
    ):
        sequence_loss(X, Y, W, reduction="length_mean", target_lengths=[1, -2, 3])


def test_keras_loss_has_no_length_mean():
    with pytest.raises(ValueError, match="'length_mean' needs target_lengths"):
        SequenceLoss(reduction="length_mean")
