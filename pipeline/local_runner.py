"""Runs a pipeline through BeamDagRunner on this machine, and says what each node does."""

import contextlib
import gc
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from apache_beam.options.pipeline_options import StandardOptions
from tfx.orchestration import metadata, pipeline
from tfx.orchestration.beam import beam_dag_runner
from tfx.orchestration.portable import beam_executor_operator, launcher
from tfx.proto.orchestration import executable_spec_pb2, placeholder_pb2

from pipeline import input_resolution
from pipeline.store import backslashes


@dataclass
class NodeRun:
    """One node of one run. `state`: running, done, cached or failed."""

    name: str
    state: str = "running"
    seconds: float = 0.0


class NodeFailure(Exception):
    """A node failed; `cause` is its own exception, without what Beam adds."""

    def __init__(self, node: str, cause: BaseException) -> None:
        super().__init__(f"{node}: {cause}")
        self.node = node
        self.cause = cause


@dataclass
class _Watch:
    """What happens in the running pipeline. Beam pickles the node functions, so they find it here."""

    on_change: Callable[[NodeRun], None]
    beam_arguments: Sequence[str] = ()
    nodes: list[NodeRun] = field(default_factory=list)
    run_id: str = ""
    failure: NodeFailure | None = None


_watch: _Watch | None = None


def run(
    to_run: pipeline.Pipeline,
    on_change: Callable[[NodeRun], None],
    *,
    beam_arguments: Sequence[str] = (),
) -> tuple[str, list[NodeRun]]:
    """Run a pipeline to its end.

    Args:
      to_run: the pipeline.
      on_change: is told when a node starts and when it ends.
      beam_arguments: where the Beam components' work is done; (): as the pipeline says. The cache
        knows only what the pipeline says, as the place changes no result.

    Returns:
      TFX's id of the run, and its nodes in the order in which they ran.

    Raises:
      NodeFailure: a node failed; those after it did not start.
      KeyboardInterrupt: the user ended it.
    """
    global _watch
    gc.freeze()  # a full collection would walk all of TensorFlow and TFX each time
    watch = _watch = _Watch(on_change, beam_arguments)
    try:
        store = to_run.metadata_connection_config
        with _pinned_beam_runner(), input_resolution.by_query(), backslashes.kept(store):
            _Runner().run(to_run)
    except Exception:
        if watch.failure is None:
            raise
        if isinstance(watch.failure.cause, KeyboardInterrupt):
            raise watch.failure.cause from None
        raise watch.failure from watch.failure.cause
    finally:
        _watch = None
    return watch.run_id, watch.nodes


@contextlib.contextmanager
def _pinned_beam_runner() -> Iterator[None]:
    """BeamDagRunner's own pipeline takes no arguments: pin the default that it falls back to.

    Beam's default tries to download and run a binary, and listens on all interfaces.
    """
    before = StandardOptions.DEFAULT_RUNNER
    StandardOptions.DEFAULT_RUNNER = "FnApiRunner"
    try:
        yield
    finally:
        StandardOptions.DEFAULT_RUNNER = before


class _Launcher(launcher.Launcher):
    """Notes whether the executor ran; it does not where the result is cached."""

    executed = False

    def _prepare_execution(self) -> Any:
        """As TFX's, which writes down that inputs could not be looked up, and then goes on.

        Raises:
          RuntimeError: so it is; the nodes after it would find nothing, and look cached.
        """
        prepared = super()._prepare_execution()
        is_cached = prepared.execution_metadata is not None
        if (
            not prepared.is_execution_needed
            and not is_cached
            and prepared.execution_info.execution_id
        ):
            raise RuntimeError("its inputs could not be looked up in the metadata store")
        return prepared

    def use_beam(self, arguments: Sequence[str]) -> None:
        """Give a Beam executor other arguments than its specification, which the cache is asked with."""
        spec = self._executor_spec
        if not arguments or not isinstance(spec, executable_spec_pb2.BeamExecutableSpec):
            return
        own = executable_spec_pb2.BeamExecutableSpec()
        own.CopyFrom(spec)
        del own.beam_pipeline_args_placeholders[:]
        for argument in arguments:
            value = placeholder_pb2.PlaceholderExpression()
            value.value.string_value = argument
            own.beam_pipeline_args_placeholders.append(value)
        operator = beam_executor_operator.BeamExecutorOperator(own, self._platform_config)
        self._executor_operator = operator

    def _run_executor(self, *args: Any, **kwargs: Any) -> Any:
        self.executed = True
        return super()._run_executor(*args, **kwargs)


class _Node(beam_dag_runner.PipelineNodeAsDoFn):
    """Runs one node, as its parent does, and tells the watch."""

    def _run_node(self) -> None:
        watch = _watch
        assert watch is not None
        watch.run_id = self._pipeline_runtime_spec.pipeline_run_id.field_value.string_value
        node = NodeRun(self._node_id)
        watch.nodes.append(node)
        watch.on_change(node)
        started = time.monotonic()
        launched = self._launcher()
        launched.use_beam(watch.beam_arguments)
        try:
            launched.launch()
            node.state = "done" if launched.executed else "cached"
        except BaseException as error:  # Ctrl-C too: Beam makes a RuntimeError of it
            node.state = "failed"
            watch.failure = NodeFailure(self._node_id, error)
            raise
        finally:
            node.seconds = time.monotonic() - started
            watch.on_change(node)

    def _launcher(self) -> _Launcher:
        return _Launcher(
            pipeline_node=self._pipeline_node,
            mlmd_connection=metadata.Metadata(self._mlmd_connection_config),
            pipeline_info=self._pipeline_info,
            pipeline_runtime_spec=self._pipeline_runtime_spec,
            executor_spec=self._executor_spec,
            platform_config=self._extract_platform_config(self._deployment_config, self._node_id),
            custom_driver_spec=self._custom_driver_spec,
        )


class _Runner(beam_dag_runner.BeamDagRunner):
    """BeamDagRunner with our node function."""

    _PIPELINE_NODE_DO_FN_CLS = _Node
