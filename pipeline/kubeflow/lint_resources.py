"""What is wrong with the resources of a compiled line's containers: cores, memory, accelerators.

A container says them as numbers, or as texts, which newer versions of kfp write and which may hold a
placeholder. Vertex' limits are those of the configuration's section `cloud.resources`: 96 cores and 624 GB,
says https://cloud.google.com/vertex-ai/docs/pipelines/machine-types. Kubernetes knows none.
"""

import dataclasses
import re
from collections.abc import Iterator

from pipeline.config import values
from pipeline.config.cloud import ResourcesConfig
from pipeline.kubeflow import accelerators
from pipeline.kubeflow.findings import Finding
from pipeline.kubeflow.lint_target import VERTEX
from pipeline.kubeflow.spec import Json, containers

_RULES = {field.name: field.metadata for field in dataclasses.fields(ResourcesConfig)}
_CPU_KEY, _MEMORY_KEY = "cpu", "memory_gb"
_AMOUNTS = {
    field: key
    for kind, key in (("Cpu", _CPU_KEY), ("Memory", _MEMORY_KEY))
    for end in ("Limit", "Request")
    for field in (f"{kind.lower()}{end}", f"resource{kind}{end}")
}
# As kfp reads the texts: `_cpu_to_float` and `_memory_to_float` in its compiler.compiler_utils.
_CPU = re.compile(r"(\d*\.?\d+)(m?)")
_MEMORY = re.compile(r"(\d*\.?\d+)([KMGTPE]i?)?")
_POWERS = {letter: power for power, letter in enumerate("KMGTPE", start=1)}
_PLACEHOLDER = "{{"
_EXPECTED = {
    _CPU_KEY: "cores as '4', '0.5' or '500m'",
    _MEMORY_KEY: "memory as '16G' or '16Gi'",
}


def check(spec: Json, target: str) -> Iterator[Finding]:
    """Every container's resources."""
    for place, container in containers(spec):
        resources = container.get("resources", {})
        for field, key in _AMOUNTS.items():
            if text := _fault(resources.get(field, 0), key, target):
                yield Finding(f"{place}.resources.{field}", text)
        if accelerator := resources.get("accelerator"):
            yield from _accelerator(f"{place}.resources.accelerator", accelerator, target)


def _fault(value: float | str, key: str, target: str) -> str:
    """What is wrong with an amount, "" for nothing; the number 0 is what a message has where none is said."""
    if value == 0 or (isinstance(value, str) and _PLACEHOLDER in value):
        return ""
    number = _number(value, key)
    if number is None:
        return f"got {value!r}, expected {_EXPECTED[key]}"
    rules = {"gt": 0, "le": _RULES[key]["le"]} if target == VERTEX else {"gt": 0}
    if values.in_range(number, rules):
        return ""
    return f"got {value!r}, expected {values.expected(float, rules)}"


def _number(value: float | str, key: str) -> float | None:
    if not isinstance(value, str):
        return value
    return _cores(value) if key == _CPU_KEY else _gigabytes(value)


def _cores(text: str) -> float | None:
    if not (found := _CPU.fullmatch(text)):
        return None
    return float(found[1]) / (1000 if found[2] else 1)


def _gigabytes(text: str) -> float | None:
    if not (found := _MEMORY.fullmatch(text)):
        return None
    unit = found[2] or ""
    base = 1024 if unit.endswith("i") else 1000
    return float(found[1]) * float(base ** _POWERS.get(unit[:1], 0)) / 1000**3


def _accelerator(place: str, given: Json, target: str) -> Iterator[Finding]:
    kind = given.get("type") or given.get("resourceType", "")
    count = given.get("count") or given.get("resourceCount", "0")
    if _PLACEHOLDER not in str(count) and not (str(count).isdecimal() and int(count) >= 1):
        yield Finding(f"{place}.count", f"got {count}, expected how many, at least 1")
    if not kind:
        yield Finding(f"{place}.type", "got none, expected which kind, as NVIDIA_TESLA_T4")
    elif target == VERTEX and _PLACEHOLDER not in kind and (text := accelerators.fault(kind)):
        yield Finding(f"{place}.type", text)
