"""Make .venv and install the lock and the project into it. Called by make; safe to run again.

Runs on whatever `python3` the machine has, so it is written for old versions too: its first job is
to say in one line what is missing.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
VENV = os.path.join(HERE, ".venv")
STAMP = os.path.join(VENV, ".installed")
PYTHON = os.path.join(VENV, "bin", "python")
UV = os.path.join(VENV, "bin", "uv")
LOCK = os.path.join(HERE, "requirements.lock")
OLDEST, NEWEST = (3, 11), (3, 13)


def unsuitable():
    """One line that says what is wrong with this machine and what to do, or None."""
    found = "%d.%d" % sys.version_info[:2]
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        return (
            "found Python %s, need 3.11 to 3.13: install one, or name it: make PYTHON=python3.11"
            % found
        )
    libc, version = platform.libc_ver()
    if libc != "glibc":
        return "found the C library %s, need glibc (TensorFlow and TFX have no other wheels)" % (
            libc or "?"
        )
    if sys.version_info[:2] >= (3, 12) and tuple(map(int, version.split("."))) < (2, 39):
        return (
            "found Python %s on glibc %s; on glibc older than 2.39 TFX 1.21 runs only on Python 3.11: "
            "install it, or name it: make PYTHON=python3.11" % (found, version)
        )
    if not shutil.which(os.environ.get("CXX", "c++")) and not shutil.which("g++"):
        return "no C++ compiler found: install g++ (pyfarmhash, which TFX needs, has no wheel)"
    header = os.path.join(sysconfig.get_paths()["include"], "Python.h")
    if not os.path.exists(header):
        return "Python's headers are missing (%s): install python%s-dev" % (header, found)
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        return "Python %s lacks venv: install python%s-venv" % (found, found)
    return None


def digest():
    """What the environment was made from; a change of any of it makes the set-up run again."""
    state = hashlib.sha256(repr((sys.version, VENV)).encode())
    for name in ("requirements.lock", "requirements.in", "pyproject.toml", "bootstrap.py"):
        with open(os.path.join(HERE, name), "rb") as file:
            state.update(file.read())
    return state.hexdigest()


def works(*command):
    """Whether the command starts and ends well."""
    try:
        return subprocess.call(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0
    except OSError:
        return False


def locked_uv():
    """The lock's own lines for uv, so that the installer is pinned by hash as well."""
    from tools import locked  # not sooner: it is written for the Pythons that we need

    with open(LOCK) as file:
        return locked.select(file.read(), ["uv"])


def make_venv():
    """A venv of this Python with uv in it; an environment that does not work is made anew."""
    same = works(
        PYTHON, "-c", "import sys; sys.exit(sys.version_info[:2] != %r)" % (sys.version_info[:2],)
    )
    if same and works(UV, "--version"):
        return
    subprocess.check_call([sys.executable, "-m", "venv", "--clear", VENV])
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as pinned:
        pinned.write(locked_uv())
        pinned.flush()
        subprocess.check_call(
            [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
             "--require-hashes", "-r", pinned.name]
        )  # fmt: skip


def install():
    """The lock (with bytecode: without it importing TFX takes 21 s instead of 7), then the project."""
    environment = dict(os.environ, VIRTUAL_ENV=VENV)
    subprocess.check_call(
        [UV, "pip", "sync", "--quiet", "--require-hashes", "--compile-bytecode", LOCK],
        env=environment,
    )
    subprocess.check_call(
        [UV, "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--editable", HERE],
        env=environment,
    )


def main():
    problem = unsuitable()
    if problem:
        sys.exit("set-up: " + problem)
    wanted = digest()
    if os.path.exists(STAMP):
        with open(STAMP) as file:
            if file.read() == wanted:
                return
    print("set-up: making .venv from requirements.lock (about a minute, once)")
    try:
        make_venv()
        install()
    except subprocess.CalledProcessError as error:
        sys.exit(
            "set-up: failed with exit code %d: %s"
            % (error.returncode, " ".join(map(str, error.cmd)))
        )
    with open(STAMP, "w") as file:
        file.write(wanted)


if __name__ == "__main__":
    main()
