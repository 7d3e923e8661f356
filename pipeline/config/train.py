"""`model`, `loss`, `batch` and `train`: the network, and how it learns. No TensorFlow."""

# `setting` and `required` return dataclasses.field, which the linter cannot see through:
# ruff: noqa: RUF009

import dataclasses
from typing import Literal

from pipeline.config.loader import setting
from pipeline.config.tune import TuneConfig
from pipeline.config.values import LARGEST_SEED


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
    seed: int = setting(42, "seed of weights, order and dropout", ge=0, le=LARGEST_SEED)
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
