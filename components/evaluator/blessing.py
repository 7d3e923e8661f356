"""The rule that compares a candidate with the last blessed model, and what it compares.

Not worse, shown: the upper bound of the paired interval of candidate - baseline, one-sided at level
1 - alpha, is at most the margin; over all examples, and with a margin of its own in every slice with
enough tokens. A model that is worse by the margin, anywhere that is judged, is blessed with
probability alpha at most, however many slices there are: it has to pass every one (an
intersection-union test; Berger, "Multiparameter hypothesis testing and acceptance sampling",
Technometrics 24(4), 1982). What many slices cost is power, so theirs is the wider margin.
"""

import dataclasses
import json
import math

from components.errors import InputError
from components.evaluator.metrics import (
    BITS_PER_BYTE,
    MASKED_TOKEN_LOSS,
    METRICS,
    SEQUENCE_ACCURACY,
    TOKEN_ACCURACY,
    SliceReport,
)
from components.evaluator.thresholds import (
    COUNTS,
    INTERVAL,
    MAX_DECREASE,
    MAX_INCREASE,
    ONLY_OVERALL,
    ONLY_SLICES,
    Threshold,
)

_HIGHER_IS_BETTER = (TOKEN_ACCURACY, SEQUENCE_ACCURACY)
# What is not divided by tokens needs weights of 1; where those are others, the loss per token does
# instead, if the models know the same words.
_NEED_WEIGHTS_OF_1 = (BITS_PER_BYTE, "loss_per_word")


@dataclasses.dataclass(frozen=True)
class Blessing:
    """How a candidate is compared with the last blessed model; margins in the metric's units.

    Attributes:
      compare: False accepts a candidate without looking at the last blessed model.
      metric: what is compared.
      margin: how much worse it may be over all examples.
      per_slice: whether slices are judged too.
      slice_margin: how much worse it may be in a slice.
      alpha: how often a model that is worse by the margin may be blessed; also for the changes
        among `thresholds`.
    """

    compare: bool = True
    metric: str = BITS_PER_BYTE
    margin: float = 0.005
    per_slice: bool = True
    slice_margin: float = 0.02
    alpha: float = 0.05

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
          InputError: one is of another kind or out of range.
        """
        for name in ("compare", "per_slice"):
            if not isinstance(getattr(self, name), bool):
                raise InputError(
                    f"blessing.{name}: got {getattr(self, name)!r}, expected true or false"
                )
        if self.metric not in COMPARED:
            known = ", ".join(COMPARED)
            raise InputError(f"blessing.metric: got {self.metric!r}, expected one of {known}")
        for name, upper in (("margin", math.inf), ("slice_margin", math.inf), ("alpha", 0.5)):
            value = getattr(self, name)
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not 0 <= value < upper or (name == "alpha" and value == 0):
                low = "above 0 and below 0.5" if name == "alpha" else "of at least 0"
                raise InputError(f"blessing.{name}: got {value!r}, expected a number {low}")

    @property
    def confidence(self) -> float:
        """Of the two-sided interval whose bounds are one-sided at level 1 - alpha."""
        return 1 - 2 * self.alpha

    def thresholds(self, metric: str) -> tuple[Threshold, ...]:
        """Return what the rule asks of this metric."""
        if not self.compare:
            return ()
        kind = MAX_DECREASE if metric in _HIGHER_IS_BETTER else MAX_INCREASE
        everywhere = Threshold(metric, kind, self.margin, ONLY_OVERALL, INTERVAL)
        slices = Threshold(metric, kind, self.slice_margin, ONLY_SLICES, INTERVAL)
        return (everywhere, slices) if self.per_slice else (everywhere,)


COMPARED = tuple(name for name in METRICS if name not in COUNTS)


def parse_blessing(text: str) -> Blessing:
    """Return the rule of a JSON object with any of `Blessing`'s fields.

    Raises:
      InputError: not such an object.
    """
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"blessing: expected a JSON object, got {text!r} ({error})") from None
    if not isinstance(values, dict):
        raise InputError(f"blessing: expected a JSON object, got {text!r}")
    known = [field.name for field in dataclasses.fields(Blessing)]
    if unknown := sorted(set(values) - set(known)):
        raise InputError(f"blessing: unknown key {unknown[0]!r}, expected {', '.join(known)}")
    return Blessing(**values)


def compared_metric(rule: Blessing, report: SliceReport, other_words: str) -> str:
    """Return what is compared on this slice: the rule's metric, or what stands in for it.

    Args:
      rule: the rule.
      report: the slice.
      other_words: how the words that the models know differ; empty where they are the same.
    """
    wanted = report.diff.get(rule.metric)
    if wanted is None or not wanted.absent or rule.metric not in _NEED_WEIGHTS_OF_1:
        return rule.metric
    stand_in = report.diff[MASKED_TOKEN_LOSS]
    return rule.metric if other_words or stand_in.absent else MASKED_TOKEN_LOSS
