"""Keys and types of VocabularyGen, shared by component and executor."""

from tfx.types import component_spec, standard_artifacts

from components.artifacts import IngestReport, Subwords, TokenLedger, Vocabulary

EXAMPLES = "examples"
INGEST_REPORT = "ingest_report"
SUBWORDS = "subwords"
VOCABULARY = "vocabulary"
LEDGER = "ledger"
SETTINGS = "settings"
VOCABULARY_SIZE = "vocab_size"
MIN_FREQUENCY = "min_frequency"
MAX_LOST_TOKENS = "max_lost_tokens"
MAX_OOV_RATE = "max_oov_rate"
BASE_VOCABULARY = "base_vocabulary"
INPUT_KEY = "input_key"
CODE_HASH = "code_hash"


class VocabularyGenSpec(component_spec.ComponentSpec):
    """Raw examples, and what ExampleGen says of them, in; vocabulary and token ledger out."""

    PARAMETERS = {
        SETTINGS: component_spec.ExecutionParameter(type=str),
        VOCABULARY_SIZE: component_spec.ExecutionParameter(type=int),
        MIN_FREQUENCY: component_spec.ExecutionParameter(type=int),
        MAX_LOST_TOKENS: component_spec.ExecutionParameter(type=float),
        MAX_OOV_RATE: component_spec.ExecutionParameter(type=float),
        BASE_VOCABULARY: component_spec.ExecutionParameter(type=str),
        INPUT_KEY: component_spec.ExecutionParameter(type=str),
        CODE_HASH: component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {
        EXAMPLES: component_spec.ChannelParameter(type=standard_artifacts.Examples),
        INGEST_REPORT: component_spec.ChannelParameter(type=IngestReport, optional=True),
        SUBWORDS: component_spec.ChannelParameter(type=Subwords, optional=True),
    }
    OUTPUTS = {
        VOCABULARY: component_spec.ChannelParameter(type=Vocabulary),
        LEDGER: component_spec.ChannelParameter(type=TokenLedger),
    }
