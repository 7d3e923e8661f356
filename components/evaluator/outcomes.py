"""The names of what a check can find, and of what a verdict says of the whole."""

import enum


class Outcome(enum.StrEnum):
    """What a check found, and what a verdict says of the whole; the names are in verdict.json."""

    FINITE = "finite"
    FIRST_MODEL = "first_model"
    BETTER = "better"
    NOT_WORSE = "not_worse"
    WITHIN_BOUNDS = "within_bounds"
    SLICE_TOO_SMALL = "slice_too_small"
    UNDECIDED = "undecided"
    VALUE_OUT_OF_BOUNDS = "value_out_of_bounds"
    WORSE = "worse"
    NOT_COMPARABLE = "not_comparable"
    BASELINE_UNUSABLE = "baseline_unusable"
    NO_VALUE = "no_value"
    NOT_FINITE = "not_finite"


# In a blessed verdict the others say what was not checked.
CHECKED = (Outcome.FINITE, Outcome.BETTER, Outcome.NOT_WORSE, Outcome.WITHIN_BOUNDS)
