"""Questions to the metadata store, asked through its own client.

(Opening the sqlite file in the same process would drop the store's lock: POSIX locks are per
process.)
"""

import os
from collections.abc import Callable
from dataclasses import dataclass

from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2

_REVOKED = "revoked"  # of a ModelBlessing, as components.pusher.spec has it


@dataclass(frozen=True)
class MadeVocabulary:
    """One vocabulary that VocabularyGen made in an earlier run."""

    uri: str
    input_key: str
    base: str
    digest: str = ""


def vocabularies(database: str) -> list[MadeVocabulary]:
    """The vocabularies of earlier runs that still exist, oldest first."""
    if not os.path.exists(database):
        return []
    store = _open(database)
    found = sorted(store.get_artifacts_by_type("components.Vocabulary"), key=lambda each: each.id)
    return [
        MadeVocabulary(
            artifact.uri,
            artifact.custom_properties["input_key"].string_value,
            artifact.custom_properties["base_vocabulary"].string_value,
            artifact.custom_properties["hash"].string_value,
        )
        for artifact in found
        if artifact.state == metadata_store_pb2.Artifact.LIVE
        and os.path.exists(os.path.join(artifact.uri, "vocabulary.json"))
    ]


@dataclass(frozen=True)
class MadeModel:
    """One model that SequenceTrainer made in an earlier run; `base`: the one that it started from."""

    uri: str
    data_key: str
    base: str
    warm_start: str
    blessed: bool = False


def models(database: str) -> list[MadeModel]:
    """The models of earlier runs that still exist and can be started from, oldest first."""
    if not os.path.exists(database):
        return []
    store = _open(database)
    blessed = {
        blessing.custom_properties["current_model_id"].int_value
        for blessing in store.get_artifacts_by_type("ModelBlessing")
        if blessing.custom_properties["blessed"].int_value == 1
    }
    found = sorted(store.get_artifacts_by_type("Model"), key=lambda each: each.id)
    return [
        MadeModel(
            artifact.uri,
            artifact.custom_properties["data_key"].string_value,
            artifact.custom_properties["base_model"].string_value,
            artifact.custom_properties["warm_start"].string_value,
            artifact.id in blessed,
        )
        for artifact in found
        if artifact.state == metadata_store_pb2.Artifact.LIVE
        and os.path.exists(os.path.join(artifact.uri, "starting_point", "facts.json"))
    ]


def revoke(
    database: str, is_withdrawn: Callable[[str], bool], is_served: Callable[[str], bool]
) -> None:
    """Revoke the blessings of models that are not to be served; give the others theirs back.

    A model that was withdrawn, or whose last serving check failed, is then neither what the next run is
    compared with nor what it starts from. The model that is served stays both, whatever a later check
    said: or else any model would do in its place, being the first.

    Args:
      database: of the pipeline; it need not exist.
      is_withdrawn, is_served: whether the model with this URI is.
    """
    if not os.path.exists(database):
        return
    store = _open(database)
    uris = {model.id: model.uri for model in store.get_artifacts_by_type("Model")}
    unfit = _unfit(store)
    changed = []
    for blessing in store.get_artifacts_by_type("ModelBlessing"):
        facts = blessing.custom_properties
        blessed, revoked = facts["blessed"].int_value, facts[_REVOKED].int_value
        if not blessed and not revoked:
            continue
        model = facts["current_model_id"].int_value
        uri = uris.get(model, "")
        now = int((model in unfit or is_withdrawn(uri)) and not is_served(uri))
        if (blessed, revoked) != (1 - now, now):
            facts["blessed"].int_value, facts[_REVOKED].int_value = 1 - now, now
            changed.append(blessing)
    if changed:
        store.put_artifacts(changed)


def _unfit(store: metadata_store.MetadataStore) -> set[int]:
    """The ids of the models whose last serving check failed."""
    found = sorted(store.get_artifacts_by_type("InfraBlessing"), key=lambda each: each.id)
    last = {
        each.custom_properties["current_model_id"].int_value: each.custom_properties["blessed"]
        for each in found
    }
    return {model for model, blessed in last.items() if blessed.int_value == 0}


def failed_checks(database: str) -> int:
    """How many serving checks of earlier runs failed."""
    if not os.path.exists(database):
        return 0
    found = _open(database).get_artifacts_by_type("InfraBlessing")
    return sum(each.custom_properties["blessed"].int_value == 0 for each in found)


