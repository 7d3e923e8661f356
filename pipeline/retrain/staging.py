"""Copies of remote spans on this machine, which ExampleGen reads, and links to files of spans that are here.

No TensorFlow; Beam on first use.

<pipeline folder>/retrain/staged/span-<n>-<content>/          the files of one span, all or none; of a span
                                                               of this machine links to some of its files
                                .../span-<n>-<content>.source  the signature of what was copied
                                .../views/<key>/span-<n>       links: one folder pattern for a run
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Collection, Iterator, Mapping

from components.errors import InputChanged, InputError
from components.example_gen import files
from pipeline import paths
from pipeline.config import Config
from pipeline.retrain import looking, remote
from pipeline.retrain.looking import Seen
from pipeline.retrain.manifest import ManifestFault

_TEMPORARY = re.compile(r"\.[a-z0-9.-]+\.(\d+)\.tmp")
_COPY = re.compile(r"span-(\d+)-([0-9a-f]+)")
_SOURCE = ".source"
_VIEWS = "views"


def look(input_base: str) -> list[Seen]:
    """The spans of a remote folder pattern, ascending.

    Raises:
      InputError: it cannot be listed.
    """
    return remote.look(input_base)


def copy_folder(config: Config, span: int, content: str) -> str:
    """Where the copy of a span with this content is, or would be."""
    return os.path.join(_root(config), f"span-{span}-{content}")


def are_here(config: Config, contents: Mapping[int, str]) -> bool:
    """Whether there are copies of all these spans with these contents; "" is none."""
    folders = (copy_folder(config, span, content) for span, content in contents.items())
    return all(contents.values()) and all(map(os.path.isdir, folders))


def stage(config: Config, seen: Seen, signature: str) -> tuple[str, str]:
    """Copy a span to this machine, if that has not been done; it appears whole, by one rename.

    Args:
      config: the user's file.
      seen: the span, as it was listed.
      signature: `looking.signature` of that.

    Returns:
      The folder of the copy, and its content.

    Raises:
      InputError: it cannot be copied, or is not what its manifest says.
    """
    for content in _copied(config, seen.span, signature):
        return copy_folder(config, seen.span, content), content
    wanted = {entry.name for entry, _ in looking.reading(config).files(seen.entries)}
    with _temporary_folder(config, f"span-{seen.span}") as temporary:
        for entry in seen.entries:
            if entry.name in (wanted | {files.MANIFEST}):
                address = f"{seen.folder}/{entry.name}"
                remote.copy(address, os.path.join(temporary, entry.name), entry.size)
        try:
            content = looking.verified_content(temporary, seen.span, config)
        except InputError as error:
            kind = ManifestFault if isinstance(error, ManifestFault) else InputError
            named_by_user = str(error).replace(temporary, seen.folder)
            raise kind(named_by_user) from error
        folder = copy_folder(config, seen.span, content)
        if not os.path.isdir(folder):
            os.rename(temporary, folder)
    _write(folder + _SOURCE, signature)
    return folder, content


def link(config: Config, span: int, content: str, names: Collection[str]) -> bool:
    """Link to the files of a span's earlier version, which lie in its folder beside late ones.

    Args:
      config: the user's file, whose spans are on this machine.
      span, content: what a run is to read.
      names: of the files that had this content.

    Returns:
      Whether they still have it; if not, there are no links.
    """
    folder = copy_folder(config, span, content)
    shutil.rmtree(folder, ignore_errors=True)
    here = dict(files.span_folders(config.data.path)).get(span)
    if here is None or not names:
        return False
    read = looking.reading(config)
    with _temporary_folder(config, f"span-{span}") as temporary:
        for name in names:
            os.symlink(os.path.abspath(os.path.join(here, name)), os.path.join(temporary, name))
        try:
            listing = files.folder_listing(
                temporary, span=span, format=read.format, split=read.split
            )
            if files.fingerprint(listing.files) != content:
                return False
        except InputError:
            return False
        os.rename(temporary, folder)
    return True


def local_input_base(config: Config, wanted: Mapping[int, str]) -> str:
    """The folder pattern of spans of this machine: the user's own, unless some are read through links."""
    own = os.path.abspath(config.data.path)
    linked = {span for span, content in wanted.items() if are_here(config, {span: content})}
    if not linked:
        return own
    folders = dict(files.span_folders(own))
    targets = {
        span: _from_view(config, span, content) if span in linked else folders[span]
        for span, content in wanted.items()
    }
    return _view(config, targets)


def input_base(config: Config, wanted: Mapping[int, str], there: Mapping[int, Seen]) -> str:
    """The folder pattern of copies of the wanted spans, which are made unless they are there.

    Args:
      config: the user's file.
      wanted: span to its content, or "" for what is there now.
      there: the spans as they were listed.

    Raises:
      InputChanged: a span is not there.
      InputError: it cannot be copied.
    """
    contents = {}
    for span, content in wanted.items():
        if not are_here(config, {span: content}):
            content = _stage_now(config, span, there)
        contents[span] = content
    return view(config, contents)


