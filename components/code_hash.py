"""A hash of source code, so that editing it invalidates TFX's cache.

TFX names executors and user functions by dotted path, and a path does not change when the code
behind it does. Every component of ours therefore takes a `code_hash` parameter.
"""

import hashlib
import importlib.util
import pathlib


def code_hash(*modules: str) -> str:
    """Hash of the Python files of the named modules; a package counts with everything below it.

    Nothing is imported but the parents of the named modules.

    Raises:
      ValueError: there is no such module.
    """
    state = hashlib.sha256()
    for module in modules:
        found = importlib.util.find_spec(module)
        if found is None or found.origin is None:
            raise ValueError(f"no module named {module!r} to hash")
        origin = pathlib.Path(found.origin)
        files = (
            sorted(origin.parent.rglob("*.py")) if found.submodule_search_locations else [origin]
        )
        for file in files:
            state.update(f"{module}/{file.name}\n".encode() + file.read_bytes())
    return state.hexdigest()[:16]
