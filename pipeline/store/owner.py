"""On a server, a pipeline's name belongs to one folder: the lock is there, and so are the artifacts.

Two folders with one name would take each other's runs for dead ones, and each other's models for
their own.
"""

from ml_metadata.proto import metadata_store_pb2

from components.errors import Passing
from pipeline.store.connection import Store

_FOLDER = "folder"


def claim(store: Store, folder: str) -> None:
    """Write down that the pipeline of this name lives in a folder; sqlite files need no such thing.

    Raises:
      InputError: it lives in another one.
    """
    if not store.server:
        return
    with store.opened() as rows:
        context = rows.get_context_by_type_and_name("pipeline", store.pipeline)
        if context is None:
            kind = rows.put_context_type(metadata_store_pb2.ContextType(name="pipeline"))
            context = metadata_store_pb2.Context(type_id=kind, name=store.pipeline)
        owner = context.custom_properties[_FOLDER].string_value
        if owner and owner != folder:
            raise Passing(
                f"pipeline.name: {store.place} has a pipeline {store.pipeline!r} in {owner}, expected "
                f"another name than that for the one in {folder}"
            )
        if not owner:
            context.custom_properties[_FOLDER].string_value = folder
            rows.put_contexts([context])
