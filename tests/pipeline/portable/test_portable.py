"""What is ours in Beam's pipelines, done by a process of its own over the portable protocol.

Each part is run by its executor or command, here and there, and gives the same. What that does not
reach is found by reading the source: each DoFn, each CombineFn, each labelled step has to have run there.
"""

import ast
import pathlib

import apache_beam as beam
import pytest
import tensorflow as tf
from comparing import same
from real_parts import SEQ2SEQ, TRANSLATION

from components.errors import Passing

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
COLUMNS = {"source": tf.string, "target": tf.string, "w": tf.float32}
# Runs a node of the line itself, always in the process of `tokenline run`.
OF_THE_LINE = {"pipeline.local_runner._Node"}


@pytest.mark.parametrize("name", ["seq2seq", "tagging", "lm"])
def test_the_same_bytes_are_ingested(name, ingested) -> None:
    here, there = ingested[name]
    assert [path for path in here["files"] if path.endswith(".gz")]
    assert here["files"].keys() == there["files"].keys()
    different = [path for path in here["files"] if here["files"][path] != there["files"][path]]
    assert different == []


@pytest.fixture(scope="session")
def grown(ingested, both):
    return [parts.vocabulary("seq2seq", SEQ2SEQ) for parts in both]


def test_the_same_vocabulary_and_ledger(grown) -> None:
    same(*grown)
    assert grown[0]["ledger"]["splits"]["train"]["target"]["sequences"] > 50


def test_the_same_bytes_are_transformed(grown, both) -> None:
    here, there = (parts.transform("seq2seq", SEQ2SEQ, COLUMNS) for parts in both)
    assert here["files"]
    assert here == there


def test_the_same_statistics_of_a_span(ingested, both) -> None:
    here, there = (parts.measure("seq2seq") for parts in both)
    assert here["train"]["datasets"]
    same(here, there)


def test_the_same_evaluation_and_decoded_texts(ingested, both, made) -> None:
    here, there = (
        parts.evaluate("seq2seq", made.translator, made.other_translator) for parts in both
    )
    assert {*here["tables"]} >= {"tokens"}
    assert len(here["reports"]) > 5
    same(here, there)


def test_the_same_evaluation_of_tags(ingested, both, made) -> None:
    here, there = (parts.evaluate("tagging", made.tagger) for parts in both)
    assert here["of_task"]
    same(here, there)


@pytest.mark.parametrize("command", ["score", "predict"])
def test_the_same_rows_are_scored_and_predicted(command, both, made) -> None:
    here, there = (parts.batch(command, "seq2seq", made.translator) for parts in both)
    assert len(here) == 180
    same(here, there)


def test_the_work_was_done_there(ingested, pool, noted) -> None:
    address, process = pool
    assert address.startswith("localhost:")
    assert process.poll() is None
    assert "ReadCheckWrite" in noted.labels


def _of_beam() -> dict[str, ast.Module]:
    """The modules that import Beam, parsed."""
    found = {}
    for package in ("components", "pipeline"):
        for file in (REPOSITORY / package).rglob("*.py"):
            tree = ast.parse(file.read_text())
            name = ".".join(file.relative_to(REPOSITORY).with_suffix("").parts)
            if any("beam" in ast.unparse(node) for node in ast.walk(tree) if _is_import(node)):
                found[name] = tree
    return found


def _is_import(node: ast.AST) -> bool:
    return isinstance(node, ast.Import | ast.ImportFrom)


def functions() -> set[str]:
    """The classes of DoFns and CombineFns, also those that come from another of ours."""
    bases: dict[str, set[str]] = {}
    for module, tree in _of_beam().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                bases[f"{module}.{node.name}"] = {
                    ast.unparse(base).rpartition(".")[2] for base in node.bases
                }
    found: set[str] = set()
    while True:
        known = {name.rpartition(".")[2] for name in found}
        more = {
            name
            for name, of in bases.items()
            if of & known or any(each.endswith(("DoFn", "CombineFn")) for each in of)
        }
        if more == found:
            return found
        found = more


def labels() -> set[str]:
    """What steps are called: the text to the left of `>>`, of an f-string what is before the brace."""
    found = set()
    for tree in _of_beam().values():
        for node in ast.walk(tree):
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.RShift):
                left = node.left.values[0] if isinstance(node.left, ast.JoinedStr) else node.left
                if isinstance(left, ast.Constant) and isinstance(left.value, str):
                    found.add(left.value)
    return found


def test_the_source_is_read_as_it_is_meant() -> None:
    assert functions() >= {
        "components.evaluator.adding.ScoreAndAdd",
        "components.evaluator.combining.AddRows",
        "components.span_check.statistics._Statistics",
        "pipeline.scoring.beam.RunUnit",
        "pipeline.local_runner._Node",
    }
    assert labels() >= {"ReadCheckWrite", "CountWords", "Work[", "Tags", "Worst", "Decoded"}


@pytest.fixture(scope="session")
def all_done(ingested, grown, both, made, noted):
    """What the tests above run, whichever of them were asked for."""
    _, there = both
    if "Measure" not in noted.labels:
        there.measure("seq2seq")
    if "Decoded" not in noted.labels:
        there.evaluate("seq2seq", made.translator)
    if "Tags" not in noted.labels:
        there.evaluate("tagging", made.tagger)
    if "ReadCallWrite" not in noted.labels:
        there.batch("score", "seq2seq", made.translator)
    return noted


def test_every_dofn_and_combinefn_of_ours_has_run_there(all_done) -> None:
    assert functions() - OF_THE_LINE - all_done.functions == set()


def test_every_step_of_ours_has_run_there(all_done) -> None:
    left = [each for each in labels() if not any(run.startswith(each) for run in all_done.labels)]
    assert left == []


def test_a_job_server_that_has_gone_is_one_line(both) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("localhost", 0))
        gone = f"--job_endpoint=localhost:{taken.getsockname()[1]}"
        _, there = both
        arguments = [
            gone if each.startswith("--job_endpoint") else each for each in there.arguments
        ]
        parts = type(there)(there.made, arguments, there.into / "gone")
        with pytest.raises(
            Passing, match=r"^beam: the job server at localhost:\d+ does not answer"
        ):
            parts.ingest("seq2seq", TRANSLATION)


def test_what_cannot_be_pickled_is_found(both) -> None:
    """The means of the tests above can fail."""
    never = (one for one in ())
    _, there = both
    with pytest.raises(Exception, match="pickle"), beam.Pipeline(argv=there.arguments) as pipeline:
        _ = pipeline | beam.Create([1]) | "Held" >> beam.Map(lambda one: (never, one)[1])
