"""Why a job in the cloud failed, told by the step that did: `<folder>/<job>/outcome.json`.

It lies beside what the Pusher tells of a run's end (`pusher.outcome`), but under the job's id: a run key may
have several jobs, and what one of them has met says nothing of the next. The service itself tells only that
a container has ended with some exit code.
"""

import dataclasses
import json
import re
from typing import Any

from components import conditional
from components.errors import InputError, Passing, in_a_line
from components.pusher import outcome

_STATE = "failed"
# Jobs that retrain has submitted, see `pipeline.submission.job_of`; of others nobody asks.
_ORDERED = re.compile(r".+-[0-9a-f]{16}-[1-9][0-9]*")
_NOTHING = b"{}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a job failed.

    Attributes:
      job: its id.
      step: the one that told.
      reason: as a run on this machine has it.
      permanent: whether the input is at fault: it would fail again.
      passing: whether something outside was in the way.
    """

    job: str
    step: str
    reason: str
    permanent: bool = False
    passing: bool = False


def of(error: Exception, job: str, step: str) -> Failure:
    """What an exception that ended a step says of its job."""
    if isinstance(error, InputError):
        passing = isinstance(error, Passing)
        return Failure(
            job=job, step=step, reason=str(error), permanent=not passing, passing=passing
        )
    return Failure(job=job, step=step, reason=f"{step} failed: {in_a_line(error)}")


def tell(folder: str, failure: Failure) -> None:
    """Leave word of a failure, if retrain has ordered the job.

    Of several steps that fail the first one's stays, unless only a later one knows that it is for good.

    Args:
      folder: of all runs.
      failure: of one of its steps.

    Raises:
      InputError: the store refuses, or is out of reach.
    """
    if not _ORDERED.fullmatch(failure.job):
        return
    content = json.dumps({"state": _STATE} | dataclasses.asdict(failure), indent=1).encode()
    address = outcome.path(folder, failure.job)
    while True:
        found = conditional.read(address)
        told = _parsed(found.content, failure.job)
        if told and (told.permanent or not failure.permanent):
            return
        if conditional.write(address, content, found.token) is not None:
            return


def read(folder: str, job: str) -> Failure | None:
    """Why a job failed; None: none of its steps has told.

    Raises:
      InputError: the store refuses, or is out of reach.
    """
    return _parsed(conditional.read(outcome.path(folder, job)).content, job)


def forget(folder: str, job: str) -> None:
    """Make sure that nothing is told of a job that is yet to be submitted.

    Somebody may have deleted a job of this id from the service, but not what that one had told. If others
    submit it at this very moment, at worst a word of theirs is lost: a failure without one is tried again.

    Raises:
      InputError: the store refuses, or is out of reach.
    """
    address = outcome.path(folder, job)
    found = conditional.read(address)
    if found.content not in (None, _NOTHING):
        conditional.write(address, _NOTHING, found.token)


def _parsed(content: bytes | None, job: str) -> Failure | None:
    """None of what is not there, of another job, or of another tokenline."""
    try:
        facts: Any = json.loads(content or _NOTHING)
        if facts.pop("state", "") != _STATE:
            return None
        found = Failure(**facts)
    except (ValueError, TypeError, AttributeError):
        return None
    return found if found.job == job else None
