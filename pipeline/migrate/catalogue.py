"""The functions that are looked for: where they really lived, their parameters, ours for them.

Sources: `tensorflow/contrib/seq2seq/python/ops/loss.py`, `tensorflow/contrib/legacy_seq2seq`,
`tensorflow_addons/seq2seq/loss.py`, `keras/src/losses`; their results are those of `compat`.
"""

import dataclasses
import enum


class Family(enum.Enum):
    """Functions that reduce alike."""

    CONTRIB = "contrib"
    ADDONS = "addons"
    ADDONS_CLASS = "addons class"
    LEGACY = "legacy"
    BY_EXAMPLE = "legacy by example"
    BUCKETS = "buckets"
    TOKENS = "token losses"
    KERAS_CLASS = "keras class"
    LOSSES = "tf.losses"
    WEIGHTED = "tf.losses of token losses"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Function:
    """One function of TensorFlow, Addons or Keras.

    Attributes:
      name: as people write it, `tf.contrib.seq2seq.sequence_loss`.
      truth: which function that is, where it lived, what it takes.
      parameters: in the order of the original.
      exact: the function of ours with the same parameters and result.
      exists: False where the name never existed, though people write it.
      lists: takes lists of T tensors.
      keras: Keras's own; of interest on sequences only.
    """

    name: str
    family: Family
    truth: str
    parameters: tuple[str, ...]
    exact: str | None = None
    exists: bool = True
    lists: bool = False
    keras: bool = False


_LISTS = "on lists of T tensors [B, V], [B], [B]"
_TENSORS = "on tensors [B, T, V], [B, T], [B, T]"
_BASE = ("logits", "targets", "weights")
_AVERAGES = ("average_across_timesteps", "average_across_batch")
FLAGS = (*_AVERAGES, "sum_over_timesteps", "sum_over_batch")
_LAST = ("softmax_loss_function", "name")
_GONE = "gone with tf.contrib in TF 2"

_BY_EXAMPLE = (*_BASE, "average_across_timesteps", *_LAST)
_LEGACY = (*_BASE, *_AVERAGES, *_LAST)
_BATCH_MAJOR = (*_BASE, *FLAGS, *_LAST)
_CLASS = (*FLAGS, "softmax_loss_function", "name")
_REAL_BY_EXAMPLE = (
    "tf.contrib.legacy_seq2seq.sequence_loss_by_example (TF 1.0 to 1.15; tf.nn.seq2seq before)"
)
_BUCKETS = (
    *("encoder_inputs", "decoder_inputs", "targets", "weights", "buckets", "seq2seq"),
    *("softmax_loss_function", "per_example_loss", "name"),
)


def _legacy(module: str, where: str) -> dict[str, Function]:
    shown = module.replace("tensorflow", "tf", 1)
    prefix = "compat.legacy_"
    found = {
        name: Function(
            name=f"{shown}.{name}",
            family=family,
            truth=f"{where}, {_LISTS}",
            parameters=parameters,
            exact=prefix + name,
            lists=True,
        )
        for name, family, parameters in (
            ("sequence_loss", Family.LEGACY, _LEGACY),
            ("sequence_loss_by_example", Family.BY_EXAMPLE, _BY_EXAMPLE),
        )
    }
    found["model_with_buckets"] = Function(
        name=f"{shown}.model_with_buckets",
        family=Family.BUCKETS,
        truth=f"{where}; builds a model for each bucket and calls the legacy losses on it",
        parameters=_BUCKETS,
        lists=True,
    )
    return {f"{module}.{name}": function for name, function in found.items()}


def _never(name: str, was: str, family: Family, parameters: tuple[str, ...]) -> Function:
    return Function(
        name=name,
        family=family,
        truth=f"{name} never existed; it was {was}",
        parameters=parameters,
        exact="sequence_loss_by_example" if family is Family.BY_EXAMPLE else None,
        exists=False,
        lists=family is Family.BY_EXAMPLE,
    )


