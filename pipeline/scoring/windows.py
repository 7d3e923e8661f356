"""Windows of rows, and within each one batches of rows of about one length.

A window is what is in memory at a time, whatever the size of the file: its rows are sorted by length
into batches, and its results come out in the order of its rows.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from components.example_gen.columns import Values
from pipeline.scoring.inputs import KeyedRow
from transform.settings import ID_LIST, TOKEN_LIST, Side

WINDOW_ROWS = 4096
WINDOW_BYTES = 4 << 20
_BYTES_A_TOKEN = 4  # of text that is cut at something else than spaces
_BYTES_A_NUMBER = 8
_BYTES_A_ROW = 100  # what a row takes beside its values


@dataclass(frozen=True)
class BatchLimits:
    """What fits into one call of the model; `positions` counts padding, source and target together."""

    rows: int
    positions: int


def windows(
    rows: Iterable[KeyedRow], *, most_rows: int = WINDOW_ROWS, most_bytes: int = WINDOW_BYTES
) -> Iterator[list[KeyedRow]]:
    """Cut the rows into lists of at most so many rows, and of about so many bytes at most."""
    window: list[KeyedRow] = []
    held = 0
    for row in rows:
        window.append(row)
        held += _BYTES_A_ROW + sum(_size(values) for values in row.values)
        if len(window) >= most_rows or held >= most_bytes:
            yield window
            window, held = [], 0
    if window:
        yield window


def _size(values: Values | None) -> int:
    return sum(
        len(value) if isinstance(value, bytes) else _BYTES_A_NUMBER for value in values or ()
    )


def batches(lengths: Sequence[tuple[int, ...]], limits: BatchLimits) -> Iterator[list[int]]:
    """Positions of rows, each in one batch: neighbours by length, as many as fit.

    Args:
      lengths: of each row, one of each side.
      limits: a row that is too long for them is a batch of its own.
    """
    batch: list[int] = []
    longest: tuple[int, ...] = ()
    for place in sorted(range(len(lengths)), key=lambda place: (lengths[place], place)):
        own = lengths[place]
        padded = tuple(map(max, longest, own)) if batch else own
        too_many = len(batch) == limits.rows or (len(batch) + 1) * sum(padded) > limits.positions
        if batch and too_many:
            yield batch
            batch, padded = [], own
        batch.append(place)
        longest = padded
    if batch:
        yield batch


def length(values: Values | None, side: Side) -> int:
    """About how many positions a row's side takes: only what goes into a batch depends on it."""
    found = len(values or ())
    if values and side.tokenizer not in (ID_LIST, TOKEN_LIST):
        text: bytes = values[0]  # type: ignore[assignment]
        found = _text_length(text, side.tokenizer)
    return min(found + int(side.append_eos) + int(side.prepend_bos), side.max_length)


def _text_length(text: bytes, tokenizer: str) -> int:
    if tokenizer == "byte":
        return len(text)
    if tokenizer == "character":
        return len(text.decode(errors="replace"))
    words = text.count(b" ") + 1
    return words if tokenizer == "whitespace" else max(words, len(text) // _BYTES_A_TOKEN)
