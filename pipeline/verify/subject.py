"""What is to be certified: a finished run's folders, and a model. No TensorFlow."""

import json
import os
from dataclasses import dataclass
from typing import Any

from components import folders, model_facts
from components.errors import InputError
from pipeline import paths
from pipeline.config import Config
from pipeline.scoring import served

_SPLIT = "Split-eval"
_MODEL = "Format-Serving"


@dataclass(frozen=True)
class Subject:
    """Where things are.

    Attributes:
      run: the run's paths; the certificate goes to its folder.
      root: the pipeline's root, which paths in the certificate are relative to.
      record: the run's record.
      model: a SavedModel folder.
      own_model: whether it is the one that this run trained, or a copy (a pushed version is one).
      raw, materialised: the eval split's files, from ExampleGen and from Transform.
      vocabulary: the folder of the vocabulary that Transform used.
    """

    run: paths.RunPaths
    root: str
    record: dict[str, Any]
    model: str
    own_model: bool
    raw: tuple[str, ...]
    materialised: tuple[str, ...]
    vocabulary: str

    @property
    def shown_model(self) -> str:
        """The model's folder, relative to the pipeline's root."""
        return os.path.relpath(self.model, self.root)


def find(config: Config, *, run: str | None, model: str | None) -> Subject:
    """The newest run, or the one asked for, with its own model or another.

    A model without a run is judged on the run that trained it, else on the newest with the same
    vocabulary, else on the newest.

    Raises:
      InputError: as `choose_run`; or the run's artifacts are gone.
    """
    chosen = choose_run(config, run=run, model=model)
    record = _record(chosen)
    own = _own_model(record)
    subject = Subject(
        run=chosen,
        root=os.path.abspath(config.pipeline.root),
        record=record,
        model=os.path.abspath(model or own),
        own_model=not model or folders.same_export(model, own),
        raw=_files(chosen, _output(record, "ExampleGen", "examples"), _SPLIT),
        materialised=_files(chosen, _output(record, "Transform", "transformed_examples"), _SPLIT),
        vocabulary=_output(record, "VocabularyGen", "vocabulary"),
    )
    _check_there(chosen, subject)
    return subject


def choose_run(config: Config, *, run: str | None, model: str | None) -> paths.RunPaths:
    """The run that `find` looks at, which gets the certificate.

    Raises:
      InputError: no finished run, no such run, no such model.
    """
    runs = paths.existing_runs(config)
    if not runs:
        raise InputError(f"{config.pipeline.name}: no finished run yet: `tokenline run` makes one")
    if run and run not in runs:
        raise InputError(f"--run: got {run!r}, expected one of {', '.join(runs[-5:])}")
    folder = paths.pipeline_folder(config)
    if model:
        served.facts_of(model)
    return paths.RunPaths(folder, run or _run_of(folder, runs, model))


def _run_of(folder: str, runs: list[str], model: str | None) -> str:
    if not model:
        return runs[-1]
    records = {run: _record(paths.RunPaths(folder, run)) for run in reversed(runs)}
    wanted = served.facts_of(model).get("vocabulary_hash")
    trained = [
        run for run, record in records.items() if folders.same_export(model, _own_model(record))
    ]
    alike = [run for run, record in records.items() if _vocabulary_hash(record) == wanted]
    return [*trained, *alike, runs[-1]][0]


def _own_model(record: dict[str, Any]) -> str:
    return os.path.join(_output(record, "SequenceTrainer", "model"), _MODEL)


def _vocabulary_hash(record: dict[str, Any]) -> Any:
    facts = os.path.join(_output(record, "VocabularyGen", "vocabulary"), "vocabulary.json")
    return _read(facts).get("hash") if os.path.exists(facts) else None


def _record(run: paths.RunPaths) -> dict[str, Any]:
    return _read(run.record)


def _read(path: str) -> dict[str, Any]:
    with open(path) as file:
        try:
            content = json.load(file)
        except ValueError as error:
            raise InputError(f"{path}: got invalid JSON ({error}), expected an object") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: got {type(content).__name__}, expected a JSON object")
    return content


def _output(record: dict[str, Any], node: str, name: str) -> str:
    try:
        return str(record["outputs"][node][name])
    except KeyError:
        run = record.get("run", "?")
        raise InputError(f"run {run}: its record names no {name} of {node}: run again") from None


def _files(run: paths.RunPaths, folder: str, split: str) -> tuple[str, ...]:
    place = os.path.join(folder, split)
    names = sorted(os.listdir(place)) if os.path.isdir(place) else []
    if not names:
        raise _gone(run, place)
    return tuple(os.path.join(place, name) for name in names)


def _check_there(run: paths.RunPaths, subject: Subject) -> None:
    needed = [
        os.path.join(subject.model, "saved_model.pb"),
        os.path.join(subject.model, model_facts.FILE),
        os.path.join(subject.vocabulary, "vocabulary.json"),
    ]
    for path in needed:
        if not os.path.exists(path):
            raise _gone(run, path)
    sides = _read(os.path.join(subject.vocabulary, "vocabulary.json")).get("sides", {})
    for side in sides:
        path = os.path.join(subject.vocabulary, f"{side}.jsonl")
        if not os.path.exists(path):
            raise _gone(run, path)


def _gone(run: paths.RunPaths, path: str) -> InputError:
    return InputError(f"run {run.run_id}: {path} is gone: `tokenline run` makes it again")
