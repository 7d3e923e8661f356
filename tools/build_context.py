"""What a build sees of the repository: the files that .dockerignore leaves."""

import fnmatch
import pathlib
import shutil


class BuildContext:
    """The files of a folder that may be copied into an image."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        lines = (folder / ".dockerignore").read_text(encoding="utf-8").split("\n")
        self._patterns = [line for line in lines if line and not line.startswith("#")]

    def holds(self, path: str) -> bool:
        """Whether a file or folder, named from the top, is there and is not ignored."""
        return (self.folder / path).exists() and not self._ignored(path)

    def copy(self, source: str, target: pathlib.Path) -> None:
        """Copy a file to the target, or a folder's content into it, as COPY does.

        Raises:
          ValueError: the source is not in the context.
        """
        if not self.holds(source):
            raise ValueError(f"COPY {source}: no such file in the build context")
        found = self.folder / source
        if found.is_file():
            shutil.copy(found, target)
            return
        for each in sorted(found.rglob("*")):
            name = each.relative_to(self.folder).as_posix()
            if each.is_file() and not self._ignored(name):
                into = target / each.relative_to(found)
                into.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(each, into)

    def _ignored(self, path: str) -> bool:
        """The last pattern that fits the path, or a folder that it is in, decides."""
        parts = path.split("/")
        levels = ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]
        ignored = False
        for pattern in self._patterns:
            wanted = pattern.removeprefix("!")
            if any(_fits(level, wanted) for level in levels):
                ignored = not pattern.startswith("!")
        return ignored


def _fits(path: str, pattern: str) -> bool:
    if pattern.startswith("**/"):
        return fnmatch.fnmatchcase(path.split("/")[-1], pattern.removeprefix("**/"))
    same_depth = path.count("/") == pattern.count("/")
    return same_depth and fnmatch.fnmatchcase(path, pattern)
