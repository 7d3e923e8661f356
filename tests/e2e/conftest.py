"""Runs of the real command line in a process of their own, watched from outside."""

import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import open_ports
import pytest
from retrain_project import CONFIG, Project

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


@dataclass
class Finished:
    """What a finished command left: exit code, output, and where it listened off loopback."""

    code: int
    out: str
    err: str
    open_ports: set[str] = field(default_factory=set)
    record: dict[str, Any] = field(default_factory=dict)

    def states(self) -> dict[str, str]:
        return {node["name"]: node["state"] for node in self.record["nodes"]}


Command = Callable[..., Finished]


@pytest.fixture(scope="session")
def tokenline() -> Command:
    """Call `tokenline ARGUMENTS` with a folder as the current one; `code` holds the packages."""

    def call(
        *arguments: str, cwd: pathlib.Path, text: str = "", code: pathlib.Path = REPOSITORY
    ) -> Finished:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipeline", *arguments],
            cwd=cwd,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(code)},
        )
        out, err, found = open_ports.ended(process, text)
        return Finished(process.returncode, out, err, found, _newest_record(cwd))

    return call


def _newest_record(folder: pathlib.Path) -> dict[str, Any]:
    records = sorted(folder.glob("runs/*/runs/*/run.json"), key=lambda path: path.stat().st_mtime)
    return json.loads(records[-1].read_text()) if records else {}


@pytest.fixture(scope="session")
def listening_off_loopback() -> Callable[[int], set[str]]:
    """The look that `tokenline` takes at a process, for a test that it sees something."""
    return open_ports.listening_off_loopback


@pytest.fixture(scope="session")
def project(tmp_path_factory) -> Project:
    """Span 1 trained and pushed."""
    top = tmp_path_factory.mktemp("retrain")
    found = Project(top / "project", top / "kept")
    found.folder.mkdir()
    (found.folder / "pipeline_config.yaml").write_text(CONFIG)
    found.span(1)
    done = found.retrain()
    assert done.returncode == 0, done.stdout + done.stderr
    found.keep()
    return found


@pytest.fixture(scope="session")
def undisturbed(project) -> tuple[str, dict[str, np.ndarray]]:
    """The vocabulary and the weights that come of span 2 if nothing happens meanwhile."""
    project.restore()
    project.span(2)
    done = project.retrain()
    assert done.returncode == 0, done.stdout + done.stderr
    return project.made()
