"""`tokenline compile`: the line as a file for Vertex or Kubeflow Pipelines, and what is wrong with one."""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline import kubeflow_runner, paths
from pipeline.config import Config
from pipeline.kubeflow import lint, reading
from pipeline.kubeflow.findings import Finding
from pipeline.terminal import silenced

_DONE, _FAILED = 0, 1
_USUAL = {"vertex": "pipeline.json", "kubeflow": "pipeline.yaml"}


@dataclass(frozen=True)
class Options:
    """What is asked for.

    Attributes:
      target: what the line is for.
      outputs: files to write, () for the target's usual one.
      config: the file of the configuration, which is not overwritten.
    """

    target: kubeflow_runner.Target
    outputs: tuple[str, ...] = ()
    config: str = ""


def run(config: Config, options: Options) -> int:
    """Compile and write; returns the exit code.

    Raises:
      InputError: the configuration or the command is at fault.
    """
    outputs = options.outputs or (_USUAL[options.target],)
    kubeflow_runner.check_outputs(outputs, options.config)
    started = time.monotonic()
    try:
        job = kubeflow_runner.compile_pipeline(config, options.target, *outputs)
    except kubeflow_runner.BadSpecification as bad:
        return _tell("the compiled line", bad.findings)
    steps = len(job["pipelineSpec"]["root"]["dag"]["tasks"])
    written = " and ".join(map(paths.shown, outputs))
    seconds = time.monotonic() - started
    print(f"tokenline compile: {written}, {steps} steps for {options.target} in {seconds:.1f} s")
    return _DONE


def lint_file(path: str, target: kubeflow_runner.Target) -> int:
    """Say what is wrong with a compiled line, a line each; returns the exit code.

    Raises:
      InputError: the file holds none.
    """
    document = reading.read(path).document
    with silenced():  # the types that it names are imported, and TensorFlow greets
        found = lint.lint(document, target)
    if found:
        return _tell(path, found)
    print(f"tokenline compile: {path}: nothing found for {target}")
    return _DONE


def _tell(what: str, findings: Sequence[Finding]) -> int:
    for finding in findings:
        print(f"tokenline: {finding}", file=sys.stderr)
    number = len(findings)
    print(f"tokenline: {what}: {number} finding{'s' if number > 1 else ''}", file=sys.stderr)
    return _FAILED
