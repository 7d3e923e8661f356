"""`decode`: how the pushed model generates. No TensorFlow."""

# `setting` and `required` return dataclasses.field, which the linter cannot see through:

import dataclasses
from typing import Literal

from pipeline.config.loader import setting
from pipeline.config.values import LARGEST_SEED

SpecialToken = Literal["pad", "bos", "unk"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class DecodeConfig:
    """How the pushed model generates."""

    max_length: int = setting(100, "tokens generated at most", ge=1, derived="max_target_length")
    method: Literal["greedy", "beam", "sample"] = setting(
        "greedy", "how the next token is chosen", derived="beam_size: beam if it is above 1"
    )
    beam_size: int = setting(
        1, "beam: hypotheses kept for each row", ge=1, derived="method: 4 with beam"
    )
    length_penalty: float = setting(
        0.0, "beam: ranked by log P / ((5 + length) / 6)^this; more prefers longer ones", ge=0
    )
    temperature: float = setting(1.0, "sample: below 1 sharpens, above 1 flattens", gt=0)
    top_k: int = setting(0, "sample: only so many likeliest tokens; 0 = all", ge=0)
    top_p: float = setting(
        1.0, "sample: only the likeliest tokens that have this share together", gt=0, le=1
    )
    seed: int = setting(
        42, "sample: the same seed and row give the same sample", ge=0, le=LARGEST_SEED
    )
    forbidden: tuple[SpecialToken, ...] = setting(
        ("pad", "bos", "unk"), "what is never generated; () where targets are ids",
        derived="target_tokenizer",
    )  # fmt: skip
