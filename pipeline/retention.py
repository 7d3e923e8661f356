"""What old runs take on disk is freed; what is served, compared with or built upon stays whole.

A run is kept or pruned as a whole: its artifacts' folders and its record, log and report. Rows of the
metadata store are never removed, its client cannot: a pruned artifact is marked as deleted, which
TFX's resolvers and our own questions pass over, and still says what was made from what.
"""

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ml_metadata.proto import metadata_store_pb2

from components.folders import same_export
from components.pusher import rollback
from pipeline import paths
from pipeline.config import Config
from pipeline.store import conditions
from pipeline.store.connection import store_of

HISTORY = "history.jsonl"  # in the pipeline's folder: a line for each run that was pruned
_TRASH = "pruned"  # there too: what is moved there by one rename is not half there
_LOOKED_UP = (
    "LastBlessedModel",
    "BaseModel",
    "SpanBefore",
)  # nodes that put out what earlier runs made
_MODEL = "Format-Serving"


@dataclass(frozen=True)
class Freed:
    """What was pruned: ids of runs, folders of artifacts, and their bytes."""

    runs: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    size: int = 0


@dataclass(frozen=True)
class _Record:
    """A run that finished: our id and TFX's, the newest span that it read, what history keeps."""

    run: str
    tfx_run: str
    span: int
    facts: dict[str, Any]


def prune(
    config: Config,
    *,
    keep_runs: int | None,
    keep_spans: int | None = None,
    dry_run: bool = False,
) -> Freed:
    """Free what no run that is kept needs. The caller holds the pipeline's lock.

    Kept are the newest runs with what they read, whatever came after them, the runs behind every
    version that is pushed or withdrawn, the last blessed model's, and the longest vocabulary.
    Checkpoints of a training that did not end are no run's and stay. Killed at any time, the next
    call goes on.

    Args:
      config: of the pipeline.
      keep_runs: how many finished runs are kept, at least 1; None: all.
      keep_spans: of how many newest spans runs are kept, at least 1; None: of all.
      dry_run: only say what would be freed.
    """
    folder = paths.pipeline_folder(config)
    kept = store_of(config)
    trash = os.path.join(folder, _TRASH)
    if not dry_run:
        shutil.rmtree(trash, ignore_errors=True)  # of a call that was killed
    records = _records(config)
    newest = _newest(records, keep_runs, keep_spans)
    if (keep_runs is None and keep_spans is None) or not newest or not kept.exists():
        return Freed()
    with kept.opened() as rows:
        context = rows.get_context_by_type_and_name("pipeline", kept.pipeline)
        first = _first_execution(rows, newest)
        if context is None or first is None:
            return Freed()
        live = _live(rows, context.id)
        behind = _runs_behind(rows, live, os.path.abspath(config.serving.push_to))
        needed = _read_or_made(rows, context.id, first) | _made_by(rows, behind)
        needed |= _vocabularies(live, needed)
        inside = os.path.join(folder, "artifacts") + os.sep
        unneeded = [each for each in live if each.uri not in needed and each.uri.startswith(inside)]
        old = [each for each in _unkept(folder, records, newest) if each.tfx_run not in behind]
        folders = sorted({each.uri for each in unneeded if os.path.isdir(each.uri)})
        runs = [os.path.join(folder, "runs", each.run) for each in old]
        size = sum(map(_size, [*folders, *runs]))
        freed = Freed(tuple(each.run for each in old), tuple(folders), size)
        if not dry_run:
            _write_history(folder, old)
            _move([*folders, *runs, *_systems(folder, first)], trash)
            _mark_deleted(rows, unneeded)
            shutil.rmtree(trash, ignore_errors=True)
    return freed


def history(pipeline_folder: str) -> list[dict[str, Any]]:
    """What is kept of the runs that were pruned: `run` and, where it finished, `tfx_run` and more."""
    path = os.path.join(pipeline_folder, HISTORY)
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.endswith("\n")]


def _records(config: Config) -> list[_Record]:
    """The finished runs, oldest first."""
    folder = os.path.join(paths.pipeline_folder(config), "runs")
    return [_record(folder, run) for run in paths.existing_runs(config)]


