"""Adapter between TFX and the ingesting code."""

import dataclasses
import json
import os
from collections.abc import Sequence
from typing import Any

import apache_beam as beam
import tensorflow as tf
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_beam_executor
from tfx.proto import example_gen_pb2
from tfx.types import artifact, artifact_utils

from components.beam_runner import NamedRunner
from components.errors import InputChanged
from components.example_gen import first_pass, ingest, outcome, places
from components.example_gen.files import Listing, fingerprint, input_files
from components.example_gen.request import IngestRequest, parse_request
from components.example_gen.spec import EXAMPLES, INGEST_REPORT, REPORT_FILE, SUBWORDS
from components.span_window.executor import read as read_window
from components.span_window.spec import SPAN_WINDOW
from components.subwords import files as subword_files
from components.subwords.files import Subwords
from transform.settings import Settings
from transform.vocabulary import Vocabularies

_WORK_FOLDER = ".parts"
_WORDS_FOLDER = ".words"


class Executor(NamedRunner, base_beam_executor.BaseBeamExecutor):
    """Runs one unit of files per Beam element; names the shards once all is known to be well."""

    def Do(
        self,
        input_dict: dict[str, list[artifact.Artifact]],
        output_dict: dict[str, list[artifact.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Read, check, split and write; leaves no examples behind when it raises.

        Raises:
          InputError: the input is bad; every problem is one line.
        """
        request = _within(parse_request(exec_properties), input_dict.get(SPAN_WINDOW))
        examples = artifact_utils.get_single_instance(output_dict[EXAMPLES])
        report_uri = artifact_utils.get_single_uri(output_dict[INGEST_REPORT])
        folder = os.path.join(examples.uri, _WORK_FOLDER)
        listing = _unchanged_listing(request)
        subwords = _uri(output_dict.get(SUBWORDS))
        try:
            words = os.path.join(examples.uri, _WORDS_FOLDER)
            request = self._able_to_cut(request, listing, folder=words, into=subwords)
            report = self._ingest(
                listing,
                request,
                folder=folder,
                examples_uri=examples.uri,
                report_uri=report_uri,
            )
        except BaseException:
            _remove_output(examples.uri, request)
            _remove(os.path.join(report_uri, places.FOLDER))
            raise
        finally:
            _remove(folder)
        tf.io.gfile.makedirs(report_uri)
        with tf.io.gfile.GFile(os.path.join(report_uri, REPORT_FILE), "w") as stream:
            stream.write(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
        _describe(examples, request, listing)

    def _able_to_cut(
        self, request: IngestRequest, listing: Listing, *, folder: str, into: str
    ) -> IngestRequest:
        """The request with subword files for each side: those of earlier spans, else learned ones."""
        if not request.sequences.learning:
            return request
        if request.base_vocabulary:
            base = Vocabularies.read(request.base_vocabulary)  # refuses what was edited since
            if into:
                _keep_subwords(base, request.sequences.learning.settings, into)
        else:
            self._learn(request, listing, folder=folder, into=into)
        cutting = request.sequences.cut_by(request.base_vocabulary or into)
        return dataclasses.replace(request, sequences=cutting)

    def _learn(self, request: IngestRequest, listing: Listing, *, folder: str, into: str) -> None:
        _remove(folder)
        tf.io.gfile.makedirs(folder)
        units = ingest.plan_units(listing.files)
        try:
            with self._make_beam_pipeline() as pipeline:
                (
                    pipeline
                    | "UnitsOfWords" >> beam.Create(units)
                    | "SpreadWords" >> beam.Reshuffle()
                    | "CountWords"
                    >> beam.Map(first_pass.count_unit, request=request, folder=folder)
                )
            _all_well(units, ingest.collect(folder), listing, request)
            first_pass.learn(units, request, folder=folder, into=into)
        finally:
            _remove(folder)

    def _ingest(
        self,
        listing: Listing,
        request: IngestRequest,
        *,
        folder: str,
        examples_uri: str,
        report_uri: str,
    ) -> dict[str, Any]:
        _remove(folder)
        tf.io.gfile.makedirs(folder)
        units = ingest.plan_units(listing.files)
        with self._make_beam_pipeline() as pipeline:
            (
                pipeline
                | "Units" >> beam.Create(units)
                | "SpreadUnits" >> beam.Reshuffle()
                | "ReadCheckWrite" >> beam.Map(ingest.run_unit, request=request, folder=folder)
            )
        results = ingest.collect(folder)
        files = _all_well(units, results, listing, request)
        parts = ingest.publish(
            [part for result in results for part in result.parts],
            folder=folder,
            examples_uri=examples_uri,
            report_uri=report_uri,
        )
        return outcome.make_report(files, parts=parts, unread=listing.unread, request=request)


def _all_well(
    units: Sequence[ingest.Unit],
    results: Sequence[outcome.UnitResult],
    listing: Listing,
    request: IngestRequest,
) -> list[outcome.FileResult]:
    """What came of each file.

    Raises:
      InputError: a file was not read or is another one by now, rows are bad, or a split has none.
    """
    ingest.check_complete(units, results)
    files = [file for result in results for file in result.files]
    if _list(request) != listing:
        raise InputChanged(f"{request.input_base}: changed while it was read; run again")
    outcome.raise_bad_rows(files, request)
    outcome.raise_empty_splits(files, request)
    return files


def _within(request: IngestRequest, artifacts: list[artifact.Artifact] | None) -> IngestRequest:
    """The request for the spans of SpanWindow, where there is one."""
    if not artifacts:
        return request
    window = read_window(artifacts)
    return dataclasses.replace(request, spans=window.spans, fingerprint=window.fingerprint)


def _keep_subwords(base: Vocabularies, settings: Settings, folder: str) -> None:
    """Put what cut the earlier spans where what cuts these is looked for."""
    found = {name: Subwords(base[name].subwords, ()) for name in settings.unlearned}
    subword_files.write(found, settings, folder)


def _uri(artifacts: list[artifact.Artifact] | None) -> str:
    """Where an optional output goes; "" where it is not asked for."""
    return artifact_utils.get_single_uri(artifacts) if artifacts else ""


def _list(request: IngestRequest) -> Listing:
    return input_files(request.input_base, request.spans, request.format, split=request.split)


def _unchanged_listing(request: IngestRequest) -> Listing:
    listing = _list(request)
    if request.fingerprint and fingerprint(listing.files) != request.fingerprint:
        raise InputChanged(f"{request.input_base}: changed while the run was starting; run again")
    return listing


def _remove(folder: str) -> None:
    if tf.io.gfile.exists(folder):
        tf.io.gfile.rmtree(folder)


def _remove_output(examples_uri: str, request: IngestRequest) -> None:
    for split in request.split.names:
        _remove(os.path.join(examples_uri, f"Split-{split}"))


def _describe(examples: artifact.Artifact, request: IngestRequest, listing: Listing) -> None:
    """Set the properties that TFX's own ExampleGen sets, and the list of spans."""
    spans = sorted({file.span for file in listing.files})
    examples.split_names = artifact_utils.encode_split_names(list(request.split.names))
    examples.span = spans[-1]
    examples.set_int_custom_property("span", spans[-1])
    examples.set_string_custom_property("spans", json.dumps(spans))
    examples.set_string_custom_property("input_fingerprint", request.fingerprint)
    examples_utils.set_payload_format(examples, example_gen_pb2.FORMAT_TF_EXAMPLE)
    examples_utils.set_file_format(examples, "tfrecords_gzip")
