"""The house's import rules, and that importing a light thing loads nothing heavy."""

import ast
import importlib.metadata
import pathlib
import re
import subprocess
import sys

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


def loaded_by(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after a statement."""
    code = f"{statement}\nimport sys\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_import_contracts_hold() -> None:
    done = subprocess.run(
        [pathlib.Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import components", {"tensorflow", "tfx", "keras"}),
        ("import components.sequence_loss", {"tfx", "apache_beam", "tensorflow_model_analysis"}),
        ("import components.trainer.models", {"tfx", "apache_beam", "tensorflow_model_analysis"}),
        ("import pipeline.__main__", {"tensorflow", "tfx", "yaml", "numpy"}),
        ("import pipeline.config", {"tensorflow", "tfx", "numpy"}),
        ("import pipeline.inputs", {"tensorflow", "tfx", "numpy"}),
        ("import pipeline.rollback_command", {"tensorflow", "tfx", "numpy"}),
        ("import pipeline.retrain.arrivals", {"tensorflow", "tfx", "numpy", "apache_beam"}),
        ("import pipeline.retrain.watching", {"tensorflow", "tfx", "numpy", "apache_beam"}),
    ],
)
def test_light_imports_stay_light(statement: str, absent: set[str]) -> None:
    assert loaded_by(statement) & absent == set()


def test_every_direct_import_is_a_requirement() -> None:
    """requirements.in lists what the three packages import."""
    packages = importlib.metadata.packages_distributions()
    imported: set[str] = set()
    for package in ("transform", "components", "pipeline"):
        for file in (REPOSITORY / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Import):
                    imported |= {alias.name for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    imported.add(node.module)
    top = {name.split(".")[0] for name in imported}
    lines = (REPOSITORY / "requirements.in").read_text().splitlines()
    listed = {re.split(r"[#=\[ ]", line)[0] for line in lines} - {""}
    outside = top - set(sys.stdlib_module_names) - {"transform", "components", "pipeline"}
    # One module name may belong to several distributions (google, tfx): one of them is enough.
    missing = {
        name
        for name in outside
        if not listed & {each.lower().replace("_", "-") for each in packages.get(name, [name])}
    }
    assert missing == set(), f"imported but not listed: {missing}"
