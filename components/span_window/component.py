"""The TFX component SpanWindow."""

from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import channel_utils

from components.artifacts import SpanList
from components.runtime_values import known
from components.span_window.executor import Executor
from components.span_window.spec import SPAN_WINDOW, SpanWindowSpec
from components.span_window.window import check


class SpanWindow(base_component.BaseComponent):
    """Says which spans a run reads and which of them are new, as an artifact for ExampleGen.

    Output: `span_window` (SpanList, `spans.json`).
    """

    SPEC_CLASS = SpanWindowSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        *,
        input_base: str,
        spans: str,
        new_spans: str = "[]",
        fingerprint: str = "",
        format: str = "",
        split: str = "",
        code_hash: str = "",
    ) -> None:
        """Take the parameters that `spec.SpanWindowSpec` describes.

        The first four may be runtime parameters.

        Raises:
          InputError: a parameter is not what it should be (the folders are not looked at).
        """
        check(known(spans), known(new_spans))
        super().__init__(
            spec=SpanWindowSpec(
                input_base=input_base,
                spans=spans,
                new_spans=new_spans,
                fingerprint=fingerprint,
                format=format,
                split=split,
                code_hash=code_hash,
                **{SPAN_WINDOW: channel_utils.as_channel([SpanList()])},
            )
        )
