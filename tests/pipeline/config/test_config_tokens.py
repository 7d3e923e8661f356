"""Tokenisers, windows and weights in the configuration: what is completed, what is refused."""

import pathlib
from collections.abc import Callable

import pytest

from components.errors import InputError
from pipeline.config import Config, load_config
from pipeline.settings import token_settings

START = "pipeline: {name: p}\n"
SEQ2SEQ = START + "task: seq2seq\ndata: {path: rows%s}\n"
LM = START + "task: lm\ndata: {path: rows%s}\n"
TAGGING = START + "task: tagging\ndata: {path: rows%s}\n"
GLOBS = ", split: {train: 'a*', eval: 'b*'}"


@pytest.fixture
def load(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Config]:
    """Loads c.yaml with the given text, from a folder that holds rows/, span-1/ and pieces."""
    monkeypatch.chdir(tmp_path)
    for folder in ("rows", "span-1"):
        (tmp_path / folder).mkdir()
    (tmp_path / "pieces").write_text("a\n")

    def load_text(text: str) -> Config:
        (tmp_path / "c.yaml").write_text(text, encoding="utf-8")
        return load_config("c.yaml")

    return load_text


def test_both_sides_are_alike_unless_one_says_otherwise(load: Callable[[str], Config]) -> None:
    text = "transform: {lowercase: true, normalize: NFKC, target_lowercase: false}"
    settings = token_settings(load(SEQ2SEQ % "" + text))
    assert settings.source is not None
    assert (settings.source.lowercase, settings.source.normalize) == (True, "NFKC")
    assert (settings.target.lowercase, settings.target.normalize) == (False, "NFKC")


def test_tags_are_labels_and_stay_as_they_are(load: Callable[[str], Config]) -> None:
    settings = token_settings(load(TAGGING % "" + "transform: {lowercase: true, normalize: NFC}"))
    assert settings.source is not None
    assert (settings.source.lowercase, settings.source.normalize) == (True, "NFC")
    assert (settings.target.lowercase, settings.target.normalize) == (False, "")


def test_what_is_given_is_a_factor(load: Callable[[str], Config]) -> None:
    text = "transform: {regions: {<answer>: 1}, class_weights: {rare: 0.5}, span_half_life: 2}"
    config = load((LM % "").replace("rows", "'span-{SPAN}'") + text)
    settings = token_settings(config, newest_span=4)
    assert settings.weights == ("mask", "region", "class", "span_age")
    assert settings.regions == (("<answer>", 1.0),)
    assert settings.class_weights == (("rare", 0.5),)
    assert (settings.span_half_life, settings.newest_span) == (2.0, 4)


def test_the_newest_span_decides_nothing_where_age_does_not(
    load: Callable[[str], Config],
) -> None:
    """Or each new span would be a cache miss of everything."""
    assert token_settings(load(LM % ""), newest_span=4).newest_span == 0


@pytest.mark.parametrize(
    ("more", "stride"),
    [
        ("", 99),
        ("transform: {append_eos: false}", 100),
        ("transform: {prepend_bos: true}", 98),
    ],
)
def test_windows_do_not_overlap_by_default(
    load: Callable[[str], Config], more: str, stride: int
) -> None:
    assert load(LM % ", excess_length: window" + more).data.window.stride == stride


