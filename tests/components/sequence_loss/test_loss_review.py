"""What a reviewer found: narrow integers, weights that are no number, arguments that are no tensor."""

import json

import numpy as np
import pytest
import tensorflow as tf

from components.sequence_loss import (
    LossSum,
    SampledSoftmax,
    SequenceLoss,
    compat,
    nonfinite_examples,
    per_segment_weights,
    sequence_loss,
    sequence_loss_parts,
    sequence_weights,
)

NAN, INF = float("nan"), float("inf")
RANDOM = np.random.default_rng(7)
X = RANDOM.normal(size=(2, 3, 5)).astype("float32")
Y = np.array([[1, 2, 3], [4, 0, 1]])
W = np.array([[1, 2, 0.5], [0.25, 0, 0]], "float32")


@pytest.mark.parametrize(
    ("batch", "steps", "length", "dtype"),
    [(40, 10, 7, "uint8"), (40, 10, 7, "int8"), (3, 200, 90, "int8"), (3, 200, 250, "uint8")],
)
def test_length_mean_of_narrow_lengths(batch, steps, length, dtype):
    """Neither the sum of the lengths nor T fits the lengths' dtype."""
    logits = RANDOM.normal(size=(batch, steps, 4)).astype("float32")
    ids = RANDOM.integers(0, 4, size=(batch, steps))
    lengths = np.full(batch, length, dtype)
    got = sequence_loss(logits, ids, reduction="length_mean", target_lengths=lengths)
    total = float(sequence_loss(logits, ids, reduction="token_sum"))
    np.testing.assert_allclose(got, total / (batch * min(length, steps)), rtol=1e-5)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "uint32"])
def test_weights_from_narrow_lengths(dtype):
    lengths = np.array([3, 0, 2], dtype)
    wanted = [[1, 1, 1, 0], [0, 0, 0, 0], [1, 1, 0, 0]]
    np.testing.assert_array_equal(sequence_weights(lengths=lengths, maxlen=4), wanted)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "uint16"])
def test_sampled_softmax_of_narrow_ids(dtype):
    """V = 300 is 44 in 8 bits; the ids between are classes all the same."""
    embedding = RANDOM.normal(size=(300, 5)).astype("float32")
    function = SampledSoftmax(embedding, num_sampled=4)
    ids = np.array([[100, 2, 45], [127, 44, 0]], dtype)
    got, wanted = (
        sequence_loss(X, given, W, softmax_loss_function=function.full)
        if name == "full"
        else sequence_loss_parts(X, given, W, softmax_loss_function=function).plain.mean
        for name, given in (("parts", ids), ("full", ids.astype("int64")))
    )
    np.testing.assert_allclose(got, wanted, rtol=1e-6)


@pytest.mark.parametrize(
    ("weights", "wanted"),
    [
        ([[1, NAN, 1, 1]], [[1, NAN, 1, 0]]),
        ([[0, NAN, 1, NAN]], [[0, NAN, 1, 0]]),
        ([[2, INF, 1, 1]], [[1, INF, 1, 0]]),
        ([[-INF, 3, 0, 1]], [[-INF, 1, 0, 0]]),
    ],
)
def test_a_weight_that_is_no_number_stays_so(weights, wanted):
    """It deleted its segment in silence; now the finiteness check names it, and only it."""
    got = per_segment_weights(tf.constant(weights, tf.float32), [[1, 1, 2, 0]])
    np.testing.assert_array_equal(got, wanted)
    assert nonfinite_examples(tf.ones([1, 4]), got).numpy().tolist() == [True]


RAGGED = tf.ragged.constant([[1, 2, 3], [1]])


@pytest.mark.parametrize("name", ["logits", "targets", "weights"])
@pytest.mark.parametrize(
    ("value", "words"),
    [
        (RAGGED, "got a RaggedTensor, expected a dense tensor"),
        (tf.sparse.from_dense(Y), "got a SparseTensor, expected a dense tensor"),
        ([[1, 2, 3], [1]], "got a list .* expected numbers in rows of equal length"),
    ],
)
def test_what_is_no_dense_tensor_is_named(name, value, words):
    given = {"logits": X, "targets": Y, "weights": W, name: value}
    with pytest.raises((TypeError, ValueError), match=f"^{name}: {words}") as caught:
        sequence_loss(**given)
    assert "\n" not in str(caught.value)


