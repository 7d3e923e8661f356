"""The configuration: what each key of pipeline_config.yaml means, its type, range and default.

`load_config` is the only reader of YAML in the house. It gives one frozen object in which every
default is filled in, also those that follow from other keys. Neither this module nor what it
imports loads TensorFlow, so that a wrong key is reported at once.
"""

# `setting` and `required` return dataclasses.field, which the linter cannot see through:
# ruff: noqa: RUF009

import dataclasses
import os
from typing import Any, Literal

from pipeline import config_beam, config_checks, config_loader, model_presets
from pipeline.config_beam import BeamConfig
from pipeline.config_cloud import CloudConfig
from pipeline.config_drift import DriftConfig, SkewConfig
from pipeline.config_kubeflow import KubeflowConfig
from pipeline.config_loader import required, setting
from pipeline.config_problems import Unsuited
from pipeline.config_retrain import RetrainConfig
from pipeline.config_serving import ServingCheckConfig
from pipeline.config_store import ServerStoreConfig
from pipeline.config_tune import TuneConfig

Task = Literal["lm", "seq2seq", "tagging"]
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
SpecialToken = Literal["pad", "bos", "unk"]
ColumnKind = Literal["integer", "number", "text", "integer?", "number?", "text?"]
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
_LARGEST_SEED = 2**31 - 1
# Other defaults follow from these keys, if they are right themselves.
_DECIDE_DEFAULTS = ("pipeline.name", "task", "data.columns", "train.epochs", "train.steps")


