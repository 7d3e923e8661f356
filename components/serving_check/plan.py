"""What is asked of a model: which rows, alone and in which batches."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from components.serving_check import rows, texts
from components.serving_check.process import Call, Request
from transform.features import TAGGING
from transform.settings import Settings

BY_EXAMPLE = ("serving_default", "score", "transform_features")
BY_TEXT = ("serving_text", "generate")


@dataclass(frozen=True)
class Plan:
    """The request, and which of its calls are for what.

    Attributes:
      request: everything that is asked: first `alone`, then `batches`.
      names: how to call each row of the request; rows of the split first.
      odd: the names of the texts that no row has.
      too_long: the rows that must be said to be truncated.
      alone: calls of one row.
      batches: calls of 1 to the most rows, which together have every row.
    """

    request: Request
    names: tuple[str, ...]
    odd: tuple[str, ...]
    too_long: tuple[int, ...]
    alone: tuple[Call, ...]
    batches: tuple[Call, ...]

    @property
    def signatures(self) -> tuple[str, ...]:
        """The signatures that are asked."""
        return tuple(dict.fromkeys(call.signature for call in self.batches))


def make_plan(
    model: str, split: rows.Split, settings: Settings, needs: Sequence[str], *, most: int
) -> Plan:
    """Plan the requests to a model.

    Args:
      model: SavedModel folder.
      split: its rows are sent; there may be none, if Transform's do not match.
      settings: what the model says of itself.
      needs: the same, packages.
      most: rows of the largest request.
    """
    side = texts.input_side(settings)
    examples = [(row.place, row.raw) for row in split.rows]
    of_rows = [(row.place, texts.of_row(row.raw, side)) for row in split.rows]
    given = [(f"the text of {place}", text) for place, text in of_rows if text is not None]
    odd = texts.odd(settings, [text for _, text in given])
    named = [*examples, *((text.name, text.value) for text in odd), *given]
    first = len(examples)
    by_example, by_text = tuple(range(first)), tuple(range(first, len(named)))
    asked = [(name, by_example) for name in BY_EXAMPLE if by_example]
    asked += [(name, by_text) for name in BY_TEXT if _has(settings, name)]
    alone = tuple(Call(name, (row,)) for name, of in asked for row in of)
    batches = tuple(call for name, of in asked for call in in_batches(name, of, most))
    request = Request(
        model=model,
        needs=tuple(needs),
        rows=tuple(value for _, value in named),
        calls=alone + batches,
        timed=Call(*asked[0]),
        sizes=_sizes(most),
    )
    return Plan(
        request,
        names=tuple(name for name, _ in named),
        odd=tuple(text.name for text in odd),
        too_long=tuple(first + place for place, text in enumerate(odd) if text.too_long),
        alone=alone,
        batches=batches,
    )


def in_batches(name: str, of: Sequence[int], most: int) -> Iterator[Call]:
    """Batches of 1, 2, ..., `most`, 1, 2, ... rows, until each size and each row had its turn."""
    at, size = 0, 1
    while at < len(of) or size <= most:
        yield Call(name, tuple(of[(at + place) % len(of)] for place in range(min(size, len(of)))))
        at, size = at + size, size % most + 1 if at + size < len(of) else size + 1


def _has(settings: Settings, name: str) -> bool:
    return name != "generate" or settings.task != TAGGING


def _sizes(most: int) -> tuple[int, ...]:
    """1, 2, 4, ... and `most`."""
    powers = [2**power for power in range(most.bit_length())]
    return tuple(sorted({*(power for power in powers if power <= most), most}))
