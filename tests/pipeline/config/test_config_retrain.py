"""`retrain`: defaults, ranges, and keys that have no effect."""

import re

import pytest

from components.errors import InputError
from pipeline.config import load_config
from pipeline.config.retrain import RetrainConfig, RetrainWindow

CONFIG = """
pipeline: {name: p}
task: lm
data: {path: "rows-{SPAN}"}
"""


@pytest.fixture
def load(tmp_path):
    def call(text="", config=CONFIG):
        (tmp_path / "rows-1").mkdir(exist_ok=True)
        (tmp_path / "rows-1/a.jsonl").write_text('{"text": "a"}\n')
        (tmp_path / "c.yaml").write_text(config + text)
        return load_config(tmp_path / "c.yaml").retrain

    return call


def test_defaults(load):
    assert load() == RetrainConfig(
        window=RetrainWindow(spans=1), together=False, late="retrain", retries=3,
        backoff_seconds=30.0, ready="marker", settle_seconds=60.0, poll_seconds=30.0,
        max_poll_seconds=300.0,
    )  # fmt: skip


def test_the_window(load):
    assert load().most_spans == 1
    assert load("retrain: {window: {spans: 7}}").most_spans == 7
    assert load("retrain: {window: all}").most_spans is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{window: 3}", "retrain.window: got 3, expected all or a section with the keys spans"),
        ("{window: {spans: 0}}", "retrain.window.spans: got 0, expected an integer >= 1"),
        ("{window: {}}", "retrain.window.spans: missing"),
        ("{late: skip}", "retrain.late: got 'skip', expected one of retrain, ignore, error"),
        ("{retries: -1}", "retrain.retries: got -1, expected an integer >= 0"),
        (
            "{retries: 0, backoff_seconds: 5}",
            "retrain.backoff_seconds: has no effect with retrain.retries 0; expected no value",
        ),
        (
            "{poll_seconds: 600}",
            "retrain.max_poll_seconds: got 300, expected at least retrain.poll_seconds = 600",
        ),
    ],
)
def test_what_is_wrong_is_one_line(load, text, message):
    with pytest.raises(InputError, match=re.escape(message)) as error:
        load(f"retrain: {text}")
    assert "\n" not in str(error.value)


def test_without_spans_there_is_nothing_to_retrain_on(load):
    config = CONFIG.replace("rows-{SPAN}", "rows-1")
    with pytest.raises(InputError, match=re.escape("retrain.late: has no effect without {SPAN}")):
        load("retrain: {late: error}", config)
    assert load("", config) == RetrainConfig()
