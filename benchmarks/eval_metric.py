"""A TFMA metric on the sums of a `score` signature, as TFMA's guide would write it."""

import math
from collections.abc import Iterable
from typing import Any

import apache_beam as beam
import numpy as np
from tensorflow_model_analysis.metrics import metric_types

SCORES = ("loss_sum", "weight_sum", "correct_sum", "sequence_correct")
SUMS = (*SCORES, "examples")
_METRICS = {
    "masked_token_loss": ("loss_sum", "weight_sum"),
    "perplexity": ("loss_sum", "weight_sum"),
    "token_accuracy": ("correct_sum", "weight_sum"),
    "sequence_accuracy": ("sequence_correct", "examples"),
}


class SequenceMetrics(metric_types.Metric):
    """masked_token_loss, perplexity and both accuracies, from one pass over the examples."""

    def __init__(self, name: str = "sequence_metrics") -> None:
        super().__init__(_computations, name=name)


def _computations(
    name: str = "", model_names: Iterable[str] = ("",), **_: Any
) -> list[metric_types.MetricComputation]:
    found = []
    for model in model_names:
        keys = [metric_types.MetricKey(name=name, model_name=model) for name in _METRICS]
        combiner = _Sums(keys)
        found.append(metric_types.MetricComputation(keys, preprocessors=None, combiner=combiner))
    return found


class _Sums(beam.CombineFn):
    def __init__(self, keys: list[metric_types.MetricKey]) -> None:
        self._keys = keys

    def create_accumulator(self) -> np.ndarray:
        return np.zeros(len(SUMS))

    def add_input(
        self, total: np.ndarray, element: metric_types.StandardMetricInputs
    ) -> np.ndarray:
        scores = element.prediction
        return total + np.array([*(np.asarray(scores[name]).item() for name in SCORES), 1.0])

    def merge_accumulators(self, totals: Iterable[np.ndarray]) -> np.ndarray:
        return sum(totals, start=np.zeros(len(SUMS)))

    def extract_output(self, total: np.ndarray) -> dict[metric_types.MetricKey, float]:
        sums = dict(zip(SUMS, total.tolist(), strict=True))
        found = {}
        for key in self._keys:
            above, below = _METRICS[key.name]
            ratio = sums[above] / sums[below] if sums[below] else math.nan
            found[key] = math.exp(ratio) if key.name == "perplexity" else ratio
        return found


metric_types.register_metric(SequenceMetrics)
