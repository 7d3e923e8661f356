"""The configuration: what is read, what is refused, and in which words."""

import dataclasses
import os
import pathlib
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, get_args, get_type_hints

import pytest

from components.errors import InputError
from pipeline.config import Config, load_config
from pipeline.config.eval import MetricName

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
SHIPPED = sorted(
    path.relative_to(REPOSITORY).as_posix()
    for path in [REPOSITORY / "pipeline_config.yaml", *(REPOSITORY / "examples").glob("*.yaml")]
)
START = "pipeline: {name: p}\n"
SEQ2SEQ = START + "task: seq2seq\ndata: {path: rows%s}\n"
LM = START + "task: lm\ndata: {path: rows%s}\n"
TAGGING = START + "task: tagging\ndata: {path: rows%s}\n"
NUMBERS = START + "task: seq2seq\ndata: {path: 'd/{SPAN}', generator: {name: numbers}%s}\n"


@pytest.fixture
def load(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Config]:
    """Loads c.yaml with the given text, from a folder that holds rows/, span-1/ and a file."""
    monkeypatch.chdir(tmp_path)
    for folder in ("rows", "span-1"):
        (tmp_path / folder).mkdir()
    (tmp_path / "file").write_text("")

    def load_text(text: str) -> Config:
        (tmp_path / "c.yaml").write_text(text, encoding="utf-8")
        return load_config("c.yaml")

    return load_text


def _problems(load: Callable[[str], Config], text: str) -> list[str]:
    """The lines of the error, without the file's name."""
    with pytest.raises(InputError) as caught:
        load(text)
    lines = str(caught.value).splitlines()
    assert all(line.startswith("c.yaml:") for line in lines)
    return [line.removeprefix("c.yaml:") for line in lines]


