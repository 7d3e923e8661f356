"""CharacterFeatures: small convolutions over the characters of each token."""

import itertools

import keras
import tensorflow as tf

from components.trainer.models.masking import real_ids
from components.trainer.models.spec import ModelSpec

WIDTHS = (2, 3, 4, 5)  # characters that a filter sees: endings and stems
CHARACTER_UNITS = 32


class CharacterFeatures(keras.layers.Layer):
    """Characters of a token to one vector: convolutions, and their maximum over the characters.

    `input_chars` [B, S, C] has no lengths in the feature contract: there C is fixed, and what
    stands behind a token's last character is the same in training and in serving. A caller for
    whom C varies gives `input_char_lengths` [B, S]; then what lies past them is ignored.

    Source: dos Santos and Zadrozny, "Learning Character-level Representations for Part-of-Speech
    Tagging" (2014); several widths as in Kim et al., "Character-Aware Neural Language Models" (2016).
    """

    def __init__(self, spec: ModelSpec, width: int) -> None:
        super().__init__(name="characters")
        self.embedding = keras.layers.Embedding(
            spec.character_vocabulary_size, CHARACTER_UNITS, name="character_embedding"
        )
        self.convolutions = [
            keras.layers.Conv1D(filters, seen, padding="same", name=f"convolution_{seen}")
            for filters, seen in zip(_shares(width), WIDTHS, strict=True)
            if filters
        ]

    def call(self, features: dict[str, tf.Tensor], mask: tf.Tensor) -> tf.Tensor:
        """`input_chars` [B, S, C], of tokens real where `mask` [B, S], to [B, S, width]."""
        characters = features["input_chars"]
        shape = tf.shape(characters)
        real = tf.broadcast_to(mask[..., tf.newaxis], shape)
        if "input_char_lengths" in features:
            real &= tf.sequence_mask(features["input_char_lengths"], shape[2])
        real = tf.reshape(real, [-1, shape[2], 1])
        embedded = self.embedding(real_ids(tf.reshape(characters, [-1, shape[2]]), real[..., 0]))
        embedded = tf.where(real, embedded, tf.zeros_like(embedded))
        # Activations are at least 0, so 0 at the masked positions leaves the maximum alone.
        found = tf.concat([layer(embedded) for layer in self.convolutions], axis=-1)
        active = tf.nn.relu(found) * tf.cast(real, embedded.dtype)
        return tf.reshape(tf.reduce_max(active, axis=1), [shape[0], shape[1], active.shape[-1]])


def _shares(width: int) -> list[int]:
    """`width` filters spread over the widths, as evenly as they go."""
    ends = [width * index // len(WIDTHS) for index in range(len(WIDTHS) + 1)]
    return [end - start for start, end in itertools.pairwise(ends)]
