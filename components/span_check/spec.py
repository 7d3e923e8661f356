"""Keys and types of SpanCheck, shared by component and executor."""

from tfx.types import component_spec, standard_artifacts

from components.artifacts import IngestReport, SpanList, SpanStatistics

EXAMPLES = "examples"
INGEST_REPORT = "ingest_report"
SPAN_WINDOW = "span_window"
BEFORE = "before"
STATISTICS = "statistics"
CHECKS = "checks"
DATA_KEY = "data_key"
CODE_HASH = "code_hash"


class SpanCheckSpec(component_spec.ComponentSpec):
    """Raw examples in, and statistics of an earlier span; those of the newest span out.

    checks: `request.Checks.to_json`.
    data_key: what is compared, as whoever chooses `before` names it; kept with the result.
    code_hash: of the code that compares, so that an edit is no cache hit.
    """

    PARAMETERS = {
        CHECKS: component_spec.ExecutionParameter(type=str),
        DATA_KEY: component_spec.ExecutionParameter(type=str),
        CODE_HASH: component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {
        EXAMPLES: component_spec.ChannelParameter(type=standard_artifacts.Examples),
        INGEST_REPORT: component_spec.ChannelParameter(type=IngestReport),
        SPAN_WINDOW: component_spec.ChannelParameter(type=SpanList),
        BEFORE: component_spec.ChannelParameter(type=SpanStatistics, optional=True),
    }
    OUTPUTS = {STATISTICS: component_spec.ChannelParameter(type=SpanStatistics)}
