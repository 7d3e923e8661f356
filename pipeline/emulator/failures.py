"""Why a step failed, from what it has written to its log."""

import re
import signal

from components.errors import InputChanged, InputError, Passing
from components.example_gen.faults import FileFault
from pipeline.emulator.task_inputs import TaskError

_BAD_INPUT = {
    f"{kind.__module__}.{kind.__qualname__}"
    for kind in (InputError, Passing, InputChanged, FileFault)
}
_TRACEBACK = "Traceback (most recent call last):"
_RAISED = re.compile(r"(?P<kind>[A-Za-z_][\w.]*)(?:: (?P<message>.*))?")
# A line that a logging library has written: it is no part of a message of several lines.
_LOGGED = re.compile(r"[IWEF]\d{4} |\d{4}-\d\d-\d\d |\[\d|WARNING|INFO|ERROR")
_REFUSED = 2  # the exit code of a program of ours for bad input
_END_OF_LOG = 200_000  # bytes


def of(log: str, code: int) -> TaskError:
    """Why the step that wrote this log ended with this exit code, negative for a signal."""
    if code < 0:
        name = signal.Signals(-code).name
        hint = " (out of memory?)" if code == -signal.SIGKILL else ""
        return TaskError(f"killed by {name}{hint}")
    text = _end(log)
    kind, message = raised(text)
    if code == _REFUSED and (said := _said(text)):
        return TaskError(said, bad_input=True)
    if not kind:
        return TaskError(f"ended with exit code {code}")
    if kind in _BAD_INPUT:
        return TaskError(message, bad_input=True)
    return TaskError(f"{kind.rpartition('.')[2]}: {message.split(chr(10))[0]}".rstrip(": "))


def _said(text: str) -> str:
    """What a program of ours has said of bad input, as the command line says it: a line each."""
    start = "tokenline: "
    return "\n".join(line[len(start) :] for line in text.split("\n") if line.startswith(start))


def raised(text: str) -> tuple[str, str]:
    """The exception that ended a program: its full name and its message; "" where there is none."""
    _, found, rest = text.rpartition(_TRACEBACK)
    lines = rest.split("\n")[1:] if found else []
    while lines and (not lines[0] or lines[0][0] == " "):
        lines.pop(0)  # the frames
    if not lines or not (first := _RAISED.fullmatch(lines[0])):
        return "", ""
    message = [first["message"] or ""]
    for line in lines[1:]:
        if not line or _LOGGED.match(line):
            break
        message.append(line)
    return first["kind"], "\n".join(message)


def _end(log: str) -> str:
    with open(log, "rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _END_OF_LOG))
        return file.read().decode("utf-8", "replace")
