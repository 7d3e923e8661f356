"""`serving.check`: defaults, ranges, and keys that have no effect."""

import re

import pytest

from components.errors import InputError
from components.serving_check.checking import Options
from pipeline.config import load_config
from pipeline.config.serving import ServingCheckConfig

CONFIG = """
pipeline: {name: p}
task: lm
data: {path: rows}
"""


@pytest.fixture
def load(tmp_path):
    def call(text=""):
        (tmp_path / "rows").mkdir(exist_ok=True)
        (tmp_path / "rows/a.jsonl").write_text('{"text": "a"}\n')
        (tmp_path / "c.yaml").write_text(CONFIG + text)
        return load_config(tmp_path / "c.yaml")

    return call


def test_the_check_is_on_and_without_limits_by_default(load):
    assert load().serving.check == ServingCheckConfig(
        enabled=True, examples=32, max_batch=8, max_latency_ms=None, max_memory_mb=None
    )


def test_the_components_defaults_are_those_of_the_configuration():
    ours = vars(ServingCheckConfig()) | {}
    assert ours.pop("enabled")
    assert vars(Options()) == ours


def test_limits_are_read(load):
    found = load("serving: {check: {max_latency_ms: 20, max_memory_mb: 1500.5, max_batch: 4}}")
    check = found.serving.check
    assert (check.max_latency_ms, check.max_memory_mb, check.max_batch) == (20.0, 1500.5, 4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{examples: 0}", "serving.check.examples: got 0, expected an integer >= 1 and <= 4096"),
        ("{max_latency_ms: 0}", "serving.check.max_latency_ms: got 0, expected a number > 0"),
        ("{limit: 3}", "serving.check.limit: unknown key"),
        (
            "{enabled: false, max_memory_mb: 900}",
            "serving.check.max_memory_mb: has no effect with serving.check.enabled false",
        ),
    ],
)
def test_what_is_wrong_is_one_line(load, text, message):
    with pytest.raises(InputError, match=re.escape(message)):
        load(f"serving: {{check: {text}}}")


def test_it_can_be_turned_off(load):
    assert not load("serving: {check: {enabled: false}}").serving.check.enabled
