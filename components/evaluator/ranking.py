"""Which examples and tokens a reader should look at: the worst ones, and some that are anyone's.

The worst are ranked by the candidate's loss, the others by a hash of the row: the same in every run. Of
rows that are equal to the byte one is listed.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from components.evaluator import exact, metrics
from components.evaluator.combining import Ranked
from components.evaluator.exact import Array, Ints
from components.evaluator.positions import Scores, Tokens

BY_LOSS, BY_LOSS_SUM, TOKENS, SAMPLES = "by_loss", "by_loss_sum", "tokens", "samples"
# In characters. A sample is decoded from its text, so it has more of it.
_LONGEST_TEXT, _LONGEST_SAMPLE = 500, 20_000


@dataclasses.dataclass(frozen=True)
class Limits:
    """How many rows the tables have; by loss per token, of examples of at least `min_tokens`."""

    worst: int = 0
    min_tokens: int = 1
    samples: int = 0

    def of(self, table: str) -> int:
        """The most rows of a table."""
        return self.samples if table == SAMPLES else self.worst


def ranked(
    batch: Sequence[bytes], names: Sequence[str], rows: Array, found: Scores, limits: Limits
) -> dict[str, list[Ranked]]:
    """The candidates of a batch for the tables of examples.

    Args:
      batch: B serialized raw examples.
      names: their digests.
      rows: the model's sums, [B, len(metrics.SUMS)].
      found: its scores.
      limits: of the tables.
    """
    losses, weights, tokens = (
        metrics.column(rows, name) for name in ("loss_sum", "weight_sum", "token_count")
    )
    new: npt.NDArray[np.bool_] = np.zeros(len(names), np.bool_)
    new[list({name: at for at, name in enumerate(names)}.values())] = True
    usable = new & (weights > 0) & (metrics.column(rows, "non_finite_examples") == 0)
    means = np.divide(losses, weights, out=np.zeros_like(losses), where=usable)
    long = usable & (tokens >= limits.min_tokens)

    def worst(values: Array, among: Any) -> list[Ranked]:
        places = sorted(np.flatnonzero(among).tolist(), key=lambda at: (-values[at], names[at]))
        return [
            (
                -float(values[at]),
                names[at],
                {
                    "loss": float(means[at]),
                    "loss_sum": float(losses[at]),
                    "tokens": int(tokens[at]),
                    "row": batch[at],
                },
            )
            for at in places[: limits.worst]
        ]

    tables = {BY_LOSS: worst(means, long), BY_LOSS_SUM: worst(losses, usable)}
    places = sorted(np.flatnonzero(usable).tolist(), key=lambda at: names[at])[: limits.samples]
    if found.positions:
        tables[SAMPLES] = [(0.0, names[at], _sample(batch[at], found, at)) for at in places]
    return tables


def _sample(row: bytes, found: Scores, at: int) -> dict[str, Any]:
    assert found.positions is not None
    real = found.positions.region[at] != 0
    named = {"ids": "ids", "losses": "loss", "weights": "weight"}
    values = {name: getattr(found.positions, of)[at][real].tolist() for name, of in named.items()}
    # Weight 0 may hide any loss, and JSON has no word for some.
    for name in ("losses", "weights"):
        values[name] = [each if math.isfinite(each) else None for each in values[name]]
    return values | {"row": row}


def sums_by_id(tokens: Tokens) -> tuple[Ints, Array]:
    """The ids that occur, and of each the sums of w·loss, w and 1: [I], [I, 3, 2]."""
    ids, places = np.unique(tokens.ids, return_inverse=True)
    return ids, exact.add_by(places, exact.split(tokens.terms[:, :3]), len(ids))


def worst_tokens(sums: Array | None, texts: Sequence[str], limits: Limits) -> list[dict[str, Any]]:
    """The tokens that cost most in all, as `worst.json` has them.

    Args:
      sums: by id, as `sums_by_id`, of all examples: [V', 3, 2].
      texts: by id; ids beyond are named by their number.
      limits: how many.
    """
    if sums is None:
        return []
    losses, weights, counts = exact.joined(sums).T
    costs = np.where(np.isfinite(losses), losses, -np.inf)
    order = [at for at in np.argsort(-costs, kind="stable")[: limits.worst] if costs[at] > 0]
    return [
        {
            "token": _token(at, texts),
            "loss": float(losses[at] / weights[at]),
            "loss_sum": float(losses[at]),
            "weight": float(weights[at]),
            "count": int(counts[at]),
        }
        for at in order
    ]


def columns_of(facts: Mapping[str, Any]) -> dict[str, str]:
    """Name in a table -> raw column, of the sides that a model reads; {} where it does not say."""
    settings = facts.get("settings") or {}
    sides = {"source": settings.get("source"), "text": settings.get("target")}
    return {name: side["column"] for name, side in sides.items() if side}


def told(one: Ranked, columns: Mapping[str, str], texts: Sequence[str]) -> dict[str, Any]:
    """What a table says of an example, as JSON can hold it.

    Args:
      one: of `ranked`.
      columns: name in the table -> raw column.
      texts: of the tokens, by id.
    """
    _, digest, values = one
    example = tf.train.Example.FromString(values["row"])
    longest = _LONGEST_SAMPLE if "ids" in values else _LONGEST_TEXT
    found = {"digest": digest} | {k: v for k, v in values.items() if k not in ("row", "ids")}
    if "ids" in values:
        found["tokens"] = [_token(number, texts) for number in values["ids"]]
    return found | {name: _text(example, column)[:longest] for name, column in columns.items()}


def _token(number: int, texts: Sequence[str]) -> str:
    return texts[number] if number < len(texts) else f"#{number}"


def _text(example: tf.train.Example, column: str) -> str:
    features = example.features.feature
    if column not in features or not (kind := features[column].WhichOneof("kind")):
        return ""
    values = getattr(features[column], kind).value
    if kind == "bytes_list":
        values = (value.decode("utf-8", "backslashreplace") for value in values)
    return " ".join(map(str, values))
