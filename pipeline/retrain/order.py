"""What retrain tells a run, and what the run tells retrain: two small JSON files.

Both are written whole or not at all, so that whoever reads one after a kill finds it as it was meant.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
from typing import Any, Literal

from pipeline.config import Config

ORDER, OUTCOME = "order.json", "outcome.json"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Order:
    """One run of the line.

    Attributes:
      key: of the run, see `states.run_key`.
      spans: (span, content) of all that it reads, ascending; `content` as `arrivals.Arrival` has it.
      new: those of them that no run has read before.
      again: (span, version) of `planning.run_key`, without which the key cannot be made again.
      config: `config_digest` of the configuration that the key is made with; "": any.
      parent: id of the process without which the run is not to go on; 0: it needs none.
      push_to: folder of the versions, which a later configuration may have elsewhere.
    """

    key: str
    spans: tuple[tuple[int, str], ...]
    new: tuple[int, ...]
    again: tuple[tuple[int, int], ...] = ()
    config: str = ""
    parent: int = 0
    push_to: str = ""

    @property
    def inputs(self) -> dict[str, Any]:
        """What `inputs.resolve` is to find, by its parameters' names."""
        return {"spans": dict(self.spans), "new": self.new}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a run ended.

    Attributes:
      key: of the run.
      state: pushed; refused: trained, and not good enough to be served; failed.
      reason: why it was refused or failed, "" for a pushed one.
      permanent: of a failed one, that the input is at fault: it would fail again.
      passing: of a failed one, that something outside was in the way: that is no attempt.
      run: id of the run, whose record and report are in the folder of that name.
      version: the pushed version's number, "" without one.
      blessed: whether the evaluator blessed the model; the serving check may have refused it even so.
      metrics: of the whole eval split, see docs/evaluation.md.
    """

    key: str
    state: Literal["pushed", "refused", "failed"]
    reason: str = ""
    permanent: bool = False
    passing: bool = False
    run: str = ""
    version: str = ""
    blessed: bool = False
    metrics: dict[str, float] = dataclasses.field(default_factory=dict)


def config_digest(config: Config) -> str:
    """Hash of what of the configuration decides a run's result, but for which spans it reads."""
    facts = dataclasses.asdict(config)
    del facts["retrain"], facts["beam"], facts["cloud"]  # when, and where, it is done
    facts["kubeflow"] = None  # where submit sends to; keys were made with it before
    del facts["data"]["spans"], facts["data"]["generator"]
    if config.cloud is not None and config.retrain.runner != "local":
        # There it is the images whose code runs; where the service's state goes decides what is built on.
        facts["cloud"] = [config.cloud.root, config.cloud.image, config.cloud.images]
        del facts["pipeline"]["root"]  # of this machine: another may take the run up
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def write(found: Order | Outcome, folder: str) -> str:
    """Write an order or an outcome into the folder of its run, durably; returns the file."""
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, ORDER if isinstance(found, Order) else OUTCOME)
    partial = f"{path}.{os.getpid()}"
    with open(partial, "w", encoding="utf-8") as file:
        json.dump(dataclasses.asdict(found), file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)
    return path


def read_order(path: str) -> Order:
    """The order in a file."""
    facts = _read(path)
    spans = tuple((int(span), str(content)) for span, content in facts.pop("spans"))
    again = tuple((int(span), int(version)) for span, version in facts.pop("again", []))
    return Order(spans=spans, new=tuple(facts.pop("new")), again=again, **facts)


def order_of(folder: str, key: str) -> Order | None:
    """The order in the folder of a run; None: there is none that can be read, or it is of another run."""
    try:
        found = read_order(os.path.join(folder, ORDER))
    except (
        FileNotFoundError,
        TypeError,
        ValueError,
        KeyError,
    ):  # the last: another tokenline wrote it
        return None
    return found if found.key == key else None


def read_outcome(folder: str, key: str) -> Outcome | None:
    """The outcome in the folder of a run; None: the run has not ended, or it was another one."""
    path = os.path.join(folder, OUTCOME)
    if not os.path.exists(path):
        return None
    try:
        found = Outcome(**_read(path))
    except (TypeError, ValueError):  # another tokenline wrote it
        return None
    return found if found.key == key else None


def forget_outcome(folder: str) -> None:
    """Remove what an earlier attempt of a run has told."""
    with contextlib.suppress(FileNotFoundError):
        os.remove(os.path.join(folder, OUTCOME))


def _read(path: str) -> dict[str, Any]:
    with open(path, encoding="utf-8") as file:
        facts: dict[str, Any] = json.load(file)
    return facts
