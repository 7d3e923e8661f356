"""Retraining on real data, unattended: spans that arrive one by one and in a burst, warm and cold.

`python -m benchmarks.retrain` copies the State of the Union addresses, span by span, to where a pipeline
looks for them, and calls `tokenline retrain --once` as cron would. Three pipelines of their own:

one by one  warm-started from the last blessed model, a call after each span
burst       the same, all spans there before the only call
cold        as one by one, each model from scratch (`train.warm_start: never`)
"""

import argparse
import gzip
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from typing import Any

import yaml

_DATA = "../shared/data/lm_sotu_spans"
_CONFIG = "examples/retrain_state_of_the_union.yaml"
_NAME = "retrain-state-of-the-union"


@dataclass(frozen=True)
class Run:
    """One run: its span, whether it was pushed, and what came out."""

    span: int
    state: str
    perplexity: float
    words: int
    steps: int
    curve: tuple[tuple[int, float], ...]  # (step, validation loss)
    seconds: float

    def steps_to(self, loss: float) -> int | None:
        """The first step at which validation was as good as that; None: never."""
        return next((step for step, found in self.curve if found <= loss), None)


def main() -> int:
    chosen = _arguments()
    spans = list(range(1, chosen.spans + 1))
    with tempfile.TemporaryDirectory() as top:
        found = {}
        for name, burst, warm in (
            ("warm", False, True),
            ("burst", True, True),
            ("cold", False, False),
        ):
            started = time.monotonic()
            project = _project(pathlib.Path(top) / name, warm=warm)
            found[name] = _retrained(project, chosen.data, spans, burst=burst)
            print(
                f"{name}: {len(found[name])} runs, {time.monotonic() - started:.0f} s", flush=True
            )
    _show(found)
    same = [run.perplexity for run in found["warm"]] == [run.perplexity for run in found["burst"]]
    print(f"\none by one and in a burst: {'the same models' if same else 'OTHER MODELS'}")
    if chosen.json:
        with open(chosen.json, "w") as file:
            json.dump({name: [vars(run) for run in runs] for name, runs in found.items()}, file)
    return 0 if same else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.retrain", description=__doc__)
    parser.add_argument("--data", default=_DATA, help=f"holds span-1 and on (default: {_DATA})")
    parser.add_argument("--spans", type=int, default=9, help="how many (default: 9)")
    parser.add_argument("--json", help="where the figures go")
    return parser.parse_args()


def _project(folder: pathlib.Path, *, warm: bool) -> pathlib.Path:
    """A folder with the example's configuration, its data to come."""
    (folder / "data").mkdir(parents=True)
    config = yaml.safe_load(pathlib.Path(_CONFIG).read_text())
    config["pipeline"]["root"] = "runs"
    config["data"]["path"] = "data/span-{SPAN}"
    config["train"]["warm_start"] = "auto" if warm else "never"
    (folder / "pipeline_config.yaml").write_text(yaml.safe_dump(config))
    return folder


def _retrained(project: pathlib.Path, data: str, spans: list[int], *, burst: bool) -> list[Run]:
    for span in spans:
        _bring(pathlib.Path(data) / f"span-{span}", project / "data" / f"span-{span}")
        if not burst:
            _call(project)
    if burst:
        _call(project)
    return _runs(project)


def _bring(source: pathlib.Path, target: pathlib.Path) -> None:
    """Copy a span as a producer should: the manifest comes last."""
    target.mkdir()
    listed = {}
    for file in sorted(source.glob("*.jsonl.gz")):
        shutil.copy(file, target)
        content = file.read_bytes()
        rows = sum(1 for line in gzip.decompress(content).splitlines() if line.strip())
        listed[file.name] = {"rows": rows, "sha256": hashlib.sha256(content).hexdigest()}
    (target / "manifest.json").write_text(json.dumps({"files": listed}))


def _call(project: pathlib.Path) -> None:
    path = os.pathsep.join([os.getcwd(), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "retrain", "--once"],
        cwd=project,
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in (0, 3):
        raise SystemExit(done.stdout + done.stderr)


def _runs(project: pathlib.Path) -> list[Run]:
    records = (project / "runs" / _NAME / "runs").glob("*/run.json")
    found = [json.loads(path.read_text()) for path in records]
    return sorted(map(_run, found), key=lambda run: run.span)


def _run(record: dict[str, Any]) -> Run:
    history = record["history"]
    folder = pathlib.Path(record["outputs"]["VocabularyGen"]["vocabulary"])
    vocabulary = json.loads((folder / "vocabulary.json").read_text())
    points = [each for each in history["points"] if each.get("validation_loss") is not None]
    return Run(
        span=record["retrain"]["new"][0],
        state="pushed" if record["pushed"] else "refused",
        perplexity=record["metrics"]["slices"][0]["candidate"]["perplexity"],
        words=vocabulary["sides"]["target"]["size"],
        steps=points[-1]["step"],
        curve=tuple((each["step"], each["validation_loss"]) for each in points),
        seconds=record["seconds"],
    )


def _show(found: dict[str, list[Run]]) -> None:
    heads = ("span", "words", "warm", "cold", "steps", "steps to cold's", "saved", "warm is")
    print("\n" + "".join(f"{head:>16}" for head in heads))
    for warm, cold in zip(found["warm"], found["cold"], strict=True):
        needed = warm.steps_to(min(loss for _, loss in cold.curve))
        saved = "-" if needed is None else f"{1 - needed / cold.steps:.0%}"
        cells = (warm.span, warm.words, f"{warm.perplexity:.1f}", f"{cold.perplexity:.1f}")
        row = (*cells, cold.steps, needed if needed is not None else "-", saved, warm.state)
        print("".join(f"{cell:>16}" for cell in row))


if __name__ == "__main__":
    sys.exit(main())
