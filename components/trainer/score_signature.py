"""What the exported `score` says of raw examples: sums by example, values by position.

The network sees the examples in micro-batches of about equally long ones, cut to the longest of
them: what is held at once does not grow with the batch, and padding costs little in whatever order
the examples come. Logits [B, T, V] are never held, see `sequence_loss.token_scores`.
"""

import tensorflow as tf

from components.sequence_loss import TokenScores
from components.trainer import batching, scores
from components.trainer.models import SequenceModel
from components.trainer.objective import Objective
from transform import features, preprocessing, sequence, tokenizers
from transform.settings import Settings, Side
from transform.vocabulary import Vocabulary

Tensors = dict[str, tf.Tensor]

PADDING, TARGET, GIVEN = 0, 1, 2  # `position_region`


class Score:
    """The `score` signature of a model, from raw and transformed features to its outputs."""

    def __init__(
        self,
        model: SequenceModel,
        objective: Objective,
        settings: Settings,
        vocabulary: Vocabulary,
        positions: int,
    ) -> None:
        """Take what scores.

        Args:
          model, objective, settings: as they were trained.
          vocabulary: of the targets.
          positions: rows times the longest of them, at most, in a micro-batch; a longer row is one
            alone.
        """
        self._model = model
        self._objective = objective
        self._settings = settings
        self._vocabulary = vocabulary
        self._positions = positions

    def __call__(self, raw: Tensors, batch: Tensors) -> Tensors:
        """The outputs of `ServedModel.score` for raw features and the contract [B, T] made of them."""
        found = self._found(batch)
        tokens = preprocessing.tokens(raw, self._settings.target)
        given = preprocessing.given(raw, self._settings, tokens)
        correct = self._correct(found, batch)
        sums = _by_example(found.losses, correct, batch)
        sums |= self._sizes(tokens, batch) | {"truncated_tokens": self._truncated(raw, tokens)}
        return sums | self._by_position(found, correct, given, batch)

    def _found(self, batch: Tensors) -> TokenScores:
        """Scores [B, T] of all real positions, a micro-batch of rows at a time."""
        lengths = _row_lengths(batch)
        order = tf.argsort(lengths, stable=True)
        ends = _ends(tf.gather(lengths, order), self._positions)
        count = tf.maximum(1, tf.size(ends))
        ends = tf.concat([[0], ends, [tf.size(order)]], axis=0)  # an empty batch is one of no rows
        dtypes = (tf.float32, tf.int64, tf.float32)
        width = self._settings.target.max_length
        arrays = [tf.TensorArray(d, count, element_shape=[None, width]) for d in dtypes]

        def body(i: tf.Tensor, arrays: list[tf.TensorArray]) -> tuple[tf.Tensor, list]:
            rows = order[ends[i] : ends[i + 1]]
            part = {name: tf.gather(value, rows) for name, value in batch.items()}
            found = [_padded(value, width) for value in self._of_micro_batch(part)]
            return i + 1, [a.write(i, value) for a, value in zip(arrays, found, strict=True)]

        _, arrays = tf.while_loop(
            lambda i, _: i < count, body, (tf.constant(0), arrays), parallel_iterations=1
        )
        back = tf.argsort(order)
        return TokenScores(*(tf.gather(array.concat(), back) for array in arrays))

    def _of_micro_batch(self, batch: Tensors) -> TokenScores:
        batch = batching.trim(batch, 1)
        hidden = self._model.hidden(self._objective.inputs(batch))
        # No check that losses are finite: who evaluates must be able to say which example it was.
        return scores.of_positions(self._model, hidden, batch, _real(batch))

    def _correct(self, found: TokenScores, batch: Tensors) -> tf.Tensor:
        """float32 [B, T]: 1 where the likeliest id is the target's, at a real position.

        An out-of-vocabulary target is never right: the word itself was not predicted.
        """
        targets = batch[features.TARGETS]
        right = _real(batch) & (found.likeliest == targets)
        return tf.cast(right & ~self._vocabulary.is_unknown(targets), tf.float32)

    def _sizes(self, tokens: tf.RaggedTensor, batch: Tensors) -> Tensors:
        """Bytes and words of the tokens that are scored: those with w > 0.

        tokens: of the target [B, (N)], before cutting.
        """
        side = self._settings.target
        kept = sequence.cut(tokens, side.room, side.truncate)
        bos, lengths = int(side.prepend_bos), kept.row_lengths()

        def after_bos(values: tf.Tensor) -> tf.Tensor:
            return tf.RaggedTensor.from_tensor(values[:, bos:], lengths=lengths).flat_values

        scored = after_bos(batch[features.LOSS_WEIGHTS]) > 0
        unknown = scored & self._vocabulary.is_unknown(after_bos(batch[features.TARGETS]))
        sizes = tf.where(unknown, tokenizers.token_bytes(kept, side).flat_values, 0)
        kept = tf.ragged.boolean_mask(kept, kept.with_flat_values(scored))
        text = tokenizers.detokenize(kept, side)
        separated = side.tokenizer in ("whitespace", "regex", *tokenizers.LISTS)
        words = sequence.lengths(kept if separated else tf.strings.split(text))
        return {
            "target_bytes": tf.cast(tf.strings.length(text), tf.float32),
            "target_words": tf.cast(words, tf.float32),
            "unknown_bytes": tf.cast(
                tf.reduce_sum(tf.RaggedTensor.from_row_lengths(sizes, lengths), axis=1), tf.float32
            ),
        }

    def _truncated(self, raw: Tensors, tokens: tf.RaggedTensor) -> tf.Tensor:
        """float32 [B]: tokens of both sides beyond what the model reads.

        tokens: of the target [B, (N)], before cutting.
        """
        source = self._settings.source
        found = [_beyond(tokens, self._settings.target)]
        found += [_beyond(preprocessing.tokens(raw, source), source)] if source else []
        return tf.cast(tf.add_n(found), tf.float32)

    def _by_position(
        self, found: TokenScores, correct: tf.Tensor, given: tf.Tensor, batch: Tensors
    ) -> Tensors:
        real = _real(batch)
        regions = tf.where(given, tf.constant(GIVEN, tf.int64), tf.constant(TARGET, tf.int64))
        values = {
            # A weight of 0 hides a position from the sums, but not from whoever looks at it.
            "position_loss": found.losses,
            "position_weight": batch[features.LOSS_WEIGHTS],
            "position_correct": correct,
            "position_confidence": tf.where(real, tf.exp(found.log_probabilities), 0.0),
            "position_region": tf.where(real, regions, tf.constant(PADDING, tf.int64)),
            "target_ids": batch[features.TARGETS],
            "predicted_ids": tf.where(real, found.likeliest, batch[features.TARGETS]),
        }
        width = self._settings.target.max_length
        return {name: tf.ensure_shape(value, [None, width]) for name, value in values.items()}


