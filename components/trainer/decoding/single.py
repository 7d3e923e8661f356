"""One hypothesis a row: the likeliest id at each position, or one that is drawn."""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from components.trainer.decoding import sampling
from components.trainer.decoding.steps import (
    Decoded,
    Prompts,
    Rules,
    full_prompts,
    keep_static_shapes,
    log_probabilities,
    rows_of,
)
from components.trainer.models.model import SequenceModel

# Log-probabilities [B, V] and the position [] to the ids chosen there, int64 [B].
Choice = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def greedy(
    model: SequenceModel,
    features: dict[str, tf.Tensor],
    rules: Rules,
    *,
    prompts: tf.Tensor | None = None,
    prompt_lengths: tf.Tensor | None = None,
) -> Decoded:
    """Take the likeliest id at each position until eos.

    Args:
      model: an lm or seq2seq model.
      features: see `SequenceModel.initial_state`.
      rules: ids and limits.
      prompts: int64 [B, P] or None; each row begins with these and the model continues them.
      prompt_lengths: [B], real positions of `prompts`; given if and only if `prompts` are.

    Raises:
      ValueError: the model has no decoder, or fewer positions than `rules.max_length`; or only one
        of `prompts` and `prompt_lengths` is given.
    """
    given = full_prompts(prompts, prompt_lengths, rows_of(features), rules.max_length)
    return _decode(model, features, rules, given, lambda found, _: tf.argmax(found, axis=-1))


def sample(
    model: SequenceModel,
    features: dict[str, tf.Tensor],
    rules: Rules,
    *,
    row_seeds: tf.Tensor,
    seed: int = 42,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    prompts: tf.Tensor | None = None,
    prompt_lengths: tf.Tensor | None = None,
) -> Decoded:
    """Draw each id from the model's distribution, as `sampling.truncated` sharpens and cuts it.

    Args:
      model, features, rules, prompts, prompt_lengths: as of `greedy`.
      row_seeds: int64 [B], see `sampling.row_seeds`: a row's sample depends on its own seed only.
      seed: together with a row's seed it decides what is drawn.
      temperature, top_k, top_p: see `sampling.truncated`.

    Raises:
      ValueError: as of `greedy` and `sampling.truncated`.
    """
    given = full_prompts(prompts, prompt_lengths, rows_of(features), rules.max_length)
    drawn = sampling.uniforms(row_seeds, seed, rules.max_length)  # [B, max_length]

    def choose(found: tf.Tensor, position: tf.Tensor) -> tf.Tensor:
        weights, ids = sampling.truncated(found, temperature=temperature, top_k=top_k, top_p=top_p)
        return sampling.pick(weights, ids, drawn[:, position])

    return _decode(model, features, rules, given, choose)


class _Search(NamedTuple):
    """The loop's variables: position [], previous ids [B], the model's state, what is decoded."""

    position: tf.Tensor
    previous: tf.Tensor
    state: Any
    ids: tf.Tensor
    lengths: tf.Tensor
    log_probability: tf.Tensor


def _decode(
    model: SequenceModel,
    features: dict[str, tf.Tensor],
    rules: Rules,
    given: Prompts,
    choose: Choice,
) -> Decoded:
    size, longest = rows_of(features), rules.max_length
    start = _Search(
        position=tf.constant(0),
        previous=tf.fill([size], tf.constant(rules.bos_id, tf.int64)),
        state=model.initial_state(features, longest),
        ids=tf.fill([size, longest], tf.constant(rules.pad_id, tf.int64)),
        lengths=tf.fill([size], tf.constant(longest, tf.int64)),
        log_probability=tf.zeros([size]),
    )
    # A row that ends at the very last position looks unended; the loop is over then anyway.
    (final,) = tf.while_loop(
        lambda search: (search.position < longest) & tf.reduce_any(search.lengths == longest),
        lambda search: (_advance(model, search, rules, given, choose),),
        (start,),
    )
    return Decoded(
        ids=final.ids,
        lengths=final.lengths,
        generated=final.lengths - given.lengths,
        log_probability=final.log_probability,
    )


def _advance(
    model: SequenceModel, search: _Search, rules: Rules, given: Prompts, choose: Choice
) -> _Search:
    """Decode one position; rows that have ended stay as they are."""
    position = search.position
    hidden, state = model.step(search.previous, search.state)
    found = log_probabilities(model, hidden, rules)  # [B, V]
    running = search.lengths == rules.max_length
    choosing = running & (tf.cast(position, tf.int64) >= given.lengths)
    chosen = tf.where(choosing, choose(found, position), given.ids[:, position])
    here = (tf.range(rules.max_length) == position) & running[:, tf.newaxis]  # [B, max_length]
    gained = tf.where(choosing, tf.gather(found, chosen, batch_dims=1), 0.0)
    ended = choosing & (chosen == rules.eos_id)
    keep_static_shapes(state, search.state)
    return _Search(
        position=position + 1,
        previous=chosen,
        state=state,
        ids=tf.where(here, chosen[:, tf.newaxis], search.ids),
        lengths=tf.where(ended, tf.cast(position + 1, tf.int64), search.lengths),
        log_probability=search.log_probability + gained,
    )
