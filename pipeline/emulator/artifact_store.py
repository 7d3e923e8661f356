"""What earlier jobs have made: artifacts and the outputs that the cache gives again, in one JSON file."""

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.errors import InputError
from pipeline.emulator import filters

PROJECT = "123456789"  # a project's number, as it stands in paths and names
_NAME = f"projects/{PROJECT}/locations/local/metadataStores/default/artifacts/"
LIVE = "LIVE"

Json = dict[str, Any]


@dataclass(frozen=True)
class Artifact:
    """One artifact, as the service's metadata store has it.

    Attributes:
      name: the resource name; TFX's Evaluator notes it as the model's id.
      type: {"instanceSchema": YAML} or {"schemaTitle": …}.
      pipeline: in whose context it is.
    """

    name: str
    uri: str
    type: Mapping[str, Any]
    metadata: Mapping[str, Any]
    pipeline: str
    state: str = LIVE

    @property
    def title(self) -> str:
        """The type's name: tfx.Model."""
        return title(self.type)

    def for_step(self) -> Json:
        """As an executor is given it: a RuntimeArtifact."""
        return {
            "name": self.name,
            "uri": self.uri,
            "type": dict(self.type),
            "metadata": dict(self.metadata),
        }


def title(type_schema: Mapping[str, Any]) -> str:
    """The name of an artifact type: tfx.Model, or components.SpanList."""
    if "schemaTitle" in type_schema:
        return str(type_schema["schemaTitle"])
    import yaml

    found = yaml.safe_load(type_schema.get("instanceSchema", ""))
    return str(found.get("title", "")) if isinstance(found, dict) else ""


class ArtifactStore:
    """The file; whatever is noted is written at once."""

    def __init__(self, path: str) -> None:
        """Read it, if it is there.

        Raises:
          InputError: it is damaged.
        """
        self._path = path
        self._artifacts: dict[str, Artifact] = {}
        self._cached: dict[str, Json] = {}
        self._last = 0
        if os.path.exists(path):
            self._read()

    def number(self) -> int:
        """A number that was not given before."""
        self._last += 1
        return self._last

    def name(self) -> str:
        """A name for a new artifact."""
        return f"{_NAME}{self.number()}"

    def add(self, artifacts: Sequence[Artifact]) -> None:
        """Note artifacts that are finished."""
        self._artifacts |= {artifact.name: artifact for artifact in artifacts}
        self._write()

    def newest(self, pipeline: str, query: str) -> Artifact | None:
        """The newest artifact of a pipeline that a query asks for.

        Raises:
          filters.FilterError: the query cannot be read.
        """
        found = None
        for artifact in self._artifacts.values():
            facts = {
                "schema_title": artifact.title,
                "state": artifact.state,
                "name": artifact.name,
                "uri": artifact.uri,
                "metadata": artifact.metadata,
            }
            if filters.matches(query, facts) and artifact.pipeline == pipeline:
                found = artifact
        return found

    def at(self, uri: str, type_name: str) -> Artifact | None:
        """The newest artifact with this URI and type, of any pipeline."""
        same = [each for each in self._artifacts.values() if each.uri == uri]
        return next((each for each in reversed(same) if each.title == type_name), None)

    def remember(
        self, key: str, artifacts: Mapping[str, Sequence[Artifact]], parameters: Mapping[str, Any]
    ) -> None:
        """Note what a task with this cache key has made."""
        names = {name: [each.name for each in found] for name, found in artifacts.items()}
        self._cached[key] = {"artifacts": names, "parameters": dict(parameters)}
        self._write()

    def cached(self, key: str) -> tuple[dict[str, list[Artifact]], Json] | None:
        """Artifacts and parameters that such a task has made before; None if there was none."""
        if key not in self._cached:
            return None
        found = self._cached[key]
        artifacts = {
            name: [self._artifacts[each] for each in names]
            for name, names in found["artifacts"].items()
        }
        return artifacts, dict(found["parameters"])

    def _read(self) -> None:
        try:
            with open(self._path, encoding="utf-8") as file:
                found = json.load(file)
            artifacts = [Artifact(**each) for each in found["artifacts"]]
            self._artifacts = {each.name: each for each in artifacts}
            self._cached, self._last = found["cached"], int(found["last"])
        except (ValueError, TypeError, KeyError) as error:
            reason = f"{type(error).__name__}: {error}".split("\n")[0]
            raise InputError(f"{self._path}: is damaged: {reason}") from None

    def _write(self) -> None:
        found = {
            "last": self._last,
            "artifacts": [dataclasses.asdict(each) for each in self._artifacts.values()],
            "cached": self._cached,
        }
        os.makedirs(os.path.dirname(self._path), exist_ok=True)
        partial = f"{self._path}.partial"
        with open(partial, "w", encoding="utf-8") as file:
            json.dump(found, file, indent=1)
        os.replace(partial, self._path)