def _beyond(tokens: tf.RaggedTensor, side: Side) -> tf.Tensor:
    """int64 [B]: how many of the tokens [B, (N)] do not fit."""
    return tf.maximum(sequence.lengths(tokens) - side.room, 0)


def _real(batch: Tensors) -> tf.Tensor:
    """bool [B, T]: positions before the target's length."""
    return tf.sequence_mask(batch[features.TARGET_LENGTHS], tf.shape(batch[features.TARGETS])[1])


def _row_lengths(batch: Tensors) -> tf.Tensor:
    """int64 [B]: of the longer side, at least 1."""
    names = (features.TARGET_LENGTHS, features.INPUT_LENGTHS)
    sides = [batch[name] for name in names if name in batch]
    return tf.maximum(tf.reduce_max(tf.stack(sides), axis=0), 1)


def _ends(lengths: tf.Tensor, positions: int) -> tf.Tensor:
    """Where each micro-batch ends, int32 [micro-batches], the last one at B.

    Each takes as many rows as fit with the longest of them into `positions`, and at least one.

    Args:
      lengths: int64 [B], ascending, all > 0.
      positions: see `Score`.
    """
    count = tf.size(lengths)

    def body(start: tf.Tensor, ends: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        held = tf.range(1, count - start + 1, dtype=tf.int64) * lengths[start:]
        fitting = tf.reduce_sum(tf.cast(held <= positions, tf.int32))
        end = start + tf.maximum(fitting, 1)
        return end, tf.concat([ends, [end]], axis=0)

    shapes = (tf.TensorShape([]), tf.TensorShape([None]))
    return tf.while_loop(
        lambda start, _: start < count,
        body,
        (tf.constant(0), tf.zeros([0], tf.int32)),
        shape_invariants=shapes,
    )[1]


def _padded(values: tf.Tensor, width: int) -> tf.Tensor:
    """[b, t] as [b, width], 0 behind."""
    return tf.pad(values, [[0, 0], [0, width - tf.shape(values)[1]]])


def _by_example(losses: tf.Tensor, correct: tf.Tensor, batch: Tensors) -> Tensors:
    weights = batch[features.LOSS_WEIGHTS]
    weighted = weights > 0
    wrong = tf.reduce_any(weighted & (correct == 0), axis=1)
    return {
        "loss_sum": scores.loss_sums(losses, weights),
        "weight_sum": tf.reduce_sum(weights, axis=1),
        "token_count": tf.reduce_sum(tf.cast(weighted, tf.float32), axis=1),
        "correct_sum": tf.reduce_sum(weights * correct, axis=1),
        "sequence_correct": tf.cast(tf.reduce_any(weighted, axis=1) & ~wrong, tf.float32),
    }
