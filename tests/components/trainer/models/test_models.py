"""What every model promises: masks from lengths, no leaks, steps that equal whole sequences."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.errors import InputError
from components.trainer.models import ModelSpec, SequenceModel, build_model

FAMILIES = ("gru", "lstm", "transformer")
TASKS = ("lm", "seq2seq", "tagging")
COMBINATIONS = [(task, family) for task in TASKS for family in FAMILIES]
GENERATIVE = [(task, family) for task, family in COMBINATIONS if task != "tagging"]
TARGET_IDS, SOURCE_IDS, CHARACTER_IDS = 11, 9, 7
LENGTHS = [4, 2, 1, 3, 0]
SOURCE_LENGTHS = [2, 5, 3, 0, 1]
_MODELS: dict[tuple, SequenceModel] = {}
_GRAPHS: dict[tuple, tuple] = {}


def spec_of(task: str, family: str, /, **changes) -> ModelSpec:
    values = {
        "task": task,
        "family": family,
        "vocabulary_size": TARGET_IDS,
        "input_vocabulary_size": 0 if task == "lm" else SOURCE_IDS,
        "character_vocabulary_size": CHARACTER_IDS if task == "tagging" else 0,
        "units": 4,
        "layers": 2,
        "heads": 2,
        "feed_forward": 8,
        "max_length": 16,
        "max_input_length": 16,
        "seed": 3,
    }
    return ModelSpec(**{**values, **changes})


def model_of(task: str, family: str) -> SequenceModel:
    """One model per combination, with weights that are far enough from 0 to matter."""
    if (task, family) not in _MODELS:
        model = build_model(spec_of(task, family))
        generator = np.random.default_rng(5)
        for variable in model.trainable_variables:
            variable.assign(variable + generator.normal(0, 0.2, variable.shape))
        _MODELS[task, family] = model
    return _MODELS[task, family]


def features_of(task: str) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(7)
    features = {
        "decoder_inputs": generator.integers(0, TARGET_IDS, (5, 4)),
        "target_lengths": np.array(LENGTHS),
    }
    if task == "seq2seq":
        features["inputs"] = generator.integers(0, SOURCE_IDS, (5, 5))
        features["input_lengths"] = np.array(SOURCE_LENGTHS)
    if task == "tagging":
        features["inputs"] = generator.integers(0, SOURCE_IDS, (5, 4))
        features["input_lengths"] = np.array(LENGTHS)
        features["input_chars"] = generator.integers(0, CHARACTER_IDS, (5, 4, 3))
    return features


def logits_of(model: SequenceModel, features: dict[str, np.ndarray]) -> np.ndarray:
    """Logits from one graph per model and set of features: an eager loop would be slow."""
    key = (id(model), *features)
    if key not in _GRAPHS:
        signature = {n: tf.TensorSpec([None] * v.ndim, tf.int64) for n, v in features.items()}
        graph = tf.function(model.call, input_signature=[signature])
        _GRAPHS[key] = (graph, model)  # the model too, lest another one gets its id
    return _GRAPHS[key][0]({n: tf.constant(v, tf.int64) for n, v in features.items()}).numpy()


def assert_real_positions_equal(got, expected, lengths, tolerance=1e-6):
    for row, length in enumerate(lengths):
        np.testing.assert_allclose(
            got[row, :length], expected[row, :length], atol=tolerance, rtol=tolerance
        )


@pytest.mark.parametrize("extra", [0, 3, 9])
@pytest.mark.parametrize(("task", "family"), COMBINATIONS)
def test_padding_changes_nothing(task, family, extra):
    model, features = model_of(task, family), features_of(task)
    expected = logits_of(model, features)
    padded = dict(features)
    for name, lengths in (
        ("decoder_inputs", LENGTHS),
        ("inputs", LENGTHS if task == "tagging" else SOURCE_LENGTHS),
        ("input_chars", LENGTHS),
    ):
        if name in features:
            width = [(0, 0), (0, extra)] + [(0, 0)] * (features[name].ndim - 2)
            padded[name] = np.pad(features[name], width)
            for row, length in enumerate(lengths):
                padded[name][row, length:] = {0: -1, 3: 10**9, 9: 6}[extra]
    got = logits_of(model, padded)
    assert np.isfinite(got).all()
    assert_real_positions_equal(got, expected, LENGTHS)


@pytest.mark.parametrize(("task", "family"), COMBINATIONS)
def test_neighbours_change_nothing(task, family):
    model, features = model_of(task, family), features_of(task)
    together = logits_of(model, features)
    for row, length in enumerate(LENGTHS):
        alone = logits_of(model, {name: value[row : row + 1] for name, value in features.items()})
        assert_real_positions_equal(alone, together[row : row + 1], [length])


@pytest.mark.parametrize(
    ("task", "family", "position", "changes"),
    [
        # Generative models must not see the future; taggers must see both sides.
        *[(task, family, 2, [False, False, True, True]) for task, family in GENERATIVE],
        *[("tagging", family, 1, [True, True, True, True]) for family in FAMILIES],
    ],
)
def test_which_positions_an_id_reaches(task, family, position, changes):
    model, features = model_of(task, family), features_of(task)
    name = "inputs" if task == "tagging" else "decoder_inputs"
    other = {**features, name: features[name].copy()}
    other[name][0, position] = (other[name][0, position] + 1) % SOURCE_IDS
    difference = np.abs(logits_of(model, features) - logits_of(model, other)).max(axis=-1)[0]
    assert (difference > 1e-5).tolist() == changes


@pytest.mark.parametrize("family", FAMILIES)
def test_every_source_position_reaches_the_logits(family):
    model, features = model_of("seq2seq", family), features_of("seq2seq")
    expected = logits_of(model, features)
    for position in range(SOURCE_LENGTHS[1]):
        other = {**features, "inputs": features["inputs"].copy()}
        other["inputs"][1, position] = (other["inputs"][1, position] + 1) % SOURCE_IDS
        assert np.abs(logits_of(model, other) - expected)[1, : LENGTHS[1]].max() > 1e-5


@pytest.mark.parametrize("family", FAMILIES)
def test_characters_reach_the_logits_of_their_token_and_only_real_ones(family):
    model, features = model_of("tagging", family), features_of("tagging")
    expected = logits_of(model, features)
    for character in range(3):
        changed = {**features, "input_chars": features["input_chars"].copy()}
        changed["input_chars"][0, 1, character] = 6 - changed["input_chars"][0, 1, character]
        if (changed["input_chars"] != features["input_chars"]).any():
            difference = np.abs(logits_of(model, changed) - expected)
            assert difference[0].max() > 1e-6
            assert difference[1:].max() == 0.0
    lengths = np.full((5, 4), 3)
    with_lengths = {**features, "input_char_lengths": lengths}
    longer = {
        **with_lengths,
        "input_chars": np.pad(features["input_chars"], [(0, 0)] * 2 + [(0, 2)]),
    }
    longer["input_chars"][..., 3:] = 99
    assert_real_positions_equal(logits_of(model, with_lengths), expected, LENGTHS)
    assert_real_positions_equal(logits_of(model, longer), expected, LENGTHS)


@pytest.mark.parametrize(("task", "family"), GENERATIVE)
def test_steps_equal_the_whole_sequence(task, family):
    model, features = model_of(task, family), features_of(task)
    features["target_lengths"] = np.full(5, 4)
    expected = logits_of(model, features)
    tensors = {name: tf.constant(value) for name, value in features.items()}
    state = model.initial_state(tensors, 4)
    for position in range(4):
        hidden, state = model.step(tensors["decoder_inputs"][:, position], state)
        np.testing.assert_allclose(model.logits(hidden), expected[:, position], atol=1e-5)


@pytest.mark.parametrize(("task", "family"), COMBINATIONS)
def test_one_trace_serves_all_shapes_and_all_variables_get_gradients(task, family):
    model, features = model_of(task, family), features_of(task)
    signature = {
        name: tf.TensorSpec([None] * value.ndim, tf.int64) for name, value in features.items()
    }

    @tf.function(input_signature=[signature])
    def gradients(batch):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.sin(model(batch, training=True)))
        return tape.gradient(loss, model.trainable_variables)

    for rows, positions in ((5, 4), (2, 2)):
        batch = {}
        for name, value in features.items():
            cut = (
                value[:rows, :positions] if value.ndim > 1 else np.minimum(value[:rows], positions)
            )
            batch[name] = tf.constant(cut)
        found = gradients(batch)
    assert gradients.experimental_get_tracing_count() == 1
    for gradient, variable in zip(found, model.trainable_variables, strict=True):
        assert gradient is not None, variable.path
        assert np.isfinite(tf.convert_to_tensor(gradient)).all(), variable.path


@pytest.mark.parametrize(("task", "family"), COMBINATIONS)
def test_the_seed_decides_everything(task, family):
    features = {name: tf.constant(value) for name, value in features_of(task).items()}
    keras.utils.set_random_seed(1)
    first = build_model(spec_of(task, family, dropout=0.5, layers=1))
    keras.utils.set_random_seed(2)
    second = build_model(spec_of(task, family, dropout=0.5, layers=1))
    other = build_model(spec_of(task, family, dropout=0.5, layers=1, seed=4))
    for _ in range(2):  # dropout too, and its course
        logits = first(features, training=True).numpy()
        np.testing.assert_array_equal(logits, second(features, training=True).numpy())
    assert np.abs(logits - first(features, training=True).numpy()).max() > 1e-4
    assert [v.path for v in first.trainable_variables] == [
        v.path for v in other.trainable_variables
    ]
    kernels = zip(first.trainable_variables, other.trainable_variables, strict=True)
    assert all(
        np.any(a.numpy() != b.numpy())
        for a, b in kernels
        if a.path.endswith(("kernel", "embeddings"))
    )


@pytest.mark.parametrize(("task", "family"), COMBINATIONS)
def test_logits_are_float32_under_mixed_precision(task, family):
    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        model = build_model(spec_of(task, family, layers=1))
        logits = logits_of(model, features_of(task))
    finally:
        keras.mixed_precision.set_global_policy(before)
    assert logits.dtype == np.float32
    assert np.isfinite(logits).all()
    assert {weight.dtype for weight in model.trainable_variables} == {"float32"}


@pytest.mark.parametrize(
    ("task", "family", "tied"),
    [("lm", "gru", False), *[(task, family, True) for task, family in GENERATIVE]],
)
def test_projection_makes_the_logits(task, family, tied):
    model = build_model(spec_of(task, family, tie_embeddings=tied, layers=1))
    features = {name: tf.constant(value) for name, value in features_of(task).items()}
    kernel, bias = model.projection()
    expected = np.matmul(model.hidden(features).numpy(), kernel.numpy()) + bias.numpy()
    np.testing.assert_allclose(model(features).numpy(), expected, atol=1e-6)
    stored, _, transposed = model.stored_projection()
    assert transposed == tied
    np.testing.assert_array_equal(tf.transpose(stored) if tied else stored, kernel)
    of_vocabulary = [v.path for v in model.trainable_variables if TARGET_IDS in v.shape]
    assert len(of_vocabulary) == (2 if tied else 3)  # embedding, bias, and a kernel if not tied


@pytest.mark.parametrize(("task", "family"), [("seq2seq", "lstm"), ("seq2seq", "transformer")])
def test_a_checkpoint_holds_all_state(task, family, tmp_path):
    spec = spec_of(task, family, dropout=0.5)
    model, other = build_model(spec), build_model(dataclasses.replace(spec, seed=9))
    features = {name: tf.constant(value) for name, value in features_of(task).items()}
    model(features, training=True)  # dropout's state must travel too
    path = tf.train.Checkpoint(model=model).write(str(tmp_path / "checkpoint"))
    tf.train.Checkpoint(model=other).read(path).assert_consumed()
    for a, b in zip(model.variables, other.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=a.path)
    expected, got = (m(features, training=True).numpy() for m in (model, other))
    np.testing.assert_array_equal(got, expected)


def test_keras_weights_are_saved_whole(tmp_path):
    spec = spec_of("seq2seq", "lstm", layers=1)
    model, other = build_model(spec), build_model(dataclasses.replace(spec, seed=9))
    model.save_weights(tmp_path / "model.weights.h5")
    other.load_weights(tmp_path / "model.weights.h5")
    features = features_of("seq2seq")
    np.testing.assert_array_equal(logits_of(other, features), logits_of(model, features))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "chat"}, "task: got 'chat', expected one of lm, seq2seq, tagging"),
        ({"family": "cnn"}, "family: got 'cnn', expected one of gru, lstm, transformer"),
        ({"units": 0}, "units: got 0, expected at least 1"),
        ({"units": 5}, "units: got 5, expected an even number"),
        ({"dropout": 1.0}, "dropout: got 1.0, expected 0 <= dropout < 1"),
        ({"family": "transformer", "heads": 3}, "units: got 4, expected a multiple of heads=3"),
        ({"input_vocabulary_size": 0}, "input_vocabulary_size: got 0, expected at least 1"),
        ({"task": "lm"}, "input_vocabulary_size: got 9, expected 0 for task lm"),
        ({"task": "tagging", "tie_embeddings": True}, "tie_embeddings: got true, expected false"),
        ({"character_vocabulary_size": 7}, "character_vocabulary_size: expected 0"),
    ],
)
def test_impossible_specs_are_refused(changes, message):
    with pytest.raises(InputError, match=message.replace("(", r"\(")):
        spec_of("seq2seq", "gru", **changes)


def test_all_problems_of_a_spec_are_told_at_once():
    with pytest.raises(InputError) as error:
        spec_of("seq2seq", "gru", units=0, layers=0, dropout=-1)
    assert len(str(error.value).splitlines()) == 3


@pytest.mark.parametrize(
    ("name", "setting"), [("decoder_inputs", "max_length"), ("inputs", "max_input_length")]
)
def test_a_sequence_beyond_the_positions_is_an_error(name, setting):
    features = {**features_of("seq2seq"), name: np.ones((5, 17), np.int64)}
    with pytest.raises(tf.errors.InvalidArgumentError, match=rf"more than 16 .*model\.{setting}"):
        logits_of(model_of("seq2seq", "transformer"), features)


@pytest.mark.parametrize("family", ["gru", "lstm"])
def test_two_layers_leave_word_frequencies_behind(family) -> None:
    """Each id decides the next one; a model that sees no context is at log(V) forever."""
    vocabulary, generator = 500, np.random.default_rng(0)
    after = generator.permutation(vocabulary)
    model = build_model(
        ModelSpec(task="lm", family=family, vocabulary_size=vocabulary, units=64, layers=2)
    )
    optimizer = keras.optimizers.Adam(0.003)
    optimizer.build(model.trainable_variables)

    @tf.function
    def step(ids: tf.Tensor) -> tf.Tensor:
        features = {
            "decoder_inputs": ids[:, :-1],
            "target_lengths": tf.fill([64], tf.constant(8, tf.int64)),
        }
        with tf.GradientTape() as tape:
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(ids[:, 1:], model(features))
            loss = tf.reduce_mean(losses)
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    for _ in range(150):
        ids = [generator.integers(vocabulary, size=64)]
        for _ in range(8):
            ids.append(after[ids[-1]])
        loss = step(tf.constant(np.stack(ids, axis=1)))
    assert loss < 0.05 * np.log(vocabulary)
