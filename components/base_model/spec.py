"""Keys and types of BaseModel, shared by component and executor."""

from tfx.types import component_spec, standard_artifacts

from components.artifacts import SpanList
from components.span_window.spec import SPAN_WINDOW

MODEL = "model"
SPLIT = "split"
VOCABULARY_KEY = "vocabulary_key"
TOKEN_IDENTITY = "token_identity"
WARM_START = "warm_start"
SERVED = "served"
CODE_HASH = "code_hash"
BASE_VOCABULARY = "base_vocabulary"
INPUT_KEY = "input_key"
BASE_MODEL = "base_model"
DATA_KEY = "data_key"
BASELINE = "baseline"
OUTPUTS = (BASE_VOCABULARY, INPUT_KEY, BASE_MODEL, DATA_KEY, BASELINE)


class BaseModelSpec(component_spec.ComponentSpec):
    """The last blessed model and the span window in; texts out, which other nodes take as parameters.

    split: JSON, how the data are split: ExampleGen's `split` and `split_by`.
    vocabulary_key: hash of what the vocabulary is made from, but for the data.
    token_identity: `Settings.token_identity()`.
    warm_start: as `train.warm_start`.
    served: folder of model versions, the newest of which counts as the last blessed model where no
      Resolver finds that; "" where one does.
    code_hash: of the code that chooses, so that an edit is no cache hit.
    """

    PARAMETERS = {
        name: component_spec.ExecutionParameter(type=str)
        for name in (SPLIT, VOCABULARY_KEY, TOKEN_IDENTITY, WARM_START, SERVED, CODE_HASH)
    }
    INPUTS = {
        # Resolves to nothing until a model was blessed.
        MODEL: component_spec.ChannelParameter(type=standard_artifacts.Model, optional=True),
        SPAN_WINDOW: component_spec.ChannelParameter(type=SpanList),
    }
    OUTPUTS = {
        name: component_spec.ChannelParameter(type=standard_artifacts.String) for name in OUTPUTS
    }
