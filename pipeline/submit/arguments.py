"""The arguments of `tokenline submit` and `tokenline schedule`, and what of them fits together.

Loads nothing heavy: `--help` answers at once.
"""

import argparse
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from components.errors import InputError

if TYPE_CHECKING:
    from pipeline.submit.command import What

TARGETS = ("vertex", "kubeflow")
_FAILED = 1
_CALLS = ("pause", "resume", "delete")


def add_submit(command: argparse.ArgumentParser) -> None:
    """The arguments of `submit`, besides --config."""
    _add_what(command)
    command.add_argument(
        "--wait", action="store_true", help="until the job has ended, with its steps"
    )
    command.add_argument("--schedule", metavar="CRON", help="as tokenline schedule CRON does")
    command.add_argument("--name", default="", help="of the schedule (default: the pipeline's)")
    job = command.add_mutually_exclusive_group()
    job.add_argument("--follow", metavar="JOB", help="wait for a job that was submitted before")
    job.add_argument("--cancel", metavar="JOB", help="end a job")


def add_schedule(command: argparse.ArgumentParser) -> None:
    """The arguments of `schedule`, besides --config."""
    text = "when, in quotes: minute hour day month weekday, in UTC; TZ=Europe/Berlin before them"
    command.add_argument("cron", nargs="?", metavar="CRON", help=text)
    _add_what(command)
    command.add_argument("--name", default="", help="of the schedule (default: the pipeline's)")
    which = command.add_mutually_exclusive_group()
    which.add_argument("--list", action="store_true", help="say which schedules there are")
    which.add_argument("--pause", metavar="NAME", help="no further runs, until --resume")
    which.add_argument("--resume", metavar="NAME", help="further runs; none for those missed")
    which.add_argument("--delete", metavar="NAME", help="no further runs, ever")


def _add_what(command: argparse.ArgumentParser) -> None:
    text = "compiled pipeline, .json or .yaml (default: compile now)"
    command.add_argument("file", nargs="?", metavar="FILE", help=text)
    command.add_argument(
        "--target", choices=TARGETS, default="vertex", help="where to (default: vertex)"
    )
    command.add_argument(
        "--parameter",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="value of a runtime parameter; may be repeated",
    )
    command.add_argument("--no-cache", action="store_true", help="every step runs")
    command.add_argument(
        "--dry-run", action="store_true", help="print the request; needs no credentials or network"
    )
    command.add_argument("--json", action="store_true", help="JSON, a line an event")


def submit(chosen: argparse.Namespace) -> int:
    """Run `tokenline submit`; returns its exit code.

    Raises:
      InputError: arguments that do not fit together, and as the commands raise it.
    """
    _check_submit(chosen)
    return _told(chosen, _submit)


def schedule(chosen: argparse.Namespace) -> int:
    """Run `tokenline schedule`; returns its exit code.

    Raises:
      InputError: arguments that do not fit together, and as the commands raise it.
    """
    _check_schedule(chosen)
    return _told(chosen, _schedule)


def _told(chosen: argparse.Namespace, call: Callable[[argparse.Namespace], int]) -> int:
    """Say why what was compiled cannot run, a line each: that is no fault of the input."""
    from pipeline.submit.command import CannotRun

    try:
        return call(chosen)
    except CannotRun as error:
        for line in str(error).split("\n"):
            print(f"tokenline: {line}", file=sys.stderr)
        return _FAILED


def _check_submit(chosen: argparse.Namespace) -> None:
    _refuse_empty(chosen, {"follow": "a job", "cancel": "a job", "schedule": "CRON"})
    if chosen.follow or chosen.cancel:
        names = ("file", "wait", "schedule", "parameter", "no_cache", "dry_run", "name")
        _refuse(chosen, names, "--follow" if chosen.follow else "--cancel")
    if chosen.dry_run:
        _refuse(chosen, ("wait",), "--dry-run")
    if chosen.schedule:
        _refuse(chosen, ("wait",), "--schedule")
    else:
        _refuse(chosen, ("name",), "a single run")


def _submit(chosen: argparse.Namespace) -> int:
    from pipeline.config import load_config
    from pipeline.submit import command, schedule_command

    config = load_config(chosen.config)
    how = command.How(wait=chosen.wait, dry_run=chosen.dry_run, as_json=chosen.json)
    if chosen.follow:
        return command.follow_job(config, chosen.target, chosen.follow, how)
    if chosen.cancel:
        return command.cancel_job(config, chosen.target, chosen.cancel, how)
    what = _what(chosen)
    if chosen.schedule:
        return schedule_command.create(config, what, chosen.schedule, chosen.name, how)
    return command.submit(config, what, how)


def _check_schedule(chosen: argparse.Namespace) -> None:
    _refuse_empty(chosen, dict.fromkeys(_CALLS, "the name of a schedule, or its id"))
    if option := "--list" if chosen.list else _call(chosen) and f"--{_call(chosen)}":
        names = ("cron", "file", "parameter", "no_cache", "dry_run", "name")
        _refuse(chosen, names, option)
    elif not chosen.cron:
        expected = "expected CRON, --list, --pause, --resume or --delete"
        raise InputError(f"schedule: got nothing, {expected}")


def _schedule(chosen: argparse.Namespace) -> int:
    from pipeline.config import load_config
    from pipeline.submit import command, schedule_command

    config = load_config(chosen.config)
    how = command.How(dry_run=chosen.dry_run, as_json=chosen.json)
    if chosen.list:
        return schedule_command.show(config, chosen.target, how)
    if call := _call(chosen):
        asked = schedule_command.Change(call, getattr(chosen, call))
        return schedule_command.change(config, chosen.target, asked, how)
    return schedule_command.create(config, _what(chosen), chosen.cron, chosen.name, how)


def _call(chosen: argparse.Namespace) -> str:
    """What is done to a schedule that there is; "" for nothing."""
    return next((each for each in _CALLS if getattr(chosen, each)), "")


def _what(chosen: argparse.Namespace) -> "What":
    from pipeline.submit.command import What

    cache = False if chosen.no_cache else None
    return What(chosen.file, chosen.target, tuple(chosen.parameter), cache)


def _refuse_empty(chosen: argparse.Namespace, expected: Mapping[str, str]) -> None:
    """Refuse "", as of a shell's variable that is not set: what ends a job would start one instead.

    Raises:
      InputError: a line for each.
    """
    empty = [name for name in expected if getattr(chosen, name) == ""]
    if empty:
        raise InputError(
            "\n".join(f"--{name}: got '', expected {expected[name]}" for name in empty)
        )


def _refuse(chosen: argparse.Namespace, names: tuple[str, ...], beside: str) -> None:
    """Refuse arguments that have no effect beside another one.

    Raises:
      InputError: a line for each.
    """
    shown = {"file": "FILE", "cron": "CRON"}
    found = [
        shown.get(name, "--" + name.replace("_", "-")) for name in names if getattr(chosen, name)
    ]
    if found:
        raise InputError("\n".join(f"{each}: has no effect with {beside}" for each in found))
