"""Folders that hold a Debian system, and commands run in them as in a container.

A command gets mounts, process ids and, unless it installs something, a network of its own
(loopback only), which end with it: nothing is left to take down.
"""

import os
import pathlib
import platform
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence

_PACKAGES = "ca-certificates,netbase,tzdata,python3.13,python3.13-dev,python3.13-venv"
_TOOLS = {
    "debootstrap": "debootstrap",
    "chroot": "coreutils",
    "unshare": "util-linux",
    "ip": "iproute2",
}
_APT_SOURCES = ("etc/apt/sources.list.d", "etc/apt/sources.list")
# What this machine needs to reach its package indexes; the stand-in for the base image gets them too.
_MACHINE_FILES = (
    "etc/resolv.conf",
    "etc/pip.conf",
    "etc/uv/uv.toml",
    "etc/ssl/certs/ca-certificates.crt",
)
_ENTER = """
mount --rbind /dev "$0/dev" && mount -t proc proc "$0/proc" || exit 1
[ "$NETWORK" = yes ] || ip link set lo up || exit 1
unset NETWORK
exec "$@"
"""


def impossible(source: str = "") -> str:
    """Why a Debian root cannot be made here from a mirror, in one line; "" if it can."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        found = f"{platform.system()} on {platform.machine()}"
        return f"found {found}, need Linux on x86_64"
    if os.geteuid():
        return "found a user who is not root, need root (chroot and mounts)"
    for tool, package in _TOOLS.items():
        if not shutil.which(tool):
            return f"no {tool} found: install the package {package}"
    if subprocess.run(
        ["unshare", "--mount", "--pid", "--net", "--fork", "true"], check=False
    ).returncode:
        return "no namespaces of our own are allowed here (unshare)"
    if not (source or mirror()):
        return "no Debian mirror known: name one with --mirror"
    return ""


def mirror() -> str:
    """Where this machine's apt gets Debian from; "" if it does not say."""
    for place in _APT_SOURCES:
        path = pathlib.Path("/", place)
        files = sorted(path.glob("*.sources")) if path.is_dir() else [path]
        for file in filter(pathlib.Path.is_file, files):
            found = re.search(
                r"^(?:URIs:|deb(?: \[.*?\])?) *(\S+/debian)/?\s", file.read_text(), re.M
            )
            if found:
                return found[1]
    return ""


def make_base(root: pathlib.Path, source: str) -> None:
    """Debian 13 with its own Python 3.13: stands for the official image python:3.13-slim-trixie.

    Raises:
      RuntimeError: debootstrap fails; with its last line.
    """
    partial = root.with_name(root.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.parent.mkdir(parents=True, exist_ok=True)
    command = [
        "debootstrap",
        "--variant=minbase",
        f"--include={_PACKAGES}",
        "trixie",
        str(partial),
        source,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"debootstrap: {(done.stdout + done.stderr).strip().split(chr(10))[-1]}")
    shutil.rmtree(partial / "var/cache/apt/archives", ignore_errors=True)
    for name in _MACHINE_FILES:
        if pathlib.Path("/", name).exists():
            (partial / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(pathlib.Path("/", name), partial / name)
    (partial / "usr/local/bin/python").symlink_to("/usr/bin/python3.13")
    partial.rename(root)


def copy(root: pathlib.Path, to: pathlib.Path) -> None:
    """Another root with the same content, which may be changed without changing the first."""
    shutil.rmtree(to, ignore_errors=True)
    subprocess.run(["cp", "--archive", "--reflink=auto", root, to], check=True)


def megabytes(path: pathlib.Path) -> float:
    """What a file or folder takes on disk, in 10^6 bytes; links to one file count once."""
    done = subprocess.run(
        ["du", "-s", "--block-size=1", path], capture_output=True, text=True, check=True
    )
    return int(done.stdout.split()[0]) / 1e6


def run(
    root: pathlib.Path,
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    user: str = "0:0",
    folder: str = "/",
    network: bool = False,
    output: int | None = subprocess.PIPE,
) -> subprocess.CompletedProcess[str]:
    """Run a command in a root, as `docker run` would: its user, folder and environment, nothing else.

    Args:
      user: numbers, as in USER; folder: from the root; output: as subprocess has it, with errors in it.
    """
    spaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
    enter = [*(spaces if network else [*spaces, "--net"]), "sh", "-c", _ENTER, str(root)]
    change = ["chroot", f"--userspec={user}", str(root), "/usr/bin/env", "--ignore-environment"]
    values = [f"--chdir={folder}", *(f"{name}={value}" for name, value in environment.items())]
    return subprocess.run(
        [*enter, *change, *values, *command],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env=os.environ | {"NETWORK": "yes" if network else "no"},
    )
