"""The one-pass Adam is Keras's Adam."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.trainer import fused_adam

SHAPES = [(5, 3), (7,), ()]


def _trained(optimizer: keras.optimizers.Optimizer, steps: int = 25) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    variables = [keras.Variable(random.normal(size=shape).astype("float32")) for shape in SHAPES]
    optimizer.build(variables)

    @tf.function
    def update(gradients):
        optimizer.apply(gradients, variables)

    for step in range(steps):
        scale = 10.0 ** (step % 7 - 4)
        update([tf.constant(scale * random.normal(size=shape), tf.float32) for shape in SHAPES])
    return [*(each.numpy() for each in variables), *(each.numpy() for each in optimizer.variables)]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (fused_adam.Adam(0.1, epsilon=1e-8), keras.optimizers.Adam(0.1, epsilon=1e-8)),
        (
            fused_adam.Adam(keras.optimizers.schedules.ExponentialDecay(0.1, 3, 0.5), beta_1=0.8),
            keras.optimizers.Adam(
                keras.optimizers.schedules.ExponentialDecay(0.1, 3, 0.5), beta_1=0.8
            ),
        ),
        (
            fused_adam.AdamW(0.1, weight_decay=0.2, beta_2=0.9),
            keras.optimizers.AdamW(0.1, weight_decay=0.2, beta_2=0.9),
        ),
    ],
    ids=["adam", "schedule", "adamw"],
)
def test_weights_and_moments_are_those_of_keras(ours, theirs):
    for mine, expected in zip(_trained(ours), _trained(theirs), strict=True):
        np.testing.assert_allclose(mine, expected, rtol=1e-4, atol=1e-5)
