"""Optimizers and the courses of their learning rate."""

import math
from typing import Any

import keras
import tensorflow as tf

from components.trainer import fused_adam
from components.trainer.request import TrainOptions


def make_optimizer(train: TrainOptions, steps: int, units: int = 1) -> keras.optimizers.Optimizer:
    """The Keras optimizer, on a schedule that ends at `steps` updates.

    Args:
      train: the options.
      steps: updates of the whole run.
      units: the model's width, which `noam` divides by.
    """
    rate = learning_rate(train, steps, units)
    if train.optimizer == "adam":
        return fused_adam.Adam(rate, epsilon=1e-8)
    if train.optimizer == "adamw":
        return fused_adam.AdamW(rate, weight_decay=train.weight_decay, epsilon=1e-8)
    return keras.optimizers.SGD(rate, momentum=train.momentum)


def learning_rate(train: TrainOptions, steps: int, units: int) -> "WarmupThen":
    """The schedule of the options.

    `noam`: `learning_rate` is a factor of units^-0.5 min(n^-0.5, n warmup^-1.5), n from 1 (Vaswani
    et al. 2017, section 5.3), which is `inverse_square_root` with this peak:
    """
    if train.schedule == "noam":
        peak = train.learning_rate / math.sqrt(units * max(1, train.warmup_steps))
        return WarmupThen("inverse_square_root", peak, train.warmup_steps, steps)
    return WarmupThen(train.schedule, train.learning_rate, train.warmup_steps, steps)


class WarmupThen(keras.optimizers.schedules.LearningRateSchedule):
    """A linear rise over `warmup` steps, then `constant`, `linear` or `cosine` to 0, or
    `inverse_square_root` (Vaswani et al. 2017, section 5.3, with the peak given)."""

    def __init__(self, name: str, peak: float, warmup: int, steps: int) -> None:
        self.name, self.peak, self.warmup, self.steps = name, peak, warmup, steps

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        done = tf.cast(step, tf.float32)
        rise = tf.minimum(1.0, (done + 1) / max(1, self.warmup))
        share = tf.clip_by_value((done - self.warmup) / max(1, self.steps - self.warmup), 0.0, 1.0)
        fall = {
            "constant": lambda: tf.ones_like(done),
            "linear": lambda: 1 - share,
            "cosine": lambda: (1 + tf.cos(math.pi * share)) / 2,
            "inverse_square_root": lambda: tf.math.rsqrt(
                tf.maximum(1.0, (done + 1) / max(1, self.warmup))
            ),
        }[self.name]()
        return self.peak * rise * fall

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "peak": self.peak,
            "warmup": self.warmup,
            "steps": self.steps,
        }
