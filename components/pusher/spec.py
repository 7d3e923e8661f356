"""Keys and types of VersionPusher, shared by component and executor."""

from tfx.types import component_spec, standard_artifacts

MODEL = "model"
MODEL_BLESSING = "model_blessing"
INFRA_BLESSING = "infra_blessing"
PUSHED_MODEL = "pushed_model"
PUSH_DESTINATION = "push_destination"
KEEP_VERSIONS = "keep_versions"
PUSHED_VERSIONS = "pushed_versions"
RUN_KEY = "run_key"
CODE_HASH = "code_hash"
# In PushedModel's folder: the version's path, or why there is none.
PUSHED_FILE = "pushed_destination.txt"
NOT_PUSHED_FILE = "not_pushed.txt"


class VersionPusherSpec(component_spec.ComponentSpec):
    """A model and its blessings in, the pushed version out."""

    PARAMETERS = {
        PUSH_DESTINATION: component_spec.ExecutionParameter(type=str),
        KEEP_VERSIONS: component_spec.ExecutionParameter(type=int),
        PUSHED_VERSIONS: component_spec.ExecutionParameter(type=str),
        RUN_KEY: component_spec.ExecutionParameter(type=str),
        CODE_HASH: component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {
        MODEL: component_spec.ChannelParameter(type=standard_artifacts.Model),
        MODEL_BLESSING: component_spec.ChannelParameter(type=standard_artifacts.ModelBlessing),
        INFRA_BLESSING: component_spec.ChannelParameter(
            type=standard_artifacts.InfraBlessing, optional=True
        ),
    }
    OUTPUTS = {PUSHED_MODEL: component_spec.ChannelParameter(type=standard_artifacts.PushedModel)}
