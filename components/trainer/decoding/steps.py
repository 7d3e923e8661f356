"""What every way of decoding shares: its rules, its result, prompts, the loop's small print."""

from dataclasses import dataclass
from typing import NamedTuple

import tensorflow as tf

from components.trainer.models.model import SequenceModel


@dataclass(frozen=True)
class Rules:
    """Where a row begins and ends, and what may stand in it.

    Attributes:
      bos_id: what the first position is given as previous id.
      eos_id: what ends a row.
      pad_id: what fills a row after its end; may equal `eos_id`.
      max_length: the most positions decoded, those of a prompt included.
      forbidden_ids: ids that are never chosen. A prompt may hold them.

    Raises:
      ValueError: `forbidden_ids` hold `eos_id`, or there is no position.
    """

    bos_id: int
    eos_id: int
    pad_id: int
    max_length: int
    forbidden_ids: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.eos_id in self.forbidden_ids:
            raise ValueError(f"forbidden_ids: got eos_id {self.eos_id}, without which no row ends")
        if self.max_length < 1:
            raise ValueError(f"max_length: got {self.max_length}, expected at least 1")


class Decoded(NamedTuple):
    """What decoding returns; a NamedTuple, because a `tf.function` can return it as it is.

    Attributes:
      ids: int64 [B, max_length], `pad_id` after the end.
      lengths: int64 [B], prompt and eos included; `max_length` for a row that never ended.
      generated: int64 [B], how many of these positions the model chose.
      log_probability: float32 [B], sum over the positions that the model chose, of what the model
        says, whatever was forbidden, truncated or tempered.
    """

    ids: tf.Tensor
    lengths: tf.Tensor
    generated: tf.Tensor
    log_probability: tf.Tensor


class Prompts(NamedTuple):
    """What the rows begin with: ids int64 [B, max_length], of which `lengths` int64 [B] are real."""

    ids: tf.Tensor
    lengths: tf.Tensor


def rows_of(features: dict[str, tf.Tensor]) -> tf.Tensor:
    """B, read off any feature."""
    return tf.shape(tf.nest.flatten(features)[0])[0]


def full_prompts(
    ids: tf.Tensor | None, lengths: tf.Tensor | None, size: tf.Tensor, max_length: int
) -> Prompts:
    """Prompts [B, P] and [B], or none, as `Prompts`: cut or filled, lengths at most `max_length`.

    Raises:
      ValueError: only one of the two is given.
    """
    if (ids is None) != (lengths is None):
        raise ValueError("decoding: got one of prompts and prompt_lengths, expected both or none")
    if ids is None or lengths is None:
        return Prompts(tf.zeros([size, max_length], tf.int64), tf.zeros([size], tf.int64))
    kept = tf.cast(ids, tf.int64)[:, :max_length]
    filled = tf.pad(kept, [[0, 0], [0, max_length - tf.shape(kept)[1]]])
    return Prompts(filled, tf.minimum(tf.cast(lengths, tf.int64), max_length))


def log_probabilities(model: SequenceModel, hidden: tf.Tensor, rules: Rules) -> tf.Tensor:
    """Of the next id, [N, D] to [N, V]; -inf at forbidden ids, the others are not renormalised."""
    found = tf.nn.log_softmax(model.logits(hidden))
    if not rules.forbidden_ids:
        return found
    barred = [[each] for each in rules.forbidden_ids]
    penalty = tf.fill([found.shape[-1]], 0.0)
    penalty = tf.tensor_scatter_nd_update(penalty, barred, [-float("inf")] * len(barred))
    return found + penalty


def keep_static_shapes(after: object, before: object) -> None:
    """Some layers forget a static dimension; a loop variable's shape must not change."""
    for new, old in zip(tf.nest.flatten(after), tf.nest.flatten(before), strict=True):
        new.set_shape(old.shape)
