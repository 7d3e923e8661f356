"""Models whose tokens are pieces or ids: what they say is the same in a process that only loads them."""

import functools
import os
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_transform import impl_helper
from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io, schema_utils

from components import model_facts, saved_model
from components.subwords import learning
from components.trainer import export, training
from components.trainer.models import build_model
from components.trainer.request import (
    BatchOptions,
    LossOptions,
    ModelOptions,
    TrainOptions,
    TrainRequest,
)
from transform import preprocessing, tokenizers
from transform.settings import (
    ID_LIST,
    SENTENCEPIECE,
    SUBWORDS,
    WORDPIECE,
    Settings,
    Side,
    subword_file,
)
from transform.vocabulary import Vocabularies, Vocabulary

WORDS = "the quick brown fox jumps over the lazy dog naïve 漢字 שלום".split()  # noqa: SIM905
TEXTS = ["the quick fox", "", "a\0b\nthe", "\U0001f468\u200d\U0001f469 שלום", "dog " * 200]
IDS = [[5, 2, 8], [], [0, 9, 3, 1], [7], [6] * 300]
CASES = {
    "pieces": Settings(
        "seq2seq", Side("target", SENTENCEPIECE, 9), Side("source", WORDPIECE, 8, normalize="NFC")
    ),
    "continued": Settings("lm", Side("text", SENTENCEPIECE, 9, append_eos=False)),
    "ids": Settings("lm", Side("numbers", ID_LIST, 9)),
}


def _vocabulary(name: str, settings: Settings) -> Vocabulary:
    side = settings.sides[name]
    if side.tokenizer not in SUBWORDS:
        return Vocabulary.of_ids(10, settings.special)
    counts = Counter(space + word.encode() for word in WORDS for space in (b"", b" "))
    content = learning.learn(counts, side, 320)
    pieces = tuple(learning.pieces(content, side))
    return Vocabulary(pieces, subword_file=subword_file(name, side), subwords=content)


@pytest.fixture(scope="module", params=CASES)
def exported(request, tmp_path_factory):
    """The settings, and the folder of an untrained model that was exported with them."""
    settings = CASES[request.param]
    work = tmp_path_factory.mktemp(request.param)
    vocabulary, graph, folder = (str(work / each) for each in ("vocabulary", "graph", "model"))
    made = {name: _vocabulary(name, settings) for name in settings.sides}
    Vocabularies(made, settings.token_identity()).write(vocabulary)
    spec = {
        side.column: tf.io.VarLenFeature(tf.int64 if side.tokenizer == ID_LIST else tf.string)
        for side in settings.sides.values()
    }
    schema = schema_utils.schema_from_feature_spec(spec)
    for place in (tft.TFTransformOutput.RAW_METADATA_DIR, "metadata"):
        metadata = dataset_metadata.DatasetMetadata(schema)
        metadata_io.write_metadata(metadata, os.path.join(graph, place))
    config = {preprocessing.SETTINGS: settings.to_json(), preprocessing.VOCABULARY: vocabulary}
    impl_helper.analyze_in_place(
        functools.partial(preprocessing.preprocessing_fn, custom_config=config),
        force_tf_compat_v1=False,
        feature_specs=spec,
        type_specs=impl_helper.get_type_specs_from_feature_specs(spec),
        transform_output_path=graph,
    )
    train = TrainRequest(
        train_files=(),
        eval_files=(),
        transform_graph=graph,
        vocabulary=vocabulary,
        serving_folder=folder,
        settings=settings.with_subwords(vocabulary),
        model=ModelOptions(units=8),
        loss=LossOptions(),
        batch=BatchOptions(),
        train=TrainOptions(decode_length=7),
    )
    vocabularies = Vocabularies.read(vocabulary)
    model = build_model(training.model_spec(train, vocabularies))
    export.export(model, train, vocabularies)
    return train.settings, folder


def _facts(folder):
    return model_facts.read(folder)


def _texts(settings):
    if settings.target.tokenizer == ID_LIST:
        return [" ".join(map(str, row)) for row in IDS]
    return TEXTS


