"""`data.drift` and `data.skew`: how far rows may be from those before them. No TensorFlow."""

# `setting` returns dataclasses.field, which the linter cannot see through:
# ruff: noqa: RUF009

import dataclasses

from pipeline.config.loader import setting


@dataclasses.dataclass(frozen=True, kw_only=True)
class SkewConfig:
    """How far a split may be from the training split, in a span. 0: not at all; 1: however far."""

    lengths: float = setting(
        0.2, "of texts in characters, of lists in items: Jensen-Shannon divergence", ge=0, le=1
    )
    words: float = setting(
        0.05, "largest change of a word's share of all words; of a list's items", ge=0, le=1
    )
    missing: float = setting(
        0.1,
        "change of the share of rows without a value, in columns that may have none",
        ge=0,
        le=1,
    )
    columns: dict[str, float] = setting(
        {}, "column: of numbers the divergence, of text the largest change of a value's share",
        ge=0, le=1,
    )  # fmt: skip
    min_rows: int = setting(200, "splits with fewer rows are not compared", ge=1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DriftConfig(SkewConfig):
    """How far a new span may be from the span before it, split by split."""

    rows: float = setting(
        0.1, "at least this share of the rows of the span before, at most 1/this; 0 = any number",
        ge=0, le=1,
    )  # fmt: skip
