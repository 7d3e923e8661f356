"""The TFX component SpanCheck."""

from tfx import types
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import channel_utils

from components.artifacts import SpanStatistics
from components.span_check.executor import Executor
from components.span_check.spec import BEFORE, STATISTICS, SpanCheckSpec


class SpanCheck(base_beam_component.BaseBeamComponent):
    """Holds each new span against the span before it, alone, whatever else a run reads.

    What differs by more than its limit fails the node, with every reason. Without new spans, the newest
    one is looked at.

    Output: `statistics` (SpanStatistics) of the newest span, with `span_check.json`.
    """

    SPEC_CLASS = SpanCheckSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)

    def __init__(
        self,
        *,
        examples: types.BaseChannel,
        ingest_report: types.BaseChannel,
        span_window: types.BaseChannel,
        checks: str,
        data_key: str = "",
        code_hash: str = "",
        before: types.BaseChannel | None = None,
    ) -> None:
        """Take the parameters that `spec.SpanCheckSpec` describes.

        Args:
          examples: ExampleGen's.
          ingest_report: ExampleGen's.
          span_window: SpanWindow's.
          checks, data_key, code_hash: see the spec.
          before: this component's output of an earlier run, if there was one.
        """
        statistics = channel_utils.as_channel([SpanStatistics()])
        super().__init__(
            spec=SpanCheckSpec(
                examples=examples,
                ingest_report=ingest_report,
                span_window=span_window,
                checks=checks,
                data_key=data_key,
                code_hash=code_hash,
                **{BEFORE: before, STATISTICS: statistics},
            )
        )
