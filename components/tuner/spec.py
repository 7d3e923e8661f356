"""Keys and types of SequenceTuner, shared by component and executor."""

from tfx.types import component_spec, standard_artifacts

from components.artifacts import Vocabulary
from components.trainer import spec as trainer

BEST_HYPERPARAMETERS = "best_hyperparameters"
TUNER_RESULTS = "tuner_results"
TUNE_OPTIONS = "tune_options"


class SequenceTunerSpec(component_spec.ComponentSpec):
    """What SequenceTrainer reads and a space in; TFX's artifacts of a search out."""

    PARAMETERS = {
        name: component_spec.ExecutionParameter(type=str)
        for name in (
            trainer.SETTINGS,
            trainer.MODEL_OPTIONS,
            trainer.LOSS_OPTIONS,
            trainer.BATCH_OPTIONS,
            trainer.TRAIN_OPTIONS,
            TUNE_OPTIONS,
            trainer.CODE_HASH,
            trainer.BASE_MODEL_FOLDER,
        )
    }
    INPUTS = {
        trainer.EXAMPLES: component_spec.ChannelParameter(type=standard_artifacts.Examples),
        trainer.TRANSFORM_GRAPH: component_spec.ChannelParameter(
            type=standard_artifacts.TransformGraph
        ),
        trainer.VOCABULARY: component_spec.ChannelParameter(type=Vocabulary),
        trainer.BASE_MODEL: component_spec.ChannelParameter(
            type=standard_artifacts.Model, optional=True
        ),
    }
    OUTPUTS = {
        BEST_HYPERPARAMETERS: component_spec.ChannelParameter(
            type=standard_artifacts.HyperParameters
        ),
        TUNER_RESULTS: component_spec.ChannelParameter(type=standard_artifacts.TunerResults),
    }
