"""`preprocessing_fn`: raw columns to the contract of features.py. Wiring only, no arithmetic.

Named to TFX by its dotted path. `custom_config` holds the settings as JSON and the folder of the
vocabulary; both are constants of the graph, so no analysis pass is needed and the exported model
carries them.
"""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from transform import features, sequence, tokenizers, weights
from transform.settings import CONTEXT_LENGTH, CONTINUES, SPAN, Settings, Side
from transform.vocabulary import Vocabularies

SETTINGS = "settings"
VOCABULARY = "vocabulary"
RawFeatures = dict[str, tf.Tensor | tf.SparseTensor | tf.RaggedTensor]
IdLookup = Callable[[str, tf.RaggedTensor], tf.RaggedTensor]


def preprocessing_fn(inputs: RawFeatures, custom_config: dict[str, Any]) -> dict[str, tf.Tensor]:
    """Raw features of a batch to the transformed ones (see features.py)."""
    folder = custom_config[VOCABULARY]
    settings = Settings.from_json(custom_config[SETTINGS]).with_subwords(folder)
    vocabularies = Vocabularies.read(folder)
    for name, kept in tokenizers.trackables(settings).items():
        tft.make_and_track_object(lambda kept=kept: kept, name=f"{name}_pieces")
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

    counts = vocabularies["target"].counts
    outputs = _target_side(inputs, settings, ids, counts)
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
    """The tokens [B, (N)] of one side that fit into its length: what is left after cutting."""
    return sequence.cut(tokens(inputs, side), side.room, side.truncate)


def _framed(
    ids: tf.RaggedTensor, side: Side, settings: Settings, ended: tf.Tensor | None = None
) -> tf.RaggedTensor:
    """Ids [B, (N)] of one side, cut to what fits, between bos and eos."""
    return sequence.frame(
        sequence.cut(ids, side.room, side.truncate),
        first=settings.special.bos if side.prepend_bos else None,
        last=settings.special.eos if side.append_eos else None,
        ended=ended,
    )


def context_lengths(inputs: RawFeatures, settings: Settings, found: tf.RaggedTensor) -> tf.Tensor:
    """How many of each row's first tokens were scored in the window before, int64 [B].

    Args:
      inputs: the raw columns; a row without a value, or inputs without the column, has none.
      settings: only windows have a context.
      found: the target tokens [B, (N)].
    """
    return _added(inputs, settings, CONTEXT_LENGTH, found)


def ended(inputs: RawFeatures, settings: Settings, found: tf.RaggedTensor) -> tf.Tensor:
    """Whether a row is a whole text or the last window of one, bool [B]: then eos may follow."""
    return _added(inputs, settings, CONTINUES, found) == 0


def added_columns(settings: Settings) -> set[str]:
    """The columns of ExampleGen's, beside the user's, that these settings read."""
    windows = {CONTEXT_LENGTH, CONTINUES} if settings.excess_length == "window" else set()
    ages = {SPAN} if weights.SPAN_AGE in settings.weights else set()
    return windows | ages


def _added(inputs: RawFeatures, settings: Settings, name: str, found: tf.RaggedTensor) -> tf.Tensor:
    """A column that ExampleGen adds to windows, int64 [B]; 0 where there is no value."""
    if name not in added_columns(settings) or name not in inputs:
        return tf.zeros_like(found.row_lengths(), tf.int64)
    numbers = tf.cast(column(inputs, name)[:, :1], tf.int64)
    return sequence.pad(numbers, max_length=1, value=0)[:, 0]


def loss_weights(
    inputs: RawFeatures,
    settings: Settings,
    found: tf.RaggedTensor,
    *,
    targets: tf.Tensor | None = None,
    counts: Sequence[int] = (),
) -> tuple[tf.Tensor, tf.Tensor]:
    """`target_lengths` [B] and `loss_weights` [B, T] of the target tokens `found` [B, (N)].

    `targets` and `counts`: see `factors`.
    """
    by_name = factors(inputs, settings, found, targets=targets, counts=counts)
    lengths = target_lengths(inputs, settings, found)
    return lengths, weights.product(by_name.pop(weights.MASK), *by_name.values())


def target_lengths(inputs: RawFeatures, settings: Settings, found: tf.RaggedTensor) -> tf.Tensor:
    """`target_lengths` [B] of the target tokens `found` [B, (N)], bos and eos included."""
    side = settings.target
    lengths = tf.minimum(sequence.lengths(found), side.room) + int(side.prepend_bos)
    if side.append_eos:
        lengths += tf.cast(ended(inputs, settings, found), tf.int64)
    return lengths


