"""Keys and types of SequenceTransform, shared by component and executor."""

from tfx.types import component_spec, standard_artifacts

from components.artifacts import Vocabulary

EXAMPLES = "examples"
SCHEMA = "schema"
VOCABULARY = "vocabulary"
SETTINGS = "settings"
CODE_HASH = "code_hash"
TRANSFORM_GRAPH = "transform_graph"
TRANSFORMED_EXAMPLES = "transformed_examples"


class SequenceTransformSpec(component_spec.ComponentSpec):
    """Raw examples, their schema and the vocabulary in; the transform graph and padded ids out."""

    PARAMETERS = {
        SETTINGS: component_spec.ExecutionParameter(type=str),
        CODE_HASH: component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {
        EXAMPLES: component_spec.ChannelParameter(type=standard_artifacts.Examples),
        SCHEMA: component_spec.ChannelParameter(type=standard_artifacts.Schema),
        VOCABULARY: component_spec.ChannelParameter(type=Vocabulary),
    }
    OUTPUTS = {
        TRANSFORM_GRAPH: component_spec.ChannelParameter(type=standard_artifacts.TransformGraph),
        TRANSFORMED_EXAMPLES: component_spec.ChannelParameter(type=standard_artifacts.Examples),
    }
