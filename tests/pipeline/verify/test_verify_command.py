"""`tokenline verify`: exit codes, the files that it writes, and what it says when it cannot."""

import json
import pathlib
import re
import shutil
import signal
import subprocess
import sys

import pytest
import tensorflow as tf

from pipeline.__main__ import main
from pipeline.config import load_config
from pipeline.verify import command, compare, sample, subject
from pipeline.verify.certificate import INVARIANTS

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]


def run_folder(folder: pathlib.Path) -> pathlib.Path:
    return next((folder / "runs" / "small" / "runs").iterdir())


@pytest.fixture
def finished(project, tmp_path, monkeypatch) -> pathlib.Path:
    """A copy of a finished run, to spoil."""
    original = project("lm").folder
    shutil.copytree(original, tmp_path / "lm")
    record = run_folder(tmp_path / "lm") / "run.json"
    record.write_text(record.read_text().replace(str(original), str(tmp_path / "lm")))
    monkeypatch.chdir(tmp_path / "lm")
    return tmp_path / "lm"


def certificate(folder: pathlib.Path) -> dict:
    return json.loads((run_folder(folder) / "certificate.json").read_text())


def test_a_right_run_is_certified_and_the_same_way_again(finished, capfd) -> None:
    assert main(["verify", "--examples", "12"]) == 0
    out = capfd.readouterr().out
    for number, name in INVARIANTS.items():
        assert f"{number}  {name}" in out
    last = out.splitlines()[-1]
    assert re.match(r"PASS: \d+ checks passed, 0 failed, 0 not exercised; runs/small/runs/", last)
    found = certificate(finished)
    assert found["passed"]
    assert (found["rows"], found["rows_available"]) == (12, 40)
    assert found["masked_positions"] > 0
    assert found["model"] == "small/artifacts/model/Format-Serving"
    assert {check["invariant"] for check in found["checks"]} == set(INVARIANTS)
    assert (run_folder(finished) / "certificate.md").read_text().startswith("# Invariance")

    assert main(["verify", "--examples", "12"]) == 0
    again = certificate(finished)
    assert again.pop("times") != found.pop("times")
    assert again == found


def test_a_skewed_vocabulary_is_exit_1_and_named(finished, capfd) -> None:
    """Transform wrote its rows with two tokens' ids exchanged."""
    files = sorted((finished / "runs/small/artifacts/transformed/Split-eval").iterdir())
    for file in files:
        rows = [tf.train.Example.FromString(row) for row in sample._records([str(file)])]
        for row in rows:
            ids = row.features.feature["targets"].int64_list.value
            ids[:] = [{4: 5, 5: 4}.get(each, each) for each in ids]
        sample.write([row.SerializeToString() for row in rows], str(file))
    assert main(["verify", "--examples", "12"]) == 1
    out = capfd.readouterr().out
    assert out.splitlines()[-1].startswith("FAIL: ")
    failed = [check for check in certificate(finished)["checks"] if check["status"] == "FAIL"]
    assert [check["compared"] for check in failed] == [
        "oracle = trainer's validation, on Transform's rows",
        "Transform's rows = `transform_features`",
    ]
    assert "rows: Transform wrote none with these values" in failed[1]["note"]


