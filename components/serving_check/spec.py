"""Keys and types of ServingCheck, shared by component and executor."""

from tfx.types import component_spec, standard_artifacts

from components.artifacts import IngestReport

MODEL = "model"
EXAMPLES = "examples"
TRANSFORMED_EXAMPLES = "transformed_examples"
INGEST_REPORT = "ingest_report"
BLESSING = "blessing"
OPTIONS = "options"
FAILED_BEFORE = "failed_before"
CODE_HASH = "code_hash"


class ServingCheckSpec(component_spec.ComponentSpec):
    """A model and the rows that it is asked about in, TFX's InfraBlessing out."""

    PARAMETERS = {
        OPTIONS: component_spec.ExecutionParameter(type=str),
        FAILED_BEFORE: component_spec.ExecutionParameter(type=int),
        CODE_HASH: component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {
        MODEL: component_spec.ChannelParameter(type=standard_artifacts.Model),
        EXAMPLES: component_spec.ChannelParameter(type=standard_artifacts.Examples),
        TRANSFORMED_EXAMPLES: component_spec.ChannelParameter(type=standard_artifacts.Examples),
        INGEST_REPORT: component_spec.ChannelParameter(type=IngestReport, optional=True),
    }
    OUTPUTS = {BLESSING: component_spec.ChannelParameter(type=standard_artifacts.InfraBlessing)}
