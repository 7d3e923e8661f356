"""Which metrics of two models can be compared: a difference means something over the same units.

Both models score the same raw examples, each with its own tokeniser, length and vocabulary. What is
divided by tokens can be compared where both score the same tokens, bits_per_byte where both score
the same bytes, loss_per_word where both score the same words.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np

from components.evaluator import metrics
from components.evaluator.metrics import Array, Measurement, SliceReport

_BYTES = ("target_bytes",)
_WORDS = ("target_words",)
_SEQUENCES = ("weighted_examples",)
_TOKENS = ("token_count", "weight_sum")
# The units of what is not divided by tokens.
_UNITS: Mapping[str, tuple[str, ...]] = {
    "bits_per_byte": _BYTES,
    "loss_per_word": _WORDS,
    "sequence_accuracy": _SEQUENCES,
    # The same sample is decoded by both, and compared with the raw text.
    "bleu": (),
    "chrf": (),
    "exact_match": (),
    "token_count": (),
    "token_weight": (),
    "example_count": (),
    "zero_weight_examples": (),
}
_THINGS = {
    "target_bytes": "bytes",
    "target_words": "words",
    "weighted_examples": "sequences",
    "token_count": "tokens",
    "weight_sum": "tokens",
    "unknown_bytes": "words",
}
# Weights are real numbers, as float32 has them; whatever else is compared is counted.
_TOLERANCES = {"weight_sum": 1e-6}


@dataclasses.dataclass(frozen=True)
class Comparability:
    """What stands between two models.

    Attributes:
      problems: why not, by metric that cannot be compared.
      other_words: how the words that the models know differ; empty where they are the same.
    """

    problems: Mapping[str, str] = dataclasses.field(default_factory=dict)
    other_words: str = ""

    @property
    def nothing(self) -> str:
        """Why no loss can be compared; empty if one can."""
        losses = [metrics.MASKED_TOKEN_LOSS, metrics.BITS_PER_BYTE]
        return self.problems[losses[0]] if all(n in self.problems for n in losses) else ""

    def applied_to(self, report: SliceReport) -> SliceReport:
        """Return the report without the differences that mean nothing."""
        diff = {
            name: Measurement(np.nan, absent=self.problems[name]) if name in self.problems else item
            for name, item in report.diff.items()
        }
        return dataclasses.replace(report, diff=diff)


def comparability(candidate: Array, baseline: Array) -> Comparability:
    """Compare what two models have scored, bucket by bucket: sums [G, C] over all examples."""
    problems = {}
    for name in (*metrics.METRICS, *metrics.EXTRAS):
        if problem := _difference(candidate, baseline, _UNITS.get(name, _TOKENS)):
            problems[name] = f"the baseline scores other {problem}"
    return Comparability(problems, _other_words(candidate, baseline))


def _difference(candidate: Array, baseline: Array, units: tuple[str, ...]) -> str:
    for unit in units:
        ours, theirs = metrics.column(candidate, unit), metrics.column(baseline, unit)
        tolerance = _TOLERANCES.get(unit, 0.0)
        if not np.allclose(ours, theirs, rtol=tolerance, atol=0, equal_nan=True):
            return f"{_THINGS[unit]}: {unit} {theirs.sum():.10g} against {ours.sum():.10g}"
    return ""


def _other_words(candidate: Array, baseline: Array) -> str:
    """How much more of the text one model reads as unknown than the other."""
    if tokens := _difference(candidate, baseline, _TOKENS):
        return f"the baseline scores other {tokens}"
    both = np.stack([candidate, baseline])
    if metrics.column(both, "lacks_unknown_bytes").any():
        return "a model does not say which words it knows: an earlier version exported it"
    if words := _difference(candidate, baseline, ("unknown_bytes",)):
        return f"the models know other {words}"
    return ""
