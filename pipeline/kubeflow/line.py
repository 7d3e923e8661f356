"""What a line in the cloud has instead of look-ups on this machine: runtime parameters, and BaseModel."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tfx.dsl.components.base.base_node import BaseNode
from tfx.orchestration.data_types import RuntimeParameter

import components as ours
from components.base_model import spec
from components.code_hash import code_hash
from components.example_gen.request import parse_request
from pipeline import beam_profile, inputs, vocabulary_state
from pipeline.config import Config
from pipeline.config.cloud import CloudConfig
from pipeline.earlier import BASE_MODEL, Earlier, last_blessed
from pipeline.kubeflow import parameters
from pipeline.settings import token_settings

CODE_OF_BASE_MODEL = (
    "components.base_model",
    "components.example_gen.columns",
    "components.example_gen.files",
    "components.example_gen.splits",
    "components.folders",
    "components.pusher",
    "components.span_window",
    "components.storage",
)


@dataclass(frozen=True)
class CloudInputs(inputs.RunInputs):
    """What a run reads, as far as it can be known before; `new_spans` is a runtime parameter."""

    new_spans: Any = "[]"

    @property
    def what_is_read(self) -> dict[str, Any]:
        """SpanWindow's parameters, with what its driver needs."""
        of_the_driver = {name: self.example_gen[name] for name in ("format", "split")}
        return super().what_is_read | {"new_spans": self.new_spans} | of_the_driver


@dataclass(frozen=True)
class CloudLine:
    """How a line that is compiled on this machine finds out elsewhere what it depends on.

    Attributes:
      config: the user's file.
      cloud: its section `cloud`.
      values: name -> runtime parameter, as in `parameters`.
      resolves: whether the target has Resolvers; else what is served counts as blessed last.
    """

    config: Config
    cloud: CloudConfig
    values: Mapping[str, RuntimeParameter]
    resolves: bool

    @property
    def inputs(self) -> CloudInputs:
        """ExampleGen's and SpanWindow's parameters; no folder is looked at."""
        read = inputs.example_gen_parameters(self.config, (), "")
        learns = parse_request(read | {"input_base": self.cloud.data}).sequences.learning
        read |= {
            "input_base": self.values[parameters.DATA_PATH],
            "spans": self.values[parameters.SPANS],
            "fingerprint": self.values[parameters.FINGERPRINT],
        }
        new = self.values[parameters.NEW_SPANS]
        return CloudInputs((), read, learns=learns is not None, new_spans=new)

    @property
    def root(self) -> str:
        """Where artifacts go."""
        return self.cloud.root

    @property
    def caches(self) -> bool:
        """Whether a step with the inputs of an earlier one takes its outputs."""
        return self.cloud.cache

    @property
    def connection(self) -> None:
        """The service keeps the metadata."""
        return None

    @property
    def beam_arguments(self) -> list[str]:
        """Where the containers' work for Beam is done; those without any do not get them."""
        return beam_profile.arguments(self.config.beam, self.cloud.beam)

    @property
    def data_key_of_checks(self) -> str:
        """SpanCheck's parameter: nobody looks for the span before."""
        return ""

    @property
    def train_steps(self) -> RuntimeParameter:
        """SequenceTrainer's parameter."""
        return self.values[parameters.TRAIN_STEPS]

    @property
    def push(self) -> dict[str, Any]:
        """VersionPusher's parameters; it is never taken from the cache, see `finish`."""
        return {
            "push_destination": self.values[parameters.PUSH_DESTINATION],
            "pushed_versions": "[]",
            "note_origin": not self.resolves,
            "run_key": self.values[parameters.RUN_KEY],
            "outcome_to": parameters.outcomes(self.config, self.cloud),
        }

    def earlier(self, window: BaseNode) -> Earlier:
        """The node that looks up what a run builds on, and its outputs."""
        blessed = last_blessed() if self.resolves else None
        node = ours.BaseModel(
            model=blessed.outputs["model"] if blessed else None,
            served="" if blessed else self.values[parameters.PUSH_DESTINATION],
            span_window=window.outputs["span_window"],
            split=self.inputs.split,
            vocabulary_key=self._vocabulary_key(),
            token_identity=token_settings(self.config).token_identity(),
            warm_start=self.config.train.warm_start,
            code_hash=code_hash(*CODE_OF_BASE_MODEL),
        ).with_id(BASE_MODEL)
        text = {name: node.outputs[name].future()[0].value for name in spec.OUTPUTS}
        baseline = {"baseline_folder": text[spec.BASELINE]}
        return Earlier(
            nodes=(blessed, node) if blessed else (node,),
            base_vocabulary=text[spec.BASE_VOCABULARY],
            input_key=text[spec.INPUT_KEY],
            data_key=text[spec.DATA_KEY],
            base_model={"base_model_folder": text[spec.BASE_MODEL]},
            baseline={"baseline_model": blessed.outputs["model"]} if blessed else baseline,
        )

    def schema(self, text: str, name: str) -> BaseNode:
        """What brings the user's schema into the line: no container has the file."""
        del name
        given = ours.GivenSchema(text=text, code_hash=code_hash("components.given_schema"))
        return given.with_id("ImportSchemaGen")

    def _vocabulary_key(self) -> str:
        """As `vocabulary_state.input_key`, without what a run reads."""
        data = self.config.data
        parts = [
            inputs.example_gen_parameters(self.config, (), ""),
            token_settings(self.config).to_json(),
            data.vocab_size,
            data.min_frequency,
            code_hash(*vocabulary_state.CODE, "components.example_gen"),
        ]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def cloud_line(config: Config, cloud: CloudConfig, *, resolves: bool) -> CloudLine:
    """The line of a configuration, with its runtime parameters."""
    found = {
        name: RuntimeParameter(name, ptype=type(value), default=value)
        for name, value in parameters.defaults(config, cloud).items()
    }
    return CloudLine(config, cloud, found, resolves)
