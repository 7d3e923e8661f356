"""decode.*: what follows from what, and what the method does not read."""

import pathlib
from collections.abc import Callable

import pytest

from components.errors import InputError
from pipeline.config import Config, load_config

LM = "pipeline: {name: p}\ntask: lm\ndata: {path: rows}\n"
IDS = "pipeline: {name: p}\ntask: lm\ndata: {path: rows}\ntransform: {target_tokenizer: ids}\n"
TAGGING = "pipeline: {name: p}\ntask: tagging\ndata: {path: rows}\n"


@pytest.fixture
def load(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Config]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows").mkdir()

    def load_text(text: str) -> Config:
        (tmp_path / "c.yaml").write_text(text, encoding="utf-8")
        return load_config("c.yaml")

    return load_text


@pytest.mark.parametrize(
    ("given", "method", "beam_size"),
    [
        ("", "greedy", 1),
        ("beam_size: 3", "beam", 3),
        ("method: beam", "beam", 4),
        ("method: beam, beam_size: 1", "beam", 1),
        ("method: sample, beam_size: 1, top_k: 5, seed: 7", "sample", 1),
    ],
)
def test_method_and_beam_size_follow_from_each_other(load, given, method, beam_size) -> None:
    decode = load(LM + "decode: {%s}" % given).decode  # noqa: UP031
    assert (decode.method, decode.beam_size) == (method, beam_size)


def test_no_special_token_is_generated_unless_targets_are_ids(load) -> None:
    assert load(LM).decode.forbidden == ("pad", "bos", "unk")
    assert load(LM + "decode: {forbidden: []}").decode.forbidden == ()
    assert load(IDS).decode.forbidden == ()
    assert load(IDS + "decode: {forbidden: [pad]}").decode.forbidden == ("pad",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            LM + "decode: {length_penalty: 0.6}",
            "4: decode.length_penalty: got 0.6, which has no effect with decode.method greedy, "
            "expected beam",
        ),
        (
            LM + "decode: {method: greedy, beam_size: 4}",
            "4: decode.beam_size: got 4, which has no effect with decode.method greedy",
        ),
        (
            LM + "decode: {beam_size: 4, top_p: 0.9}",
            "4: decode.top_p: got 0.9, which has no effect with decode.method beam, expected sample",
        ),
        (LM + "decode: {seed: 1}", "4: decode.seed: got 1, which has no effect"),
        (LM + "decode: {forbidden: [pad, pad]}", "4: decode.forbidden[1]: got 'pad' twice"),
        (
            LM + "decode: {forbidden: [eos]}",
            "4: decode.forbidden[0]: got 'eos', expected one of pad",
        ),
        (LM + "decode: {beam_size: 0}", "4: decode.beam_size: got 0, expected an integer >= 1"),
        (LM + "decode: {top_p: 0}", "4: decode.top_p: got 0, expected a number > 0 and <= 1"),
        (LM + "decode: {temperature: 0}", "4: decode.temperature: got 0, expected a number > 0"),
        (LM + "decode: {top_k: -1}", "4: decode.top_k: got -1, expected an integer >= 0"),
        (LM + "decode: {length_penalty: -1}", "4: decode.length_penalty: got -1, expected"),
        (LM + "decode: {method: random}", "4: decode.method: got 'random', expected one of greedy"),
        (TAGGING + "decode: {method: beam}", "4: decode.method: has no effect in task tagging"),
    ],
)
def test_one_contradiction(load, text: str, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        load(text)
    problems = str(caught.value).splitlines()
    assert len(problems) == 1, problems
    assert problems[0].startswith("c.yaml:" + expected), problems
