"""Start from the weights of an earlier model whose vocabulary this run's extends.

Before the first step an old token has its old rows, to the bit, and so its old logits; a new token has
the mean of all old rows. The optimizer's slots go with their variables; its count of updates, and with
it the learning rate's course, starts anew.
"""

import os
from collections.abc import Mapping
from typing import Any

import keras

from components.errors import InputError
from components.trainer import starting_point
from components.trainer.models import ModelSpec, SequenceModel
from components.trainer.request import TrainRequest
from components.trainer.row_map import Array, Rows, match, vocabulary_axis
from components.trainer.starting_point import StartingPoint
from transform.vocabulary import Vocabularies

_WAY_OUT = (
    "train.warm_start: never starts from scratch, another pipeline.name a pipeline of its own"
)
_SAME = {"task": "task", "family": "model.family", "tie_embeddings": "model.tie_embeddings"}
_SIZES = {"units": "model.units", "layers": "model.layers"}
_SIZES_OF_ATTENTION = {
    "heads": "model.heads",
    "feed_forward": "model.feed_forward",
    "max_length": "data.max_target_length",  # learned positions
    "max_input_length": "data.max_source_length",
}


class WarmStart:
    """One earlier model, mapped to this run's vocabulary."""

    def __init__(self, base: str, point: StartingPoint, vocabularies: Vocabularies) -> None:
        """Match the rows.

        Args:
          base: what the model is called in reports: the folder of its artifact.
          point: what is known of it.
          vocabularies: this run's.

        Raises:
          InputError: the vocabularies are unrelated.
        """
        self._base = base
        self._point = point
        self._slots: dict[str, bool] = {}  # name: whether the base model had it
        old = point.vocabularies.sides
        try:
            self._rows: dict[str, Rows] = {
                side: match(side, old[side], vocabulary)
                for side, vocabulary in vocabularies.sides.items()
                if side in old
            }
        except InputError as error:
            raise self._refused(str(error)) from None

    @property
    def digest(self) -> str:
        """Hash of what this starts from."""
        return self._point.digest

    def check(self, spec: ModelSpec) -> None:
        """Make sure that it is the same kind of model, and as large.

        Raises:
          InputError: it is not; names the key of the configuration.
        """
        attention = _SIZES_OF_ATTENTION if spec.family == "transformer" else {}
        for name, key in (_SAME | _SIZES | attention).items():
            got, expected = self._point.model[name], getattr(spec, name)
            if got != expected:
                raise self._refused(f"{key}: got {got} in the base model, expected {expected}")

    def give_weights(self, model: SequenceModel) -> None:
        """The base model's weights into `model`.

        Raises:
          InputError: it is not the same kind of model, or a variable has another shape.
        """
        self.check(model.spec)
        variables = {variable.path: variable for variable in model.trainable_variables}
        values = {path: self._remapped(path, value) for path, value in self._point.weights.items()}
        self._compare(values, variables)
        for path, variable in variables.items():
            variable.assign(values[path])

    def give_slots(self, optimizer: keras.optimizers.Optimizer, model: SequenceModel) -> None:
        """The base model's slots into the optimizer of `model`; none, if its rule is another."""
        same_rule = starting_point.rule_of(optimizer) == self._point.rule
        for name, by_path in starting_point.slots_of(optimizer, model).items():
            values = self._point.slots.get(name, {})
            self._slots[name] = same_rule and by_path.keys() <= values.keys()
            if self._slots[name]:
                for path, variable in by_path.items():
                    variable.assign(self._remapped(path, values[path], zeros=True))

    def facts(self) -> dict[str, Any]:
        """What `history.json` says of it."""
        return {
            "model": self._base,
            "hash": self.digest,
            "rows": {side: rows.counts() for side, rows in self._rows.items()},
            "slots": self._slots,
        }

    def _remapped(self, path: str, value: Array, *, zeros: bool = False) -> Array:
        found = vocabulary_axis(path)
        if found is None or found[0] not in self._rows:
            return value
        side, axis = found
        return self._rows[side].remapped(value, axis, zeros=zeros)

    def _compare(
        self, values: Mapping[str, Array], variables: Mapping[str, keras.Variable]
    ) -> None:
        for path in sorted(values.keys() | variables.keys()):
            got = values[path].shape if path in values else "none"
            expected = tuple(variables[path].shape) if path in variables else "none"
            if got != expected:
                raise self._refused(
                    f"variable {path}: got {got} in the base model, expected {expected}"
                )

    def _refused(self, problem: str) -> InputError:
        return InputError(f"cannot start from {self._base}: {problem}; {_WAY_OUT}")


def begin(request: TrainRequest, vocabularies: Vocabularies) -> WarmStart | None:
    """What the request's base model is to this run; None without one.

    Raises:
      InputError: it cannot be read, or its vocabulary is unrelated.
    """
    if not request.base_model:
        return None
    point = starting_point.read(os.path.join(request.base_model, starting_point.FOLDER))
    return WarmStart(request.base_model, point, vocabularies)
