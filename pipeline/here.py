"""What a line on this machine was told before it is made, as `pipeline.kubeflow.line` is in the cloud."""

import json
import os
from dataclasses import dataclass
from typing import Any

from tfx.components.schema_gen.import_schema_gen.component import ImportSchemaGen
from tfx.dsl.components.base.base_node import BaseNode

from components.pusher import versions
from pipeline import base_model, beam_profile, content, span_checks
from pipeline.config import Config
from pipeline.earlier import Earlier, looked_up
from pipeline.inputs import RunInputs
from pipeline.paths import RunPaths
from pipeline.store.connection import store_of


@dataclass(frozen=True, kw_only=True)
class Here:
    """The facts of a run on this machine; see `pipeline.pipeline.create_pipeline`.

    Attributes:
      run_key: what retrain knows the run by, or "".
      train_steps: SequenceTrainer's parameter: what the configuration says.
      caches: whether a component with the inputs of an earlier run takes its outputs.
    """

    config: Config
    inputs: RunInputs
    paths: RunPaths
    base_vocabulary: str
    input_key: str
    base_model: str
    last_lost_push: int
    run_key: str = ""
    train_steps: int = 0
    caches: bool = True

    @property
    def root(self) -> str:
        """Where artifacts go."""
        return self.paths.artifacts

    @property
    def connection(self) -> Any:
        """To the metadata store."""
        return store_of(self.config).connection()

    @property
    def beam_arguments(self) -> list[str]:
        """The same for every profile, as they are part of the cache's key; see `local_runner`."""
        return list(beam_profile.HERE)

    @property
    def data_key_of_checks(self) -> str:
        """SpanCheck's parameter, by which a repeat is known."""
        return span_checks.data_key(self.inputs)

    @property
    def push(self) -> dict[str, Any]:
        """VersionPusher's parameters."""
        destination = os.path.abspath(self.config.serving.push_to)
        pushed = pushed_versions(destination, self.last_lost_push)
        return {
            "push_destination": destination,
            "pushed_versions": pushed,
            "run_key": self.run_key,
        }

    def earlier(self, window: BaseNode) -> Earlier:
        """What was looked up before."""
        del window
        return looked_up(
            base_vocabulary=self.base_vocabulary,
            input_key=self.input_key,
            data_key=base_model.data_key(self.inputs),
            base_model=self.base_model,
        )

    def schema(self, text: str, name: str) -> BaseNode:
        """What brings the user's schema, whose file is called so, into the line."""
        return ImportSchemaGen(schema_file=content.keep_text(text, name, self.paths.schemas))


def pushed_versions(destination: str, last_lost_push: int) -> str:
    """What is there and what is not, as JSON: where that has changed, no push is from the cache."""
    pushed: list[int | str] = [version.number for version in versions.existing(destination)]
    pushed += [f"withdrawn {version.number}" for version in versions.withdrawn(destination)]
    if last_lost_push:
        pushed.append(f"lost {last_lost_push}")
    return json.dumps(pushed)
