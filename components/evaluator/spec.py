"""The interface of SequenceEvaluator: what goes in, what comes out, under which names."""

from tfx.types import component_spec, standard_artifacts

from components.artifacts import IngestReport, Vocabulary

EXAMPLES = "examples"
MODEL = "model"
BASELINE_MODEL = "baseline_model"
VOCABULARY = "vocabulary"
INGEST_REPORT = "ingest_report"
EVALUATION = "evaluation"
BLESSING = "blessing"

BASELINE_FOLDER = "baseline_folder"
EXAMPLE_SPLITS = "example_splits"
SLICES = "slices"
THRESHOLDS = "thresholds"
BLESSING_RULE = "blessing_rule"
BATCH_SIZE = "batch_size"
BLOCK_ROWS = "block_rows"
BLOCK_MB = "block_mb"
CONFIDENCE = "confidence"
MIN_TOKENS = "min_tokens"
WORST = "worst"
WORST_MIN_TOKENS = "worst_min_tokens"
SAMPLES = "samples"
DECODE_EXAMPLES = "decode_examples"
CODE_HASH = "code_hash"


class SequenceEvaluatorSpec(component_spec.ComponentSpec):
    """Raw examples, a model, perhaps the last blessed one -> an evaluation and a blessing."""

    PARAMETERS = {
        BASELINE_FOLDER: component_spec.ExecutionParameter(type=str),
        EXAMPLE_SPLITS: component_spec.ExecutionParameter(type=str),
        SLICES: component_spec.ExecutionParameter(type=str),
        THRESHOLDS: component_spec.ExecutionParameter(type=str),
        BLESSING_RULE: component_spec.ExecutionParameter(type=str),
        BATCH_SIZE: component_spec.ExecutionParameter(type=int),
        BLOCK_ROWS: component_spec.ExecutionParameter(type=int),
        BLOCK_MB: component_spec.ExecutionParameter(type=int),
        CONFIDENCE: component_spec.ExecutionParameter(type=float),
        MIN_TOKENS: component_spec.ExecutionParameter(type=int),
        WORST: component_spec.ExecutionParameter(type=int),
        WORST_MIN_TOKENS: component_spec.ExecutionParameter(type=int),
        SAMPLES: component_spec.ExecutionParameter(type=int),
        DECODE_EXAMPLES: component_spec.ExecutionParameter(type=int),
        CODE_HASH: component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {
        EXAMPLES: component_spec.ChannelParameter(type=standard_artifacts.Examples),
        MODEL: component_spec.ChannelParameter(type=standard_artifacts.Model),
        # Empty on the first run, when nothing has been blessed yet.
        BASELINE_MODEL: component_spec.ChannelParameter(
            type=standard_artifacts.Model, optional=True
        ),
        VOCABULARY: component_spec.ChannelParameter(type=Vocabulary, optional=True),
        INGEST_REPORT: component_spec.ChannelParameter(type=IngestReport, optional=True),
    }
    OUTPUTS = {
        EVALUATION: component_spec.ChannelParameter(type=standard_artifacts.ModelEvaluation),
        BLESSING: component_spec.ChannelParameter(type=standard_artifacts.ModelBlessing),
    }
