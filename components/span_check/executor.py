"""Adapter between TFX and the comparisons."""

import dataclasses
import json
import os
from typing import Any

import tensorflow as tf
from tfx.dsl.components.base import base_beam_executor
from tfx.types import artifact, artifact_utils
from tfx.utils import io_utils

from components.beam_runner import NamedRunner
from components.errors import InputError
from components.example_gen.spec import REPORT_FILE
from components.span_check import spec, statistics
from components.span_check.comparing import Finding, Measured, compare, problems
from components.span_check.request import parse_checks
from components.span_window.executor import read as read_window

FILE = "span_check.json"
_WORK_FOLDER = ".spans"


class Executor(NamedRunner, base_beam_executor.BaseBeamExecutor):
    """Measures the new spans, each alone, and compares them in their order."""

    def Do(
        self,
        input_dict: dict[str, list[artifact.Artifact]],
        output_dict: dict[str, list[artifact.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Measure, compare and write.

        Raises:
          InputError: a span is too far from the one before, a line for each reason.
        """
        checks = parse_checks(exec_properties[spec.CHECKS])
        examples = artifact_utils.get_single_instance(input_dict[spec.EXAMPLES])
        splits = artifact_utils.decode_split_names(examples.split_names)
        report = _json(input_dict[spec.INGEST_REPORT], REPORT_FILE)
        window = read_window(input_dict[spec.SPAN_WINDOW])
        spans = window.new or (max(shard["span"] for shard in report["shards"]),)
        output = artifact_utils.get_single_instance(output_dict[spec.STATISTICS])
        work = os.path.join(output.uri, _WORK_FOLDER)
        shards = [shard for shard in report["shards"] if shard["span"] in spans]
        with self._make_beam_pipeline() as pipeline:
            statistics.measure(
                pipeline, shards, checks.measures, examples=examples.uri, folder=work
            )
        before = _before(input_dict.get(spec.BEFORE), splits)
        found: list[Finding] = []
        for span in spans:
            folder = statistics.span_folder(work, span)
            name = f"span {span}" if window.spans else ""
            measured = Measured(name, statistics.read(folder, splits))
            findings = compare(measured, before, checks)
            found += findings
            if not problems(findings):  # the next one is held against what is well
                before = measured
        statistics.move(statistics.span_folder(work, spans[-1]), output.uri, splits)
        tf.io.gfile.rmtree(work)
        _write(found, spans[-1], output.uri)
        if problems(found):
            raise InputError("\n".join(problems(found)))
        output.set_string_custom_property("span", str(spans[-1]) if window.spans else "")
        output.set_string_custom_property("data_key", exec_properties[spec.DATA_KEY])
        given = input_dict.get(spec.BEFORE)
        output.set_string_custom_property(
            spec.BEFORE, artifact_utils.get_single_uri(given) if given else ""
        )


def _before(given: list[artifact.Artifact] | None, splits: list[str]) -> Measured | None:
    """What an earlier run measured."""
    if not given:
        return None
    uri = artifact_utils.get_single_uri(given)
    return Measured(f"span {_json(given, FILE)['span']}", statistics.read(uri, splits))


def _json(given: list[artifact.Artifact], name: str) -> Any:
    uri = artifact_utils.get_single_uri(given)
    return json.loads(io_utils.read_string_file(os.path.join(uri, name)))


def _write(found: list[Finding], span: int, uri: str) -> None:
    facts = {"span": span, "findings": [dataclasses.asdict(each) for each in found]}
    text = json.dumps(facts, indent=1, ensure_ascii=False) + "\n"
    io_utils.write_string_file(os.path.join(uri, FILE), text)
