"""What one pass over raw examples counts: tokens by side, and where every target token goes.

Plain numbers that add up, so shards and workers cannot change the result.
"""

import dataclasses
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf

from components.vocabulary_gen.faults import problems_of
from components.vocabulary_gen.measure import Measure
from components.vocabulary_gen.problems import KEPT, Problem
from transform.settings import Settings


@dataclass
class SideLedger:
    """Positions of one side of one split, eos and bos included: read = kept + truncated.

    Of the target's kept positions, kept = trained + zero_weight; context is a part of zero_weight.
    """

    sequences: int = 0
    tokens_read: int = 0
    kept: int = 0
    truncated: int = 0
    ends: int = 0  # eos among the positions read
    eos_and_bos: int = 0
    trained: int = 0
    trained_ends: int = 0  # eos among them
    zero_weight: int = 0
    context: int = 0

    def __add__(self, other: "SideLedger") -> "SideLedger":
        return SideLedger(
            *(
                a + b
                for a, b in zip(dataclasses.astuple(self), dataclasses.astuple(other), strict=True)
            )
        )


@dataclass
class Tally:
    """Counts over some examples of one split.

    Attributes:
      tokens: how often each token occurs before trimming, by side (and `characters`).
      ledger: positions by side.
      weights: sums over the trained positions: of the weight (`loss_weights`) and of each factor.
      problems: what is wrong with rows, the first ones; `problem_count` in all.
    """

    tokens: dict[str, Counter] = field(default_factory=dict)
    ledger: dict[str, SideLedger] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    problem_count: int = 0

    def to_json(self) -> str:
        """JSON; bytes that are not UTF-8 become lone surrogates and come back as they were."""
        tokens = {
            side: {_text(token): count for token, count in counter.items()}
            for side, counter in self.tokens.items()
        }
        return json.dumps(
            dataclasses.asdict(dataclasses.replace(self, tokens={})) | {"tokens": tokens}
        )

    @classmethod
    def from_json(cls, text: str) -> "Tally":
        values = json.loads(text)
        tokens = {
            side: Counter({_token(token): count for token, count in counter.items()})
            for side, counter in values["tokens"].items()
        }
        rows = {side: SideLedger(**row) for side, row in values["ledger"].items()}
        problems = [Problem(**problem) for problem in values["problems"]]
        return cls(**(values | {"tokens": tokens, "ledger": rows, "problems": problems}))

    def after(self, rows: int) -> "Tally":
        """The same counts, of examples that come after so many others of their shard."""
        return dataclasses.replace(self, problems=[each.after(rows) for each in self.problems])

    def add(self, other: "Tally") -> None:
        """Count also what the other has counted."""
        for side, counter in other.tokens.items():
            self.tokens.setdefault(side, Counter()).update(counter)
        for side, row in other.ledger.items():
            self.ledger[side] = self.ledger.get(side, SideLedger()) + row
        for name, value in other.weights.items():
            self.weights[name] = self.weights.get(name, 0.0) + value
        self.problems = sorted(self.problems + other.problems)[:KEPT]
        self.problem_count += other.problem_count


def total(tallies: Iterable[Tally]) -> Tally:
    """The sum of tallies."""
    result = Tally()
    for tally in tallies:
        result.add(tally)
    return result


def count(serialized: Sequence[bytes], settings: Settings, *, vocab_size: int = 0) -> Tally:
    """Count some serialized raw tf.Examples by themselves; many batches share one `Measure`."""
    return count_batch(Measure(settings, vocab_size), tf.constant(list(serialized), tf.string))[0]


def count_batch(measure: Measure, serialized: tf.Tensor) -> tuple[Tally, np.ndarray]:
    """Count a batch of serialized raw tf.Examples.

    Returns:
      The tally, and the rows' fingerprints, int64 [B].
    """
    found = measure(serialized)
    tally = Tally(
        tokens={name: counter(*pair) for name, pair in found["tokens"].items()},
        ledger={name: SideLedger(**_plain(row, int)) for name, row in found["ledger"].items()},
        weights=_plain(found["weights"], float),
    )
    bad = np.flatnonzero(found["bad"].numpy())
    if bad.size:
        named = problems_of(serialized.numpy()[bad], measure.settings, measure.vocab_size)
        if not named:
            raise AssertionError(f"{bad.size} rows are bad, but nothing says what is wrong")
        in_batch = [dataclasses.replace(each, row=int(bad[each.row])) for each in named]
        tally.problems = sorted(in_batch)[:KEPT]
        tally.problem_count = len(named)
    return tally, found["fingerprints"].numpy()


def counter(tokens: tf.Tensor, counts: tf.Tensor) -> Counter:
    """What `measure.distinct` gives, as a Counter."""
    return Counter(dict(zip(tokens.numpy().tolist(), counts.numpy().tolist(), strict=True)))


def _plain(row: dict[str, tf.Tensor], kind: type) -> dict[str, Any]:
    return {name: kind(value.numpy()) for name, value in row.items()}


def _text(token: bytes) -> str:
    return token.decode("utf-8", "surrogateescape")


def _token(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
