"""Greedy decoding against a plain loop over whole sequences, early stopping, prompts, export."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from components.trainer.decoding import Rules, greedy
from components.trainer.models import ModelSpec, SequenceModel, build_model

BOS, EOS, PAD, VOCABULARY, LONGEST = 2, 3, 0, 8, 7
RULES = Rules(BOS, EOS, PAD, LONGEST)
COMBINATIONS = [(task, f) for task in ("lm", "seq2seq") for f in ("gru", "lstm", "transformer")]
_MODELS: dict[tuple[str, str], SequenceModel] = {}
_GRAPHS: dict[tuple[str, str], Any] = {}


def model_of(task: str, family: str) -> SequenceModel:
    if (task, family) not in _MODELS:
        model = build_model(
            ModelSpec(
                task=task,
                family=family,
                vocabulary_size=VOCABULARY,
                input_vocabulary_size=0 if task == "lm" else 9,
                units=4,
                layers=2,
                heads=2,
                feed_forward=8,
                max_length=LONGEST,
            )
        )
        generator = np.random.default_rng(11)
        for variable in model.trainable_variables:
            variable.assign(variable + generator.normal(0, 0.8, variable.shape))
        _MODELS[task, family] = model
    return _MODELS[task, family]


def graph_of(task: str, family: str) -> Any:
    """The model on whole sequences of any length, as one graph: an eager loop would be slow."""
    if (task, family) not in _GRAPHS:
        signature = {
            "inputs": tf.TensorSpec([None, None], tf.int64),
            "input_lengths": tf.TensorSpec([None], tf.int64),
            "decoder_inputs": tf.TensorSpec([None, None], tf.int64),
            "target_lengths": tf.TensorSpec([None], tf.int64),
        }
        _GRAPHS[task, family] = tf.function(
            model_of(task, family).call, input_signature=[signature]
        )
    return _GRAPHS[task, family]


def features_of(rows: int = 6) -> dict[str, tf.Tensor]:
    lengths = [4, 1, 2, 3, 0, 4]
    inputs = np.random.default_rng(13).integers(0, 9, (rows, 4))
    return {"inputs": tf.constant(inputs), "input_lengths": tf.constant(lengths[:rows], tf.int64)}


def reference(logits, features, prompts, *, eos_id, pad_id):
    """Row by row, the whole prefix anew for each position."""
    rows = []
    for row, prompt in enumerate(prompts):
        one = {name: value[row : row + 1] for name, value in features.items()}
        ids, log_probability, length = [], 0.0, LONGEST
        for position in range(LONGEST):
            previous = tf.constant([[BOS, *ids]], tf.int64)
            batch = {
                **one,
                "decoder_inputs": previous,
                "target_lengths": tf.constant([position + 1], tf.int64),
            }
            last = tf.nn.log_softmax(logits(batch)[0, -1]).numpy()
            chosen = prompt[position] if position < len(prompt) else int(last.argmax())
            ids.append(chosen)
            if position >= len(prompt):
                log_probability += last[chosen]
                if chosen == eos_id:
                    length = position + 1
                    break
        rows.append((ids + [pad_id] * (LONGEST - len(ids)), length, log_probability))
    return rows


def assert_decoded(decoded, expected):
    assert decoded.ids.numpy().tolist() == [ids for ids, _, _ in expected]
    assert decoded.lengths.numpy().tolist() == [length for _, length, _ in expected]
    np.testing.assert_allclose(decoded.log_probability, [p for _, _, p in expected], atol=1e-4)


@pytest.mark.parametrize(
    ("pad_id", "prompts"),
    [
        (PAD, [[]] * 6),
        (EOS, [[]] * 6),  # a pad id that equals eos
        (PAD, [[4], [5, 6], [], [EOS, 4], [1, 1, 1], [7]]),  # a prompt may hold eos
    ],
)
@pytest.mark.parametrize(("task", "family"), COMBINATIONS)
def test_equals_the_plain_loop(task, family, pad_id, prompts):
    model, features = model_of(task, family), features_of()
    given = {}
    if any(prompts):
        given["prompts"] = tf.constant([[*p, 6, 6, 6][:3] for p in prompts], tf.int64)
        given["prompt_lengths"] = tf.constant([len(p) for p in prompts])
    rules = Rules(BOS, EOS, pad_id, LONGEST)
    decoded = greedy(model, features, rules, **given)
    assert (decoded.generated + [len(p) for p in prompts] == decoded.lengths).numpy().all()
    logits = graph_of(task, family)
    assert_decoded(decoded, reference(logits, features, prompts, eos_id=EOS, pad_id=pad_id))


class Scripted:
    """Stands in for a model: row b says `script[b][position]`, and counts its steps."""

    def __init__(self, script: list[list[int]]) -> None:
        self.script = tf.constant(script)
        self.steps = tf.Variable(0)

    def initial_state(self, features, max_length):
        del features, max_length
        return {"position": tf.constant(0)}

    def step(self, ids, state):
        del ids
        self.steps.assign_add(1)
        said = tf.one_hot(self.script[:, state["position"]], VOCABULARY)
        return said, {"position": state["position"] + 1}

    def logits(self, hidden):
        return 20.0 * hidden


@pytest.mark.parametrize(
    ("script", "ids", "lengths", "steps"),
    [
        # All rows end: the loop stops with the last of them; what a row says later is not heard.
        ([[5, 3, 6, 6], [3, 7, 7, 7]], [[5, 3, 0, 0], [3, 0, 0, 0]], [2, 1], 2),
        # One never ends.
        ([[5, 3, 6, 6], [4, 4, 4, 4]], [[5, 3, 0, 0], [4, 4, 4, 4]], [2, 4], 4),
        # Ends at the very last position.
        ([[5, 5, 5, 3], [4, 4, 3, 4]], [[5, 5, 5, 3], [4, 4, 3, 0]], [4, 3], 4),
    ],
)
def test_ends_and_stops_early(script, ids, lengths, steps):
    model = Scripted(script)
    features = {"target_lengths": tf.zeros([2], tf.int64)}
    decoded = greedy(model, features, Rules(BOS, EOS, PAD, 4))
    assert decoded.ids.numpy().tolist() == ids
    assert decoded.lengths.numpy().tolist() == lengths
    assert model.steps.numpy() == steps
    # log softmax of 20 among eight: -log(1 + 7 exp(-20)), about -1.4e-8 per chosen position
    np.testing.assert_allclose(decoded.log_probability, 0.0, atol=1e-6)


@pytest.mark.parametrize("family", ["gru", "transformer"])
def test_exported_in_a_saved_model(family, tmp_path):
    model, features = model_of("seq2seq", family), features_of()
    module = tf.Module()
    module.model = model

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None], tf.int64, "inputs"),
            tf.TensorSpec([None], tf.int64, "input_lengths"),
        ]
    )
    def generate(inputs, input_lengths):
        batch = {"inputs": inputs, "input_lengths": input_lengths}
        return greedy(model, batch, RULES)._asdict()

    tf.saved_model.save(module, str(tmp_path), signatures=generate)
    loaded = tf.saved_model.load(str(tmp_path)).signatures["serving_default"]
    for rows in (6, 2):
        batch = {name: value[:rows] for name, value in features.items()}
        expected = greedy(model, batch, RULES)
        got = loaded(**batch)
        assert got["ids"].numpy().tolist() == expected.ids.numpy().tolist()
        assert got["lengths"].numpy().tolist() == expected.lengths.numpy().tolist()


def test_what_cannot_be_decoded_is_refused():
    features = features_of()
    with pytest.raises(ValueError, match="got max_length 8, expected at most the model's 7"):
        greedy(model_of("seq2seq", "transformer"), features, Rules(BOS, EOS, PAD, 8))
    with pytest.raises(ValueError, match="expected both or none"):
        greedy(model_of("lm", "gru"), features, RULES, prompt_lengths=tf.ones([6]))
    tagger = build_model(
        ModelSpec(task="tagging", vocabulary_size=4, input_vocabulary_size=4, units=2)
    )
    with pytest.raises(ValueError, match="tagging has no decoder"):
        greedy(tagger, features, RULES)
