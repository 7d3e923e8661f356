"""What a configuration asks ExampleGen to do to sequences."""

import json
import pathlib
from collections.abc import Callable

import pytest

from components.example_gen.request import parse_request
from pipeline import inputs
from pipeline.config import load_config

Resolve = Callable[[str], dict]
START = "pipeline: {name: p}\ntask: seq2seq\ndata: {path: 'span-{SPAN}'%s}\n"
LM = "pipeline: {name: p}\ntask: lm\ndata: {path: rows%s}\n"


@pytest.fixture
def sequences(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Resolve:
    """The parameter `sequences` for a configuration, as text; it is one that ExampleGen takes."""
    monkeypatch.chdir(tmp_path)
    for folder, row in {"span-1": {"source": "a", "target": "b"}, "rows": {"text": "a"}}.items():
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.jsonl").write_text(json.dumps(row) + "\n")
    (tmp_path / "pieces.txt").write_text("[UNK]\na\n")

    def resolve(text: str) -> str:
        (tmp_path / "c.yaml").write_text(text)
        parameters = inputs.resolve(load_config("c.yaml")).example_gen
        parse_request(parameters)
        return parameters["sequences"]

    return resolve


def test_nothing_is_asked_for_where_nothing_is_needed(sequences: Resolve) -> None:
    assert sequences(START % "") == ""
    assert sequences(START % ", excess_length: raise") == ""


def test_the_age_of_a_span_needs_its_number(sequences: Resolve) -> None:
    assert sequences(START % "" + "transform: {span_half_life: 2}") == '{"span_column": true}'


def test_windows_are_cut_as_configured(sequences: Resolve) -> None:
    more = ", excess_length: window, max_target_length: 9, window: {stride: 4}"
    found = json.loads(sequences(LM % more))
    assert found["window"] == {"over": "row", "separator": "", "stride": 4}
    assert (found["policy"], found["span_column"]) == ("window", False)
    assert json.loads(found["settings"])["target"]["max_length"] == 9


def test_only_what_decides_tokens_makes_another_parameter(sequences: Resolve) -> None:
    drop = START % ", excess_length: drop%s"
    plain = sequences(drop % "")
    weights = "transform: {class_weights: {a: 2}}"
    assert sequences(drop % ", unk_id: 5" + weights) == plain
    assert sequences(drop % ", max_source_length: 7") != plain
    assert sequences(drop % "" + "transform: {lowercase: true}") != plain


def test_another_file_of_pieces_makes_another_parameter(
    sequences: Resolve, tmp_path: pathlib.Path
) -> None:
    text = LM % ", excess_length: drop"
    text += "transform: {target_tokenizer: wordpiece, target_subwords: pieces.txt}"
    found = sequences(text)
    path = json.loads(json.loads(found)["settings"])["target"]["subwords"]
    assert path == str(tmp_path / "pieces.txt")
    (tmp_path / "pieces.txt").write_text("[UNK]\nb\n")
    assert sequences(text) != found
