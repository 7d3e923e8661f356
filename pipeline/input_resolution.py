"""A node's inputs are asked of the metadata store by what they are, so that looking them up stays quick.

TFX reads every execution that a pipeline ever had, for each input of each node, and intersects in
Python (channel_resolver.py, "TODO(b/234806996): Migrate to MLMD filter query"). So it is where ml_metadata
has no queries any more, see `store.conditions`.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from ml_metadata.metadata_store import ListOptions, OrderByField
from tfx.orchestration import mlmd_connection_manager
from tfx.orchestration.portable.input_resolution import channel_resolver
from tfx.types import artifact_utils

from pipeline.store import conditions

_NAMES = ("_get_executions_by_all_contexts", "resolve_single_channel")
_read_all = channel_resolver.resolve_single_channel
_read_all_executions = channel_resolver._get_executions_by_all_contexts


@contextlib.contextmanager
def by_query() -> Iterator[None]:
    """While it is entered, TFX's nodes of this process find the same inputs by queries."""
    before = {name: getattr(channel_resolver, name) for name in _NAMES}
    for name, ours in zip(_NAMES, (_executions, _artifacts), strict=True):
        setattr(channel_resolver, name, ours)
    try:
        yield
    finally:
        for name, theirs in before.items():
            setattr(channel_resolver, name, theirs)


def _executions(store: Any, contexts: Sequence[Any]) -> list[Any]:
    """The executions that are in all contexts, oldest first."""
    if not contexts:
        return []
    wanted = [f"contexts_{number}.id = {each.id}" for number, each in enumerate(contexts)]
    options = ListOptions(filter_query=" AND ".join(wanted), order_by=OrderByField.ID)
    found = conditions.asked(lambda: list(store.get_executions(list_options=options)))
    return _of_one_run(store, contexts) if found is None else found


def _of_one_run(store: Any, contexts: Sequence[Any]) -> list[Any]:
    """The same where ml_metadata has no queries: a run has few executions, a node has all there ever were."""
    run = next((each for each in contexts if each.type == "pipeline_run"), None)
    if run is None:
        return list(_read_all_executions(store, contexts))
    wanted = {each.id for each in contexts}
    found = sorted(store.get_executions_by_context(run.id), key=lambda each: int(each.id))
    return [
        each
        for each in found
        if wanted <= {context.id for context in store.get_contexts_by_execution(each.id)}
    ]


def _artifacts(handle: Any, channel: Any) -> list[Any]:
    """The artifacts of a channel. One that names only the pipeline wants all of a type that there are."""
    queries = channel.context_queries
    kind = channel.artifact_query.type.name
    if len(queries) != 1 or channel.output_key or not kind:
        found: list[Any] = _read_all(handle, channel)
        return found
    store = mlmd_connection_manager.get_handle(handle).store
    name = queries[0].name.field_value.string_value
    context = store.get_context_by_type_and_name(queries[0].type.name, name)
    if context is None:
        return []
    live = conditions.find(
        lambda options: store.get_artifacts_by_context(context.id, options),
        conditions.of_type(kind) & conditions.LIVE,
    )
    return artifact_utils.deserialize_artifacts(store.get_artifact_type(kind), live) if live else []
