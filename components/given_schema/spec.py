"""Keys and types of GivenSchema, shared by component and executor."""

from tfx.types import component_spec, standard_artifacts

SCHEMA = "schema"
TEXT = "text"
CODE_HASH = "code_hash"


class GivenSchemaSpec(component_spec.ComponentSpec):
    """The text of a schema.pbtxt in, the artifact that ImportSchemaGen makes of a file out."""

    PARAMETERS = {name: component_spec.ExecutionParameter(type=str) for name in (TEXT, CODE_HASH)}
    INPUTS: dict[str, component_spec.ChannelParameter] = {}
    OUTPUTS = {SCHEMA: component_spec.ChannelParameter(type=standard_artifacts.Schema)}
