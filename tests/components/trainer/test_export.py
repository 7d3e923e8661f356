"""The served model: what its signatures say about raw rows, one by one and together."""

import functools
import itertools
import json
import subprocess
import sys

import apache_beam as beam
import numpy as np
import pytest
import tensorflow as tf
from apache_beam.options.pipeline_options import PipelineOptions
from tensorflow_transform import beam as tft_beam
from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io, schema_utils

from components.trainer import export, score_signature, training
from components.trainer.decoding import DecodeOptions
from components.trainer.models import ModelSpec, build_model
from components.trainer.objective import Objective
from components.trainer.request import (
    BatchOptions,
    LossOptions,
    ModelOptions,
    TrainOptions,
    TrainRequest,
)
from components.trainer.score_signature import Score
from transform import preprocessing, sequence
from transform.settings import Settings, Side
from transform.vocabulary import Vocabularies, Vocabulary

SETTINGS = Settings(
    task="seq2seq",
    target=Side("target", "whitespace", 5),
    source=Side("source", "character", 6),
    weights=("mask", "token"),
    token_weights="importance",
)
VOCABULARIES = Vocabularies(
    {
        "source": Vocabulary((b"1", b"2", b"3")),
        "target": Vocabulary((b"one", b"two", b"three")),
    },
    SETTINGS.token_identity(),
)
SPEC = {
    "source": tf.io.VarLenFeature(tf.string),
    "target": tf.io.VarLenFeature(tf.string),
    "importance": tf.io.VarLenFeature(tf.float32),
    "digits": tf.io.VarLenFeature(tf.int64),  # only sliced by
}
ROWS = [
    ("12", "one two", []),
    ("123", "one two three", [0.5, 0.0, 2.0]),
    ("3", "three", []),
    ("111111111", "one one one one one one", []),  # trimmed on both sides
]


def serialized(source: str, target: str | None = None, importance: list[float] = ()) -> bytes:
    example = tf.train.Example()
    example.features.feature["source"].bytes_list.value.append(source.encode())
    if target is not None:
        example.features.feature["target"].bytes_list.value.append(target.encode())
    example.features.feature["importance"].float_list.value.extend(importance)
    return example.SerializeToString()


@pytest.fixture(scope="module")
def transform_graph(tmp_path_factory) -> str:
    """A transform graph as Transform writes it."""
    work = tmp_path_factory.mktemp("transform")
    VOCABULARIES.write(str(work / "vocabulary"))
    config = {
        preprocessing.SETTINGS: SETTINGS.to_json(),
        preprocessing.VOCABULARY: str(work / "vocabulary"),
    }
    function = functools.partial(preprocessing.preprocessing_fn, custom_config=config)
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(SPEC))
    rows = [{"source": [b"1"], "target": [b"one"], "importance": [], "digits": [1]}]
    options = PipelineOptions(["--runner=FnApiRunner"])
    with beam.Pipeline(options=options) as pipeline, tft_beam.Context(str(work / "tmp")):
        data = pipeline | beam.Create(rows)
        _, made = (data, metadata) | tft_beam.AnalyzeAndTransformDataset(function)
        _ = made | tft_beam.WriteTransformFn(str(work / "graph"))
    metadata_io.write_metadata(metadata, str(work / "graph" / "metadata"))  # as TFX adds it
    return str(work / "graph")


@pytest.fixture(scope="module")
def exported(transform_graph, tmp_path_factory):
    """Export a model, spoilt or not; returns the loaded SavedModel and its folder."""

    def make(*, poison: bool = False, model=None, decode=DecodeOptions()):  # noqa: B008
        folder = str(tmp_path_factory.mktemp("model") / "Format-Serving")
        request = TrainRequest(
            train_files=(),
            eval_files=(),
            transform_graph=transform_graph,
            vocabulary="",
            serving_folder=folder,
            settings=SETTINGS,
            model=ModelOptions(units=8),
            loss=LossOptions(label_smoothing=0.3),
            batch=BatchOptions(),
            train=TrainOptions(decode_length=7),
            decode=decode,
        )
        model = model or build_model(training.model_spec(request, VOCABULARIES))
        for variable in model.trainable_variables:
            if poison and variable.name == "projection_bias":
                variable.assign(np.full(variable.shape, np.nan))
        export.export(model, request, VOCABULARIES)
        return tf.saved_model.load(folder), folder, model

    return make