def _record(folder: str, run: str) -> _Record:
    with open(os.path.join(folder, run, "run.json"), encoding="utf-8") as file:
        found = json.load(file)
    verdict = found.get("verdict") or {}
    facts = {
        "run": run,
        "tfx_run": found.get("tfx_run", ""),
        "spans": found.get("spans", []),
        "seconds": found.get("seconds"),
        "blessed": verdict.get("blessed"),
        "pushed": found.get("pushed"),
    }
    return _Record(run, facts["tfx_run"], max(facts["spans"], default=0), facts)


def _newest(records: list[_Record], keep_runs: int | None, keep_spans: int | None) -> list[_Record]:
    """The finished runs that are kept, newest first."""
    found: list[_Record] = []
    spans: set[int] = set()
    for each in reversed(records):
        spans.add(each.span)
        beyond = keep_spans is not None and len(spans) > max(1, keep_spans)
        if beyond or (keep_runs is not None and len(found) >= max(1, keep_runs)):
            break
        found.append(each)
    return found


def _unkept(folder: str, records: list[_Record], newest: list[_Record]) -> list[_Record]:
    """The runs before the oldest that is kept, also those that did not finish."""
    known = {each.run: each for each in records}
    oldest = min(each.run for each in newest)
    return [
        known.get(run) or _Record(run, "", 0, {"run": run, "finished": False})
        for run in sorted(os.listdir(os.path.join(folder, "runs")))
        if run < oldest
    ]


def _first_execution(rows: Any, newest: list[_Record]) -> int | None:
    """The first execution of the runs that are kept; None: the store knows none of them."""
    ids = []
    for each in newest:
        context = rows.get_context_by_type_and_name("pipeline_run", each.tfx_run)
        if context is not None:
            ids += [found.id for found in rows.get_executions_by_context(context.id)]
    return min(ids, default=None)


def _live(rows: Any, context: int) -> list[Any]:
    return conditions.find(
        lambda options: rows.get_artifacts_by_context(context, options), conditions.LIVE
    )


def _read_or_made(rows: Any, context: int, first: int) -> set[str]:
    """URIs of what this execution, and those after it, read and made."""
    found = conditions.find(
        lambda options: rows.get_executions_by_context(context, options),
        conditions.since(first),
    )
    event = metadata_store_pb2.Event
    kinds = (event.INPUT, event.OUTPUT, event.INTERNAL_OUTPUT)
    return _uris(rows, [each.id for each in found], kinds)


def _made_by(rows: Any, tfx_runs: Iterable[str]) -> set[str]:
    """URIs of what the nodes of runs put out, also from the cache."""
    ids = []
    for run in tfx_runs:
        context = rows.get_context_by_type_and_name("pipeline_run", run)
        for execution in rows.get_executions_by_context(context.id) if context else []:
            contexts = rows.get_contexts_by_execution(execution.id)
            node = next((each.name for each in contexts if each.type == "node"), "")
            if node.rsplit(".", 1)[-1] not in _LOOKED_UP:
                ids.append(execution.id)
    return _uris(rows, ids, (metadata_store_pb2.Event.OUTPUT,))


def _uris(rows: Any, executions: list[int], kinds: tuple[int, ...]) -> set[str]:
    events = rows.get_events_by_execution_ids(executions) if executions else []
    ids = sorted({event.artifact_id for event in events if event.type in kinds})
    return {each.uri for each in rows.get_artifacts_by_id(ids)}


