"""A job from its first task to its last, in the order and by the rules of Vertex AI Pipelines."""

import datetime
import json
import os
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.emulator import conditions, containers, lookups
from pipeline.emulator.artifact_store import PROJECT, ArtifactStore, title
from pipeline.emulator.isolation import Isolation
from pipeline.emulator.places import Places
from pipeline.emulator.specification import Component, Pipeline, Task
from pipeline.emulator.task_inputs import (
    CANCELLED,
    FAILED,
    NOT_TRIGGERED,
    RUNNING,
    SUCCEEDED,
    TaskError,
    TaskRun,
    Values,
    inputs_of,
)

_PUSHED = "tfx.PushedModel"


@dataclass(frozen=True)
class Events:
    """Who is told what happens.

    Attributes:
      task: a task starts (state RUNNING), or has ended.
      progress: task, what it says of itself, and whether that stays.
      left: task, and the files that it left in its working folder.
      loaded: seconds that loading the libraries took, where steps are forks.
    """

    task: Callable[[TaskRun], None]
    progress: Callable[[str, str, bool], None]
    left: Callable[[str, Sequence[str]], None]
    loaded: Callable[[float], None] = lambda seconds: None


@dataclass(frozen=True)
class Job:
    """How a job went.

    Attributes:
      id: its resource id, as in the paths of what it has written.
      folder: of its logs and of its record.
      tasks: in the order in which they ended; those of an inner dag before it.
      pushes: "pushed", "refused" or "none", see `_pushes`.
    """

    id: str
    state: str
    folder: str
    seconds: float
    tasks: tuple[TaskRun, ...]
    pushes: str

    def failed(self) -> TaskRun | None:
        """The first task that failed."""
        return next((each for each in self.tasks if each.state == FAILED), None)

    def outputs(self, task: str, name: str) -> list[str]:
        """URIs of an output's artifacts; none where the task did not run."""
        run = next((each for each in self.tasks if each.name == task), None)
        return [each.uri for each in run.outputs.artifacts.get(name, ())] if run else []


def emulate(
    pipeline: Pipeline,
    parameters: Mapping[str, Any],
    *,
    places: Places,
    isolation: Isolation,
    events: Events,
    job: str = "",
    hooks: bool = True,
    cache: bool = True,
) -> Job:
    """Run a job.

    Args:
      pipeline: what to run.
      parameters: a value for each runtime parameter, see `submit.parameters.complete`.
      places: where the object store lies.
      isolation: how steps run; it is closed at the end.
      events: who is told.
      job: its id; "" gives it one.
      hooks: whether drivers run, see `Surroundings`.
      cache: False turns the cache off.

    Raises:
      InputError: what is kept of earlier jobs is damaged.
    """
    started = time.monotonic()
    job = job or new_id(pipeline.name)
    folder = places.job(job)
    os.makedirs(folder, exist_ok=True)
    emulation = _Emulation(pipeline, places, isolation, events, job, folder, hooks, cache)
    try:
        runs = emulation.dag(pipeline.root, Values(parameters))
    finally:
        isolation.close()
    state = FAILED if any(run.state == FAILED for run in runs.values()) else SUCCEEDED
    tasks = tuple(emulation.ended)
    seconds = time.monotonic() - started
    done = Job(job, state, folder, seconds, tasks, _pushes(pipeline, tasks))
    _write(done)
    return done


def new_id(name: str) -> str:
    """An id as the service makes it: the pipeline's name and the time, to the second."""
    now = datetime.datetime.now(datetime.UTC)
    return f"{name}-{now:%Y%m%d%H%M%S}-{uuid.uuid4().hex[:4]}"  # two may start in a second here