@pytest.fixture(scope="module")
def served(exported):
    return exported()


def call(served, signature: str, rows: list) -> dict[str, np.ndarray]:
    model = served[0]
    outputs = model.signatures[signature](tf.constant(rows, tf.string))
    return {name: value.numpy() for name, value in outputs.items()}


def test_signatures_are_those_of_the_design(served) -> None:
    assert set(served[0].signatures) == {
        "serving_default",
        "serving_text",
        "score",
        "generate",
        "transform_features",
    }


def test_score_has_the_whole_contract(served) -> None:
    scores = call(served, "score", [serialized(*row) for row in ROWS])
    by_example = ["loss_sum", "weight_sum", "token_count", "correct_sum", "sequence_correct"]
    by_example += ["target_bytes", "target_words", "unknown_bytes", "truncated_tokens"]
    by_position = [f"position_{name}" for name in ("loss", "weight", "correct", "confidence")]
    by_position += ["position_region", "target_ids", "predicted_ids"]
    shapes = dict.fromkeys(by_example, (4,)) | dict.fromkeys(by_position, (4, 5))
    assert {name: value.shape for name, value in scores.items()} == shapes


def test_score_of_known_rows(served) -> None:
    scores = call(served, "score", [serialized(*row) for row in ROWS])
    np.testing.assert_array_equal(
        scores["target_ids"],
        [[4, 5, 3, 0, 0], [4, 5, 6, 3, 0], [6, 3, 0, 0, 0], [4, 4, 4, 4, 3]],
    )
    np.testing.assert_allclose(
        scores["position_weight"],
        [[1, 1, 1, 0, 0], [0.5, 0, 2, 1, 0], [1, 1, 0, 0, 0], [1, 1, 1, 1, 1]],
    )
    np.testing.assert_array_equal(scores["position_region"].sum(axis=1), [3, 4, 2, 5])
    np.testing.assert_allclose(scores["weight_sum"], [3, 3.5, 2, 5])
    np.testing.assert_allclose(scores["token_count"], [3, 3, 2, 5])
    # "one two", "one three" ("two" has weight 0), "three", four times "one": in UTF-8 bytes
    np.testing.assert_allclose(scores["target_bytes"], [7, 9, 5, 15])
    np.testing.assert_allclose(scores["target_words"], [2, 2, 1, 4])
    np.testing.assert_array_equal(scores["unknown_bytes"], 0)
    # the source's 9 characters for 5 positions and eos, the target's 6 words for 4 and eos
    np.testing.assert_array_equal(scores["truncated_tokens"], [0, 0, 0, 4 + 2])
    weighted = (scores["position_loss"] * scores["position_weight"]).sum(axis=1)
    np.testing.assert_allclose(scores["loss_sum"], weighted, rtol=1e-6)
    assert (scores["position_loss"][1, :4] > 0).all()  # at weight 0 too: it is a real position
    assert (scores["position_loss"][0, 3:] == 0).all()


def test_losses_are_those_of_a_float64_oracle(served) -> None:
    """-log softmax in NumPy, from the network's own logits, position by position."""
    rows = [serialized(*row) for row in ROWS]
    batch = {
        name: tf.constant(value) for name, value in call(served, "transform_features", rows).items()
    }
    batch["decoder_inputs"] = sequence.shift_right(batch["targets"], SETTINGS.special.bos)
    logits = served[2](batch).numpy().astype(np.float64)
    scores = call(served, "score", rows)
    for row, length in enumerate(batch["target_lengths"].numpy()):
        for position in range(length):
            each = logits[row, position]
            target = scores["target_ids"][row, position]
            loss = np.log(np.exp(each - each.max()).sum()) + each.max() - each[target]
            assert scores["position_loss"][row, position] == pytest.approx(loss, rel=1e-5)
            right = float(each.argmax() == target)
            assert scores["position_correct"][row, position] == right


