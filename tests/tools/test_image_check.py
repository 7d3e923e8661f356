"""The image, built from the Dockerfile's steps without Docker, and tried; slow, and needs root."""

import os
import pathlib
import subprocess
import sys

import pytest

from tools import debian_root, dockerfile, image_build, image_check, image_probes
from tools.build_context import BuildContext

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
CONTEXT = {
    ".dockerignore": "*\n!given\n!lone\n",
    "given/a/b": "1",
    "given/c": "2",
    "lone": "3",
}


@pytest.fixture
def builder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch):
    """Builds in plain folders: what RUN would run in a root is noted instead."""
    for name, text in CONTEXT.items():
        (tmp_path / "context" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "context" / name).write_text(text)
    base = tmp_path / "base"
    (base / "etc").mkdir(parents=True)
    (base / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nuser:x:7:7::/home/user:/bin/sh\n")
    calls, told = [], []

    def run(root, command, **how):
        calls.append((command[-1], how))
        return subprocess.CompletedProcess(command, int("fails" in command[-1]), "one\ntwo\n")

    monkeypatch.setattr(debian_root, "run", run)

    def build(text: str) -> image_build.Image:
        found = image_build.Builder(BuildContext(tmp_path / "context"), base, tmp_path, told.append)
        return found.build(dockerfile.parse(text), "base:1")

    def kept(text: str) -> image_build.Image:
        found = image_build.Builder(BuildContext(tmp_path / "context"), base, tmp_path, told.append)
        return found.kept(dockerfile.parse(text))

    build.kept, build.calls, build.told = kept, calls, told
    return build


def test_steps_are_done_in_order_with_what_was_set_before(builder, monkeypatch) -> None:
    monkeypatch.setenv("PIP_TIMEOUT", "9")
    monkeypatch.setenv("SECRET_THING", "x")
    image = builder(
        "FROM base:1\nARG KIND=plain\nENV A=1\nENV PATH=/x:$PATH B=$A\nWORKDIR /w\nRUN do it\n"
        'USER 7:7\nRUN more\nLABEL k="a b"\nCMD ["go"]\n'
    )
    (first, how), (second, later) = builder.calls
    assert (first, second) == ("do it", "more")
    assert (
        how["environment"].items()
        >= {"A": "1", "B": "1", "KIND": "plain", "PIP_TIMEOUT": "9"}.items()
    )
    assert how["environment"]["PATH"].startswith("/x:/usr/local/bin:")
    assert "SECRET_THING" not in how["environment"]
    assert (how["user"], how["folder"], later["user"]) == ("0:0", "/w", "7:7")
    assert (image.labels, image.command) == ({"k": "a b"}, ("go",))
    started = image_build.values(image, {"C": "3"})
    assert started.items() >= {"HOME": "/home/user", "B": "1", "C": "3"}.items()
    assert not {"KIND", "PIP_TIMEOUT"} & set(started)


def test_what_was_built_is_had_again_without_a_step(builder) -> None:
    text = (
        "FROM base:1 AS one\nRUN first\nFROM base:1\nENV PATH=/x:$PATH\nRUN second\n"
        'COPY lone /w/\nLABEL k=v\nUSER 7:7\nWORKDIR /home/user\nCMD ["go"]\n'
    )
    with pytest.raises(
        RuntimeError, match="stage-1: no such folder, expected the image that --keep"
    ):
        builder.kept(text)
    built = builder(text)
    (built.root / "w/lone").unlink()
    steps = len(builder.calls)
    assert builder.kept(text) == built
    assert len(builder.calls) == steps
    assert not (built.root / "w/lone").exists()


def test_copies_from_the_context_and_from_stages(builder) -> None:
    image = builder(
        "FROM base:1 AS one\nWORKDIR /w\nCOPY lone given/c ./\nCOPY given given\n"
        "FROM other:2 AS far\nFROM base:1\nCOPY --from=far /boot /opt/\nCOPY --from=one /w /opt/w\n"
    )
    files = {
        str(p.relative_to(image.root)): p.read_text() for p in image.root.rglob("*") if p.is_file()
    }
    assert {k: v for k, v in files.items() if k.startswith("opt")} == {
        "opt/w/lone": "3",
        "opt/w/c": "2",
        "opt/w/given/c": "2",
        "opt/w/given/a/b": "1",
    }
    assert builder.told == ["left out: COPY --from=far (its image needs a registry)"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("FROM base:1\n\nRUN fails\n", "Dockerfile, line 3: exit code 1\none\ntwo"),
        ("FROM other:2\nRUN x\n", "FROM other:2: steps on this image cannot be done here"),
        ("FROM other:2\n", "the last stage has a base that cannot be had here"),
    ],
)
def test_a_step_that_fails_is_told(builder, text, says) -> None:
    with pytest.raises(RuntimeError) as failed:
        builder(text)
    assert str(failed.value) == says


def test_says_why_it_is_not_possible(monkeypatch, capsys) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert image_check.main([]) == 77
    said = capsys.readouterr().out
    assert (
        said
        == "image check: skipped: found a user who is not root, need root (chroot and mounts)\n"
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.sources", "Types: deb\n# http://old/debian\nURIs: http://host/debian\nSuites: x\n"),
        ("sources.list", "# deb http://old/debian x main\ndeb http://host/debian/ x main\n"),
        (
            "sources.list",
            "deb http://host/debian-security x main\ndeb [a=b] http://host/debian x main\n",
        ),
    ],
)
def test_mirror_is_that_of_apt(name, text, tmp_path, monkeypatch) -> None:
    (tmp_path / name).write_text(text)
    place = tmp_path if name.endswith(".sources") else tmp_path / name
    monkeypatch.setattr(debian_root, "_APT_SOURCES", (str(place),))
    assert debian_root.mirror() == "http://host/debian"


def test_only_the_probes_that_are_asked_for_are_tried_on_what_was_kept(
    tmp_path, monkeypatch, capsys
) -> None:
    tried = []
    monkeypatch.setattr(debian_root, "impossible", lambda mirror: "")
    for name in image_probes.ALL:
        monkeypatch.setattr(image_probes.Probes, name, lambda self, name=name: tried.append(name))
    (tmp_path / "stage-2").mkdir()
    kept = ["--work", str(tmp_path), "--kept"]
    assert image_check.main([*kept, "--probe", "line"]) == 0
    assert image_check.main(kept) == 0
    assert tried == ["line", *image_probes.ALL]
    assert (tmp_path / "stage-2").is_dir()
    (tmp_path / "stage-2").rename(tmp_path / "other")
    assert image_check.main(kept) == 1
    assert "stage-2: no such folder" in capsys.readouterr().err


@pytest.mark.slow
def test_image_is_built_and_does_its_work(tmp_path: pathlib.Path) -> None:
    if reason := debian_root.impossible():
        pytest.skip(reason)
    done = subprocess.run(
        [sys.executable, "-m", "tools.image_check", "--work", tmp_path / "image"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("all is well\n")
    assert [each.name for each in (tmp_path / "image").iterdir()] == ["base"]
