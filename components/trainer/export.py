"""The served model: transform graph, tokeniser, network and decoding in one SavedModel.

| signature            | input                              | output                                  |
|----------------------|------------------------------------|-----------------------------------------|
| `serving_default`    | `examples`: serialized tf.Example  | predictions                             |
| `serving_text`       | `text`: raw text                   | predictions                             |
| `generate`           | `text`: raw text (lm, seq2seq)     | predictions: a translation, a continuation |
| `score`              | `examples`: serialized tf.Example  | sums an example, values a position      |
| `transform_features` | `examples`: serialized tf.Example  | the feature contract                    |

Predictions of lm and seq2seq: `text` [B], `ids` [B, L], `lengths` [B]; `generated` [B], how many of
them the model chose; `log_probability` [B], their sum, and `log_probability_per_token` [B], their mean
(0 if it chose none), both what `score` says of the same ids; of tagging: `tags` [B, T] ("" at padding),
`ids` [B, T], `lengths` [B], `confidence` [B, T]. Of all: `truncated` [B], whether the text was longer
than the model reads.
"""

import dataclasses
import json
import os
from collections.abc import Callable
from typing import Any, TypeAlias

import tensorflow as tf
import tensorflow_transform as tft

from components import model_facts
from components.trainer import batching, decoding
from components.trainer.models import SequenceModel
from components.trainer.request import TrainRequest
from components.trainer.score_signature import Score
from components.trainer.training import Objective, contract_lengths
from transform import features, preprocessing, sequence, tokenizers
from transform.settings import CONTINUES, SPAN, Settings, SpecialIds
from transform.vocabulary import Vocabularies, Vocabulary

Tensors = dict[str, tf.Tensor]
RawSpec: TypeAlias = tf.io.FixedLenFeature | tf.io.VarLenFeature
_EXAMPLES = tf.TensorSpec([None], tf.string, name="examples")
_TEXT = tf.TensorSpec([None], tf.string, name="text")


def export(model: SequenceModel, request: TrainRequest, vocabularies: Vocabularies) -> None:
    """Write the SavedModel to `request.serving_folder`, with what it was made from beside it."""
    module = ServedModel(model, request, vocabularies)
    tf.saved_model.save(module, request.serving_folder, signatures=module.signatures())
    facts = {
        "task": request.settings.task,
        "settings": json.loads(request.settings.without_subwords().to_json()),
        "needs": tokenizers.needs(request.settings),
        "vocabulary_hash": vocabularies.digest,
        "model": dataclasses.asdict(model.spec),
        "loss": dataclasses.asdict(request.loss),
        "decode": dataclasses.asdict(request.decode),
    }
    path = os.path.join(request.serving_folder, model_facts.FILE)
    tf.io.gfile.makedirs(os.path.dirname(path))
    with tf.io.gfile.GFile(path, "w") as file:
        file.write(json.dumps(facts, indent=1, sort_keys=True))