def _stage_now(config: Config, span: int, there: Mapping[int, Seen]) -> str:
    if span not in there:
        known = ", ".join(map(str, there)) or "none"
        raise InputChanged(f"{config.data.path}: no span {span} (spans there: {known})")
    seen = there[span]
    if seen.problem:
        raise InputError(seen.problem)
    return stage(config, seen, looking.signature(seen, looking.reading(config)))[1]


def view(config: Config, contents: Mapping[int, str]) -> str:
    """The folder pattern, as ExampleGen takes it, of copies that are there.

    Args:
      config: the user's file.
      contents: span to its content.

    Raises:
      InputError: there is no such copy.
    """
    for span, content in contents.items():
        folder = copy_folder(config, span, content)
        if not os.path.isdir(folder):
            raise InputError(f"{folder}: no such folder, expected the copy of span {span}")
    if files.SPAN not in config.data.path:
        return copy_folder(config, 0, contents[0])
    return _view(
        config, {span: _from_view(config, span, content) for span, content in contents.items()}
    )


def _from_view(config: Config, span: int, content: str) -> str:
    """The folder of a copy, seen from a view."""
    return os.path.join("..", "..", os.path.basename(copy_folder(config, span, content)))


def _view(config: Config, targets: Mapping[int, str]) -> str:
    """A folder pattern of links to these folders."""
    folder = os.path.join(_root(config), _VIEWS, _view_key(targets))
    if not os.path.isdir(folder):
        with _temporary_folder(config, "view") as temporary:
            for span, target in targets.items():
                os.symlink(target, os.path.join(temporary, f"span-{span}"))
            os.makedirs(os.path.dirname(folder), exist_ok=True)
            with contextlib.suppress(FileExistsError):
                os.rename(temporary, folder)
    return os.path.join(folder, f"span-{files.SPAN}")


def prune(config: Config, keep: Collection[tuple[int, str]]) -> list[str]:
    """Remove the copies that no window needs, views of them, and what killed runs left half copied.

    Args:
      config: the user's file.
      keep: (span, content) of the copies that stay.

    Returns:
      The folders of the copies that were removed.
    """
    root = _root(config)
    gone = []
    for name in sorted(os.listdir(root) if os.path.isdir(root) else []):
        copy, temporary = _COPY.fullmatch(name), _TEMPORARY.fullmatch(name)
        if temporary and not _runs(int(temporary[1])):
            _remove(os.path.join(root, name))
        elif copy and (int(copy[1]), copy[2]) not in set(keep):
            gone.append(os.path.join(root, name))
    for folder in gone:
        with contextlib.suppress(FileNotFoundError):
            os.remove(folder + _SOURCE)  # first: without it the copy is not taken for another run
        shutil.rmtree(folder)
    _prune_views(root)
    return gone


def _prune_views(root: str) -> None:
    views = os.path.join(root, _VIEWS)
    for name in os.listdir(views) if os.path.isdir(views) else []:
        folder = os.path.join(views, name)
        if not all(os.path.exists(os.path.join(folder, link)) for link in os.listdir(folder)):
            shutil.rmtree(folder)


def _root(config: Config) -> str:
    return os.path.join(paths.pipeline_folder(config), "retrain", "staged")


def _copied(config: Config, span: int, signature: str) -> Iterator[str]:
    """The contents of the copies of a span that were made of what has this signature."""
    root = _root(config)
    for name in sorted(os.listdir(root) if os.path.isdir(root) else []):
        match = _COPY.fullmatch(name.removesuffix(_SOURCE))
        if not name.endswith(_SOURCE) or not match or int(match[1]) != span:
            continue
        with open(os.path.join(root, name), encoding="utf-8") as file:
            same = file.read() == signature
        if same and os.path.isdir(copy_folder(config, span, match[2])):
            yield match[2]


def _view_key(targets: Mapping[int, str]) -> str:
    return hashlib.sha256(json.dumps(sorted(targets.items())).encode()).hexdigest()[:16]


@contextlib.contextmanager
def _temporary_folder(config: Config, name: str) -> Iterator[str]:
    """A folder that is gone afterwards, unless it was renamed."""
    folder = os.path.join(_root(config), f".{name}.{os.getpid()}.tmp")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove(path: str) -> None:
    shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)


def _write(path: str, text: str) -> None:
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".{name}.{os.getpid()}.tmp")
    with open(temporary, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(temporary, path)


def _runs(pid: int) -> bool:
    """Whether a process of this number runs on this machine."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
