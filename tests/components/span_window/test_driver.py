"""The driver: which spans there are now, and their content, before the cache is asked."""

import json

import pytest

from components.example_gen import files
from components.span_window import driver


@pytest.fixture
def base(tmp_path):
    for span in (1, 3):
        (tmp_path / f"span-{span}").mkdir()
        (tmp_path / f"span-{span}/rows.jsonl").write_text(f'{{"text": "{span}"}}\n')
    return f"{tmp_path}/span-{{SPAN}}"


def drive(tmp_path, *more, **parameters):
    """What it writes, as the service reads it."""
    parameters = {
        "format": "jsonl",
        "split": '{"train": 9, "eval": 1}',
        "new_spans": "[]",
    } | parameters
    output = tmp_path / "job/task/executor_output.json"
    invocation = {
        "inputs": {"parameterValues": {"spans": "latest:1", "fingerprint": ""} | parameters},
        "outputs": {"outputFile": str(output)},
    }
    code = driver.main(["--json_serialized_invocation_args", json.dumps(invocation), *more])
    return code, json.loads(output.read_text()) if output.exists() else None


def taken(base, *spans):
    return files.fingerprint(files.input_files(base, spans, "jsonl").files)


@pytest.mark.parametrize(
    ("spans", "found"), [("latest:1", [3]), ("latest:5", [1, 3]), ("all", [1, 3]), ("[1]", [1])]
)
def test_it_says_what_is_there_now(spans, found, base, tmp_path) -> None:
    code, output = drive(tmp_path, input_base=base, spans=spans)
    assert code == 0
    values = {"spans": json.dumps(found), "fingerprint": taken(base, *found)}
    assert output == {"parameterValues": values}


def test_another_content_is_another_answer(base, tmp_path) -> None:
    before = drive(tmp_path, input_base=base)
    assert drive(tmp_path, input_base=base) == before
    (tmp_path / "span-3/rows.jsonl").write_text('{"text": "other"}\n')
    changed = drive(tmp_path, input_base=base)
    assert changed != before
    (tmp_path / "span-4").mkdir()
    (tmp_path / "span-4/rows.jsonl").write_text('{"text": "4"}\n')
    assert drive(tmp_path, input_base=base)[1]["parameterValues"]["spans"] == "[4]"


def test_files_of_another_split_are_other_files(base, tmp_path) -> None:
    (tmp_path / "span-3/more.jsonl").write_text('{"text": "more"}\n')
    by_name = drive(tmp_path, input_base=base, split='{"train": "rows*", "eval": "no*"}')
    assert by_name != drive(tmp_path, input_base=base)


def test_a_fingerprint_that_is_given_stays(base, tmp_path) -> None:
    _, output = drive(tmp_path, input_base=base, fingerprint="given")
    assert output == {"parameterValues": {"spans": "[3]", "fingerprint": "given"}}


def test_what_comes_along_for_the_executor_is_passed_over(base, tmp_path) -> None:
    more = ("--json_serialized_inputs_spec_args", "{}", "--runner=FnApiRunner")
    assert drive(tmp_path, *more, input_base=base)[0] == 0


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"spans": "[2]"}, "no span 2 (spans there: 1, 3)"),
        ({"spans": "newest"}, "spans: got 'newest', expected a JSON list of numbers"),
        ({"new_spans": "[1]"}, "new_spans: got [1], expected some of the spans [3]"),
    ],
)
def test_bad_input_is_one_line(parameters, expected, base, tmp_path, capsys) -> None:
    assert drive(tmp_path, input_base=base, **parameters) == (2, None)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("tokenline: ")
    assert expected in line


def test_tfx_reads_what_it_writes(base, tmp_path) -> None:
    """The executor's container merges it so, see kubeflow_v2_run_executor."""
    from google.protobuf import json_format
    from kfp.pipeline_spec import pipeline_spec_pb2

    _, output = drive(tmp_path, input_base=base)
    read = json_format.ParseDict(output, pipeline_spec_pb2.ExecutorOutput())
    assert read.parameter_values["spans"].string_value == "[3]"