def _keras() -> dict[str, Function]:
    sparse = ("y_true", "y_pred", "from_logits", "ignore_class", "axis")
    dense = ("y_true", "y_pred", "from_logits", "label_smoothing", "axis")
    found = {}
    for short, title, parameters in (
        ("sparse_categorical_crossentropy", "SparseCategoricalCrossentropy", sparse),
        ("categorical_crossentropy", "CategoricalCrossentropy", dense),
    ):
        found[f"keras.losses.{short}"] = Function(
            name=f"keras.losses.{short}",
            family=Family.TOKENS,
            truth="Keras's cross-entropy, not reduced: [B, T] where y_pred is [B, T, V]",
            parameters=parameters,
            keras=True,
        )
        found[f"keras.losses.{title}"] = Function(
            name=f"keras.losses.{title}",
            family=Family.KERAS_CLASS,
            truth="Keras's cross-entropy and its mean; what follows holds if y_pred is [B, T, V]",
            parameters=parameters[2:],
            keras=True,
        )
    return found


def _softmax() -> dict[str, Function]:
    names = (
        "sparse_softmax_cross_entropy_with_logits",
        "softmax_cross_entropy_with_logits",
        "softmax_cross_entropy_with_logits_v2",
    )
    return {
        f"tensorflow.nn.{name}": Function(
            name=f"tf.nn.{name}",
            family=Family.TOKENS,
            truth="the cross-entropy itself, not reduced: [B, T] where logits are [B, T, V]",
            parameters=("labels", "logits"),
        )
        for name in names
    }


def _losses() -> dict[str, Function]:
    """TensorFlow 1's `tf.losses`; a function of the catalogue only with weights."""
    last = ("scope", "loss_collection", "reduction")
    return {
        f"tensorflow.losses.{name}": Function(
            name=f"tf.losses.{name}",
            family=Family.LOSSES,
            truth="TF 1, and tf.compat.v1.losses in TF 2; what follows holds if logits are"
            " [B, T, V] and weights [B, T]",
            parameters=(*parameters, *last),
        )
        for name, parameters in (
            ("sparse_softmax_cross_entropy", ("labels", "logits", "weights")),
            ("softmax_cross_entropy", ("onehot_labels", "logits", "weights", "label_smoothing")),
        )
    }


# Not looked for by itself: it reduces the token losses of another call.
COMPUTE_WEIGHTED = Function(
    name="tf.losses.compute_weighted_loss",
    family=Family.WEIGHTED,
    truth="TF 1, and tf.compat.v1.losses in TF 2",
    parameters=("losses", "weights", "scope", "loss_collection", "reduction"),
)

