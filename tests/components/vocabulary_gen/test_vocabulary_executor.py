"""VocabularyGen's `Do` on small TFRecord files, through Beam."""

import json
import pathlib

import pytest
import tensorflow as tf
from tfx.types import artifact_utils, standard_artifacts

from components.artifacts import TokenLedger, Vocabulary
from components.errors import InputError
from components.vocabulary_gen import spec
from components.vocabulary_gen.executor import Executor
from transform.settings import Settings, Side
from transform.vocabulary import Vocabularies

SETTINGS = Settings(
    "lm", Side("text", "whitespace", 3), weights=("mask", "example"), example_weights="w"
)


def _write_split(folder, rows):
    folder.mkdir(parents=True)
    # Two shards a split: the counts must add up over files.
    for shard in range(2):
        path = str(folder / f"data-{shard}.gz")
        with tf.io.TFRecordWriter(path, tf.io.TFRecordOptions("GZIP")) as writer:
            for text, weight in rows[shard::2]:
                example = tf.train.Example()
                example.features.feature["text"].bytes_list.value.append(text.encode())
                example.features.feature["w"].float_list.value.append(weight)
                writer.write(example.SerializeToString())


@pytest.fixture
def run(tmp_path):
    """Runs `Do` on splits {name: [(text, weight)]}; returns (vocabulary artifact, ledger folder)."""

    def call(splits, *, base="", name="out", **changes):
        examples = standard_artifacts.Examples()
        examples.uri = str(tmp_path / name / "examples")
        examples.split_names = artifact_utils.encode_split_names(list(splits))
        for split, rows in splits.items():
            _write_split(tmp_path / name / "examples" / f"Split-{split}", rows)
        vocabulary, ledger = Vocabulary(), TokenLedger()
        vocabulary.uri = str(tmp_path / name / "vocabulary")
        ledger.uri = str(tmp_path / name / "ledger")
        properties = {
            spec.SETTINGS: SETTINGS.to_json(),
            spec.VOCABULARY_SIZE: 100,
            spec.MIN_FREQUENCY: 1,
            spec.MAX_LOST_TOKENS: 1.0,
            spec.BASE_VOCABULARY: base,
            spec.INPUT_KEY: "key",
        }
        context = Executor.Context(
            beam_pipeline_args=["--runner=FnApiRunner"], tmp_dir=str(tmp_path), unique_id=name
        )
        Executor(context).Do(
            {spec.EXAMPLES: [examples]},
            {spec.VOCABULARY: [vocabulary], spec.LEDGER: [ledger]},
            properties | changes,
        )
        return vocabulary, pathlib.Path(ledger.uri, "ledger.json")

    return call


def test_vocabulary_from_the_training_split_ledger_of_every_split(run):
    train = [("b a", 1.0), ("b", 2.0), ("b a c d", 1.0)]
    vocabulary, ledger = run({"train": train, "eval": [("e", 1.0), ("a", 0.0)]})
    found = Vocabularies.read(vocabulary.uri)
    assert found["target"].tokens == (b"b", b"a", b"c", b"d")
    assert vocabulary.get_string_custom_property("hash") == found.digest
    assert vocabulary.get_string_custom_property("input_key") == "key"
    assert vocabulary.get_string_custom_property("base_vocabulary") == ""
    assert json.loads(ledger.read_text()) == {
        "eval": {
            "target": {
                "sequences": 2,
                "tokens_read": 4,
                "kept": 4,
                "truncated": 0,
                "trained": 2,
                "zero_weight": 2,
                "out_of_vocabulary": 1,
            }
        },
        "train": {
            "target": {
                "sequences": 3,
                "tokens_read": 10,
                "kept": 8,
                "truncated": 2,
                "trained": 8,
                "zero_weight": 0,
                "out_of_vocabulary": 0,
            }
        },
    }

    grown, _ = run({"train": [("z z a", 1.0)]}, base=vocabulary.uri, name="second")
    assert Vocabularies.read(grown.uri)["target"].tokens == (b"b", b"a", b"c", b"d", b"z")
    assert grown.get_string_custom_property("base_vocabulary") == vocabulary.uri


def test_bad_rows_of_all_splits_are_named_and_nothing_is_written(run, tmp_path):
    with pytest.raises(InputError) as caught:
        run({"train": [("fine", 1.0), ("wrong", -1.0)], "eval": [("odd", -2.0)]})
    assert str(caught.value).splitlines() == [
        "train split, row 'wrong': column 'w': got the weight -1, expected a finite number >= 0",
        "eval split, row 'odd': column 'w': got the weight -2, expected a finite number >= 0",
    ]
    assert not (tmp_path / "out" / "vocabulary").exists()


def test_more_bad_rows_than_are_shown_are_counted(run):
    with pytest.raises(InputError) as caught:
        run({"train": [(f"row{n:02}", -1.0) for n in range(25)]})
    lines = str(caught.value).splitlines()
    assert len(lines) == 21
    assert lines[0].startswith("train split, row 'row00'")
    assert lines[-1] == "25 problems in all"


def test_too_much_trimming_stops_the_run_before_anything_is_written(run, tmp_path):
    with pytest.raises(InputError, match=r"loses 2 of 5 target tokens \(40.0%\)"):
        run({"train": [("a b c d", 1.0)]}, **{spec.MAX_LOST_TOKENS: 0.3})
    assert not (tmp_path / "out" / "vocabulary").exists()
