"""SequenceTransform: what the stock TFX Transform writes, with the vocabulary as an input."""

from tfx import types
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.types import standard_artifacts

from components.sequence_transform import executor, spec


class SequenceTransform(base_beam_component.BaseBeamComponent):
    """Applies `transform.preprocessing.preprocessing_fn` to every split.

    The vocabulary is an input artifact and not an analyzer's result, so one pass over the data is
    enough and ids stay what they were in earlier runs.
    """

    SPEC_CLASS = spec.SequenceTransformSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(executor.Executor)

    def __init__(
        self,
        *,
        examples: types.BaseChannel,
        schema: types.BaseChannel,
        vocabulary: types.BaseChannel,
        settings: str,
        code_hash: str,
    ) -> None:
        """Construct the component.

        Args:
          examples: raw Examples.
          schema: their Schema.
          vocabulary: components.Vocabulary of VocabularyGen.
          settings: `transform.settings.Settings` as JSON.
          code_hash: hash of the code that computes rows: an edit there is a cache miss.
        """
        transformed_examples = types.Channel(type=standard_artifacts.Examples)
        transformed_examples.matching_channel_name = spec.EXAMPLES
        super().__init__(
            spec=spec.SequenceTransformSpec(
                examples=examples,
                schema=schema,
                vocabulary=vocabulary,
                settings=settings,
                code_hash=code_hash,
                transform_graph=types.Channel(type=standard_artifacts.TransformGraph),
                transformed_examples=transformed_examples,
            )
        )
