"""Where a pipeline keeps what it makes, below `pipeline.root`."""

import datetime
import itertools
import os
from dataclasses import dataclass

from components import storage
from pipeline.config import Config


@dataclass(frozen=True)
class RunPaths:
    """The folders of one pipeline and of one run of it.

    <root>/<name>/artifacts    what TFX writes, one folder a component
    <root>/<name>/metadata.db  which run made what, unless a server keeps that
    <root>/<name>/runs/<run>   log, record and report of one run
    """

    pipeline: str
    run_id: str

    @property
    def artifacts(self) -> str:
        return os.path.join(self.pipeline, "artifacts")

    @property
    def schemas(self) -> str:
        return os.path.join(self.pipeline, "schemas")

    @property
    def subwords(self) -> str:
        return os.path.join(self.pipeline, "subwords")

    @property
    def run(self) -> str:
        return os.path.join(self.pipeline, "runs", self.run_id)

    @property
    def log(self) -> str:
        return os.path.join(self.run, "log.txt")

    @property
    def record(self) -> str:
        return os.path.join(self.run, "run.json")

    @property
    def report(self) -> str:
        return os.path.join(self.run, "report.html")


def new_run(config: Config) -> RunPaths:
    """Paths of a run that starts now; makes its folder."""
    started = datetime.datetime.now(datetime.UTC).strftime("%Y%m%d-%H%M%S")
    folder = pipeline_folder(config)
    for attempt in itertools.count(1):
        paths = RunPaths(folder, started if attempt == 1 else f"{started}-{attempt}")
        try:
            os.makedirs(paths.run)
        except FileExistsError:
            if not os.path.isdir(paths.run):
                raise  # a file stands where a folder should be
            continue
        return paths
    raise AssertionError("unreachable")


def pipeline_folder(config: Config) -> str:
    """The folder of all runs of one pipeline."""
    return os.path.join(os.path.abspath(config.pipeline.root), config.pipeline.name)


def lock(config: Config) -> str:
    """The file that a run of the pipeline holds, and whoever must not meddle with one."""
    return os.path.join(pipeline_folder(config), "lock")


def retrain_lock(config: Config) -> str:
    """The file that the retrain of the pipeline holds for as long as it lives."""
    return os.path.join(pipeline_folder(config), "retrain", "lock")


def shown(path: str) -> str:
    """A path as the user would type it: relative if it is below the current folder; an address as it is."""
    if storage.is_remote(path):
        return path
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative


def existing_runs(config: Config) -> list[str]:
    """Ids of the runs that have a record, oldest first."""
    folder = os.path.join(pipeline_folder(config), "runs")
    found = os.listdir(folder) if os.path.isdir(folder) else []
    return sorted(run for run in found if os.path.exists(os.path.join(folder, run, "run.json")))
