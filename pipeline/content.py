"""Files that the user names, kept by content: TFX's cache and our keys look at paths alone."""

import hashlib
import os


def digest(file: str) -> str:
    """16 digits of the SHA-256 of a file's bytes."""
    with open(file, "rb") as source:
        return hashlib.sha256(source.read()).hexdigest()[:16]


def keep(file: str, folder: str) -> str:
    """Copy a file into a folder named by its content; returns the copy."""
    with open(file, "rb") as source:
        return _kept(source.read(), os.path.basename(file), folder)


def keep_text(text: str, name: str, folder: str) -> str:
    """Write a text as a file of this name into a folder named by its content; returns the file."""
    return _kept(text.encode(), name, folder)


def _kept(content: bytes, name: str, folder: str) -> str:
    copy = os.path.join(folder, hashlib.sha256(content).hexdigest()[:16], name)
    os.makedirs(os.path.dirname(copy), exist_ok=True)
    with open(copy, "wb") as target:
        target.write(content)
    return copy