class ServedModel(tf.Module):
    """What is saved. Raw features in, so that serving cannot tokenise in another way."""

    def __init__(
        self, model: SequenceModel, request: TrainRequest, vocabularies: Vocabularies
    ) -> None:
        super().__init__()
        tokenizers.load_operations(tokenizers.needs(request.settings))
        graph = tft.TFTransformOutput(request.transform_graph)
        self._settings: Settings = request.settings
        self._vocabulary = vocabularies["target"]
        self._decode_options = request.decode
        special = request.settings.special
        self._rules = decoding.Rules(
            bos_id=special.bos,
            eos_id=special.eos,
            pad_id=special.pad,
            max_length=request.train.decode_length,
            forbidden_ids=_forbidden_ids(request.decode, special, self._vocabulary),
        )
        self._raw_spec = _served_columns(graph.raw_feature_spec(), request.settings)
        # Attributes hold what has variables or tables: tf.Module saves what it can reach.
        self.model = model
        self.weights = model.state  # layers in lists are beyond tf.Module's reach
        self.transform_layer = graph.transform_features_layer()
        self.pieces = tokenizers.trackables(request.settings)
        objective = Objective(model, request.settings, request.loss)
        self._score = Score(
            model, objective, request.settings, self._vocabulary, request.train.score_positions
        )
        # Traced once, though two signatures predict: tracing a decoder takes seconds.
        spec = {
            name: tf.TensorSpec([None, *feature.shape], feature.dtype, name)
            for name, feature in self._contract().items()
        }
        self._predict = _traced(self._predict_features, spec)

    def signatures(self) -> dict[str, Callable[..., Tensors]]:
        """The signatures by name, traced when saved."""
        by_text = _traced(self.predict_text, _TEXT)
        found = {
            "serving_default": _traced(self.predict_examples, _EXAMPLES),
            "serving_text": by_text,
            "score": _traced(self.score, _EXAMPLES),
            "transform_features": _traced(self.transform, _EXAMPLES),
        }
        if self._settings.task != features.TAGGING:
            found["generate"] = by_text
        return found

    def transform(self, examples: tf.Tensor) -> Tensors:
        """The feature contract of serialized raw tf.Examples [B]."""
        return self._transformed(tf.io.parse_example(examples, self._raw_spec))

    def predict_examples(self, examples: tf.Tensor) -> Tensors:
        """Predictions for serialized raw tf.Examples [B]; the target side may be absent."""
        return self._predict_raw(tf.io.parse_example(examples, self._raw_spec))

    def predict_text(self, text: tf.Tensor) -> Tensors:
        """Predictions for raw text [B]; lists of tokens or ids are separated by white space."""
        return self._predict_raw(self._raw_from_text(text))

    def _predict_raw(self, raw: Tensors) -> Tensors:
        side = self._settings.source or self._settings.target
        found = sequence.lengths(preprocessing.tokens(raw, side))
        if CONTINUES in raw:
            # A window of a longer text has no eos; `_decode` takes off the one of a whole text.
            rows = tf.shape(found, tf.int64)[0]
            raw = raw | {CONTINUES: _absent(rows, self._raw_spec[CONTINUES])}
        return self._predict(self._transformed(raw)) | {"truncated": found > side.room}

    def score(self, examples: tf.Tensor) -> Tensors:
        """How likely the model finds the targets of serialized raw tf.Examples [B].

        Returns:
          By example [B], float32: `loss_sum` = sum w l (nats), `weight_sum` = sum w, `token_count`
          (positions with w > 0), `correct_sum` = sum w [argmax is the target], `sequence_correct`
          (1 if all positions with w > 0 are right, and there is one; an out-of-vocabulary target
          is never right), `target_bytes` (UTF-8, of the text of the tokens with w > 0),
          `target_words`, `unknown_bytes` (of the out-of-vocabulary tokens with w > 0), and
          `truncated_tokens` (of both sides, beyond what the model reads).
          By position [B, T]: `position_loss` l (0 at padding), `position_weight` w,
          `position_correct`, `position_confidence` (probability of the likeliest id), `target_ids`,
          `predicted_ids` (the likeliest; the target's at padding) and `position_region`: 0 padding;
          2 what the model is given (bos, what a window repeats, regions of weight 0 such as a
          prompt); 1 all others, whatever their weight.
        """
        raw = tf.io.parse_example(examples, self._raw_spec)
        return self._score(raw, self._transformed(raw))

    def _transformed(self, raw: Tensors) -> Tensors:
        transformed = self.transform_layer(raw)
        return {
            name: tf.ensure_shape(transformed[name], [None, *feature.shape])
            for name, feature in self._contract().items()
        }

    def _contract(self) -> dict[str, tf.io.FixedLenFeature]:
        return features.feature_spec(contract_lengths(self._settings))

    def _raw_from_text(self, text: tf.Tensor) -> Tensors:
        """Raw features that hold only the text, as the transform graph expects them."""
        side = self._settings.source or self._settings.target
        if side.tokenizer in tokenizers.LISTS:
            values = tf.strings.split(text)
        else:
            values = tf.RaggedTensor.from_tensor(tf.expand_dims(text, 1))
        if side.tokenizer == tokenizers.ID_LIST:
            values = tf.ragged.map_flat_values(_numbers, values)
        rows = tf.shape(text, tf.int64)[0]
        return {
            name: _present(values, spec) if name == side.column else _absent(rows, spec)
            for name, spec in self._raw_spec.items()
        }

    def _predict_features(self, transformed: Tensors) -> Tensors:
        batch = batching.trim(transformed, 1)
        if self._settings.task == features.TAGGING:
            return self._tag(batch)
        return self._decode(batch)

    def _tag(self, batch: Tensors) -> Tensors:
        lengths = batch[features.INPUT_LENGTHS]
        probabilities = tf.nn.softmax(self.model.logits(self.model.hidden(batch)))
        best = tf.argmax(probabilities, axis=-1)
        tags = self._vocabulary.text_of(tf.RaggedTensor.from_tensor(best, lengths=lengths))
        real = tf.sequence_mask(lengths, tf.shape(best)[1])
        confidence = tf.where(real, tf.reduce_max(probabilities, axis=-1), 0.0)
        ids = tf.where(real, best, tf.constant(self._settings.special.pad, tf.int64))
        return {
            "tags": tags.to_tensor("", shape=[None, None]),
            "ids": ids,
            "lengths": lengths,
            "confidence": confidence,
        }

    def _decode(self, batch: Tensors) -> Tensors:
        special, side, prompt = self._settings.special, self._settings.target, {}
        if self._settings.task == features.LM:
            # The prompt is the text without the eos that Transform appended.
            kept = batch[features.TARGET_LENGTHS] - int(side.append_eos)
            prompt = {"prompts": batch[features.TARGETS], "prompt_lengths": kept}
        elif side.prepend_bos:
            # No model learns to predict the bos in front, as its weight is 0: it is given.
            bos = tf.fill([tf.size(batch[features.INPUT_LENGTHS]), 1], special.bos)
            prompt = {"prompts": bos, "prompt_lengths": tf.ones_like(bos[:, 0])}
        decoded = decoding.decode(self.model, batch, self._rules, self._decode_options, **prompt)
        ends = tf.gather(decoded.ids, decoded.lengths - 1, batch_dims=1) == special.eos
        words = tf.RaggedTensor.from_tensor(
            decoded.ids, lengths=decoded.lengths - tf.cast(ends, tf.int64)
        )
        words = words[:, int(side.prepend_bos) :]
        text = tokenizers.detokenize(self._vocabulary.text_of(words), side)
        return {
            "text": text,
            "ids": decoded.ids,
            "lengths": decoded.lengths,
            "generated": decoded.generated,
            "log_probability": decoded.log_probability,
            "log_probability_per_token": tf.math.divide_no_nan(
                decoded.log_probability, tf.cast(decoded.generated, tf.float32)
            ),
        }


