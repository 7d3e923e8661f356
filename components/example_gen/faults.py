"""How a file says that it cannot be used, before and after its path is known."""

from components.errors import InputError


class Fault(Exception):
    """What makes a whole file unusable, found by code that does not know the path."""

    def __init__(self, reason: str, *, line: int = 0) -> None:
        """Take the reason, and the row where it shows (0: no particular row)."""
        super().__init__(reason)
        self.reason, self.line = reason, line


class FileFault(InputError):
    """What makes a whole file unusable: cut off, damaged, not of its format. Never left out."""

    def __init__(self, path: str, reason: str, *, line: int = 0) -> None:
        """Take the path as the user knows it, the reason and the row (0: no particular row)."""
        super().__init__(f"{path}:{line}: {reason}" if line else f"{path}: {reason}")
        self.path, self.reason, self.line = path, reason, line