@pytest.mark.parametrize(
    ("arguments", "gone", "says"),
    [
        ([], "runs/small/runs", "small: no finished run yet: `tokenline run` makes one"),
        (["--run", "20250101-000000"], "", "--run: got '20250101-000000', expected one of"),
        (["--model", "rows"], "", "--model: rows holds no assets.extra/tokenline.json"),
        (["--examples", "0"], "", "--examples: got 0, expected at least 1"),
        (["--seed", "-1"], "", "--seed: got -1, expected at least 0"),
        ([], "runs/small/artifacts/model", "saved_model.pb is gone: `tokenline run` makes it"),
        ([], "runs/small/artifacts/examples", "examples/Split-eval is gone"),
        ([], "runs/small/artifacts/transformed", "transformed/Split-eval is gone"),
        ([], "runs/small/artifacts/vocabulary", "vocabulary.json is gone"),
        ([], "runs/small/artifacts/vocabulary/target.jsonl", "vocabulary/target.jsonl is gone"),
        ([], "runs/small/artifacts/model/Format-Serving/variables", "cannot be loaded as a Saved"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(finished, capfd, arguments, gone: str, says: str) -> None:
    if (finished / gone).is_file():
        (finished / gone).unlink()
    elif gone:
        shutil.rmtree(finished / gone)
    assert main(["verify", *arguments]) == 2
    error = capfd.readouterr().err
    assert error.startswith("tokenline: ")
    assert says in error
    assert error.count("\n") == 1


def test_a_stale_certificate_does_not_outlive_a_refused_run(finished) -> None:
    run = run_folder(finished)
    names = ("certificate.json", "certificate.md", "certificate-serving-5.json")
    for name in names:
        (run / name).write_text("stale")
    shutil.rmtree(finished / "runs/small/artifacts/vocabulary")
    assert main(["verify"]) == 2
    assert [(run / name).exists() for name in names] == [False, False, True]


def no_checks(monkeypatch, step=lambda case, report: []) -> None:
    """The command without what it certifies: which is what other tests are about."""
    monkeypatch.setattr(command, "_all_checks", step)


def test_another_model_has_a_certificate_of_its_own(finished, monkeypatch) -> None:
    no_checks(monkeypatch)
    shutil.copytree("runs/small/artifacts/model/Format-Serving", "serving/5")
    (run_folder(finished) / "certificate.json").write_text("the run's own")
    main(["verify", "--examples", "2", "--model", "serving/5"])
    written = sorted(file.name for file in run_folder(finished).glob("certificate*"))
    assert written == [
        "certificate-serving-5.json",
        "certificate-serving-5.md",
        "certificate.json",
    ]
    assert (run_folder(finished) / "certificate.json").read_text() == "the run's own"


def test_ctrl_c_is_exit_130_and_no_certificate(finished, capfd, monkeypatch) -> None:
    """As in a Beam bundle: what arrives as KeyboardInterrupt leaves as RuntimeError."""

    def interrupted():
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise RuntimeError("KeyboardInterrupt [while running 'score']") from None

    before = signal.getsignal(signal.SIGINT)
    no_checks(monkeypatch, lambda case, report: compare.guarded(3, "Beam", interrupted))
    assert main(["verify", "--examples", "2"]) == 130
    assert capfd.readouterr().err.count("\n") == 1
    assert list(run_folder(finished).glob("certificate*")) == []
    assert signal.getsignal(signal.SIGINT) is before


def test_rows_that_cannot_be_read_are_bad_input(finished, capfd) -> None:
    file = next((finished / "runs/small/artifacts/examples/Split-eval").iterdir())
    file.write_bytes(b"no gzip")
    assert main(["verify"]) == 2
    assert "cannot be read as gzipped TFRecords" in capfd.readouterr().err


def test_a_record_that_lacks_an_output_is_bad_input(finished, capfd) -> None:
    record = run_folder(finished) / "run.json"
    record.write_text(record.read_text().replace('"Transform"', '"SequenceTransform"'))
    assert main(["verify"]) == 2
    assert "its record names no transformed_examples of Transform" in capfd.readouterr().err


def later_run(folder: pathlib.Path, outputs: dict[str, dict[str, str]]) -> str:
    """A second run, with some other outputs than the first."""
    first = run_folder(folder)
    record = json.loads((first / "run.json").read_text())
    record["outputs"] |= outputs
    later = first.parent / "20270102-030405"
    later.mkdir()
    (later / "run.json").write_text(json.dumps(record))
    return later.name


def test_a_model_without_a_run_is_judged_on_the_run_that_trained_it(finished, project) -> None:
    config = load_config("pipeline_config.yaml")
    first = run_folder(finished).name
    other = project("tagging")
    strange = {"SequenceTrainer": {"model": str(other.artifacts / "model")}}
    later = later_run(finished, strange)
    copy = shutil.copytree(finished / "runs/small/artifacts/model/Format-Serving", "pushed")
    found = subject.find(config, run=None, model=str(copy))
    assert (found.run.run_id, found.own_model) == (first, True)
    asked = subject.find(config, run=later, model=str(copy))
    assert (asked.run.run_id, asked.own_model) == (later, False)
    newest = subject.find(config, run=None, model=None)
    assert (newest.run.run_id, newest.model, newest.own_model) == (later, other.model, True)


def test_a_model_of_no_run_is_judged_on_the_newest_with_its_vocabulary(finished, project) -> None:
    config = load_config("pipeline_config.yaml")
    first = run_folder(finished).name
    other = project("tagging")
    later = later_run(
        finished,
        {
            "SequenceTrainer": {"model": "gone"},
            "VocabularyGen": {"vocabulary": str(other.artifacts / "vocabulary")},
        },
    )
    for name, run in (
        ("runs/small/artifacts/model", first),
        (str(other.artifacts / "model"), later),
    ):
        copy = pathlib.Path(shutil.copytree(f"{name}/Format-Serving", f"copy-{run}"))
        (copy / "fingerprint.pb").write_bytes(b"another export")
        found = subject.find(config, run=None, model=str(copy))
        assert (found.run.run_id, found.own_model) == (run, False)


def test_starting_loads_nothing_heavy() -> None:
    code = (
        "import sys, pipeline.verify.command\n"
        "print({'tensorflow', 'tfx', 'numpy', 'apache_beam', 'keras'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"
