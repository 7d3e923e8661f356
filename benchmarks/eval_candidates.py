"""What is compared: the bare forward pass, our Evaluator, TFX's, and a Beam pipeline of a few lines.

All score the same 20 000 sentences with the same model, which is not trained: what it says costs the
same. Each candidate is a function without arguments that does all its work once.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import apache_beam as beam
import numpy as np
import tensorflow as tf
from tensorflow_model_analysis.proto import config_pb2
from tfx.components.evaluator import executor as tfx_evaluator
from tfx.types import artifact_utils, standard_artifacts
from tfx.utils import proto_utils

from benchmarks import eval_metric, sentences, transform_candidates
from components import shards
from components.beam_runner import IN_PROCESS, RUNNER
from components.evaluator import executor, spec
from components.evaluator.evaluation import SUMS_FILE
from components.trainer import batching, training
from components.trainer.export import ServedModel, export
from components.trainer.models import SequenceModel, build_model
from components.trainer.objective import Objective
from components.trainer.request import (
    BatchOptions,
    LossOptions,
    ModelOptions,
    TrainOptions,
    TrainRequest,
)
from pipeline.config.eval import EvalConfig
from transform import features
from transform.vocabulary import Vocabularies

TOKENS, UNITS = 1000, 64
EVAL_SHARE = 0.8  # the others make the vocabulary
SETTINGS = transform_candidates.SETTINGS
BATCH = EvalConfig().batch_size
_UNSORTED = 256
GROUP = "group"


def prepare(root: str, count: int) -> None:
    """Sentences, `count` of them in `eval`; what Transform makes of them; two models."""
    data, output = os.path.join(root, "data"), os.path.join(root, "made")
    sentences.write(data, round(count / EVAL_SHARE), EVAL_SHARE)
    for path in shards.files(os.path.join(data, "Split-eval")):
        _add_groups(path)
    transform_candidates.ours(data, output, tokens=TOKENS)
    vocabularies = Vocabularies.read(os.path.join(output, "vocabulary"))
    for seed, name in enumerate(("candidate", "baseline")):
        request = _train_request(root, name, seed)
        model = build_model(training.model_spec(request, vocabularies))
        export(model, request, vocabularies)
    _save_sums_only(root, vocabularies)


def floor(root: str) -> Callable[[], dict[str, float]]:
    """The network's forward pass, its logits and their cross-entropy, and nothing else.

    Its batches are transformed, sorted by length, as large as ours, cut to their longest row, and in
    memory; the model is loaded and traced: what is counted is what no evaluation can do without.
    """
    request = _train_request(root, "candidate", 0)
    vocabularies = Vocabularies.read(os.path.join(root, "made", "vocabulary"))
    model = build_model(training.model_spec(request, vocabularies))
    objective = Objective(model, SETTINGS, LossOptions())
    batches = list(_sorted_batches(os.path.join(root, "made", "transformed", "Split-eval")))
    signature = {
        name: tf.TensorSpec([None] * value.shape.rank, value.dtype)
        for name, value in batches[0].items()
    }
    loss = tf.function(
        lambda batch: _loss_sum(model, objective, batch),
        input_signature=[signature],
        autograph=False,
    )
    weight = sum(float(tf.reduce_sum(batch[features.LOSS_WEIGHTS])) for batch in batches)
    loss(batches[0])
    return lambda: {"loss": sum(float(loss(batch)) for batch in batches) / weight}


def ours(root: str, *, baseline: bool = False) -> Callable[[], dict[str, float]]:
    """SequenceEvaluator: its executor from the artifacts to the blessing, TFMA's files included."""

    def run() -> dict[str, float]:
        output = _emptied(root, "ours")
        inputs = {spec.EXAMPLES: [_examples(root)], spec.MODEL: [_model(root, "candidate")]}
        if baseline:
            inputs[spec.BASELINE_MODEL] = [_model(root, "baseline")]
        outputs = _outputs(output, spec.EVALUATION, spec.BLESSING)
        properties = {
            spec.EXAMPLE_SPLITS: '["eval"]',
            spec.SLICES: json.dumps([GROUP]),
            spec.THRESHOLDS: json.dumps([{"metric": "masked_token_loss", "max": 100.0}]),
            spec.BATCH_SIZE: BATCH,
            spec.BLOCK_ROWS: EvalConfig().block_rows,
            spec.BLOCK_MB: EvalConfig().block_mb,
            spec.CONFIDENCE: EvalConfig().confidence,
            spec.MIN_TOKENS: EvalConfig().min_tokens,
            spec.BLESSING_RULE: "{}",
            spec.WORST: EvalConfig().worst,
            spec.WORST_MIN_TOKENS: EvalConfig().worst_min_tokens,
            spec.SAMPLES: 0,  # the others decode nothing
            spec.DECODE_EXAMPLES: 0,
        }
        _run(executor.Executor, inputs, outputs, properties, root)
        with open(os.path.join(output, "evaluation", "metrics.json")) as file:
            return {"loss": json.load(file)["slices"][0]["candidate"]["masked_token_loss"]}

    return run


