"""Which spans are there, which of them are complete, and what is in them. No TensorFlow.

What has not changed is not read again: a look at 5 000 known spans lists folders, and no more.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from components import storage
from components.errors import InputError
from components.example_gen import files
from pipeline.config import Config
from pipeline.retrain import looking, manifest, staging
from pipeline.retrain.looking import Seen
from pipeline.retrain.readiness import reason_to_wait

Known = Mapping[int, tuple[str, str]]


@dataclass(frozen=True)
class Arrival:
    """One span that is there.

    Attributes:
      span: its number.
      folder: where its files are; of a remote span that is ready, the copy on this machine, which
        `inputs.resolve` makes again where it was removed.
      signature: of the files' names, sizes and times; "" where there is nothing to read.
      content: `files.fingerprint` of its files; "" unless it is ready.
      files: the names of those that are read; () unless it is ready.
      ready: whether it is complete.
      why: why it is not, in one line; "" if it is.
    """

    span: int
    folder: str
    signature: str
    content: str
    ready: bool
    why: str
    files: tuple[str, ...] = ()


class Scanner:
    """Looks at the spans, again and again; what a manifest refused is not verified again in vain."""

    def __init__(self, config: Config) -> None:
        """Take the configuration.

        Raises:
          InputError: data.path has no {SPAN}.
        """
        files.span_pattern(config.data.path)
        self._config = config
        self._reading = looking.reading(config)
        self._refused: dict[tuple[str, str], str] = {}

    def scan(self, known: Known, now: float) -> list[Arrival]:
        """The spans that are there, ascending.

        Args:
          known: span to the signature and content of the last look, so that unchanged files are not
            read again.
          now: seconds since 1970.

        Raises:
          InputError: the folder that holds the spans cannot be listed. What is wrong with one span
            is said in its `why`, and the others go on.
        """
        path = self._config.data.path
        found = staging.look(path) if storage.is_remote(path) else looking.look(path)
        return [self._arrival(seen, known.get(seen.span, ("", "")), now) for seen in found]

    def _arrival(self, seen: Seen, before: tuple[str, str], now: float) -> Arrival:
        signature = ""
        try:
            if seen.problem:
                raise InputError(seen.problem)
            signature = looking.signature(seen, self._reading)
            why = self._why_not(seen, signature, unchanged=before[0] == signature, now=now)
            if not why:
                folder, content = self._content(seen, signature, before)
                names = tuple(entry.name for entry, _ in self._reading.files(seen.entries))
                return Arrival(seen.span, folder, signature, content, True, "", names)
        except InputError as error:
            why = str(error).splitlines()[0]
            if isinstance(error, manifest.ManifestFault):
                self._refused[seen.folder, signature] = why
        return Arrival(seen.span, seen.folder, signature, "", False, why)

    def _why_not(self, seen: Seen, signature: str, *, unchanged: bool, now: float) -> str:
        retrain = self._config.retrain
        wait = reason_to_wait(
            seen,
            self._reading,
            marker_needed=retrain.ready == "marker",
            settle_seconds=retrain.settle_seconds,
            now=now,
            unchanged=unchanged,
        )
        return wait or self._refused.get((seen.folder, signature), "")

    def _content(self, seen: Seen, signature: str, before: tuple[str, str]) -> tuple[str, str]:
        """Where a span that is complete can be read, and its content.

        Raises:
          InputError: it is not what its manifest says, cannot be read, or changes just now.
        """
        remote = storage.is_remote(seen.folder)
        if before[0] == signature and before[1]:
            copy = staging.copy_folder(self._config, seen.span, before[1])
            return (copy if remote else seen.folder), before[1]
        if remote:
            return staging.stage(self._config, seen, signature)
        content = looking.verified_content(seen.folder, seen.span, self._config)
        again = looking.look_at(seen.span, seen.folder)
        if again.problem or looking.signature(again, self._reading) != signature:
            raise InputError(f"{seen.folder}: changed while it was read")
        return seen.folder, content
