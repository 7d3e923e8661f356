"""`tokenline report`: the page of a run, made again from its record."""

import json
import os
from typing import Any

from components.errors import InputError
from components.trainer.started import described
from pipeline import paths
from pipeline.config import Config
from pipeline.report import ReportData, write_report


def report(config: Config, run_id: str | None) -> int:
    """Write a run's report and print where it is.

    Raises:
      InputError: there is no such run, or none that has finished.
    """
    runs = paths.existing_runs(config)
    if not runs:
        raise InputError(f"{config.pipeline.name}: no finished run yet: `tokenline run` makes one")
    if run_id and run_id not in runs:
        raise InputError(f"--run: got {run_id!r}, expected one of {', '.join(runs[-5:])}")
    chosen = paths.RunPaths(paths.pipeline_folder(config), run_id or runs[-1])
    with open(chosen.record) as file:
        record = json.load(file)
    write_report(report_data(record), chosen.report)
    print(os.path.relpath(chosen.report))
    return 0


def report_data(record: dict[str, Any]) -> ReportData:
    """What the page shows of a run's record."""
    spans = ", ".join(map(str, record["spans"]))
    span = f" · span {spans}" if spans else ""
    places = {"model": record["pushed"], "log": record["log"]}
    return ReportData(
        name=record["pipeline"],
        subtitle=f"{record['task']}{span} · run {record['run']}",
        verdict=record["verdict"],
        metrics=record["metrics"],
        history=record["history"]["points"],
        start=described(record["history"].get("start", {})),
        tuning=record["history"].get("tuning", {}),
        updates=record.get("updates", ()),
        skipped=record["history"].get("skipped", ()),
        time=_time(record),
        ledger=record["ledger"],
        ingest=record["ingest"],
        durations=[
            {"component": node["name"], "seconds": node["seconds"], "state": node["state"]}
            for node in record["nodes"]
        ],
        config=record["config"],
        places={name: place for name, place in places.items() if place},
    )


def _time(record: dict[str, Any]) -> dict[str, Any]:
    states = {node["name"]: node["state"] for node in record["nodes"]}
    known = {name: record["history"].get(name) for name in ("goodput", "first_step", "resumes")}
    return known | {"cached": states.get("SequenceTrainer") == "cached"}