def _examples(settings):
    rows = []
    for text, ids in zip(TEXTS, IDS, strict=True):
        example = tf.train.Example()
        for side in settings.sides.values():
            feature = example.features.feature[side.column]
            if side.tokenizer == ID_LIST:
                feature.int64_list.value.extend(ids)
            else:
                feature.bytes_list.value.append(text.encode())
        rows.append(example.SerializeToString())
    return rows


def _served(model, settings):
    texts, examples = tf.constant(_texts(settings)), tf.constant(_examples(settings))
    return {
        "text": model.signatures["serving_text"](text=texts),
        "score": model.signatures["score"](examples=examples),
        "features": model.signatures["transform_features"](examples=examples),
    }


_LOADS = """
import sys
import numpy as np
import tensorflow as tf
from components import saved_model
model = saved_model.load(sys.argv[1])
given = np.load(sys.argv[2], allow_pickle=True)
texts, examples = tf.constant(list(given["texts"])), tf.constant(list(given["examples"]))
found = {
    "text": model.signatures["serving_text"](text=texts),
    "score": model.signatures["score"](examples=examples),
    "features": model.signatures["transform_features"](examples=examples),
}
flat = {f"{a} {b}": value.numpy() for a, values in found.items() for b, value in values.items()}
np.savez(sys.argv[3], **flat)
"""


def test_a_clean_process_serves_the_same(exported, tmp_path):
    settings, folder = exported
    given, found = str(tmp_path / "given.npz"), str(tmp_path / "found.npz")
    texts = np.array([each.encode() for each in _texts(settings)], object)
    np.savez(given, texts=texts, examples=np.array(_examples(settings), object))
    command = [sys.executable, "-c", _LOADS, folder, given, found]
    environment = os.environ | {"PYTHONPATH": ":".join(sys.path)}
    run = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert run.returncode == 0, run.stderr[-2000:]
    loaded = np.load(found, allow_pickle=True)
    for part, outputs in _served(saved_model.load(folder), settings).items():
        for name, value in outputs.items():
            np.testing.assert_array_equal(loaded[f"{part} {name}"], value.numpy(), err_msg=name)


def test_served_features_are_those_of_eager_code(exported):
    settings, folder = exported
    served = saved_model.load(folder).signatures["transform_features"]
    examples = tf.constant(_examples(settings))
    found = served(examples=examples)
    spec = {
        side.column: tf.io.VarLenFeature(tf.int64 if side.tokenizer == ID_LIST else tf.string)
        for side in settings.sides.values()
    }
    vocabularies = Vocabularies.read(os.path.join(os.path.dirname(folder), "vocabulary"))
    tables = {name: side.token_table() for name, side in vocabularies.sides.items()}
    raw = tf.io.parse_example(examples, spec)
    expected = preprocessing.transform(raw, settings, vocabularies, tables)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_the_model_says_what_it_needs_and_names_no_place(exported):
    settings, folder = exported
    facts = _facts(folder)
    assert facts["needs"] == tokenizers.needs(settings)
    assert {side["subwords"] for side in (facts["settings"]["target"],)} == {""}


def test_ids_are_served_as_they_are(exported):
    settings, folder = exported
    if settings.target.tokenizer != ID_LIST:
        pytest.skip("of ids only")
    model = saved_model.load(folder)
    examples = tf.constant(_examples(settings))
    found = model.signatures["transform_features"](examples=examples)
    assert found["targets"].numpy()[2].tolist() == [0, 9, 3, 1, 3, 0, 0, 0, 0]
    assert found["target_lengths"].numpy().tolist() == [4, 1, 5, 2, 9]
    outputs = model.signatures["serving_text"](text=tf.constant(["5 2"]))
    texts = outputs["text"].numpy()[0].decode()
    assert all(0 <= int(each) < 10 for each in texts.split())


def test_text_that_is_no_id_is_refused(exported):
    settings, folder = exported
    if settings.target.tokenizer != ID_LIST:
        pytest.skip("of ids only")
    serve = saved_model.load(folder).signatures["serving_text"]
    with pytest.raises(tf.errors.InvalidArgumentError, match="expected numbers from 0 to 9, got"):
        serve(text=tf.constant(["5 10"]))
    with pytest.raises(tf.errors.InvalidArgumentError, match="not correctly convert string: a"):
        serve(text=tf.constant(["5 a"]))
