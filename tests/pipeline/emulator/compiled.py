"""Compiled pipelines of steps that are a few lines of Python each, and a service to run them."""

import json
import pathlib
import sys
from dataclasses import dataclass, field
from typing import Any

from pipeline.emulator import emulation, places, specification
from pipeline.emulator.emulation import Events, Job
from pipeline.emulator.isolation import Subprocesses, clean_environment
from pipeline.emulator.task_inputs import RUNNING, TaskRun
from pipeline.submit import parameters

# What each step starts with: `said` is its ExecutorInput, `tell(...)` writes its ExecutorOutput.
HEAD = """
import json, os, sys
said = json.loads(sys.argv[1])
given = said["inputs"]["parameterValues"]
def uri(name, side="inputs"): return said[side]["artifacts"][name]["artifacts"][0]["uri"]
def tell(metadata={}, **values):
    artifacts = {n: {"artifacts": [{"name": "x", "uri": uri(n, "outputs"), "metadata": m}]}
                 for n, m in metadata.items()}
    with open(said["outputs"]["outputFile"], "w") as file:
        json.dump({"artifacts": artifacts, "parameterValues": values}, file)
def write(name, text):
    with open(os.path.join(uri(name, "outputs"), "text"), "w") as file: file.write(text)
def read(name):
    with open(os.path.join(uri(name), "text")) as file: return file.read()
"""


def schema(title: str) -> dict[str, Any]:
    return {"artifactType": {"instanceSchema": f"title: {title}\ntype: object\n"}}


def source(task: str, key: str) -> dict[str, Any]:
    """An input artifact that is an output of another task."""
    return {"taskOutputArtifact": {"producerTask": task, "outputArtifactKey": key}}


@dataclass
class Compiled:
    """A pipeline under construction; `document` is the compiled file."""

    name: str = "small"
    tasks: dict[str, Any] = field(default_factory=dict)
    components: dict[str, Any] = field(default_factory=dict)
    executors: dict[str, Any] = field(default_factory=dict)
    declared: dict[str, Any] = field(default_factory=dict)

    def step(
        self,
        name: str,
        code: str = "",
        *,
        parameters: dict[str, Any] | None = None,
        inputs: dict[str, tuple[str, str]] | None = None,
        outputs: dict[str, str] | None = None,
        values: dict[str, str] | None = None,
        driver: str = "",
        cached: bool = True,
        **task: Any,
    ) -> None:
        """A task with a container that runs `code`.

        Args:
          parameters: name -> constant, or a source as the specification has it.
          inputs: name -> (task, output).
          outputs: name -> type's name.
          values: output parameters, name -> type.
        """
        command = ["python", "-c", HEAD + code, "{{$}}"]
        executor: dict[str, Any] = {"container": {"image": "img", "command": command}}
        if driver:
            hook = {"command": ["python", "-c", HEAD + driver], "args": ["{{$}}"]}
            executor["container"]["lifecycle"] = {"preCacheCheck": hook}
        given = parameters or {}
        interface = {
            "inputDefinitions": {
                "parameters": {key: _declared(value) for key, value in given.items()},
                "artifacts": {key: schema("tfx.Artifact") for key in inputs or {}},
            },
            "outputDefinitions": {
                "artifacts": {key: schema(title) for key, title in (outputs or {}).items()},
                "parameters": {
                    key: {"parameterType": kind} for key, kind in (values or {}).items()
                },
            },
        }
        wired = {
            "parameters": {key: _source(value) for key, value in given.items()},
            "artifacts": {key: source(*edge) for key, edge in (inputs or {}).items()},
        }
        caching = {"cachingOptions": {"enableCache": True}} if cached else {}
        self.add(name, interface, executor, {"inputs": wired, **caching, **task})

    def add(self, name: str, interface: Any, executor: Any, task: Any) -> None:
        """A task with a component and an executor of its own."""
        label = f"{name}_executor"
        self.executors[label] = executor
        self.components[name] = {"executorLabel": label, **interface}
        self.tasks[name] = {"componentRef": {"name": name}, **task}

    def resolver(self, name: str, queries: dict[str, str], **task: Any) -> None:
        found = {key: {"filter": query} for key, query in queries.items()}
        interface = {
            "outputDefinitions": {"artifacts": {key: schema("tfx.Model") for key in queries}}
        }
        self.add(name, interface, {"resolver": {"outputArtifactQueries": found}}, task)

    @property
    def specification(self) -> dict[str, Any]:
        return {
            "pipelineInfo": {"name": self.name},
            "schemaVersion": "2.1.0",
            "deploymentSpec": {"executors": self.executors},
            "components": self.components,
            "root": {
                "inputDefinitions": {"parameters": self.declared},
                "dag": {"tasks": self.tasks},
            },
        }

    @property
    def document(self) -> dict[str, Any]:
        runtime = {"gcsOutputDirectory": "gs://bucket/root"}
        found = {"pipelineSpec": self.specification, "runtimeConfig": runtime}
        return json.loads(json.dumps(found))


def _declared(value: Any) -> dict[str, Any]:
    kinds = {int: "NUMBER_INTEGER", float: "NUMBER_DOUBLE", bool: "BOOLEAN"}
    return {"parameterType": kinds.get(type(value), "STRING")}


def _source(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {"runtimeValue": {"constant": value}}


class Service:
    """Runs jobs one after the other on one store, and notes what was told."""

    def __init__(self, root: pathlib.Path) -> None:
        self.places = places.at(str(root))
        self.told: list[tuple[str, str]] = []
        self.progress: list[tuple[str, str, bool]] = []
        self.left: dict[str, list[str]] = {}

    def run(self, compiled: Compiled, given: dict[str, Any] | None = None, **options: Any) -> Job:
        pipeline = specification.from_document(compiled.document, "small.json")
        declared = parameters.declared_by(pipeline.root.parameters)
        values = parameters.complete({**pipeline.given, **(given or {})}, declared, "the line")
        steps = Subprocesses(clean_environment(sys.executable, str(self.places.root)))
        events = Events(self._task, self._progress, self._left)
        return emulation.emulate(
            pipeline, values, places=self.places, isolation=steps, events=events, **options
        )

    def text(self, job: Job, task: str, name: str) -> str:
        """What a step wrote with `write`."""
        (uri,) = job.outputs(task, name)
        return (pathlib.Path(self.places.here(uri)) / "text").read_text()

    def _task(self, run: TaskRun) -> None:
        if run.state != RUNNING:
            self.told.append((run.name, run.state))

    def _progress(self, name: str, text: str, stays: bool) -> None:
        self.progress.append((name, text, stays))

    def _left(self, name: str, files: Any) -> None:
        self.left[name] = list(files)


def states(job: Job) -> dict[str, str]:
    return {run.name: run.state for run in job.tasks}
