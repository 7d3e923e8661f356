"""The evaluation in TensorFlow Model Analysis' own files, made by its own functions.

`tfma.load_eval_result(folder)` and `tfma.load_validation_result(folder)` read them. One model is
unnamed, two are `candidate` and `baseline`, as TFX's Evaluator has it. A metric without a value is
not written: TFMA would show it as NaN. Intervals are ours (`metrics`), not TFMA's. Its writers are steps
of a Beam pipeline, which costs more than all the rest of an evaluation of a thousand examples; what they
write is a few records.
"""

import os
import sys
from collections.abc import Iterable, Mapping, Sequence

import tensorflow as tf
import tfx.components  # noqa: F401  (before TFMA: it repairs an import of TFDV's)

import tensorflow_model_analysis as tfma  # isort: skip
from google.protobuf import json_format  # isort: skip
from google.protobuf.message import Message  # isort: skip
from tensorflow_model_analysis.proto import (  # isort: skip
    config_pb2,
    metrics_for_slice_pb2,
    validation_result_pb2,
)
from tensorflow_model_analysis.writers import (  # isort: skip
    metrics_plots_and_validations_writer as tfma_writer,
)

from components.evaluator.findings import Finding
from components.evaluator.metrics import Measurement, Measurements, SliceReport
from components.evaluator.scoring import SIGNATURE
from components.evaluator.slicing import OVERALL, SliceKey
from components.evaluator.thresholds import FINITE_LOSS, MAX_DECREASE, MIN, Threshold
from components.evaluator.validation import BASELINE_NONE, Verdict

CANDIDATE, BASELINE = "candidate", "baseline"

_TfmaMetrics = tuple[tuple[tuple[str, object], ...], dict[tfma.metrics.MetricKey, object]]


def write_tfma(
    output: str,
    reports: Sequence[SliceReport],
    verdict: Verdict,
    *,
    models: Mapping[str, str],
    thresholds: Sequence[Threshold],
    columns: Sequence[str],
) -> None:
    """Write metrics, validation result and configuration into the folder `output`.

    Args:
      output: the folder.
      reports: the slices.
      verdict: the verdict.
      models: folder by name: one model under "", or `candidate` and `baseline`.
      thresholds: the limits that were asked for.
      columns: the slice columns.
    """
    applied = [t for t in (FINITE_LOSS, *thresholds) if BASELINE in models or not t.is_change]
    config = _eval_config(models, applied, columns)
    candidate = next(iter(models))
    rows = [
        tfma_writer.convert_slice_metrics_to_proto(_metrics(report, candidate), None)
        for report in reports
    ]
    combined = tfma_writer.CombineValidations(
        config, rubber_stamp=verdict.baseline.status == BASELINE_NONE
    )
    found = _validation(verdict, candidate, applied, columns)
    validation = combined.extract_output(combined.add_input(combined.create_accumulator(), found))
    run = config_pb2.EvalRun(
        eval_config=config, version=tfma.version.VERSION, model_locations=dict(models)
    )
    _write_records(os.path.join(output, "metrics-00000-of-00001.tfrecord"), rows)
    _write_records(os.path.join(output, "validations.tfrecord"), [validation])
    with tf.io.gfile.GFile(os.path.join(output, "eval_config.json"), "w") as file:
        file.write(json_format.MessageToJson(run))


def _write_records(path: str, messages: Iterable[Message]) -> None:
    with tf.io.TFRecordWriter(path) as file:
        for message in messages:
            file.write(message.SerializeToString())


def _metrics(report: SliceReport, candidate: str) -> _TfmaMetrics:
    values = {
        **_values(report.candidate, candidate),
        **_values(report.baseline, BASELINE),
        **_values(report.diff, candidate, is_diff=True),
    }
    return _slice_key(report.key), values


