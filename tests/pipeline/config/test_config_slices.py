"""`eval.slices` and the tables: what is read and what is refused."""

import pathlib
from collections.abc import Callable

import pytest

from components.errors import InputError
from pipeline.config import Config, load_config
from pipeline.config.checks import slices as slices_checks

START = "pipeline: {name: p}\n"
SEQ2SEQ = START + "task: seq2seq\ndata: {path: rows%s}\n"
TAGGING = START + "task: tagging\ndata: {path: rows}\n"
SPANS = START + "task: lm\ndata: {path: 'span-{SPAN}'}\n"


@pytest.fixture
def load(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Config]:
    monkeypatch.chdir(tmp_path)
    for folder in ("rows", "span-1"):
        (tmp_path / folder).mkdir()

    def load_text(text: str) -> Config:
        (tmp_path / "c.yaml").write_text(text, encoding="utf-8")
        return load_config("c.yaml")

    return load_text


def test_derived_slices_are_those_of_the_evaluator() -> None:
    slicing = pytest.importorskip("components.evaluator.slicing")
    assert slices_checks.DERIVED == slicing.DERIVED


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            SEQ2SEQ % "" + "eval: {slices: [year]}",
            "eval.slices[0]: got 'year', expected one of target_length, span, token_position",
            id="no such column",
        ),
        pytest.param(
            SEQ2SEQ % "" + "eval: {slices: [span, token_class]}",
            "eval.slices[0]: got 'span' with data.path rows, expected a path with {SPAN}",
            id="no spans",
        ),
        pytest.param(
            SEQ2SEQ % "" + "eval: {slices: [token_position, token_class]}",
            "eval.slices[1]: got 'token_class' with task seq2seq, expected tagging",
            id="words are no classes",
        ),
        pytest.param(
            SEQ2SEQ % ", extra_columns: {token_region: text}" + "eval: {slices: [token_region]}",
            "eval.slices[0]: got 'token_region', which is a slice of its own",
            id="a column under a name that is taken",
        ),
        pytest.param(
            SEQ2SEQ % "" + "eval: {worst_min_tokens: 0}",
            "eval.worst_min_tokens: got 0, expected an integer >= 1",
            id="examples of no token",
        ),
        pytest.param(
            SEQ2SEQ % "" + "eval: {thresholds: [{metric: calibration, max: 1.5}]}",
            "eval.thresholds[0].max: got 1.5, expected a share from 0 to 1, as calibration is one",
            id="calibration is a share",
        ),
        pytest.param(
            SEQ2SEQ % "" + "eval: {thresholds: [{metric: calibration, max_decrease: 0.1}]}",
            "eval.thresholds[0].max_decrease: forbids calibration to get better",
            id="less is better",
        ),
    ],
)
def test_what_is_refused(load: Callable[[str], Config], text: str, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        load(text)
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("text", "slices"),
    [
        (TAGGING + "eval: {slices: [token_class]}", ("token_class",)),
        (SPANS + "eval: {slices: [span]}", ("span",)),
        (
            TAGGING,
            ("target_length", "token_position", "token_frequency", "token_unknown"),
        ),
    ],
)
def test_what_is_read(load: Callable[[str], Config], text: str, slices: tuple[str, ...]) -> None:
    assert load(text).eval.slices == slices


def test_the_column_of_the_span_is_written_where_it_is_asked_for(
    load: Callable[[str], Config],
) -> None:
    from pipeline import inputs

    pathlib.Path("span-1/a.jsonl").write_text('{"text": "a"}\n')
    for slices, written in (("[span]", '{"span_column": true}'), ("[target_length]", "")):
        config = load(SPANS + f"eval: {{slices: {slices}}}")
        assert inputs.resolve(config).example_gen["sequences"] == written
