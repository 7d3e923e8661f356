"""What a configuration asks ExampleGen to do to sequences."""

import json
import pathlib
from collections.abc import Callable

import pytest

from components.errors import InputChanged, InputError
from components.example_gen import files
from components.example_gen.request import parse_request
from pipeline import inputs
from pipeline.config import load_config

Resolve = Callable[..., str]
START = "pipeline: {name: p}\ntask: seq2seq\ndata: {path: 'span-{SPAN}'%s}\n"
LM = "pipeline: {name: p}\ntask: lm\ndata: {path: rows%s}\n"


@pytest.fixture
def sequences(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Resolve:
    """The parameter `sequences` for a configuration, as text; it is one that ExampleGen takes."""
    monkeypatch.chdir(tmp_path)
    rows = {"span-1": {"source": "a", "target": "b"}, "rows": {"text": "a"}}
    for folder in rows:
        (tmp_path / folder).mkdir()
    (tmp_path / "pieces.txt").write_text("[UNK]\na\n")

    def resolve(text: str, **more: list) -> str:
        for folder, row in rows.items():
            (tmp_path / folder / "a.jsonl").write_text(json.dumps(row | more) + "\n")
        (tmp_path / "c.yaml").write_text(text)
        found = inputs.resolve(load_config("c.yaml"))
        assert found.learns == ("vocab_size" in found.example_gen["sequences"])
        parse_request(found.example_gen)
        return found.example_gen["sequences"]

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


def test_what_pieces_are_learned_with_makes_another_parameter(sequences: Resolve) -> None:
    text = LM % ", excess_length: window%s" + "transform: {target_tokenizer: sentencepiece}"
    plain = sequences(text % "")
    assert json.loads(plain)["vocab_size"] == 32_000
    assert json.loads(json.loads(plain)["settings"])["special"]["pad"] == 0
    changed = {sequences(text % f", {key}: 7") for key in ("vocab_size", "eos_id", "oov_buckets")}
    assert len(changed | {plain}) == 4
    assert sequences(text % ", min_frequency: 7") == plain
    given = (text % "").replace("sentencepiece", "wordpiece, target_subwords: pieces.txt")
    assert "vocab_size" not in json.loads(sequences(given))


def test_windows_cut_the_weights_too(sequences: Resolve) -> None:
    columns = "columns: {weights: w}"
    found = sequences(LM % f", excess_length: window, {columns}", w=[1])
    assert json.loads(json.loads(found)["settings"])["token_weights"] == "w"
    found = sequences(LM % f", excess_length: drop, {columns}", w=[1])
    assert json.loads(json.loads(found)["settings"])["token_weights"] is None


@pytest.mark.parametrize("tokenizer", ["pretokenized", "ids"])
def test_lists_and_their_weights_are_as_long(
    tokenizer: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows").mkdir()
    row = {"text": [7, 8] if tokenizer == "ids" else ["a", "b"], "w": [1]}
    (tmp_path / "rows/a.jsonl").write_text(json.dumps(row))
    text = LM % ", columns: {weights: w}" + f"transform: {{target_tokenizer: {tokenizer}}}"
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(InputError, match=r"a\.jsonl:1: aligned columns: got items 'text' 2, 'w' 1"):
        inputs.resolve(load_config("c.yaml"))


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


def test_what_is_read_is_what_the_run_was_started_for(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for span in (1, 2, 3):
        (tmp_path / f"span-{span}").mkdir()
        (tmp_path / f"span-{span}/a.jsonl").write_text('{"text": "a"}\n')
    (tmp_path / "c.yaml").write_text("pipeline: {name: p}\ntask: lm\ndata: {path: 'span-{SPAN}'}\n")
    config = load_config("c.yaml")
    plain = inputs.resolve(config)
    assert (plain.spans, plain.new) == ((3,), ())
    listed = files.input_files("span-{SPAN}", [1, 3], "jsonl").files
    digest, contents = files.fingerprints(listed)
    found = inputs.resolve(config, spans=contents, new=[3])
    assert (found.spans, found.new) == ((1, 3), (3,))
    where = str(tmp_path / "span-{SPAN}")
    assert found.what_is_read == {"input_base": where, "spans": "[1, 3]", "fingerprint": digest}
    assert "spans" not in found.how_it_is_read
    assert found.how_it_is_read["format"] == "jsonl"
    (tmp_path / "span-3/a.jsonl").write_text("no row\n")  # which is not what is said
    with pytest.raises(
        InputChanged, match=r"^span-\{SPAN\}: span 3 is another one by now; run again$"
    ):
        inputs.resolve(config, spans=contents)
    with pytest.raises(InputError, match="got invalid JSON"):
        inputs.resolve(config, spans=dict.fromkeys(contents, ""))
    with pytest.raises(
        InputChanged, match=r"^span-\{SPAN\}: span 4 is not there any more; run again$"
    ):
        inputs.resolve(config, spans={4: ""})