class _Emulation:
    """The walk through the dags."""

    def __init__(
        self,
        pipeline: Pipeline,
        places: Places,
        isolation: Isolation,
        events: Events,
        job: str,
        folder: str,
        hooks: bool,
        cache: bool,
    ) -> None:
        self.ended: list[TaskRun] = []
        self._pipeline = pipeline
        self._events = events
        self._current = ""
        self._job = {
            "pipeline_job_name": job,
            "pipeline_job_uuid": str(uuid.uuid5(uuid.NAMESPACE_URL, job)),
            "pipeline_job_resource_name": f"projects/{PROJECT}/locations/local/pipelineJobs/{job}",
            "pipeline_root": pipeline.output,
        }
        self._store = ArtifactStore(os.path.join(places.kept, "store.json"))
        self._around = containers.Surroundings(
            pipeline=pipeline.name,
            places=places,
            store=self._store,
            isolation=isolation,
            job=self._job,
            output=containers.job_folder(pipeline.output, job),
            folder=folder,
            hooks=hooks,
            cache=cache,
            progress=lambda text, stays: events.progress(self._current, text, stays),
            left=events.left,
        )

    def dag(self, dag: Component, given: Values) -> dict[str, TaskRun]:
        """Run the tasks of a dag, each after those that it needs.

        A task that fails stops what comes after it; the others go on, as on the service.
        """
        runs: dict[str, TaskRun] = {}
        for task in dag.tasks:
            runs[task.name] = self._task(task, given, runs)
        return runs

    def _task(self, task: Task, given: Values, runs: Mapping[str, TaskRun]) -> TaskRun:
        component = self._pipeline.components[task.component]
        missing = [name for name in task.after if not runs[name].went_well]
        if missing and not task.always:
            reason = f"{missing[0]} did not succeed"
            return self._end(TaskRun(task.name, component.name, NOT_TRIGGERED, reason=reason))
        isolation = self._around.isolation
        started, loading = time.monotonic(), isolation.loading

        def ended(state: str, reason: str = "", **more: Any) -> TaskRun:
            seconds = time.monotonic() - started - (isolation.loading - loading)
            return TaskRun(task.name, component.name, state, seconds, reason, **more)

        self._current = task.name
        try:
            inputs = inputs_of(task, component, given, runs, self._job)
            if task.condition and not conditions.holds(task.condition, _for_condition(inputs)):
                return self._end(ended(NOT_TRIGGERED, "its condition is false"))
            self._events.task(ended(RUNNING))
            state, outputs = self._outputs(task, component, inputs)
            return self._end(ended(state, outputs=outputs))
        except (TaskError, conditions.ConditionError) as error:
            bad_input = getattr(error, "bad_input", False)
            return self._end(ended(FAILED, str(error), bad_input=bad_input))
        except KeyboardInterrupt:
            self._end(ended(CANCELLED))
            raise

    def _outputs(self, task: Task, component: Component, inputs: Values) -> tuple[str, Values]:
        """Run what the component is; the task's state and its outputs."""
        name = self._pipeline.name
        if component.tasks:
            return self._inner(component, inputs)
        if "importer" in component.executor:
            found = lookups.imported(component, inputs, name, self._store)
            return SUCCEEDED, Values({}, found)
        if "resolver" in component.executor:
            found = lookups.resolved(component, inputs, name, self._store)
            return SUCCEEDED, Values({}, found)
        if "container" not in component.executor:
            raise TaskError("its component has neither an executor nor tasks")
        return containers.run(task, component, inputs, self._around)

    def _inner(self, component: Component, inputs: Values) -> tuple[str, Values]:
        """A dag within a dag; TFX makes one where there is an exit handler.

        Raises:
          TaskError: one of its tasks failed.
        """
        runs = self.dag(component, inputs)
        failed = next((run for run in runs.values() if run.state == FAILED), None)
        if failed:
            raise TaskError(f"{failed.name} failed: {failed.reason}", bad_input=failed.bad_input)
        return SUCCEEDED, Values()

    def _end(self, run: TaskRun) -> TaskRun:
        self.ended.append(run)
        self._events.task(run)
        return run


def _for_condition(inputs: Values) -> dict[str, Any]:
    """What a condition calls `inputs`."""
    return {
        "parameter_values": dict(inputs.parameters),
        "artifacts": {
            name: {"artifacts": [each.for_step() for each in found]}
            for name, found in inputs.artifacts.items()
        },
    }


def _pushes(pipeline: Pipeline, tasks: Sequence[TaskRun]) -> str:
    """Whether a model was pushed: "pushed", "refused" (by each that could), "none": nobody pushes."""
    pushers = [
        (run, name)
        for run in tasks
        for name, output in pipeline.components[run.component].outputs.items()
        if title(output.get("artifactType", {})) == _PUSHED
    ]
    made = [each for run, name in pushers for each in run.outputs.artifacts.get(name, ())]
    if any(each.metadata.get("pushed") == 1 for each in made):
        return "pushed"
    return "refused" if pushers else "none"


def _write(job: Job) -> None:
    """The job's record, `job.json`."""
    with open(os.path.join(job.folder, "job.json"), "w", encoding="utf-8") as file:
        json.dump(asdict(job), file, indent=1)
