"""`data` and `transform`: the rows, and how they become token ids and weights. No TensorFlow."""

# `setting` and `required` return dataclasses.field, which the linter cannot see through:
# ruff: noqa: RUF009

import dataclasses
from typing import Literal

from pipeline.config.drift import DriftConfig, SkewConfig
from pipeline.config.loader import required, setting
from pipeline.config.values import LARGEST_SEED

Tokenizer = Literal[
    "whitespace",
    "regex",
    "character",
    "byte",
    "wordpiece",
    "sentencepiece",
    "pretokenized",
    "ids",
]
NormalForm = Literal["none", "NFC", "NFD", "NFKC", "NFKD"]
WeightFactor = Literal[
    "mask", "token", "example", "inverse_frequency", "region", "class", "span_age"
]
ColumnKind = Literal["integer", "number", "text", "integer?", "number?", "text?"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class GeneratorConfig:
    """Sample data that is written before the first run, so that it needs no download."""

    name: Literal["numbers"] = required("which data: numbers (spelling numbers out)")
    rows: int = setting(20_000, "rows in each span", ge=10, le=1_000_000)
    seed: int = setting(42, "same seed, same rows", ge=0, le=LARGEST_SEED)


@dataclasses.dataclass(frozen=True, kw_only=True)
class WindowConfig:
    """excess_length: window. How long texts are cut into overlapping pieces."""

    stride: int = setting(
        0, "tokens from one window to the next; what overlaps is context of weight 0",
        ge=1, derived="what fits into max_target_length",
    )  # fmt: skip
    over: Literal["row", "file"] = setting(
        "row", "row: each row is cut for itself; file: all rows of a file as one text"
    )
    separator: str = setting("", "over file: the token between two rows; '' = none")


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Where the rows are, what their columns mean, and how they become token ids."""

    path: str = required(
        "folder of the input files, here or at gs://, s3:// …; {SPAN}: the span's number", path=True
    )
    format: Literal["jsonl", "csv", "parquet", "tfrecord"] = setting(
        "jsonl", "file format; .gz is read too where the format allows it"
    )
    delimiter: str = setting(
        ",", "csv: what separates two cells", pattern='[^\r\n"]', pattern_text="one character"
    )
    spans: Literal["latest", "all"] | tuple[int, ...] = setting(
        "latest", "which spans a run reads: latest, all, or a list of numbers", ge=0
    )
    columns: dict[str, str] = setting(
        {}, "role: column name; optional roles weights and example_weight", derived="task"
    )
    extra_columns: dict[str, ColumnKind] = setting(
        {}, "further columns to keep, e.g. to slice by; '?' = may be missing"
    )
    split: dict[str, int | str] = setting(
        {"train": 9, "eval": 1}, "split: share (by hash of the row), or split: file glob", ge=1
    )
    split_by: tuple[str, ...] = setting(
        (), "rows that are equal in these columns stay in one split", single=True, derived="task"
    )
    max_bad_rows: int = setting(0, "bad rows that are left out before the run fails", ge=0)
    schema: str | None = setting(None, "a schema.pbtxt; without it one is inferred", path=True)
    max_lost_tokens: float = setting(
        0.05, "share of target tokens that may be truncated before the run fails",
        ge=0, le=1,
    )  # fmt: skip
    drift: DriftConfig | None = setting(None, "how far a new span may be from the one before")
    skew: SkewConfig | None = setting(None, "how far a split may be from the training split")
    generator: GeneratorConfig | None = setting(None, "writes sample data into path")
    max_oov_rate: float = setting(
        0.3, "share of a side's tokens that may be unknown before the run fails", ge=0, le=1
    )
    excess_length: Literal["truncate", "window", "drop", "raise"] = setting(
        "truncate", "what to do past max length: cut, cut into windows (lm), leave out, fail"
    )
    truncate: Literal["right", "left"] = setting("right", "the end at which truncate cuts")
    window: WindowConfig = setting(WindowConfig(), "how window cuts")
    max_source_length: int = setting(100, "source tokens kept", ge=1, derived="task")
    max_target_length: int = setting(100, "target tokens kept; lm: the sequence length", ge=1)
    pad_id: int = setting(0, "id that fills up a batch; may equal eos_id", ge=0)
    unk_id: int = setting(1, "id of the unknown token", ge=0)
    bos_id: int = setting(2, "id that starts the decoder", ge=0)
    eos_id: int = setting(3, "id that ends a sequence", ge=0)
    # A vocabulary only grows: the tokens that earlier runs admitted keep their ids, even if
    # vocab_size is lowered or min_frequency raised since.
    vocab_size: int = setting(
        32_000, "most ids of a side, reserved and oov ones counted; frequent tokens come first; "
        "limits what is added, removes nothing",
        ge=1,
    )  # fmt: skip
    min_frequency: int = setting(
        1, "rarer tokens are unknown, unless an earlier run admitted them", ge=1
    )
    oov_buckets: int = setting(1, "ids that unknown tokens share", ge=1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TransformConfig:
    """Text to ids and weights."""

    source_tokenizer: Tokenizer = setting("whitespace", "how sources are cut", derived="task")
    target_tokenizer: Tokenizer = setting("whitespace", "how targets are cut", derived="task")
    lowercase: bool = setting(False, "lower-case the text first")
    source_lowercase: bool = setting(False, "the same, sources only", derived="lowercase")
    target_lowercase: bool = setting(False, "the same, targets only", derived="lowercase")
    normalize: NormalForm = setting("none", "Unicode normal form of the text")
    source_normalize: NormalForm = setting("none", "the same, sources only", derived="normalize")
    target_normalize: NormalForm = setting("none", "the same, targets only", derived="normalize")
    source_pattern: str = setting("", "regex: what a source token is (RE2)")
    target_pattern: str = setting("", "regex: what a target token is (RE2)")
    source_subwords: str | None = setting(
        None, "wordpiece: a vocabulary file, sentencepiece: a model; without it, learned", path=True
    )
    target_subwords: str | None = setting(None, "the same for targets", path=True)
    share_vocabulary: bool = setting(False, "one vocabulary for both sides")
    append_eos: bool = setting(
        True, "end each sequence with eos; never for tagging", derived="task"
    )
    prepend_bos: bool = setting(False, "start each sequence with bos, too")
    input_chars: int = setting(0, "tagging: characters kept of each token; 0 = none", ge=0)
    weights: tuple[WeightFactor, ...] = setting(
        (), "loss weight = product of these factors", derived="what is given"
    )
    regions: dict[str, float] = setting(
        {}, "marker token: weight of the target tokens after it, up to the next marker", ge=0
    )
    region_before: float = setting(
        0.0, "weight of the target tokens up to and with the first marker", ge=0
    )
    class_weights: dict[str, float] = setting(
        {}, "target token, or tag: its weight; others have 1", ge=0
    )
    inverse_frequency_cap: float = setting(10.0, "the largest weight; the mean is 1", ge=1)
    span_half_life: float | None = setting(
        None, "weight halves with every so many spans of age", gt=0
    )
