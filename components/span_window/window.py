"""The window itself: what the parameters mean, and the file that says it. Pure Python."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from components.errors import InputError
from components.example_gen.files import list_spans

FILE = "spans.json"
ALL = "all"
_LATEST = re.compile(r"latest:([1-9][0-9]*)")
_EXPECTED = 'a JSON list of numbers, each once, "all" or "latest:N"'


@dataclass(frozen=True)
class Window:
    """The spans that a run reads, ascending, and which of them are new.

    Attributes:
      spans: none where the path has no {SPAN}.
      new: no run has been trained on them before, as far as whoever started this one knows.
      fingerprint: `files.fingerprint` of their files; "" where nobody took it.
    """

    spans: tuple[int, ...]
    new: tuple[int, ...] = ()
    fingerprint: str = ""

    def to_json(self) -> str:
        """The content of `spans.json`."""
        facts = {"spans": list(self.spans), "new": list(self.new), "fingerprint": self.fingerprint}
        return json.dumps(facts, indent=1) + "\n"


def from_json(text: str) -> Window:
    """Read `spans.json`."""
    facts = json.loads(text)
    return Window(tuple(facts["spans"]), tuple(facts["new"]), facts["fingerprint"])


def numbers(spans: str) -> list[int]:
    """The numbers in a JSON list of spans.

    Raises:
      InputError: it is none.
    """
    return _numbers(spans, "spans")


def check(spans: str, new_spans: str) -> None:
    """Check the parameters as far as they can be without looking at folders.

    Raises:
      InputError: one is not what it should be.
    """
    new = _numbers(new_spans, "new_spans")
    if spans != ALL and not _LATEST.fullmatch(spans):
        _check_new(new, _numbers(spans, "spans"))


def resolve(input_base: str, spans: str, new_spans: str, fingerprint: str) -> Window:
    """The window that the parameters of `spec.SpanWindowSpec` mean now.

    "latest:N" takes the N newest spans that exist, however far their numbers lie apart.

    Raises:
      InputError: a parameter is not what it should be, or no span is there.
    """
    latest = _LATEST.fullmatch(spans)
    if spans == ALL or latest:
        found = list_spans(input_base)
        if not found:
            raise InputError(f"{input_base}: no span there, expected at least one folder")
        numbers = tuple(found[-int(latest[1]) :] if latest else found)
    else:
        numbers = tuple(sorted(_numbers(spans, "spans")))
    new = tuple(sorted(_numbers(new_spans, "new_spans")))
    _check_new(new, numbers)
    return Window(numbers, new, fingerprint)


def _numbers(text: str, name: str) -> list[int]:
    expected = _EXPECTED if name == "spans" else "a JSON list of numbers, each once"
    try:
        found: Any = json.loads(text)
    except ValueError:
        found = None
    fits = isinstance(found, list) and all(type(each) is int and each >= 0 for each in found)
    if not fits or len(set(found)) < len(found):
        raise InputError(f"{name}: got {text!r}, expected {expected}")
    return list(found)


def _check_new(new: Sequence[int], spans: Sequence[int]) -> None:
    others = sorted(set(new) - set(spans))
    if others:
        raise InputError(f"new_spans: got {others}, expected some of the spans {sorted(spans)}")