def _leaf_fields(cls: Any) -> Iterator[tuple[str, dataclasses.Field[Any]]]:
    for field in dataclasses.fields(cls):
        kind = get_type_hints(cls)[field.name]
        if dataclasses.is_dataclass(kind):
            yield from _leaf_fields(kind)
        yield f"{cls.__name__}.{field.name}", field


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_files_load(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    try:
        problem = "" if load_config(name).eval.thresholds else "no thresholds"
    except InputError as error:  # the data sets are not on every machine
        problem = str(error)
    assert re.fullmatch(r"([^\n]* data\.path: no such folder[^\n]*)?", problem)


def test_the_default_job_needs_no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    config = load_config("pipeline_config.yaml")
    assert config.data.generator is not None
    assert config.data.path == "data/span-{SPAN}"
    assert config.serving.push_to == "runs/numbers/serving"


def test_every_key_is_documented() -> None:
    undocumented = [name for name, field in _leaf_fields(Config) if not field.metadata.get("doc")]
    assert undocumented == []


def test_metric_names_are_those_of_the_evaluator() -> None:
    metrics = pytest.importorskip("components.evaluator.metrics")
    assert set(get_args(MetricName)) == {*metrics.METRICS, *metrics.EXTRAS}


def test_defaults_that_follow_from_the_task(load: Callable[[str], Config]) -> None:
    config = load(LM % ", max_target_length: 7")
    assert config.data.columns == {"text": "text"}
    assert config.data.split_by == ("text",)
    assert config.transform.weights == ("mask",)
    assert config.transform.append_eos is True
    assert config.decode.max_length == 7
    assert (config.train.epochs, config.train.steps) == (10, None)
    assert (config.pipeline.root, config.serving.push_to) == (
        "runs",
        os.path.join("runs", config.pipeline.name, "serving"),
    )

    config = load(TAGGING % ", max_target_length: 7, columns: {tokens: words, weights: w}")
    assert config.data.columns == {"tokens": "words", "tags": "tags", "weights": "w"}
    assert config.data.split_by == ("words",)
    assert config.data.max_source_length == 7
    assert config.transform.source_tokenizer == config.transform.target_tokenizer == "pretokenized"
    assert config.transform.append_eos is False
    assert config.transform.weights == ("mask", "token")

    config = load(SEQ2SEQ % ", columns: {example_weight: w}, split: {train: 'a*', eval: 'b*'}")
    assert config.transform.weights == ("mask", "example")
    assert config.data.split_by == ()


def test_values_of_every_kind(load: Callable[[str], Config]) -> None:
    text = SEQ2SEQ % ", split_by: target, spans: all, extra_columns: {year: 'integer?'}" + (
        "transform: {weights: [mask], lowercase: yes}\n"
        "train: {steps: 1_000, learning_rate: 1e-3, clip_norm: 2, warmup_steps: 5}\n"
        "loss:\n"
        "decode: {max_length: null}\n"
        "eval: {slices: [year], thresholds: [{metric: perplexity, max: 3, slice: '*'}]}\n"
    )
    config = load(text)
    assert config.data.split_by == ("target",)
    assert config.transform.lowercase is True
    assert (config.train.steps, config.train.epochs) == (1000, None)
    assert (config.train.learning_rate, config.train.clip_norm) == (0.001, 2.0)
    assert isinstance(config.train.clip_norm, float)
    assert config.loss.reduction == "token_mean"
    assert config.decode.max_length == 100
    assert dataclasses.asdict(config.eval.thresholds[0]) == {
        "metric": "perplexity",
        "max": 3.0,
        "min": None,
        "max_increase": None,
        "max_decrease": None,
        "slice": "*",
        "judge": None,
    }


def test_the_object_is_frozen(load: Callable[[str], Config]) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        load(LM % "").train.seed = 1  # type: ignore[misc]


def test_anchors_and_merges(load: Callable[[str], Config]) -> None:
    text = SEQ2SEQ % ", max_source_length: &n 9, max_target_length: *n" + (
        "batch: &b {size: 3, bucket_multiple: 2}\neval: {<<: {batch_size: 5}, min_tokens: 1}\n"
    )
    config = load(text)
    assert config.data.max_source_length == config.data.max_target_length == 9
    assert (config.eval.batch_size, config.eval.min_tokens) == (5, 1)


def test_paths_are_relative_to_the_files_folder(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "jobs").mkdir()
    (tmp_path / "rows").mkdir()
    (tmp_path / "jobs" / "c.yaml").write_text(
        "pipeline: {name: p, root: /runs}\ntask: lm\ndata: {path: ../rows}\n"
    )
    monkeypatch.chdir(tmp_path)
    config = load_config("jobs/c.yaml")
    assert config.data.path == "rows"
    assert (config.pipeline.root, config.serving.push_to) == ("/runs", "/runs/p/serving")
    config = load_config(tmp_path / "jobs" / "c.yaml")
    assert config.data.path == str(tmp_path / "rows")
    (tmp_path / "jobs" / "c.yaml").write_text(START + "task: lm\ndata: {path: ../rows}\n")
    assert load_config("jobs/c.yaml").pipeline.root == os.path.join("jobs", "runs")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            SEQ2SEQ % "" + "train: {epochs: many}",
            "4: train.epochs: got 'many', expected an integer >= 1",
        ),
        (SEQ2SEQ % "" + "train:\n  epochs: 0", "5: train.epochs: got 0, expected an integer >= 1"),
        (
            SEQ2SEQ % "" + "train: {epochs: 1.5}",
            "4: train.epochs: got 1.5, expected an integer >= 1",
        ),
        (
            SEQ2SEQ % "" + "train: {epochs: '5'}",
            "4: train.epochs: got '5', expected an integer >= 1",
        ),
        (SEQ2SEQ % "" + "train: {epochs: [5]}", "4: train.epochs: got a list, expected an integer"),
        (
            SEQ2SEQ % "" + "train: {steps: 1:30}",
            "4: train.steps: got 1:30, expected an integer >= 1",
        ),
        (
            SEQ2SEQ % "" + "train: {seed: 010}",
            "4: train.seed: got 010, expected an integer >= 0 and",
        ),
        (SEQ2SEQ % "" + "train: {seed: null}", "4: train.seed: got nothing, expected an integer"),
        (SEQ2SEQ % "" + "train: {seed: true}", "4: train.seed: got true, expected an integer"),
        (
            SEQ2SEQ % "" + "train: {learning_rate: .inf}",
            "4: train.learning_rate: got .inf, expected a number > 0",
        ),
        (
            SEQ2SEQ % "" + "train: {learning_rate: 1e999}",
            "4: train.learning_rate: got '1e999', expected a number > 0",
        ),
        (
            SEQ2SEQ % "" + "loss: {label_smoothing: 1}",
            "4: loss.label_smoothing: got 1, expected a number >= 0 and < 1",
        ),
        (
            SEQ2SEQ % ", max_lost_tokens: -1",
            "3: data.max_lost_tokens: got -1, expected a number >= 0",
        ),
        (
            SEQ2SEQ % "" + "model: {family: rnn}",
            "4: model.family: got 'rnn', expected one of gru, lstm, transformer",
        ),
        (
            SEQ2SEQ % "" + "model: {tie_embeddings: 1}",
            "4: model.tie_embeddings: got 1, expected true or false",
        ),
        (
            SEQ2SEQ % "" + "model: gru",
            "4: model: got 'gru', expected a section with the keys preset, family,",
        ),
        (
            SEQ2SEQ % ", spans: newest",
            "3: data.spans: got 'newest', expected one of latest, all or a list, each",
        ),
        (
            SEQ2SEQ % ", extra_columns: {y: int}",
            "3: data.extra_columns.y: got 'int', expected one of",
        ),
        (
            SEQ2SEQ % ", extra_columns: {no: text}",
            "3: data.extra_columns.no: got the key no, expected text (put it in quotes)",
        ),
        (
            SEQ2SEQ % ", columns: {source: 5}",
            "3: data.columns.source: got 5, expected text (put it in quotes)",
        ),
        (SEQ2SEQ % ", columns: {source: ''}", "3: data.columns.source: got '', expected text"),
        (
            SEQ2SEQ % ", columns: [a]",
            "3: data.columns: got a list, expected a mapping, each value text",
        ),
        (SEQ2SEQ % "" + "batch: {sise: 3}", "4: batch.sise: unknown key, did you mean size?"),
        (
            SEQ2SEQ % "" + "train: {dropout: 0}",
            "4: train.dropout: unknown key, did you mean model.dropout?",
        ),
        (
            SEQ2SEQ % "" + "loss: {qqq: 0}",
            "4: loss.qqq: unknown key, expected one of reduction, label_smoothing, z_loss",
        ),
        (SEQ2SEQ % "" + "trian: {seed: 1}", "4: trian: unknown key, did you mean train?"),
        (
            SEQ2SEQ % "" + "batch:\n  size: 3\n  size: 4",
            "6: batch.size: key given twice, first at line 5",
        ),
        (SEQ2SEQ % "" + "task: lm", "4: task: key given twice, first at line 2"),
        (START + "task: lm", "1: data.path: missing, expected a path"),
        (START + "data: {path: rows}", "1: task: missing, expected one of lm, seq2seq, tagging"),
        (
            "pipeline:\n  name: My_job\ntask: lm\ndata: {path: rows}",
            "2: pipeline.name: got 'My_job', expected a name of a-z, 0-9 and '-'",
        ),
        (
            LM % "" + "eval:\n  thresholds:\n  - {metric: loss, max: 1}",
            "6: eval.thresholds[0].metric: got 'loss', expected one of masked_token_loss,",
        ),
        (
            LM % "" + "eval:\n  thresholds:\n  - {max: 1}",
            "6: eval.thresholds[0].metric: missing, expected one of masked_token_loss,",
        ),
        (START + "task: lm\ndata: 5", "3: data: got 5, expected a section with the keys path,"),
    ],
)
def test_one_wrong_value(load: Callable[[str], Config], text: str, expected: str) -> None:
    problems = _problems(load, text)
    assert len(problems) == 1, problems
    assert problems[0].startswith(expected), problems


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (LM % "" + "train: {epochs: 1, steps: 5}", "4: train.steps: got 5 and train.epochs 1"),
        (
            LM % "" + "train: {steps: 5, warmup_steps: 5}",
            "4: train.warmup_steps: got 5, expected fewer than train.steps = 5",
        ),
        (
            LM % "" + "train: {weight_decay: 0.1}",
            "4: train.weight_decay: has no effect with train.optimizer adam, expected 0",
        ),
        (
            LM % "" + "train: {momentum: 0.1}",
            "4: train.momentum: has no effect with train.optimizer adam, expected 0",
        ),
        (
            LM % "" + "train: {schedule: noam}",
            "4: train.warmup_steps: got 0, expected at least 1 with train.schedule noam, "
            "whose height follows from it",
        ),
        (
            LM % "" + "train: {max_bad_batches: 3}",
            "4: train.max_bad_batches: has no effect with train.on_bad_batch abort; "
            "expected no value",
        ),
        (
            LM % "" + "train: {average_checkpoints: 3, early_stopping: {patience: 2}}",
            "4: train.average_checkpoints: got 3, expected 0 with train.early_stopping, which "
            "exports its own choice of weights",
        ),
        (
            LM % "" + "train: {average_checkpoints: 3, ema: 0.9}",
            "4: train.average_checkpoints: got 3, expected 0 with train.ema, which exports its "
            "own choice of weights",
        ),
        (
            LM % "" + "train: {accumulation_steps: 2}\nbatch: {effective_size: 900}",
            "4: train.accumulation_steps: got 2, expected 1 with batch.effective_size = 900, "
            "which decides how many batches",
        ),
        (
            LM % "" + "batch: {packing: best_fit}",
            "4: batch.packing: got best_fit with model.family gru, expected none (only a "
            "transformer can pack)",
        ),
        (
            LM % "" + "model: {family: transformer}\nbatch: {packing: best_fit, shapes: 4}",
            "5: batch.shapes: has no effect with batch.packing best_fit; expected no value",
        ),
        (
            LM % "" + "model: {family: transformer}\nbatch: {packing: first_fit}",
            "5: batch.packing: got 'first_fit', expected one of none, best_fit",
        ),
        (
            LM % "" + "train: {replicas: 2}",
            "4: train.replicas: got 2, expected 0 with train.distribution none",
        ),
        (
            LM % "" + "train: {distribution: multi_worker, replicas: 2}",
            "4: train.replicas: got 2, expected 0 with train.distribution multi_worker",
        ),
        (START + "task: lm\ndata: {path: nowhere}", "3: data.path: no such folder: nowhere"),
        (
            START + "task: lm\ndata: {path: file}",
            "3: data.path: got the file file, expected the folder",
        ),
        (
            START + "task: lm\ndata: {path: 'spam/span-{SPAN}'}",
            "3: data.path: no such folder: spam, which is to hold the spans",
        ),
        (LM % ", spans: [1]", "3: data.spans: got a list, but data.path has no {SPAN}"),
        (
            START + "task: lm\ndata: {path: 'span-{SPAN}', spans: [1, 1]}",
            "3: data.spans: got [1, 1], expected at least one number, each once",
        ),
        (LM % ", schema: s.pbtxt", "3: data.schema: no such file: s.pbtxt"),
        (
            LM % ", columns: {source: s}",
            "3: data.columns.source: unknown role, expected one of text, weights, example_weight",
        ),
        (
            LM % ", columns: {weights: text}",
            "3: data.columns.weights: got 'text', which is also the column of text",
        ),
        (
            LM % ", extra_columns: {text: text}",
            "3: data.extra_columns.text: the column has a role already",
        ),
        (LM % ", split: {train: 9}", "3: data.split: got train, expected also eval"),
        (LM % ", split: {train: 9, eval: 'e*'}", "3: data.split: got shares and file globs"),
        (
            LM % ", split: {train: 't*', eval: 'e*'}, split_by: text",
            "3: data.split_by: has no effect, as data.split names files",
        ),
        (
            LM % ", split_by: [year]",
            "3: data.split_by[0]: got 'year', expected one of the columns text",
        ),
        (LM % ", delimiter: ';'", "3: data.delimiter: has no effect with data.format jsonl"),
        (LM % ", pad_id: 1", "3: data.pad_id: got 1, which is also unk_id"),
        (LM % ", bos_id: 3", "3: data.bos_id: got 3, which is also eos_id"),
        (
            LM % ", eos_id: 40000",
            "3: data.eos_id: got 40000, which leaves no id for a token: data.vocab_size = 32000 "
            "counts all ids, and 40001 are reserved or for unknown tokens",
        ),
        (
            LM % ",\n  oov_buckets: 3,\n  vocab_size: 6",
            "5: data.vocab_size: got 6, which leaves no id for a token: data.vocab_size = 6 counts "
            "all ids, and 6 are reserved or for unknown tokens",
        ),
        (
            LM % ",\n  oov_buckets: 40_000",
            "4: data.oov_buckets: got 40000, which leaves no id for a token",
        ),
        (
            START + "task: lm\ndata: {path: rows, schema: 'gs://b/schema.pbtxt'}",
            "3: data.schema: got 'gs://b/schema.pbtxt', expected a path of this machine (local runs do "
            "not support remote addresses yet)",
        ),
        (
            "pipeline:\n  name: p\n  root: s3://b\ntask: lm\ndata: {path: rows}",
            "3: pipeline.root: got 's3://b', expected a path of this machine",
        ),
        (
            LM % "" + "serving:\n  push_to: gs://b/models",
            "5: serving.push_to: got 'gs://b/models', expected a path of this machine",
        ),
        (
            LM % ", schema: 'gs://b/schema.pbtxt'",
            "3: data.schema: got 'gs://b/schema.pbtxt', expected a path of this machine",
        ),
        (
            NUMBERS.replace("d/{SPAN}", "gs://d/{SPAN}") % "",
            "3: data.path: got 'gs://d/{SPAN}', expected a path of this machine",
        ),
        (LM % ", max_source_length: 5", "3: data.max_source_length: has no effect in task lm"),
        (LM % "" + "transform: {input_chars: 5}", "4: transform.input_chars: got 5, expected 0"),
        (
            LM % "" + "transform: {weights: [mask, mask]}",
            "4: transform.weights: got mask, mask, expected mask and each factor once",
        ),
        (
            LM % "" + "transform: {weights: [mask, token]}",
            "4: transform.weights: got token, but data.columns names no weights column",
        ),
        (
            LM % ", columns: {weights: w}" + "transform: {weights: [mask]}",
            "4: transform.weights: got mask, which leaves the weights column of data.columns without "
            "use; expected also token",
        ),
        (
            LM % ", columns: {weights: w, example_weight: e}"
            + "transform: {weights: [mask, token]}",
            "4: transform.weights: got mask, token, which leaves the example_weight column of "
            "data.columns without use; expected also example",
        ),
        (
            TAGGING % "" + "transform: {target_tokenizer: byte}",
            "4: transform.target_tokenizer: got byte, expected pretokenized (task tagging)",
        ),
        (
            TAGGING % "" + "transform: {append_eos: true}",
            "4: transform.append_eos: got true, expected",
        ),
        (
            TAGGING % ", max_source_length: 5",
            "3: data.max_source_length: got 5, expected max_target_length = 100 (task tagging)",
        ),
        (
            TAGGING % "" + "model: {tie_embeddings: true}",
            "4: model.tie_embeddings: got true, but task tagging embeds no targets",
        ),
        (
            TAGGING % "" + "decode: {max_length: 5}",
            "4: decode.max_length: has no effect in task tagging",
        ),
        (
            TAGGING % "" + "transform: {share_vocabulary: true}",
            "4: transform.share_vocabulary: got true, but tags are no tokens",
        ),
        (
            SEQ2SEQ % "" + "transform: {share_vocabulary: true, source_tokenizer: byte}",
            "4: transform.share_vocabulary: got true, but the sources are cut by byte",
        ),
        (
            SEQ2SEQ % "" + "model: {family: transformer, heads: 3}",
            "4: model.heads: got 3, expected a divisor of model.units = 128",
        ),
        (
            LM % "" + "model:\n  family: transformer\n  units: 126",
            "6: model.units: got 126, expected a multiple of model.heads = 4",
        ),
        (
            SEQ2SEQ % "" + "model: {units: 127}",
            "4: model.units: got 127, expected an even number (each reading direction has half)",
        ),
        (
            TAGGING % "" + "model:\n  family: lstm\n  units: 3",
            "6: model.units: got 3, expected an even number",
        ),
        (
            SEQ2SEQ % "" + "model: {heads: 4}",
            "4: model.heads: has no effect with model.family gru; expected no value",
        ),
        (
            LM % "" + "model:\n  feed_forward: 512\n  family: lstm",
            "5: model.feed_forward: has no effect with model.family lstm; expected no value",
        ),
        (
            LM % "" + "batch: {type: tokens, size: 99}",
            "4: batch.size: got 99 tokens, expected at least data.max_target_length = 100",
        ),
        (
            SEQ2SEQ % ", max_source_length: 150" + "batch: {type: tokens, size: 149}",
            "4: batch.size: got 149 tokens, expected at least data.max_source_length = 150",
        ),
        (
            SEQ2SEQ % "" + "eval: {slices: [year]}",
            "4: eval.slices[0]: got 'year', expected one of target_length",
        ),
        (
            SEQ2SEQ % "" + "eval: {slices: [target_length, target_length]}",
            "4: eval.slices[1]: got 'target_length' twice",
        ),
        (
            SEQ2SEQ % "" + "eval: {thresholds: [{metric: perplexity}]}",
            "4: eval.thresholds[0]: got no bound, expected one of max, min, max_increase,",
        ),
        (
            SEQ2SEQ % "" + "eval: {thresholds: [{metric: perplexity, min: 1, max: 2}]}",
            "4: eval.thresholds[0]: got max and min, expected one of max, min, max_increase,",
        ),
        (
            SEQ2SEQ % "" + "eval: {thresholds: [{metric: token_accuracy, max_increase: 1}]}",
            "4: eval.thresholds[0].max_increase: forbids token_accuracy to get better",
        ),
        (
            SEQ2SEQ % "" + "eval: {thresholds: [{metric: perplexity, max_decrease: 1}]}",
            "4: eval.thresholds[0].max_decrease: forbids perplexity to get better",
        ),
        (
            SEQ2SEQ % "" + "eval:\n  thresholds:\n  - metric: token_accuracy\n    min: 95",
            "7: eval.thresholds[0].min: got 95, expected a share from 0 to 1, as token_accuracy",
        ),
        (
            SEQ2SEQ % "" + "eval: {thresholds: [{metric: sequence_accuracy, max: -0.1}]}",
            "4: eval.thresholds[0].max: got -0.1, expected a share from 0 to 1",
        ),
        (
            SEQ2SEQ % "" + "eval: {thresholds: [{metric: sequence_accuracy, max_decrease: 2}]}",
            "4: eval.thresholds[0].max_decrease: got 2, expected a share from 0 to 1",
        ),
        (NUMBERS.replace("seq2seq", "lm") % "", "3: data.generator.name: writes seq2seq rows, but"),
        (NUMBERS % ", format: csv", "3: data.format: got csv, but data.generator writes jsonl"),
        (
            NUMBERS % ", columns: {source: s}",
            "3: data.columns.source: got 's', but data.generator writes 'source'",
        ),
        (
            NUMBERS % ", columns: {weights: w}",
            "3: data.columns.weights: data.generator writes no such column",
        ),
        (
            NUMBERS % ", extra_columns: {digits: text}",
            "3: data.extra_columns.digits: got text, but data.generator writes only digits",
        ),
        (
            NUMBERS.replace("/{SPAN}", "") % "",
            "3: data.path: got 'd', but data.generator needs {SPAN}",
        ),
    ],
)
def test_one_contradiction(load: Callable[[str], Config], text: str, expected: str) -> None:
    problems = _problems(load, text)
    assert len(problems) == 1, problems
    assert problems[0].startswith(expected), problems


