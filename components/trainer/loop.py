"""The training loop: batches to updates, the curve, validations, checkpoints."""

import logging
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import tensorflow as tf

from components.trainer import distribution, faults, metrics_lines
from components.trainer.ahead import Ahead
from components.trainer.checkpoint import Arrays, Checkpoint, Checkpoints
from components.trainer.goodput import Goodput
from components.trainer.history import BatchSums, History, Point, last_validation
from components.trainer.metrics_log import MetricsLog
from components.trainer.objective import Batch
from components.trainer.request import TrainOptions
from components.trainer.selection import Selection, Weights
from components.trainer.shown import Shown
from components.trainer.updates import Taken, Updates

Report = Callable[[str], None]
_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class Data:
    """What a run reads.

    Attributes:
      rest: (epoch from 0, first batch from 0) -> (epoch, batch) from there to the end of the run.
      per_epoch: batches of every epoch.
      batches: of the run.
      window: batches that make one update.
      validation: the batches of a validation.
    """

    rest: Callable[[int, int], tf.data.Dataset]
    per_epoch: int
    batches: int
    window: int
    validation: tf.data.Dataset

    @property
    def steps(self) -> int:
        """Updates of the run; what is left at its end is an update, too."""
        return self.step_of(self.batches)

    def step_of(self, batches: int) -> int:
        """The update, from 1, that the last of so many batches belongs to."""
        return math.ceil(batches / self.window)


