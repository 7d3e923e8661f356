"""What the containers of a compiled line start: TFX's entry point, and around it what TFX has not.

Bad input is one line and exit code 2. On Vertex, a step that fails tells why, for whoever ordered the job
(see `failures`): the service itself says only that a container has failed. On Kubeflow, SpanWindow's driver
runs first. Vertex runs it itself, before it looks into its cache; Kubeflow ignores that hook, so there it
runs in the same container, into the same output file, from which TFX's entry point takes what it has found.

    python -m components.container_entrypoint --executor_class_path components.….Executor …
        [--outcome_to FOLDER --job ID --task NAME]    on Vertex
"""

import argparse
import itertools
import runpy
import sys
from collections.abc import Sequence

from components.errors import InputError

OUTCOME_TO, JOB, TASK = "--outcome_to", "--job", "--task"
_TFX = "tfx.orchestration.kubeflow.v2.container.kubeflow_v2_run_executor"
_EXECUTOR = "--executor_class_path"
_WITH_DRIVER = "components.span_window.executor.Executor"
_BAD_INPUT = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one component, as TFX's entry point does; returns the exit code: 2 for bad input."""
    own, given = _parsed(sys.argv[1:] if arguments is None else arguments)
    if not own.job and _executor(given) == _WITH_DRIVER:
        from components.span_window import driver

        if code := driver.main(given):
            return code
    sys.argv = [_TFX, *given]
    try:
        runpy.run_module(_TFX, run_name="__main__", alter_sys=True)
    except InputError as error:
        print(f"tokenline: {error}", file=sys.stderr, flush=True)
        _tell(error, own)
        return _BAD_INPUT
    except SystemExit as ended:  # as absl ends a program, also one that went well
        if ended.code:
            raise
    except Exception as error:
        _tell(error, own)
        raise
    return 0


def _parsed(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """What is for this module, and what is for TFX."""
    parser = argparse.ArgumentParser(allow_abbrev=False, add_help=False)
    for option in (OUTCOME_TO, JOB, TASK):
        parser.add_argument(option, default="")
    return parser.parse_known_args(arguments)


def _tell(error: Exception, own: argparse.Namespace) -> None:
    """Tell why the step fails, if somebody wants to know; it fails of `error` whatever happens here."""
    if not (own.job and own.outcome_to):
        return
    try:
        from components import failures

        failures.tell(own.outcome_to, failures.of(error, own.job, own.task))
    except Exception as problem:
        text = " ".join(str(problem).split()) or type(problem).__name__
        print(f"why this step failed could not be told: {text}", file=sys.stderr)


def _executor(arguments: Sequence[str]) -> str:
    """The class that is to run, given as two arguments or as one; "" where there is none."""
    for option, value in itertools.pairwise([*arguments, ""]):
        name, equals, joined = option.partition("=")
        if name == _EXECUTOR:
            return joined if equals else value
    return ""


if __name__ == "__main__":
    sys.exit(main())
