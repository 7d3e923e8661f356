"""Keys and types of SequenceTrainer, shared by component and executor."""

from tfx.types import component_spec, standard_artifacts

from components.artifacts import IngestReport, TrainingHistory, Vocabulary

EXAMPLES = "examples"
TRANSFORM_GRAPH = "transform_graph"
VOCABULARY = "vocabulary"
BASE_MODEL = "base_model"
INGEST_REPORT = "ingest_report"
HYPERPARAMETERS = "hyperparameters"
MODEL = "model"
HISTORY = "history"
SETTINGS = "settings"
MODEL_OPTIONS = "model_options"
LOSS_OPTIONS = "loss_options"
BATCH_OPTIONS = "batch_options"
TRAIN_OPTIONS = "train_options"
DECODE_OPTIONS = "decode_options"
CODE_HASH = "code_hash"
DATA_KEY = "data_key"
BASE_MODEL_FOLDER = "base_model_folder"
TRAIN_STEPS = "train_steps"
# Of the vocabulary, kept with the model: by these a later run repeats this one.
BASE_VOCABULARY = "base_vocabulary"
INPUT_KEY = "input_key"
WARM_START = "warm_start"


class SequenceTrainerSpec(component_spec.ComponentSpec):
    """Transformed examples, transform graph, vocabulary and perhaps a model to start from in; model
    and training history out."""

    PARAMETERS = {
        name: component_spec.ExecutionParameter(type=str)
        for name in (
            SETTINGS,
            MODEL_OPTIONS,
            LOSS_OPTIONS,
            BATCH_OPTIONS,
            TRAIN_OPTIONS,
            DECODE_OPTIONS,
            CODE_HASH,
            DATA_KEY,
            BASE_MODEL_FOLDER,
        )
    } | {TRAIN_STEPS: component_spec.ExecutionParameter(type=int)}
    INPUTS = {
        EXAMPLES: component_spec.ChannelParameter(type=standard_artifacts.Examples),
        TRANSFORM_GRAPH: component_spec.ChannelParameter(type=standard_artifacts.TransformGraph),
        VOCABULARY: component_spec.ChannelParameter(type=Vocabulary),
        BASE_MODEL: component_spec.ChannelParameter(type=standard_artifacts.Model, optional=True),
        INGEST_REPORT: component_spec.ChannelParameter(type=IngestReport, optional=True),
        HYPERPARAMETERS: component_spec.ChannelParameter(
            type=standard_artifacts.HyperParameters, optional=True
        ),
    }
    OUTPUTS = {
        MODEL: component_spec.ChannelParameter(type=standard_artifacts.Model),
        HISTORY: component_spec.ChannelParameter(type=TrainingHistory),
    }
