"""The sample data of the default job: numbers as digits and in words, seeded, written as JSONL.

Row: {"source": "19,407", "target": "nineteen thousand four hundred seven", "digits": 5}. Span 1
stays below a million, span 2 below a billion, span 3 and later go up to 10^12, so each of the
first three spans brings words that the vocabulary has not seen.
"""

import contextlib
import json
import os
import pathlib
import random

from components.example_gen.files import SUCCESS

FILE_NAME = "numbers.jsonl"
_LARGEST = {1: 10**6 - 1, 2: 10**9 - 1, 3: 10**12}
_ONES = (  # noqa: SIM905
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
).split()
_TENS = "- - twenty thirty forty fifty sixty seventy eighty ninety".split()  # noqa: SIM905
_SCALES = ("", "thousand", "million", "billion", "trillion")


def spell(number: int) -> str:
    """The number in English words, each a token of its own: no hyphens, no 'and'.

    Raises:
      ValueError: the number is negative or has no name here (10^15 and more).
    """
    if not 0 <= number < 1000 ** len(_SCALES):
        raise ValueError(f"got {number}, expected a number from 0 to {1000 ** len(_SCALES) - 1:,}")
    words: list[str] = []
    for power, scale in reversed(list(enumerate(_SCALES))):
        group = number // 1000**power % 1000
        words += _spell_group(group) + ([scale] if group and scale else [])
    return " ".join(words) or _ONES[0]


def write_span(folder: str | os.PathLike[str], span: int, *, rows: int, seed: int) -> str:
    """Writes one span's rows into `folder`, which is made if need be.

    The file appears complete, by one rename, and then the marker that says so. The same arguments
    give the same bytes.

    Args:
      folder: the span's own folder, e.g. data/span-1.
      span: 1, 2, ...; decides how large the numbers get.
      rows: how many different numbers, spread evenly over the numbers of digits; where there are
        too few short numbers all of them are taken and the longer ones make up for it.
      seed: with `span`, decides which numbers and in which order.

    Returns:
      The path of the file.

    Raises:
      ValueError: span < 1, or the span has fewer than `rows` different numbers.
    """
    numbers = _numbers(span, rows=rows, seed=seed)
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, FILE_NAME)
    temporary = os.path.join(folder, f".{FILE_NAME}.{os.getpid()}.tmp")
    try:
        with open(temporary, "w", encoding="utf-8", newline="\n") as file:
            file.writelines(map(_row, numbers))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        pathlib.Path(folder, SUCCESS).touch()
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(temporary)
    return path


def _row(number: int) -> str:
    row = {"source": f"{number:,}", "target": spell(number), "digits": len(str(number))}
    return json.dumps(row) + "\n"


def _numbers(span: int, *, rows: int, seed: int) -> list[int]:
    """`rows` different numbers of the span, in random order."""
    if span < 1:
        raise ValueError(f"got span {span}, expected 1 or more")
    largest = _LARGEST[min(span, max(_LARGEST))]
    if not 1 <= rows <= largest + 1:
        raise ValueError(f"got {rows} rows, expected 1 to {largest + 1:,} (span {span})")
    groups = [range(10)]
    groups += [
        range(10**digits, min(10 ** (digits + 1), largest + 1))
        for digits in range(1, len(str(largest)))
    ]
    choose = random.Random(f"{seed}/{span}")
    numbers: list[int] = []
    # Smallest group first: what it lacks is spread over those still to come.
    for index, group in enumerate(sorted(groups, key=len)):
        share = (rows - len(numbers)) // (len(groups) - index)
        numbers += choose.sample(group, min(share, len(group)))
    choose.shuffle(numbers)
    return numbers


def _spell_group(number: int) -> list[str]:
    """The words of 0 to 999; none for 0."""
    words = [_ONES[number // 100], "hundred"] if number >= 100 else []
    rest = number % 100
    if rest >= 20:
        words.append(_TENS[rest // 10])
        rest %= 10
    return words + ([_ONES[rest]] if rest else [])
