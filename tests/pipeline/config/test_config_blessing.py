"""`eval.blessing` and how thresholds are judged: defaults, contradictions, what the Evaluator knows."""

import dataclasses
import pathlib
import re
import typing

import pytest

from components.errors import InputError
from components.evaluator.blessing import COMPARED, Blessing
from components.evaluator.metrics import EXTRAS, METRICS
from pipeline.config import load_config
from pipeline.config.eval import BlessingConfig, ComparedMetricName, MetricName

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
            "thresholds: [{metric: perplexity, max: 3}, {metric: perplexity, min: 4}]",
            "eval.thresholds[1].min: got 4, expected at most eval.thresholds[0].max = 3, as "
            "perplexity has to keep to both",
        ),
        (
            "thresholds: [{metric: perplexity, min: 4, slice: '*'}, {metric: perplexity, max: 3}]",
            "eval.thresholds[0].min: got 4, expected at most eval.thresholds[1].max = 3",
        ),
        (
            "thresholds: [{metric: perplexity, max: 0.5}]",
            "eval.thresholds[0].max: got 0.5, expected at least 1, as perplexity is never less",
        ),
        (
            "thresholds: [{metric: bits_per_byte, max: -1}]",
            "eval.thresholds[0].max: got -1, expected at least 0, as bits_per_byte is never less",
        ),
        (
            "thresholds: [{metric: perplexity, max: 5}, {metric: perplexity, max: 4}]",
            "eval.thresholds[1].max: perplexity is bounded by eval.thresholds[0].max already",
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
    "text",
    [
        "thresholds: [{metric: perplexity, min: 4}, {metric: perplexity, max: 4}]",
        "thresholds: [{metric: perplexity, max: 5}, {metric: perplexity, max: 6, slice: '*'}]",
        "thresholds: [{metric: perplexity, max: 5}, {metric: perplexity, max: 5, judge: interval}]",
        "thresholds: [{metric: bits_per_byte, max: 5}]",
        "worst_min_tokens: 100",
    ],
)
def test_what_does_not_clash_is_taken(load, text) -> None:
    assert load(f"eval: {{{text}}}")


@pytest.mark.parametrize(
    ("transform", "cause"),
    [
        ("weights: [mask, inverse_frequency]", "weights"),
        ("class_weights: {a: 2}", "class_weights"),
        ("class_weights: {a: 0}", ""),
        ("regions: {a: 0.5}", "regions"),
        ("regions: {a: 1}", ""),
        ("regions: {a: 1}, region_before: 0.5", "region_before"),
    ],
)
def test_bits_need_weights_that_are_all_1(load, transform, cause) -> None:
    text = (
        f"transform: {{{transform}}}\neval: {{thresholds: [{{metric: bits_per_byte, max: 5}}]}}\n"
    )
    if not cause:
        assert load(text).thresholds
        return
    with pytest.raises(InputError) as caught:
        load(text)
    assert str(caught.value).endswith(
        f"eval.thresholds[0].metric: got bits_per_byte with transform.{cause}, expected another: it "
        "needs weights that are all 1"
    )


def test_sizes_beyond_what_there_can_be(load) -> None:
    with pytest.raises(InputError) as caught:
        load("batch: {bucket_multiple: 101}\neval: {worst_min_tokens: 101}\n")
    multiple, ranked = str(caught.value).splitlines()
    assert (
        "batch.bucket_multiple: got 101, expected at most data.max_target_length = 100" in multiple
    )
    assert "eval.worst_min_tokens: got 101, expected at most data.max_target_length = 100" in ranked


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
