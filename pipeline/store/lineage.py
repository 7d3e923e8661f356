"""What a run's nodes read and wrote, asked of the metadata store through its own client."""

from dataclasses import dataclass
from typing import Any

from ml_metadata.proto import metadata_store_pb2

from pipeline.store.connection import Store

_HASHES = ("hash", "input_fingerprint")  # as VocabularyGen and ExampleGen call them


def run_outputs(store: Store, run_id: str) -> dict[str, dict[str, str]]:
    """URIs of what a run's nodes put out, cached results included: node -> output -> uri."""
    with store.opened() as rows:
        return _run_outputs(rows, run_id)


def _run_outputs(rows: Any, run_id: str) -> dict[str, dict[str, str]]:
    context = rows.get_context_by_type_and_name("pipeline_run", run_id)
    if context is None:
        return {}
    outputs: dict[str, dict[str, str]] = {}
    executions = rows.get_executions_by_context(context.id)
    for execution in sorted(executions, key=lambda each: each.id):
        events = [
            event
            for event in rows.get_events_by_execution_ids([execution.id])
            if event.type == metadata_store_pb2.Event.OUTPUT
        ]
        by_id = {
            artifact.id: artifact
            for artifact in rows.get_artifacts_by_id([event.artifact_id for event in events])
        }
        node = _node_of(rows, execution)
        for event in events:
            name = event.path.steps[0].key
            outputs.setdefault(node, {})[name] = by_id[event.artifact_id].uri
    return outputs


def _node_of(rows: Any, execution: metadata_store_pb2.Execution) -> str:
    contexts = rows.get_contexts_by_execution(execution.id)
    node = next(context.name for context in contexts if context.type == "node")
    return node.rsplit(".", 1)[-1]


@dataclass(frozen=True)
class Made:
    """One artifact: `name` is that of the input or output, `run` the TFX run that made it."""

    name: str
    id: int
    type: str
    uri: str
    hash: str
    run: str


@dataclass(frozen=True)
class Ran:
    """One execution of a run, or the use of a cached one. Times in milliseconds since 1970."""

    node: str
    execution: int
    cached: bool
    started: int
    ended: int
    inputs: tuple[Made, ...]
    outputs: tuple[Made, ...]


def executions(store: Store, run_id: str) -> list[Ran]:
    """A run's executions in the order they ran, with what each read and wrote.

    Where a result was cached, the times are those of the execution that made it.
    """
    with store.opened() as rows:
        context = rows.get_context_by_type_and_name("pipeline_run", run_id)
        if context is None:
            return []
        executions = rows.get_executions_by_context(context.id)
        return [_ran(rows, execution) for execution in sorted(executions, key=lambda each: each.id)]


def _ran(rows: Any, execution: metadata_store_pb2.Execution) -> Ran:
    types = metadata_store_pb2.Event
    events = rows.get_events_by_execution_ids([execution.id])
    outputs = _made(rows, [event for event in events if event.type == types.OUTPUT])
    cached = execution.last_known_state == metadata_store_pb2.Execution.CACHED
    maker = execution
    if cached and outputs:
        maker = _maker(rows, outputs[0].id) or execution
    return Ran(
        node=_node_of(rows, execution),
        execution=execution.id,
        cached=cached,
        started=maker.create_time_since_epoch,
        ended=maker.last_update_time_since_epoch,
        inputs=_made(rows, [event for event in events if event.type == types.INPUT]),
        outputs=outputs,
    )


def _made(rows: Any, events: list[metadata_store_pb2.Event]) -> tuple[Made, ...]:
    ids = [event.artifact_id for event in events]
    by_id = {artifact.id: artifact for artifact in rows.get_artifacts_by_id(ids)}
    found = []
    for event in events:
        artifact = by_id[event.artifact_id]
        properties = artifact.custom_properties
        known = [properties[key].string_value for key in _HASHES if key in properties]
        maker = _maker(rows, artifact.id)
        run = _run_of(rows, maker) if maker else ""
        name = event.path.steps[0].key
        found.append(Made(name, artifact.id, artifact.type, artifact.uri, (*known, "")[0], run))
    return tuple(found)


def _maker(rows: Any, artifact: int) -> metadata_store_pb2.Execution | None:
    """The execution that made an artifact, which is the first that put it out."""
    events = rows.get_events_by_artifact_ids([artifact])
    ids = [event.execution_id for event in events if event.type == metadata_store_pb2.Event.OUTPUT]
    return rows.get_executions_by_id([min(ids)])[0] if ids else None


def _run_of(rows: Any, execution: metadata_store_pb2.Execution) -> str:
    contexts = rows.get_contexts_by_execution(execution.id)
    return next((each.name for each in contexts if each.type == "pipeline_run"), "")
