"""The masked loss of variable-length sequences; TensorFlow and Keras only."""

from components.sequence_loss import compat
from components.sequence_loss.checks import check_finite, nonfinite_examples
from components.sequence_loss.compat import sequence_loss_by_example
from components.sequence_loss.functional import (
    sequence_loss,
    sequence_loss_parts,
    sequence_loss_sum,
)
from components.sequence_loss.keras_loss import SequenceLoss
from components.sequence_loss.linear import (
    linear_sequence_loss,
    linear_sequence_loss_parts,
)
from components.sequence_loss.losses import token_cross_entropy
from components.sequence_loss.reductions import REDUCTIONS, LossParts, LossSum
from components.sequence_loss.sampled import SampledSoftmax
from components.sequence_loss.token_scores import TokenScores, token_scores
from components.sequence_loss.weights import per_segment_weights, sequence_weights

__all__ = [
    "REDUCTIONS",
    "LossParts",
    "LossSum",
    "SampledSoftmax",
    "SequenceLoss",
    "TokenScores",
    "check_finite",
    "compat",
    "linear_sequence_loss",
    "linear_sequence_loss_parts",
    "nonfinite_examples",
    "per_segment_weights",
    "sequence_loss",
    "sequence_loss_by_example",
    "sequence_loss_parts",
    "sequence_loss_sum",
    "sequence_weights",
    "token_cross_entropy",
    "token_scores",
]