@pytest.mark.parametrize(
    ("text", "size"),
    [
        (LM % "", 64),
        (LM % "" + "batch: {type: tokens}", 4096),
        (LM % ", max_target_length: 5000" + "batch: {type: tokens}", 5000),
        (LM % "" + "batch: {type: tokens, size: 300}", 300),
    ],
)
def test_size_of_a_batch(load: Callable[[str], Config], text: str, size: int) -> None:
    assert load(text).batch.size == size


@pytest.mark.parametrize("task", [SEQ2SEQ, LM, TAGGING])
def test_pad_may_equal_eos_and_need_not_be_0(load: Callable[[str], Config], task: str) -> None:
    config = load(task % ", pad_id: 3, unk_id: 0")
    assert (config.data.pad_id, config.data.eos_id) == (3, 3)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(LM % ", vocab_size: 5", id="room for one token"),
        pytest.param(LM % ", vocab_size: 7, oov_buckets: 3", id="and for two more unknown ids"),
        pytest.param(LM % ", vocab_size: 10, bos_id: 8", id="a gap in the reserved ids"),
        pytest.param(LM % "" + "model: {units: 127}", id="a language model reads one way"),
        pytest.param(
            SEQ2SEQ % "" + "model: {family: transformer, units: 9, heads: 3, feed_forward: 5}",
            id="odd units with a transformer",
        ),
        pytest.param(
            LM % "" + "eval: {thresholds: [{metric: token_accuracy, min: 1},"
            " {metric: sequence_accuracy, min: 0}, {metric: perplexity, max: 400}]}",
            id="bounds at the ends, and of what is no share",
        ),
        pytest.param(
            LM % ", columns: {weights: w}" + "transform: {weights: [mask, token]}",
            id="the factor of the column",
        ),
        pytest.param(LM % "" + "batch: {type: tokens, size: 100}", id="a row fills the batch"),
        pytest.param(LM % "" + "batch: {size: 2}", id="examples may be longer than their number"),
    ],
)
def test_what_is_just_allowed(load: Callable[[str], Config], text: str) -> None:
    load(text)


