"""The counting of a batch as one graph: no token becomes a Python object before it is counted."""

import dataclasses
from typing import Any

import tensorflow as tf

from components.vocabulary_gen import faults
from components.vocabulary_gen.parsing import parse
from transform import preprocessing, sequence, weights
from transform.settings import Settings

# Needs the vocabulary, which is what is being made; it leaves no weight at 0 and has the mean 1.
_LATER = "inverse_frequency"
_HASHES = 2**63 - 1
_NO_TEXT = "\x1f"  # between the values that a fingerprint is of


class Measure:
    """Counts a batch of serialized raw tf.Examples; the graph is made once, when first called.

    Called on string [B], it gives nested dictionaries of tensors:
      tokens: by side (and `characters`) distinct tokens [U] and how often each occurs, int64 [U].
      ledger: by side the fields of `tally.SideLedger`, int64 scalars.
      weights: sums over the trained positions: of `loss_weights` ("loss_weights") and each factor.
      bad: bool [B], rows of which `faults.problems_of` says what is wrong; with one such row
        nothing is said about weights.
      fingerprints: int64 [B], equal for rows that hold the same texts.
    """

    def __init__(self, settings: Settings, vocab_size: int) -> None:
        self.settings, self.vocab_size = settings, vocab_size
        known = tuple(name for name in settings.weights if name != _LATER)
        self._settings = dataclasses.replace(settings, weights=known)
        self._graph = tf.function(
            self._measured, input_signature=[tf.TensorSpec([None], tf.string)], autograph=False
        )

    def __call__(self, serialized: tf.Tensor) -> dict[str, Any]:
        return self._graph(serialized)

    def _measured(self, serialized: tf.Tensor) -> dict[str, Any]:
        settings = self._settings
        inputs = parse(serialized, settings)
        found = {name: preprocessing.tokens(inputs, side) for name, side in settings.sides.items()}
        bad = faults.bad_rows(inputs, settings, found, self.vocab_size)
        trained, sums = _trained(inputs, settings, found["target"], bad)
        ledger = {
            name: _positions(inputs, settings, name, tokens) for name, tokens in found.items()
        }
        ledger["target"] |= trained
        counted = found | {"target": _without_context(inputs, settings, found["target"])}
        tokens = {name: distinct(values.flat_values) for name, values in counted.items()}
        if settings.input_chars and settings.source:
            kept = preprocessing.kept_tokens(inputs, settings.source)
            characters = sequence.characters(kept, settings.input_chars)
            tokens["characters"] = distinct(characters.flat_values)
        return {
            "tokens": tokens,
            "ledger": ledger,
            "weights": sums,
            "bad": bad,
            "fingerprints": _fingerprints(inputs, settings),
        }


def distinct(values: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The distinct values [U] of [N], and how often each occurs, int64 [U]."""
    found = tf.unique_with_counts(values, out_idx=tf.int64)
    return found.y, found.count


def _without_context(
    inputs: preprocessing.RawFeatures, settings: Settings, found: tf.RaggedTensor
) -> tf.RaggedTensor:
    """The target tokens [B, (N)] but those that the window before has: each counts once in a text."""
    if settings.excess_length != "window":
        return found
    context = preprocessing.context_lengths(inputs, settings, found)
    places = tf.ragged.range(sequence.lengths(found)).flat_values
    new = places >= tf.gather(context, found.value_rowids())
    return tf.ragged.boolean_mask(found, found.with_flat_values(new))


def _positions(
    inputs: preprocessing.RawFeatures, settings: Settings, name: str, found: tf.RaggedTensor
) -> dict[str, tf.Tensor]:
    side, counts = settings.sides[name], sequence.lengths(found)
    ended = preprocessing.ended(inputs, settings, found) if name == "target" else counts >= 0
    ends = tf.cast(ended, tf.int64) * int(side.append_eos)
    added = ends + int(side.prepend_bos)
    truncated = tf.maximum(counts - side.room, 0)
    row = {
        "sequences": tf.size(counts, tf.int64),
        "tokens_read": tf.reduce_sum(counts + added),
        "kept": tf.reduce_sum(counts + added - truncated),
        "truncated": tf.reduce_sum(truncated),
        "ends": tf.reduce_sum(ends),
        "eos_and_bos": tf.reduce_sum(added),
    }
    if name == "target":
        context = preprocessing.context_lengths(inputs, settings, found)
        row["context"] = tf.reduce_sum(tf.minimum(context, counts))
    return row


def _trained(
    inputs: preprocessing.RawFeatures,
    settings: Settings,
    found: tf.RaggedTensor,
    bad: tf.Tensor,
) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
    """Positions of weight above 0 and of weight 0; sums of weights and factors over the former."""
    names = [name for name in settings.weights if name != weights.MASK]

    def measured() -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
        lengths = preprocessing.target_lengths(inputs, settings, found)
        factors = preprocessing.factors(inputs, settings, found)
        mask = factors.pop(weights.MASK)
        values = weights.product(mask, *factors.values())
        trains = values > 0
        trained = tf.math.count_nonzero(trains)
        ends = trains & _ends(inputs, settings, found, lengths)
        sums = {name: _sum_where(trains, factors[name]) for name in names}
        return (
            {
                "trained": trained,
                "trained_ends": tf.math.count_nonzero(ends),
                "zero_weight": tf.reduce_sum(lengths) - trained,
            },
            {"loss_weights": _sum_where(trains, values)} | sums,
        )

    def nothing() -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
        none, no_sum = tf.constant(0, tf.int64), tf.constant(0, tf.float64)
        return (
            {"trained": none, "trained_ends": none, "zero_weight": none},
            {"loss_weights": no_sum} | dict.fromkeys(names, no_sum),
        )

    # A wrong number of weights would stop the graph before the row could be named.
    return tf.cond(tf.reduce_any(bad), nothing, measured)


def _ends(
    inputs: preprocessing.RawFeatures,
    settings: Settings,
    found: tf.RaggedTensor,
    lengths: tf.Tensor,
) -> tf.Tensor:
    """bool [B, T]: where eos stands."""
    side = settings.target
    ended = preprocessing.ended(inputs, settings, found) & side.append_eos
    return ended[:, None] & tf.equal(
        tf.range(side.max_length), tf.cast(lengths, tf.int32)[:, None] - 1
    )


def _sum_where(chosen: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    wide = tf.broadcast_to(tf.cast(values, tf.float64), tf.shape(chosen))
    return tf.reduce_sum(tf.where(chosen, wide, tf.zeros_like(wide)))


def _fingerprints(inputs: preprocessing.RawFeatures, settings: Settings) -> tf.Tensor:
    """63-bit hashes of the texts of each row, int64 [B]."""
    texts = []
    for side in settings.sides.values():
        values = preprocessing.column(inputs, side.column)
        if values.dtype != tf.string:
            values = tf.ragged.map_flat_values(tf.strings.as_string, values)
        texts.append(tf.strings.reduce_join(values, axis=-1, separator=_NO_TEXT))
    return tf.strings.to_hash_bucket_fast(tf.strings.join(texts, _NO_TEXT), _HASHES)
