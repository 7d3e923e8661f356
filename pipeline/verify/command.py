"""`tokenline verify`: find, check, write, print. TensorFlow is loaded when there is something to do."""

import contextlib
import datetime
import functools
import os
import platform
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from components import folders
from components.errors import InputError
from pipeline import paths
from pipeline.config import Config
from pipeline.terminal import Terminal, output_to
from pipeline.verify import subject
from pipeline.verify.certificate import Certificate, Check

if TYPE_CHECKING:
    from pipeline.verify.case import Case

DONE, FAILED = 0, 1
_NAME, _LOG = "certificate", "verify.log"


@dataclass(frozen=True)
class Options:
    """What the command line says: which run, which model, how many rows, drawn with which seed."""

    run: str | None = None
    model: str | None = None
    examples: int = 256
    seed: int = 0


def verify(config: Config, options: Options) -> int:
    """Certify a run's model on a sample of its eval split; 0 if all invariants hold, else 1.

    Raises:
      InputError: nothing was run yet, or something that is needed is gone.
    """
    if options.examples < 1:
        raise InputError(f"--examples: got {options.examples}, expected at least 1")
    if options.seed < 0:
        raise InputError(f"--seed: got {options.seed}, expected at least 0")
    started = time.monotonic()
    run = subject.choose_run(config, run=options.run, model=options.model)
    written = os.path.join(run.run, certificate_name(options.model))
    for kind in (".json", ".md"):
        # What is there certifies something else, should this end early.
        with contextlib.suppress(FileNotFoundError):
            os.remove(written + kind)
    found = subject.find(config, run=options.run, model=options.model)
    with output_to(os.path.join(found.run.run, _LOG)) as terminal:
        name = config.pipeline.name
        terminal.line(
            f"tokenline verify: {name}, run {found.run.run_id}, {paths.shown(found.model)}"
        )
        certificate = certify(found, options, terminal.status, started)
        _finish(certificate, written, terminal)
    return DONE if certificate.passed else FAILED


def certificate_name(model: str | None) -> str:
    """The certificate's file without its ending: the run's own, or one for each `--model`.

    A model is called by its last two folders: `serving/5`, `77/Format-Serving`.
    """
    if not model:
        return _NAME
    parts = os.path.abspath(model).split(os.sep)[-2:]
    return "-".join([_NAME, *filter(None, parts)])


def certify(
    found: subject.Subject, options: Options, report: Callable[[str], None], started: float
) -> Certificate:
    """Make all checks; `report` is told which is under way.

    Raises:
      InputError: the model or the rows cannot be read.
    """
    report("  loading TensorFlow and the model")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")  # before TensorFlow is imported
    from pipeline.verify import case as cases
    from pipeline.verify import sample
    from pipeline.verify.model import ExportedModel

    raw = sample.choose(found.raw, options.examples, options.seed)
    with _readable(found.model):
        case = cases.build(found, ExportedModel(found.model), raw, options.seed)
    checks = _all_checks(case, report)
    times = {
        "made": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - started, 1),
    }
    return Certificate(_facts(case, options), tuple(checks), times)


def _all_checks(case: "Case", report: Callable[[str], None]) -> list[Check]:
    from pipeline.verify import (
        fused,
        masking,
        one_number,
        parity,
        poison,
        serving,
        skew,
        splitting,
    )
    from pipeline.verify.compare import guarded

    steps: list[tuple[int, str, Callable[[Case], Iterable[Check]]]] = [
        (1, "masking", masking.checks),
        (2, "poison", poison.checks),
        (3, "splitting", splitting.checks),
        (3, "splitting in Beam", splitting.beam_bundles),
        (4, "one number", one_number.checks),
        (5, "TensorFlow 1 parity", parity.checks),
        (9, "skew", skew.checks),
        (9, "predictions", serving.checks),
        (2, "fused, poison", fused.poison),
        (4, "fused", fused.one_number),
    ]
    done = []
    for invariant, name, step in steps:
        report(f"  checking {name}")
        done += guarded(invariant, name, functools.partial(step, case))
    return done


def _facts(case: "Case", options: Options) -> dict[str, Any]:
    """What the certificate is about: the same for the same model, sample and code."""
    import importlib.metadata

    found = case.subject
    packages = ("tokenline", "tensorflow", "keras", "tfx", "numpy")
    return {
        "pipeline": found.record["pipeline"],
        "task": found.record["task"],
        "run": found.run.run_id,
        "model": found.shown_model,
        "model_sha256": folders.digest(found.model),
        "vocabulary_sha256": case.model.facts["vocabulary_hash"],
        "sample_sha256": case.raw.digest,
        "seed": options.seed,
        "rows": len(case.raw.rows),
        "rows_available": case.raw.available,
        "weighted_positions": case.size.tokens,
        "masked_positions": int(case.transformed["loss_weights"].size) - case.size.tokens,
        "masked_positions_with_logits": case.probe.masked,
        "rows_with_logits": case.probe.size.rows,
        "versions": {name: importlib.metadata.version(name) for name in packages}
        | {"python": platform.python_version()},
    }


@contextlib.contextmanager
def _readable(folder: str) -> Iterator[None]:
    """A model that refuses the sample is at fault, or the sample is: either way, one line."""
    import tensorflow as tf

    try:
        yield
    except (tf.errors.OpError, KeyError) as error:
        reason = " ".join(str(getattr(error, "message", error)).split())[:200]
        raise InputError(f"{folder}: cannot take the run's raw rows: {reason}") from None


def _finish(certificate: Certificate, written: str, terminal: Terminal) -> None:
    """Write both files (`written`, without an ending), then print the table and the closing line."""
    with open(f"{written}.json", "w") as file:
        file.write(certificate.to_json())
    with open(f"{written}.md", "w") as file:
        file.write(certificate.to_markdown())
    facts = certificate.facts
    terminal.line(
        f"  {facts['rows']:,} of {facts['rows_available']:,} rows of the eval split, "
        f"{facts['weighted_positions']:,} weighted and {facts['masked_positions']:,} masked "
        f"positions; seed {facts['seed']}"
    )
    terminal.line(certificate.table())
    terminal.line(
        f"{certificate.verdict}; {paths.shown(written)}.json, {certificate.times['seconds']:.0f} s"
    )
