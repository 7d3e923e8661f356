"""What of a compiled line the target cannot run, or can run only by chance: images, kinds of nodes, types."""

import importlib
import importlib.util
from collections.abc import Iterator

from pipeline.kubeflow.findings import Finding
from pipeline.kubeflow.refusals import NOT_OURS
from pipeline.kubeflow.spec import Json, containers, dags, executor_class, executors, title

VERTEX, KUBEFLOW = "vertex", "kubeflow"
_SCHEMA = "2.1.0"
_INFRA_VALIDATOR = "infra_validator"
_OF_THE_SERVICE = ("system.", "google.")  # types that need no class
_TFX_ENTRY = "tfx.orchestration.kubeflow.v2.container.kubeflow_v2_run_executor"
_SPAN_WINDOW = "components.span_window.executor.Executor"


def check(spec: Json, target: str) -> Iterator[Finding]:
    """Everything that depends on where the line runs."""
    if spec.get("schemaVersion") != _SCHEMA:
        text = f"got {spec.get('schemaVersion')!r}, expected {_SCHEMA!r}"
        yield Finding("schemaVersion", text)
    for place, container in containers(spec):
        yield from _image(place, container)
        if target == KUBEFLOW:
            yield from _driver(place, container)
    if target == VERTEX:
        yield from _unordered(spec)
    if target == KUBEFLOW:
        yield from _cached(spec)
        for label, executor in executors(spec).items():
            if "resolver" in executor:
                text = "is a resolver, which Kubeflow Pipelines does not implement"
                yield Finding(f"executors.{label}", text)


def check_imports(spec: Json) -> Iterator[Finding]:
    """What depends on the code that it runs with, which is imported."""
    for place, container in containers(spec):
        yield from _code(place, container)
    yield from _artifacts(spec)


def _image(place: str, container: Json) -> Iterator[Finding]:
    image = container.get("image", "")
    if not image or NOT_OURS.fullmatch(image):
        text = f"got image {image!r}, expected one that holds tokenline"
        yield Finding(place, text)


def _code(place: str, container: Json) -> Iterator[Finding]:
    """The executor, and the module of the driver."""
    path = executor_class(container)
    if _INFRA_VALIDATOR in path:
        yield Finding(place, f"runs {path}, which no pipeline service can; expected ServingCheck")
    elif path and not _is_class(path):
        yield Finding(place, f"runs {path}, which cannot be imported")
    command = container.get("command", [])
    if path and not command:
        yield Finding(place, "got no command, expected one: the image has no entrypoint")
    elif path and (module := _started(command)) and not _is_module(module):
        yield Finding(place, f"starts {module}, which cannot be imported")
    hook = container.get("lifecycle", {}).get("preCacheCheck", {}).get("command", [])
    if (module := _started(hook)) and not _is_module(module):
        yield Finding(f"{place}.preCacheCheck", f"runs {module}, which cannot be imported")


def _started(command: list[str]) -> str:
    """The module of `python -m`; "" of another command."""
    return command[command.index("-m") + 1] if "-m" in command[:-1] else ""


def _driver(place: str, container: Json) -> Iterator[Finding]:
    if "lifecycle" in container:
        text = "Kubeflow Pipelines ignores it; expected a command that runs the driver first"
        yield Finding(f"{place}.lifecycle", text)
    elif executor_class(container) == _SPAN_WINDOW and _TFX_ENTRY in container.get("command", []):
        text = f"got command {_TFX_ENTRY}, expected one that runs SpanWindow's driver first"
        yield Finding(place, text)


def _unordered(spec: Json) -> Iterator[Finding]:
    """Parameters of tasks that may not have ended.

    `dependentTasks` is for tasks that give no artifact, says pipeline_spec.proto; kfp and TFX name
    there whoever gives a parameter. Who gives an artifact need not be named: TFX does not where one
    Resolver feeds another. Kubeflow adds all: `addImplicitDependencies` in its argocompiler.
    """
    for dag in dags(spec):
        for name, task in dag.tasks.items():
            inputs = task.get("inputs", {})
            giving = {
                kind: {
                    source.get(f"taskOutput{kind}", {}).get("producerTask")
                    for source in inputs.get(f"{kind.lower()}s", {}).values()
                }
                for kind in ("Artifact", "Parameter")
            }
            waits = giving["Artifact"].union(task.get("dependentTasks", []))
            for producer in (giving["Parameter"] - waits) & dag.tasks.keys():
                text = f"takes parameters of {producer}, expected it among its dependentTasks"
                yield Finding(f"{dag.place}.{name}", text)


def _cached(spec: Json) -> Iterator[Finding]:
    """Where the driver runs in the executor's container, a cached SpanWindow sees no new data."""
    for dag in dags(spec):
        for name, task in dag.tasks.items():
            component = spec.get("components", {}).get(task.get("componentRef", {}).get("name"), {})
            executor = executors(spec).get(component.get("executorLabel"), {})
            runs = executor_class(executor.get("container", {}))
            if runs == _SPAN_WINDOW and task.get("cachingOptions", {}).get("enableCache"):
                text = "is cached, and nothing tells Kubeflow's cache of new data"
                yield Finding(f"{dag.place}.{name}", text)


def _artifacts(spec: Json) -> Iterator[Finding]:
    for name, component in spec.get("components", {}).items():
        for side in ("inputDefinitions", "outputDefinitions"):
            for key, definition in component.get(side, {}).get("artifacts", {}).items():
                kind = title(definition.get("artifactType", {}))
                if not _is_type(kind):
                    text = f"is of type {kind!r}, which cannot be imported"
                    yield Finding(f"components.{name}.{key}", text)


def _is_type(title: str) -> bool:
    if title.startswith(_OF_THE_SERVICE):
        return True
    from tfx.orchestration.kubeflow.v2 import compiler_utils  # heavy, and loaded by compile

    return title in compiler_utils.TITLE_TO_CLASS_PATH or _is_class(title)


def _is_class(path: str) -> bool:
    module, _, name = path.rpartition(".")
    try:
        return hasattr(importlib.import_module(module), name)
    except (ImportError, ValueError):
        return False


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False
