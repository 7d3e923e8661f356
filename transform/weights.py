"""The named factors of `loss_weights`, and their product.

B is the batch, N the tokens of a row before they are cut, T the positions of the target side. A
factor is float32 [B, T], or [B, 1] where it is the same for a whole row. What a factor says at
padding does not matter: `product` is 0 there. At bos and eos it is 1 unless a factor says otherwise.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from transform import sequence
from transform.settings import Side

MASK = "mask"
TOKEN = "token"
EXAMPLE = "example"
INVERSE_FREQUENCY = "inverse_frequency"
REGION = "region"
CLASS = "class"
SPAN_AGE = "span_age"


def mask_factor(lengths: tf.Tensor, first: tf.Tensor, max_length: int) -> tf.Tensor:
    """1 from position `first` [B] up to the length [B]; 0 before and after."""
    return sequence.mask(lengths, max_length) * (1.0 - sequence.mask(first, max_length))


def token_factor(numbers: tf.RaggedTensor, token_counts: tf.Tensor, side: Side) -> tf.Tensor:
    """A row's own weight for each of its tokens [B, T].

    Args:
      numbers: float32 [B, (N)], as many as the row has tokens before cutting, or none (all 1).
      token_counts: int64 [B], tokens of each row before cutting.
      side: the target side, which decides where its tokens stand.

    Raises:
      InvalidArgumentError: (when run) a row has another number of weights than of tokens.
    """
    counts = sequence.lengths(numbers)
    fits = tf.debugging.Assert(
        tf.reduce_all((counts == token_counts) | (counts == 0)),
        ["token weights: expected one for each token; weights", counts, "tokens", token_counts],
    )
    with tf.control_dependencies([fits]):
        return _at_positions(numbers, side)


def example_factor(numbers: tf.RaggedTensor) -> tf.Tensor:
    """A row's weight as a whole [B, 1]; 1 where the column has no value."""
    return sequence.pad(numbers[:, :1], max_length=1, value=1.0)


def inverse_frequencies(counts: Sequence[int], cap: float) -> np.ndarray:
    """The weight of each id, float32 [V]: min(cap, u / count), with the u that makes their mean 1.

    The mean is over the counted tokens, so the factor moves weight from frequent tokens to rare ones
    and leaves the sum as it is. An id that never occurs has the cap.

    Args:
      counts: how often each id occurs.
      cap: the largest weight, >= 1.

    Raises:
      ValueError: nothing was counted.
    """
    found = np.asarray(counts, np.float64)
    total = found.sum()
    if not total > 0:
        raise ValueError(
            "inverse_frequency: the vocabulary has no counts; expected one for each id"
        )
    rising = np.sort(found[found > 0])
    # If the j rarest have the cap, the others share what is left of the total equally: u each. The
    # right j is the first whose next one does not need the cap.
    capped = cap * np.concatenate([[0.0], np.cumsum(rising)[:-1]])
    shares = (total - capped) / np.arange(len(rising), 0, -1)
    fits = shares <= cap * rising
    share = shares[np.argmax(fits)] if fits.any() else np.inf
    with np.errstate(divide="ignore"):
        weights: np.ndarray = np.minimum(cap, share / found)
    return weights.astype(np.float32)


def inverse_frequency_factor(targets: tf.Tensor, counts: Sequence[int], cap: float) -> tf.Tensor:
    """`inverse_frequencies` of target ids [B, T], eos and unknown ones like any other."""
    return tf.gather(tf.constant(inverse_frequencies(counts, cap)), targets)


def region_factor(
    tokens: tf.RaggedTensor, regions: Sequence[tuple[str, float]], before: float, side: Side
) -> tf.Tensor:
    """The weight of the region that each token is in [B, T].

    A marker ends a region and belongs to it: the tokens after it have its weight, up to and with
    the next marker. Markers that are cut off on the left still hold. Eos is in the region of what
    stands before it: where a completion is cut off on the right, eos does not count as one.

    Args:
      tokens: string [B, (N)], before cutting.
      regions: (marker, weight of the tokens after it).
      before: weight of the tokens up to and with the first marker.
      side: the target side.
    """
    # One more place a row, after its last token: where eos stands.
    places = sequence.frame(tokens, last="")
    rows = places.value_rowids()
    after = _by_token(places.flat_values, regions, default=-1.0)  # weights are not negative
    markers = tf.where(after >= 0)[:, 0]
    # As many markers as stand in front of a place: the last of them is the one that holds there,
    # if it is in the same row.
    passed = tf.searchsorted(markers, tf.range(tf.size(after, tf.int64)), side="left")
    last = tf.gather(tf.concat([[0], markers], axis=0), passed)
    inside = (passed > 0) & (tf.gather(rows, last) == rows)
    found = tf.where(inside, tf.gather(after, last), before)
    return _at_positions(places.with_flat_values(found), side, with_end=True)


def class_factor(
    tokens: tf.RaggedTensor, class_weights: Sequence[tuple[str, float]], side: Side
) -> tf.Tensor:
    """The weight of each target token by its text [B, T]; 1 for tokens that are not named.

    Args:
      tokens: string [B, (N)], before cutting.
      class_weights: (token, weight).
      side: the target side.
    """
    found = _by_token(tokens.flat_values, class_weights, default=1.0)
    return _at_positions(tokens.with_flat_values(found), side)


def span_age_factor(spans: tf.RaggedTensor, newest: int, half_life: float) -> tf.Tensor:
    """A half for every `half_life` spans that a row is older than the newest [B, 1].

    Args:
      spans: int64 [B, (N)], the span of a row; 1 where there is none.
      newest: what age is counted from; later spans are no younger.
      half_life: in spans, > 0.
    """
    span = sequence.pad(tf.cast(spans[:, :1], tf.int64), max_length=1, value=newest)
    age = tf.cast(tf.maximum(newest - span, 0), tf.float32)
    return tf.pow(0.5, age / half_life)


def product(mask: tf.Tensor, *factors: tf.Tensor) -> tf.Tensor:
    """`loss_weights` [B, T]: the factors' product, exactly 0 where `mask` is 0 (not NaN * 0)."""
    weights = tf.ones_like(mask)
    for factor in factors:
        weights *= factor
    return tf.where(mask > 0, weights, tf.zeros_like(mask))


def _by_token(
    tokens: tf.Tensor, weights: Sequence[tuple[str, float]], *, default: float
) -> tf.Tensor:
    """The weight of each token [N] that is named, and `default` for others."""
    # A comparison for each name: they are few, and a table would have to be tracked and saved.
    found = tf.fill(tf.shape(tokens), tf.constant(default, tf.float32))
    for token, weight in weights:
        found = tf.where(tokens == token, tf.constant(weight, tf.float32), found)
    return found


def _at_positions(numbers: tf.RaggedTensor, side: Side, *, with_end: bool = False) -> tf.Tensor:
    """A number for each token [B, (N)] as one for each position [B, T], 1 at bos and padding.

    With `with_end` each row has one number more, the one of eos; without it eos has 1.
    """
    kept = sequence.cut(numbers, side.room + int(with_end), side.truncate)
    framed = sequence.frame(kept, first=1.0 if side.prepend_bos else None)
    return sequence.pad(framed, max_length=side.max_length, value=1.0)