FUNCTIONS: dict[str, Function] = {
    "tensorflow.contrib.seq2seq.sequence_loss": Function(
        name="tf.contrib.seq2seq.sequence_loss",
        family=Family.CONTRIB,
        truth=f"TF 1.0 to 1.15, {_GONE}; {_TENSORS}",
        parameters=_BATCH_MAJOR,
        exact="compat.contrib_sequence_loss",
    ),
    "tensorflow.contrib.seq2seq.python.ops.loss.SequenceLoss": Function(
        name="tf.contrib.seq2seq.python.ops.loss.SequenceLoss",
        family=Family.ADDONS_CLASS,
        truth=f"a class of TF 1.15 under this deep path only, {_GONE}",
        parameters=_CLASS,
    ),
    "tensorflow.contrib.seq2seq.SequenceLoss": _never(
        "tf.contrib.seq2seq.SequenceLoss",
        "tensorflow.contrib.seq2seq.python.ops.loss.SequenceLoss (TF 1.15 only)",
        Family.ADDONS_CLASS,
        _CLASS,
    ),
    "tensorflow.contrib.seq2seq.sequence_loss_by_example": _never(
        "tf.contrib.seq2seq.sequence_loss_by_example",
        f"{_REAL_BY_EXAMPLE}, {_LISTS}",
        Family.BY_EXAMPLE,
        _BY_EXAMPLE,
    ),
    "tensorflow_addons.seq2seq.sequence_loss_by_example": _never(
        "tfa.seq2seq.sequence_loss_by_example",
        f"{_REAL_BY_EXAMPLE}, {_LISTS}",
        Family.BY_EXAMPLE,
        _BY_EXAMPLE,
    ),
    "tensorflow_addons.seq2seq.sequence_loss": Function(
        name="tfa.seq2seq.sequence_loss",
        family=Family.ADDONS,
        truth=f"TensorFlow Addons (ended with 0.23, TF 2.15); contrib's formula, {_TENSORS}",
        parameters=_BATCH_MAJOR,
        exact="compat.addons_sequence_loss",
    ),
    "tensorflow_addons.seq2seq.SequenceLoss": Function(
        name="tfa.seq2seq.SequenceLoss",
        family=Family.ADDONS_CLASS,
        truth="TensorFlow Addons (ended with 0.23, TF 2.15); sequence_loss as a class whose defaults"
        " are the sum flags, called with (y_true, y_pred, sample_weight)",
        parameters=_CLASS,
    ),
    **_legacy("tensorflow.contrib.legacy_seq2seq", f"TF 1.0 to 1.15, {_GONE}"),
    **_legacy("tensorflow.nn.seq2seq", "up to TF 0.12; in TF 1 tf.contrib.legacy_seq2seq"),
    **_keras(),
    **_softmax(),
    **_losses(),
}

# Deep paths and second names, replaced until nothing changes.
_PREFIXES = (
    ("tensorflow_core.", "tensorflow."),
    ("tensorflow.compat.v1.", "tensorflow."),
    ("tensorflow.compat.v2.", "tensorflow."),
    ("tensorflow.python.keras.", "keras."),
    ("tensorflow.keras.", "keras."),
    ("tf_keras.", "keras."),
    *(
        (f"tensorflow.losses.{start}", f"keras.losses.{start}")
        for start in ("Sparse", "sparse_c", "Categorical", "categorical", "get", "Loss")
    ),
    ("keras.api.", "keras."),
    ("keras.src.", "keras."),
    ("keras.losses.losses.", "keras.losses."),
    ("keras.metrics.sparse_categorical", "keras.losses.sparse_categorical"),
    ("keras.metrics.categorical", "keras.losses.categorical"),
    ("keras.backend.sparse_categorical", "keras.losses.sparse_categorical"),
    ("keras.backend.categorical", "keras.losses.categorical"),
    ("keras.objectives.", "keras.losses."),
    ("tensorflow.contrib.seq2seq.python.ops.loss.", "tensorflow.contrib.seq2seq."),
    (
        "tensorflow.contrib.legacy_seq2seq.python.ops.seq2seq.",
        "tensorflow.contrib.legacy_seq2seq.",
    ),
    ("tensorflow.python.ops.seq2seq.", "tensorflow.nn.seq2seq."),
    ("tensorflow.python.ops.nn_ops.", "tensorflow.nn."),
    ("tensorflow.python.ops.nn.", "tensorflow.nn."),
    ("tensorflow.python.ops.math_ops.", "tensorflow."),
    ("tensorflow.python.ops.array_ops.", "tensorflow."),
    ("tensorflow_addons.seq2seq.loss.", "tensorflow_addons.seq2seq."),
    ("tensorflow.math.", "tensorflow."),
    ("keras.ops.", "tensorflow."),
)


def canonical(name: str) -> str:
    """The one name of a dotted name: `tensorflow.compat.v1.math.divide` is `tensorflow.divide`."""
    while name not in FUNCTIONS:
        for prefix, short in _PREFIXES:
            if name.startswith(prefix):
                name = short + name[len(prefix) :]
                break
        else:
            return name
    return name
