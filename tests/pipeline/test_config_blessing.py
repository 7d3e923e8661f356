"""`eval.blessing` and how thresholds are judged: defaults, contradictions, what the Evaluator knows."""

import dataclasses
import pathlib
import re
import typing

import pytest

from components.errors import InputError
from components.evaluator.blessing import COMPARED, Blessing
from components.evaluator.metrics import EXTRAS, METRICS
from pipeline.config import BlessingConfig, ComparedMetricName, MetricName, load_config

LM = "pipeline: {name: x}\ntask: lm\ndata: {path: data}\n"


@pytest.fixture
def load(tmp_path: pathlib.Path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.jsonl").write_text('{"text": "a"}\n')

    def load(text: str):
        path = tmp_path / "config.yaml"
        path.write_text(LM + text)
        return load_config(path).eval

    return load


def test_without_a_word_models_are_compared(load) -> None:
    assert load("").blessing == BlessingConfig()
    assert load("").thresholds == ()


def test_the_defaults_are_the_evaluators() -> None:
    assert dataclasses.asdict(BlessingConfig()) == dataclasses.asdict(Blessing())


def test_the_names_are_the_evaluators() -> None:
    assert set(typing.get_args(MetricName)) <= {*METRICS, *EXTRAS}
    assert set(typing.get_args(ComparedMetricName)) <= set(COMPARED)


def test_the_way_out_leaves_the_rest_as_it_is(load) -> None:
    blessing = load("eval: {blessing: {compare: false, metric: perplexity, margin: 1}}").blessing
    assert (blessing.compare, blessing.metric, blessing.margin) == (False, "perplexity", 1.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "blessing: {metric: token_count}",
            "eval.blessing.metric: got 'token_count', expected one",
        ),
        ("blessing: {margin: -1}", "eval.blessing.margin: got -1"),
        ("blessing: {alpha: 0.5}", "eval.blessing.alpha: got 0.5"),
        ("blessing: {margins: 1}", "eval.blessing.margins: unknown key"),
        (
            "blessing: {per_slice: false, slice_margin: 0.1}",
            "eval.blessing.slice_margin: got 0.1, which has no effect with eval.blessing.per_slice",
        ),
        (
            "blessing: {metric: token_accuracy, margin: 2}",
            "eval.blessing.margin: got 2, expected a share from 0 to 1, as token_accuracy is one",
        ),
        (
            "thresholds: [{metric: token_count, min: 5, judge: interval}]",
            "eval.thresholds[0].judge: got interval, expected point: token_count is exact",
        ),
        (
            "thresholds: [{metric: perplexity, max: 5, judge: both}]",
            "eval.thresholds[0].judge: got 'both', expected",
        ),
    ],
)
def test_contradictions(load, text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        load(f"eval: {{{text}}}")
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{metric: bleu, min: 20}", "eval.thresholds[0].metric: got bleu with task lm, expected"),
        ("{metric: span_f1, min: 0.5}", "eval.thresholds[0].metric: got span_f1 with task lm"),
    ],
)
def test_a_metric_of_another_task_is_refused(load, text, expected) -> None:
    with pytest.raises(InputError, match=re.escape(expected)):
        load(f"eval: {{thresholds: [{text}]}}\n")


def test_what_is_decoded_has_no_slices_and_needs_examples(tmp_path) -> None:
    (tmp_path / "data").mkdir()
    path = tmp_path / "config.yaml"
    head = "pipeline: {name: x}\ntask: seq2seq\ndata: {path: data}\n"
    path.write_text(head + "eval: {thresholds: [{metric: bleu, min: 20, slice: '*'}]}\n")
    with pytest.raises(InputError, match=r"slice: got '\*', expected no value: bleu"):
        load_config(path)
    path.write_text(head + "eval: {decode_examples: 0, thresholds: [{metric: bleu, min: 20}]}\n")
    with pytest.raises(InputError, match=r"bleu with eval\.decode_examples 0"):
        load_config(path)
