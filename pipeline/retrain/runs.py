"""Where the runs of a pipeline go on, as the retrainer sees it: here, or as jobs of Vertex AI Pipelines."""

from typing import TYPE_CHECKING, Protocol

from components.errors import InputError
from pipeline.config import Config
from pipeline.retrain import watching
from pipeline.retrain.order import Outcome
from pipeline.retrain.states import Plan, Run, SpanVersion
from pipeline.retrain.telling import Teller

if TYPE_CHECKING:
    from pipeline.submit.following import Shown


class GoesOn(Exception):
    """A run goes on without this process; the next retrain takes it up.

    Attributes:
      job: what it is called.
      failing: whether one of its steps has failed, so that its end is near.
    """

    def __init__(self, job: str, *, failing: bool = False) -> None:
        super().__init__(job)
        self.job, self.failing = job, failing


class Runs(Protocol):
    """The runs of one pipeline, one at a time. A run is claimed in the ledger before it begins here."""

    def clean_up(self) -> None:
        """Clear away what runs left that were killed; told, and never in the way."""

    def check_free(self) -> None:
        """Whether a run can begin, before it is claimed.

        Raises:
          lock.Held: a run of the user's own goes on.
        """

    def can_read(self, version: SpanVersion) -> bool:
        """Whether a version that was trained can be read again, though late files lie beside its own."""

    def begin(self, plan: Plan, attempt: int) -> Outcome:
        """The run, to its end; `attempt`: how often it was claimed, from 1 on.

        Raises:
          supervise.Stopped: somebody asked for it, and the run has ended for it.
          GoesOn: the run has not ended, and this process does not wait for it.
          OSError: it cannot be begun.
        """

    def settled(self, key: str) -> Outcome | None:
        """How a run has ended that pushed or was refused, whatever it told; None: it did neither."""

    def take_up(self, run: Run) -> Outcome | None:
        """How a claimed run has ended whose retrain is gone; None: it never began, or nobody knows.

        Raises:
          supervise.Stopped: somebody asked for it while this waited.
          GoesOn: as `begin`.
        """

    def with_record(self, key: str, outcome: Outcome) -> Outcome:
        """The outcome of a run that has ended, with what it has not told where that can be had."""


def runs_of(
    config: Config,
    config_file: str,
    teller: Teller,
    stop: watching.Stop,
    *,
    code: str,
    shows_runs: bool,
    waits: bool = True,
) -> Runs:
    """The runs that a configuration wants.

    Args:
      config, config_file: the user's; of a cloud, as `cloud_places.in_cloud` has it.
      teller: of what happens.
      stop: what ends it.
      code: hash of the code, of which the runs' keys are made.
      shows_runs: whether what a run says goes to the terminal.
      waits: whether to wait for a job in the cloud.

    Raises:
      InputError: the configuration lacks what such runs need.
    """
    if config.retrain.runner == "vertex":
        from pipeline.retrain.cloud_runs import CloudRuns

        return CloudRuns(config, teller, stop, code=code, waits=waits, shown=_shown(shows_runs))
    if not waits:
        raise InputError("--no-wait: has no effect with retrain.runner local; expected vertex")
    from pipeline.retrain.local_runs import LocalRuns

    return LocalRuns(config, config_file, teller, stop, code=code, shows_runs=shows_runs)


def _shown(shows_runs: bool) -> "Shown | None":
    if not shows_runs:
        return None
    from pipeline.submit.following import shown_on

    return shown_on(None, as_json=False)
