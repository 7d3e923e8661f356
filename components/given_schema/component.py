"""The TFX component GivenSchema."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts

from components.given_schema import executor, spec


class GivenSchema(base_component.BaseComponent):
    """As ImportSchemaGen, with the schema as a parameter: a container has no file of the user's.

    Output: `schema` (Schema).
    """

    SPEC_CLASS = spec.GivenSchemaSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(self, *, text: str, code_hash: str = "") -> None:
        """Take the text of a schema.pbtxt."""
        schema = types.Channel(type=standard_artifacts.Schema)
        super().__init__(spec.GivenSchemaSpec(text=text, code_hash=code_hash, schema=schema))
