"""`tokenline schedule`: a pipeline again and again; the schedules that there are."""

import dataclasses
import json
import sys
from dataclasses import dataclass

from components.errors import InputError
from pipeline.config import Config
from pipeline.submit import cron
from pipeline.submit.command import How, What, print_request, submission
from pipeline.submit.following import Events
from pipeline.submit.service import Schedule, Service
from pipeline.submit.services import service_of

_DONE = 0
_LONGEST_NAME = 128  # says Vertex of a schedule's display_name
_CALLS = {"pause": "paused", "resume": "resumed", "delete": "deleted"}


@dataclass(frozen=True)
class Change:
    """What is done to a schedule: pause, resume or delete; `schedule` is its name or its id."""

    call: str
    schedule: str


def create(config: Config, what: What, expression: str, name: str, how: How) -> int:
    """Make a schedule; returns the exit code.

    Args:
      config: the user's file.
      what: what runs each time; its parameters are the same each time.
      expression: as `cron.parse` takes it.
      name: of the schedule; "" for the pipeline's.
      how: told as JSON, or not sent at all.

    Raises:
      InputError: the expression is wrong, there is a schedule of this name, or as `submit` raises it.
    """
    when = cron.parse(expression)  # before anything that takes long
    called = name or config.pipeline.name
    if not called.isprintable() or len(called) > _LONGEST_NAME:
        expected = f"expected a line of at most {_LONGEST_NAME} characters"
        raise InputError(f"--name: got {called!a}, {expected}")
    with submission(config, what) as made:
        service = service_of(config, what.target)
        if how.dry_run:
            return print_request(service.schedule_request(made, when, called))
        _refuse_twice(service, called)
        number = service.schedule(made, when, called)
    if how.as_json:
        Events(sys.stdout).tell("scheduled", id=number, name=called, cron=expression)
    else:
        print(f"schedule {called} ({number}): {expression}")
        print(f"  pause it: tokenline schedule --pause {called}{service.options}")
    return _DONE


def show(config: Config, target: str, how: How) -> int:
    """Print the schedules that there are; returns the exit code."""
    found = service_of(config, target).schedules()
    if how.as_json:
        print(json.dumps([dataclasses.asdict(each) for each in found], indent=1))
        return _DONE
    if not found:
        print("no schedule")
    width = max((len(each.name) for each in found), default=0)
    for each in found:
        following = f"  next {each.next_run} UTC" if each.next_run else ""
        print(f"{each.name:<{width}}  {each.state:<6}  {each.cron}{following}  ({each.id})")
    return _DONE


def change(config: Config, target: str, asked: Change, how: How) -> int:
    """Pause, resume or delete a schedule; returns the exit code.

    Raises:
      InputError: there is none of this name, or there are several.
    """
    service = service_of(config, target)
    found = _only(service.schedules(), asked.schedule)
    {"pause": service.pause, "resume": service.resume, "delete": service.delete}[asked.call](
        found.id
    )
    if how.as_json:
        Events(sys.stdout).tell(_CALLS[asked.call], id=found.id, name=found.name)
    else:
        print(f"schedule {found.name} ({found.id}): {_CALLS[asked.call]}")
    return _DONE


def _refuse_twice(service: Service, name: str) -> None:
    """Two schedules of one pipeline would run everything twice."""
    for each in service.schedules():
        if each.name == name and each.state != "ended":
            raise InputError(
                f"schedule {name}: there is one already ({each.id}, {each.cron}, {each.state}), "
                "expected a new name (--name), or `tokenline schedule --delete` first"
            )


def _only(found: list[Schedule], wanted: str) -> Schedule:
    named = [each for each in found if wanted in (each.id, each.name)]
    if len(named) == 1:
        return named[0]
    if named:
        numbers = ", ".join(each.id for each in named)
        raise InputError(
            f"schedule {wanted}: got {len(named)} of this name, expected an id: {numbers}"
        )
    names = ", ".join(each.name for each in found) or "none at all"
    raise InputError(f"schedule {wanted}: there is none, expected one of {names}")
