"""From shards of raw examples to the vocabularies and the ledger: the order of the passes."""

import dataclasses
import functools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.errors import InputError
from components.subwords import files
from components.vocabulary_gen import checks, counting, duplicates, growth, ledger, problems
from components.vocabulary_gen.counting import Results, Shard
from components.vocabulary_gen.tally import Tally
from transform.settings import SUBWORDS, Settings
from transform.vocabulary import Vocabularies

TRAIN = "train"
# Runs a function on the path of each shard; the text names the step.
Each = Callable[[Sequence[str], Callable[[str], None], str], None]


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to make a vocabulary from.

    Attributes:
      settings: how text becomes tokens.
      vocab_size, min_frequency, max_lost_tokens, max_oov_rate: as in the configuration.
      base: folder of the vocabulary to extend, or "".
      found: the shards, those of a split in order.
      dropped: what ExampleGen left out, see `ledger.build`.
      folder: for results; a Beam worker can write there.
    """

    settings: Settings
    vocab_size: int
    min_frequency: int
    max_lost_tokens: float
    max_oov_rate: float
    base: str
    found: Sequence[Shard]
    dropped: Mapping[str, Any]
    folder: str


def make(request: Request, each: Each) -> tuple[Vocabularies, dict[str, Any]]:
    """Count the shards, grow the vocabulary from the training split, and fill the ledger.

    Raises:
      InputError: bad rows, or counts that leave nothing worth training; a line each.
    """
    base = Vocabularies.read(request.base) if request.base else None
    settings, subwords = _cut(request, base, each)
    work = functools.partial(
        counting.count_shard,
        settings=settings,
        vocab_size=request.vocab_size,
        folder=request.folder,
    )
    each([shard.path for shard in request.found], work, "Count")
    results = Results(request.folder)
    train, counted = _totals(request.found, results, settings)
    vocabularies = growth.grow(
        train.tokens,
        settings,
        vocab_size=request.vocab_size,
        min_frequency=request.min_frequency,
        base=base,
        subwords=subwords,
    )
    checks.check_vocabulary(vocabularies, train.tokens, settings)
    ends = {side: row.ends for side, row in train.ledger.items()}
    vocabularies = growth.with_counts(vocabularies, train.tokens, ends)
    filled = ledger.build(
        counted,
        _unknown(request.found, results, vocabularies, settings),
        dropped=request.dropped,
        sides=settings.sides,
    )
    ledger.balance(filled)
    checks.check(
        filled,
        train,
        settings,
        max_lost_tokens=request.max_lost_tokens,
        max_oov_rate=request.max_oov_rate,
    )
    filled["checks"] = {"duplicates": _duplicates(request.found, results)}
    return vocabularies, filled


def _cut(
    request: Request, base: Vocabularies | None, each: Each
) -> tuple[Settings, dict[str, files.Subwords]]:
    """The settings that can tokenise; learns subwords where there are none yet."""
    settings = request.settings
    unlearned = files.unlearned(settings, base)
    words: dict[str, Counter] = {}
    if unlearned:
        shards = [shard for shard in request.found if shard.split == TRAIN]
        work = functools.partial(
            counting.count_words, settings=settings, sides=unlearned, folder=request.folder
        )
        each([shard.path for shard in shards], work, "Words")
        words = Results(request.folder).words(shards)
    if not any(side.tokenizer in SUBWORDS for side in settings.sides.values()):
        return settings, {}
    found = files.subwords_of(settings, base, words, request.vocab_size)
    files.write(found, settings, request.folder)
    return settings.with_subwords(request.folder), found


def _totals(
    found: Sequence[Shard], results: Results, settings: Settings
) -> tuple[Tally, dict[tuple[str, str], Tally]]:
    """The training split's counts, and all but the tokens of each split and span.

    Raises:
      InputError: rows that cannot be trained on.
      AssertionError: ExampleGen wrote another number of rows than were found.
    """
    names = [*settings.sides, "characters"] if settings.input_chars else [*settings.sides]
    train = Tally(tokens={name: Counter() for name in names})
    counted: dict[tuple[str, str], Tally] = {}
    bad: list[tuple[Shard, Tally]] = []
    for shard in found:
        tally = results.tally(shard)
        rows = tally.ledger["target"].sequences if tally.ledger else 0
        if shard.rows not in (None, rows):
            raise AssertionError(f"{shard.path}: got {rows} rows, ExampleGen wrote {shard.rows}")
        if shard.split == TRAIN:
            train.add(tally)
        bare = dataclasses.replace(tally, tokens={})
        counted.setdefault((shard.split, shard.span), Tally()).add(bare)
        if bare.problems:
            bad.append((shard, bare))
    _raise_problems(bad)
    return train, counted


def _raise_problems(bad: Sequence[tuple[Shard, Tally]]) -> None:
    lines: list[str] = []
    for shard, tally in bad:
        if len(lines) < problems.SHOWN:
            lines += problems.lines(
                tally.problems,
                split=shard.split,
                places=shard.places,
                of_all=tally.ledger["target"].sequences,
            )
    if lines:
        lines = lines[: problems.SHOWN]
        count = sum(tally.problem_count for _, tally in bad)
        lines += [f"{count} problems in all"] if count > len(lines) else []
        raise InputError("\n".join(lines))


def _unknown(
    found: Sequence[Shard], results: Results, vocabularies: Vocabularies, settings: Settings
) -> dict[tuple[str, str], Counter]:
    """Unknown tokens by split and span, then side: from a second look at the shards' counts."""
    known = {side: set(vocabularies[side].tokens) for side in settings.sides}
    counts: dict[tuple[str, str], Counter] = {}
    for shard in found:
        here = counts.setdefault((shard.split, shard.span), Counter())
        here.update(ledger.unknown(results.tally(shard), known))
    return counts


def _duplicates(found: Sequence[Shard], results: Results) -> dict[str, dict[str, int]]:
    others: dict[str, list[duplicates.Fingerprints]] = {}
    for shard in found:
        if shard.split != TRAIN:
            others.setdefault(shard.split, []).append(results.fingerprints(shard))
    train = (results.fingerprints(shard) for shard in found if shard.split == TRAIN)
    return duplicates.count_shared(train, others)
