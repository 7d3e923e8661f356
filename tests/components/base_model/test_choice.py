"""What a run builds on: a repeat repeats, new data go on, and nothing that does not fit is taken."""

import dataclasses
import json

import pytest

from components.base_model import choice

SPLIT = json.dumps({"split": {"train": 9, "eval": 1}, "split_by": ["text"]})
OTHER_SPLIT = json.dumps({"split": {"train": 4, "eval": 1}, "split_by": ["text"]})
FIRST, SECOND = (choice.data_key(content, SPLIT) for content in ("one", "two"))
# Of the run on the first span, from scratch.
MODEL = choice.Earlier(
    uri="gs://b/1/model",
    vocabulary="gs://b/1/model/starting_point/vocabulary",
    token_identity="words",
    version="",
    data_key=FIRST,
    base_model="",
    warm_start="auto",
    input_key=choice.input_key("made", "one"),
    base_vocabulary="",
)
# Of the run on the second span, from the first.
LATER = dataclasses.replace(
    MODEL,
    uri="gs://b/2/model",
    vocabulary="gs://b/2/model/starting_point/vocabulary",
    data_key=SECOND,
    base_model=MODEL.uri,
    input_key=choice.input_key("made", "two"),
    base_vocabulary=MODEL.vocabulary,
)


def chosen(earlier, content="two", split=SPLIT, made="made", **options):
    options = {"token_identity": "words", "warm_start": "auto", "exists": lambda _: True} | options
    return choice.choose(
        earlier,
        key=choice.data_key(content, split),
        vocabulary_key=choice.input_key(made, content),
        **options,
    )


def test_the_first_run_builds_on_nothing() -> None:
    found = chosen(None, "one")
    assert (found.base_model, found.base_vocabulary, found.baseline) == ("", "", "")
    assert json.loads(found.data_key) == {"content": "one", **json.loads(SPLIT)}
    assert found.input_key == choice.input_key("made", "one") != choice.input_key("made", "two")


def test_new_data_go_on_from_the_last_blessed_model() -> None:
    found = chosen(MODEL)
    assert (found.base_model, found.base_vocabulary) == (MODEL.uri, MODEL.vocabulary)


@pytest.mark.parametrize(("last", "content"), [(MODEL, "one"), (LATER, "two")])
def test_a_repeat_builds_on_what_the_run_that_it_repeats_built_on(last, content) -> None:
    """Else it would start from the model that it made itself, and never be taken from the cache."""
    found = chosen(last, content)
    assert (found.base_model, found.base_vocabulary) == (last.base_model, last.base_vocabulary)


def test_what_a_repeat_builds_on_may_be_gone() -> None:
    """Then nothing of its own data may be started from; the tokens keep their ids all the same."""
    found = chosen(LATER, exists=lambda folder: folder != MODEL.uri and folder != MODEL.vocabulary)
    assert (found.base_model, found.base_vocabulary) == ("", LATER.vocabulary)


def test_a_model_of_another_split_may_have_seen_these_eval_rows() -> None:
    found = chosen(MODEL, split=OTHER_SPLIT)
    assert (found.base_model, found.base_vocabulary) == ("", MODEL.vocabulary)


def test_another_setting_of_the_vocabulary_extends_what_is_there() -> None:
    """The same data again, with another vocab_size: tokens keep their ids."""
    assert chosen(MODEL, "one", made="smaller").base_vocabulary == MODEL.vocabulary


def test_tokens_of_another_kind_cannot_be_extended() -> None:
    assert chosen(MODEL, token_identity="characters").base_vocabulary == ""


def test_who_never_starts_from_a_model_does_not() -> None:
    found = chosen(MODEL, warm_start="never")
    assert (found.base_model, found.base_vocabulary) == ("", MODEL.vocabulary)
    scratch = dataclasses.replace(LATER, warm_start="never", base_model="")
    assert chosen(scratch, "two").base_model == ""  # it has seen these data


def test_a_model_that_says_nothing_of_its_data_is_not_started_from() -> None:
    assert chosen(dataclasses.replace(MODEL, data_key="")).base_model == ""


def test_what_is_served_is_the_baseline() -> None:
    assert (
        chosen(dataclasses.replace(MODEL, version="gs://b/served/3")).baseline == "gs://b/served/3"
    )
