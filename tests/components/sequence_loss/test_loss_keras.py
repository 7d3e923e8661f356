"""`SequenceLoss` inside Keras: one reduction, one mask, a configuration that comes back."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.sequence_loss import SequenceLoss, sequence_loss

RANDOM = np.random.default_rng(11)
X = RANDOM.normal(size=(3, 5, 4)).astype("float32")
Y = RANDOM.integers(0, 4, size=(3, 5))
W = np.array([[1, 2, 0.5, 0, 0], [1, 0, 0, 0, 0], [0.25, 1, 1, 1, 0]], "float32")


@keras.saving.register_keras_serializable(package="test")
def plain(labels, logits):
    """A registered custom function."""
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)


@pytest.mark.parametrize("reduction", ["token_mean", "token_sum", "example_mean", "none"])
def test_call_is_sequence_loss(reduction):
    """Keras's own `__call__` would multiply by the weights and average a second time."""
    loss = SequenceLoss(reduction=reduction, label_smoothing=0.1, z_loss=1e-3)
    options = {"reduction": reduction, "label_smoothing": 0.1, "z_loss": 1e-3}
    np.testing.assert_array_equal(loss(Y, X, W), sequence_loss(X, Y, W, **options))
    np.testing.assert_array_equal(loss(Y, X), sequence_loss(X, Y, **options))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"reduction": "example_mean", "from_logits": False, "label_smoothing": 0.1, "name": "n"},
        {"reduction": "token_sum", "z_loss": 0.01, "dtype": "float32"},
        {"softmax_loss_function": plain},
    ],
)
def test_configuration_round_trip(options):
    loss = SequenceLoss(**options)
    config = loss.get_config()
    again = SequenceLoss.from_config(config)
    assert again.get_config() == config
    assert options.items() <= {**config, "softmax_loss_function": plain}.items()
    stored = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    probabilities = tf.nn.softmax(X) if not options.get("from_logits", True) else X
    wanted = loss(Y, probabilities, W)
    np.testing.assert_array_equal(again(Y, probabilities, W), wanted)
    np.testing.assert_array_equal(stored(Y, probabilities, W), wanted)


def test_keras_mask_is_not_a_second_mask():
    logits = tf.constant(X)
    logits._keras_mask = tf.constant(Y != 0)
    np.testing.assert_array_equal(SequenceLoss()(Y, logits, W), sequence_loss(X, Y, W))


def model(loss, **options):
    """Embedding with a mask, then one projection: [B, T] -> [B, T, 4]."""
    layers = [keras.layers.Embedding(4, 3, mask_zero=True), keras.layers.Dense(4)]
    result = keras.Sequential([keras.Input([None], dtype="int32"), *layers])
    result.compile(keras.optimizers.SGD(0.1), loss, **options)
    return result


@pytest.mark.parametrize("options", [{"run_eagerly": True}, {}, {"jit_compile": True}])
def test_evaluate_and_fit_use_the_weights_once(options):
    keras.utils.set_random_seed(1)
    network = model(SequenceLoss(), **options)
    wanted = float(sequence_loss(network(Y), Y, W))
    np.testing.assert_allclose(
        network.evaluate(Y, Y, sample_weight=W, batch_size=3, verbose=0), wanted, rtol=1e-6
    )
    history = network.fit(Y, Y, sample_weight=W, batch_size=3, epochs=2, verbose=0)
    np.testing.assert_allclose(history.history["loss"][0], wanted, rtol=1e-6)
    assert history.history["loss"][1] < wanted


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras's own
def test_compiled_model_is_saved_and_loaded(tmp_path):
    network = model(SequenceLoss(label_smoothing=0.1))
    network.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.loss.get_config() == network.loss.get_config()
    np.testing.assert_array_equal(again.loss(Y, again(Y), W), network.loss(Y, network(Y), W))


def test_mixed_precision_logits():
    loss = SequenceLoss()(Y, tf.cast(X, tf.bfloat16), W)
    assert loss.dtype == tf.float32
