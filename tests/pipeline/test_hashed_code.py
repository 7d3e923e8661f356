"""What a component runs is what its `code_hash` covers: an edit that is not covered gives stale results.

The imports are read from the source, so an import inside a function counts as well; those that only
the type checker sees do not.
"""

import ast
import functools
import importlib.util
import pathlib

import pytest

import pipeline.pipeline
from components.code_hash import code_hash
from pipeline import inputs, paths
from pipeline.config import load_config

CONFIG = """
pipeline: {name: hashed, root: runs}
task: seq2seq
data:
  path: "data/span-{SPAN}"
  generator: {name: numbers, rows: 60}
  max_target_length: 26
  excess_length: drop
  drift: {}
transform: {source_tokenizer: character, target_tokenizer: whitespace}
train: {tune: {max_trials: 2, space: {learning_rate: {min: 0.01, max: 0.1}}}}
"""
PACKAGES = ("components", "transform", "pipeline")
# Not what a component computes: wiring, how it is run, and what it prints meanwhile.
NOT_HASHED = {
    "components": "an index of names",
    "components.artifacts": "names of types",
    "components.beam_runner": "which runner",
    "components.code_hash": "makes the hash",
    "components.errors": "the words of a refusal, which leaves no result",
    "components.process": "times",
    "components.progress": "lines on the terminal",
}


@functools.cache
def imported_by(module: str) -> frozenset[str]:
    """Our modules that a module imports, wherever it does."""
    tree = ast.parse(pathlib.Path(importlib.util.find_spec(module).origin).read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            node.body = []
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module}: a relative import is not understood here"
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(name for name in names if name.split(".")[0] in PACKAGES and is_module(name))


@functools.cache
def is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # a parent is a module, no package: the last part is a name in it
        return False


def closure(module: str, *, but: tuple[str, ...] = ()) -> set[str]:
    """A module and all of ours that it imports, directly or not; not through `but`."""
    found: set[str] = set()
    ahead = [module]
    while ahead:
        name = ahead.pop()
        if name not in found and not covers(but, name):
            found.add(name)
            ahead += imported_by(name)
    return found


def covers(modules: tuple[str, ...], name: str) -> bool:
    """Whether a package's hash holds a module's file; a package's `__init__` is one of its files."""
    return any(name == each or name.startswith(f"{each}.") for each in modules)


@pytest.fixture(scope="module")
def components(tmp_path_factory):
    """Every node of ours in the line, and the modules that its hash was made of."""
    folder = tmp_path_factory.mktemp("hashed")
    (folder / "c.yaml").write_text(CONFIG)
    config = load_config(folder / "c.yaml")
    hashed = {}

    def noting(*modules: str) -> str:
        made = code_hash(*modules)
        hashed[made] = modules
        return made

    with pytest.MonkeyPatch.context() as patch:
        for stages in (pipeline.data_stages, pipeline.model_stages):
            patch.setattr(stages, "code_hash", noting)
        line = pipeline.pipeline.create_pipeline(
            config, inputs.resolve(config), paths.new_run(config), base_vocabulary="", input_key=""
        )
    ours = [node for node in line.components if type(node).__module__.startswith("components.")]
    return {node.id: (node, hashed[node.exec_properties["code_hash"]]) for node in ours}


def test_every_component_of_ours_is_looked_at(components):
    assert {*components} == {
        "SpanWindow", "ExampleGen", "ExampleValidator", "SpanCheck", "VocabularyGen", "Transform",
        "Tuner", "SequenceTrainer", "SequenceEvaluator", "ServingCheck", "Pusher",
    }  # fmt: skip


def test_all_that_an_executor_runs_is_in_its_hash(components):
    forgotten = {}
    for name, (node, hashed) in components.items():
        ran = closure(node.executor_spec.executor_class.__module__, but=tuple(NOT_HASHED)[1:])
        left = {module for module in ran - {*NOT_HASHED} if not covers(hashed, module)}
        # `transform` has nothing in its own file but its docstring.
        forgotten[name] = sorted(left - {"transform"})
    assert forgotten == {name: [] for name in components}


def test_an_import_inside_a_function_counts_and_one_for_types_does_not(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "looked_at.py").write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from components import shards\n"
        "def late():\n    from components.errors import excerpt\n    import transform.text\n"
    )
    assert imported_by("looked_at") == {"components.errors", "transform.text"}
