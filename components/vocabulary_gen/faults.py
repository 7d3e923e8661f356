"""Rows that cannot be trained on: found in the graph, then named one by one.

Each check is a function of a batch that says which rows it finds at fault, bool [B], and one that
says in words what is wrong with a row. The graph computes the first for all rows; the second runs on
the rows that are at fault only.
"""

from collections.abc import Callable, Sequence

import tensorflow as tf

from components.errors import excerpt
from components.vocabulary_gen.parsing import parse
from components.vocabulary_gen.problems import Problem
from transform import preprocessing, sequence, weights
from transform.settings import ID_LIST, Settings, Side

Tokens = dict[str, tf.RaggedTensor]

_HEAVIEST = 1e30  # float32 holds 3e38, and the loss sums w l over all positions of a batch


def bad_rows(
    inputs: preprocessing.RawFeatures, settings: Settings, found: Tokens, vocab_size: int
) -> tf.Tensor:
    """bool [B]: the rows in which anything is wrong.

    Args:
      inputs: the raw columns.
      settings: what is expected of them.
      found: the tokens [B, (N)] of each side, before trimming.
      vocab_size: ids that a side of ids has.
    """
    bad = tf.zeros_like(found["target"].row_lengths(), tf.bool)
    for name, side in settings.sides.items():
        if settings.excess_length != "truncate":
            bad |= _too_long(found[name], side)
        if side.tokenizer == ID_LIST:
            values = preprocessing.column(inputs, side.column)
            bad |= _any(_outside(values, vocab_size)) | _any(_padding(values, settings))
    for column in _weight_columns(settings):
        bad |= _any(_bad_weights(preprocessing.column(inputs, column)))
    if _weight_columns(settings):
        bad |= _too_heavy(inputs, settings)
    if settings.token_weights:
        bad |= _miscounted(inputs, settings.token_weights, found["target"])
    if _may_lose_regions(settings):
        bad |= _lost_region(found["target"], settings)
    return bad


def problems_of(serialized: Sequence[bytes], settings: Settings, vocab_size: int) -> list[Problem]:
    """What is wrong with rows; several problems where several things are.

    Args:
      serialized: raw tf.Examples, the bad ones of a batch.
      settings, vocab_size: as for `bad_rows`.
    """
    inputs = parse(tf.constant(list(serialized), tf.string), settings)
    found = {name: preprocessing.tokens(inputs, side) for name, side in settings.sides.items()}
    lines = []
    for name, side in settings.sides.items():
        if settings.excess_length != "truncate":
            lines += _named(_too_long(found[name], side), _length_text(found[name], side, settings))
        if side.tokenizer == ID_LIST:
            lines += _id_problems(inputs, side, settings, vocab_size)
    for column in _weight_columns(settings):
        values = preprocessing.column(inputs, column)
        lines += _first_values(values, _bad_weights(values), _weight_text(column))
    if _weight_columns(settings):
        lines += _named(_too_heavy(inputs, settings), _heavy_text(settings))
    if settings.token_weights:
        lines += _miscounts(inputs, settings.token_weights, found["target"])
    if _may_lose_regions(settings):
        lines += _named(_lost_region(found["target"], settings), _region_text(found, settings))
    texts = preprocessing.column(inputs, (settings.source or settings.target).column).to_list()
    return [Problem(row, reason, excerpt(texts[row])) for row, reason in lines]


def _too_long(found: tf.RaggedTensor, side: Side) -> tf.Tensor:
    return found.row_lengths() > side.room


def _length_text(found: tf.RaggedTensor, side: Side, settings: Settings) -> Callable[[int], str]:
    lengths = found.row_lengths().numpy()
    return lambda row: (
        f"column {side.column!r}: got {lengths[row]} tokens, expected at most {side.room} "
        f"(data.excess_length: {settings.excess_length})"
    )


def _outside(values: tf.RaggedTensor, vocab_size: int) -> tf.RaggedTensor:
    flat = values.flat_values
    return values.with_flat_values((flat < 0) | (flat >= vocab_size))


def _padding(values: tf.RaggedTensor, settings: Settings) -> tf.RaggedTensor:
    """Ids that were meant to fill up a sequence: they would be trained on like any other.

    Where `pad_id` is `eos_id`, an end within a sequence looks the same and is meant.
    """
    special, flat = settings.special, values.flat_values
    return values.with_flat_values((flat == special.pad) & (special.pad != special.eos))


def _id_problems(
    inputs: preprocessing.RawFeatures, side: Side, settings: Settings, vocab_size: int
) -> list[tuple[int, str]]:
    values = preprocessing.column(inputs, side.column)
    outside, padding = _outside(values, vocab_size), _padding(values, settings)

    def text(expected: str) -> Callable[[float, int], str]:
        def of(value: float, item: int) -> str:
            # In a window an item has another number than in the user's row.
            place = "" if settings.excess_length == "window" else f", item {item}"
            return f"column {side.column!r}{place}: got the id {value}, {expected}"

        return of

    unpadded = "which is data.pad_id; expected sequences without padding, or another pad_id"
    return [
        *_first_values(values, outside, text(f"expected one from 0 to {vocab_size - 1}")),
        *_first_values(values, padding, text(unpadded)),
    ]


