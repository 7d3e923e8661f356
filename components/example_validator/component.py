"""StoppingExampleValidator: the stock ExampleValidator, whose findings end the run."""

from tfx.components.example_validator import component as stock
from tfx.dsl.components.base import executor_spec

from components.example_validator import executor


class StoppingExampleValidator(stock.ExampleValidator):
    """Validates statistics against the schema; an anomaly fails the node with the reason.

    The stock component only writes anomalies down, and training goes on.
    """

    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)