def _values(
    measured: Measurements, model: str, *, is_diff: bool = False
) -> dict[tfma.metrics.MetricKey, object]:
    return {
        tfma.metrics.MetricKey(name, model_name=model, is_diff=is_diff): _value(item)
        for name, item in measured.items()
        if not item.absent
    }


def _value(item: Measurement) -> float | metrics_for_slice_pb2.BoundedValue:
    if not item.has_interval:
        return item.value
    return metrics_for_slice_pb2.BoundedValue(
        value={"value": item.value},
        lower_bound={"value": item.low},
        upper_bound={"value": item.high},
    )


def _slice_key(key: SliceKey) -> tuple[tuple[str, object], ...]:
    return ((key.column, key.value),) if key.column else ()


def _eval_config(
    models: Mapping[str, str], thresholds: Sequence[Threshold], columns: Sequence[str]
) -> tfma.EvalConfig:
    specs = tfma.MetricsSpec(model_names=[name for name in models if name])
    for threshold in thresholds:
        specs.per_slice_thresholds[threshold.metric].thresholds.add(
            slicing_specs=_slicing_specs(threshold, columns), threshold=_threshold(threshold)
        )
    return tfma.EvalConfig(
        model_specs=[
            tfma.ModelSpec(name=name, signature_name=SIGNATURE, is_baseline=name == BASELINE)
            for name in models
        ],
        slicing_specs=[
            tfma.SlicingSpec(),
            *(tfma.SlicingSpec(feature_keys=[column]) for column in columns),
        ],
        metrics_specs=[specs],
    )


def _slicing_specs(threshold: Threshold, columns: Sequence[str]) -> list[tfma.SlicingSpec]:
    judged = columns if threshold.every_slice else ()
    whole = [tfma.SlicingSpec()] if threshold.judges(OVERALL) else []
    return [*whole, *(tfma.SlicingSpec(feature_keys=[column]) for column in judged)]


def _threshold(threshold: Threshold) -> tfma.MetricThreshold:
    bound = {"value": min(threshold.bound, sys.float_info.max)}
    if threshold.is_change:
        higher = threshold.kind == MAX_DECREASE
        direction = tfma.MetricDirection.Value("HIGHER_IS_BETTER" if higher else "LOWER_IS_BETTER")
        change = tfma.GenericChangeThreshold(absolute=bound, direction=direction)
        return tfma.MetricThreshold(change_threshold=change)
    side = "lower_bound" if threshold.kind == MIN else "upper_bound"
    return tfma.MetricThreshold(value_threshold=tfma.GenericValueThreshold(**{side: bound}))


def _validation(
    verdict: Verdict, candidate: str, thresholds: Sequence[Threshold], columns: Sequence[str]
) -> validation_result_pb2.ValidationResult:
    result = validation_result_pb2.ValidationResult(validation_ok=verdict.blessed)
    for key in dict.fromkeys(finding.key for finding in verdict.failures):
        result.metric_validations_per_slice.add(
            slice_key=tfma.slicer.serialize_slice_key(_slice_key(key)),
            failures=[_failure(f, candidate) for f in verdict.failures if f.key == key],
        )
    # TFMA calls a slice of the configuration missing, and the model bad, unless it is listed here.
    listed = ["", *(columns if any(t.every_slice for t in thresholds) else ())]
    for column in listed:
        result.validation_details.slicing_details.add(
            slicing_spec=tfma.SlicingSpec(feature_keys=[column] if column else []),
            num_matching_slices=sum(key.column == column for key in verdict.judged),
        )
    return result


def _failure(finding: Finding, candidate: str) -> validation_result_pb2.ValidationFailure:
    key = tfma.metrics.MetricKey(
        finding.threshold.metric, model_name=candidate, is_diff=finding.threshold.is_change
    )
    return validation_result_pb2.ValidationFailure(
        metric_key=key.to_proto(),
        metric_value={"double_value": {"value": finding.value}},
        metric_threshold=_threshold(finding.threshold),
        message=finding.text,
    )
