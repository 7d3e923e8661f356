"""What is wrong with the values in a specification: constants and defaults."""

import json
import re
from collections.abc import Iterator
from typing import Any

from pipeline.kubeflow.findings import Finding
from pipeline.kubeflow.spec import Json, constant, dags, executors
from pipeline.submit import parameters

# A whole text that is a path of one machine; what services mount is none.
_LOCAL = re.compile(r"file:/.*|/(?!gcs/|minio/|s3/)[\w.{}-]+(/[\w.{}-]+)+/?")
# `{"__class__": "RuntimeParameter", ...}`, however often it was quoted; as TFX writes it.
_SERIALISED = re.compile(r'\\*"__class__\\*": *\\*"RuntimeParameter\\*"')
# Parameters of TFX that name user code: "" is what is left of a file that was not found.
_CODE = ("module_path", "module_file")
_NO_PATHS = re.compile(r".*(pattern|separator|delimiter)")


def check(spec: Json) -> Iterator[Finding]:
    """Every constant and every default."""
    for dag in dags(spec):
        for name, definition in dag.inputs.get("parameters", {}).items():
            yield from _default(f"{dag.place}.{name}", definition)
        for task, facts in dag.tasks.items():
            component = spec.get("components", {}).get(
                facts.get("componentRef", {}).get("name"), {}
            )
            wanted = component.get("inputDefinitions", {}).get("parameters", {})
            for name, given in facts.get("inputs", {}).get("parameters", {}).items():
                place = f"{dag.place}.{task}.{name}"
                yield from _constant(place, name, constant(given), wanted.get(name, {}))
    for label, executor in executors(spec).items():
        address = constant({"runtimeValue": executor.get("importer", {}).get("artifactUri", {})})
        yield from _local(f"executors.{label}.artifactUri", address)


def _constant(place: str, name: str, value: Any, definition: Json) -> Iterator[Finding]:
    if value is None:
        return
    yield from _kind(place, value, definition)
    if name in _CODE and value == "":
        yield Finding(place, "is empty, expected the module that holds the user's code")
    if isinstance(value, str) and _SERIALISED.search(value):
        text = "holds a runtime parameter as text, which no run replaces; expected a whole property"
        yield Finding(place, text)
    if not _NO_PATHS.fullmatch(name):
        yield from _local(place, value)


def _default(place: str, definition: Json) -> Iterator[Finding]:
    value = definition.get("defaultValue")
    if value is not None:
        yield from _kind(place, value, definition)
        yield from _local(place, value)


def _kind(place: str, value: Any, definition: Json) -> Iterator[Finding]:
    kind = definition.get("parameterType", "")
    if kind in parameters.TYPES and not parameters.fits(value, kind):
        yield Finding(place, f"got {value!r}, expected a value of type {kind}")


def is_local(value: Any) -> bool:
    """Whether it is a path of one machine, or holds one."""
    return any(_LOCAL.fullmatch(text) for text in _texts(value))


def _local(place: str, value: Any) -> Iterator[Finding]:
    for text in _texts(value):
        if _LOCAL.fullmatch(text):
            text = (
                f"got {text!r}, a path of this machine, expected an address that containers reach"
            )
            yield Finding(place, text)


def _texts(value: Any) -> Iterator[str]:
    """The text, or if it is JSON all texts in it, but for those that are never paths."""
    if isinstance(value, dict):
        for name, each in value.items():
            if not _NO_PATHS.fullmatch(name):
                yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, str) and value[:1] in ("{", "[", '"'):
        try:
            yield from _texts(json.loads(value))
        except ValueError:
            yield value
    elif isinstance(value, str):
        yield value
