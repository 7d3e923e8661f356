"""`preprocessing_fn`: raw columns to the contract of features.py. Wiring only, no arithmetic.

Named to TFX by its dotted path. `custom_config` holds the settings as JSON and the folder of the
vocabulary; both are constants of the graph, so no analysis pass is needed and the exported model
carries them.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from transform import features, sequence, tokenizers, weights
from transform.settings import Settings, Side
from transform.vocabulary import Vocabularies

SETTINGS = "settings"
VOCABULARY = "vocabulary"
RawFeatures = dict[str, tf.Tensor | tf.SparseTensor | tf.RaggedTensor]
IdLookup = Callable[[str, tf.RaggedTensor], tf.RaggedTensor]


def preprocessing_fn(inputs: RawFeatures, custom_config: dict[str, Any]) -> dict[str, tf.Tensor]:
    """Raw features of a batch to the transformed ones (see features.py)."""
    settings = Settings.from_json(custom_config[SETTINGS])
    vocabularies = Vocabularies.read(custom_config[VOCABULARY])
    tables = {
        name: tft.make_and_track_object(vocabulary.token_table, name=f"{name}_ids")
        for name, vocabulary in vocabularies.sides.items()
    }
    return transform(inputs, settings, vocabularies, tables)


def transform(
    inputs: RawFeatures,
    settings: Settings,
    vocabularies: Vocabularies,
    tables: dict[str, tf.lookup.StaticHashTable],
) -> dict[str, tf.Tensor]:
    """`preprocessing_fn` on typed arguments; `tables` are the vocabularies' token tables."""

    def ids(side: str, found: tf.RaggedTensor) -> tf.RaggedTensor:
        return vocabularies[side].ids(found, tables[side])

    outputs = _target_side(inputs, settings, ids)
    if settings.source:
        outputs |= _source_side(inputs, settings, settings.source, ids)
    return outputs


def column(inputs: RawFeatures, name: str) -> tf.RaggedTensor:
    """A raw column as ragged [B, (N)], however the schema presents it (sparse, dense, ragged)."""
    if name not in inputs:
        raise ValueError(f"column {name!r} is not in the raw features: found {sorted(inputs)}")
    value = inputs[name]
    if isinstance(value, tf.RaggedTensor):
        return value
    if isinstance(value, tf.SparseTensor):
        return tf.RaggedTensor.from_sparse(value)
    return tf.RaggedTensor.from_tensor(tf.reshape(value, [tf.shape(value)[0], -1]))


def tokens(inputs: RawFeatures, side: Side) -> tf.RaggedTensor:
    """The tokens [B, (N)] of one side, before trimming."""
    return tokenizers.tokenize(column(inputs, side.column), side)


def kept_tokens(inputs: RawFeatures, side: Side) -> tf.RaggedTensor:
    """The tokens [B, (N)] of one side that fit into its length: what is left after trimming."""
    return tokens(inputs, side)[:, : side.room]


def _trim(ids: tf.RaggedTensor, side: Side, settings: Settings) -> tf.RaggedTensor:
    eos_id = settings.special.eos if side.append_eos else None
    return sequence.trim(ids, max_length=side.max_length, eos_id=eos_id)


def loss_weights(
    inputs: RawFeatures, settings: Settings, found: tf.RaggedTensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """`target_lengths` [B] and `loss_weights` [B, T] of the target tokens `found` [B, (N)]."""
    side = settings.target
    counts = sequence.lengths(found)
    target_lengths = tf.minimum(counts + int(side.append_eos), side.max_length)
    factors = []
    if weights.TOKEN in settings.weights and settings.token_weights:
        numbers = column(inputs, settings.token_weights)
        factors.append(
            weights.token_factor(numbers, counts, kept=side.room, max_length=side.max_length)
        )
    if weights.EXAMPLE in settings.weights and settings.example_weights:
        factors.append(weights.example_factor(column(inputs, settings.example_weights)))
    return target_lengths, weights.product(sequence.mask(target_lengths, side.max_length), *factors)


def _target_side(inputs: RawFeatures, settings: Settings, ids: IdLookup) -> dict[str, tf.Tensor]:
    side = settings.target
    found = tokens(inputs, side)
    target_lengths, target_weights = loss_weights(inputs, settings, found)
    trimmed = _trim(ids("target", found), side, settings)
    return {
        features.TARGETS: sequence.pad(
            trimmed, max_length=side.max_length, value=settings.special.pad
        ),
        features.TARGET_LENGTHS: target_lengths,
        features.LOSS_WEIGHTS: target_weights,
    }


def _source_side(
    inputs: RawFeatures, settings: Settings, side: Side, ids: IdLookup
) -> dict[str, tf.Tensor]:
    trimmed = _trim(ids("source", tokens(inputs, side)), side, settings)
    pad_id = settings.special.pad
    outputs = {
        features.INPUTS: sequence.pad(trimmed, max_length=side.max_length, value=pad_id),
        features.INPUT_LENGTHS: sequence.lengths(trimmed),
    }
    if settings.input_chars:
        found = sequence.characters(kept_tokens(inputs, side), settings.input_chars)
        shape = [None, side.max_length, settings.input_chars]
        dense = ids("characters", found).to_tensor(tf.constant(pad_id, tf.int64), shape=shape)
        outputs[features.INPUT_CHARS] = tf.ensure_shape(dense, shape)
    return outputs