def test_what_is_no_dense_tensor_is_named_by_the_originals_too():
    uneven = [[1.0, 2.0, 3.0], [1.0]]
    steps = list(np.moveaxis(X, 1, 0)), list(Y.T), list(W.T)
    for function, logits, ids, weights, words in (
        (compat.contrib_sequence_loss, X, Y, uneven, "weights: got a list"),
        (compat.contrib_sequence_loss, X, Y, RAGGED, "weights: got a RaggedTensor"),
        (compat.legacy_sequence_loss, [uneven, *steps[0][1:]], *steps[1:], r"logits\[0\]: got a"),
        (compat.legacy_sequence_loss, *steps[:2], [*steps[2][:2], RAGGED], r"weights\[2\]: got a"),
    ):
        with pytest.raises((TypeError, ValueError), match=words):
            function(logits, ids, weights)


@pytest.mark.parametrize(
    ("name", "value"), [("token", RAGGED), ("lengths", [[1], 2]), ("mask", [[True], []])]
)
def test_what_is_no_dense_factor_is_named(name, value):
    with pytest.raises((TypeError, ValueError), match=f"^{name}: got a "):
        sequence_weights(**{name: value}, maxlen=3)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"label_smoothing": None}, TypeError, "label_smoothing: got NoneType"),
        ({"label_smoothing": tf.constant(0.1)}, TypeError, "expected a Python number"),
        ({"label_smoothing": NAN}, ValueError, "label_smoothing: got nan"),
        ({"z_loss": "0.1"}, TypeError, "z_loss: got str"),
        ({"z_loss": INF}, ValueError, "z_loss: got inf"),
        ({"from_logits": "no"}, TypeError, "from_logits: got 'no', expected True or False"),
        ({"softmax_loss_function": 3}, TypeError, "softmax_loss_function: got 3, expected a call"),
    ],
)
def test_options_of_the_wrong_kind(options, error, words):
    for function in (lambda **kwargs: sequence_loss(X, Y, W, **kwargs), SequenceLoss):
        with pytest.raises(error, match=words):
            function(**options)


@pytest.mark.parametrize("dtype", [tf.complex64, tf.string])
def test_targets_that_are_no_probabilities(dtype):
    targets = tf.zeros([2, 3, 5], dtype) if dtype.is_complex else tf.fill([2, 3, 5], "a")
    with pytest.raises(TypeError, match=rf"targets: got {dtype.name} \[2, 3, 5\], expected prob"):
        sequence_loss(X, targets, W)


@pytest.mark.parametrize("classes", [5, None])
def test_an_id_error_says_the_number_of_classes(classes):
    """Eagerly, and in a graph that learns V at run time."""
    loss = sequence_loss
    if classes is None:
        loss = tf.function(loss, [tf.TensorSpec([2, 3, None]), tf.TensorSpec([2, 3], tf.int64)])
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"got\]? \[?9\]?,? \[?V =\]? \[?5"):
        loss(X, np.where(Y == 4, 9, Y))


def test_the_configuration_is_json():
    config = SequenceLoss(label_smoothing=np.float32(0.25), z_loss=np.float64(0.5)).get_config()
    assert json.loads(json.dumps(config)) == config
    assert (config["label_smoothing"], config["z_loss"]) == (0.25, 0.5)


def test_a_function_that_holds_tensors_has_no_configuration():
    loss = SequenceLoss(softmax_loss_function=SampledSoftmax(tf.ones([7, 5]), num_sampled=2))
    with pytest.raises(TypeError, match="got a SampledSoftmax, which has no config") as caught:
        loss.get_config()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("multiply", [lambda x: x * 2, lambda x: 2 * x])
def test_sums_are_not_multiplied(multiply):
    """A tuple repeats itself."""
    loss = sequence_loss_parts(X, Y, W)
    for sums in (LossSum(1.0, 2.0), loss.total, loss):
        with pytest.raises(TypeError, match="cannot be multiplied"):
            multiply(sums)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_keras_takes_whole_numbers_as_ids(dtype):
    """As Keras's sparse losses do; what a dead position holds is still nobody's business."""
    targets = np.where(W == 0, NAN, Y).astype(dtype)
    np.testing.assert_array_equal(SequenceLoss()(targets, X, W), sequence_loss(X, Y, W))
    with pytest.raises(TypeError, match="expected integer ids"):
        sequence_loss(X, targets, W)


@pytest.mark.parametrize("bad", [1.5, NAN, INF])
def test_keras_refuses_fractions_as_ids(bad):
    targets = Y.astype("float32")
    targets[0, 2] = bad
    for wrap in (lambda f: f, tf.function):
        with pytest.raises(tf.errors.InvalidArgumentError, match="target id that is no whole"):
            wrap(SequenceLoss())(targets, X, W)
    assert np.isnan(tf.function(SequenceLoss(), jit_compile=True)(targets, X, W))
    with pytest.raises(TypeError, match="expected integer ids"):
        SequenceLoss()(tf.cast(targets, tf.bfloat16), X, W)
