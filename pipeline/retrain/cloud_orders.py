"""What a job in the cloud was submitted for, and how it has ended: what lies on the bucket says it.

Neither is kept in a process: whoever comes next finds the same.
"""

import dataclasses
import json
import time
from typing import Any

from components import buckets, conditional
from components.pusher import layout, rollback, run_keys
from components.pusher import outcome as told
from pipeline.config import Config
from pipeline.retrain import cloud_places, planning
from pipeline.retrain.order import Outcome

_ORDER = "order.json"


@dataclasses.dataclass(frozen=True, kw_only=True)
class CloudOrder:
    """One job of a run; written before it is submitted.

    Attributes:
      key: of the run.
      attempt: the claim in the ledger that it is for.
      number: of the job among those of this run, from 1 on.
      spans: (span, content) of all that it reads, ascending.
      new: those of them that no run has read before.
      code, config: what else the key is made of.
      push_to: folder of the versions, which a later configuration may have elsewhere.
    """

    key: str
    attempt: int
    number: int
    spans: tuple[tuple[int, str], ...]
    new: tuple[int, ...]
    code: str
    config: str
    push_to: str

    def is_of(self, code: str, config: str) -> bool:
        """Whether it would be the same run with this code and configuration."""
        spans = [(span, 1, content) for span, content in self.spans]  # versions do not count
        new = [(span, 1) for span in self.new]
        return planning.run_key(spans, new, code, config) == self.key


def write(config: Config, order: CloudOrder, *, sleep: conditional.Sleep = time.sleep) -> None:
    """Write an order, durably.

    Raises:
      InputError: the store refuses, or is out of reach.
    """
    address = f"{cloud_places.run_folder(config, order.key)}/{_ORDER}"
    content = json.dumps(dataclasses.asdict(order), indent=1).encode()
    while True:
        token = conditional.read(address, sleep=sleep).token
        if conditional.write(address, content, token, sleep=sleep) is not None:
            return


def read(config: Config, key: str) -> CloudOrder | None:
    """The last order of a run; None: there is none that can be read, as another tokenline wrote it.

    Raises:
      InputError: the store refuses, or is out of reach.
    """
    facts = _json(f"{cloud_places.run_folder(config, key)}/{_ORDER}")
    try:
        spans = tuple((int(span), str(content)) for span, content in facts.pop("spans"))
        found = CloudOrder(spans=spans, new=tuple(facts.pop("new")), **facts)
    except (KeyError, TypeError, ValueError):
        return None
    return found if found.key == key else None


def settled(config: Config, key: str) -> Outcome | None:
    """How a run has ended, as its Pusher told; of one that died before it could, as it noted with its push.

    None: it has neither pushed nor been refused.

    Raises:
      InputError: the store refuses, or is out of reach.
    """
    facts = _json(told.path(cloud_places.runs_folder(config), key))
    state = facts.get("state")
    if facts.get("key") == key and state in ("pushed", "refused"):
        return Outcome(
            key=key,
            state="pushed" if state == "pushed" else "refused",
            reason=str(facts.get("reason", "")),
            version=str(facts.get("version", "")),
            metrics=facts.get("metrics") or {},
        )
    order = read(config, key)
    version = _version_of(order.push_to if order else config.serving.push_to, key)
    return None if version is None else Outcome(key=key, state="pushed", version=str(version))


def _version_of(destination: str, key: str) -> int | None:
    """The newest whole version that the run with this key pushed, also one that was withdrawn since."""
    notes = f"{destination}/{run_keys.NOTES}/"
    numbers = [
        int(name.removesuffix(".json"))
        for name in (blob.name.rpartition("/")[2] for blob in buckets.blobs(notes))
        if name.removesuffix(".json").isdigit()
    ]
    for number in sorted(numbers, reverse=True):
        keys = _json(f"{notes}{number}.json").get("keys", [])
        if key in keys and _is_whole(destination, number):
            return number
    return None


def _is_whole(destination: str, number: int) -> bool:
    folders = (destination, f"{destination}/{rollback.WITHDRAWN}")
    graphs = (f"{folder}/{number}/{layout.GRAPH}" for folder in folders)
    return any(buckets.is_there(graph) for graph in graphs)


def _json(address: str) -> dict[str, Any]:
    """{} where there is no such object, or none of ours."""
    try:
        found = json.loads(buckets.content(address) or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
