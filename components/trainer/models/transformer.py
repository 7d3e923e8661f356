"""The Transformer family, from KerasHub's layers (normalisation first, learned positions).

Causal attention never sees the padding on the right, so decoders need no padding mask; encoders
and cross attention get theirs from lengths. In packed rows (see `segments`) attention stays within
an example, and positions start again with each.
"""

from typing import Any

import keras
import keras_hub
import tensorflow as tf

from components.trainer.models import segments
from components.trainer.models.characters import CharacterFeatures
from components.trainer.models.masking import batch_size, length_mask, real_ids, zero_padding
from components.trainer.models.spec import ModelSpec

Features = dict[str, tf.Tensor]
Masks = dict[str, tf.Tensor | None]


def _blocks(kind: type[keras.layers.Layer], spec: ModelSpec) -> list[keras.layers.Layer]:
    return [_block(kind, spec, f"layer_{index}") for index in range(spec.layers)]


def _gelu(values: tf.Tensor) -> tf.Tensor:
    """Computed in float32: CPUs have a quick error function only for that."""
    return tf.cast(tf.nn.gelu(tf.cast(values, tf.float32)), values.dtype)


def _block(kind: type[keras.layers.Layer], spec: ModelSpec, name: str) -> keras.layers.Layer:
    return kind(
        intermediate_dim=spec.feed_forward,
        num_heads=spec.heads,
        dropout=spec.dropout,
        activation=_gelu,
        normalize_first=True,
        name=name,
    )


class Embedding(keras.layers.Layer):
    """Ids [B, T] to the sum of token and position embeddings [B, T, D], with dropout.

    Raises (when called, from the graph) InvalidArgumentError for a T beyond the positions that the
    ModelSpec field named `setting` has room for.
    """

    def __init__(self, size: int, setting: str, spec: ModelSpec) -> None:
        super().__init__(name="embedding")
        self.positions = getattr(spec, setting)
        self.too_long = f"sequence of more than {self.positions} positions: model.{setting}"
        self.table = keras_hub.layers.TokenAndPositionEmbedding(
            size, self.positions, spec.units, name="table"
        )
        self.dropout = keras.layers.Dropout(spec.dropout)

    def call(
        self,
        ids: tf.Tensor,
        start: tf.Tensor | int = 0,
        positions: tf.Tensor | None = None,
        training: bool = False,
    ) -> tf.Tensor:
        """`start`: the position of the first id; `positions` [B, T]: of each, instead."""
        end = start + tf.shape(ids)[1]
        if positions is not None:
            end = tf.cast(tf.reduce_max(positions) + 1, tf.int32)
        check = tf.debugging.assert_less_equal(end, self.positions, self.too_long)
        with tf.control_dependencies([] if check is None else [check]):
            values = self.table(ids, start_index=start, positions=positions)
        return self.dropout(values, training=training)


