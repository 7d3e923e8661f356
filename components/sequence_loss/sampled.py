"""Sampled softmax: a `softmax_loss_function` for hidden states, with the full softmax beside it.

TensorFlow 1's models with a large vocabulary passed the decoder's outputs `[B, T, D]` where the
loss wanted logits, and a function that projected them and drew a few classes. That works here too:

    def loss(hidden, targets, weights):
        sampled = SampledSoftmax(embedding, bias, num_sampled=512)
        return sequence_loss_parts(hidden, targets, weights, softmax_loss_function=sampled)

    # training: minimise .total.mean (sampled), report .plain (full softmax, no gradient)
    # evaluation: sequence_loss(sampled.logits(hidden), targets, weights)

The sampled loss is not the cross-entropy and cannot be compared between numbers of samples; what is
reported, compared and gated on is the full one. (Jean et al. 2015, section 3.)
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from components.sequence_loss import checks


@dataclasses.dataclass(frozen=True, eq=False)
class SampledSoftmax:
    """`tf.nn.sampled_softmax_loss` behind the signature of `softmax_loss_function`.

    Attributes:
      embedding: `[V, D]`, variable or tensor: the class vectors, rows of a tied embedding. For a
        `Dense` layer `tf.transpose(layer.kernel)`, made inside the gradient tape.
      bias: `[V]`, or None for 0.
      num_sampled: classes drawn for each call, shared by its N positions.
      sampler: from ids `[N, 1]` to the triple of TensorFlow's candidate samplers; None: log-uniform,
        which expects ids sorted by falling frequency.
      remove_accidental_hits: drawn classes that are a position's target do not count against it.
      seed: of the default sampler.

    XLA compiles neither TensorFlow's samplers nor its removal of hits: there it takes a `sampler`
    made of other operations, and `remove_accidental_hits=False`.
    """

    embedding: Any
    bias: Any = None
    _: dataclasses.KW_ONLY
    num_sampled: int
    sampler: Callable[[tf.Tensor], Any] | None = None
    remove_accidental_hits: bool = True
    seed: int | None = None

    def __post_init__(self) -> None:
        shape = tf.TensorShape(self.embedding.shape)
        if shape.rank != 2 or shape[0] is None:
            raise ValueError(f"embedding: got shape {shape}, expected [V, D] with a known V")
        if self.bias is not None and not tf.TensorShape(self.bias.shape).is_compatible_with(
            shape[:1]
        ):
            raise ValueError(
                f"bias: got shape {self.bias.shape}, expected [V] of embedding {shape}"
            )
        if not 1 <= self.num_sampled <= shape[0]:
            raise ValueError(f"num_sampled: got {self.num_sampled}, expected 1 to V = {shape[0]}")

    @property
    def num_classes(self) -> int:
        """V. The losses check target ids against it, not against the width of the hidden states."""
        return int(self.embedding.shape[0])

    def __call__(self, *, labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        """The sampled loss `[N]` of ids `[N]` and hidden states `[N, D]`."""
        hidden, embedding, bias = self._parameters(labels, logits)
        column = tf.cast(labels, tf.int64)[:, tf.newaxis]
        return tf.nn.sampled_softmax_loss(
            weights=embedding,
            biases=bias,
            labels=column,
            inputs=hidden,
            num_sampled=self.num_sampled,
            num_classes=self.num_classes,
            sampled_values=None if self.sampler is None else self.sampler(column),
            remove_accidental_hits=self.remove_accidental_hits,
            seed=self.seed,
        )

    def full(self, *, labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        """The softmax cross-entropy `[N]` over all classes, of the same arguments."""
        hidden, embedding, bias = self._parameters(labels, logits)
        projected = tf.linalg.matmul(hidden, embedding, transpose_b=True) + bias  # [N, V]
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=projected)

    def logits(self, hidden: tf.Tensor) -> tf.Tensor:
        """`[B, T, D]` projected to logits `[B, T, V]`."""
        projected = tf.einsum("btd,vd->btv", hidden, tf.cast(self.embedding, hidden.dtype))
        return projected if self.bias is None else projected + tf.cast(self.bias, hidden.dtype)

    def _parameters(
        self, labels: tf.Tensor, hidden: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Hidden states, embedding and bias in one dtype and of one width, else ValueError."""
        if labels.shape.rank != 1:
            raise ValueError(f"SampledSoftmax: got targets {checks.describe(labels)}, expected ids")
        embedding = tf.convert_to_tensor(self.embedding)
        if not hidden.shape[1:].is_compatible_with(embedding.shape[1:]):
            raise ValueError(
                f"SampledSoftmax: got hidden states {checks.describe(hidden)}, expected the width"
                f" of the embedding {checks.describe(embedding)}"
            )
        zero = tf.zeros([self.num_classes], hidden.dtype)
        bias = zero if self.bias is None else tf.cast(self.bias, hidden.dtype)
        return hidden, tf.cast(embedding, hidden.dtype), bias
