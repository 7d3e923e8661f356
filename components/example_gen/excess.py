"""Rows that are too long: left out, or cut into windows. Rows stay in order, batch by batch.

Windows, over: row. A row that fits is written as it is. One that does not becomes windows, each a row
of its own with the same other columns.

Windows, over: file. All rows of a file are one text, and short windows only come at its end. A window
has the other columns of the row that its first token to be scored is from.

A row's split is decided before, on the whole row, so all its windows are in that split.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from components.example_gen import tokens
from components.example_gen.columns import Checked, Values, describe
from components.example_gen.companions import Accompanied, accompany, mismatch, values_of
from components.example_gen.faults import FileFault
from components.example_gen.outcome import TOO_LONG, FileResult
from components.example_gen.sequences import DROP, FILE, WINDOW, SequenceRules
from components.example_gen.windows import Piece, PieceTooLong, Window, WindowCutter
from transform.settings import ID_LIST, Side

BATCH_ROWS = 1024
BATCH_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class SplitRow:
    """A good row and its split."""

    split: str
    line: int
    values: Checked


class _Record(NamedTuple):
    """A row to write: the row that it is from, or whose other columns it has, and its own text.

    `companions` are the values of `SequenceRules.companions`.
    """

    row: SplitRow
    value: Values | None
    companions: Sequence[Values | None]
    context: int
    continues: bool


def kept(rows: Iterator[SplitRow], rules: SequenceRules, result: FileResult) -> Iterator[SplitRow]:
    """The rows to write; `result` counts the others: dropped, with all their positions, or bad."""
    if rules.policy == DROP:
        yield from _short_enough(rows, rules, result)
    elif rules.companions:
        yield from _well_accompanied(rows, rules, result)
    else:
        yield from rows


def _short_enough(
    rows: Iterator[SplitRow], rules: SequenceRules, result: FileResult
) -> Iterator[SplitRow]:
    for batch in batches(rows, rules):
        counts = [
            tokens.token_counts([row.values[one.position] for row in batch], one)
            for one in rules.sides
        ]
        for row, of_row in zip(batch, zip(*counts, strict=True), strict=True):
            if all(n <= one.side.room for n, one in zip(of_row, rules.sides, strict=True)):
                yield row
                continue
            positions = {
                # Besides the tokens, whatever else the side would have: bos and eos.
                one.name: count + one.side.max_length - one.side.room
                for count, one in zip(of_row, rules.sides, strict=True)
            }
            result.add_dropped(row.split, TOO_LONG, positions)


def _well_accompanied(
    rows: Iterator[SplitRow], rules: SequenceRules, result: FileResult
) -> Iterator[SplitRow]:
    """The rows whose companions have a value for each token."""
    (target,) = rules.sides
    inside = rules.over == FILE
    for batch in batches(rows, rules):
        values = [row.values[target.position] for row in batch]
        counts = tokens.token_counts(values, target, inside=inside)
        for row, count in zip(batch, counts, strict=True):
            reasons = (mismatch(row.values[one.position], count, one) for one in rules.companions)
            reason = next(filter(None, reasons), "")
            if reason:
                result.add_bad(row.line, reason)
            else:
                yield row


def written(
    rows: Iterator[SplitRow], rules: SequenceRules, result: FileResult
) -> Iterator[SplitRow]:
    """What to write: values of the configured columns, then of `rules.added`; a window is a row.

    Raises:
      FileFault: a row cannot be cut into windows that have its tokens.
    """
    if not rules.added:
        yield from rows
        return
    span: Checked = [[result.span]] if rules.span_column else []
    if rules.policy != WINDOW:
        for row in rows:
            yield SplitRow(row.split, row.line, row.values + span)
        return
    cutting = _Cutting(rules, result.path)
    records = cutting.over_file(rows) if rules.over == FILE else cutting.over_rows(rows)
    position = rules.sides[0].position
    for row, value, companions, context, continues in records:
        result.add_window(row.split, context=context, continues=continues)
        values = [*row.values]
        values[position] = value
        for one, of_window in zip(rules.companions, companions, strict=True):
            values[one.position] = of_window
        yield SplitRow(row.split, row.line, [*values, [context], [int(continues)], *span])


class _Cutting:
    """The windows of one file, checked: each has the tokens that the row has there."""

    def __init__(self, rules: SequenceRules, path: str) -> None:
        self._rules, self._path = rules, path
        self._target = rules.sides[0]
        self._column = f"column {self._target.side.column!r}"
        self._tokenizer = f"the tokenizer {self._target.side.tokenizer}"

    def over_rows(self, rows: Iterator[SplitRow]) -> Iterator[_Record]:
        for batch in batches(rows, self._rules):
            values = self._values(batch)
            counts = tokens.token_counts(values, self._target)
            fits = [count <= self._target.side.room for count in counts]
            cut = self._cut_rows([row for row, whole in zip(batch, fits, strict=True) if not whole])
            for row, value, whole in zip(batch, values, fits, strict=True):
                as_it_is = _Record(row, value, self._companions(row), 0, False)
                yield from [as_it_is] if whole else next(cut)

    def _cut_rows(self, rows: Sequence[SplitRow]) -> Iterator[Iterator[_Record]]:
        """The windows of each row."""
        found = self._pieces(rows)
        windows = [
            [*self._add(cutter, *of_row, row), *cutter.finish()]
            for row, of_row in zip(rows, found, strict=True)
            for cutter in [self._cutter()]
        ]
        joiners = self._joiners([pieces for pieces, _ in found])
        joiner_of_each = [[j] * len(of_row) for j, of_row in zip(joiners, windows, strict=True)]
        records = self._records(_flat(windows), _flat(joiner_of_each))
        for of_row in windows:
            yield itertools.islice(records, len(of_row))

    def over_file(self, rows: Iterator[SplitRow]) -> Iterator[_Record]:
        cutter, between, joiner = self._cutter(), self._separator(), b""
        last: SplitRow | None = None
        for batch in batches(rows, self._rules):
            found = self._pieces(batch, inside=True)
            if last is None:
                (joiner,) = self._joiners([_flat([*pieces, *between[0]] for pieces, _ in found)])
            windows: list[Window] = []
            for row, of_row in zip(batch, found, strict=True):
                if last:
                    windows += self._add(cutter, *between, last, is_between=True)
                windows += self._add(cutter, *of_row, row)
                last = row
            yield from self._records(windows, [joiner] * len(windows))
        rest = list(cutter.finish())
        yield from self._records(rest, [joiner] * len(rest))

    def _cutter(self) -> WindowCutter:
        return WindowCutter(room=self._target.side.room, stride=self._rules.stride)

    def _companions(self, row: SplitRow) -> list[Values | None]:
        return [row.values[one.position] for one in self._rules.companions]

    def _values(self, rows: Sequence[SplitRow]) -> list[Values | None]:
        return [row.values[self._target.position] for row in rows]

    def _pieces(self, rows: Sequence[SplitRow], *, inside: bool = False) -> list[tokens.Pieces]:
        try:
            return tokens.pieces(self._values(rows), self._target, inside=inside)
        except tokens.NotCut as error:
            raise self._not_cut(rows[error.row]) from None

    def _not_cut(self, row: SplitRow) -> FileFault:
        reason = f"{self._column}: got a text that has other tokens than its words have one by "
        reason += f"one, expected the same: {self._tokenizer} cannot be used with windows here"
        return FileFault(self._path, reason, line=row.line)

    def _joiners(self, documents: Sequence[Sequence[Piece]]) -> list[bytes]:
        if self._target.is_list:
            return [b""] * len(documents)
        return tokens.joiners(documents, self._target.side)

    def _separator(self) -> tuple[list[Piece], list[int]]:
        """What stands between two rows, as pieces."""
        text = self._rules.separator
        if not text:
            return [], []
        is_id = self._target.side.tokenizer == ID_LIST
        value: Values = [int(text)] if is_id else [text.encode()]
        ((pieces, counts),) = tokens.pieces([value], self._target, inside=True)
        if not sum(counts):
            reason = (
                f"data.window.separator: got {text!r}, in which {self._tokenizer} sees nothing, "
            )
            raise FileFault(self._path, f"{reason}expected a token")
        return pieces, counts

    def _add(
        self,
        cutter: WindowCutter,
        pieces: Sequence[Piece],
        counts: list[int],
        row: SplitRow,
        *,
        is_between: bool = False,
    ) -> list[Window]:
        if self._rules.companions:
            values = self._companions(row)
            if not is_between and any(v is not None and len(v) != sum(counts) for v in values):
                raise self._not_cut(row)
            pieces = accompany(pieces, counts, [None] * len(values) if is_between else values)
        try:
            return list(cutter.add(pieces, counts, row))
        except PieceTooLong as error:
            reason = f"{self._column}: got a word of {error.tokens} tokens, "
            reason += f"{_shown(_bare(error.piece))}, expected at most {self._target.side.room}: "
            reason += "windows are cut between words (data.max_target_length)"
            raise FileFault(self._path, reason, line=error.owner.line) from None

    def _records(self, windows: list[Window], joiners: list[bytes]) -> Iterator[_Record]:
        parts = [[_bare(piece) for piece in window.pieces] for window in windows]
        if self._target.is_list:
            made: list[Values] = [*parts]
        else:
            texts = [j.join(part) for part, j in zip(parts, joiners, strict=True)]
            made = [[text] for text in texts]
            windows = self._checked(texts, parts, windows)
        places = range(len(self._rules.companions))
        for window, value in zip(windows, made, strict=True):
            companions = [values_of(window.pieces, place) for place in places]
            yield _Record(window.owner, value, companions, window.context, window.continues)

    def _misses_companions(self, window: Window, count: int) -> bool:
        """Whether a window has another number of tokens than of what belongs to them."""
        if not self._rules.companions:
            return False
        return count != sum(piece.tokens for piece in window.pieces)

    def _checked(
        self, texts: list[bytes], parts: Sequence[Sequence[bytes]], windows: list[Window]
    ) -> list[Window]:
        """The windows, with their context as it is in their own texts."""
        if not windows:
            return []
        side = self._target.side
        known = [window.context for window in windows]
        found = tokens.contexts(texts, parts, known, side)
        counts = tokens.token_counts([[text] for text in texts], self._target)
        for window, text, context, count in zip(windows, texts, found, counts, strict=True):
            if context is None or count > side.room or self._misses_companions(window, count):
                reason = f"{self._column}: got a window, {_shown(text)}, that has other tokens by "
                reason += f"itself than within its text, expected the same: {self._tokenizer}"
                reason += f"{_options(side)} cannot be used with windows here"
                raise FileFault(self._path, reason, line=window.owner.line)
        contexts = [context for context in found if context is not None]
        return [replace(w, context=n) for w, n in zip(windows, contexts, strict=True)]


def _bare(piece: Piece) -> Piece:
    return piece.piece if isinstance(piece, Accompanied) else piece


def _options(side: Side) -> str:
    options = ["lowercase"] * side.lowercase + [side.normalize] * bool(side.normalize)
    return f" with {' and '.join(options)}" if options else ""


def _shown(text: bytes) -> str:
    return describe(text.decode("utf-8", "replace"))


def _flat(lists: Iterable[list[Any]]) -> list[Any]:
    return list(itertools.chain.from_iterable(lists))


def batches(rows: Iterator[SplitRow], rules: SequenceRules) -> Iterator[list[SplitRow]]:
    """Up to `BATCH_ROWS` rows at a time; fewer where they are long."""
    batch: list[SplitRow] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += sum(_size(row.values[one.position]) for one in rules.sides)
        if len(batch) == BATCH_ROWS or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _size(values: Values | None) -> int:
    """About the bytes of a value: of a text, or 8 for each token of a list."""
    if values is None:
        return 0
    return len(values[0]) if type(values[0]) is bytes and len(values) == 1 else 8 * len(values)
