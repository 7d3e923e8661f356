"""What a failed node becomes, whatever Beam makes of its exception."""

import pytest
from ml_metadata.proto import metadata_store_pb2
from tfx.orchestration import pipeline
from tfx.orchestration.portable import data_types, launcher

from pipeline import local_runner

NOTHING = pipeline.Pipeline(
    "nothing", "root", metadata_connection_config=metadata_store_pb2.ConnectionConfig()
)


def test_inputs_that_cannot_be_looked_up_are_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """TFX notes it and goes on, as if the node and all after it were cached."""
    info = data_types.ExecutionInfo(execution_id=7)
    result = launcher._ExecutionPreparationResult(info, contexts=[], is_execution_needed=False)
    monkeypatch.setattr(launcher.Launcher, "_prepare_execution", lambda self: result)
    node = local_runner._Launcher.__new__(local_runner._Launcher)
    with pytest.raises(RuntimeError, match="its inputs could not be looked up"):
        node._prepare_execution()
    result.execution_metadata = metadata_store_pb2.Execution(id=7)  # from the cache
    assert node._prepare_execution() is result


@pytest.mark.parametrize("cause", [KeyboardInterrupt(), ValueError("the node's own words")])
def test_beams_wrapping_is_undone(monkeypatch: pytest.MonkeyPatch, cause: BaseException) -> None:
    def run(self: object, to_run: object) -> None:
        assert local_runner._watch is not None
        local_runner._watch.failure = local_runner.NodeFailure("Node", cause)
        raise RuntimeError(f"{cause!r} [while running 'Run[Node]']")

    monkeypatch.setattr(local_runner._Runner, "run", run)
    expected = (
        KeyboardInterrupt if isinstance(cause, KeyboardInterrupt) else local_runner.NodeFailure
    )
    with pytest.raises(expected) as raised:
        local_runner.run(NOTHING, lambda node: None)
    if expected is local_runner.NodeFailure:
        assert raised.value.cause is cause
        assert str(raised.value) == "Node: the node's own words"
    assert local_runner._watch is None


def test_a_failure_outside_any_node_keeps_its_type(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(self: object, to_run: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(local_runner._Runner, "run", run)
    with pytest.raises(OSError, match="no space left"):
        local_runner.run(NOTHING, lambda node: None)


def test_a_beam_executor_gets_the_profile_s_arguments_and_the_cache_is_not_told() -> None:
    from tfx.orchestration.portable import beam_executor_operator
    from tfx.proto.orchestration import executable_spec_pb2

    spec = executable_spec_pb2.BeamExecutableSpec()
    spec.python_executor_spec.class_path = "components.example_gen.executor.Executor"
    spec.beam_pipeline_args_placeholders.add().value.string_value = "--runner=FnApiRunner"
    asked = spec.SerializeToString(deterministic=True)
    launched = local_runner._Launcher.__new__(local_runner._Launcher)
    launched._executor_spec, launched._platform_config = spec, None
    launched._executor_operator = untouched = object()
    launched.use_beam(())
    assert launched._executor_operator is untouched
    launched.use_beam(["--runner=PortableRunner", "--job_endpoint=jobs:1"])
    operator = launched._executor_operator
    assert isinstance(operator, beam_executor_operator.BeamExecutorOperator)
    given = [each.value.string_value for each in operator.beam_pipeline_args]
    assert given == ["--runner=PortableRunner", "--job_endpoint=jobs:1"]
    # What `_prepare_execution` makes the cache's key from.
    assert launched._executor_spec.SerializeToString(deterministic=True) == asked


def test_other_executors_keep_theirs() -> None:
    from tfx.proto.orchestration import executable_spec_pb2

    launched = local_runner._Launcher.__new__(local_runner._Launcher)
    launched._executor_spec = executable_spec_pb2.PythonClassExecutableSpec(class_path="a.B")
    launched._executor_operator = untouched = object()
    launched.use_beam(["--runner=PortableRunner"])
    assert launched._executor_operator is untouched
