"""A small pipeline with span 1 trained and pushed, to which tests of retrain go back again and again."""

import json
import os
import pathlib
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from transform.vocabulary import Vocabularies

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
KILLING = pathlib.Path(__file__).resolve().parent / "killing"
CONFIG = """
pipeline: {name: killed, root: runs}
task: lm
data: {path: "data/span-{SPAN}", columns: {text: text}, split: {train: 3, eval: 1}}
model: {units: 8}
batch: {size: 8}
train: {epochs: 6, checkpoint_steps: 10, learning_rate: 0.02}
eval: {blessing: {margin: 100}, samples: 0, decode_examples: 0}
serving: {check: {enabled: false}}
retrain: {window: {spans: 2}, backoff_seconds: 0}
"""


@dataclass
class Project:
    """A folder with span 1 trained and pushed, that can be had again and again."""

    folder: pathlib.Path
    kept: pathlib.Path

    def keep(self) -> None:
        """What `restore` goes back to is what is there now."""
        shutil.copytree(self.folder, self.kept, symlinks=True)

    def restore(self) -> None:
        shutil.rmtree(self.folder)
        shutil.copytree(self.kept, self.folder, symlinks=True)
        for marker in self.folder.glob("data/span-*/_SUCCESS"):
            marker.touch()  # the last of its folder, as it was: else the rows look newer

    def retrain(self, *before: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """`retrain --once`, called by the command `before` if there is one."""
        return subprocess.run(
            [*before, sys.executable, "-m", "pipeline", "retrain", "--once"],
            cwd=self.folder,
            env=self._environment(environment),
            capture_output=True,
            text=True,
            check=False,
        )

    def run(self, **environment: str) -> subprocess.CompletedProcess[str]:
        """`tokenline run`, by hand."""
        return subprocess.run(
            [sys.executable, "-m", "pipeline", "run"],
            cwd=self.folder,
            env=self._environment(environment),
            capture_output=True,
            text=True,
            check=False,
        )

    def begin(self, *before: str) -> subprocess.Popen[str]:
        """The same, going on, in a process group of its own."""
        return subprocess.Popen(
            [*before, sys.executable, "-m", "pipeline", "retrain", "--once"],
            cwd=self.folder,
            env=self._environment({}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def retrain_for(self, seconds: float) -> None:
        """The same, killed with all its processes after some time."""
        process = self.begin()
        time.sleep(seconds)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()

    def _environment(self, more: dict[str, str]) -> dict[str, str]:
        path = f"{KILLING}{os.pathsep}{REPOSITORY}"
        return os.environ | {"PYTHONPATH": path} | more

    def span(self, number: int) -> None:
        folder = self.folder / "data" / f"span-{number}"
        folder.mkdir(parents=True)
        words = random.Random(number)
        rows = [
            json.dumps({"text": " ".join(f"w{words.randrange(12 + number)}" for _ in range(size))})
            for size in (words.randrange(2, 9) for _ in range(80))
        ]
        (folder / "rows.jsonl").write_text("\n".join(rows) + "\n")
        (folder / "_SUCCESS").touch()

    @property
    def pipeline(self) -> pathlib.Path:
        return self.folder / "runs" / "killed"

    @property
    def left_something(self) -> bool:
        """Whether the next retrain takes a run for killed."""
        return (self.pipeline / "unfinished").exists()

    def versions(self) -> list[str]:
        """All that lies beside the notes on which run pushed which."""
        names = {path.name for path in (self.pipeline / "serving").iterdir()}
        return sorted(names - {".runs"})

    def ledger(self) -> list[dict]:
        """What --status tells of each run, oldest first."""
        told = subprocess.run(
            [sys.executable, "-m", "pipeline", "retrain", "--status", "--json"],
            cwd=self.folder,
            env=self._environment({}),
            capture_output=True,
            text=True,
            check=True,
        )
        return json.loads(told.stdout)["runs"][::-1]

    def made(self) -> tuple[str, dict[str, np.ndarray]]:
        """The vocabulary's digest and the weights of the newest version."""
        newest = self.pipeline / "serving" / self.versions()[-1]
        variables = tf.train.load_checkpoint(str(newest / "variables" / "variables"))
        names = sorted(variables.get_variable_to_shape_map())
        weights = {
            name: variables.get_tensor(name) for name in names if "_CHECKPOINTABLE" not in name
        }
        folders = (self.pipeline / "artifacts/VocabularyGen/vocabulary").iterdir()
        whole = [each for each in folders if (each / "vocabulary.json").exists()]
        last = max(whole, key=lambda each: int(each.name))
        return Vocabularies.read(str(last)).digest, weights


def check_as_undisturbed(project: Project, undisturbed) -> None:
    assert project.versions() == ["1", "2"]  # nothing half-written, nothing twice
    runs = project.ledger()
    new = [(span, version) for run in runs for span, version, *_ in run["new"]]
    assert new == [(1, 1), (2, 1)], runs
    assert [run["state"] for run in runs] == ["pushed", "pushed"]
    digest, weights = project.made()
    assert digest == undisturbed[0]
    assert weights.keys() == undisturbed[1].keys()
    for name, values in weights.items():
        np.testing.assert_array_equal(values, undisturbed[1][name], err_msg=name)
    assert running(project) == []
    assert not project.left_something


def running(project: Project) -> list[str]:
    """Executions that the metadata store holds for running."""
    with sqlite3.connect(f"file:{project.pipeline}/metadata.db?mode=ro", uri=True) as store:
        rows = store.execute("select id from Execution where last_known_state = 2").fetchall()
    return [str(row) for row in rows]