def test_a_word_outside_the_vocabulary_is_never_right(exported) -> None:
    """A model that says unknown all the time has predicted no word."""
    _, _, model = exported()
    for variable in model.trainable_variables:
        if variable.name == "projection_bias":
            variable.assign(np.eye(variable.shape[0])[SETTINGS.special.unk] * 99)
    served = exported(model=model)
    scores = call(served, "score", [serialized("1", "four five")])
    np.testing.assert_array_equal(scores["target_ids"][0], [1, 1, 3, 0, 0])
    assert scores["position_confidence"][0, 0] > 0.99
    assert scores["unknown_bytes"] == len("fourfive")
    assert scores["correct_sum"] == scores["sequence_correct"] == 0


def test_columns_that_ids_do_not_come_from_may_be_of_any_type(served) -> None:
    example = tf.train.Example.FromString(serialized("12", "one two"))
    example.features.feature["digits"].float_list.value.append(2.5)
    with_extra = call(served, "score", [example.SerializeToString()])
    without = call(served, "score", [serialized("12", "one two")])
    assert with_extra["loss_sum"] == without["loss_sum"]


def test_scores_do_not_depend_on_the_other_rows_of_a_batch(served) -> None:
    together = call(served, "score", [serialized(*row) for row in ROWS])
    for index, row in enumerate(ROWS):
        alone = call(served, "score", [serialized(*row)])
        for name, value in alone.items():
            np.testing.assert_allclose(value[0], together[name][index], rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("positions", [1, 7, 10**6])
def test_micro_batches_change_no_score(served, positions: int) -> None:
    """One row at a time, rows of about equal length together, or all: unsorted as they come."""
    rows = [serialized(*row) for row in ROWS * 2]
    named = {name: SPEC[name] for name in ("source", "target", "importance")}
    features = call(served, "transform_features", rows)
    batch = {name: tf.constant(value) for name, value in features.items()}
    objective = Objective(served[2], SETTINGS, LossOptions())
    score = Score(served[2], objective, SETTINGS, VOCABULARIES["target"], positions)
    found = tf.function(score, autograph=False)(tf.io.parse_example(rows, named), batch)
    for name, value in call(served, "score", rows).items():
        np.testing.assert_allclose(found[name], value, rtol=2e-6, atol=1e-6, err_msg=name)


def test_the_size_of_a_micro_batch_is_an_option_of_training(served, transform_graph, monkeypatch):
    taken = []
    monkeypatch.setattr(
        export, "Score", lambda *arguments: taken.append(arguments[-1]) or Score(*arguments)
    )
    request = TrainRequest(
        train_files=(),
        eval_files=(),
        transform_graph=transform_graph,
        vocabulary="",
        serving_folder="",
        settings=SETTINGS,
        model=ModelOptions(units=8),
        loss=LossOptions(),
        batch=BatchOptions(),
        train=TrainOptions(decode_length=7, score_positions=99),
    )
    export.ServedModel(served[2], request, VOCABULARIES)
    assert taken == [99]


def test_a_micro_batch_takes_the_rows_that_fit_with_the_longest_of_them() -> None:
    def ends(lengths: list[int], positions: int) -> list[int]:
        return score_signature._ends(tf.constant(lengths, tf.int64), positions).numpy().tolist()

    assert ends([1, 2, 2, 5, 9, 9], 8) == [3, 4, 5, 6]  # 9 alone is too long, and one all the same
    assert ends([1, 2, 2, 5, 9, 9], 20) == [4, 6]
    assert ends([1, 2, 2, 5, 9, 9], 54) == [6]
    assert ends([], 8) == []


def test_label_smoothing_is_not_in_the_score(served) -> None:
    """Smoothing 0.3 over 7 classes would add to a loss whose target has probability p."""
    scores = call(served, "score", [serialized("1", "one")])
    sure = scores["position_correct"][0, :2] == 1
    exact = -np.log(scores["position_confidence"][0, :2])
    assert sure.any() or (scores["position_loss"][0, :2] > exact).all()
    np.testing.assert_allclose(scores["position_loss"][0, :2][sure], exact[sure], rtol=1e-5)


def test_rows_without_the_target_are_served(served) -> None:
    by_example = call(served, "serving_default", [serialized("12"), serialized("")])
    by_text = call(served, "serving_text", ["12", ""])
    generated = call(served, "generate", ["12", ""])
    for name in by_example:
        np.testing.assert_array_equal(by_example[name], by_text[name])
        np.testing.assert_array_equal(by_example[name], generated[name])
    assert by_text["ids"].shape == (2, 7)
    room = SETTINGS.source.room
    cut = call(served, "serving_text", ["1" * room, "1" * (room + 1)])["truncated"]
    assert cut.tolist() == [False, True]


@pytest.mark.parametrize("signature", ["serving_default", "serving_text", "score"])
def test_an_empty_batch_is_served(served, signature: str) -> None:
    assert all(len(value) == 0 for value in call(served, signature, []).values())


def test_a_loss_that_is_not_finite_is_returned_and_not_raised(exported) -> None:
    """Who evaluates must be able to say which example it was."""
    scores = call(exported(poison=True), "score", [serialized(*row) for row in ROWS])
    assert np.isnan(scores["loss_sum"]).all()
    np.testing.assert_allclose(scores["weight_sum"], [3, 3.5, 2, 5])


def test_the_model_says_what_it_was_made_from(served) -> None:
    with open(f"{served[1]}/assets.extra/tokenline.json") as file:
        facts = json.load(file)
    assert facts["task"] == "seq2seq"
    assert facts["vocabulary_hash"] == VOCABULARIES.digest
    assert facts["settings"] == json.loads(SETTINGS.to_json())


SURE = DecodeOptions("greedy")
WIDE = DecodeOptions("beam", beam_size=5, length_penalty=0.6)
DRAWN = DecodeOptions("sample", temperature=1.3, top_k=4, top_p=0.95, seed=8)
# As a user has it: TensorFlow and the folder, nothing of ours.
_ALONE = """
import json, sys
import tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
found = model.signatures["generate"](text=tf.constant(json.loads(sys.argv[2])))
assert not {"components", "transform", "keras_hub"} & sys.modules.keys()
print(json.dumps({name: found[name].numpy().tolist() for name in ("ids", "log_probability")}))
"""


@pytest.mark.parametrize("decode", [SURE, WIDE, DRAWN], ids=lambda each: each.method)
def test_generated_text_has_the_score_that_generate_says(exported, decode) -> None:
    """One number: `generate` decodes step by step, `score` reads its text as a whole."""
    served = exported(model=_talkative(), decode=decode)
    sources = [
        "".join(each) for size in (1, 2, 3) for each in itertools.product("123", repeat=size)
    ]
    found = call(served, "generate", sources)
    real = np.arange(found["ids"].shape[1]) < found["lengths"][:, np.newaxis]
    assert not set(found["ids"][real]) & {0, 1, 2}  # pad, unk, bos
    np.testing.assert_array_equal(found["generated"], found["lengths"])
    np.testing.assert_allclose(
        found["log_probability_per_token"] * found["generated"], found["log_probability"], rtol=1e-6
    )
    last = found["ids"][np.arange(len(sources)), found["lengths"] - 1]
    rows = np.flatnonzero((last == 3) & (found["lengths"] <= SETTINGS.target.max_length))
    assert len(rows) > 8
    given = [serialized(sources[row], found["text"][row].decode()) for row in rows]
    scores = call(served, "score", given)
    np.testing.assert_allclose(scores["weight_sum"], found["lengths"][rows])
    np.testing.assert_allclose(
        scores["loss_sum"], -found["log_probability"][rows], rtol=1e-6, atol=1e-6
    )

    alone = call(served, "generate", sources[-1:])
    for name in ("ids", "text", "lengths"):  # in the batch the rows are of unequal lengths
        np.testing.assert_array_equal(alone[name][0], found[name][-1])
    if decode is not SURE:
        command = [sys.executable, "-I", "-c", _ALONE, served[1], json.dumps(sources)]
        run = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False)
        assert run.returncode == 0, run.stderr[-2000:]
        loaded = json.loads(run.stdout)
        assert loaded["ids"] == found["ids"].tolist()
        np.testing.assert_allclose(loaded["log_probability"], found["log_probability"], rtol=1e-6)


def _talkative():
    """A model that says other things to each source, and sometimes ends; it likes `<unk>` and pad."""
    model = build_model(
        ModelSpec("seq2seq", 7, input_vocabulary_size=7, units=8, max_length=7, max_input_length=6)
    )
    generator = np.random.default_rng(4)
    for variable in model.trainable_variables:
        variable.assign(variable + generator.normal(0, 0.7, variable.shape))
        if variable.name == "projection_bias":
            variable.assign([1.0, 1.0, 0, 0, 0, 0, 0])
    return model
