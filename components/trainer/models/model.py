"""SequenceModel: the one interface to all models; build_model: the one way to make them."""

import contextlib
import random
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from components.trainer.models import recurrent, transformer
from components.trainer.models.spec import ModelSpec

Features = dict[str, tf.Tensor]

_BODIES: dict[tuple[str, str], Any] = {
    ("lm", "gru"): recurrent.RecurrentLanguageModel,
    ("lm", "lstm"): recurrent.RecurrentLanguageModel,
    ("lm", "transformer"): transformer.TransformerLanguageModel,
    ("seq2seq", "gru"): recurrent.RecurrentSeq2Seq,
    ("seq2seq", "lstm"): recurrent.RecurrentSeq2Seq,
    ("seq2seq", "transformer"): transformer.TransformerSeq2Seq,
    ("tagging", "gru"): recurrent.RecurrentTagger,
    ("tagging", "lstm"): recurrent.RecurrentTagger,
    ("tagging", "transformer"): transformer.TransformerTagger,
}


class SequenceModel(keras.Model):
    """A body that makes hidden states, and a projection to logits that can be taken apart.

    `features` are batches of the feature contract: `target_lengths` [B] and `decoder_inputs`
    [B, T] (lm, seq2seq); `inputs` [B, S] and `input_lengths` [B] (seq2seq, tagging, where S = T);
    for tagging optionally `input_chars` [B, S, C], with `input_char_lengths` [B, S] if C varies.
    Padded positions hold any ids whatever and change nothing elsewhere. Transformers also take rows
    of several examples each, with the features of `segments`.

    Attributes:
      spec: the ModelSpec that the model was built from.
      state: holds every variable, dropout's random states too, where TensorFlow can see it: without
        it `tf.train.Checkpoint(model=model)` silently leaves out all layers that Keras 3 keeps in
        lists. (Keras's own `save_weights` saves all weights, but not the random states.)
    """

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(name=spec.task)
        self.spec = spec
        self.body = _BODIES[spec.task, spec.family](spec)
        self.state = tf.Module()
        self._kernel = None
        if not spec.tie_embeddings:
            self._kernel = self.add_weight(
                name="projection_kernel", shape=(spec.units, spec.vocabulary_size)
            )
        self._bias = self.add_weight(
            name="projection_bias", shape=(spec.vocabulary_size,), initializer="zeros"
        )
        self.built = True  # what is left builds itself when it is first called

    def call(self, features: Features, training: bool = False) -> tf.Tensor:
        """Logits [B, T, V] of a batch of features."""
        return self.logits(self.hidden(features, training=training))

    def hidden(self, features: Features, *, training: bool = False) -> tf.Tensor:
        """Hidden states [B, T, D], in the compute dtype; what stands at padding means nothing."""
        return self.body.hidden(features, training=training)

    def projection(self) -> tuple[tf.Tensor, tf.Tensor]:
        """The last layer as float32 (kernel [D, V], bias [V]): logits = hidden . kernel + bias."""
        kernel, bias, transposed = self.stored_projection()
        kernel = tf.transpose(kernel) if transposed else kernel
        return tf.cast(kernel, tf.float32), tf.cast(bias, tf.float32)

    def stored_projection(self) -> tuple[tf.Tensor, tf.Tensor, bool]:
        """(kernel, bias [V], transposed) as stored: tied, the kernel is the table [V, D], transposed.

        For `linear_sequence_loss(hidden, kernel, bias, ..., transpose_kernel=transposed)`.
        """
        tied = self._kernel is None
        kernel = self.body.target_embeddings if tied else self._kernel
        return tf.convert_to_tensor(kernel), tf.convert_to_tensor(self._bias), tied

    def logits(self, hidden: tf.Tensor) -> tf.Tensor:
        """Hidden states [..., D] to float32 logits [..., V], whatever the compute dtype."""
        kernel, bias = self.projection()
        return tf.tensordot(tf.cast(hidden, tf.float32), kernel, axes=1) + bias

    def initial_state(self, features: Features, max_length: int) -> Any:
        """What `step` needs before the first token.

        Args:
          features: the source side (seq2seq); for lm any feature, which gives the batch size.
          max_length: the number of steps there is to be room for.

        Returns:
          nested tensors; all have the batch first, but for scalars.

        Raises:
          ValueError: tagging has no decoder; a Transformer has no more than its positions.
        """
        if self.spec.task == "tagging":
            raise ValueError("initial_state: task tagging has no decoder; expected lm or seq2seq")
        if self.spec.family == "transformer" and max_length > self.spec.max_length:
            raise ValueError(
                f"initial_state: got max_length {max_length}, "
                f"expected at most the model's {self.spec.max_length} positions"
            )
        return self.body.initial_state(features, max_length)

    def step(self, ids: tf.Tensor, state: Any) -> tuple[tf.Tensor, Any]:
        """One position of `hidden`: previous ids [B] and state to (hidden [B, D], state)."""
        return self.body.step(ids, state)


def build_model(spec: ModelSpec) -> SequenceModel:
    """Build the model of `spec`, with all variables created and initialised from `spec.seed`."""
    with _seeded(spec.seed):
        model = SequenceModel(spec)
        model(_small_features(spec))
    model.state.variables_in_order = [variable.value for variable in model.variables]
    return model


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed Python's `random` for a while.

    Keras draws every seed that is not given from there (`keras/src/random/seed_generator.py`), and
    KerasHub's layers cannot be given one.
    """
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)


def _small_features(spec: ModelSpec) -> Features:
    ids, lengths = tf.zeros([1, 2], tf.int64), tf.ones([1], tf.int64)  # Keras frowns on [1, 1]
    features = {"decoder_inputs": ids, "target_lengths": lengths}
    if spec.task != "lm":
        features |= {"inputs": ids, "input_lengths": lengths}
    if spec.character_vocabulary_size:
        features["input_chars"] = tf.zeros([1, 2, 1], tf.int64)
    return features
