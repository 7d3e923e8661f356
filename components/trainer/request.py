"""What a training run is asked to do, as frozen values; the executor fills it, nothing else reads TFX."""

import dataclasses
import json
from dataclasses import dataclass
from typing import Any, TypeVar

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
    """`size` examples a batch; lengths are rounded up to `bucket_multiple` positions."""

    size: int = 64
    shuffle_buffer: int = 500_000
    bucket_multiple: int = 8


@dataclass(frozen=True)
class TrainOptions:
    """The optimisation; the same seed gives the same weights.

    Exactly one of `epochs` and `steps` is set. `decode_length`: most positions decoded.
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
    decode_length: int = 100


@dataclass(frozen=True)
class TrainRequest:
    """One training run: where things are, and how to train.

    `train_files` and `eval_files` are transformed TFRecords (gzip), `transform_graph` and
    `vocabulary` folders; the SavedModel goes to `serving_folder`.
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


def options(kind: type[Options], text: str) -> Options:
    """The options of one kind from JSON; a key that it does not have is an error."""
    values: dict[str, Any] = json.loads(text)
    known = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(values.keys() - known)
    if unknown:
        raise ValueError(f"{kind.__name__}: unknown {unknown}, expected {sorted(known)}")
    return kind(**values)
