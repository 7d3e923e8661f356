"""Sampled softmax for training on hidden states, with the full softmax beside it."""

import numpy as np
import pytest
import tensorflow as tf

from components.sequence_loss import (
    SampledSoftmax,
    SequenceLoss,
    compat,
    sequence_loss,
    sequence_loss_by_example,
    sequence_loss_parts,
)

B, T, D, V = 3, 4, 5, 12
RANDOM = np.random.default_rng(8)
HIDDEN = RANDOM.normal(size=(B, T, D)).astype("float32")
EMBEDDING = RANDOM.normal(size=(V, D)).astype("float32")
BIAS = RANDOM.normal(size=V).astype("float32")
IDS = RANDOM.integers(D, V, size=(B, T))  # none is an id of a vocabulary of D words
W = np.array([[1, 2, 0.5, 0], [1, 0, 0, 0], [0.25, 1, 1, 1]], "float32")


def every_class(ids):
    """A sampler that draws each class once, all equally likely: no correction, no randomness."""
    return tf.range(V, dtype=tf.int64), tf.ones(tf.shape(ids)), tf.ones([V])


def loss_and_gradients(loss, hidden=HIDDEN, ids=IDS):
    """(value, gradients to hidden states, embedding and bias) of loss(hidden, embedding, bias)."""
    inputs = [tf.constant(x) for x in (hidden, EMBEDDING, BIAS)]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        value = loss(inputs[0], ids, *inputs[1:])
    return [value, *map(tf.convert_to_tensor, tape.gradient(value, inputs))]


def sampled_loss(hidden, ids, embedding, bias):
    function = SampledSoftmax(embedding, bias, num_sampled=V, sampler=every_class)
    return sequence_loss(hidden, ids, W, softmax_loss_function=function)


def full_loss(hidden, ids, embedding, bias):
    function = SampledSoftmax(embedding, bias, num_sampled=V)
    return sequence_loss(function.logits(hidden), ids, W)


@pytest.mark.parametrize("wrap", [lambda f: f, tf.function], ids=["eager", "graph"])
def test_all_classes_sampled_is_the_full_softmax(wrap):
    """The target once, every other class once (the accidental hit is removed)."""
    sampled = wrap(sampled_loss)
    for got, wanted in zip(loss_and_gradients(sampled), loss_and_gradients(full_loss), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("jit", [False, True])
def test_without_removing_hits_the_target_counts_twice(jit):
    """The variant that compiles under XLA."""
    function = SampledSoftmax(
        EMBEDDING, BIAS, num_sampled=V, sampler=every_class, remove_accidental_hits=False
    )
    logits = HIDDEN.astype("float64") @ EMBEDDING.T + BIAS
    target = np.take_along_axis(logits, IDS[..., None], -1)[..., 0]
    wanted = np.log(np.exp(logits).sum(-1) + np.exp(target)) - target
    loss = tf.function(sequence_loss, jit_compile=jit)
    got = loss(HIDDEN, IDS, reduction="none", softmax_loss_function=function)
    np.testing.assert_allclose(got, wanted, rtol=1e-5)


def test_training_on_samples_lowers_the_full_softmax_loss():
    """Forty words, six samples a step, log-uniform as by default; ids past the hidden width."""
    tf.random.set_seed(3)
    random = np.random.default_rng(3)
    table = random.normal(size=(40, 8)).astype("float32")  # what each target looks like
    ids = random.zipf(1.3, size=(16, 6)).clip(1, 40) - 1
    weights = (np.arange(6) < random.integers(1, 7, size=(16, 1))).astype("float32")
    hidden = tf.constant(table[ids] + 0.1 * random.normal(size=(16, 6, 8)).astype("float32"))
    variables = [tf.Variable(tf.zeros([40, 8])), tf.Variable(tf.zeros([40]))]
    function = SampledSoftmax(*variables, num_sampled=6, seed=5)

    @tf.function
    def train_step():
        with tf.GradientTape() as tape:
            parts = sequence_loss_parts(hidden, ids, weights, softmax_loss_function=function)
            mean = parts.total.mean
        for variable, gradient in zip(variables, tape.gradient(mean, variables), strict=True):
            variable.assign_sub(0.5 * tf.convert_to_tensor(gradient))
        return parts.plain.mean

    curve = [float(train_step()) for _ in range(80)]
    full = float(sequence_loss(function.logits(hidden), ids, weights))
    assert curve[0] == pytest.approx(np.log(40), rel=1e-6)
    assert full < 0.5 * curve[0]
    assert full <= curve[-1] * 1.05


def test_plain_is_the_full_softmax_of_the_projection():
    function = SampledSoftmax(EMBEDDING, BIAS, num_sampled=2, seed=1)
    parts = sequence_loss_parts(HIDDEN, IDS, W, softmax_loss_function=function)
    np.testing.assert_allclose(
        parts.plain.mean, sequence_loss(function.logits(tf.constant(HIDDEN)), IDS, W), rtol=1e-5
    )
    assert parts.total.numerator != parts.plain.numerator
    np.testing.assert_array_equal(parts.total.denominator, parts.plain.denominator)
    evaluated = sequence_loss(HIDDEN, IDS, W, softmax_loss_function=function.full)
    np.testing.assert_allclose(evaluated, parts.plain.mean, rtol=1e-6)


def test_the_embedding_gradient_is_sparse():
    """Only the sampled and the target rows: V x D is never written."""
    embedding = tf.Variable(EMBEDDING)
    function = SampledSoftmax(embedding, num_sampled=2)
    with tf.GradientTape() as tape:
        loss = sequence_loss(HIDDEN, IDS, W, softmax_loss_function=function)
    assert isinstance(tape.gradient(loss, embedding), tf.IndexedSlices)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 3e38, 1e30])