def test_all_problems_at_once_in_the_order_of_the_file(load: Callable[[str], Config]) -> None:
    text = (
        "pipeline: {name: p, rot: x}\n"
        "task: lm\n"
        "data:\n"
        "  path: nowhere\n"
        "  pad_id: 2\n"
        "eval:\n"
        "  slices: [year]\n"
        "train:\n"
        "  epochs: many\n"
        "  steps: 5\n"
        "  seed: x\n"
        "3: 4\n"
    )
    keys = [re.sub(r"^(\d+: \S+): .*", r"\1", problem) for problem in _problems(load, text)]
    assert keys == [
        "1: pipeline.rot",
        "4: data.path",
        "5: data.pad_id",
        "7: eval.slices[0]",
        "9: train.epochs",
        "11: train.seed",
        "12: 3",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[1, 2]", "c.yaml:1: got a list, expected a mapping of sections"),
        ("", "c.yaml: got an empty file, expected a configuration"),
        ("a: [1\nb: 2", "c.yaml:2: not valid YAML: "),
        ("a: *b", "c.yaml:1: not valid YAML: found undefined alias 'b'"),
        ("a: 1\n---\nb: 2", "c.yaml:2: not valid YAML: expected a single document in the stream"),
        ("a: 1\n\tb: 2", "c.yaml:2: not valid YAML: "),
        (
            "data: {extra_columns: {a: text?}}",
            "c.yaml:1: not valid YAML: while parsing a flow mapping; expected ',' or '}', but got '?' "
            '(inside { } a text with a ? needs quotes: "text?")',
        ),
        ("a: 1\nb: \x07", "c.yaml:2: not valid YAML: character 0x7 is not allowed"),
        ("[" * 5000, "c.yaml: not valid YAML: nested too deeply"),
    ],
)
def test_what_is_not_yaml_is_one_line(
    load: Callable[[str], Config], text: str, expected: str
) -> None:
    with pytest.raises(InputError) as caught:
        load(text)
    assert str(caught.value).startswith(expected)
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: pathlib.Path) -> None:
    with pytest.raises(
        InputError, match=r"none\.yaml: cannot read the configuration: No such file"
    ):
        load_config(tmp_path / "none.yaml")
    with pytest.raises(InputError, match="cannot read the configuration: Is a directory"):
        load_config(tmp_path)
    (tmp_path / "c.yaml").write_bytes("a: ü".encode("latin-1"))
    with pytest.raises(InputError, match=r"c\.yaml: got a file that is not UTF-8"):
        load_config(tmp_path / "c.yaml")


def test_a_tag_runs_nothing(load: Callable[[str], Config]) -> None:
    text = LM % "" + "train: {seed: !!python/object/apply:os.getpid []}"
    assert _problems(load, text)[0].startswith("4: train.seed: got a list, expected an integer")


def test_loads_fast_and_without_tensorflow() -> None:
    code = (
        "import sys, pipeline.config as c; c.load_config('pipeline_config.yaml');"
        "print([m for m in ('tensorflow', 'tfx', 'apache_beam', 'numpy') if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
    start = time.process_time()
    load_config(REPOSITORY / "pipeline_config.yaml")
    assert time.process_time() - start < 0.1
