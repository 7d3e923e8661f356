"""Finished runs as `tokenline run` leaves them, made in seconds: tiny models, no training."""

import dataclasses
import functools
import json
import pathlib
import random
from collections.abc import Callable, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_transform import beam as tft_beam
from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io, schema_utils

from components.trainer import export, training
from components.trainer.models import build_model
from components.trainer.request import BatchOptions, LossOptions, ModelOptions, TrainOptions
from components.trainer.request import TrainRequest as Request
from pipeline.config import Config, load_config
from pipeline.settings import token_settings
from pipeline.verify import case as cases
from pipeline.verify import sample, splitting, subject
from pipeline.verify.model import ExportedModel
from transform import preprocessing
from transform.settings import Settings
from transform.vocabulary import Vocabularies, Vocabulary

RUN = "20260102-030405"
CONFIGS = {
    "lm": """
pipeline: {name: small, root: runs}
task: lm
data:
  path: rows
  columns: {text: line, example_weight: trust}
  max_target_length: 12
  pad_id: 3
  eos_id: 3
model: {family: lstm, units: 8, tie_embeddings: true}
batch: {size: 5}
""",
    "seq2seq": """
pipeline: {name: small, root: runs}
task: seq2seq
data:
  path: rows
  columns: {source: source, target: target, weights: importance}
  max_source_length: 9
  max_target_length: 10
transform: {source_tokenizer: character, target_tokenizer: pretokenized}
model: {family: gru, units: 8}
batch: {size: 5}
""",
    "tagging": """
pipeline: {name: small, root: runs}
task: tagging
data:
  path: rows
  columns: {tokens: words, tags: kinds, weights: importance}
  max_target_length: 9
  pad_id: 3
  eos_id: 0
transform: {input_chars: 4}
model: {family: transformer, units: 8, heads: 2, feed_forward: 16}
batch: {size: 5}
""",
}
_WORDS = ("ab", "cd", "ef", "gh", "ij")


def raw_row(task: str, dice: random.Random) -> dict[str, list]:
    """One raw row; lengths and weights are uneven, and one word is not in the vocabulary."""
    words = dice.choices((*_WORDS, "zz"), k=dice.randint(1, 8))
    weights = [dice.choice([0.0, 0.5, 1.0, 2.0]) for _ in words]
    weights[0] = 1.0
    if task == "lm":
        return {"line": [" ".join(words)], "trust": [dice.choice([0.5, 1.0, 3.0])]}
    if task == "seq2seq":
        return {"source": ["".join(words)], "target": words, "importance": weights}
    kinds = [dice.choice("LDX") for _ in words]
    return {"words": words, "kinds": kinds, "importance": weights}


def serialize(row: dict[str, list]) -> bytes:
    example = tf.train.Example()
    for name, values in row.items():
        feature = example.features.feature[name]
        if isinstance(values[0], str):
            feature.bytes_list.value.extend(value.encode() for value in values)
        else:
            kind = feature.int64_list if isinstance(values[0], int) else feature.float_list
            kind.value.extend(values)
    return example.SerializeToString()


def vocabularies(settings: Settings) -> Vocabularies:
    letters = tuple(letter.encode() for letter in "abcdefghij")
    words = tuple(word.encode() for word in _WORDS)
    tokens = {"target": words}
    if settings.task == "seq2seq":
        tokens["source"] = letters
    if settings.task == "tagging":
        tokens = {"target": (b"D", b"L", b"X"), "source": words, "characters": letters}
    sides = {name: Vocabulary(each, settings.special) for name, each in tokens.items()}
    return Vocabularies(sides, settings.token_identity())


def transform_graph(folder: pathlib.Path, settings: Settings, row: dict[str, list]) -> str:
    """The transform graph as Transform writes it, beside the vocabulary `folder`/vocabulary."""
    kinds = {str: tf.string, float: tf.float32}
    spec = {name: tf.io.VarLenFeature(kinds[type(v[0])]) for name, v in row.items()}
    config = {
        preprocessing.SETTINGS: settings.to_json(),
        preprocessing.VOCABULARY: str(folder / "vocabulary"),
    }
    function = functools.partial(preprocessing.preprocessing_fn, custom_config=config)
    metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec(spec))
    rows = [{name: [_bytes(value) for value in values] for name, values in row.items()}]
    with (
        beam.Pipeline(argv=["--runner=FnApiRunner"]) as pipeline,
        tft_beam.Context(str(folder / "tmp")),
    ):
        data = pipeline | beam.Create(rows)
        _, made = (data, metadata) | tft_beam.AnalyzeAndTransformDataset(function)
        _ = made | tft_beam.WriteTransformFn(str(folder / "graph"))
    metadata_io.write_metadata(metadata, str(folder / "graph" / "metadata"))
    return str(folder / "graph")


def _bytes(value: Any) -> Any:
    return value.encode() if isinstance(value, str) else value


def materialise(rows: Sequence[dict[str, list]], settings: Settings) -> list[bytes]:
    """The rows as Transform writes them, computed eagerly, without the transform graph."""
    ours = vocabularies(settings)
    inputs = {name: tf.ragged.constant([_list(row[name]) for row in rows]) for name in rows[0]}
    tables = {name: side.token_table() for name, side in ours.sides.items()}
    found = preprocessing.transform(inputs, settings, ours, tables)
    arrays = {name: value.numpy() for name, value in found.items()}
    return [transformed_row({k: v[place] for k, v in arrays.items()}) for place in range(len(rows))]


def _list(values: list) -> list:
    return [_bytes(value) for value in values]


