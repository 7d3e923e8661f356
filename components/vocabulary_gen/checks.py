"""What stops a run before anything is trained, each with its numbers; and what it is warned of."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from components.errors import InputError
from components.vocabulary_gen.shares import cut_tokens
from components.vocabulary_gen.tally import SideLedger, Tally
from transform.settings import Settings
from transform.vocabulary import Vocabularies

# Columns are swapped where tags are many and rare as words are: half of all words occur once.
_FEWEST_TAGS, _RARE = 20, 0.5
_HEAVIEST = 1e30  # float32 holds 3e38, and losses are multiplied by weights
_KEY = "data.max_target_length"


def check_vocabulary(
    vocabularies: Vocabularies, train: Mapping[str, Counter], settings: Settings
) -> None:
    """Stop the run where a side has no token at all: every word would be the unknown one.

    Args:
      vocabularies: what was made.
      train: how often each token occurs in the training split, by side.
      settings: what was asked for.

    Raises:
      InputError: the tokenizer finds nothing, or data.vocab_size or data.min_frequency leaves
        nothing; a line each.
    """
    empty = [name for name, side in vocabularies.sides.items() if not side.tokens]
    if empty:
        raise InputError(
            "\n".join(
                f"the vocabulary of the {name} side holds no token: "
                f"{_no_token(name, train[name], settings)}"
                for name in empty
            )
        )


def _no_token(name: str, found: Counter, settings: Settings) -> str:
    side = settings.sides.get(name)
    if found or side is None:
        return "data.vocab_size is too small or data.min_frequency too large"
    if side.pattern:
        return (
            f"transform.{name}_pattern {side.pattern!r} matches nothing in column {side.column!r}"
        )
    return f"the training split has no token in column {side.column!r} ({side.tokenizer})"


def check(
    ledger: Mapping[str, Any],
    train: Tally,
    settings: Settings,
    *,
    max_lost_tokens: float,
    max_oov_rate: float,
) -> None:
    """Stop the run before training where the counts show that it would be worth nothing.

    Args:
      ledger: see `ledger.build`.
      train: the counts of the training split.
      settings: what was asked for.
      max_lost_tokens: largest share of a split's target positions that is trimmed or dropped.
      max_oov_rate: largest share of a side's tokens that is unknown.

    Raises:
      InputError: everything that is wrong, a line each.
    """
    problems = [
        *_absent_classes(train.tokens["target"], settings),
        *_absent_markers(train.tokens["target"], settings),
        *_swapped(train.tokens, settings),
    ]
    for split, sides in ledger["splits"].items():
        problems += _lost(split, sides["target"], max_lost_tokens)
        problems += _untrained(split, sides["target"])
        problems += _unknown(split, sides, max_oov_rate)
    problems += _only_ends(train.ledger.get("target", SideLedger()), settings)
    for split, weights in ledger.get("weights", {}).items():
        problems += _too_heavy(split, weights["sum"])
    if problems:
        raise InputError("\n".join(problems))


def _lost(split: str, row: Mapping[str, int], limit: float) -> Iterator[str]:
    lost = row["truncated"] + row["dropped"]
    share = lost / max(1, row["tokens_read"])
    if share <= limit:
        return
    ways = {f"trimming to {_KEY}": row["truncated"], "dropping what is too long": row["dropped"]}
    yield (
        f"{split} split: {' and '.join(way for way, count in ways.items() if count)} loses {lost:,} "
        f"of {row['tokens_read']:,} target tokens ({share:.1%}), expected at most {limit:.1%} "
        "(data.max_lost_tokens)"
    )


def _untrained(split: str, row: Mapping[str, int]) -> Iterator[str]:
    if row["trained"] == 0:
        yield (
            f"{split} split: all {row['kept']:,} target positions have weight 0: nothing to train on"
        )


def _too_heavy(split: str, weights: float) -> Iterator[str]:
    if not weights <= _HEAVIEST:
        yield (
            f"{split} split: got weights that add up to {weights:g}, expected at most "
            f"{_HEAVIEST:g}: losses would overflow (weights in the data, transform.class_weights, "
            "transform.regions, transform.region_before)"
        )


def _unknown(split: str, sides: Mapping[str, Any], limit: float) -> Iterator[str]:
    for side, row in sides.items():
        tokens = cut_tokens(row)
        share = row["out_of_vocabulary"] / max(1, tokens)
        if share > limit:
            yield (
                f"{split} split: {row['out_of_vocabulary']:,} of {tokens:,} {side} tokens "
                f"({share:.1%}) are not in the vocabulary, expected at most {limit:.1%} "
                "(data.max_oov_rate)"
            )


def _only_ends(row: SideLedger, settings: Settings) -> Iterator[str]:
    if 0 < row.trained == row.trained_ends:
        yield (
            f"train split: no token of the {settings.target.column!r} column but the {row.trained:,} "
            "eos has a weight above 0: nothing to train on"
        )


def _absent_classes(found: Counter, settings: Settings) -> Iterator[str]:
    for token in _absent(settings.class_weights, found):
        yield f"transform.class_weights: {_no_token_of(token, settings)} one of {_examples(found)}"


def _absent_markers(found: Counter, settings: Settings) -> Iterator[str]:
    for token in _absent(settings.regions, found):
        yield f"transform.regions: {_no_token_of(token, settings)} a marker that is one"


def _absent(weights: Sequence[tuple[str, float]], found: Counter) -> list[str]:
    return [token for token, _ in weights if not found[token.encode()]]


def _no_token_of(token: str, settings: Settings) -> str:
    return (
        f"got {token!r}, which is no token of the {settings.target.column!r} column in the training "
        "split; expected"
    )


def _swapped(train: Mapping[str, Counter], settings: Settings) -> Iterator[str]:
    """Tags are few and repeat; words are many, and most are rare."""
    if settings.task != "tagging" or not settings.source:
        return
    tags, tokens = len(train["target"]), len(train["source"])
    once = sum(count == 1 for count in train["target"].values())
    if tags > tokens and tags >= _FEWEST_TAGS and once >= _RARE * tags:
        yield (
            f"data.columns: got {tags:,} different tags in {settings.target.column!r} ({once:,} of "
            f"them only once) for {tokens:,} different tokens in {settings.source.column!r}, "
            "expected fewer tags than tokens: are the columns swapped?"
        )


def _examples(found: Counter) -> str:
    first = sorted(found, key=lambda token: (-found[token], token))[:5]
    names = [repr(token.decode("utf-8", "replace")) for token in first]
    return ", ".join([*names, "…"] if len(found) > len(names) else names) or "none"
