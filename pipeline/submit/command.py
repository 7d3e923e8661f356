"""`tokenline submit`: a compiled pipeline to Vertex AI Pipelines or Kubeflow, and what becomes of it."""

import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pipeline.config import Config
from pipeline.kubeflow import lint
from pipeline.submit import job_file, parameters
from pipeline.submit.following import Events, follow, shown_on
from pipeline.submit.job_file import JobFile
from pipeline.submit.sections import cloud_of
from pipeline.submit.service import PUSHER, Look, Service, Submission
from pipeline.submit.services import service_of
from pipeline.terminal import Terminal

_DONE, _FAILED, _NOT_PUSHED, _INTERRUPTED = 0, 1, 3, 130


@dataclass(frozen=True)
class What:
    """What is submitted, by `submit` and `schedule` alike.

    Attributes:
      file: the compiled pipeline; None: it is compiled now.
      target: vertex or kubeflow.
      parameters: `NAME=VALUE` each.
      cache: None as compiled; else for all steps.
    """

    file: str | None
    target: str
    parameters: Sequence[str] = ()
    cache: bool | None = None


@dataclass(frozen=True)
class How:
    """How it is submitted, and told."""

    wait: bool = False
    dry_run: bool = False
    as_json: bool = False
    sleep: Callable[[float], None] = time.sleep


def submit(config: Config, what: What, how: How) -> int:
    """Submit; returns the exit code: 0 submitted, or (waiting) as that of `run`.

    Raises:
      InputError: as `Service` raises it, and for parameters that do not fit.
    """
    with submission(config, what) as made:
        service = service_of(config, what.target)  # after what is quicker to refuse
        if how.dry_run:
            return print_request(service.request(made))
        job = service.submit(made)
        _tell_submitted(service, made, job, how)
        if not how.wait:
            return _DONE
        return _wait(service, job, made.file, how)


def follow_job(config: Config, target: str, job: str, how: How) -> int:
    """Wait for a job that was submitted before; returns the exit code."""
    return _wait(service_of(config, target), job, None, how)


def cancel_job(config: Config, target: str, job: str, how: How) -> int:
    """Ask for the end of a job; returns the exit code."""
    service = service_of(config, target)
    service.cancel(job)
    if how.as_json:
        Events(sys.stdout).tell("cancelling", job=job)
    else:
        print(f"cancelling {job}, which may take some minutes: {service.address(job)}")
    return _DONE


class CannotRun(Exception):
    """What was compiled cannot run as it is; why, a line each."""


@contextlib.contextmanager
def submission(config: Config, what: What) -> Iterator[Submission]:
    """What is submitted, from its file, or compiled into one that is gone afterwards.

    Raises:
      InputError: the file or a parameter is wrong.
      CannotRun: what was compiled, or the file, cannot run; nothing is sent.
    """
    cloud_of(config)
    with contextlib.ExitStack() as stack:
        path = what.file
        if path is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            path = _compiled(config, what.target, folder)
        file = job_file.read(path)
        declared = parameters.definitions(file.spec, what.target)
        given = parameters.from_texts(what.parameters, declared)
        parameters.check(file.parameters | given, declared, file.path)
        if what.file is not None and (found := lint.quick(file.spec, what.target)):
            raise CannotRun("\n".join(map(str, found)))
        yield Submission(file, given, what.cache)


def print_request(request: dict[str, Any]) -> int:
    """What would be sent, on stdout; that nothing was, on stderr."""
    print(json.dumps(request, indent=1, sort_keys=True))
    print("tokenline: a dry run: nothing was sent", file=sys.stderr)
    return _DONE


def _compiled(config: Config, target: str, folder: str) -> str:
    """Compile the line; the file."""
    from pipeline.kubeflow_runner import BadSpecification, compile_pipeline

    kind: Literal["vertex", "kubeflow"] = "kubeflow" if target == "kubeflow" else "vertex"

    path = os.path.join(folder, "pipeline.json")
    terminal = Terminal(sys.stderr)  # what goes to stdout may be read by a program
    terminal.status("tokenline: compiling the line")
    try:
        compile_pipeline(config, kind, path)
    except BadSpecification as bad:
        raise CannotRun(str(bad)) from bad
    finally:
        terminal.clear()
    return path


def _tell_submitted(service: Service, made: Submission, job: str, how: How) -> None:
    short = job.rpartition("/")[2]
    if how.as_json:
        Events(sys.stdout).tell("submitted", job=job, address=service.address(job))
        return
    print(f"tokenline submit: {made.file.name}, job {short}")
    print(f"  {service.address(job)}", flush=True)


def _wait(service: Service, job: str, file: JobFile | None, how: How) -> int:
    shown = shown_on(None, as_json=how.as_json)
    try:
        ended = follow(service.looker(job, file), shown, how.sleep)
    except KeyboardInterrupt:
        shown.clear()
        _tell_left(service, job)
        return _INTERRUPTED
    pushes = file is None or PUSHER in file.steps
    code = _code(ended, pushes)
    if isinstance(shown, Events):
        shown.tell("ended", **_facts(ended), job=job, exit_code=code)
    else:
        shown.clear()
        for line in (*_closing(ended, pushes), f"  {service.address(job)}"):
            print(line)
    return code


def _tell_left(service: Service, job: str) -> None:
    """Where a job that goes on is found again."""
    short = job.rpartition("/")[2]
    for line in (
        f"tokenline: job {short} goes on; it is no longer watched from here",
        f"  in a browser: {service.address(job)}",
        f"  watch again:  tokenline submit --follow {short}{service.options}",
        f"  end it:       tokenline submit --cancel {short}{service.options}",
    ):
        print(line, file=sys.stderr)


def _code(ended: Look, pushes: bool) -> int:
    """As of `run`. Where the service does not tell whether the model was pushed, 0."""
    if ended.state != "done":
        return _FAILED
    refused = pushes and ended.push is not None and not ended.push.version
    return _NOT_PUSHED if refused else _DONE


def _facts(ended: Look) -> dict[str, Any]:
    push = ended.push
    told = {"pushed": push.version or None, "not_pushed": push.reason or None} if push else {}
    return {"state": ended.state, "reason": _reason(ended) or None, **told}


def _closing(ended: Look, pushes: bool) -> list[str]:
    if ended.state != "done":
        return [f"tokenline: {_reason(ended) or f'the job was {ended.state}'}"]
    if not pushes:
        return ["  done"]
    if ended.push is None:
        return ["  done; whether a model was pushed is not told by the service"]
    if ended.push.version:
        return [f"  pushed: {ended.push.version}"]
    return [f"  not pushed: {ended.push.reason}"]


def _reason(ended: Look) -> str:
    """The first step that failed, and of what; else what the job says itself."""
    for step in ended.steps:
        if step.state == "failed":
            why = step.reason or ended.reason or "the service does not say why; see its log"
            return f"{step.name} failed: {why}"
    return ended.reason
