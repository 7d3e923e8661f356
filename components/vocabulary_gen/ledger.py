"""The token ledger: where every token that was read went. It must balance to the token."""

import dataclasses
from typing import Any

from components.errors import InputError
from components.vocabulary_gen.tally import SideLedger, Tally
from transform.vocabulary import Vocabularies

_TARGET_ONLY = ("trained", "zero_weight")


def build(tallies: dict[str, Tally], vocabularies: Vocabularies) -> dict[str, Any]:
    """The ledger by split and side, with out-of-vocabulary tokens counted before trimming.

    `tokens_read = kept + truncated`, and of the target `kept = trained + zero_weight`; both count eos.
    """
    return {
        split: {
            side: _positions(row, side) | {"out_of_vocabulary": _unknown(tally, side, vocabularies)}
            for side, row in tally.ledger.items()
        }
        for split, tally in sorted(tallies.items())
    }


def check_vocabulary(vocabularies: Vocabularies) -> None:
    """Stop the run where a side has no token at all: every word would be the unknown one.

    Raises:
      InputError: data.vocab_size or data.min_frequency leaves nothing.
    """
    empty = [name for name, side in vocabularies.sides.items() if not side.tokens]
    if empty:
        raise InputError(
            f"the vocabulary of the {' and the '.join(empty)} side holds no token: "
            "data.vocab_size is too small or data.min_frequency too large"
        )


def check(ledger: dict[str, Any], *, max_lost_tokens: float) -> None:
    """Stop the run before training where the ledger shows that it would be worth nothing.

    Raises:
      InputError: trimming costs more than `max_lost_tokens` of a split's target positions, or no
        position of a split has a weight above 0.
      AssertionError: the ledger does not balance (a mistake of ours, not of the data).
    """
    problems = []
    for split, sides in ledger.items():
        row = sides["target"]
        if row["tokens_read"] != row["trained"] + row["zero_weight"] + row["truncated"]:
            raise AssertionError(f"the token ledger of split {split!r} does not balance: {row}")
        lost = row["truncated"] / max(1, row["tokens_read"])
        if lost > max_lost_tokens:
            problems.append(
                f"{split} split: trimming to data.max_target_length loses {row['truncated']:,} of "
                f"{row['tokens_read']:,} target tokens ({lost:.1%}), expected at most {max_lost_tokens:.1%} "
                "(data.max_lost_tokens)"
            )
        if row["trained"] == 0:
            problems.append(
                f"{split} split: all {row['kept']:,} target positions have weight 0: nothing to train on"
            )
    if problems:
        raise InputError("\n".join(problems))


def _positions(row: SideLedger, side: str) -> dict[str, int]:
    """A row as it is written; only targets are trained on."""
    values = dataclasses.asdict(row)
    return values if side == "target" else {k: values[k] for k in values if k not in _TARGET_ONLY}


def _unknown(tally: Tally, side: str, vocabularies: Vocabularies) -> int:
    known = set(vocabularies[side].tokens)
    return sum(count for token, count in tally.tokens[side].items() if token not in known)
