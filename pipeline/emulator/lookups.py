"""Tasks without a container: importers, and resolvers, which ask what earlier jobs have made."""

from typing import Any

from pipeline.emulator import placeholders
from pipeline.emulator.artifact_store import Artifact, ArtifactStore, title
from pipeline.emulator.filters import FilterError
from pipeline.emulator.specification import Component
from pipeline.emulator.task_inputs import TaskError, Values


def imported(
    component: Component, inputs: Values, pipeline: str, store: ArtifactStore
) -> dict[str, list[Artifact]]:
    """The artifact of an importer: the one that is known at this place, or a new one.

    Raises:
      TaskError: it is given no place.
    """
    importer = component.executor["importer"]
    source = importer.get("artifactUri", {})
    name = source.get("runtimeParameter")
    uri = inputs.parameters.get(name) if name else source.get("constant")
    if not isinstance(uri, str) or not uri:
        raise TaskError(f"got the URI {uri!r}, expected a place to import from")
    kind = importer.get("typeSchema", {})
    found = None if importer.get("reimport") else store.at(uri, title(kind))
    if not found:
        metadata: dict[str, Any] = importer.get("metadata", {})
        found = Artifact(store.name(), uri, kind, metadata, pipeline)
        store.add([found])
    return {name: [found] for name in component.outputs}


def resolved(
    component: Component, inputs: Values, pipeline: str, store: ArtifactStore
) -> dict[str, list[Artifact]]:
    """What the queries of a resolver find; an empty list where nothing does.

    Raises:
      TaskError: a query cannot be read.
    """
    queries = component.executor["resolver"].get("outputArtifactQueries", {})
    # A query that builds on the finding of another one finds nothing where that did not.
    if any(not found for found in inputs.artifacts.values()):
        return {name: [] for name in queries}
    given = {
        "inputs": {
            "artifacts": {
                name: {"artifacts": [each.for_step() for each in found]}
                for name, found in inputs.artifacts.items()
            }
        }
    }
    found = {}
    for name, query in queries.items():
        try:
            asked = placeholders.filled(query["filter"], given, {})
            newest = store.newest(pipeline, asked)
        except (FilterError, placeholders.PlaceholderError) as error:
            raise TaskError(str(error)) from None
        found[name] = [newest] if newest else []
    return found
