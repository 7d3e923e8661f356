"""Subwords in TFT's graph and in a SavedModel that a process loads without our code."""

import dataclasses
import functools
import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from subword_files import content
from tensorflow_transform import impl_helper
from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io, schema_utils

from transform import preprocessing, subwords, tokenizers
from transform.settings import SENTENCEPIECE, WORDPIECE, Settings, Side, subword_file
from transform.vocabulary import Vocabularies, Vocabulary

PIECES = {
    WORDPIECE: tuple(piece.encode() for piece in subwords.wordpieces(content(WORDPIECE))),
    SENTENCEPIECE: ("\u2581", "t", "h", "e", "the", "\u2581the", "\u2581fox", "<0x00>", "<0x0A>"),
}
TEXTS = [
    "the fox", "", " ", "the\nunwanted fox\0 the", "\U0001f468\u200d\U0001f469 a\u0301b", "ש\u05c1לום 漢字",
    "THE \uff46ox", b"\xff the", "the " * 3000,
]  # fmt: skip


def _pieces(tokenizer):
    return tuple(each.encode() if isinstance(each, str) else each for each in PIECES[tokenizer])


@pytest.fixture(
    scope="module", params=[("lm", WORDPIECE), ("lm", SENTENCEPIECE), ("seq2seq", None)]
)
def traced(request, tmp_path_factory):
    """The settings, and the folders of the vocabulary and of TFT's graph."""
    task, only = request.param
    options = {"normalize": "NFKC", "lowercase": True}
    target = Side("text", only or SENTENCEPIECE, 12, **options)
    source = Side("source", WORDPIECE, 12, **options) if task == "seq2seq" else None
    settings = Settings(task, target, source)
    work = tmp_path_factory.mktemp("graph")
    sides = {
        name: Vocabulary(
            _pieces(side.tokenizer),
            subword_file=subword_file(name, side),
            subwords=content(side.tokenizer),
        )
        for name, side in settings.sides.items()
    }
    Vocabularies(sides, settings.token_identity()).write(str(work / "vocabulary"))
    # The place of a file that is gone: the vocabulary's own files are read, not what was given.
    given = settings.with_sides(lambda _, side: dataclasses.replace(side, subwords="/gone"))
    config = {
        preprocessing.SETTINGS: given.to_json(),
        preprocessing.VOCABULARY: str(work / "vocabulary"),
    }
    spec = {side.column: tf.io.VarLenFeature(tf.string) for side in settings.sides.values()}
    raw = str(work / tft.TFTransformOutput.RAW_METADATA_DIR)
    schema = schema_utils.schema_from_feature_spec(spec)
    metadata_io.write_metadata(dataset_metadata.DatasetMetadata(schema), raw)
    impl_helper.analyze_in_place(
        functools.partial(preprocessing.preprocessing_fn, custom_config=config),
        force_tf_compat_v1=False,
        feature_specs=spec,
        type_specs=impl_helper.get_type_specs_from_feature_specs(spec),
        transform_output_path=str(work),
    )
    return settings.with_subwords(str(work / "vocabulary")), str(work)


def _raw(settings):
    rows = tf.ragged.constant([[each] for each in TEXTS], tf.string, ragged_rank=1).to_sparse()
    return {side.column: rows for side in settings.sides.values()}


def _eager(settings, work):
    vocabularies = Vocabularies.read(f"{work}/vocabulary")
    tables = {name: side.token_table() for name, side in vocabularies.sides.items()}
    found = preprocessing.transform(_raw(settings), settings, vocabularies, tables)
    return {name: value.numpy() for name, value in found.items()}


def test_the_saved_graph_computes_what_eager_code_does(traced):
    settings, work = traced
    found = tft.TFTransformOutput(work).transform_features_layer()(_raw(settings))
    for name, value in _eager(settings, work).items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


_LOADS = """
import json, sys
import tensorflow as tf
folder, needs, columns, texts = sys.argv[1], *map(json.loads, sys.argv[2:])
for package in needs:
    __import__(package)
served = tf.saved_model.load(folder)
rows = tf.constant([bytes(each) for each in texts])[:, tf.newaxis]
outputs = served.serve(**{name: rows for name in columns})
print("OUT" + json.dumps({name: value.numpy().tolist() for name, value in outputs.items()}))
"""


def test_a_clean_process_without_the_files_computes_the_same(traced, tmp_path):
    settings, work = traced
    columns = sorted(side.column for side in settings.sides.values())
    vocabularies = Vocabularies.read(f"{work}/vocabulary")
    module = tf.Module()
    module.tables = {name: side.token_table() for name, side in vocabularies.sides.items()}
    module.pieces = tokenizers.trackables(settings)

    def serve(**rows):
        return preprocessing.transform(rows, settings, vocabularies, module.tables)

    spec = {name: tf.TensorSpec([None, 1], tf.string, name) for name in columns}
    module.serve = tf.function(serve).get_concrete_function(**spec)
    tf.saved_model.save(module, str(tmp_path / "saved"))
    texts = [list(each if isinstance(each, bytes) else each.encode()) for each in TEXTS]
    values = (tokenizers.needs(settings), columns, texts)
    command = [sys.executable, "-c", _LOADS, str(tmp_path / "saved"), *map(json.dumps, values)]
    run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert run.returncode == 0, run.stderr[-2000:]
    found = json.loads(run.stdout.split("OUT")[1])
    for name, value in _eager(settings, work).items():
        np.testing.assert_array_equal(np.float32(found[name]), np.float32(value), err_msg=name)


def test_the_rows_are_what_they_should_be(traced):
    settings, work = traced
    found = _eager(settings, work)
    side = settings.source or settings.target
    ids = found["inputs" if settings.source else "targets"]
    pieces = _pieces(side.tokenizer)
    words = ["the", "fox"] if side.tokenizer == WORDPIECE else ["the", "\u2581fox"]
    expected = [pieces.index(each.encode()) + 4 for each in words]
    assert ids[0, :3].tolist() == [*expected, 3]
    assert ids[6, :3].tolist() == [*expected, 3]  # in capitals and wide letters
    assert ids[1, :2].tolist() == [3, 0]
