"""ExampleGen's interface: the names and types of its parameters and outputs."""

from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.artifacts import IngestReport, SpanList, Subwords
from components.span_window.spec import SPAN_WINDOW

EXAMPLES = "examples"
INGEST_REPORT = "ingest_report"
SUBWORDS = "subwords"
REPORT_FILE = "report.json"


class ExampleGenSpec(ComponentSpec):
    """Scalars and JSON strings only: lists and dictionaries do not survive the Vertex compiler.

    input_base: a folder, or a folder pattern with {SPAN}: "data/span-{SPAN}".
    spans: JSON list of the spans to read; "[]" without {SPAN}, which is span 0. The optional input
      `span_window` says it instead, and the fingerprint.
    format: jsonl, csv, parquet or tfrecord.
    columns: JSON {name: kind}; kinds in `columns.py`, with "?" when optional.
    aligned: JSON list of groups of list columns that are equally long in every row.
    split: JSON {name: hash buckets} or {name: file name pattern}.
    split_by: JSON list of the columns that are hashed; "[]" means all configured columns.
    delimiter: CSV only.
    max_bad_rows: so many bad rows are left out, listed and counted; one more fails the run.
    sequences: JSON, "" for nothing: {"policy": "drop", "window" or "", "settings": Settings JSON as
      text (what a token is), "window": {"stride": n, "over": "row" or "file", "separator": text},
      "span_column": true or false, "subword_files": hashes of given files, for the cache,
      "vocab_size": most ids of a side whose subwords no file gives: they are learned}.
    base_vocabulary: folder of the vocabulary whose files cut those sides instead; "" learns them. What
      cuts them is the output `subwords`, where that is asked for.
    fingerprint: `files.fingerprint` of the input, so that edited files are no cache hit.
    code_hash: of the code that ingests, for the same reason.
    """

    PARAMETERS = {
        "input_base": ExecutionParameter(type=str),
        "spans": ExecutionParameter(type=str),
        "format": ExecutionParameter(type=str),
        "columns": ExecutionParameter(type=str),
        "aligned": ExecutionParameter(type=str),
        "split": ExecutionParameter(type=str),
        "split_by": ExecutionParameter(type=str),
        "delimiter": ExecutionParameter(type=str),
        "max_bad_rows": ExecutionParameter(type=int),
        "sequences": ExecutionParameter(type=str),
        "base_vocabulary": ExecutionParameter(type=str),
        "fingerprint": ExecutionParameter(type=str),
        "code_hash": ExecutionParameter(type=str),
    }
    INPUTS = {SPAN_WINDOW: ChannelParameter(type=SpanList, optional=True)}
    OUTPUTS = {
        EXAMPLES: ChannelParameter(type=standard_artifacts.Examples),
        INGEST_REPORT: ChannelParameter(type=IngestReport),
        SUBWORDS: ChannelParameter(type=Subwords, optional=True),
    }