def test_dead_positions_change_no_bit(bad):
    """Also where the projection of finite hidden states would overflow."""
    dead = W == 0
    hidden = np.where(dead[..., None], np.float32(bad), HIDDEN)
    ids = np.where(dead, -7, IDS)
    dirty, clean = loss_and_gradients(sampled_loss, hidden, ids), loss_and_gradients(sampled_loss)
    for got, wanted in zip(dirty, clean, strict=True):
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("bad", [-1, V])
def test_live_ids_are_checked_against_the_number_of_classes(bad):
    ids = IDS.copy()
    ids[2, 1] = bad
    function = SampledSoftmax(EMBEDDING, num_sampled=2)
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=rf"num_classes\).*example 2, position 1, got {bad}"
    ):
        sequence_loss(HIDDEN, ids, W, softmax_loss_function=function)


def legacy_function(labels, logits):
    """What TF 1's models passed: projects its `logits`, which are hidden states."""
    assert logits.shape[-1] == D
    projected = tf.matmul(logits, EMBEDDING, transpose_b=True) + BIAS
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=projected)


def test_a_bare_function_may_take_hidden_states_too():
    """No attribute needed, and no id is checked against D; TF 1's lists included."""
    wanted = full_loss(tf.constant(HIDDEN), IDS, EMBEDDING, BIAS)
    options = {"softmax_loss_function": legacy_function}
    by_example = sequence_loss(HIDDEN @ EMBEDDING.T + BIAS, IDS, W, reduction="per_example")
    tensors = tf.constant(HIDDEN), tf.constant(IDS), tf.constant(W)
    lists = [tf.unstack(x, axis=1) for x in tensors]
    for got in (
        sequence_loss(HIDDEN, IDS, W, **options),
        SequenceLoss(**options)(IDS, HIDDEN, W),
        compat.contrib_sequence_loss(*tensors, **options),
    ):
        np.testing.assert_allclose(got, wanted, rtol=1e-5)
    for got in (
        sequence_loss_by_example(*tensors, **options),
        sequence_loss_by_example(*lists, **options),
        compat.legacy_sequence_loss_by_example(*lists, **options),
    ):
        np.testing.assert_allclose(got, by_example, rtol=1e-5)


def test_parts_of_a_bare_function_on_hidden_states_say_what_is_missing():
    with pytest.raises(tf.errors.InvalidArgumentError, match="attribute `full`"):
        sequence_loss_parts(HIDDEN, IDS, W, softmax_loss_function=legacy_function)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: SampledSoftmax(EMBEDDING[0], num_sampled=2), r"embedding: got shape \(5,\)"),
        (lambda: SampledSoftmax(EMBEDDING, BIAS[1:], num_sampled=2), r"bias: got shape \(11,\)"),
        (lambda: SampledSoftmax(EMBEDDING, num_sampled=V + 1), "num_sampled: got 13"),
        (lambda: SampledSoftmax(EMBEDDING, num_sampled=0), "num_sampled: got 0"),
    ],
)
def test_bad_parameters(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_bad_calls():
    function = SampledSoftmax(EMBEDDING, num_sampled=2)
    with pytest.raises(ValueError, match="expected the width of the embedding"):
        sequence_loss(HIDDEN[..., 1:], IDS, W, softmax_loss_function=function)
    with pytest.raises(ValueError, match="expected ids"):
        sequence_loss(HIDDEN, np.ones_like(HIDDEN), W, softmax_loss_function=function)
