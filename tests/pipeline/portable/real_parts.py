"""The parts of the line that run Beam pipelines, each as its executor or command runs it.

`Parts` takes the arguments of a runner; all that the parts write is below one folder, and what they give
is made of plain values, so that two runs can be compared.
"""

import dataclasses
import glob
import json
import os
import pathlib
import random
from typing import Any

import apache_beam as beam
import tensorflow as tf
import tfx.components  # noqa: F401  (before TFDV)
from tfx.types import artifact_utils, standard_artifacts

from benchmarks import served_model
from components import artifacts
from components.evaluator import evaluation
from components.example_gen.columns import Kind
from components.example_gen.executor import Executor as ExampleGen
from components.sequence_transform import spec as transform_spec
from components.sequence_transform.executor import Executor as Transform
from components.span_check import executor as span_check
from components.span_check.request import LENGTHS, WORDS, Checks, Measure
from components.span_window.window import Window
from components.vocabulary_gen import spec as vocabulary_spec
from components.vocabulary_gen.executor import Executor as VocabularyGen
from pipeline.__main__ import main
from transform.settings import Settings, Side
from transform.vocabulary import Vocabularies, Vocabulary

KNOWN = ("ab", "cd", "ef", "gh", "ij")
BIO = ("B-X", "I-X", "O")
TRANSLATION = {"source": "text", "target": "text", "w": "number?"}
TAGS = {"words": "text_list", "tags": "text_list"}
SEQ2SEQ = Settings(
    "seq2seq", Side("target", "whitespace", 12), Side("source", "whitespace", 12),
    weights=("mask", "example"), example_weights="w",
)  # fmt: skip
TAGGING = Settings(
    "tagging",
    Side("tags", "pretokenized", 8, append_eos=False),
    Side("words", "pretokenized", 8, append_eos=False),
)
LEARNED = Settings("lm", Side("text", "sentencepiece", 12))
SPLIT = '{"train": 3, "eval": 1}'


def learning() -> str:
    """ExampleGen's `sequences`: windows of pieces that are learned in a first pass."""
    settings = {"policy": "window", "settings": LEARNED.to_json(), "vocab_size": 330}
    return json.dumps(settings | {"window": {"stride": 5}})


@dataclasses.dataclass(frozen=True)
class Made:
    """What stands before the line: rows of three tasks, and a served model of two of them."""

    folder: pathlib.Path
    translator: str
    tagger: str
    other_translator: str


def make(folder: pathlib.Path) -> Made:
    """Write the rows, in several files, and export the models."""
    dice = random.Random(11)
    seq2seq, tagging, texts = [], [], []
    for number in range(180):
        words = dice.choices((*KNOWN, "zz", "ü"), k=dice.choice((1, 2, 3, 5, 9)))
        source, target = " ".join(words), " ".join(reversed(words))
        seq2seq.append({"source": source, "target": target, "w": dice.choice((0.5, 1.0, 2.0))})
        tagging.append({"words": words, "tags": dice.choices(BIO, k=len(words))})
        texts.append({"text": f"some words, and more of them: {number} {source}"})
    for name, rows in (("seq2seq", seq2seq), ("tagging", tagging), ("lm", texts)):
        for part in range(3):  # so that there are several units and shards
            path = folder / "data" / name / f"span-{part + 1}" / "rows.jsonl"
            path.parent.mkdir(parents=True)
            path.write_text("".join(json.dumps(row) + "\n" for row in rows[part::3]))
    words = Vocabulary(tuple(word.encode() for word in KNOWN))
    both = Vocabularies({"source": words, "target": words}, SEQ2SEQ.token_identity())
    columns = {"source": tf.string, "target": tf.string, "w": tf.float32}
    models = [
        served_model.make(
            str(folder / f"translator{seed}"), SEQ2SEQ, both, columns, seed=seed, scale=1.0, units=8
        )
        for seed in (3, 4)
    ]
    tags = Vocabulary(tuple(tag.encode() for tag in BIO))
    sides = Vocabularies({"source": words, "target": tags}, TAGGING.token_identity())
    of_tags = {"words": tf.string, "tags": tf.string}
    made = folder / "tagger"
    tagger = served_model.make(str(made), TAGGING, sides, of_tags, scale=1.0, units=8)
    return Made(folder, models[0], tagger, models[1])


