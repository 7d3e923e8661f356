"""Runs of the real command line in a process of their own, watched from outside."""

import contextlib
import json
import os
import pathlib
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from retrain_project import CONFIG, Project

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
_LISTENING = "0A"


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
        open_ports: set[str] = set()
        sent: str | None = text
        while True:
            try:
                out, err = process.communicate(sent, timeout=0.3)
                break
            except subprocess.TimeoutExpired:
                sent = None
                for pid in _family(process.pid):
                    open_ports |= _listening_off_loopback(pid)
        return Finished(process.returncode, out, err, open_ports, _newest_record(cwd))

    return call


def _newest_record(folder: pathlib.Path) -> dict[str, Any]:
    records = sorted(folder.glob("runs/*/runs/*/run.json"), key=lambda path: path.stat().st_mtime)
    return json.loads(records[-1].read_text()) if records else {}


def _family(pid: int) -> list[int]:
    """A process and all that it has started, and those in turn (Linux)."""
    found = [pid]
    for each in found:
        with contextlib.suppress(OSError):  # it has ended
            for thread in os.listdir(f"/proc/{each}/task"):
                children = pathlib.Path(f"/proc/{each}/task/{thread}/children").read_text()
                found += map(int, children.split())
    return found


def _listening_off_loopback(pid: int) -> set[str]:
    """Addresses at which a process accepts connections, other than loopback (Linux)."""
    sockets = set()
    try:
        handles = os.listdir(f"/proc/{pid}/fd")
        tables = [pathlib.Path(f"/proc/{pid}/net/{name}").read_text() for name in ("tcp", "tcp6")]
    except OSError:
        return set()  # it has ended
    for handle in handles:
        with contextlib.suppress(OSError):  # closed meanwhile
            target = os.readlink(f"/proc/{pid}/fd/{handle}")
            if target.startswith("socket:["):
                sockets.add(target[8:-1])
    rows = [line.split() for table in tables for line in table.splitlines()[1:]]
    addresses = {row[1] for row in rows if row[3] == _LISTENING and row[9] in sockets}
    return {address for address in map(_readable, addresses) if not _is_loopback(address)}


def _readable(address: str) -> str:
    packed, port = address.split(":")
    words = [int(packed[at : at + 8], 16) for at in range(0, len(packed), 8)]
    family = socket.AF_INET if len(words) == 1 else socket.AF_INET6
    return f"{socket.inet_ntop(family, struct.pack(f'={len(words)}I', *words))} {int(port, 16)}"


def _is_loopback(address: str) -> bool:
    host = address.split()[0]
    return host == "::1" or host.startswith(("127.", "::ffff:127."))


@pytest.fixture(scope="session")
def listening_off_loopback() -> Callable[[int], set[str]]:
    """The look that `tokenline` takes at a process, for a test that it sees something."""
    return _listening_off_loopback


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
