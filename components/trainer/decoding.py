"""Greedy decoding as graph code: one `tf.while_loop`, exportable, that stops when all rows have."""

from typing import Any, NamedTuple

import tensorflow as tf

from components.trainer.models.model import SequenceModel


class Decoded(NamedTuple):
    """What decoding returns; a NamedTuple, because a `tf.function` can return it as it is.

    Attributes:
      ids: int64 [B, max_length], `pad_id` after the end.
      lengths: int64 [B], eos included; `max_length` for a row that never ended.
      log_probability: float32 [B], sum over the positions that the model chose.
    """

    ids: tf.Tensor
    lengths: tf.Tensor
    log_probability: tf.Tensor


def greedy(
    model: SequenceModel,
    features: dict[str, tf.Tensor],
    *,
    bos_id: int,
    eos_id: int,
    pad_id: int,
    max_length: int,
    prompts: tf.Tensor | None = None,
    prompt_lengths: tf.Tensor | None = None,
) -> Decoded:
    """Take the likeliest token at each position until eos.

    Args:
      model: an lm or seq2seq model.
      features: see `SequenceModel.initial_state`.
      bos_id: what the first position is given as previous id.
      eos_id: what ends a row.
      pad_id: what fills a row after its end; may equal `eos_id`.
      max_length: the most positions decoded.
      prompts: int64 [B, P] or None; each row begins with these and the model continues them.
      prompt_lengths: [B], real positions of `prompts`; given if and only if `prompts` are.

    Raises:
      ValueError: the model has no decoder, or fewer positions than `max_length`; or only one of
        `prompts` and `prompt_lengths` is given.
    """
    if (prompts is None) != (prompt_lengths is None):
        raise ValueError("greedy: got one of prompts and prompt_lengths, expected both or none")
    size = tf.shape(tf.nest.flatten(features)[0])[0]
    given = _padded_prompts(prompts, prompt_lengths, size, max_length)
    start = _Search(
        position=tf.constant(0),
        previous=tf.fill([size], tf.constant(bos_id, tf.int64)),
        state=model.initial_state(features, max_length),
        decoded=Decoded(
            ids=tf.fill([size, max_length], tf.constant(pad_id, tf.int64)),
            lengths=tf.fill([size], tf.constant(max_length, tf.int64)),
            log_probability=tf.zeros([size]),
        ),
    )
    # A row that ends at the very last position looks unended; the loop is over then anyway.
    (final,) = tf.while_loop(
        lambda search: (
            (search.position < max_length) & tf.reduce_any(search.decoded.lengths == max_length)
        ),
        lambda search: (_advance(model, search, given, eos_id, max_length),),
        (start,),
    )
    return final.decoded


class _Search(NamedTuple):
    """The loop's variables: position [], previous ids [B], the model's state, what is decoded."""

    position: tf.Tensor
    previous: tf.Tensor
    state: Any
    decoded: Decoded


def _advance(
    model: SequenceModel,
    search: _Search,
    given: tuple[tf.Tensor, tf.Tensor],
    eos_id: int,
    max_length: int,
) -> _Search:
    """Decode one position; rows that have ended stay as they are."""
    position, decoded = search.position, search.decoded
    prompts, prompt_lengths = given
    hidden, state = model.step(search.previous, search.state)
    log_probabilities = tf.nn.log_softmax(model.logits(hidden))  # [B, V]
    running = decoded.lengths == max_length
    choosing = running & (position >= prompt_lengths)
    chosen = tf.where(choosing, tf.argmax(log_probabilities, axis=-1), prompts[:, position])
    here = (tf.range(max_length) == position) & running[:, tf.newaxis]  # [B, max_length]
    gained = tf.where(choosing, tf.reduce_max(log_probabilities, axis=-1), 0.0)
    ended = choosing & (chosen == eos_id)
    _keep_static_shapes(state, search.state)
    return _Search(
        position=position + 1,
        previous=chosen,
        state=state,
        decoded=Decoded(
            ids=tf.where(here, chosen[:, tf.newaxis], decoded.ids),
            lengths=tf.where(ended, tf.cast(position + 1, tf.int64), decoded.lengths),
            log_probability=decoded.log_probability + gained,
        ),
    )


def _padded_prompts(
    prompts: tf.Tensor | None, lengths: tf.Tensor | None, size: tf.Tensor, max_length: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Prompts as [B, max_length] (cut or filled with 0), and their lengths [B] as int32."""
    if prompts is None or lengths is None:
        return tf.zeros([size, max_length], tf.int64), tf.zeros([size], tf.int32)
    kept = tf.cast(prompts, tf.int64)[:, :max_length]
    filled = tf.pad(kept, [[0, 0], [0, max_length - tf.shape(kept)[1]]])
    return filled, tf.cast(lengths, tf.int32)


def _keep_static_shapes(after: object, before: object) -> None:
    """Some layers forget a static dimension; a loop variable's shape must not change."""
    for new, old in zip(tf.nest.flatten(after), tf.nest.flatten(before), strict=True):
        new.set_shape(old.shape)
