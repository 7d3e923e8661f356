"""A metadata store in a folder, written as TFX's launcher does."""

import pathlib

from ml_metadata import metadata_store
from ml_metadata.proto import metadata_store_pb2 as proto

from pipeline.store.connection import Store

COMPLETE = proto.Execution.COMPLETE
CACHED = proto.Execution.CACHED
RUNNING = proto.Execution.RUNNING


class Book:
    """Runs of the pipeline `p`, or of another one in the same store."""

    def __init__(self, folder: pathlib.Path, pipeline: str = "p", store: Store | None = None):
        self.folder = folder
        self.store = store or Store(pipeline, str(folder / "metadata.db"))
        self.rows = metadata_store.MetadataStore(self.store.connection())
        self.pipeline = self._context("pipeline", pipeline)

    def _context(self, kind: str, name: str) -> int:
        found = self.rows.get_context_by_type_and_name(kind, name)
        if found is None:
            type_id = self.rows.put_context_type(proto.ContextType(name=kind))
            return self.rows.put_contexts([proto.Context(type_id=type_id, name=name)])[0]
        return found.id

    def artifact(self, kind: str, place: str, **facts: str | int) -> int:
        """Its id; the folder `place` is made."""
        type_id = self.rows.put_artifact_type(proto.ArtifactType(name=kind))
        made = proto.Artifact(
            type_id=type_id, uri=str(self.folder / place), state=proto.Artifact.LIVE
        )
        for name, value in facts.items():
            if isinstance(value, int):
                made.custom_properties[name].int_value = value
            else:
                made.custom_properties[name].string_value = value
        (self.folder / place).mkdir(parents=True, exist_ok=True)
        (number,) = self.rows.put_artifacts([made])
        links = [proto.Attribution(artifact_id=number, context_id=self.pipeline)]
        self.rows.put_attributions_and_associations(links, [])
        return number

    def ran(
        self,
        run: str,
        node: str,
        inputs: dict[str, int] | None = None,
        outputs: dict[str, int] | None = None,
        state: int = COMPLETE,
        **facts: str,
    ) -> int:
        """One execution of a node in a run, by the ids of what it read and made; its id."""
        type_id = self.rows.put_execution_type(proto.ExecutionType(name=node))
        execution = proto.Execution(type_id=type_id, last_known_state=state)
        for name, text in facts.items():
            execution.custom_properties[name].string_value = text
        pairs = []
        for kind, given in ((proto.Event.INPUT, inputs), (proto.Event.OUTPUT, outputs)):
            names = {artifact: name for name, artifact in (given or {}).items()}
            for artifact in self.rows.get_artifacts_by_id(list(names)):
                event = proto.Event(type=kind)
                event.path.steps.add(key=names[artifact.id])
                event.path.steps.add(index=0)
                pairs.append((artifact, event))
        contexts = [
            self.pipeline,
            self._context("pipeline_run", run),
            self._context("node", f"{self.store.pipeline}.{node}"),
        ]
        number, _, _ = self.rows.put_execution(
            execution, pairs, self.rows.get_contexts_by_id(contexts)
        )
        return number

    def states(self) -> dict[int, str]:
        """Of all executions, by id."""
        return {
            each.id: proto.Execution.State.Name(each.last_known_state)
            for each in self.rows.get_executions()
        }
