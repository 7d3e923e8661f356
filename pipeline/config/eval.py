"""`eval`: what is measured, and what blesses a model. No TensorFlow."""

# `setting` and `required` return dataclasses.field, which the linter cannot see through:
# ruff: noqa: RUF009

import dataclasses
from typing import Literal

from pipeline.config.loader import required, setting

MetricName = Literal[
    "masked_token_loss",
    "perplexity",
    "token_accuracy",
    "sequence_accuracy",
    "bits_per_byte",
    "loss_per_word",
    "calibration",
    "token_count",
    "token_weight",
    "example_count",
    "zero_weight_examples",
    "bleu",
    "chrf",
    "exact_match",
    "tag_macro_f1",
    "span_f1",
]
ComparedMetricName = Literal[
    "bits_per_byte",
    "masked_token_loss",
    "perplexity",
    "token_accuracy",
    "sequence_accuracy",
    "loss_per_word",
    "calibration",
]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Threshold:
    """One condition of the blessing: a metric and exactly one bound."""

    metric: MetricName = required("which metric")
    max: float | None = setting(None, "blessed only if the metric is at most this")
    min: float | None = setting(None, "blessed only if the metric is at least this")
    max_increase: float | None = setting(
        None, "blessed only if the metric is at most this above the last blessed model's", ge=0
    )
    max_decrease: float | None = setting(
        None, "blessed only if the metric is at most this below the last blessed model's", ge=0
    )
    slice: Literal["*"] | None = setting(None, "'*': every slice too that has min_tokens")
    judge: Literal["point", "interval"] | None = setting(
        None,
        "what keeps to the bound: the value itself, or its interval's end; a change: interval, else point",
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class BlessingConfig:
    """How a new model is compared with the last blessed one; margins in the metric's units."""

    compare: bool = setting(True, "false: accept a model without looking at the last blessed one")
    metric: ComparedMetricName = setting("bits_per_byte", "what is compared")
    margin: float = setting(
        0.005, "the upper bound of the change, over all examples, is at most this", ge=0
    )
    per_slice: bool = setting(True, "judge every slice that has min_tokens too")
    slice_margin: float = setting(0.02, "as margin, in each slice", ge=0)
    alpha: float = setting(
        0.05, "a model that is worse by the margin is blessed this often at most", gt=0, lt=0.5
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvalConfig:
    """What is measured on the eval split, and what a model must reach to be pushed."""

    batch_size: int = setting(256, "examples scored at once; changes no result", ge=1)
    block_rows: int = setting(16_384, "most examples held to be sorted by size", ge=1)
    block_mb: int = setting(32, "most MiB of them", ge=1)
    micro_batch_tokens: int = setting(
        8192, "positions, padding included, that the exported score sees at once", ge=1
    )
    slices: tuple[str, ...] = setting(
        ("target_length", "token_position", "token_frequency", "token_unknown"),
        "extra columns, target_length, span; of tokens: token_position, token_frequency, "
        "token_unknown, token_region, token_class",
    )
    blessing: BlessingConfig = setting(BlessingConfig(), "no worse than the last blessed model")
    thresholds: tuple[Threshold, ...] = setting((), "further conditions of the blessing")
    confidence: float = setting(0.95, "level of the intervals", gt=0, lt=1)
    min_tokens: int = setting(1000, "smaller slices are reported but not judged", ge=0)
    worst: int = setting(20, "rows in each table of the worst examples and tokens", ge=0)
    worst_min_tokens: int = setting(3, "shorter examples are not ranked by loss per token", ge=1)
    samples: int = setting(8, "examples shown token by token, and decoded", ge=0)
    decode_examples: int = setting(
        1000, "seq2seq: examples decoded for BLEU, chrF and exact match; 0 = none", ge=0
    )