def test_subword_files_are_relative_to_the_configuration(load: Callable[[str], Config]) -> None:
    text = "transform: {target_tokenizer: wordpiece, target_subwords: pieces}"
    assert pathlib.Path(token_settings(load(LM % "" + text)).target.subwords).is_file()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            LM % ", columns: {text: _span}",
            "3: data.columns: got '_span', expected another name: tokenline adds it",
        ),
        (
            LM % "" + "transform: {target_tokenizer: regex}",
            "4: transform.target_pattern: got nothing, expected what a token is",
        ),
        (
            LM % "" + "transform: {target_pattern: '\\w+'}",
            "4: transform.target_pattern: has no effect with the tokenizer whitespace",
        ),
        (
            LM % "" + "transform: {target_tokenizer: regex, target_pattern: '(?<n>a)'}",
            "4: transform.target_pattern: got '(?<n>a)', expected an RE2 pattern: a named group is "
            "written (?P<name>...)",
        ),
        (
            LM % "" + "transform: {target_tokenizer: regex, target_pattern: '[a'}",
            "4: transform.target_pattern: got '[a', expected an RE2 pattern: missing ]: [a",
        ),
        (
            SEQ2SEQ % "" + "transform: {source_tokenizer: regex, source_pattern: '(?<=a)b', "
            "target_tokenizer: whitespace}",
            "4: transform.source_pattern: got '(?<=a)b', expected an RE2 pattern: invalid perl",
        ),
        (
            LM % "" + "transform: {target_subwords: pieces}",
            "4: transform.target_subwords: has no effect with the tokenizer whitespace",
        ),
        (
            LM % "" + "transform: {target_tokenizer: wordpiece, target_subwords: absent}",
            "4: transform.target_subwords: no such file: ",
        ),
        (
            LM % "" + "transform: {target_tokenizer: ids, target_lowercase: true}",
            "4: transform.target_lowercase: has no effect with transform.target_tokenizer: ids",
        ),
        (
            LM % "" + "transform: {source_pattern: x}",
            "4: transform.source_pattern: has no effect in task lm",
        ),
        (
            LM % ", excess_length: raise, truncate: left",
            "3: data.truncate: has no effect with data.excess_length: raise",
        ),
        (
            LM % ", window: {stride: 3}",
            "3: data.window.stride: has no effect with data.excess_length: truncate",
        ),
        (
            SEQ2SEQ % ", excess_length: window",
            "3: data.excess_length: got window, expected truncate, drop or raise (task seq2seq)",
        ),
        (
            LM % ", excess_length: window, max_target_length: 10, window: {stride: 10}",
            "3: data.window.stride: got 10, expected at most 9 (max_target_length = 10 counts",
        ),
        (
            LM % ", excess_length: window, window: {separator: x}",
            "3: data.window.separator: has no effect over: row",
        ),
        (
            LM % ", excess_length: window, window: {over: file}",
            "3: data.split: got shares, expected a file glob for each split",
        ),
        (
            LM % ", excess_length: window" + "transform: {regions: {x: 1}}",
            "3: data.excess_length: got window, expected another policy: a window does not know",
        ),
        (
            LM % "" + "transform: {weights: [mask, class]}",
            "4: transform.weights: got class, but there is no transform.class_weights",
        ),
        (
            LM % "" + "transform: {weights: [mask], class_weights: {a: 2}}",
            "4: transform.class_weights: has no effect without class in transform.weights",
        ),
        (
            LM % "" + "transform: {inverse_frequency_cap: 3}",
            "4: transform.inverse_frequency_cap: has no effect without inverse_frequency",
        ),
        (
            LM % "" + "transform: {regions: {x: 1}, target_tokenizer: character}",
            "4: transform.regions: got markers, expected none with the tokenizer character",
        ),
        (
            LM % "" + "transform: {regions: {x: 0}}",
            "4: transform.regions: got only weights of 0, expected one above 0",
        ),
        (
            LM % ", max_target_length: 1",
            "3: data.max_target_length: got 1, expected more than 1, which bos and eos take",
        ),
        (
            LM % "" + "transform: {regions: {A: 1}, lowercase: true}",
            "4: transform.regions: got 'A', expected lower case",
        ),
        (
            LM % "" + "transform: {regions: {x: -1}}",
            "4: transform.regions.x: got -1, expected a number >= 0",
        ),
        (
            TAGGING % "" + "transform: {regions: {x: 1}}",
            "4: transform.regions: has no effect in task tagging; expected class_weights",
        ),
        (
            LM % "" + "transform: {span_half_life: 1}",
            "4: transform.span_half_life: got a value, but data.path has no {SPAN}",
        ),
    ],
)
def test_one_contradiction(load: Callable[[str], Config], text: str, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        load(text)
    problems = [line.removeprefix("c.yaml:") for line in str(caught.value).splitlines()]
    assert len(problems) == 1, problems
    assert problems[0].startswith(expected), problems


@pytest.mark.parametrize(
    "text",
    [
        LM % ", excess_length: window" + "transform: {target_tokenizer: sentencepiece}",
        SEQ2SEQ % ", excess_length: drop" + "transform: {source_tokenizer: wordpiece}",
        LM % ", excess_length: window, columns: {weights: w}",
    ],
    ids=["windows of learned pieces", "drops by learned pieces", "windows with weights"],
)
def test_windows_and_drops_that_are_allowed(load: Callable[[str], Config], text: str) -> None:
    load(text)


def test_windows_over_files_are_allowed_where_files_are_splits(
    load: Callable[[str], Config],
) -> None:
    more = ", excess_length: window, window: {over: file, separator: <eos>, stride: 20}"
    window = load(LM % (GLOBS + more)).data.window
    assert (window.over, window.separator, window.stride) == ("file", "<eos>", 20)