def stock(root: str) -> Callable[[], dict[str, float]]:
    """TFX's Evaluator with TFMA's jackknife, on a signature that has only the sums it needs."""

    def run() -> dict[str, float]:
        output = _emptied(root, "stock")
        config = config_pb2.EvalConfig(
            model_specs=[config_pb2.ModelSpec(signature_name="score")],
            slicing_specs=[
                config_pb2.SlicingSpec(),
                config_pb2.SlicingSpec(feature_keys=[GROUP]),
            ],
            metrics_specs=[
                config_pb2.MetricsSpec(
                    metrics=[
                        config_pb2.MetricConfig(
                            class_name="SequenceMetrics", module=eval_metric.__name__
                        )
                    ]
                )
            ],
            options=config_pb2.Options(
                compute_confidence_intervals={"value": True},
                confidence_intervals={"method": "JACKKNIFE"},
            ),
        )
        inputs = {"examples": [_examples(root)], "model": [_model(root, "sums")]}
        outputs = _outputs(output, "evaluation", "blessing")
        properties = {
            "eval_config": proto_utils.proto_to_json(config),
            "example_splits": '["eval"]',
        }
        _run(tfx_evaluator.Executor, inputs, outputs, properties, root)
        return {"loss": _stock_loss(os.path.join(output, "evaluation"))}

    return run


def lean(root: str) -> Callable[[], dict[str, float]]:
    """Beam's own reader and batches, unsorted; sums over all and nothing else."""

    def run() -> dict[str, float]:
        path = os.path.join(_emptied(root, "lean"), SUMS_FILE)
        with beam.Pipeline(argv=[RUNNER]) as pipeline:
            _ = (
                pipeline
                | beam.io.ReadFromTFRecord(os.path.join(root, "data", "Split-eval", "*"))
                | beam.BatchElements(_UNSORTED, _UNSORTED)
                | beam.ParDo(_LeanScore(_folder(root, "sums")))
                | beam.CombineGlobally(sum)
                | beam.Map(_write, path)
            )
        with open(path) as file:
            sums = json.load(file)
        return {"loss": sums[0] / sums[1]}

    return run


class _LeanScore(beam.DoFn):
    def __init__(self, folder: str) -> None:
        self._folder = folder

    def setup(self) -> None:
        self._model = tf.saved_model.load(self._folder)

    def process(self, batch: list[bytes]) -> Iterator[np.ndarray]:
        scores = self._model.signatures["score"](tf.constant(batch))
        names = eval_metric.SCORES
        yield np.array([scores[name].numpy().sum(dtype=np.float64) for name in names])


CANDIDATES: dict[str, Callable[[str], Callable[[], dict[str, float]]]] = {
    "floor": floor,
    "ours": ours,
    "ours with baseline": lambda root: ours(root, baseline=True),
    "stock": stock,
    "lean": lean,
}