def factors(
    inputs: RawFeatures,
    settings: Settings,
    found: tf.RaggedTensor,
    *,
    targets: tf.Tensor | None = None,
    counts: Sequence[int] = (),
) -> dict[str, tf.Tensor]:
    """The factors of `loss_weights` by name, each float32 [B, T] or [B, 1].

    Args:
      inputs: the raw columns.
      settings: which factors there are, and what they need.
      found: the target tokens [B, (N)], before cutting.
      targets: their ids, int64 [B, T] as in the contract. Without them `inverse_frequency` is left
        out: it is never 0, so who counts positions needs no vocabulary.
      counts: how often each target id occurs in the training split.

    Raises:
      ValueError: there are `targets`, but no counts for `inverse_frequency`.
    """
    side = settings.target
    lengths = target_lengths(inputs, settings, found)
    first = context_lengths(inputs, settings, found) + int(side.prepend_bos)
    by_name = {weights.MASK: weights.mask_factor(lengths, first, side.max_length)}
    if weights.TOKEN in settings.weights and settings.token_weights:
        numbers = column(inputs, settings.token_weights)
        by_name[weights.TOKEN] = weights.token_factor(numbers, sequence.lengths(found), side)
    if weights.EXAMPLE in settings.weights and settings.example_weights:
        numbers = column(inputs, settings.example_weights)
        by_name[weights.EXAMPLE] = weights.example_factor(numbers)
    if weights.INVERSE_FREQUENCY in settings.weights and targets is not None:
        cap = settings.inverse_frequency_cap
        by_name[weights.INVERSE_FREQUENCY] = weights.inverse_frequency_factor(targets, counts, cap)
    if weights.REGION in settings.weights:
        before = settings.region_before
        by_name[weights.REGION] = weights.region_factor(found, settings.regions, before, side)
    if weights.CLASS in settings.weights:
        by_name[weights.CLASS] = weights.class_factor(found, settings.class_weights, side)
    if weights.SPAN_AGE in settings.weights:
        by_name[weights.SPAN_AGE] = weights.span_age_factor(
            column(inputs, SPAN), settings.newest_span, settings.span_half_life
        )
    return by_name


def given(inputs: RawFeatures, settings: Settings, found: tf.RaggedTensor) -> tf.Tensor:
    """The positions that a model is given rather than asked for, bool [B, T].

    They are bos, what a window repeats of the one before, and the regions of weight 0, such as a
    prompt. What is said of padding means nothing.

    Args:
      inputs: the raw columns.
      settings: which regions there are, and whether there are windows.
      found: the target tokens [B, (N)], before cutting.
    """
    side = settings.target
    first = context_lengths(inputs, settings, found) + int(side.prepend_bos)
    before = tf.sequence_mask(first, side.max_length)
    if weights.REGION not in settings.weights:
        return before
    region = weights.region_factor(found, settings.regions, settings.region_before, side)
    return before | (region == 0)


def _target_side(
    inputs: RawFeatures, settings: Settings, ids: IdLookup, counts: Sequence[int]
) -> dict[str, tf.Tensor]:
    side = settings.target
    found = tokens(inputs, side)
    framed = _framed(ids("target", found), side, settings, ended(inputs, settings, found))
    targets = sequence.pad(framed, max_length=side.max_length, value=settings.special.pad)
    lengths, target_weights = loss_weights(inputs, settings, found, targets=targets, counts=counts)
    return {
        features.TARGETS: targets,
        features.TARGET_LENGTHS: lengths,
        features.LOSS_WEIGHTS: target_weights,
    }


def _source_side(
    inputs: RawFeatures, settings: Settings, side: Side, ids: IdLookup
) -> dict[str, tf.Tensor]:
    framed = _framed(ids("source", tokens(inputs, side)), side, settings)
    pad_id = settings.special.pad
    outputs = {
        features.INPUTS: sequence.pad(framed, max_length=side.max_length, value=pad_id),
        features.INPUT_LENGTHS: sequence.lengths(framed),
    }
    if settings.input_chars:
        found = sequence.characters(kept_tokens(inputs, side), settings.input_chars)
        bos = int(side.prepend_bos)  # has no characters
        shape = [None, side.max_length - bos, settings.input_chars]
        dense = ids("characters", found).to_tensor(tf.constant(pad_id, tf.int64), shape=shape)
        outputs[features.INPUT_CHARS] = tf.pad(
            tf.ensure_shape(dense, shape), [[0, 0], [bos, 0], [0, 0]], constant_values=pad_id
        )
    return outputs
