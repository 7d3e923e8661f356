"""From artifacts to texts: a model's own words, the versions that are served, and what is refused."""

import dataclasses
import json

import pytest
from tfx.types import standard_artifacts

from components.artifacts import SpanList
from components.base_model import choice, executor, spec
from components.errors import InputError
from components.pusher import origins
from components.span_window.window import Window

SPLIT = json.dumps({"split": {"train": 9, "eval": 1}, "split_by": ["text"]})
SAID = {
    "data_key": "",
    "base_model": "",
    "warm_start": "auto",
    "input_key": "",
    "base_vocabulary": "",
}


def artifact(kind, uri, **properties):
    found = kind()
    found.uri = str(uri)
    for name, text in properties.items():
        found.set_string_custom_property(name, text)
    return found


def model(folder, **said):
    vocabulary = folder / "starting_point/vocabulary"
    vocabulary.mkdir(parents=True)
    (vocabulary / "vocabulary.json").write_text(json.dumps({"token_identity": "words"}))
    return artifact(standard_artifacts.Model, folder, **(SAID | said))


def run(folder, models, *, fingerprint="two", served=""):
    """The texts that the executor writes."""
    (folder / "window").mkdir(exist_ok=True)
    (folder / "window/spans.json").write_text(Window((2,), (), fingerprint).to_json())
    inputs = {spec.SPAN_WINDOW: [artifact(SpanList, folder / "window")]}
    if models is not None:
        inputs[spec.MODEL] = models
    outputs = {
        name: [artifact(standard_artifacts.String, folder / "out" / name / "text")]
        for name in spec.OUTPUTS
    }
    parameters = {
        spec.SPLIT: SPLIT,
        spec.VOCABULARY_KEY: "made",
        spec.TOKEN_IDENTITY: "words",
        spec.WARM_START: "auto",
        spec.SERVED: served,
    }
    executor.Executor().Do(inputs, outputs, parameters)
    return {name: (folder / "out" / name / "text").read_text() for name in spec.OUTPUTS}


def test_every_part_of_the_choice_is_an_output() -> None:
    assert {field.name for field in dataclasses.fields(choice.Choice)} == {*spec.OUTPUTS}


@pytest.mark.parametrize("models", [None, []], ids=["no input", "resolved to nothing"])
def test_without_a_model_there_is_nothing_to_build_on(models, tmp_path) -> None:
    found = run(tmp_path, models)
    assert found == {
        "base_vocabulary": "",
        "base_model": "",
        "baseline": "",
        "data_key": choice.data_key("two", SPLIT),
        "input_key": choice.input_key("made", "two"),
    }


def test_it_reads_what_the_model_says_of_itself(tmp_path) -> None:
    last = model(tmp_path / "m", data_key=choice.data_key("one", SPLIT))
    found = run(tmp_path, [last])
    assert found["base_model"] == last.uri
    assert found["base_vocabulary"] == f"{last.uri}/starting_point/vocabulary"


def test_what_is_served_counts_where_nothing_is_resolved(tmp_path) -> None:
    last = model(tmp_path / "m", data_key=choice.data_key("one", SPLIT))
    for number in (2, 10):
        (tmp_path / f"served/{number}").mkdir(parents=True)
    origins.write(model(tmp_path / "older"), str(tmp_path / "served/2"))
    origins.write(last, str(tmp_path / "served/10"))
    found = run(tmp_path, None, served=str(tmp_path / "served"))
    assert found["base_model"] == last.uri
    assert found["baseline"] == str(tmp_path / "served/10")
    # A model of the same bytes is not pushed again: what was noted first stays, and with it the cache.
    origins.write(model(tmp_path / "same"), str(tmp_path / "served/10"))
    assert run(tmp_path, None, served=str(tmp_path / "served")) == found


def test_nothing_is_served_yet(tmp_path) -> None:
    assert run(tmp_path, None, served=str(tmp_path / "served"))["baseline"] == ""


def test_without_a_fingerprint_it_cannot_tell_a_repeat(tmp_path) -> None:
    with pytest.raises(InputError, match=r"^span_window: got no fingerprint, expected what"):
        run(tmp_path, None, fingerprint="")