def _runs_behind(rows: Any, live: list[Any], push_to: str) -> set[str]:
    """TFX's ids of the runs behind the versions in `push_to` and the last blessed model."""
    models = {each.id: each for each in live if each.type == "Model"}
    blessings = [each for each in live if each.type == "ModelBlessing"]
    blessed = [
        each
        for each in blessings
        if _number(each, "blessed") == 1 and _number(each, "current_model_id") in models
    ]
    wanted: set[int] = set()
    for last in sorted(blessed, key=lambda each: _number(each, "current_model_id"))[-1:]:
        wanted |= {last.id, _number(last, "current_model_id")}
    pushes = [each for each in live if each.type == "PushedModel" and _number(each, "pushed") == 1]
    for version in _versions(push_to):
        number = os.path.basename(version)
        found = [
            each.id
            for each in pushes
            if each.custom_properties["pushed_destination"].string_value
            == os.path.join(push_to, number)
        ]
        # Put there by hand, or under another number: the bytes tell.
        wanted.update(
            found
            or [
                model.id
                for model in models.values()
                if same_export(os.path.join(model.uri, _MODEL), version)
            ]
        )
    return {run for artifact in wanted for run in _runs_that_made(rows, artifact)}


def _versions(push_to: str) -> Iterator[str]:
    for folder in (push_to, os.path.join(push_to, rollback.WITHDRAWN)):
        for name in rollback.names(folder).values():
            yield os.path.join(folder, name)


def _number(artifact: Any, name: str) -> int:
    return artifact.custom_properties[name].int_value


def _runs_that_made(rows: Any, artifact: int) -> list[str]:
    """TFX's id of the run of the execution that made an artifact, which put it out first."""
    events = rows.get_events_by_artifact_ids([artifact])
    ids = [each.execution_id for each in events if each.type == metadata_store_pb2.Event.OUTPUT]
    contexts = rows.get_contexts_by_execution(min(ids)) if ids else []
    return [each.name for each in contexts if each.type == "pipeline_run"]


def _vocabularies(live: list[Any], needed: set[str]) -> set[str]:
    """What the vocabularies that are needed extend, and the longest, which the next run extends."""
    found = [each for each in live if each.type == "components.Vocabulary"]
    bases = {
        each.custom_properties["base_vocabulary"].string_value
        for each in found
        if each.uri in needed
    }
    facts = {each.uri: _facts(each.uri) for each in found}
    identities = [each["token_identity"] for each in facts.values() if each]
    alike = {
        uri: sum(side["size"] for side in each["sides"].values())
        for uri, each in facts.items()
        if each and each["token_identity"] == identities[-1]
    }
    longest = max(alike, key=lambda uri: alike[uri], default="")
    return (bases | {longest}) - {""}


def _facts(folder: str) -> dict[str, Any]:
    try:
        with open(os.path.join(folder, "vocabulary.json"), encoding="utf-8") as file:
            found: dict[str, Any] = json.load(file)
            return found
    except FileNotFoundError:
        return {}


def _systems(folder: str, first: int) -> Iterator[str]:
    """TFX's own notes on executions before this one."""
    artifacts = os.path.join(folder, "artifacts")
    for node in os.listdir(artifacts) if os.path.isdir(artifacts) else []:
        notes = os.path.join(artifacts, node, ".system", "executor_execution")
        for name in os.listdir(notes) if os.path.isdir(notes) else []:
            if name.isdigit() and int(name) < first:
                yield os.path.join(notes, name)


def _write_history(pipeline_folder: str, pruned: list[_Record]) -> None:
    """Add a line for each run, once; a line that a kill cut short is written again."""
    known = history(pipeline_folder)
    there = {each["run"] for each in known}
    added = [each.facts for each in pruned if each.run not in there]
    path = os.path.join(pipeline_folder, HISTORY)
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.writelines(json.dumps(each) + "\n" for each in [*known, *added])
    os.replace(path + ".new", path)


def _move(folders: Iterable[str], trash: str) -> None:
    os.makedirs(trash, exist_ok=True)
    for number, folder in enumerate(folders):
        os.rename(folder, os.path.join(trash, str(number)))


def _mark_deleted(rows: Any, artifacts: list[Any]) -> None:
    for each in artifacts:
        each.state = metadata_store_pb2.Artifact.DELETED
    if artifacts:
        rows.put_artifacts(artifacts)


def _size(folder: str) -> int:
    return sum(
        os.lstat(os.path.join(where, name)).st_size
        for where, _, names in os.walk(folder)
        for name in names
    )
