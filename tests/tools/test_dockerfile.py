"""The Dockerfile: parsed as the image check does, and what it must and must not say."""

import importlib.metadata
import pathlib
import re
import tomllib

import pytest

from tools import dockerfile, locked
from tools.build_context import BuildContext
from tools.dockerfile import copy_of

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
TEXT = (REPOSITORY / "Dockerfile").read_text()
STAGES = dockerfile.parse(TEXT)
IMAGE = STAGES[-1]


def pinned(name: str) -> str:
    lock = locked.entries((REPOSITORY / "requirements.lock").read_text())
    (line,) = [entry.lines[0] for entry in lock if entry.name == name]
    return re.split(r"[= ]+", line)[1]


def test_parts_stages_and_instructions() -> None:
    stages = dockerfile.parse(
        "ARG TAG=7\n# c\nFROM a:${TAG} AS one\nRUN x \\\n # within\n && y\nENV A=1 B='2 3'\n"
        'FROM b\nCOPY --from=one /p /q r/\nCMD ["s", "t u"]\n'
    )
    assert [(each.base, each.name) for each in stages] == [("a:7", "one"), ("b", "")]
    (run,) = stages[0].all("RUN")
    assert (run.text.split(), run.line) == (["x", "&&", "y"], 4)
    assert stages[0].pairs("ENV") == {"A": "1", "B": "2 3"}
    copied, command = stages[1].instructions
    assert copy_of(copied) == dockerfile.Copy(("/p", "/q"), "r/", "one")
    assert command.words() == ["s", "t u"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("FROM a\nVOLUME /x\n", "line 2: VOLUME is not understood here"),
        ("FROM a\nCOPY --chown=1 x y\n", "line 2: got COPY --chown=1, expected --from= only"),
    ],
)
def test_what_is_not_understood_is_refused(text, says) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(says)}$"):
        [copy_of(each) for stage in dockerfile.parse(text) for each in stage.all("COPY")]


def test_context_holds_what_is_copied_and_no_more() -> None:
    context = BuildContext(REPOSITORY)
    named = {
        source
        for stage in STAGES
        for each in stage.all("COPY")
        if not copy_of(each).stage
        for source in copy_of(each).sources
    }
    assert named >= {"requirements.lock", "transform", "components", "pipeline"}
    assert all(context.holds(source) for source in named)
    tops = {each.name for each in REPOSITORY.iterdir() if context.holds(each.name)}
    assert tops == {source.split("/")[0] for source in named if "/" not in source}


def test_context_copies_as_docker_does(tmp_path: pathlib.Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    for name in (
        "kept/a.py",
        "kept/in/b.py",
        "kept/in/__pycache__/c.pyc",
        "other/d.py",
        "one/e.py",
    ):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(name)
    (source / ".dockerignore").write_text("# c\n*\n!kept\n!one/e.py\n**/__pycache__\n")
    context = BuildContext(source)
    context.copy("kept", target)
    assert sorted(str(each.relative_to(target)) for each in target.rglob("*.*")) == [
        "a.py",
        "in/b.py",
    ]
    assert context.holds("one/e.py")
    for absent in ("other", "other/d.py", "kept/in/__pycache__", "kept/x.py"):
        assert not context.holds(absent)
    with pytest.raises(ValueError, match="COPY other: no such file in the build context"):
        context.copy("other", target)


def test_stages_that_are_copied_from_exist() -> None:
    known: set[str] = set()
    for stage in STAGES:
        assert {copy_of(each).stage for each in stage.all("COPY")} - {""} <= known
        known.add(stage.name)


def test_base_is_the_plain_python_image() -> None:
    assert STAGES[0].base == IMAGE.base == "python:3.13-slim-trixie"
    assert IMAGE.pairs("LABEL")["org.opencontainers.image.base.name"] == IMAGE.base


def test_names_no_index_and_no_overrides() -> None:
    assert not re.search(r"https?:|[a-z0-9-]\.(org|com|io|dev|net)\b", TEXT)
    assert "override" not in TEXT
    assert "index" not in TEXT
    assert TEXT.count("--require-hashes") == 2


def test_no_entrypoint_and_not_root() -> None:
    assert not [each for stage in STAGES for each in stage.all("ENTRYPOINT")]
    (user,) = IMAGE.all("USER")
    identity = user.text.split(":")[0]
    assert identity.isdigit()
    assert identity != "0"
    assert [each.name for each in IMAGE.instructions[IMAGE.instructions.index(user) :]] == [
        "USER",
        "WORKDIR",
        "CMD",
    ]


def test_label_has_the_version_of_the_wheel() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    labels = IMAGE.pairs("LABEL")
    assert labels["org.opencontainers.image.version"] == project["version"]
    assert labels["org.opencontainers.image.description"] == project["description"]
    assert labels["org.opencontainers.image.title"] == project["name"]


def test_beam_is_the_version_of_the_lock() -> None:
    (beam,) = [each for each in STAGES if each.name == "beam"]
    assert beam.base == f"apache/beam_python3.13_sdk:{pinned('apache-beam')}"
    assert IMAGE.pairs("ENV")["RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT"] == "1"
    (worker,) = dockerfile.parse((REPOSITORY / "Dockerfile.beam").read_text())
    version = IMAGE.pairs("LABEL")["org.opencontainers.image.version"]
    assert worker.base == f"tokenline:{version}"
    (entry,) = worker.instructions
    (boot,) = [copy_of(each) for each in IMAGE.all("COPY") if copy_of(each).stage == "beam"]
    assert (entry.name, entry.words()) == ("ENTRYPOINT", [boot.sources[0]])
    assert boot.target == "/opt/apache/beam/"


def test_gpu_libraries_are_those_that_tensorflow_asks_for() -> None:
    asked = importlib.metadata.requires("tensorflow") or []
    wanted = {each.split(";")[0].strip() for each in asked if "and-cuda" in each}
    lines = (REPOSITORY / "requirements-gpu.in").read_text().splitlines()
    assert {line for line in lines if not line.startswith("#")} == wanted
    entries = locked.entries((REPOSITORY / "requirements-gpu.lock").read_text())
    assert {entry.name for entry in entries} == {re.split("[<>=]", each)[0] for each in wanted}
    assert all("--hash=sha256:" in line for entry in entries for line in entry.lines[1:])
