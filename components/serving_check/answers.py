"""What a model said to several calls, row by row, and whether it is the same and fit to use."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from components.serving_check.process import Answer, Call

TOLERANCE = 1e-5
_MOST = 3  # differences that are told
_IDS, _LENGTHS = "ids", "lengths"


@dataclass(frozen=True)
class Difference:
    """Where two answers for one row differ; `is_choice`: other ids, and whatever follows from them."""

    row: int
    text: str
    is_choice: bool = False


def by_row(
    calls: Sequence[Call], answers: Sequence[Answer | str]
) -> list[tuple[int, Answer | str]]:
    """(the row's position in the request, the answer for it), in the order of the calls.

    Arrays lose their batch dimension, and what is padding to the longest row of a batch. Where the
    answer has another number of rows than the call, that is what each row gets.
    """
    found: list[tuple[int, Answer | str]] = []
    for call, answer in zip(calls, answers, strict=True):
        if not isinstance(answer, str) and (misshapen := _misshapen(call, answer)):
            answer = misshapen
        for place, row in enumerate(call.rows):
            found.append((row, answer if isinstance(answer, str) else _row(answer, place)))
    return found


def faults(call: Call, answer: Answer | str, names: Sequence[str]) -> Iterator[str]:
    """What is wrong with an answer by itself: refused, of another length, not finite.

    Args:
      call: what was asked.
      answer: what was said.
      names: how to call each row of the request.
    """
    who = names[call.rows[0]] if len(call.rows) == 1 else f"{len(call.rows)} rows"
    if isinstance(answer, str):
        yield f"{call.signature} refuses {who}: {answer}"
        return
    if misshapen := _misshapen(call, answer):
        yield f"{call.signature}: {misshapen}"
        return
    for output, value in sorted(answer.items()):
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            bad = ~np.isfinite(value).reshape(len(value), -1).all(axis=1)
            row = call.rows[int(np.flatnonzero(bad)[0])]
            yield f"{call.signature}: {output} of {names[row]} is not finite"


def differences(
    found: Sequence[tuple[int, Answer | str]], expected: Sequence[Answer | str]
) -> list[Difference]:
    """Rows for which an answer is not the expected one: exactly, floats to `TOLERANCE`.

    That is relative above 1. A row is named once, with its first difference.

    Args:
      found: as `by_row` gives it.
      expected: for each of them.
    """
    told: dict[int, Difference] = {}
    for (row, got), wanted in zip(found, expected, strict=True):
        difference = _difference(row, got, wanted)
        # One that is not a choice says more.
        if difference and (row not in told or (told[row].is_choice and not difference.is_choice)):
            told[row] = difference
    return [told[row] for row in sorted(told)]


def told(differing: Sequence[Difference], names: Sequence[str]) -> str:
    """The first few, in one line."""
    shown = "; ".join(f"{names[each.row]}: {each.text}" for each in differing[:_MOST])
    more = len(differing) - _MOST
    return shown + (f"; and {more} more rows" if more > 0 else "")


def _misshapen(call: Call, answer: Answer) -> str:
    """Which output has not one value a row; "" if all have."""
    for output, value in sorted(answer.items()):
        if value.ndim == 0 or len(value) != len(call.rows):
            return f"{output} has the shape {list(value.shape)} for {len(call.rows)} row(s)"
    return ""


def _row(answer: Answer, place: int) -> Answer:
    lengths = answer.get(_LENGTHS)
    return {
        name: value[place][: lengths[place]]
        if lengths is not None and value.ndim > 1
        else value[place]
        for name, value in answer.items()
    }


def _difference(row: int, found: Answer | str, expected: Answer | str) -> Difference | None:
    if isinstance(found, str) or isinstance(expected, str):
        same = isinstance(found, str) and isinstance(expected, str)  # refused alike
        return (
            None if same else Difference(row, f"got {_short(found)}, expected {_short(expected)}")
        )
    if found.keys() != expected.keys():
        return Difference(row, f"got the outputs {sorted(found)}, expected {sorted(expected)}")
    unlike = [name for name in sorted(found) if not _same(found[name], expected[name])]
    if not unlike:
        return None
    name = _IDS if _IDS in unlike else unlike[0]
    got, wanted = np.asarray(found[name]), np.asarray(expected[name])
    text = f"{name}: got {_shown(got, wanted)}, expected {_shown(wanted, got)}"
    return Difference(row, text, is_choice=_IDS in unlike)


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    one, other = np.asarray(one), np.asarray(other)
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if one.dtype.kind != "f":
        return bool(np.array_equal(one, other))
    return bool(np.allclose(one, other, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True))


def _shown(value: np.ndarray, other: np.ndarray) -> str:
    """A value, or where two arrays of a shape first differ; of others the shape and type."""
    if value.shape != other.shape or value.dtype != other.dtype:
        return f"{value.dtype} {list(value.shape)}"
    if value.ndim == 0:
        return _one(value.item())
    unlike = [at for at in range(value.size) if not _same(value.flat[at], other.flat[at])]
    return f"{_one(value.flat[unlike[0]])} at {unlike[0]}"


def _one(value: object) -> str:
    return repr(value)[:60] if isinstance(value, bytes | str) else f"{value:.9g}"


def _short(answer: Answer | str) -> str:
    return f"an error ({answer})" if isinstance(answer, str) else "an answer"
