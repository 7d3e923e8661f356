"""`tokenline emulate`: a compiled pipeline, run on this machine as Vertex AI Pipelines would."""

import itertools
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from components.errors import InputError
from pipeline import lock, paths
from pipeline.emulator import emulation, image, places, specification, telling
from pipeline.emulator.emulation import Job
from pipeline.emulator.forks import Forks
from pipeline.emulator.isolation import Isolation, Subprocesses, clean_environment
from pipeline.emulator.specification import Pipeline
from pipeline.submit import parameters
from pipeline.terminal import Terminal

ROOT = os.path.join("runs", "emulated")
SUBPROCESS, FORK = "subprocess", "fork"
VERTEX, KUBEFLOW = "vertex", "kubeflow"
_DONE, _FAILED, _NOT_PUSHED = 0, 1, 3
_ENTRYPOINT = "tfx.orchestration.kubeflow.v2.container.kubeflow_v2_run_executor"


@dataclass(frozen=True)
class Options:
    """What the user asked for.

    Attributes:
      file: the compiled pipeline.
      isolation: SUBPROCESS or FORK.
      service: VERTEX, or KUBEFLOW, which knows neither resolvers nor drivers.
      root: the folder that stands for the object store.
      data: texts gs://BUCKET/FOLDER=LOCAL_FOLDER.
      parameters: texts NAME=VALUE.
      cache: False: nothing comes from the cache.
      as_json: events as JSON lines.
    """

    file: str
    isolation: str = SUBPROCESS
    service: str = VERTEX
    root: str = ROOT
    data: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    cache: bool = True
    as_json: bool = False


def run(options: Options) -> int:
    """Run the file's pipeline; returns the exit code: 0 done, 1 failed, 3 not pushed.

    Raises:
      InputError: the file, an option, or what a component read is at fault.
    """
    pipeline = specification.read(options.file)
    declared = parameters.declared_by(pipeline.root.parameters)
    given = dict(pipeline.given) | parameters.from_texts(options.parameters, declared)
    values = parameters.complete(given, declared, options.file)
    if options.service == KUBEFLOW:
        _refuse_resolvers(pipeline, options.file)
    laid = places.at(options.root)
    guard = lock.held(
        os.path.join(laid.kept, "lock"),
        "another emulated job",
        advice="wait for it, or give this one another --root",
    )
    with guard, _terminated_as_interrupted():
        places.lay(laid, options.data)
        terminal = Terminal(sys.stdout)
        events = telling.to_json(sys.stdout) if options.as_json else telling.to_terminal(terminal)
        if not options.as_json:
            where = f"{options.isolation}, {paths.shown(laid.root)}"
            terminal.line(f"tokenline emulate: {pipeline.name}, {options.file} ({where})")
            terminal.status("  preparing")  # the wheel, if it is to be built
        job = emulation.emulate(
            pipeline,
            values,
            places=laid,
            isolation=isolation(options.isolation, pipeline, laid, events.loaded),
            events=events,
            hooks=options.service == VERTEX,
            cache=options.cache,
        )
    return _closed(job, laid, terminal, options)


def isolation(
    kind: str,
    pipeline: Pipeline,
    laid: places.Places,
    loaded: Callable[[float], None] = lambda seconds: None,
) -> Isolation:
    """How the steps of a pipeline run: SUBPROCESS, or FORK; of that, `loaded` is told how long it took.

    Raises:
      InputError: the wheel cannot be built.
    """
    home = os.path.join(laid.kept, "home")
    os.makedirs(home, exist_ok=True)
    if kind == SUBPROCESS:
        return Subprocesses(clean_environment(image.python(laid.kept), home))
    log = os.path.join(laid.kept, "zygote.log")
    environment = clean_environment(sys.executable, home)
    return Forks(environment, _modules(pipeline), log, loaded=loaded)


def _modules(pipeline: Pipeline) -> list[str]:
    """What the containers will import: the entry point, and the executors."""
    found = [_ENTRYPOINT]
    for container in pipeline.containers():
        arguments = container.get("args", [])
        for option, value in itertools.pairwise(arguments):
            if option == "--executor_class_path":
                found.append(value.rpartition(".")[0])
    return list(dict.fromkeys(found))


def _refuse_resolvers(pipeline: Pipeline, file: str) -> None:
    found = [name for name, each in pipeline.components.items() if "resolver" in each.executor]
    if found:
        raise InputError(
            f"{file}: {found[0]} is a resolver, which OSS Kubeflow does not run: "
            "expected one that was compiled with --target kubeflow"
        )


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM as Ctrl-C: the steps are to end too."""
    try:
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    except ValueError:  # not in the main thread: signals are another's
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _closed(job: Job, laid: places.Places, terminal: Terminal, options: Options) -> int:
    """Say how it ended; returns the exit code.

    Raises:
      InputError: a component found the input at fault.
    """
    failed = job.failed()
    code = _FAILED if failed else _NOT_PUSHED if job.pushes == "refused" else _DONE
    if options.as_json:
        code = 2 if failed and failed.bad_input else code
        print(telling.ended_as_json(job, code), flush=True)
        return code
    if not failed:
        for line in telling.closing_lines(job, laid):
            terminal.line(line)
        return code
    if failed.bad_input:
        terminal.line(f"  logs: {paths.shown(job.folder)}")
        raise InputError(failed.reason)
    terminal.line(f"tokenline: {failed.name} failed: {failed.reason}")
    terminal.line(f"  logs: {paths.shown(job.folder)}")
    return code
