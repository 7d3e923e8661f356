"""A hash of source code, so that editing it invalidates TFX's cache.

TFX names executors and user functions by dotted path, and a path does not change when the code
behind it does. Every component of ours therefore takes a `code_hash` parameter. The libraries that do
the work count as well: another TensorFlow is another result.
"""

import hashlib
import importlib.metadata
import importlib.util
import pathlib

_LIBRARIES = (
    "apache-beam",
    "keras",
    "keras-hub",
    "keras-tuner",
    "numpy",
    "sacrebleu",
    "scipy",
    "sentencepiece",
    "tensorflow",
    "tensorflow-data-validation",
    "tensorflow-model-analysis",
    "tensorflow-text",
    "tensorflow-transform",
    "tfx",
)


def code_hash(*modules: str) -> str:
    """Hash of the named modules' Python files and of the versions of the libraries beneath them.

    A package counts with everything below it.

    Nothing is imported but the parents of the named modules.

    Raises:
      ValueError: there is no such module.
    """
    versions = [f"{name}=={importlib.metadata.version(name)}" for name in _LIBRARIES]
    state = hashlib.sha256("\n".join(versions).encode())
    for module in modules:
        origin, files = _files(module)
        for file in files:
            name, content = file.relative_to(origin.parent).as_posix(), file.read_bytes()
            state.update(f"{module}/{name}:{len(content)}\n".encode() + content)
    return state.hexdigest()[:16]


def _files(module: str) -> tuple[pathlib.Path, list[pathlib.Path]]:
    """A module's own file, and all that count for it, in an order that is the same everywhere."""
    try:
        found = importlib.util.find_spec(module)
    except ModuleNotFoundError:  # of a parent
        found = None
    if found is None or found.origin is None:
        raise ValueError(f"no module named {module!r} to hash")
    origin = pathlib.Path(found.origin)
    is_package = found.submodule_search_locations is not None
    return origin, sorted(origin.parent.rglob("*.py")) if is_package else [origin]
