"""`tokenline report`: the page of a run, made again from its record, or the same as markdown."""

import json
import os
import sys
import urllib.parse
from collections.abc import Iterator, Sequence
from typing import Any

from components.errors import InputError
from components.trainer.started import described
from pipeline import paths
from pipeline.config import Config
from pipeline.report import ReportData, markdown, page, write_report
from pipeline.report.files import write

STDOUT = "-"
FORMATS = ("html", "markdown")

__all__ = ["FORMATS", "report", "report_data", "write_report"]


def report(
    config: Config, run_id: str | None, kind: str = "html", output: str | None = None
) -> int:
    """Write a run's report and say where it is; markdown goes to stdout unless told otherwise.

    Args:
      config: of the pipeline.
      run_id: None: the newest.
      kind: one of FORMATS.
      output: a file, or "-" for stdout; None: beside the run's record, or stdout for markdown.

    Raises:
      InputError: there is no such run, or none that has finished; the file cannot be written.
    """
    chosen = _chosen(config, run_id)
    with open(chosen.record) as file:
        record = json.load(file)
    target = output or (chosen.report if kind == "html" else STDOUT)
    folder = os.getcwd() if target == STDOUT else os.path.dirname(os.path.abspath(target))
    data = report_data(record, chosen.pipeline, folder)
    text = page(data) if kind == "html" else markdown(data)
    if target == STDOUT:
        sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace"))
    else:
        try:
            write(text, target)
        except OSError as error:
            raise InputError(f"--output: {target} cannot be written: {error.strerror}") from None
        print(os.path.relpath(target))
    return 0


def _chosen(config: Config, run_id: str | None) -> paths.RunPaths:
    runs = paths.existing_runs(config)
    if not runs:
        raise InputError(f"{config.pipeline.name}: no finished run yet: `tokenline run` makes one")
    if run_id and run_id not in runs:
        raise InputError(f"--run: got {run_id!r}, expected one of {', '.join(runs[-5:])}")
    return paths.RunPaths(paths.pipeline_folder(config), run_id or runs[-1])


def report_data(record: dict[str, Any], pipeline_folder: str = "", folder: str = "") -> ReportData:
    """What the page shows of a run's record.

    Args:
      record: run.json; one of an older version may lack parts.
      pipeline_folder: what the record's artifacts are relative to; "": no links.
      folder: of the report, which its links are relative to.
    """
    lineage = record.get("lineage", ())
    record = _as_seen_from_here(record)
    spans = ", ".join(map(str, record["spans"]))
    span = f" · span {spans}" if spans else ""
    history = record["history"]
    places = {"model": record["pushed"], "log": record["log"]}
    known = {name: place for name, place in places.items() if place}
    artifacts = dict(_artifacts(lineage, pipeline_folder))
    where = {
        name: place if "://" in place else os.path.abspath(place) for name, place in known.items()
    }
    where |= artifacts
    return ReportData(
        name=record["pipeline"],
        subtitle=f"{record['task']}{span} · run {record['run']}",
        verdict=record["verdict"],
        metrics=record["metrics"],
        worst=record.get("worst", {}),
        samples=record.get("samples", {}),
        tags=record.get("tags", {}),
        decoded=record.get("decoded", {}),
        serving=record.get("serving_check") or {},
        not_pushed=record.get("not_pushed") or "",
        history=history["points"],
        start=described(_start(history.get("start", {}), lineage)),
        tuning=history.get("tuning", {}),
        updates=record.get("updates", ()),
        skipped=history.get("skipped", ()),
        lengths=history.get("lengths", {}),
        time=_time(record),
        drift=record.get("drift", {}),
        ledger=record["ledger"],
        ingest=record["ingest"],
        durations=[
            {"component": node["name"], "seconds": node["seconds"], "state": node["state"]}
            for node in record["nodes"]
        ],
        lineage=[_linked(node, pipeline_folder, folder) for node in lineage],
        config=record["config"],
        places=known | {name: os.path.relpath(path) for name, path in artifacts.items()},
        links={name: _link(path, folder) for name, path in where.items() if folder},
    )


def _start(facts: dict[str, Any], lineage: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What training started from, with the model by its id and run rather than by its whole path."""
    if "model" not in facts:
        return facts
    read = [each for node in lineage for each in node["inputs"] if each["name"] == "base_model"]
    numbers = {each["id"] for each in read}
    # The node that looks the model up puts it out in this run too, and says of which run it is.
    found = [node for node in lineage if numbers & {each["id"] for each in node["outputs"]}]
    runs = [each["run"] for each in (*read, *found) if each.get("run")]
    name = f"model #{read[0]['id']}" if read else "a model"
    run = f" of run {runs[0]}" if runs else ""
    place = "/".join(facts["model"].split("/")[-3:])  # TFX's component/output/execution
    return facts | {"model": f"{name}{run} (…/{place})"}


def _as_seen_from_here(value: Any) -> Any:
    """Paths below the current folder without it, as the user would type them."""
    if isinstance(value, str):
        return value.replace(os.getcwd() + os.sep, "")
    if isinstance(value, dict):
        return {name: _as_seen_from_here(each) for name, each in value.items()}
    return [_as_seen_from_here(each) for each in value] if isinstance(value, list) else value


def _artifacts(
    lineage: Sequence[dict[str, Any]], pipeline_folder: str
) -> Iterator[tuple[str, str]]:
    """The files that a reader may want to open."""
    if not pipeline_folder:
        return
    wanted = {
        "evaluation": "metrics.json",
        "history": "history.json",
        "ledger": "ledger.json",
        "ingest_report": "report.json",
    }
    for node in lineage:
        for each in node["outputs"]:
            if each["name"] in wanted:
                place = os.path.join(pipeline_folder, each["uri"], wanted[each["name"]])
                yield each["name"].replace("_", " "), place


def _linked(node: dict[str, Any], pipeline_folder: str, folder: str) -> dict[str, Any]:
    if not folder:
        return node
    outputs = [
        each | {"link": _link(os.path.join(pipeline_folder, each["uri"]), folder)}
        for each in node["outputs"]
    ]
    return node | {"outputs": outputs}


def _link(path: str, folder: str) -> str:
    """A relative URL of a file; none of what is elsewhere."""
    return "" if "://" in path else urllib.parse.quote(os.path.relpath(path, folder))


def _time(record: dict[str, Any]) -> dict[str, Any]:
    states = {node["name"]: node["state"] for node in record["nodes"]}
    known = {name: record["history"].get(name) for name in ("goodput", "first_step", "resumes")}
    return known | {"cached": states.get("SequenceTrainer") == "cached"}
