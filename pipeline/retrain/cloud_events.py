"""Which events of a bucket are worth a look of retrain. Pure, but for the configuration's place.

An event says that something may be new, and no more: what is new, and in which order, the look finds out. So
events may come twice, late, in any order, or never, if something looks from time to time.
"""

from collections.abc import Mapping
from typing import Any

from components.example_gen import files
from components.pusher import outcome
from pipeline.config import Config
from pipeline.retrain import cloud_places

OBJECT_FINALIZED = "google.cloud.storage.object.v1.finalized"
MESSAGE_PUBLISHED = "google.cloud.pubsub.topic.v1.messagePublished"
_NOTIFIED = "OBJECT_FINALIZE"  # as a bucket's own notifications to Pub/Sub say it


class BadEvent(ValueError):
    """An event that no second delivery makes better; one line."""


def why_look(config: Config, kind: str, data: Any) -> str:
    """Why an event is worth a look, for people; "" if it is not.

    Args:
      config: as `cloud_places.in_cloud` has it.
      kind: the CloudEvent's type.
      data: its payload.

    Raises:
      BadEvent: it is not what such an event looks like.
    """
    if kind == OBJECT_FINALIZED:
        return _why(config, _address(data, "bucket", "name", "data"))
    if kind != MESSAGE_PUBLISHED:
        return ""
    message = data.get("message") if isinstance(data, Mapping) else None
    if not isinstance(message, Mapping):
        raise BadEvent("data.message: got none, expected a Pub/Sub message")
    attributes = message.get("attributes") or {}
    if not isinstance(attributes, Mapping):
        raise BadEvent("data.message.attributes: got no mapping, expected one")
    if "eventType" not in attributes:
        return "a message that asks for it"  # of a scheduler, or of a person
    if attributes["eventType"] != _NOTIFIED:
        return ""
    return _why(config, _address(attributes, "bucketId", "objectId", "data.message.attributes"))


def _address(facts: Any, bucket: str, name: str, where: str) -> str:
    found = [facts.get(each) if isinstance(facts, Mapping) else None for each in (bucket, name)]
    for each, value in zip((bucket, name), found, strict=True):
        if not isinstance(value, str) or not value:
            raise BadEvent(f"{where}.{each}: got {value!r}, expected text")
    return f"gs://{found[0]}/{found[1]}"


def _why(config: Config, address: str) -> str:
    """A span may be complete, or a job has told how it ended, so that the next may begin."""
    folder, _, name = address.rpartition("/")
    if name == outcome.FILE and folder.rpartition("/")[0] == cloud_places.runs_folder(config):
        return f"{address}: a run has ended"
    if config.retrain.ready == "marker" and name not in files.MARKERS:
        return ""
    pattern = files.span_pattern(config.data.path)
    if not folder.startswith(f"{pattern.root}/"):
        return ""
    entry = folder[len(pattern.root) + 1 :].split("/")[0]
    span = pattern.span_of(entry)
    return f"{address}: span {span}" if span is not None and folder == pattern.folder(entry) else ""
