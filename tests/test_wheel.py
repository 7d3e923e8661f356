"""The wheel: builds, holds the three packages, and its command works outside the checkout."""

import os
import pathlib
import shutil
import subprocess
import sys
import zipfile

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> pathlib.Path:
    source = tmp_path_factory.mktemp("source")
    for name in ("transform", "components", "pipeline"):
        shutil.copytree(REPOSITORY / name, source / name)
    for name in ("pyproject.toml", "requirements.in", "README.md"):
        shutil.copy(REPOSITORY / name, source)
    out = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out)]
    subprocess.run(build, cwd=source, check=True, capture_output=True)
    return next(out.glob("*.whl"))


def test_holds_the_packages_and_nothing_else(wheel: pathlib.Path) -> None:
    names = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {name for name in names if not name.endswith(".dist-info")} == {
        "transform",
        "components",
        "pipeline",
    }


def test_command_works_outside_the_checkout(wheel: pathlib.Path, tmp_path: pathlib.Path) -> None:
    uv = pathlib.Path(sys.executable).with_name("uv")
    installed, elsewhere = tmp_path / "installed", tmp_path / "elsewhere"
    elsewhere.mkdir()
    subprocess.run(
        [uv, "pip", "install", "--quiet", "--no-deps", "--target", installed, wheel],
        check=True,
        capture_output=True,
        env=os.environ | {"VIRTUAL_ENV": sys.prefix},
    )
    (elsewhere / "c.yaml").write_text("pipeline: {name: x}\ntask: lm\ndata: {path: absent}\n")

    def call(*arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, installed / "bin" / "tokenline", *arguments],
            cwd=elsewhere,
            env=os.environ | {"PYTHONPATH": str(installed)},
            capture_output=True,
            text=True,
            check=False,
        )

    shown = call("--help")
    assert shown.returncode == 0
    assert "the whole line" in shown.stdout
    wrong = call("run", "--config", "c.yaml")
    assert wrong.returncode == 2
    assert wrong.stderr == "tokenline: c.yaml:3: data.path: no such folder: absent\n"
    where = subprocess.run(
        [sys.executable, "-c", "import pipeline; print(pipeline.__file__)"],
        cwd=elsewhere,
        env=os.environ | {"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert str(installed) in where.stdout