def _train_request(root: str, name: str, seed: int) -> TrainRequest:
    return TrainRequest(
        train_files=(),
        eval_files=(),
        transform_graph=os.path.join(root, "made", "graph"),
        vocabulary="",
        serving_folder=_folder(root, name),
        settings=SETTINGS,
        model=ModelOptions(family="gru", units=UNITS),
        loss=LossOptions(),
        batch=BatchOptions(),
        train=TrainOptions(seed=seed),
    )


def _folder(root: str, name: str) -> str:
    return os.path.join(root, "models", name, "Format-Serving")


def _add_groups(path: str) -> None:
    """Add the column that all slice by: about seven values, by the number of words."""
    rows = list(tf.data.TFRecordDataset(path, "GZIP").as_numpy_iterator())
    with tf.io.TFRecordWriter(path, "GZIP") as writer:
        for row in rows:
            example = tf.train.Example.FromString(row)
            words = example.features.feature[sentences.TEXT].bytes_list.value[0].count(b" ") + 1
            example.features.feature[GROUP].int64_list.value.append(words // 5)
            writer.write(example.SerializeToString())


def _save_sums_only(root: str, vocabularies: Vocabularies) -> None:
    request = _train_request(root, "sums", 0)
    served = ServedModel(
        build_model(training.model_spec(request, vocabularies)), request, vocabularies
    )

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def score(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        found = served.score(examples)
        return {name: found[name] for name in eval_metric.SCORES}

    tf.saved_model.save(served, request.serving_folder, signatures={"score": score})


def _sorted_batches(folder: str) -> Iterator[batching.Batch]:
    lengths = features.Lengths(SETTINGS.target.max_length)
    whole = next(
        iter(batching.evaluation_batches(shards.files(folder), lengths, size=10**7, multiple=1))
    )
    order = tf.argsort(whole[features.TARGET_LENGTHS], stable=True)
    for start in range(0, int(tf.size(order)), BATCH):
        rows = order[start : start + BATCH]
        yield batching.trim({name: tf.gather(value, rows) for name, value in whole.items()}, 1)


def _loss_sum(model: SequenceModel, objective: Objective, batch: batching.Batch) -> tf.Tensor:
    logits = model.logits(model.hidden(objective.inputs(batch)))
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(batch[features.TARGETS], logits)
    return tf.reduce_sum(losses * batch[features.LOSS_WEIGHTS])


def _examples(root: str) -> standard_artifacts.Examples:
    examples = standard_artifacts.Examples()
    examples.uri = os.path.join(root, "data")
    examples.split_names = artifact_utils.encode_split_names(["train", "eval"])
    return examples


def _model(root: str, name: str) -> standard_artifacts.Model:
    model = standard_artifacts.Model()
    model.uri = os.path.join(root, "models", name)
    return model


def _outputs(output: str, evaluation: str, blessing: str) -> dict[str, list]:
    found = {
        evaluation: standard_artifacts.ModelEvaluation(),
        blessing: standard_artifacts.ModelBlessing(),
    }
    for name, artifact in found.items():
        artifact.uri = os.path.join(output, name)
    return {name: [artifact] for name, artifact in found.items()}


def _run(kind: type, inputs: Any, outputs: Any, properties: dict[str, Any], root: str) -> None:
    context = kind.Context(  # type: ignore[attr-defined]
        beam_pipeline_args=list(IN_PROCESS), tmp_dir=os.path.join(root, "tmp"), unique_id="eval"
    )
    kind(context).Do(inputs, outputs, properties)


def _stock_loss(folder: str) -> float:
    import tensorflow_model_analysis as tfma

    found = dict(tfma.load_eval_result(folder).slicing_metrics)
    metrics = found[()]
    value = metrics[""][""]["masked_token_loss"]
    return float(value.get("boundedValue", {}).get("value", value.get("doubleValue", np.nan)))


def _emptied(root: str, name: str) -> str:
    output = os.path.join(root, "outputs", name)
    shutil.rmtree(output, ignore_errors=True)
    os.makedirs(output)
    return output


def _write(sums: np.ndarray, path: str) -> None:
    with open(path, "w") as file:
        json.dump(sums.tolist(), file)
