"""The TFX component BaseModel."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts

from components.base_model import executor, spec


class BaseModel(base_component.BaseComponent):
    """Chooses what a run builds on, from the model that was blessed last.

    Other nodes take the choice as parameters, not as artifacts: a repeated run finds another model to be
    the last one, chooses the same as before, and what comes after it is taken from the cache.

    Outputs, each a text: `base_vocabulary`, `base_model` and, with `served`, `baseline`: folders or "";
    and what is kept with the new vocabulary and the new model, so that a later run can repeat this one:
    `input_key` and `data_key`.
    """

    SPEC_CLASS = spec.BaseModelSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        *,
        span_window: types.BaseChannel,
        split: str,
        vocabulary_key: str,
        token_identity: str,
        warm_start: str,
        code_hash: str,
        model: types.BaseChannel | None = None,
        served: str = "",
    ) -> None:
        """Construct the component.

        Args:
          span_window: SpanWindow's output; with the fingerprint of what is read.
          split, vocabulary_key, token_identity, warm_start, code_hash: see `spec.BaseModelSpec`.
          model: the last blessed model; may resolve to nothing.
          served: folder of model versions, instead of `model`; may be a runtime parameter.
        """
        outputs = {name: types.Channel(type=standard_artifacts.String) for name in spec.OUTPUTS}
        super().__init__(
            spec=spec.BaseModelSpec(
                model=model,
                span_window=span_window,
                split=split,
                vocabulary_key=vocabulary_key,
                token_identity=token_identity,
                warm_start=warm_start,
                served=served,
                code_hash=code_hash,
                **outputs,
            )
        )
