"""What one pass over raw examples counts: tokens by side, and where every target token goes.

Plain numbers that add up in any order, so bundles and workers cannot change the result.
"""

import dataclasses
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf

from transform import preprocessing, sequence
from transform.settings import Settings, Side

SHOWN_PROBLEMS = 20


@dataclass
class SideLedger:
    """Positions of one side of one split, eos included: read = kept + truncated.

    Of the target's kept positions, kept = trained + zero_weight.
    """

    sequences: int = 0
    tokens_read: int = 0
    kept: int = 0
    truncated: int = 0
    trained: int = 0
    zero_weight: int = 0

    def __add__(self, other: "SideLedger") -> "SideLedger":
        return SideLedger(
            *(
                a + b
                for a, b in zip(dataclasses.astuple(self), dataclasses.astuple(other), strict=True)
            )
        )


@dataclass
class Tally:
    """Counts over some examples of one split."""

    tokens: dict[str, Counter] = field(default_factory=dict)
    ledger: dict[str, SideLedger] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    problem_count: int = 0

    def to_json(self) -> str:
        tokens = {
            side: {
                token.decode("utf-8", "surrogateescape"): count for token, count in counter.items()
            }
            for side, counter in self.tokens.items()
        }
        return json.dumps(dataclasses.asdict(self) | {"tokens": tokens})

    @classmethod
    def from_json(cls, text: str) -> "Tally":
        values = json.loads(text)
        tokens = {
            side: Counter(
                {
                    token.encode("utf-8", "surrogateescape"): count
                    for token, count in counter.items()
                }
            )
            for side, counter in values["tokens"].items()
        }
        rows = {side: SideLedger(**row) for side, row in values["ledger"].items()}
        return cls(tokens, rows, values["problems"], values["problem_count"])


def total(tallies: Iterable[Tally]) -> Tally:
    """The sum of tallies, in any order and grouping."""
    result = Tally()
    for tally in tallies:
        for side, counter in tally.tokens.items():
            result.tokens.setdefault(side, Counter()).update(counter)
        for side, row in tally.ledger.items():
            result.ledger[side] = result.ledger.get(side, SideLedger()) + row
        result.problems = sorted(result.problems + tally.problems)[:SHOWN_PROBLEMS]
        result.problem_count += tally.problem_count
    return result


def count(serialized: Sequence[bytes], settings: Settings) -> Tally:
    """Count a batch of serialized raw tf.Examples."""
    inputs = parse(serialized, settings)
    tally = Tally()
    for name, side in settings.sides.items():
        found = preprocessing.tokens(inputs, side)
        tally.tokens[name] = Counter(found.flat_values.numpy().tolist())
        tally.ledger[name] = _positions(found, side)
        if settings.excess_length == "raise":
            _report(tally, inputs, settings, _too_long(found, side))
    if settings.input_chars and settings.source:
        kept = preprocessing.kept_tokens(inputs, settings.source)
        found = sequence.characters(kept, settings.input_chars)
        tally.tokens["characters"] = Counter(found.flat_values.numpy().tolist())
    found = preprocessing.tokens(inputs, settings.target)
    _report(tally, inputs, settings, _bad_weights(inputs, settings, found))
    if not tally.problem_count:
        lengths, weights = (
            value.numpy() for value in preprocessing.loss_weights(inputs, settings, found)
        )
        trained = int((weights > 0).sum())
        tally.ledger["target"].trained = trained
        tally.ledger["target"].zero_weight = int(lengths.sum()) - trained
    return tally


def parse(serialized: Sequence[bytes], settings: Settings) -> preprocessing.RawFeatures:
    """The raw columns that the settings name, as sparse tensors."""
    spec: dict[str, tf.io.VarLenFeature] = {
        side.column: tf.io.VarLenFeature(tf.string) for side in settings.sides.values()
    }
    for column in (settings.token_weights, settings.example_weights):
        if column:
            spec[column] = tf.io.VarLenFeature(tf.float32)
    return tf.io.parse_example(tf.constant(list(serialized), tf.string), spec)


def _positions(found: tf.RaggedTensor, side: Side) -> SideLedger:
    read = found.row_lengths().numpy() + int(side.append_eos)
    kept = np.minimum(read, side.max_length)
    return SideLedger(len(read), int(read.sum()), int(kept.sum()), int((read - kept).sum()))


def _too_long(found: tf.RaggedTensor, side: Side) -> dict[int, str]:
    return {
        row: f"column {side.column!r}: got {length} tokens, expected at most {side.room} "
        "(data.excess_length: raise)"
        for row, length in enumerate(found.row_lengths().numpy())
        if length > side.room
    }


def _bad_weights(
    inputs: preprocessing.RawFeatures, settings: Settings, found: tf.RaggedTensor
) -> dict[int, str]:
    """By row: a weight that is negative or not finite, or another number of weights than of tokens."""
    problems = {}
    for column in (settings.token_weights, settings.example_weights):
        if column:
            rows = preprocessing.column(inputs, column).to_list()
            for row, numbers in enumerate(rows):
                bad = [number for number in numbers if not 0 <= number < float("inf")]
                if bad:
                    problems[row] = (
                        f"column {column!r}: got the weight {bad[0]:g}, expected a finite number >= 0"
                    )
    if settings.token_weights:
        counts = preprocessing.column(inputs, settings.token_weights).row_lengths().numpy()
        for row, (numbers, tokens) in enumerate(
            zip(counts, found.row_lengths().numpy(), strict=True)
        ):
            if numbers not in (0, tokens):
                problems[row] = (
                    f"column {settings.token_weights!r}: got {numbers} weights for {tokens} tokens, "
                    "expected one for each"
                )
    return problems


def _report(
    tally: Tally, inputs: preprocessing.RawFeatures, settings: Settings, problems: dict[int, str]
) -> None:
    """Add problems to the tally, each with the start of its row's text."""
    if not problems:
        return
    rows = preprocessing.column(inputs, (settings.source or settings.target).column).to_list()
    lines = [f"row {_excerpt(rows[row])!r}: {problem}" for row, problem in problems.items()]
    tally.problems = sorted(tally.problems + lines)[:SHOWN_PROBLEMS]
    tally.problem_count += len(problems)


def _excerpt(values: list[bytes]) -> str:
    text = b" ".join(values).decode("utf-8", "replace")
    return text if len(text) <= 40 else text[:39] + "…"
