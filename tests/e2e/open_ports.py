"""Where processes accept connections from elsewhere, watched from outside while they run (Linux)."""

import contextlib
import os
import pathlib
import socket
import struct
import subprocess

_LISTENING = "0A"
_LOOK_SECONDS = 0.3


def ended(process: subprocess.Popen[str], text: str = "") -> tuple[str, str, set[str]]:
    """Wait for a process; its output, its errors, and where it or its children listened off loopback."""
    found: set[str] = set()
    sent: str | None = text
    while True:
        try:
            out, err = process.communicate(sent, timeout=_LOOK_SECONDS)
            return out, err, found
        except subprocess.TimeoutExpired:
            sent = None
            for pid in family(process.pid):
                found |= listening_off_loopback(pid)


def family(pid: int) -> list[int]:
    """A process and all that it has started, and those in turn (Linux)."""
    found = [pid]
    for each in found:
        with contextlib.suppress(OSError):  # it has ended
            for thread in os.listdir(f"/proc/{each}/task"):
                children = pathlib.Path(f"/proc/{each}/task/{thread}/children").read_text()
                found += map(int, children.split())
    return found


def listening_off_loopback(pid: int) -> set[str]:
    """Addresses at which a process accepts connections, other than loopback (Linux)."""
    return {address for address in listening(pid) if not is_loopback(address)}


def listening(pid: int) -> set[str]:
    """Addresses at which a process accepts connections, as `127.0.0.1 8080` (Linux)."""
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
    return set(map(_readable, addresses))


def _readable(address: str) -> str:
    packed, port = address.split(":")
    words = [int(packed[at : at + 8], 16) for at in range(0, len(packed), 8)]
    family = socket.AF_INET if len(words) == 1 else socket.AF_INET6
    return f"{socket.inet_ntop(family, struct.pack(f'={len(words)}I', *words))} {int(port, 16)}"


def is_loopback(address: str) -> bool:
    """Of what `listening` gives."""
    host = address.split()[0]
    return host == "::1" or host.startswith(("127.", "::ffff:127."))
