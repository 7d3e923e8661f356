"""What the user sees of a job: lines as `tokenline run` shows them, or a JSON object a line."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, TextIO

from pipeline import paths
from pipeline.emulator.emulation import Events, Job
from pipeline.emulator.places import Places
from pipeline.emulator.task_inputs import CACHED, CANCELLED, FAILED, NOT_TRIGGERED, RUNNING, TaskRun
from pipeline.terminal import Terminal


def to_terminal(terminal: Terminal) -> Events:
    """Lines for a person."""

    def task(run: TaskRun) -> None:
        if run.state == RUNNING:
            terminal.status(f"  {run.name} …")
        elif run.state != CANCELLED:
            terminal.line(_line(run))

    def progress(name: str, text: str, stays: bool) -> None:
        show = terminal.line if stays else terminal.status
        show(f"  {name}: {text.replace(os.getcwd() + os.sep, '')}")

    def left(name: str, files: Sequence[str]) -> None:
        shown = ", ".join(files[:5]) + (", …" if len(files) > 5 else "")
        text = f"left in its working folder, in the cloud that is lost: {shown}"
        terminal.line(f"  {name}: {text}")

    def loaded(seconds: float) -> None:
        terminal.line(f"  {'loaded TensorFlow and TFX':<28}{seconds:7.1f} s")

    return Events(task, progress, left, loaded)


def to_json(stream: TextIO) -> Events:
    """A JSON object a line, for programs."""

    def tell(event: str, **facts: Any) -> None:
        stream.write(json.dumps({"event": event, **facts}) + "\n")
        stream.flush()

    def task(run: TaskRun) -> None:
        tell("task", task=run.name, state=run.state, seconds=run.seconds, reason=run.reason)

    def progress(name: str, text: str, stays: bool) -> None:
        tell("progress", task=name, text=text, stays=stays)

    def left(name: str, files: Sequence[str]) -> None:
        tell("left", task=name, files=list(files))

    return Events(task, progress, left)


def ended_as_json(job: Job, code: int) -> str:
    """The last line of `to_json`: the whole job."""
    return json.dumps({"event": "ended", "code": code, "job": asdict(job)})


def closing_lines(job: Job, laid: Places) -> list[str]:
    """Where things are on this machine, and how long it took."""
    pushed = {"pushed": "pushed", "refused": "not pushed", "none": ""}[job.pushes]
    model = [f"  model   {_where(job, laid) or pushed}"] if pushed else []
    return [
        "",
        *model,
        *(f"    {reason}" for reason in _reasons(job)),
        f"  store   {paths.shown(laid.root)}",
        f"  logs    {paths.shown(job.folder)}",
        f"  {job.seconds:.1f} s in all",
    ]


def _where(job: Job, laid: Places) -> str:
    """Where a model was pushed to, or why none was."""
    for run in reversed(job.tasks):
        for found in run.outputs.artifacts.values():
            for artifact in found:
                if "pushed_destination" in artifact.metadata:
                    return paths.shown(laid.here(str(artifact.metadata["pushed_destination"])))
                if "pushed" in artifact.metadata and artifact.metadata.get("reason"):
                    return f"not pushed: {artifact.metadata['reason']}"
    return ""


def _reasons(job: Job) -> list[str]:
    """Why an evaluator did not bless, in its own words."""
    if job.pushes != "refused":
        return []
    made = [each for run in job.tasks for found in run.outputs.artifacts.values() for each in found]
    messages = [str(each.metadata.get("blessing_message", "")) for each in made]
    return [line for message in messages for line in message.split("\n") if line]


def _line(run: TaskRun) -> str:
    if run.state == NOT_TRIGGERED:
        return f"  {run.name:<28}{'not triggered':>9}: {run.reason}"
    taken = "cached" if run.state == CACHED else f"{run.seconds:.1f} s"
    if any(not found for found in run.outputs.artifacts.values()):
        taken = "none yet"  # a resolver
    failed = "  failed" if run.state == FAILED else ""
    return f"  {run.name:<28}{taken:>9}{failed}"
