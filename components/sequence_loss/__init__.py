"""The masked loss of variable-length sequences; TensorFlow and Keras only."""

from components.sequence_loss import compat
from components.sequence_loss.checks import check_finite, nonfinite_examples
from components.sequence_loss.compat import sequence_loss_by_example
from components.sequence_loss.functional import sequence_loss, sequence_loss_sum
from components.sequence_loss.keras_loss import SequenceLoss
from components.sequence_loss.losses import token_cross_entropy
from components.sequence_loss.reductions import REDUCTIONS, LossSum

__all__ = [
    "REDUCTIONS",
    "LossSum",
    "SequenceLoss",
    "check_finite",
    "compat",
    "nonfinite_examples",
    "sequence_loss",
    "sequence_loss_by_example",
    "sequence_loss_sum",
    "token_cross_entropy",
]
