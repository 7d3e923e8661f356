"""ServingCheck: the exported model in a process without our code, and no skew; without Docker."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts

from components.serving_check import executor, spec
from components.serving_check.checking import Options


class ServingCheck(base_component.BaseComponent):
    """Checks what would be served; Pusher takes its `blessing` as TFX's `infra_blessing`.

    The stock InfraValidator needs Docker, and does not compile for Vertex.
    """

    SPEC_CLASS = spec.ServingCheckSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        *,
        model: types.BaseChannel,
        examples: types.BaseChannel,
        transformed_examples: types.BaseChannel,
        ingest_report: types.BaseChannel | None = None,
        options: str = "{}",
        failed_before: int = 0,
        code_hash: str = "",
    ) -> None:
        """Construct the component.

        Args:
          model: the candidate.
          examples: raw Examples with an eval split.
          transformed_examples: what Transform made of them.
          ingest_report: of ExampleGen; rows are then named by file and line.
          options: `checking.Options` as a JSON object.
          failed_before: a number that grows with each check that fails: time and memory are another
            matter the next time, so that a failed check is not taken from the cache.
          code_hash: hash of the code that checks: an edit is a cache miss.

        Raises:
          InputError: `options` are not valid.
        """
        Options.from_json(options)
        super().__init__(
            spec=spec.ServingCheckSpec(
                model=model,
                examples=examples,
                transformed_examples=transformed_examples,
                ingest_report=ingest_report,
                options=options,
                failed_before=failed_before,
                code_hash=code_hash,
                blessing=types.Channel(type=standard_artifacts.InfraBlessing),
            )
        )
