"""Beam search: the best of many hypotheses a row, as one `tf.while_loop`."""

from typing import Any, NamedTuple

import tensorflow as tf

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

_NEVER = -float("inf")


def length_normaliser(generated: tf.Tensor, alpha: float) -> tf.Tensor:
    """lp(Y) = ((5 + |Y|) / 6)^alpha, float32; |Y| counts what the model chose, eos included.

    References:
      Wu et al., "Google's Neural Machine Translation System" (2016), section 7.
    """
    return ((5.0 + tf.cast(generated, tf.float32)) / 6.0) ** alpha


def beam_search(
    model: SequenceModel,
    features: dict[str, tf.Tensor],
    rules: Rules,
    *,
    beam_size: int,
    length_penalty: float = 0.0,
    prompts: tf.Tensor | None = None,
    prompt_lengths: tf.Tensor | None = None,
) -> Decoded:
    """Find for each row the hypothesis of the highest log P(Y) / lp(Y), lp with `length_penalty`.

    At each position the `beam_size` likeliest hypotheses go on. One whose next id is eos is
    complete, if it is among the `beam_size` likeliest then. A row is done when it has `beam_size`
    complete ones, or when no other can still become better than the best of them. The best
    complete one is returned; the likeliest that is cut off at the end, if none is complete.

    A beam of 1 is greedy search. A beam of V^max_length searches everything.

    Args:
      model, features, rules, prompts, prompt_lengths: as of `greedy`.
      beam_size: K, hypotheses that are kept for each row.
      length_penalty: alpha of `length_normaliser`; 0 ranks by log P(Y), more prefers longer ones.

    Raises:
      ValueError: as of `greedy`; `beam_size` is below 1 or `length_penalty` below 0.
    """
    if beam_size < 1 or length_penalty < 0:
        raise ValueError(
            f"beam_search: got beam_size {beam_size} and length_penalty {length_penalty}, "
            "expected at least 1 and at least 0"
        )
    size, longest = rows_of(features), rules.max_length
    given = full_prompts(prompts, prompt_lengths, size, longest)
    start = _Search(
        position=tf.constant(0),
        previous=tf.fill([size * beam_size], tf.constant(rules.bos_id, tf.int64)),
        state=_repeated(model.initial_state(features, longest), beam_size),
        ids=tf.fill([size, beam_size, longest], tf.constant(rules.pad_id, tf.int64)),
        # All are alike at first, so only one may go on.
        log_probability=tf.tile([[0.0] + [_NEVER] * (beam_size - 1)], [size, 1]),
        best=_Best(
            ids=tf.fill([size, longest], tf.constant(rules.pad_id, tf.int64)),
            lengths=tf.zeros([size], tf.int64),
            log_probability=tf.zeros([size]),
            score=tf.fill([size], _NEVER),
        ),
        complete=tf.zeros([size], tf.int32),
        done=tf.zeros([size], tf.bool),
    )
    (final,) = tf.while_loop(
        lambda search: (search.position < longest) & ~tf.reduce_all(search.done),
        lambda search: (_advance(model, search, rules, given, length_penalty),),
        (start,),
    )
    return _result(final, given, longest)


class _Best(NamedTuple):
    """The best complete hypothesis: ids [B, max_length], the others [B]; score -inf if none is."""

    ids: tf.Tensor
    lengths: tf.Tensor
    log_probability: tf.Tensor
    score: tf.Tensor


class _Search(NamedTuple):
    """The loop's variables.

    Attributes:
      position: [].
      previous: [B * K], the ids at the position before.
      state: the model's, of B * K rows; what a step leaves alone is never reordered.
      ids: [B, K, max_length], hypotheses that go on, the likeliest first.
      log_probability: [B, K], theirs; -inf for one that does not exist.
      best: of the complete ones.
      complete: [B], how many there have been.
      done: [B].
    """

    position: tf.Tensor
    previous: tf.Tensor
    state: Any
    ids: tf.Tensor
    log_probability: tf.Tensor
    best: _Best
    complete: tf.Tensor
    done: tf.Tensor


class _Candidates(NamedTuple):
    """The 2K likeliest one-id continuations, the likeliest first, each [B, 2K].

    2K, because K of them may end here, and K are to go on.
    """

    log_probability: tf.Tensor
    parents: tf.Tensor
    ids: tf.Tensor


