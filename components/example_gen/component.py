"""The TFX component ExampleGen."""

from tfx import types
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import channel_utils, standard_artifacts

from components.artifacts import IngestReport, Subwords
from components.errors import InputError
from components.example_gen.executor import Executor
from components.example_gen.request import parse_request
from components.example_gen.spec import EXAMPLES, INGEST_REPORT, SUBWORDS, ExampleGenSpec
from components.runtime_values import known


class ExampleGen(base_beam_component.BaseBeamComponent):
    """Reads the input files, checks every row, writes raw tf.Examples per split.

    Input, optional: `span_window` (SpanList), which spans to read.

    Outputs: `examples` (Examples) and `ingest_report` (IngestReport, `report.json`); where it learns
    what to cut text with, `subwords` (Subwords) too.
    """

    SPEC_CLASS = ExampleGenSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(
        self,
        *,
        input_base: str,
        format: str,
        columns: str,
        fingerprint: str = "",
        span_window: types.BaseChannel | None = None,
        spans: str = "[]",
        aligned: str = "[]",
        split: str = '{"train": 9, "eval": 1}',
        split_by: str = "[]",
        delimiter: str = ",",
        max_bad_rows: int = 0,
        sequences: str = "",
        base_vocabulary: str = "",
        code_hash: str = "",
    ) -> None:
        """Take the parameters that `spec.ExampleGenSpec` describes.

        Args:
          span_window: SpanWindow's output; then neither `spans` nor `fingerprint` is given.
          input_base: may be a runtime parameter.
          base_vocabulary: may be another node's output.

        Raises:
          InputError: a parameter is not what it should be (the files are not looked at).
        """
        parameters = {
            "input_base": input_base,
            "spans": spans,
            "format": format,
            "columns": columns,
            "aligned": aligned,
            "split": split,
            "split_by": split_by,
            "delimiter": delimiter,
            "max_bad_rows": max_bad_rows,
            "sequences": sequences,
            "base_vocabulary": base_vocabulary,
            "fingerprint": fingerprint,
            "code_hash": code_hash,
        }
        if span_window is not None and (spans != "[]" or fingerprint):
            raise InputError(
                "spans, fingerprint: got them and span_window, expected one or the other"
            )
        request = parse_request({name: known(value) for name, value in parameters.items()})
        outputs = {
            EXAMPLES: channel_utils.as_channel([standard_artifacts.Examples()]),
            INGEST_REPORT: channel_utils.as_channel([IngestReport()]),
        }
        if request.sequences.learning and not request.base_vocabulary:
            outputs[SUBWORDS] = channel_utils.as_channel([Subwords()])
        super().__init__(spec=ExampleGenSpec(span_window=span_window, **parameters, **outputs))
