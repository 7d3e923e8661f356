"""New objects on a bucket, as CloudEvents over HTTP → one look of `tokenline retrain`.

For Eventarc and Pub/Sub, with functions-framework. A look submits at most one job of a run key, whoever looks
how often (docs/retraining.md); so a delivery that is answered with an error is simply delivered again, and
one that was answered may be as well.

    functions-framework --source main.py --target retrain_trigger --port 8080

Answers: 200 looked, or nothing to look for, or an event that no second delivery makes better; 503 deliver it
again: something is in the way that may be gone later, or a run that failed is to be tried again, for which no
event comes. That ends: a span is parked after its last attempt, and at once for bad input.
"""

import json
import logging
import os
import subprocess
import sys
from typing import Any

import functions_framework
from cloudevents import exceptions as bad_events
from cloudevents.http import CloudEvent, from_http

from components.errors import InputError
from pipeline.config import load_config
from pipeline.retrain import cloud_places
from pipeline.retrain.cloud_events import BadEvent, why_look

LOOK = [sys.executable, "-m", "pipeline", "retrain", "--once", "--no-wait", "--json"]
SECONDS = 500.0  # less than the function has
# The last event of a look that came to its end, and its exit codes: they tell of the runs.
_LOOKED = {"ended": (0, 1, 2, 3), "run_goes_on": (0,)}
_AGAIN = 503
_log = logging.getLogger("tokenline")
Answer = tuple[dict[str, Any], int]


@functions_framework.http
def retrain_trigger(request: Any) -> Answer:
    """Answer one delivery."""
    try:
        event = _event(request)
        config = cloud_places.in_cloud(load_config(_config_file()))
        if config.retrain.runner == "local":
            raise InputError("retrain.runner: got local, expected vertex for a function")
        why = why_look(config, event["type"], event.data)
    except BadEvent as error:
        return _answer(200, ignored=str(error))
    except InputError as error:
        return _answer(_AGAIN, problem=str(error))
    if not why:
        return _answer(200, ignored=f"{event['type']}, {event['source']}: nothing to look for")
    return _look(why)


def _event(request: Any) -> CloudEvent:
    """The event of a delivery.

    Raises:
      BadEvent: it is none.
    """
    try:
        return from_http(dict(request.headers), request.get_data())
    except (bad_events.GenericException, ValueError, TypeError, KeyError) as error:
        raise BadEvent(f"no CloudEvent: {' '.join(str(error).split())}") from error


def _look(why: str) -> Answer:
    """One look, in a process of its own: signals, memory and what is imported are then its own, too."""
    command = [*LOOK, "--config", _config_file()]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            check=False,
            text=True,
        )
    except subprocess.TimeoutExpired:
        return _answer(_AGAIN, why=why, problem=f"the look did not end within {SECONDS:.0f} s")
    sys.stdout.write(done.stdout)  # JSON lines, which the platform's log takes apart
    sys.stderr.write(done.stderr)
    events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    told = [each["event"] for each in events]
    last = events[-1] if events else {"event": ""}
    if done.returncode not in _LOOKED.get(last["event"], ()):
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        return _answer(_AGAIN, why=why, events=told, problem=lines[-1])
    if awaited := _awaited(last):
        return _answer(_AGAIN, why=why, events=told, awaited=awaited)
    return _answer(200, why=why, events=told)


def _awaited(last: dict[str, Any]) -> str:
    """What is to come of which no event will tell, by what a look told last; "": nothing."""
    if last.get("failing"):  # it wrote why, of which there was an event, and has yet to end
        return f"the end of job {last['job']}, of which a step has failed"
    seconds = last.get("retry_in_seconds")
    return "" if seconds is None else f"another attempt in {seconds:.0f} s"


def _config_file() -> str:
    return os.environ.get("TOKENLINE_CONFIG", "pipeline_config.yaml")


def _answer(code: int, **facts: Any) -> Answer:
    _log.log(logging.INFO if code == 200 else logging.ERROR, json.dumps(facts))
    return facts, code
