"""From what `score` says by example and by position to the sums of `metrics.SCORES`.

Where the model gives values by position the sums come from these, added up exactly (see `exact`): then
all tokens and the slices of tokens are sums of the same numbers. A model without them is taken at its
word, and has no calibration and no slices of tokens.
"""

import dataclasses

import numpy as np

from components.evaluator import calibration, exact, metrics
from components.evaluator.exact import Array, Ints

# What one token adds up, in this order, and then into the bin of its confidence.
_TOKEN_SUMS = ("loss_sum", "weight_sum", "token_count", "correct_sum")


@dataclasses.dataclass(frozen=True)
class Positions:
    """Values by position, [B, T] each: of the loss in nats, and as `score` documents them.

    `predicted`: the likeliest ids, if they were asked for and the model gives them.
    """

    loss: Array
    weight: Array
    correct: Array
    confidence: Array
    ids: Ints
    region: Ints
    predicted: Ints | None = None


@dataclasses.dataclass(frozen=True)
class Scores:
    """What a model says of B examples.

    Attributes:
      by_example: its outputs by example, [B] each.
      positions: its outputs by position, if it has them.
    """

    by_example: dict[str, Array]
    positions: Positions | None = None


@dataclasses.dataclass(frozen=True)
class Tokens:
    """The N tokens with weight of B examples, in order.

    Attributes:
      example, position: [N], from 0.
      terms: float64 [N, 5]: w·loss, w, 1, w·correct, w·confidence; rounded, see `exact`.
      bins: [N], of the confidence.
      ids, region: [N].
    """

    example: Ints
    position: Ints
    terms: Array
    bins: Ints
    ids: Ints
    region: Ints


def tokens_of(found: Positions) -> Tokens:
    """The tokens with weight > 0; what the others are, NaN even, is of no consequence."""
    weighted = found.weight > 0
    weight = np.where(weighted, found.weight, 0.0)
    values = (found.loss, 1.0, found.correct, found.confidence)
    with np.errstate(invalid="ignore"):
        loss, alone, correct, sure = (
            exact.rounded(np.where(weighted, weight * value, 0.0)) for value in values
        )
    example, position = np.nonzero(weighted)
    one = np.ones_like(weight)
    return Tokens(
        example,
        position,
        np.stack([each[weighted] for each in (loss, alone, one, correct, sure)], axis=-1),
        calibration.bins(found.confidence[weighted]),
        found.ids[weighted],
        found.region[weighted],
    )


def scores_of(found: Scores, tokens: Tokens | None) -> Array:
    """What is known of each example, [B, len(metrics.SCORES)], from the scores and their tokens."""
    size = len(found.by_example["loss_sum"])
    columns = {
        name: np.asarray(found.by_example.get(name, np.zeros(size))) for name in metrics.SCORES
    }
    columns["lacks_words"] = np.full(size, float("target_words" not in found.by_example))
    columns["lacks_unknown_bytes"] = np.full(size, float("unknown_bytes" not in found.by_example))
    columns["lacks_positions"] = np.full(size, float(tokens is None))
    columns["reweighted_tokens"] = np.zeros(size)
    if tokens is not None:
        other = ~np.isclose(tokens.terms[:, 1], 1.0, rtol=1e-6)
        columns["reweighted_tokens"] = np.bincount(tokens.example[other], minlength=size)
        sums = exact.add_by(tokens.example, tokens.terms, size)
        binned = _binned(tokens.example, tokens, tokens.terms, size)
        columns |= dict(zip(_TOKEN_SUMS, sums[:, :4].T, strict=True))
        columns |= dict(zip(calibration.COLUMNS, binned.T, strict=True))
    scores = np.stack([columns[name] for name in metrics.SCORES], axis=1)
    # A sum of the model's own can be non-finite by a position that has no weight: a NaN weight.
    own = np.stack(list(found.by_example.values()), axis=1)
    scores[~np.isfinite(own).all(axis=1), metrics.SCORES.index("loss_sum")] = np.nan
    return scores


def cells_of(tokens: Tokens, terms: Tokens, places: Ints, buckets: Ints, count: int) -> Array:
    """Sums of tokens by slice value and bucket: [count, G, len(metrics.SUMS), 2], see `exact.split`.

    Args:
      tokens: those of the candidate, which say to what example they belong.
      terms: those of the model whose sums are wanted, one for each of the candidate's.
      places: [N], the slice value of each token, below `count`.
      buckets: [B], the jackknife bucket of each example.
      count: number of slice values.
    """
    groups = places * metrics.BUCKETS + buckets[tokens.example]
    size = count * metrics.BUCKETS
    cells = np.zeros((size, len(metrics.SUMS), 2))
    halves = exact.split(terms.terms)
    base = [metrics.SUMS.index(name) for name in _TOKEN_SUMS]
    binned = [metrics.SUMS.index(name) for name in calibration.COLUMNS]
    for half in range(2):
        cells[:, base, half] = exact.add_by(groups, halves[:, :4, half], size)
        cells[:, binned, half] = _binned(groups, terms, halves[..., half], size)
    for name, counted in _examples(tokens, terms, groups).items():
        cells[:, metrics.SUMS.index(name), 0] = np.bincount(counted, minlength=size)
    return cells.reshape(count, metrics.BUCKETS, len(metrics.SUMS), 2)


def _binned(groups: Ints, tokens: Tokens, terms: Array, size: int) -> Array:
    """`calibration.COLUMNS` by group [size, ...] from terms [N, 5] and the tokens' bins."""
    flat = groups * calibration.BINS + tokens.bins
    weight, correct, sure = terms[:, 1], terms[:, 3], terms[:, 4]
    sums = [
        np.bincount(flat, weights=each, minlength=size * calibration.BINS)
        for each in (weight, sure, correct)
    ]
    return np.stack(sums, axis=-1).reshape(size, len(calibration.COLUMNS))


def _examples(tokens: Tokens, terms: Tokens, groups: Ints) -> dict[str, Ints]:
    """By sum, the groups that examples count in: each once a group, however many tokens it has.

    The other counts are of whole examples (`metrics.has_meaning`), and stay 0.
    """
    size = int(groups.max(initial=0)) + 1
    pairs = tokens.example * size + groups
    finite = np.isfinite(terms.terms).all(axis=1)
    return {
        "examples": np.unique(pairs) % size,
        "non_finite_examples": np.unique(pairs[~finite]) % size,
    }
