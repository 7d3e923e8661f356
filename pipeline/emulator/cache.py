"""What makes two tasks equal for the service's cache.

The key is that of Vertex AI Pipelines: the pipeline's name, the component's interface and container
(image, command, arguments), the input parameters and the names of the input artifacts. Resources,
labels and the job do not count.
Source: cloud.google.com/vertex-ai/docs/pipelines/configure-caching
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pipeline.emulator.specification import Component

_COUNTS = ("image", "command", "args", "env")


def key(
    pipeline: str,
    component: Component,
    parameters: Mapping[str, Any],
    artifacts: Mapping[str, list[str]],
) -> str:
    """The key of a task.

    Args:
      pipeline: its name.
      component: what runs.
      parameters: input name -> value, with what the driver has found out.
      artifacts: input name -> names of artifacts.
    """
    container = component.executor["container"]
    facts = {
        "pipeline": pipeline,
        "component": dataclasses.asdict(dataclasses.replace(component, executor={})),
        "container": {name: container.get(name) for name in _COUNTS},
        "parameters": dict(parameters),
        "artifacts": dict(artifacts),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