@dataclasses.dataclass
class Parts:
    """The parts, under one runner.

    Attributes:
      made: what they work on.
      arguments: Beam's.
      into: folder of what they write.
    """

    made: Made
    arguments: list[str]
    into: pathlib.Path

    def ingest(self, name: str, columns: dict[str, str], **more: Any) -> dict[str, Any]:
        """ExampleGen: the bytes of all shards, and the report."""
        examples, report = standard_artifacts.Examples(), artifacts.IngestReport()
        outputs = {"examples": [examples], "ingest_report": [report]}
        examples.uri, report.uri = self._at(name, "examples"), self._at(name, "report")
        if "sequences" in more:
            subwords = artifacts.Subwords()
            subwords.uri = self._at(name, "subwords")
            outputs["subwords"] = [subwords]
        values = {
            "input_base": str(self.made.folder / "data" / name / "span-{SPAN}"),
            "format": "jsonl",
            "columns": json.dumps(columns),
            "split": SPLIT,
            "spans": "[1, 2, 3]",
        }
        ExampleGen(self._context(ExampleGen, f"{name}-ingest")).Do({}, outputs, values | more)
        text = json.dumps(json.loads(pathlib.Path(report.uri, "report.json").read_text()))
        return {"files": _bytes_below(self._at(name)), "report": text}

    def vocabulary(self, name: str, settings: Settings) -> dict[str, Any]:
        """VocabularyGen on what `ingest` wrote: the vocabulary's hash, and the ledger."""
        vocabulary, ledger = artifacts.Vocabulary(), artifacts.TokenLedger()
        vocabulary.uri, ledger.uri = self._at(name, "vocabulary"), self._at(name, "ledger")
        properties = {
            vocabulary_spec.SETTINGS: settings.to_json(),
            vocabulary_spec.VOCABULARY_SIZE: 100,
            vocabulary_spec.MIN_FREQUENCY: 1,
            vocabulary_spec.MAX_LOST_TOKENS: 1.0,
            vocabulary_spec.MAX_OOV_RATE: 1.0,
            vocabulary_spec.BASE_VOCABULARY: "",
            vocabulary_spec.INPUT_KEY: "key",
        }
        inputs = {"examples": [self._examples(name)], "ingest_report": [self._report(name)]}
        outputs = {"vocabulary": [vocabulary], vocabulary_spec.LEDGER: [ledger]}
        executor = VocabularyGen(self._context(VocabularyGen, f"{name}-vocabulary"))
        executor.Do(inputs, outputs, properties)
        written = json.loads(pathlib.Path(ledger.uri, "ledger.json").read_text())
        return {"hash": Vocabularies.read(vocabulary.uri).digest, "ledger": written}

    def transform(self, name: str, settings: Settings, columns: dict[str, Any]) -> dict[str, Any]:
        """Transform on what `ingest` and `vocabulary` wrote: its records, in order."""
        from google.protobuf import text_format
        from tensorflow_transform.tf_metadata import schema_utils

        schema, vocabulary = standard_artifacts.Schema(), artifacts.Vocabulary()
        schema.uri, vocabulary.uri = self._at(name, "schema"), self._at(name, "vocabulary")
        spec = {column: tf.io.VarLenFeature(kind) for column, kind in columns.items()}
        text = text_format.MessageToString(schema_utils.schema_from_feature_spec(spec))
        os.makedirs(schema.uri, exist_ok=True)
        pathlib.Path(schema.uri, "schema.pbtxt").write_text(text)
        graph, transformed = standard_artifacts.TransformGraph(), standard_artifacts.Examples()
        graph.uri, transformed.uri = self._at(name, "graph"), self._at(name, "transformed")
        Transform(self._context(Transform, f"{name}-transform")).Do(
            {
                transform_spec.EXAMPLES: [self._examples(name)],
                transform_spec.SCHEMA: [schema],
                transform_spec.VOCABULARY: [vocabulary],
            },
            {
                transform_spec.TRANSFORM_GRAPH: [graph],
                transform_spec.TRANSFORMED_EXAMPLES: [transformed],
            },
            {transform_spec.SETTINGS: settings.to_json(), transform_spec.CODE_HASH: ""},
        )
        return {"files": _bytes_below(transformed.uri)}

    def measure(self, name: str) -> dict[str, Any]:
        """SpanCheck on what `ingest` wrote: the statistics of the newest span."""
        from components.span_check import statistics

        checks = Checks(
            (
                Measure("source", Kind.TEXT, LENGTHS, drift=9.0, skew=9.0),
                Measure("source", Kind.TEXT, WORDS, drift=9.0, skew=9.0),
            ),
            {"drift": 1, "skew": 1},
        )
        made, window = artifacts.SpanStatistics(), artifacts.SpanList()
        made.uri, window.uri = self._at(name, "statistics"), self._at(name, "window")
        os.makedirs(window.uri, exist_ok=True)
        spans = Window(spans=(1, 2, 3), new=(2, 3), fingerprint="")
        pathlib.Path(window.uri, "spans.json").write_text(spans.to_json())
        executor = span_check.Executor(self._context(span_check.Executor, f"{name}-check"))
        executor.Do(
            {
                "examples": [self._examples(name)],
                "ingest_report": [self._report(name)],
                "span_window": [window],
            },
            {"statistics": [made]},
            {"checks": checks.to_json(), "data_key": "key"},
        )
        from google.protobuf import json_format

        found = statistics.read(made.uri, ["train", "eval"])
        return {split: json_format.MessageToDict(each) for split, each in found.items()}

    def evaluate(self, name: str, model: str, baseline: str | None = None) -> dict[str, Any]:
        """The Evaluator on what `ingest` wrote: all sums, incidents, rows of tables, decoded texts."""
        request = evaluation.EvaluationRequest(
            example_patterns=(os.path.join(self._at(name, "examples"), "Split-*", "*.gz"),),
            candidate=model,
            baseline=baseline,
            output=self._at(name, "evaluation"),
            slices=("target_length", "token_position", "token_unknown"),
            vocabulary=os.path.join(os.path.dirname(os.path.dirname(model)), "vocabulary"),
            ingest_report=self._at(name, "report"),
            batch_size=16,
            min_tokens=0,
            decode_examples=20,
        )
        found = evaluation.evaluate(request, lambda: beam.Pipeline(argv=self.arguments))
        reports = [dataclasses.asdict(report) for report in found.reports]
        return {"reports": reports, "tables": found.tables, "of_task": dict(found.of_task)}

    def batch(self, command: str, name: str, model: str) -> list[Any]:
        """`tokenline score` or `predict` with `--output`: its rows."""
        output = self.into / f"{name}-{command}.jsonl"
        files = str(self.made.folder / "data" / name / "span-*" / "rows.jsonl")
        options = ["--model", model, "--output", str(output)]
        more = ["--tokens"] if command == "score" else []
        beam_options = "--beam=" + " ".join(f"'{each}'" for each in self.arguments)
        assert main([command, files, *options, *more, beam_options]) == 0
        return [json.loads(line) for line in output.read_text().splitlines()]

    def _at(self, *names: str) -> str:
        return str(self.into.joinpath(*names))

    def _context(self, kind: Any, name: str) -> Any:
        return kind.Context(
            beam_pipeline_args=self.arguments, tmp_dir=self._at("tmp"), unique_id=name
        )

    def _examples(self, name: str) -> standard_artifacts.Examples:
        found = standard_artifacts.Examples()
        found.uri = self._at(name, "examples")
        found.split_names = artifact_utils.encode_split_names(["train", "eval"])
        return found

    def _report(self, name: str) -> artifacts.IngestReport:
        found = artifacts.IngestReport()
        found.uri = self._at(name, "report")
        return found


def _bytes_below(folder: str) -> dict[str, bytes]:
    """Each file's content; of gzip files what is in them, record by record, is in the same bytes."""
    files = sorted(
        path for path in glob.glob(f"{folder}/**", recursive=True) if os.path.isfile(path)
    )
    return {os.path.relpath(path, folder): pathlib.Path(path).read_bytes() for path in files}
