"""What steps run in instead of a container's image: an interpreter with the wheel and its requirements.

The project's own code is installed from a wheel that is built here, as the Dockerfile does; what it
needs is shared with the environment that runs this. What is only in the checkout is not there.
"""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile

from components.errors import InputError
from pipeline.emulator.isolation import code_path, end_group

_SOURCES = ("transform", "components", "pipeline")
_FILES = ("pyproject.toml", "requirements.in", "README.md")


def python(kept: str) -> str:
    """An interpreter that has the wheel; made below the folder `kept`, once for each state of the code.

    An installed tokenline is its own image: then it is the interpreter that runs this.

    Raises:
      InputError: the wheel cannot be built, for instance as a development tool is missing.
    """
    code = code_path()
    if not all(os.path.exists(os.path.join(code, name)) for name in _FILES):
        return sys.executable
    image = os.path.join(kept, f"image-{_digest(code)[:16]}")
    found = os.path.join(image, "bin", "python")
    if not os.path.exists(os.path.join(image, "complete")):
        shutil.rmtree(image, ignore_errors=True)
        # What it cannot remove must not stand for why it ends: an interrupt, most of the time.
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            _make(image, _wheel(code, folder))
        open(os.path.join(image, "complete"), "w").close()
    return found


def _digest(code: str) -> str:
    """What the wheel is built from, and for which interpreter."""
    state = hashlib.sha256(repr((sys.version, sys.prefix)).encode())
    files = [os.path.join(code, name) for name in _FILES]
    for name in _SOURCES:
        for folder, _, names in os.walk(os.path.join(code, name)):
            files += [os.path.join(folder, each) for each in names if not each.endswith(".pyc")]
    for path in sorted(files):
        with open(path, "rb") as file:
            state.update(f"{os.path.relpath(path, code)}\0".encode() + file.read())
    return state.hexdigest()


def _wheel(code: str, folder: str) -> str:
    """Build the wheel, from a copy: the build leaves files beside its sources."""
    source, built = os.path.join(folder, "source"), os.path.join(folder, "wheel")
    for name in _SOURCES:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(os.path.join(code, name), os.path.join(source, name), ignore=ignored)
    for name in _FILES:
        shutil.copy(os.path.join(code, name), source)
    _call([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", built], source)
    (wheel,) = os.listdir(built)
    return os.path.join(built, wheel)


def _make(image: str, wheel: str) -> None:
    """An environment of its own with the wheel in it; everything else is found where it is."""
    _call([sys.executable, "-m", "venv", "--without-pip", image])
    interpreter = os.path.join(image, "bin", "python")
    uv = os.path.join(os.path.dirname(sys.executable), "uv")
    install = [uv, "pip", "install", "--quiet", "--no-deps", "--offline", "--compile-bytecode"]
    _call([*install, "--python", interpreter, wheel])
    paths = sysconfig.get_paths(vars={"base": image, "platbase": image})
    # Only the folder: the .pth files in it, and so the editable installation, are not looked at.
    with open(os.path.join(paths["purelib"], "requirements.pth"), "w") as file:
        file.write(sysconfig.get_paths()["purelib"] + "\n")


def _call(command: list[str], folder: str | None = None) -> None:
    try:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    except OSError as error:
        raise InputError(f"--isolation subprocess: {command[0]}: {error.strerror}") from None
    try:
        said, _ = process.communicate()
    finally:
        # A build has processes of its own, which would write on where a folder is being removed.
        end_group(process.pid, signal.SIGKILL)
        process.wait()
    if process.returncode:
        what, last = " ".join(command[:4]), said.strip().split("\n")[-1]
        raise InputError(f"--isolation subprocess: {what} failed: {last}")
