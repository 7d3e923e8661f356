"""What values our runtime parameters may have: the configuration's rules for the keys that they stand for.

The services check types only, and a run finds out when it is an hour old. No TensorFlow.
"""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from components.errors import InputError
from components.example_gen.files import SPAN
from components.span_window import window
from pipeline.config import TrainConfig
from pipeline.config import values as config_values
from pipeline.config.checks.cloud import SCHEMES, address_fault, span_fault
from pipeline.kubeflow import parameters

_FINGERPRINT = re.compile("[0-9a-f]{32}")  # as `files.fingerprint` makes it
_RUN_KEY = re.compile("[0-9a-f]{64}")  # as `planning.run_key` makes it
_STEPS = next(field for field in dataclasses.fields(TrainConfig) if field.name == "steps").metadata


def is_ours(name: str, kind: str, default: Any) -> bool:
    """Whether a parameter is what we compile under its name: the name alone may be anybody's.

    Args:
      name: of the parameter.
      kind: its parameterType.
      default: its default, of that type; ours all have one.
    """
    return parameters.KINDS.get(name) == kind and not fault(name, default, default)


def fault(name: str, value: Any, default: Any, schemes: tuple[str, ...] = SCHEMES) -> str:
    """What is wrong with the value of one of our parameters, of the right type; "" for nothing.

    Args:
      name: of the parameter.
      value: of the right type.
      default: its default.
      schemes: of the addresses that the service has.
    """
    if name == parameters.DATA_PATH:
        text = address_fault(value, may_have_span=True, schemes=schemes)
        return text or span_fault(value, default, "the default")
    if name == parameters.PUSH_DESTINATION:
        return address_fault(value, schemes=schemes)
    if name == parameters.TRAIN_STEPS:
        return _steps_fault(value)
    if name == parameters.SPANS:
        return _window_fault(value, "[]")
    if name == parameters.NEW_SPANS:
        return _window_fault(window.ALL, value)
    if name == parameters.FINGERPRINT:
        return _pattern_fault(
            value, _FINGERPRINT, "32 hex digits, or '': taken when the run starts"
        )
    if name == parameters.RUN_KEY:
        return _pattern_fault(value, _RUN_KEY, "64 hex digits, or '': of no run of retrain")
    return ""


def contradictions(values: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with values of ours beside each other, each right alone: name -> text.

    Args:
      values: those of a run, defaults included; what is not among them is not looked at.
    """
    found: dict[str, str] = {}
    spans, base = values.get(parameters.SPANS), values.get(parameters.DATA_PATH)
    if spans is None:
        return found
    if base is not None and spans.lstrip().startswith("["):
        listed = window.numbers(spans)
        if SPAN in base and not listed:
            found[parameters.SPANS] = (
                f"got {spans!r}, expected at least one, as data_path has {SPAN}"
            )
        elif SPAN not in base and listed not in ([], [0]):  # as `files.input_files` takes them
            found[parameters.SPANS] = f"got {spans!r}, but data_path has no {SPAN}"
    if text := _window_fault(spans, values.get(parameters.NEW_SPANS, "[]")):
        found[parameters.NEW_SPANS] = text
    return found


def _steps_fault(value: float) -> str:
    if not value or config_values.in_range(value, _STEPS):
        return ""
    return f"got {value:.0f}, expected {config_values.expected(int, _STEPS)}, or 0: as configured"


def _window_fault(spans: str, new_spans: str) -> str:
    try:
        window.check(spans, new_spans)
    except InputError as error:
        return str(error).partition(": ")[2]  # it names the parameter
    return ""


def _pattern_fault(value: str, pattern: re.Pattern[str], expected: str) -> str:
    return "" if not value or pattern.fullmatch(value) else f"got {value!r}, expected {expected}"