def transformed_row(features: dict[str, np.ndarray]) -> bytes:
    example = tf.train.Example()
    for name, value in features.items():
        feature = example.features.feature[name]
        kind = feature.float_list if value.dtype.kind == "f" else feature.int64_list
        kind.value.extend(np.ravel(value))
    return example.SerializeToString()


@dataclasses.dataclass(frozen=True)
class Project:
    """A finished run: its configuration, its folders, and the model as it was before export."""

    folder: pathlib.Path
    config: Config
    settings: Settings
    rows: tuple[dict[str, list], ...]
    network: Any
    request: Request

    @property
    def artifacts(self) -> pathlib.Path:
        return self.folder / "runs" / "small" / "artifacts"

    @property
    def model(self) -> str:
        return self.request.serving_folder

    def subject(self, **options: str | None) -> subject.Subject:
        return subject.find(self.config, **({"run": None, "model": None} | options))

    def case(self, count: int = 40) -> cases.Case:
        """What `tokenline verify --examples COUNT` looks at."""
        found = self.subject()
        raw = sample.choose(found.raw, count, 0)
        return cases.build(found, ExportedModel(found.model), raw, 0)


def _network(request: Request) -> Any:
    """A model with weights that make peaked, unequal logits."""
    network = build_model(training.model_spec(request, vocabularies(request.settings)))
    dice = np.random.default_rng(7)
    for variable in network.trainable_variables:
        variable.assign(dice.normal(size=variable.shape))
    return network


def _make(folder: pathlib.Path, task: str) -> Project:
    (folder / "pipeline_config.yaml").write_text(CONFIGS[task])
    (folder / "rows").mkdir()
    (folder / "rows" / "rows.jsonl").write_text("")
    config = load_config(str(folder / "pipeline_config.yaml"))
    config = dataclasses.replace(
        config, pipeline=dataclasses.replace(config.pipeline, root=str(folder / "runs"))
    )
    settings = token_settings(config)
    dice = random.Random(3)
    rows = tuple(raw_row(task, dice) for _ in range(40))
    artifacts = folder / "runs" / "small" / "artifacts"
    artifacts.mkdir(parents=True)
    vocabularies(settings).write(str(artifacts / "vocabulary"))
    sizes = dataclasses.asdict(config.model)
    del sizes["preset"]
    request = Request(
        train_files=(),
        eval_files=(),
        transform_graph=transform_graph(artifacts, settings, rows[0]),
        vocabulary=str(artifacts / "vocabulary"),
        serving_folder=str(artifacts / "model" / "Format-Serving"),
        settings=settings,
        model=ModelOptions(**sizes),
        loss=LossOptions(label_smoothing=0.2),
        batch=BatchOptions(size=5),
        train=TrainOptions(decode_length=4),
    )
    network = _network(request)
    export.export(network, request, vocabularies(settings))
    _write_split(artifacts / "examples", [serialize(row) for row in rows])
    _write_split(artifacts / "transformed", materialise(rows, settings))
    project = Project(folder, config, settings, rows, network, request)
    _write_record(project, materialise(rows, settings))
    return project


def _write_split(folder: pathlib.Path, rows: Sequence[bytes]) -> None:
    split = folder / "Split-eval"
    split.mkdir(parents=True)
    for name, part in (("a", rows[:9]), ("b", rows[9:])):
        sample.write(part, str(split / f"rows-{name}.gz"))


def _write_record(project: Project, materialised: list[bytes]) -> None:
    """The run's record, with the loss per token from the network in memory, in float64."""
    lengths = training.contract_lengths(project.settings)
    spec = training.features.feature_spec(lengths)
    batch = tf.io.parse_example(materialised, spec)
    objective = training.Objective(project.network, project.settings, LossOptions())
    logits = project.network(objective.inputs(batch)).numpy().astype(np.float64)
    weights = batch["loss_weights"].numpy().astype(np.float64)
    log_sums = np.log(np.exp(logits).sum(axis=-1))
    chosen = np.take_along_axis(logits, batch["targets"].numpy()[..., None], axis=-1)[..., 0]
    loss = float((weights * (log_sums - chosen)).sum() / weights.sum())
    made = {
        "ExampleGen": {"examples": "examples"},
        "Transform": {"transformed_examples": "transformed"},
        "VocabularyGen": {"vocabulary": "vocabulary"},
        "SequenceTrainer": {"model": "model"},
    }
    record = {
        "pipeline": "small",
        "task": project.settings.task,
        "run": RUN,
        "outputs": {
            node: {name: str(project.artifacts / place) for name, place in outputs.items()}
            for node, outputs in made.items()
        },
        "metrics": {"slices": [{"candidate": {"masked_token_loss": loss}}]},
        "history": {"validation": {"masked_token_loss": loss}},
        "config": {"batch": {"size": 5, "bucket_multiple": 4}},
    }
    folder = project.folder / "runs" / "small" / "runs" / RUN
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(record))


@pytest.fixture(scope="session")
def project(tmp_path_factory) -> Callable[[str], Project]:
    """The finished run of a task; made once a session, and not to be changed."""

    @functools.cache
    def of(task: str) -> Project:
        return _make(tmp_path_factory.mktemp(task), task)

    return of


@pytest.fixture(scope="session")
def case(project) -> Callable[[str], cases.Case]:
    """What a certificate of that run looks at; made once a session."""
    return functools.cache(lambda task: project(task).case())


@pytest.fixture
def no_beam(monkeypatch) -> None:
    """The Evaluator's number without its Beam pipeline, where a test is about another one."""

    def right(case: cases.Case, **_: int) -> float:
        scores = case.model.score(case.raw.rows)
        return scores["loss_sum"].sum() / scores["weight_sum"].sum()

    monkeypatch.setattr(splitting, "evaluator_loss", right)
