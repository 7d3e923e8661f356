"""A random search for hyperparameters: KerasTuner proposes them, `training.train` tries them.

What is minimised is the masked validation loss of the weights that would be exported.
"""

import contextlib
import dataclasses
import json
import math
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import keras_tuner
import tensorflow as tf

from components import storage
from components.errors import InputError
from components.trainer import training, tuned
from components.trainer.checkpoint import run_key
from components.trainer.history import History
from components.trainer.request import TrainRequest
from components.trainer.tunable import refuse_sizes, shown, trial_line
from transform.vocabulary import Vocabularies

OBJECTIVE = "masked_token_loss"
_KEPT = "trials"
_FAILURES = (InputError, FloatingPointError, tf.errors.ResourceExhaustedError)
Say = Callable[[str], None]


@dataclass(frozen=True)
class TuneOptions:
    """What is tried.

    `max_trials` sets of values at most, drawn by `seed`; `epochs` of a trial, None: those of the run.
    `space`: hyperparameter -> its values, or {"min", "max", "log"}, of integers with a "step".
    """

    max_trials: int
    space: dict[str, Any]
    epochs: int | None = None
    seed: int = 42


@dataclass(frozen=True)
class Trial:
    """What came of one set of values: a validation loss, or the reason why there is none."""

    number: int
    values: dict[str, Any]
    loss: float | None = None
    reason: str = ""
    steps: int = 0
    parameters: int = 0
    seconds: float = 0.0


class SequenceTuner(keras_tuner.engine.base_tuner.BaseTuner):
    """KerasTuner's loop around ours; `trials` are those so far."""

    def __init__(
        self,
        request: TrainRequest,
        vocabularies: Vocabularies,
        options: TuneOptions,
        folder: str,
        *,
        state_folder: str,
        update: Say,
        result: Say,
    ) -> None:
        """`folder`: KerasTuner's own notes; `state_folder`: trials that a killed search had done."""
        oracle = keras_tuner.oracles.RandomSearchOracle(
            objective=keras_tuner.Objective(OBJECTIVE, "min"),
            max_trials=options.max_trials,
            seed=options.seed + 1,  # KerasTuner takes 0 for "any"
            hyperparameters=hyperparameters(options.space),
            max_consecutive_failed_trials=options.max_trials + 1,
        )
        oracle.verbose = 0
        super().__init__(oracle, directory=folder, project_name="search", overwrite=True)
        self.trials: list[Trial] = []
        self._request = _for_trials(request, options)
        self._vocabularies = vocabularies
        self._most = options.max_trials
        self._kept = os.path.join(state_folder, _KEPT) if state_folder else ""
        self._update, self._result = update, result

    def run_trial(self, trial: Any) -> dict[str, float]:
        """The validation loss of one set of values.

        Raises:
          FailedTrialError: training refused them, or came to no finite loss.
          FatalError: what is not the trial's fault.
        """
        number, values = len(self.trials) + 1, dict(trial.hyperparameters.values)
        try:
            done = self._tried(number, values)
        except Exception as error:
            raise keras_tuner.errors.FatalError(str(error)) from error
        self.trials.append(done)
        self._result(trial_line(dataclasses.asdict(done), self._most))
        if done.loss is None:
            raise keras_tuner.errors.FailedTrialError(done.reason)
        return {OBJECTIVE: done.loss}

    def _tried(self, number: int, values: dict[str, Any]) -> Trial:
        """Train, unless a search that was killed has done so."""
        request = tuned.applied(self._request, values)
        file = ""
        if self._kept:
            key = run_key(request, self._vocabularies.digest, request.base_model)
            file = os.path.join(self._kept, f"{key}.json")
            with contextlib.suppress(FileNotFoundError), storage.opened(file) as known:
                return dataclasses.replace(Trial(**json.load(known)), number=number)
        done = self._train(number, values, request)
        if file:
            content = json.dumps(dataclasses.asdict(done)).encode()
            storage.write_whole(file, lambda opened: opened.write(content))
        return done

    def _train(self, number: int, values: dict[str, Any], request: TrainRequest) -> Trial:
        def report(text: str) -> None:
            self._update(f"trial {number} of {self._most}: {text}")

        report(shown(values))
        trial = Trial(number, values)
        try:
            _, history = training.train(request, self._vocabularies, report)
        except _FAILURES as error:
            return dataclasses.replace(trial, reason=_reason(error))
        finally:
            keras.utils.clear_session()  # the next model starts with nothing of this one
        return _judged(trial, history)


