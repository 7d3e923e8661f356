"""The report as a file."""

import contextlib
import os

from pipeline.report.data import ReportData
from pipeline.report.document import page


def write_report(data: ReportData, path: str | os.PathLike[str]) -> None:
    """Write the page; the same data give the same bytes."""
    write(page(data), path)


def write(text: str, path: str | os.PathLike[str]) -> None:
    """Write a file that appears complete, by one rename."""
    path = os.fspath(path)
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        # Lone surrogates (bytes of a row that are not UTF-8) have no place in a UTF-8 page.
        with open(
            temporary, "w", encoding="utf-8", errors="backslashreplace", newline="\n"
        ) as file:
            file.write(text)
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.remove(temporary)
