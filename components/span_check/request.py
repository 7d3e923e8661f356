"""What SpanCheck is asked to compare, read from its execution parameter. Pure Python."""

import json
from dataclasses import dataclass

from components.example_gen.columns import Kind

LENGTHS, WORDS, MISSING, VALUES = "lengths", "words", "missing", "columns"
_NUMBERS = {Kind.NUMBER, Kind.WEIGHT, Kind.INTEGER, Kind.FLOAT_LIST, Kind.WEIGHT_LIST}


@dataclass(frozen=True)
class Measure:
    """Something about a column that has a distribution.

    Attributes:
      column: of the raw examples.
      kind: what ExampleGen found in it.
      what: LENGTHS: characters of a text, items of a list. WORDS: of a text, items of a list.
        MISSING: whether a row has no value. VALUES: the values themselves.
      drift: how far it may be from the span before, 0 to 1; None: it is not compared.
      skew: how far the other splits may be from the training split.
    """

    column: str
    kind: Kind
    what: str
    drift: float | None = None
    skew: float | None = None

    @property
    def name(self) -> str:
        """Of the derived column that is measured."""
        return f"{self.what} of {self.column}"

    @property
    def is_number(self) -> bool:
        """Whether its values have an order, so that near ones are alike."""
        return self.what == LENGTHS or (self.what == VALUES and self.kind in _NUMBERS)

    def limit(self, comparison: str) -> float | None:
        """Of "drift" or "skew"."""
        return self.drift if comparison == "drift" else self.skew


@dataclass(frozen=True)
class Checks:
    """Everything that is compared.

    Attributes:
      measures: of the columns.
      min_rows: comparison ("drift", "skew") -> splits with fewer rows are not compared.
      rows: the share of the rows of the span before that a span has at least, and 1/rows times as many
        at most; 0: any number.
    """

    measures: tuple[Measure, ...]
    min_rows: dict[str, int]
    rows: float = 0.0

    def to_json(self) -> str:
        """The execution parameter."""
        measures = [vars(each) | {"kind": each.kind.value} for each in self.measures]
        facts = {"measures": measures, "min_rows": self.min_rows, "rows": self.rows}
        return json.dumps(facts, sort_keys=True)


def parse_checks(text: str) -> Checks:
    """Read back `Checks.to_json`."""
    facts = json.loads(text)
    measures = tuple(Measure(**each | {"kind": Kind(each["kind"])}) for each in facts["measures"])
    return Checks(measures, facts["min_rows"], facts["rows"])
