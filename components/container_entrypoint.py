"""What a container of Kubeflow Pipelines starts: TFX's entry point, and SpanWindow's driver before it.

Vertex runs the driver itself, before it looks into its cache. Kubeflow ignores that hook, so here it runs in
the same container, into the same output file, from which TFX's entry point takes what it has found. All other
components run as they would without this.

    python -m components.container_entrypoint --executor_class_path components.….Executor …
"""

import itertools
import runpy
import sys
from collections.abc import Sequence

from components.errors import InputError

_TFX = "tfx.orchestration.kubeflow.v2.container.kubeflow_v2_run_executor"
_EXECUTOR = "--executor_class_path"
_WITH_DRIVER = "components.span_window.executor.Executor"
_BAD_INPUT = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one component, as TFX's entry point does; returns the exit code: 2 for bad input."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if _executor(given) == _WITH_DRIVER:
        from components.span_window import driver

        if code := driver.main(given):
            return code
    sys.argv = [_TFX, *given]
    try:
        runpy.run_module(_TFX, run_name="__main__", alter_sys=True)
    except InputError as error:
        print(f"tokenline: {error}", file=sys.stderr)
        return _BAD_INPUT
    except SystemExit as ended:  # as absl ends a program, also one that went well
        if ended.code:
            raise
    return 0


def _executor(arguments: Sequence[str]) -> str:
    """The class that is to run, given as two arguments or as one; "" where there is none."""
    for option, value in itertools.pairwise([*arguments, ""]):
        name, equals, joined = option.partition("=")
        if name == _EXECUTOR:
            return joined if equals else value
    return ""


if __name__ == "__main__":
    sys.exit(main())
