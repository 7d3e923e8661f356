"""VersionPusher: puts a blessed model where a model server looks, as a whole."""

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts

from components.pusher import executor, spec


class VersionPusher(base_component.BaseComponent):
    """Pushes to `<push_destination>/<version>` by one rename.

    The stock Pusher copies file by file in place.
    """

    SPEC_CLASS = spec.VersionPusherSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(executor.Executor)

    def __init__(
        self,
        *,
        model: types.BaseChannel,
        model_blessing: types.BaseChannel,
        push_destination: str,
        note_origin: bool = False,
        keep_versions: int,
        pushed_versions: str,
        code_hash: str,
        infra_blessing: types.BaseChannel | None = None,
        evaluation: types.BaseChannel | None = None,
        run_key: str = "",
        outcome_to: str = "",
    ) -> None:
        """Construct the component.

        Args:
          model: the candidate.
          model_blessing: the Evaluator's verdict; without a blessing nothing is pushed.
          push_destination: folder that holds one numbered folder a version; may be a runtime parameter.
          note_origin: write beside a version which artifact it came from, see `origins`.
          keep_versions: how many of the newest versions stay.
          pushed_versions: JSON list of the versions that are there when the run starts, and of those
            that were withdrawn: if somebody removed one, the push is not taken from the cache.
          code_hash: hash of this component's code: an edit is a cache miss.
          infra_blessing: ServingCheck's verdict; without it, the Evaluator's alone decides.
          evaluation: the Evaluator's, for the metrics in `outcome.json`.
          run_key: what retrain knows the run by, noted with what becomes of it (see `run_keys`); "" for
            a run that it did not order; may be a runtime parameter.
          outcome_to: folder of `<run_key>/outcome.json`; "": none is written, see `outcome`.
        """
        super().__init__(
            spec=spec.VersionPusherSpec(
                model=model,
                model_blessing=model_blessing,
                infra_blessing=infra_blessing,
                evaluation=evaluation,
                push_destination=push_destination,
                note_origin=int(note_origin),
                keep_versions=keep_versions,
                pushed_versions=pushed_versions,
                run_key=run_key,
                outcome_to=outcome_to,
                code_hash=code_hash,
                pushed_model=types.Channel(type=standard_artifacts.PushedModel),
            )
        )