def hyperparameters(space: Mapping[str, Any]) -> keras_tuner.HyperParameters:
    """The space in KerasTuner's words."""
    found = keras_tuner.HyperParameters()
    for name, values in space.items():
        if not isinstance(values, Mapping):
            found.Choice(name, list(values))
            continue
        low, high = values["min"], values["max"]
        sampling = "log" if values.get("log") else "linear"
        if isinstance(low, int):
            step = None if values.get("log") else values.get("step", 1)
            found.Int(name, low, high, step=step, sampling=sampling)
        else:
            found.Float(name, low, high, sampling=sampling)
    return found


def search(
    request: TrainRequest,
    vocabularies: Vocabularies,
    options: TuneOptions,
    *,
    state_folder: str,
    update: Say,
    result: Say,
) -> SequenceTuner:
    """Try what the options say; the same seed tries the same.

    Args:
      request: data and options of the run; those that are tuned are replaced.
      vocabularies: what Transform used.
      options: the space and how much of it.
      state_folder: keeps the trials of a search that is killed; "": nothing is kept.
      update: is told where it is.
      result: is told what each trial came to.

    Returns:
      The tuner, which knows the trials; at least one was good.

    Raises:
      InputError: no trial came to a loss, or a size is to be tuned of a model that has one.
    """
    refuse_sizes(options.space, request.base_model)
    with tempfile.TemporaryDirectory(prefix="tokenline-") as folder:
        tuner = SequenceTuner(
            request,
            vocabularies,
            options,
            folder,
            state_folder=state_folder,
            update=update,
            result=result,
        )
        try:
            tuner.search()
        except keras_tuner.errors.FatalError as error:
            raise error.__cause__ or error from None
    if all(trial.reason for trial in tuner.trials):
        count, reason = len(tuner.trials), tuner.trials[0].reason
        raise InputError(f"train.tune: got {count} failed trials, expected a good one: {reason}")
    if len(tuner.trials) < options.max_trials:
        result(f"{len(tuner.trials)} of {options.max_trials} trials: the space has no other values")
    return tuner


def clear(state_folder: str) -> None:
    """Remove what was kept of the trials, once their results are where they belong."""
    if state_folder:
        storage.remove_folder(os.path.join(state_folder, _KEPT))


def _for_trials(request: TrainRequest, options: TuneOptions) -> TrainRequest:
    """The run's request, but for its length and for all that it writes."""
    train = dataclasses.replace(request.train, checkpoint_steps=0, tensorboard=False)
    if options.epochs is not None:
        train = dataclasses.replace(train, epochs=options.epochs, steps=None)
    return dataclasses.replace(
        request, train=train, serving_folder="", state_folder="", start_folder="", history_folder=""
    )


def _judged(trial: Trial, history: History) -> Trial:
    loss = history.validation[OBJECTIVE]
    facts: dict[str, Any] = {
        "steps": history.steps,
        "parameters": history.parameters,
        "seconds": history.seconds,
    }
    if loss is None:
        facts["reason"] = "the eval split has no weight, so that there is no validation loss"
    elif not math.isfinite(loss):
        facts["reason"] = f"the validation loss is {loss}"
    else:
        facts["loss"] = loss
    return dataclasses.replace(trial, **facts)


def _reason(error: BaseException) -> str:
    """One line."""
    return str(error).strip().split("\n")[0] or type(error).__name__