class TransformerEncoder(keras.layers.Layer):
    """Embedding (and characters, if the spec has them), encoder blocks, last normalisation."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(name="encoder")
        self.embedding = Embedding(spec.input_vocabulary_size, "max_input_length", spec)
        self.characters = (
            CharacterFeatures(spec, spec.units) if spec.character_vocabulary_size else None
        )
        self.stack = _blocks(keras_hub.layers.TransformerEncoder, spec)
        self.norm = keras.layers.LayerNormalization(name="norm")

    def call(self, features: Features, training: bool = False) -> tf.Tensor:
        """Encode `inputs` [B, S] to [B, S, D], exactly zero at padding."""
        mask = length_mask(features["inputs"], features["input_lengths"])
        positions = features.get(segments.INPUT_POSITIONS)
        values = self.embedding(
            real_ids(features["inputs"], mask), positions=positions, training=training
        )
        if self.characters is not None:
            values += self.characters(features, mask)
        visible = None
        if segments.INPUT_SEGMENTS in features:
            numbers = features[segments.INPUT_SEGMENTS]
            visible = segments.same_segment(numbers, numbers)
        for layer in self.stack:
            values = layer(values, padding_mask=mask, attention_mask=visible, training=training)
        return zero_padding(self.norm(values), mask)


def _packed_masks(features: Features, memory: tf.Tensor | None) -> tuple[tf.Tensor | None, Masks]:
    """The memory of packed rows, and the masks that keep each example to itself."""
    targets = features[segments.TARGET_SEGMENTS]
    masks: Masks = {"decoder_attention_mask": segments.same_segment(targets, targets)}
    if memory is not None:
        visible = segments.same_segment(targets, features[segments.INPUT_SEGMENTS])
        memory, masks["encoder_attention_mask"] = segments.with_nothing(memory, visible)
    return memory, masks


class TransformerDecoder(keras.layers.Layer):
    """Embedding, decoder blocks (with cross attention if there is a memory), normalisation."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(name="decoder")
        self.head_shape = (spec.heads, spec.units // spec.heads)
        self.embedding = Embedding(spec.vocabulary_size, "max_length", spec)
        self.stack = _blocks(keras_hub.layers.TransformerDecoder, spec)
        self.norm = keras.layers.LayerNormalization(name="norm")

    @property
    def target_embeddings(self) -> keras.Variable:
        """[V, D], what tied projections share."""
        return self.embedding.table.token_embedding.embeddings

    def call(
        self,
        features: Features,
        memory: tf.Tensor | None = None,
        memory_mask: tf.Tensor | None = None,
        training: bool = False,
    ) -> tf.Tensor:
        """`decoder_inputs` [B, T], memory [B, S, D] and its mask [B, S] to [B, T, D]."""
        mask = length_mask(features["decoder_inputs"], features["target_lengths"])
        positions = features.get(segments.TARGET_POSITIONS)
        values = self.embedding(
            real_ids(features["decoder_inputs"], mask), positions=positions, training=training
        )
        masks: Masks = {"encoder_padding_mask": memory_mask}
        if segments.TARGET_SEGMENTS in features:
            memory, masks = _packed_masks(features, memory)
        for layer in self.stack:
            values = layer(values, memory, **masks, training=training)
        return self.norm(values)

    def empty_cache(self, size: tf.Tensor, length: tf.Tensor | int) -> tf.Tensor:
        """Keys and values of one layer, all zero: [B, 2, length, heads, D / heads]."""
        return tf.zeros([size, 2, length, *self.head_shape], self.compute_dtype)

    def cross_caches(self, memory: tf.Tensor, memory_mask: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Each layer's keys and values of the memory: [B, 2, S, heads, D / heads].

        KerasHub's layer fills them only in passing, so a position is decoded and thrown away.
        """
        size = tf.shape(memory)[0]
        nothing = tf.zeros([size, 1, memory.shape[-1]], memory.dtype)
        self_cache = self.empty_cache(size, 2)  # Keras warns of a softmax over only one
        return tuple(
            layer(
                nothing,
                memory,
                encoder_padding_mask=memory_mask,
                self_attention_cache=self_cache,
                self_attention_cache_update_index=0,
                cross_attention_cache=self.empty_cache(size, tf.shape(memory)[1]),
                cross_attention_cache_update_index=0,
            )[2]
            for layer in self.stack
        )

    def step(self, ids: tf.Tensor, state: dict[str, Any]) -> tuple[tf.Tensor, dict[str, Any]]:
        """Previous ids [B] and caches to (hidden [B, D], caches)."""
        position, caches = state["position"], []
        values = self.embedding(ids[:, tf.newaxis], start=position)
        for index, layer in enumerate(self.stack):
            cross = {}
            if "memory" in state:
                cross = {
                    "encoder_sequence": state["memory"],
                    "encoder_padding_mask": state["mask"],
                    "cross_attention_cache": state["cross"][index],
                }
            values, cache, *_ = layer(
                values,
                self_attention_cache=state["self"][index],
                self_attention_cache_update_index=position,
                **cross,
            )
            caches.append(cache)
        after = {**state, "position": position + 1, "self": tuple(caches)}
        return self.norm(values)[:, 0], after


class TransformerLanguageModel(keras.layers.Layer):
    """`lm`: the decoder alone."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(name="body")
        self.decoder = TransformerDecoder(spec)

    @property
    def target_embeddings(self) -> keras.Variable:
        """[V, D], what tied projections share."""
        return self.decoder.target_embeddings

    def hidden(self, features: Features, *, training: bool) -> tf.Tensor:
        return self.decoder(features, training=training)

    def initial_state(self, features: Features, max_length: int) -> Any:
        cache = self.decoder.empty_cache(batch_size(features), max_length)
        return {"position": tf.constant(0), "self": (cache,) * len(self.decoder.stack)}

    def step(self, ids: tf.Tensor, state: Any) -> tuple[tf.Tensor, Any]:
        return self.decoder.step(ids, state)


class TransformerSeq2Seq(keras.layers.Layer):
    """`seq2seq`: encoder, and decoder with cross attention."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(name="body")
        self.encoder = TransformerEncoder(spec)
        self.decoder = TransformerDecoder(spec)

    @property
    def target_embeddings(self) -> keras.Variable:
        """[V, D], what tied projections share."""
        return self.decoder.target_embeddings

    def hidden(self, features: Features, *, training: bool) -> tf.Tensor:
        memory = self.encoder(features, training=training)
        mask = length_mask(features["inputs"], features["input_lengths"])
        return self.decoder(features, memory, mask, training=training)

    def initial_state(self, features: Features, max_length: int) -> Any:
        memory = self.encoder(features)
        mask = length_mask(features["inputs"], features["input_lengths"])
        cache = self.decoder.empty_cache(tf.shape(memory)[0], max_length)
        return {
            "position": tf.constant(0),
            "self": (cache,) * len(self.decoder.stack),
            "cross": self.decoder.cross_caches(memory, mask),
            "memory": memory,
            "mask": mask,
        }

    def step(self, ids: tf.Tensor, state: Any) -> tuple[tf.Tensor, Any]:
        return self.decoder.step(ids, state)


class TransformerTagger(keras.layers.Layer):
    """`tagging`: the encoder alone."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(name="body")
        self.encoder = TransformerEncoder(spec)

    def hidden(self, features: Features, *, training: bool) -> tf.Tensor:
        return self.encoder(features, training=training)
