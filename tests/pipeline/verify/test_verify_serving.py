"""What users are served: the words of the predicting signatures, for all tasks; and wrong ones."""

import dataclasses

import pytest
import tensorflow as tf

from components.trainer import export
from pipeline.verify import serving
from pipeline.verify.certificate import FAIL, PASS
from pipeline.verify.model import ExportedModel
from transform.vocabulary import Vocabularies, Vocabulary

WORDS = "`serving_default`: its ids' words = the vocabulary's"
PROMPT = "`serving_default`: the prompt's ids = Transform's"
TAGS = "`serving_default`: number of tags = Transform's of tokens"


def of(checks, status):
    return [check.compared for check in checks if check.status == status]


@pytest.mark.parametrize(
    ("task", "row", "ids"), [("lm", PROMPT, 9), ("seq2seq", None, 9), ("tagging", TAGS, 7)]
)
def test_an_honest_export_passes(case, task: str, row: str | None, ids: int) -> None:
    checks = list(serving.checks(case(task)))
    assert [(c.compared, c.note) for c in checks if c.status != PASS] == []
    made = [check.compared for check in checks]
    assert made[0] == WORDS
    assert made[1] == f"word table of the signatures: all {ids} ids"
    assert made[2:-1] == ([row] if row else [])
    assert made[-1].endswith(" = `serving_default`")
    assert ("`generate`" in made[-1]) == (task != "tagging")
    assert all(check.rows == 40 for check in checks if "table" not in check.compared)


class Edited:
    """A model, some of whose outputs are changed on their way out."""

    def __init__(self, model, change, *signatures: str) -> None:
        self._model, self._change, self._signatures = model, change, signatures

    def __getattr__(self, name: str):
        return getattr(self._model, name)

    def predict(self, name: str, rows):
        found = self._model.predict(name, rows)
        if name not in self._signatures:
            return found
        return found | {k: change(found[k].copy()) for k, change in self._change.items()}


def first(value):
    def change(array):
        array[(0,) * array.ndim] = value
        return array

    return change


BOTH = "`serving_text`, `generate` = `serving_default`"


@pytest.mark.parametrize(
    ("task", "signatures", "change", "failed"),
    [
        ("lm", ["serving_default"], {"text": first(b"ab ab")}, [WORDS, BOTH]),
        ("seq2seq", ["serving_default"], {"text": first(b"xy")}, [WORDS, BOTH]),
        (
            "tagging",
            ["serving_default", "serving_text"],
            {"tags": first(b"Q")},
            [WORDS],
        ),
        ("lm", ["generate"], {"text": first(b"xy")}, [BOTH]),
        ("lm", ["serving_default", "serving_text", "generate"], {"ids": first(8)}, [WORDS, PROMPT]),
    ],
)
def test_a_changed_output_fails(case, task: str, signatures, change, failed) -> None:
    right = case(task)
    spoilt = dataclasses.replace(right, model=Edited(right.model, change, *signatures))
    assert of(serving.checks(spoilt), FAIL) == failed


def test_an_export_with_an_edited_word_table_fails(project, case, tmp_path, monkeypatch) -> None:
    """Every id has another word inside the predict function, and nowhere else."""

    def exchanged(self, ids):
        words = [b"<unk>"] * self.first_id + list(self.tokens)
        names = [b"not " + word for word in words]
        return tf.ragged.map_flat_values(lambda flat: tf.gather(tf.constant(names), flat), ids)

    made = project("tagging")
    request = dataclasses.replace(made.request, serving_folder=str(tmp_path))
    vocabulary = Vocabularies.read(request.vocabulary)
    monkeypatch.setattr(Vocabulary, "text_of", exchanged)
    export.export(made.network, request, vocabulary)
    spoilt = dataclasses.replace(case("tagging"), model=ExportedModel(str(tmp_path)))
    assert of(serving.checks(spoilt), FAIL) == [
        WORDS,
        "word table of the signatures: all 7 ids",
    ]