@dataclasses.dataclass(frozen=True, kw_only=True)
class PipelineConfig:
    """Which pipeline this is, and where its runs are kept."""

    name: str = required(
        "names the pipeline in its metadata store",
        pattern="[a-z0-9][a-z0-9-]{0,127}",
        pattern_text="a name of a-z, 0-9 and '-', at most 128 long",
    )
    root: str = setting("runs", "folder of all runs: metadata store, artifacts, logs", path=True)
    metadata: Literal["sqlite"] | ServerStoreConfig = setting(
        "sqlite", "where it is written down which run made what: a file in the root, or a server"
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class GeneratorConfig:
    """Sample data that is written before the first run, so that it needs no download."""

    name: Literal["numbers"] = required("which data: numbers (spelling numbers out)")
    rows: int = setting(20_000, "rows in each span", ge=10, le=1_000_000)
    seed: int = setting(42, "same seed, same rows", ge=0, le=_LARGEST_SEED)


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


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The network."""

    preset: Literal["tiny", "small", "base", "ptb-small", "ptb-medium"] | None = setting(
        None, "named sizes, as defaults of the keys below: docs/models.md"
    )
    family: Literal["gru", "lstm", "transformer"] = setting(
        "gru", "kind of layers", derived="preset"
    )
    units: int = setting(128, "width of the hidden states", ge=1, derived="preset")
    layers: int = setting(1, "layers on each side", ge=1, derived="preset")
    heads: int = setting(4, "transformer: attention heads", ge=1, derived="preset")
    feed_forward: int = setting(
        512, "transformer: width of the feed-forward layer", ge=1, derived="preset"
    )
    dropout: float = setting(
        0.0, "share of activations dropped in training", ge=0, lt=1, derived="preset"
    )
    tie_embeddings: bool = setting(False, "target embedding and projection share their weights")


@dataclasses.dataclass(frozen=True, kw_only=True)
class LossConfig:
    """What is minimised. Validation and evaluation always report the plain per-token loss."""

    reduction: Literal[
        "token_mean", "token_sum", "example_mean", "batch_mean", "length_mean", "nonzero_mean"
    ] = setting("token_mean", "divisor of the summed loss; token_mean = sum of w*l / sum of w")
    label_smoothing: float = setting(0.0, "probability given to all other tokens", ge=0, lt=1)
    z_loss: float = setting(0.0, "factor of log(Z)^2, which keeps logits small", ge=0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class BatchConfig:
    """How examples are put together."""

    type: Literal["examples", "tokens"] = setting(
        "examples", "what size counts; tokens: of the longer side, padding included"
    )
    size: int = setting(64, "of a batch", ge=1, derived="type: 4096 with tokens")
    effective_size: int = setting(
        0, "target tokens of an update, made of as many batches as that takes; 0 = one batch", ge=0
    )
    shapes: int = setting(
        16, "most lengths that batches are padded to, planned from the data", ge=1
    )
    shuffle_buffer: int = setting(500_000, "examples among which to shuffle", ge=1)
    bucket_multiple: int = setting(1, "lengths are padded up to a multiple of this", ge=1)
    packing: Literal["none", "best_fit"] = setting(
        "none", "best_fit: several whole examples share a row (transformer only)"
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class EarlyStoppingConfig:
    """Stops when the validation loss no longer falls; the best weights are exported."""

    patience: int = setting(3, "validations in a row without gain before training stops", ge=1)
    min_delta: float = setting(0.0, "a smaller gain than this (nats) is none", ge=0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """The optimisation. Give epochs or steps, not both."""

    epochs: int | None = setting(None, "passes over the training split; 10 without steps", ge=1)
    steps: int | None = setting(None, "optimizer steps, instead of epochs", ge=1)
    optimizer: Literal["adam", "adamw", "sgd"] = setting("adam", "optimizer")
    learning_rate: float = setting(0.001, "highest learning rate", gt=0)
    schedule: Literal["constant", "cosine", "inverse_square_root", "linear", "noam"] = setting(
        "constant", "course of the learning rate after the warm-up; noam: learning_rate is a factor"
    )
    warmup_steps: int = setting(0, "steps in which the learning rate rises from 0", ge=0)
    clip_norm: float = setting(1.0, "largest global gradient norm; 0 = no limit", ge=0)
    weight_decay: float = setting(0.0, "adamw: decoupled weight decay", ge=0)
    seed: int = setting(42, "seed of weights, order and dropout", ge=0, le=_LARGEST_SEED)
    log_steps: int = setting(100, "steps between two points of the training curve", ge=1)
    eval_every_epochs: int = setting(1, "epochs between two validations", ge=1)
    accumulation_steps: int = setting(
        1, "batches that make one update: exactly that of one batch of all their rows", ge=1
    )
    momentum: float = setting(0.0, "sgd: momentum", ge=0, lt=1)
    ema: float = setting(
        0.0, "decay of the moving average of the weights, which is then evaluated and exported",
        ge=0, lt=1,
    )  # fmt: skip
    average_checkpoints: int = setting(
        0, "export the mean of the weights at so many last validations; 0 = the last weights", ge=0
    )
    early_stopping: EarlyStoppingConfig | None = setting(
        None, "stop when the validation loss no longer falls"
    )
    precision: Literal["float32", "mixed_bfloat16"] = setting(
        "float32", "of the layers' arithmetic; weights, loss and sums are float32 in any case"
    )
    deterministic: bool = setting(True, "only operations that give the same bits each time")
    checkpoint_steps: int = setting(
        500, "batches between two checkpoints, which an interrupted run continues; 0 = none", ge=0
    )
    on_bad_batch: Literal["abort", "skip"] = setting(
        "abort", "what to do where a loss or gradient is not finite, or a spike"
    )
    max_bad_batches: int = setting(10, "skip: so many bad batches before the run fails", ge=0)
    max_empty_batches: float = setting(
        0.01, "share of batches in which nothing has weight before the run fails", ge=0, le=1
    )
    spike_sigmas: float = setting(
        0.0, "a batch loss so many standard deviations above the last 128 is bad; 0 = none is", ge=0
    )
    warm_start: Literal["auto", "never"] = setting(
        "auto", "auto: new data start from the last blessed model; never: always from scratch"
    )
    distribution: Literal["none", "mirrored", "multi_worker"] = setting(
        "none", "what shares each batch: GPUs of one machine, or the processes that TF_CONFIG names"
    )
    replicas: int = setting(
        0, "mirrored: so many GPUs, or parts of the CPU where there is none; 0 = all GPUs", ge=0
    )
    tensorboard: bool = setting(True, "write TensorBoard's event files beside metrics.jsonl")
    tune: TuneConfig | None = setting(None, "search for hyperparameters before training")


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
        42, "sample: the same seed and row give the same sample", ge=0, le=_LARGEST_SEED
    )
    forbidden: tuple[SpecialToken, ...] = setting(
        ("pad", "bos", "unk"), "what is never generated; () where targets are ids",
        derived="target_tokenizer",
    )  # fmt: skip


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


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServingConfig:
    """Where blessed models go."""

    push_to: str = setting("", "folder of model versions", path=True, derived="pipeline.root")
    keep_versions: int = setting(5, "older versions are removed", ge=1)
    check: ServingCheckConfig = setting(ServingCheckConfig(), "what a model must pass to be pushed")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The whole configuration file."""

    pipeline: PipelineConfig = required("name and place")
    task: Task = required("lm, seq2seq or tagging")
    data: DataConfig = required("the input")
    transform: TransformConfig = setting(TransformConfig(), "text to ids")
    model: ModelConfig = setting(ModelConfig(), "the network")
    loss: LossConfig = setting(LossConfig(), "the loss")
    batch: BatchConfig = setting(BatchConfig(), "batches")
    train: TrainConfig = setting(TrainConfig(), "the optimisation")
    decode: DecodeConfig = setting(DecodeConfig(), "generation")
    eval: EvalConfig = setting(EvalConfig(), "measurement and blessing")
    serving: ServingConfig = setting(ServingConfig(), "pushed models")
    retrain: RetrainConfig = setting(RetrainConfig(), "retraining on new spans")
    beam: BeamConfig = setting(BeamConfig(), "where Beam's work is done")
    cloud: CloudConfig | None = setting(None, "Vertex or Kubeflow Pipelines, for tokenline compile")
    kubeflow: KubeflowConfig | None = setting(None, "where submit --target kubeflow sends to")


def load_config(path: str | os.PathLike[str], *, data_may_come: bool = False) -> Config:
    """Reads, checks and completes a configuration file.

    Paths in it are relative to its folder and come back joined to it.

    Args:
      path: the file.
      data_may_come: whether the folder that is to hold the spans need not be there yet: who goes on, waits.

    Raises:
      InputError: one line `file:line: key: got ..., expected ...` for each problem, all at once.
    """
    config, problems = config_loader.load(Config, os.fspath(path))
    problems.data_may_come = data_may_come
    if problems.clean(*_DECIDE_DEFAULTS):
        config = _complete(config, problems.given)
    config_checks.check(config, problems)
    problems.raise_if_any()
    return config


def placed(error: Unsuited, path: str | os.PathLike[str]) -> str:
    """What is wrong with a configuration for what was asked of it: `file:line: key: ...` for each problem."""
    _, problems = config_loader.load(Config, os.fspath(path))
    problems.items.clear()  # it has none of its own, or it would not have come so far
    for key, text in error.problems:
        problems.add(key, text)
    return problems.shown


def _complete(config: Config, given: set[str]) -> Config:
    """Fills in the defaults that follow from other keys."""
    roles = {role: role for role in config_checks.TASK_ROLES[config.task]}
    columns = roles | config.data.columns
    data = dataclasses.replace(config.data, columns=columns)
    if not data.split_by and all(isinstance(share, int) for share in data.split.values()):
        data = dataclasses.replace(data, split_by=(columns[next(iter(roles))],))
    transform = _complete_transform(config.transform, columns, given)
    if "data.window.stride" not in given:
        room = data.max_target_length - transform.append_eos - transform.prepend_bos
        window = dataclasses.replace(data.window, stride=max(1, room))
        data = dataclasses.replace(data, window=window)
    if config.task == "tagging":
        data, transform = _complete_tagging(data, transform, given)
    decode = _complete_decode(config.decode, data, transform, given)
    sizes = model_presets.settings(config.model.preset, given)
    model = dataclasses.replace(config.model, **sizes)
    serving, train = config.serving, config.train
    if "serving.push_to" not in given:
        serving = dataclasses.replace(
            serving, push_to=os.path.join(config.pipeline.root, config.pipeline.name, "serving")
        )
    if train.epochs is None and train.steps is None:
        train = dataclasses.replace(train, epochs=10)
    cloud = _complete_cloud(config, given)
    return dataclasses.replace(
        config,
        beam=config_beam.completed(config.beam, cloud, config.pipeline.name, given),
        cloud=cloud,
        data=data,
        transform=transform,
        batch=_complete_batch(config.batch, data, given),
        model=model,
        decode=decode,
        serving=serving,
        train=train,
    )


def _complete_cloud(config: Config, given: set[str]) -> CloudConfig | None:
    """Data where the local runs have them, versions below the root, Beam's work as there."""
    cloud = config.cloud
    if cloud is None or not isinstance(cloud.root, str):
        return cloud  # a root that is missing is a problem of its own
    served = f"{cloud.root}/{config.pipeline.name}/served"
    return dataclasses.replace(
        cloud,
        data=cloud.data or config.data.path,
        push_to=cloud.push_to or served,
        beam=cloud.beam if "cloud.beam" in given else config.beam.profile,
    )


def _complete_batch(batch: BatchConfig, data: DataConfig, given: set[str]) -> BatchConfig:
    """A batch of tokens has room for the longest example."""
    if batch.type == "examples" or "batch.size" in given:
        return batch
    size = max(4096, data.max_target_length, data.max_source_length)
    return dataclasses.replace(batch, size=size)


def _complete_transform(
    transform: TransformConfig, columns: dict[str, str], given: set[str]
) -> TransformConfig:
    """What holds for both sides where a side says nothing; the factors that there is data for."""
    derived: dict[str, Any] = {}
    for name in ("lowercase", "normalize"):
        for side in ("source", "target"):
            if f"transform.{side}_{name}" not in given:
                derived[f"{side}_{name}"] = getattr(transform, name)
    if "transform.weights" not in given:
        factors: dict[WeightFactor, bool] = {
            "mask": True,
            "token": "weights" in columns,
            "example": "example_weight" in columns,
            "region": bool(transform.regions),
            "class": bool(transform.class_weights),
            "span_age": transform.span_half_life is not None,
        }
        derived["weights"] = tuple(name for name, on in factors.items() if on)
    return dataclasses.replace(transform, **derived)


def _complete_decode(
    decode: DecodeConfig, data: DataConfig, transform: TransformConfig, given: set[str]
) -> DecodeConfig:
    """Lengths as in training; either of method and beam_size says what the other is."""
    derived: dict[str, Any] = {}
    if "decode.max_length" not in given:
        derived["max_length"] = data.max_target_length
    if "decode.method" not in given and decode.beam_size > 1:
        derived["method"] = "beam"
    if "decode.beam_size" not in given and decode.method == "beam":
        derived["beam_size"] = 4
    if "decode.forbidden" not in given and transform.target_tokenizer == "ids":
        derived["forbidden"] = ()  # there the reserved ids are ids like any other
    return dataclasses.replace(decode, **derived)


def _complete_tagging(
    data: DataConfig, transform: TransformConfig, given: set[str]
) -> tuple[DataConfig, TransformConfig]:
    """Tagging reads lists of tokens, adds no eos, and its two sides are equally long."""
    aligned: dict[str, Any] = {
        "source_tokenizer": "pretokenized",
        "target_tokenizer": "pretokenized",
        "append_eos": False,
    }
    # A tag is a label, not text: lower-casing and normal forms are for what is read.
    aligned |= {"target_lowercase": False, "target_normalize": "none"}
    absent = {name: value for name, value in aligned.items() if f"transform.{name}" not in given}
    if "data.max_source_length" not in given:
        data = dataclasses.replace(data, max_source_length=data.max_target_length)
    return data, dataclasses.replace(transform, **absent)
