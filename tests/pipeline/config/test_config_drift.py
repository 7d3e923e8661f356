"""`data.drift` and `data.skew`: off by default, defaults, ranges, columns that are not there."""

import re

import pytest

from components.errors import InputError
from pipeline.config import load_config
from pipeline.config.drift import DriftConfig, SkewConfig

CONFIG = """
pipeline: {{name: p}}
task: lm
data: {{path: "{path}", extra_columns: {extra}, {text}}}
"""


@pytest.fixture
def load(tmp_path):
    def call(text, path="rows-{SPAN}", extra='{topic: text, year: "integer?"}'):
        (tmp_path / "rows-1").mkdir(exist_ok=True)
        (tmp_path / "rows-1/a.jsonl").write_text('{"text": "a", "topic": "b"}\n')
        (tmp_path / "c.yaml").write_text(CONFIG.format(path=path, extra=extra, text=text))
        return load_config(tmp_path / "c.yaml").data

    return call


def test_nothing_is_compared_unless_it_is_asked_for(load):
    data = load("")
    assert (data.drift, data.skew) == (None, None)


def test_an_empty_section_means_the_defaults(load):
    data = load("drift: {}, skew: {}")
    common = {"lengths": 0.2, "words": 0.05, "missing": 0.1, "columns": {}, "min_rows": 200}
    assert data.drift == DriftConfig(rows=0.1, **common)
    assert data.skew == SkewConfig(**common)


def test_columns_may_be_of_any_role(load):
    assert load("drift: {columns: {topic: 0.3, year: 1, text: 0}}").drift.columns == {
        "topic": 0.3,
        "year": 1.0,
        "text": 0.0,
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("drift: {lengths: 1.5}", "data.drift.lengths: got 1.5, expected a number"),
        ("drift: {columns: {topic: -1}}", "data.drift.columns.topic: got -1, expected a number"),
        (
            "skew: {columns: {topics: 0.1}}",
            "data.skew.columns.topics: unknown column, expected one of text, topic, year",
        ),
        ("skew: {rows: 0.1}", "data.skew.rows: unknown key"),
        ("drift: {min_rows: 0}", "data.drift.min_rows: got 0, expected an integer >= 1"),
    ],
)
def test_what_is_refused(load, text, message):
    with pytest.raises(InputError, match=re.escape(message)):
        load(text)


def test_what_has_no_effect(load):
    with pytest.raises(InputError, match=r"data.drift: has no effect without {SPAN} in data.path"):
        load("drift: {}", path="rows-1")
    assert load("skew: {}", path="rows-1").skew == SkewConfig()
    with pytest.raises(InputError, match=r"data.skew.missing: has no effect, as no column of"):
        load("skew: {missing: 0.1}", extra="{topic: text}")