class Loop:
    """One run from its first batch, or its newest checkpoint, to its last."""

    def __init__(
        self,
        updates: Updates,
        shown: Shown,
        options: TrainOptions,
        data: Data,
        report: Report,
        goodput: Goodput,
        checkpoints: Checkpoints | None,
        bad: faults.BadBatches,
        metrics: MetricsLog,
        replicas: distribution.Replicas = distribution.ALONE,
    ) -> None:
        self._updates = updates
        self._shown = shown
        self._options = options
        self._data = data
        self._report = report
        self._goodput = goodput
        self._checkpoints = checkpoints
        self._replicas = replicas
        self._selection = Selection(options)
        self._bad = bad
        self.metrics = metrics
        self._empty = faults.EmptyBatches(options.max_empty_batches, data.batches)
        self._spikes = faults.Spikes(options.spike_sigmas)
        self._seeds = [v for v in updates.state()["model"] if v.dtype.is_integer]
        self._history = History()
        self._batch = self._first = 0  # batches taken; those taken before this process
        self._rate = updates.learning_rate  # of the last update
        self._logged = _Log(goodput.training_seconds())
        self._window = _Log()  # of the open window

    def run(self) -> History:
        """Train; the weights to export are then in the shown model."""
        try:
            return self._run()
        finally:
            self.metrics.close()

    def _run(self) -> History:
        with self._goodput.phase("checkpoint"):
            self._resume()
            self._replicas.agree("batches trained before", self._batch)
        self._report("tracing the model")
        with self._goodput.phase("tracing"):
            rest = self._data.rest(*divmod(self._batch, self._data.per_epoch))
            batches = Ahead(iter(rest))  # from now on they are read
            self._updates.trace()
            self._shown.trace()
        stopped = False
        while self._batch < self._data.batches and not stopped:
            self._take(self._next(batches))
            if self._batch == self._first:
                self._history.first_step = self._goodput.own()
            stopped = self._after(self._batch + 1)
        with self._goodput.phase("data_wait"):
            batches.close()
            del batches, rest  # taking an input pipeline down takes time, too
        history = self._history
        with self._goodput.phase("evaluation"):
            self._finish(history)
        history.steps = self._data.step_of(self._batch)
        history.batches, history.stopped_early = self._batch, stopped
        history.bad_batches, history.empty_batches = self._bad.count, self._empty.count
        history.skipped = self._bad.skipped
        history.traces, history.replicas = self._updates.traces, self._replicas.count
        history.goodput = self._goodput.seconds()
        history.seconds = self._goodput.training_seconds()
        return history

    def _next(self, batches: Ahead[tuple[tf.Tensor, Batch]]) -> Batch:
        """The next batch.

        Raises:
          RuntimeError: an epoch before it had more or fewer batches than planned.
        """
        with self._goodput.phase("data_wait"):
            epoch, batch = batches.next() or (-1, {})
            found = int(epoch)
        expected = self._batch // self._data.per_epoch
        if found != expected:
            got = "no more" if found < 0 else f"one of epoch {found}"
            raise RuntimeError(
                f"batch {self._batch + 1}: got {got}, expected one of epoch {expected}, "
                f"from 0, of {self._data.per_epoch} batches each"
            )
        return batch

    def _take(self, batch: Batch) -> None:
        """One batch into the window, unless it is bad; the update if it closes the window."""
        number, limit = self._batch + 1, self._spikes.limit()
        with self._goodput.phase("step"):
            seeds = [seed.numpy() for seed in self._seeds] if self._bad.skips else []
            taken = None
            try:
                taken = self._updates.take(batch, limit)
                reason = "" if taken.good else faults.reason_for(taken, limit)
            except tf.errors.InvalidArgumentError as error:
                reason = faults.reason_of(error) or ""
                if not reason:
                    raise
            if reason or taken is None:
                self._found_bad(batch, reason)
                # An error may come before or after dropout has drawn: each run goes on alike.
                for seed, before in zip(self._seeds, seeds, strict=True):
                    seed.assign(before)
            else:
                self._count(taken)
            if self._closes(number):
                self._close(batch, taken)

    def _close(self, batch: Batch, taken: Taken | None) -> None:
        """The update, and its line. `taken`: of the last batch; None if that failed."""
        norm, rate = math.nan, math.nan
        if taken is not None:
            norm, rate = float(taken.gradient_norm), float(taken.learning_rate)
        if self._data.window > 1:
            rate = self._updates.learning_rate if taken is None else rate
            norm = float(self._updates.close())
            if not math.isfinite(norm):
                self._found_bad(batch, _WINDOW_NORM)
        if self._window.batches and math.isfinite(norm):
            line = metrics_lines.update(self._window.sums, self._window.batches)
            self._write("train", line | {"gradient_norm": norm, "learning_rate": rate})
            self._rate = rate
        self._window = _Log()

    def _found_bad(self, batch: Batch, reason: str) -> None:
        number = self._batch + 1
        told = self._bad.found(batch, number, self._data.step_of(number), reason)
        self._write("bad_batch", {name: told[name] for name in ("reason", "first", "saved")})

    def _write(self, kind: str, numbers: dict[str, Any], batch: int = 0) -> None:
        """A line about the batch under way, or another one."""
        batch = batch or self._batch + 1
        step, per_epoch = self._data.step_of(batch), self._data.per_epoch
        place = {"kind": kind, "step": step, "batch": batch, "epoch": math.ceil(batch / per_epoch)}
        self.metrics.add(place | numbers | {"seconds": self._goodput.training_seconds()})

    def _count(self, taken: Taken) -> None:
        sums = _sums(taken)
        self._logged.add(sums)
        self._window.add(sums)
        self._history.useful_tokens += sums.useful
        self._history.positions += sums.positions
        if sums.denominator:
            self._spikes.add(sums.loss)
        else:
            self._empty.found()

    def _closes(self, number: int) -> bool:
        return number == self._data.batches or number % self._data.window == 0

    def _after(self, number: int) -> bool:
        """What is due after so many batches; whether training should stop."""
        self._batch, last = number, number == self._data.batches
        validates = last or number % (self._data.per_epoch * self._options.eval_every_epochs) == 0
        step = self._data.step_of(number)
        logs = self._closes(number) and step % self._options.log_steps == 0
        stop = self._point(step, validates) if validates or logs else False
        every = self._options.checkpoint_steps
        due = every and number % every == 0 and not last and not stop
        if self._checkpoints and due and self._replicas.chief:
            with self._goodput.phase("checkpoint"):
                self._save(self._checkpoints)
        return stop

    def _point(self, step: int, validates: bool) -> bool:
        """A point of the curve, with a validation or without; whether training should stop."""
        validation, stop = None, False
        if validates:
            with self._goodput.phase("evaluation"):
                self._shown.refresh()
                pair, validation = self._validated(step)
                weights = self._shown.weights() if self._selection.keeps_weights else []
                stop = self._selection.validated(validation, weights)
            self._write("validation", metrics_lines.validation(*pair), self._batch)
        self.metrics.flush()
        sums, batches = self._logged.sums, self._logged.batches
        seconds = self._goodput.training_seconds()
        point = Point(
            step=step,
            train_loss=sums.loss,
            validation_loss=validation,
            useful_tokens_per_second=sums.useful / max(1e-9, seconds - self._logged.since),
            objective=sums.divided(sums.objective, batches),
            z_loss=sums.divided(sums.z_loss, batches),
            learning_rate=self._rate,
        )
        self._history.points.append(point)
        self._logged = _Log(seconds)
        self._report(self._line(point))
        return stop

    def _validated(self, step: int) -> tuple[tuple[float, float], float | None]:
        """The sums of a validation, and the loss: the chief's, so that all processes decide alike."""
        pair = self._validation_sums(step) if self._replicas.chief else (0.0, 0.0)
        return pair, self._replicas.from_chief(pair[0] / pair[1] if pair[1] else None)

    def _validation_sums(self, step: int) -> tuple[float, float]:
        try:
            return self._shown.sums(self._data.validation)
        except tf.errors.InvalidArgumentError as error:
            if (reason := faults.reason_of(error)) is None:
                raise
            raise self._bad.in_validation(step, reason) from error

    def _line(self, point: Point) -> str:
        here = max(1, self._batch - self._first)
        left = self._goodput.here() / here * (self._data.batches - self._batch)
        known = last_validation(self._history.points)
        validation = f"  validation {known:.4f}" if known is not None else ""
        z_loss = f"  z-loss {point.z_loss:.4f}" if point.z_loss else ""
        return (
            f"step {point.step}/{self._data.steps}  loss {point.train_loss:.4f}{z_loss}"
            f"{validation}  {point.useful_tokens_per_second:,.0f} useful tokens/s  {left:.0f} s left"
        )

    def _finish(self, history: History) -> None:
        """The selected weights into the shown model, and their validation loss."""
        loss = history.points[-1].validation_loss
        chosen = self._selection.result()
        if chosen is not None:
            self._shown.assign(chosen)
            _, loss = self._validated(history.points[-1].step)
        history.validation = {"masked_token_loss": loss}

    def _save(self, checkpoints: Checkpoints) -> None:
        state = {
            f"{kind}/{index}": variable.numpy()
            for kind, variables in self._updates.state().items()
            for index, variable in enumerate(variables)
        }
        kept = {
            f"{kind}/{index}": value
            for kind, weights in self._selection.arrays().items()
            for index, value in enumerate(weights)
        }
        facts = {
            "history": self._history.to_dict(),
            "sums": asdict(self._logged.sums),
            "sums_batches": self._logged.batches,
            "window": [asdict(self._window.sums), self._window.batches],
            "metrics": self.metrics.flush(forced=True),
            "bad": self._bad.skipped,
            "empty": self._empty.count,
            "losses": self._spikes.losses,
            "selection": self._selection.facts(),
            "goodput": self._goodput.seconds(),
        }
        checkpoints.save(Checkpoint(self._batch, state | kept, facts))

    def _resume(self) -> None:
        """Go on at the newest checkpoint of this run, if there is one."""
        if not self._checkpoints:
            self.metrics.start()
            return
        state = self._updates.state()
        shapes = {
            f"{kind}/{index}": tuple(variable.shape)
            for kind, variables in state.items()
            for index, variable in enumerate(variables)
        }
        found, ignored = self._checkpoints.newest(shapes)
        for reason in ignored:
            self._say(f"checkpoint ignored: {reason}")
        if found is None:
            self.metrics.start()
            return
        for kind, variables in state.items():
            for index, variable in enumerate(variables):
                variable.assign(found.arrays[f"{kind}/{index}"])
        self._restore_facts(found)
        self._say(f"going on after batch {found.batch} of {self._data.batches}")

    def _say(self, text: str) -> None:
        """Report it, and keep it in the log: the next report takes its place on a terminal."""
        self._report(text)
        _LOGGER.warning(text)

    def _restore_facts(self, found: Checkpoint) -> None:
        facts = found.facts
        self._history = History.from_dict(facts["history"])
        self._history.resumes += 1
        self._batch = self._first = found.batch
        self._bad.skipped, self._empty.count = facts["bad"], facts["empty"]
        self._spikes.losses = facts["losses"]
        self._selection.restore(facts["selection"], _by_kind(found.arrays))
        self._goodput.add(facts["goodput"])
        self._logged = _Log(self._goodput.training_seconds())
        self._logged.sums = BatchSums(**facts["sums"])
        self._logged.batches = facts["sums_batches"]
        sums, self._window.batches = facts["window"]
        self._window.sums = BatchSums(**sums)
        if problem := self.metrics.start(facts["metrics"]):
            self._report(problem)


_WINDOW_NORM = "the norm of the window's gradient is not finite"


class _Log:
    """Sums since the last point of the curve, and the training second at which that was."""

    def __init__(self, since: float = 0.0) -> None:
        self.since = since
        self.sums = BatchSums()
        self.batches = 0

    def add(self, sums: BatchSums) -> None:
        self.sums += sums
        self.batches += 1


def _sums(taken: Taken) -> BatchSums:
    return BatchSums(
        numerator=float(taken.numerator),
        denominator=float(taken.denominator),
        objective=float(taken.objective),
        z_loss=float(taken.z_loss),
        divisor=float(taken.divisor),
        useful=int(taken.useful),
        positions=int(taken.positions),
    )


def _by_kind(arrays: Arrays) -> dict[str, Weights]:
    """`kind/index` -> array as kind -> arrays in order."""
    found: dict[str, list[tuple[int, Any]]] = {}
    for name, array in arrays.items():
        kind, _, index = name.partition("/")
        found.setdefault(kind, []).append((int(index), array))
    return {kind: [value for _, value in sorted(values)] for kind, values in found.items()}