def _advance(
    model: SequenceModel, search: _Search, rules: Rules, given: Prompts, alpha: float
) -> _Search:
    """Decode one position."""
    position, beams = search.position, search.ids.shape[1]
    hidden, state = model.step(search.previous, search.state)
    candidates = _candidates(log_probabilities(model, hidden, rules), search.log_probability)
    choosing = tf.cast(position, tf.int64) >= given.lengths  # [B]
    generated = tf.maximum(tf.cast(position + 1, tf.int64) - given.lengths, 0)
    normaliser = length_normaliser(generated, alpha)
    ends = (candidates.ids == rules.eos_id) & tf.math.is_finite(candidates.log_probability)
    counted = ends & (tf.range(ends.shape[1]) < beams) & (choosing & ~search.done)[:, tf.newaxis]
    best = _better(search, candidates, counted, normaliser, rules)
    complete = search.complete + tf.math.count_nonzero(counted, axis=1, dtype=tf.int32)

    going, places = tf.math.top_k(tf.where(ends, _NEVER, candidates.log_probability), beams)
    parents = tf.where(
        choosing[:, tf.newaxis],
        tf.gather(candidates.parents, places, batch_dims=1),
        tf.range(beams),
    )
    chosen = tf.where(
        choosing[:, tf.newaxis],
        tf.gather(candidates.ids, places, batch_dims=1),
        given.ids[:, position, tf.newaxis],
    )  # [B, K]
    log_probability = tf.where(choosing[:, tf.newaxis], going, search.log_probability)
    # lp grows with the length and log P only falls, so no continuation can score more than this.
    longest = length_normaliser(rules.max_length - given.lengths, alpha)
    reachable = log_probability[:, 0] / longest
    return _Search(
        position=position + 1,
        previous=tf.reshape(chosen, [-1]),
        state=_reordered(state, search.state, parents),
        ids=_written(tf.gather(search.ids, parents, batch_dims=1), position, chosen),
        log_probability=log_probability,
        best=best,
        complete=complete,
        done=search.done | (complete >= beams) | (best.score >= reachable),
    )


def _candidates(found: tf.Tensor, so_far: tf.Tensor) -> _Candidates:
    """Next log-probabilities [B * K, V] and those so far [B, K] to the best continuations."""
    beams = so_far.shape[1]
    each = min(2 * beams, found.shape[-1])
    # Each beam's own best first: sorting K * V numbers a row at once is slower.
    values, ids = tf.math.top_k(found, each)  # [B * K, each]
    total = so_far[:, :, tf.newaxis] + tf.reshape(values, [-1, beams, each])
    flat = tf.reshape(total, [-1, beams * each])
    best, places = tf.math.top_k(flat, min(2 * beams, beams * each))
    ids = tf.gather(tf.reshape(ids, [-1, beams * each]), places, batch_dims=1)
    return _Candidates(best, places // each, tf.cast(ids, tf.int64))


def _better(
    search: _Search,
    candidates: _Candidates,
    complete: tf.Tensor,
    normaliser: tf.Tensor,
    rules: Rules,
) -> _Best:
    """The best of those that were complete before and those of `complete` [B, 2K]."""
    scores = candidates.log_probability / normaliser[:, tf.newaxis]
    scores = tf.where(complete, scores, _NEVER)
    place = tf.argmax(scores, axis=1)
    score = tf.gather(scores, place, batch_dims=1)
    parent = tf.gather(candidates.parents, place, batch_dims=1)
    eos = tf.fill([tf.size(place)], tf.constant(rules.eos_id, tf.int64))
    new = _Best(
        ids=_written(tf.gather(search.ids, parent, batch_dims=1), search.position, eos),
        lengths=tf.fill([tf.size(place)], tf.cast(search.position + 1, tf.int64)),
        log_probability=tf.gather(candidates.log_probability, place, batch_dims=1),
        score=score,
    )
    return _Best(*_where(score > search.best.score, new, search.best))


def _where(condition: tf.Tensor, ours: _Best, theirs: _Best) -> list[tf.Tensor]:
    """By row [B]: the one or the other."""
    wide = condition[:, tf.newaxis]
    return [
        tf.where(wide if one.shape.rank == 2 else condition, one, other)
        for one, other in zip(ours, theirs, strict=True)
    ]


def _written(ids: tf.Tensor, position: tf.Tensor, chosen: tf.Tensor) -> tf.Tensor:
    """`ids` [..., max_length] with `chosen` [...] at `position`."""
    here = tf.range(ids.shape[-1]) == position
    return tf.where(here, chosen[..., tf.newaxis], ids)


def _repeated(state: Any, beams: int) -> Any:
    """A state of B rows as one of B * K, each row K times; scalars stay."""
    return tf.nest.map_structure(
        lambda value: value if value.shape.rank == 0 else tf.repeat(value, beams, axis=0), state
    )


def _reordered(after: Any, before: Any, parents: tf.Tensor) -> Any:
    """The state of the beams that go on, `parents` [B, K].

    What a step hands on untouched (the source, its keys, its mask) is the same for all beams of a
    row; copying it would cost more than the step.
    """
    rows, beams = tf.shape(parents)[0], parents.shape[1]
    places = tf.reshape(parents + beams * tf.range(rows)[:, tf.newaxis], [-1])

    def one(new: tf.Tensor, old: tf.Tensor) -> tf.Tensor:
        return new if new is old or new.shape.rank == 0 else tf.gather(new, places)

    moved = tf.nest.map_structure(one, after, before)
    keep_static_shapes(moved, before)
    return moved


def _result(final: _Search, given: Prompts, longest: int) -> Decoded:
    """The best complete hypothesis of each row; without one the likeliest that is not."""
    cut = _Best(
        ids=final.ids[:, 0],
        lengths=tf.fill([tf.size(given.lengths)], tf.constant(longest, tf.int64)),
        log_probability=final.log_probability[:, 0],
        score=final.best.score,
    )
    found = _Best(*_where(final.best.score > _NEVER, final.best, cut))
    return Decoded(found.ids, found.lengths, found.lengths - given.lengths, found.log_probability)
