"""A Dockerfile as data: stages of instructions. The part of the language that ours use, nothing more."""

import dataclasses
import json
import shlex
import string

_INSTRUCTIONS = frozenset(
    {"ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "LABEL", "RUN", "USER", "WORKDIR"}
)


@dataclasses.dataclass(frozen=True)
class Instruction:
    """One instruction, its lines joined; `line` is where it starts."""

    name: str
    text: str
    line: int

    def words(self) -> list[str]:
        """The arguments, from a JSON list or as a shell would part them."""
        return json.loads(self.text) if self.text.startswith("[") else shlex.split(self.text)

    def pairs(self) -> dict[str, str]:
        """The NAME=VALUE arguments of ARG, ENV and LABEL; a name alone has no value."""
        parted = (word.partition("=") for word in self.words())
        return {name: value for name, _, value in parted}


@dataclasses.dataclass(frozen=True)
class Stage:
    """What one FROM starts; `name` is "" for one that no other stage names."""

    base: str
    name: str
    instructions: tuple[Instruction, ...]

    def all(self, name: str) -> list[Instruction]:
        return [each for each in self.instructions if each.name == name]

    def pairs(self, name: str) -> dict[str, str]:
        """All pairs of the instructions of one name; the later stand."""
        return {k: v for each in self.all(name) for k, v in each.pairs().items()}


@dataclasses.dataclass(frozen=True)
class Copy:
    """A COPY; `stage` is "" where the sources are files of the build context."""

    sources: tuple[str, ...]
    target: str
    stage: str


def copy_of(instruction: Instruction) -> Copy:
    """What a COPY instruction copies.

    Raises:
      ValueError: an option other than --from.
    """
    words = instruction.words()
    options = [word for word in words if word.startswith("--")]
    stage = ""
    for option in options:
        if not option.startswith("--from="):
            raise ValueError(f"line {instruction.line}: got COPY {option}, expected --from= only")
        stage = option.removeprefix("--from=")
    *sources, target = [word for word in words if not word.startswith("--")]
    return Copy(tuple(sources), target, stage)


def expand(text: str, values: dict[str, str]) -> str:
    """The text with $NAME and ${NAME} filled in; what is not known stays as it is."""
    return string.Template(text).safe_substitute(values)


def parse(text: str) -> tuple[Stage, ...]:
    """The stages of a Dockerfile, in order.

    Raises:
      ValueError: an instruction that is not known here, with its line.
    """
    stages: list[tuple[str, str, list[Instruction]]] = []
    given: dict[str, str] = {}
    for instruction in _instructions(text):
        if instruction.name == "FROM":
            base, *named = expand(instruction.text, given).split()
            stages.append((base, named[-1] if named else "", []))
        elif instruction.name not in _INSTRUCTIONS:
            raise ValueError(f"line {instruction.line}: {instruction.name} is not understood here")
        elif stages:
            stages[-1][2].append(instruction)
        else:
            given |= instruction.pairs()
    return tuple(Stage(base, name, tuple(each)) for base, name, each in stages)


def _instructions(text: str) -> list[Instruction]:
    found = []
    pending, start = "", 0
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        start = start if pending else number
        pending += line.removesuffix("\\") + (" " if line.endswith("\\") else "")
        if not line.endswith("\\"):
            name, _, rest = pending.strip().partition(" ")
            found.append(Instruction(name.upper(), rest.strip(), start))
            pending = ""
    return found