def _weight_columns(settings: Settings) -> list[str]:
    return [name for name in (settings.token_weights, settings.example_weights) if name]


def _bad_weights(values: tf.RaggedTensor) -> tf.RaggedTensor:
    flat = values.flat_values
    return values.with_flat_values(~((flat >= 0) & (flat < float("inf"))))  # NaN is neither


def _weight_text(column: str) -> Callable[[float, int], str]:
    return lambda value, _: (
        f"column {column!r}: got the weight {value:g}, expected a finite number >= 0"
    )


def _too_heavy(inputs: preprocessing.RawFeatures, settings: Settings) -> tf.Tensor:
    """bool [B]: rows in which the columns' weights together are more than sums can hold."""
    together = tf.constant(1.0, tf.float64)
    for column in _weight_columns(settings):
        values = tf.cast(preprocessing.column(inputs, column), tf.float64)
        largest = tf.reduce_max(values, axis=-1)
        missing = values.row_lengths() == 0  # its weight is 1
        together *= tf.where(missing, tf.ones_like(largest), largest)
    return (together > _HEAVIEST) & (together < float("inf"))  # an infinite one is named by itself


def _heavy_text(settings: Settings) -> Callable[[int], str]:
    names = " times ".join(repr(column) for column in _weight_columns(settings))
    return lambda row: (
        f"column {names}: got a weight above {_HEAVIEST:g}, expected less: sums of such weights "
        "overflow"
    )


def _miscounted(
    inputs: preprocessing.RawFeatures, column: str, found: tf.RaggedTensor
) -> tf.Tensor:
    counts = sequence.lengths(preprocessing.column(inputs, column))
    return (counts != 0) & (counts != sequence.lengths(found))


def _miscounts(
    inputs: preprocessing.RawFeatures, column: str, found: tf.RaggedTensor
) -> list[tuple[int, str]]:
    numbers = preprocessing.column(inputs, column).row_lengths().numpy()
    tokens = found.row_lengths().numpy()
    return _named(
        _miscounted(inputs, column, found),
        lambda row: (
            f"column {column!r}: got {numbers[row]} weights for {tokens[row]} tokens, "
            "expected one for each"
        ),
    )


def _may_lose_regions(settings: Settings) -> bool:
    return weights.REGION in settings.weights and settings.excess_length == "truncate"


def _lost_region(found: tf.RaggedTensor, settings: Settings) -> tf.Tensor:
    """Rows in which trimming leaves no token of what the regions give a weight above 0."""
    side, before = settings.target, settings.region_before
    counts = sequence.lengths(found)
    first = tf.zeros_like(counts) + int(side.prepend_bos)
    places = weights.mask_factor(tf.minimum(counts, side.room) + first, first, side.max_length)
    kept = places * weights.region_factor(found, settings.regions, before, side)
    is_kept = tf.reduce_any(kept > 0, axis=-1)
    if before > 0:
        is_there = counts > 0
    else:  # a region holds something where anything follows its marker
        markers = [marker for marker, weight in settings.regions if weight > 0]
        is_there = _any(tf.ragged.map_flat_values(lambda t: _is_one_of(t, markers), found[:, :-1]))
    return is_there & ~is_kept


def _is_one_of(tokens: tf.Tensor, names: Sequence[str]) -> tf.Tensor:
    found = tf.zeros_like(tokens, tf.bool)
    for name in names:
        found |= tokens == name
    return found


def _region_text(found: Tokens, settings: Settings) -> Callable[[int], str]:
    lengths = found["target"].row_lengths().numpy()
    side = settings.target
    return lambda row: (
        f"column {side.column!r}: got {lengths[row]} tokens, and trimming to {side.room} cuts off "
        "every token whose region has a weight above 0; expected one to be left "
        "(data.max_target_length, data.truncate)"
    )


def _any(flags: tf.RaggedTensor) -> tf.Tensor:
    return tf.reduce_any(flags, axis=-1)


def _named(bad: tf.Tensor, text: Callable[[int], str]) -> list[tuple[int, str]]:
    return [(row, text(row)) for row, is_bad in enumerate(bad.numpy()) if is_bad]


def _first_values(
    values: tf.RaggedTensor, bad: tf.RaggedTensor, text: Callable[[float, int], str]
) -> list[tuple[int, str]]:
    """`text(value, item)` of the first bad value of each row that has one; items count from 1."""
    firsts = [(row, flags.index(True)) for row, flags in enumerate(bad.to_list()) if any(flags)]
    rows = values.to_list()
    return [(row, text(rows[row][at], at + 1)) for row, at in firsts]