def _traced(function: Callable[..., Tensors], signature: Any) -> Callable[..., Tensors]:
    # No Python control flow depends on a tensor here; without autograph tracing is half as long.
    return tf.function(function, input_signature=[signature], autograph=False)


def _served_columns(raw: dict[str, RawSpec], settings: Settings) -> dict[str, RawSpec]:
    """The parse spec of the columns that ids and weights come from; others may be of any type.

    A request need not have them all: those that a committed schema fixes get a default.
    """
    named = (settings.token_weights, settings.example_weights)
    defaults = {column: 1 for column in named if column} | {SPAN: settings.newest_span}
    wanted = {side.column for side in settings.sides.values()} | {name for name in named if name}
    wanted |= preprocessing.added_columns(settings) & raw.keys()
    spec = {}
    for name in sorted(wanted):
        spec[name] = found = raw[name]
        if isinstance(found, tf.io.FixedLenFeature) and found.default_value is None:
            empty = "" if found.dtype == tf.string else 0
            default = tf.fill(found.shape, tf.cast(defaults.get(name, empty), found.dtype))
            spec[name] = tf.io.FixedLenFeature(found.shape, found.dtype, default.numpy())
    return spec


def _forbidden_ids(
    options: decoding.DecodeOptions, special: SpecialIds, vocabulary: Vocabulary
) -> tuple[int, ...]:
    """The ids of the special tokens that are never generated; eos is never among them."""
    framing = {special.pad, special.bos, special.eos}
    # No word of the vocabulary has an id before `first_id`: all read as the unknown word.
    ids = {"pad": {special.pad}, "bos": {special.bos}}
    ids["unk"] = {special.unk} | (set(range(vocabulary.first_id)) - framing)
    found = set().union(*(ids[name] for name in options.forbidden))
    return tuple(sorted(found - {special.eos}))


def _numbers(texts: tf.Tensor) -> tf.Tensor:
    return tf.strings.to_number(texts, tf.int64)


def _present(values: tf.RaggedTensor, spec: RawSpec) -> tf.Tensor | tf.SparseTensor:
    if isinstance(spec, tf.io.VarLenFeature):
        return values.to_sparse()
    return tf.reshape(values.flat_values, [-1, *spec.shape])


def _absent(rows: tf.Tensor, spec: RawSpec) -> tf.Tensor | tf.SparseTensor:
    if isinstance(spec, tf.io.VarLenFeature):
        nothing = tf.zeros([0], spec.dtype)
        return tf.SparseTensor(tf.zeros([0, 2], tf.int64), nothing, tf.stack([rows, 0]))
    return tf.tile(
        tf.constant(spec.default_value, spec.dtype)[tf.newaxis], [rows, *([1] * len(spec.shape))]
    )
