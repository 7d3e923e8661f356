"""Keys and types of VersionPusher, shared by component and executor."""

from tfx.types import component_spec, standard_artifacts

NOTE_ORIGIN = "note_origin"
MODEL = "model"
MODEL_BLESSING = "model_blessing"
INFRA_BLESSING = "infra_blessing"
EVALUATION = "evaluation"
PUSHED_MODEL = "pushed_model"
PUSH_DESTINATION = "push_destination"
KEEP_VERSIONS = "keep_versions"
PUSHED_VERSIONS = "pushed_versions"
RUN_KEY = "run_key"
OUTCOME_TO = "outcome_to"
CODE_HASH = "code_hash"
# In PushedModel's folder: the version's path, or why there is none.
PUSHED_FILE = "pushed_destination.txt"
NOT_PUSHED_FILE = "not_pushed.txt"
NOT_BLESSED = "not blessed"


class VersionPusherSpec(component_spec.ComponentSpec):
    """A model and its blessings in, the pushed version out."""

    PARAMETERS = {
        NOTE_ORIGIN: component_spec.ExecutionParameter(type=int),
        PUSH_DESTINATION: component_spec.ExecutionParameter(type=str),
        KEEP_VERSIONS: component_spec.ExecutionParameter(type=int),
        PUSHED_VERSIONS: component_spec.ExecutionParameter(type=str),
        RUN_KEY: component_spec.ExecutionParameter(type=str),
        OUTCOME_TO: component_spec.ExecutionParameter(type=str),
        CODE_HASH: component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {
        MODEL: component_spec.ChannelParameter(type=standard_artifacts.Model),
        MODEL_BLESSING: component_spec.ChannelParameter(type=standard_artifacts.ModelBlessing),
        INFRA_BLESSING: component_spec.ChannelParameter(
            type=standard_artifacts.InfraBlessing, optional=True
        ),
        EVALUATION: component_spec.ChannelParameter(
            type=standard_artifacts.ModelEvaluation, optional=True
        ),
    }
    OUTPUTS = {PUSHED_MODEL: component_spec.ChannelParameter(type=standard_artifacts.PushedModel)}
