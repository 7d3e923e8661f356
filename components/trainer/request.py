"""What a training run is asked to do, as frozen values; the executor fills it, nothing else reads TFX."""

import dataclasses
import json
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from components.trainer.decoding.options import DecodeOptions
from transform.settings import Settings

Options = TypeVar("Options")


@dataclass(frozen=True)
class ModelOptions:
    """The model's family and sizes; the vocabulary sizes come from the vocabulary."""

    family: str = "gru"
    units: int = 128
    layers: int = 1
    heads: int = 4
    feed_forward: int = 512
    dropout: float = 0.0
    tie_embeddings: bool = False


@dataclass(frozen=True)
class LossOptions:
    """What is minimised; smoothing and z-loss act in training only."""

    reduction: str = "token_mean"
    label_smoothing: float = 0.0
    z_loss: float = 0.0


@dataclass(frozen=True)
class BatchOptions:
    """`size` examples, or padded tokens, a batch; at most `shapes` lengths that it is padded to,
    multiples of `bucket_multiple`; `effective_size` target tokens an update (0: one batch).
    `packing` puts several examples into a row, of one length, instead."""

    type: Literal["examples", "tokens"] = "examples"
    size: int = 64
    effective_size: int = 0
    shapes: int = 16
    shuffle_buffer: int = 500_000
    bucket_multiple: int = 1
    packing: Literal["none", "best_fit"] = "none"

    @property
    def validation_rows(self) -> int:
        """Examples of a validation batch, which holds logits [B, T, V]."""
        return self.size if self.type == "examples" else 64


@dataclass(frozen=True)
class EarlyStopping:
    """Stop after `patience` validations in a row that are not `min_delta` below the best."""

    patience: int = 3
    min_delta: float = 0.0


@dataclass(frozen=True)
class TrainOptions:
    """The optimisation; the same seed gives the same weights.

    Exactly one of `epochs` and `steps` is set; steps are updates, each made from
    `accumulation_steps` batches. What is 0 is off: `clip_norm`, `ema`, `average_checkpoints`,
    `checkpoint_steps` (batches from one checkpoint to the next), `spike_sigmas`. `decode_length`:
    most positions decoded. `score_positions`: of a micro-batch in the exported `score`. `tensorboard`:
    event files are written, too.
    """

    epochs: int | None = 10
    steps: int | None = None
    optimizer: str = "adam"
    learning_rate: float = 0.001
    schedule: str = "constant"
    warmup_steps: int = 0
    clip_norm: float | None = 1.0
    weight_decay: float = 0.0
    seed: int = 42
    log_steps: int = 100
    eval_every_epochs: int = 1
    accumulation_steps: int = 1
    momentum: float = 0.0
    ema: float = 0.0
    average_checkpoints: int = 0
    early_stopping: EarlyStopping | None = None
    precision: str = "float32"
    deterministic: bool = True
    checkpoint_steps: int = 500
    on_bad_batch: str = "abort"
    max_bad_batches: int = 10
    max_empty_batches: float = 0.01
    spike_sigmas: float = 0.0
    distribution: str = "none"
    replicas: int = 0
    decode_length: int = 100
    score_positions: int = 8192
    warm_start: str = "auto"
    tensorboard: bool = True

    def __post_init__(self) -> None:
        if isinstance(self.early_stopping, dict):  # as it comes from JSON
            object.__setattr__(self, "early_stopping", EarlyStopping(**self.early_stopping))


@dataclass(frozen=True)
class TrainRequest:
    """One training run: where things are, and how to train.

    `train_files` and `eval_files` are transformed TFRecords (gzip), `transform_graph` and
    `vocabulary` folders; the SavedModel goes to `serving_folder`. In `state_folder` is what outlives
    a run that is killed or fails: checkpoints, metrics, bad batches; "": nothing is kept.
    `history_folder` gets `metrics.jsonl` and `tensorboard`; "": nowhere. `ingest_report`: folder of
    ExampleGen's, which knows the line of each row; "": there is none.
    `code_hash`: of the code that trains; a checkpoint of other code is not continued.
    `base_model`: the folder of the model to start from, "": from scratch; `start_folder`: where what a
    later run can start from is written, "": nowhere.
    """

    train_files: tuple[str, ...]
    eval_files: tuple[str, ...]
    transform_graph: str
    vocabulary: str
    serving_folder: str
    settings: Settings
    model: ModelOptions
    loss: LossOptions
    batch: BatchOptions
    train: TrainOptions
    decode: DecodeOptions = dataclasses.field(default_factory=DecodeOptions)
    state_folder: str = ""
    code_hash: str = ""
    base_model: str = ""
    start_folder: str = ""
    history_folder: str = ""
    ingest_report: str = ""


def options(kind: type[Options], text: str) -> Options:
    """The options of one kind from JSON; a key that it does not have is an error."""
    values: dict[str, Any] = json.loads(text)
    known = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(values.keys() - known)
    if unknown:
        raise ValueError(f"{kind.__name__}: unknown {unknown}, expected {sorted(known)}")
    return kind(**values)