def lost_pushes(database: str) -> int:
    """How many pushed versions are no longer where they were pushed to."""
    if not os.path.exists(database):
        return 0
    pushed = [
        each.custom_properties["pushed_destination"].string_value
        for each in _open(database).get_artifacts_by_type("PushedModel")
        if each.custom_properties["pushed"].int_value == 1
    ]
    return sum(not os.path.isdir(folder) for folder in pushed)


def run_outputs(database: str, run_id: str) -> dict[str, dict[str, str]]:
    """URIs of what a run's nodes put out, cached results included: node -> output -> uri."""
    store = _open(database)
    context = store.get_context_by_type_and_name("pipeline_run", run_id)
    if context is None:
        return {}
    outputs: dict[str, dict[str, str]] = {}
    executions = store.get_executions_by_context(context.id)
    for execution in sorted(executions, key=lambda each: each.id):
        events = [
            event
            for event in store.get_events_by_execution_ids([execution.id])
            if event.type == metadata_store_pb2.Event.OUTPUT
        ]
        by_id = {
            artifact.id: artifact
            for artifact in store.get_artifacts_by_id([event.artifact_id for event in events])
        }
        node = _node_of(store, execution)
        for event in events:
            name = event.path.steps[0].key
            outputs.setdefault(node, {})[name] = by_id[event.artifact_id].uri
    return outputs


def _node_of(store: metadata_store.MetadataStore, execution: metadata_store_pb2.Execution) -> str:
    contexts = store.get_contexts_by_execution(execution.id)
    node = next(context.name for context in contexts if context.type == "node")
    return node.rsplit(".", 1)[-1]


def _open(database: str) -> metadata_store.MetadataStore:
    config = metadata_store_pb2.ConnectionConfig()
    config.sqlite.filename_uri = database
    config.sqlite.connection_mode = metadata_store_pb2.SqliteMetadataSourceConfig.READWRITE
    return metadata_store.MetadataStore(config)


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


def lineage(database: str, run_id: str) -> list[Ran]:
    """A run's executions in the order they ran, with what each read and wrote.

    Where a result was cached, the times are those of the execution that made it.
    """
    store = _open(database)
    context = store.get_context_by_type_and_name("pipeline_run", run_id)
    if context is None:
        return []
    executions = store.get_executions_by_context(context.id)
    return [_ran(store, execution) for execution in sorted(executions, key=lambda each: each.id)]


def _ran(store: metadata_store.MetadataStore, execution: metadata_store_pb2.Execution) -> Ran:
    types = metadata_store_pb2.Event
    events = store.get_events_by_execution_ids([execution.id])
    outputs = _made(store, [event for event in events if event.type == types.OUTPUT])
    cached = execution.last_known_state == metadata_store_pb2.Execution.CACHED
    maker = execution
    if cached and outputs:
        maker = _maker(store, outputs[0].id) or execution
    return Ran(
        node=_node_of(store, execution),
        execution=execution.id,
        cached=cached,
        started=maker.create_time_since_epoch,
        ended=maker.last_update_time_since_epoch,
        inputs=_made(store, [event for event in events if event.type == types.INPUT]),
        outputs=outputs,
    )


def _made(
    store: metadata_store.MetadataStore, events: list[metadata_store_pb2.Event]
) -> tuple[Made, ...]:
    ids = [event.artifact_id for event in events]
    by_id = {artifact.id: artifact for artifact in store.get_artifacts_by_id(ids)}
    found = []
    for event in events:
        artifact = by_id[event.artifact_id]
        properties = artifact.custom_properties
        known = [properties[key].string_value for key in _HASHES if key in properties]
        maker = _maker(store, artifact.id)
        run = _run_of(store, maker) if maker else ""
        name = event.path.steps[0].key
        found.append(Made(name, artifact.id, artifact.type, artifact.uri, (*known, "")[0], run))
    return tuple(found)


_HASHES = ("hash", "input_fingerprint")  # as VocabularyGen and ExampleGen call them


def _maker(
    store: metadata_store.MetadataStore, artifact: int
) -> metadata_store_pb2.Execution | None:
    """The execution that made an artifact, which is the first that put it out."""
    events = store.get_events_by_artifact_ids([artifact])
    ids = [event.execution_id for event in events if event.type == metadata_store_pb2.Event.OUTPUT]
    return store.get_executions_by_id([min(ids)])[0] if ids else None


def _run_of(store: metadata_store.MetadataStore, execution: metadata_store_pb2.Execution) -> str:
    contexts = store.get_contexts_by_execution(execution.id)
    return next((each.name for each in contexts if each.type == "pipeline_run"), "")
