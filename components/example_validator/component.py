"""StoppingExampleValidator: the stock ExampleValidator, whose findings end the run."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts

from components.example_validator import executor, spec


class StoppingExampleValidator(base_component.BaseComponent):
    """Validates statistics against the schema; an anomaly fails the node with the reason.

    The stock component only writes anomalies down, and training goes on.
    """

    SPEC_CLASS = spec.StoppingExampleValidatorSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self, *, statistics: types.BaseChannel, schema: types.BaseChannel, code_hash: str
    ) -> None:
        """Construct the component.

        Args:
          statistics: of all splits.
          schema: what they are held against.
          code_hash: hash of this component's code: an edit is a cache miss.
        """
        super().__init__(
            spec=spec.StoppingExampleValidatorSpec(
                statistics=statistics,
                schema=schema,
                exclude_splits="[]",
                code_hash=code_hash,
                anomalies=types.Channel(type=standard_artifacts.ExampleAnomalies),
            )
        )
