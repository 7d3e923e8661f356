"""Builds an image's root from a Dockerfile without Docker: each instruction is done in a Debian root."""

import dataclasses
import os
import pathlib
import shutil
import subprocess
from collections.abc import Callable, Mapping

from tools import debian_root
from tools.build_context import BuildContext
from tools.dockerfile import Copy, Instruction, Stage, copy_of, expand

_PATH = "/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin"
# How this machine reaches its package indexes; for installing only, never part of the image.
_INDEXES = (
    "PIP_",
    "UV_",
    "SSL_CERT_",
    "REQUESTS_CA_BUNDLE",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
)


@dataclasses.dataclass
class Image:
    """A stage: its root and what the instructions have set so far."""

    root: pathlib.Path
    environment: dict[str, str]
    arguments: dict[str, str] = dataclasses.field(default_factory=dict)
    labels: dict[str, str] = dataclasses.field(default_factory=dict)
    user: str = "0:0"
    folder: str = "/"
    command: tuple[str, ...] = ()


class Builder:
    """Does a Dockerfile's instructions, and tells each.

    An image that is not built here and is not the base (Beam's, whose boot program is copied) cannot
    be had without a registry: what is copied from it is left out, and told.
    """

    def __init__(
        self,
        context: BuildContext,
        base: pathlib.Path,
        work: pathlib.Path,
        tell: Callable[[str], None],
    ) -> None:
        self._context, self._base, self._work, self._tell = context, base, work, tell
        self._stages: dict[str, Image | None] = {}

    def build(self, stages: tuple[Stage, ...], base_name: str) -> Image:
        """The last stage's image.

        Raises:
          RuntimeError: a step fails; with the end of what it said.
        """
        image = None
        for number, stage in enumerate(stages):
            root = self._work / f"stage-{number}"
            image = self._start(stage, root, base_name)
            self._stages[stage.name or str(number)] = image
            if image:
                for instruction in stage.instructions:
                    self._do(image, instruction)
        if image is None:
            raise RuntimeError("the last stage has a base that cannot be had here")
        return image

    def kept(self, stages: tuple[Stage, ...]) -> Image:
        """The last stage's image as an earlier `build` has left it: nothing is run or copied.

        Raises:
          RuntimeError: there is none.
        """
        root = self._work / f"stage-{len(stages) - 1}"
        if not root.is_dir():
            raise RuntimeError(f"{root}: no such folder, expected the image that --keep left")
        image = _fresh(root)
        for instruction in stages[-1].instructions:
            if instruction.name not in ("RUN", "COPY"):
                self._do(image, instruction)
        return image

    def _start(self, stage: Stage, root: pathlib.Path, base_name: str) -> Image | None:
        if stage.base != base_name:
            if stage.instructions:
                raise RuntimeError(f"FROM {stage.base}: steps on this image cannot be done here")
            return None
        debian_root.copy(self._base, root)
        return _fresh(root)

    def _do(self, image: Image, instruction: Instruction) -> None:
        if instruction.name == "RUN":
            self._tell(f"RUN {instruction.text[:90]}")
            self._run(image, instruction)
        elif instruction.name == "COPY":
            self._copy(image, copy_of(instruction))
        elif instruction.name == "ENV":
            expanded = {k: expand(v, image.environment) for k, v in instruction.pairs().items()}
            image.environment |= expanded
        elif instruction.name == "ARG":
            image.arguments |= instruction.pairs()
        elif instruction.name == "LABEL":
            image.labels |= instruction.pairs()
        elif instruction.name == "WORKDIR":
            image.folder = instruction.text
            self._make_folder(image)
        elif instruction.name == "USER":
            image.user = instruction.text
        elif instruction.name == "CMD":
            image.command = tuple(instruction.words())

    def _make_folder(self, image: Image) -> None:
        """WORKDIR's folder, which is root's where it is not there yet, whatever USER says."""
        inside(image.root, image.folder).mkdir(parents=True, exist_ok=True)

    def _run(self, image: Image, instruction: Instruction) -> None:
        indexes = {k: v for k, v in os.environ.items() if k.upper().startswith(_INDEXES)}
        done = debian_root.run(
            image.root,
            ["/bin/sh", "-c", instruction.text],
            environment=indexes | image.arguments | image.environment,
            user=image.user,
            folder=image.folder,
            network=True,
        )
        if done.returncode:
            said = "\n".join(done.stdout.strip().split("\n")[-15:])
            raise RuntimeError(
                f"Dockerfile, line {instruction.line}: exit code {done.returncode}\n{said}"
            )

    def _copy(self, image: Image, what: Copy) -> None:
        target = inside(image.root, os.path.join(image.folder, what.target))
        if what.target.endswith("/"):
            target.mkdir(parents=True, exist_ok=True)
        if not what.stage:
            for source in what.sources:
                self._context.copy(source, target)
            return
        origin = self._stages[what.stage]
        if origin is None:
            self._tell(f"left out: COPY --from={what.stage} (its image needs a registry)")
            return
        for source in what.sources:
            _link_tree(inside(origin.root, source), target)


def _fresh(root: pathlib.Path) -> Image:
    return Image(root, {"PATH": _PATH, "HOME": "/root"})


def inside(root: pathlib.Path, path: str) -> pathlib.Path:
    """Where an absolute path of the image is on this machine."""
    return root / os.path.normpath(path).lstrip("/")


def _link_tree(source: pathlib.Path, target: pathlib.Path) -> None:
    """The same files in another stage, as links: 3 GB, which no later step changes in place."""
    target.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "--archive", "--link", source, target], check=True)


def discard(work: pathlib.Path) -> None:
    """Remove the stages; the base stays, for the next time."""
    for stage in work.glob("stage-*"):
        shutil.rmtree(stage)


def values(image: Image, extra: Mapping[str, str]) -> dict[str, str]:
    """The environment that a container of the image starts with; HOME is that of its user."""
    name = (inside(image.root, "/etc/passwd")).read_text()
    homes = {line.split(":")[2]: line.split(":")[5] for line in name.splitlines()}
    return image.environment | {"HOME": homes[image.user.split(":")[0]]} | dict(extra)
