"""`{{$…}}` in arguments."""

import json

import pytest

from pipeline.emulator.placeholders import PlaceholderError, filled, filled_by_job

MODEL = {"name": "m", "uri": "gs://b/m", "metadata": {"id": 3.0, "who": 'a "b"'}}
INPUT = {
    "inputs": {
        "parameterValues": {"n": 6.0, "text": "x"},
        "artifacts": {"model": {"artifacts": [MODEL]}},
    },
    "outputs": {
        "artifacts": {"out": {"artifacts": [{"uri": "gs://b/out"}]}},
        "parameters": {"rows": {"outputFile": "gs://b/rows"}},
        "outputFile": "gs://b/output.json",
    },
}
JOB = {"pipeline_job_name": "small-1", "pipeline_task_name": "Train"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("--steps={{$.inputs.parameters['n']}}", "--steps=6"),
        ("{{$.inputs.parameters['text']}}{{$.pipeline_job_name}}", "xsmall-1"),
        ("{{$.inputs.artifacts['model'].uri}}", "gs://b/m"),
        ('{{$.inputs.artifacts["model"].metadata["who"]}}', 'a "b"'),
        ("{{$.inputs.artifacts['model'].metadata['id']}}", "3"),
        ("{{$.inputs.artifacts['model'].artifacts[0].name}}", "m"),
        ("{{$.outputs.artifacts['out'].uri}}", "gs://b/out"),
        ("{{$.outputs.parameters['rows'].output_file}}", "gs://b/rows"),
        ("{{$.outputs.output_file}}", "gs://b/output.json"),
        ("{{$.pipeline_task_name}}", "Train"),
        ("{not one}", "{not one}"),
    ],
)
def test_filled(text: str, expected: str) -> None:
    assert filled(text, INPUT, JOB) == expected


def test_the_whole_executor_input_is_json() -> None:
    assert json.loads(filled("{{$}}", INPUT, JOB)) == INPUT


@pytest.mark.parametrize(
    "text",
    [
        "{{$.inputs.parameters['m']}}",
        "{{$.inputs.artifacts['x'].uri}}",
        "{{$.nothing}}",
        "{{$(a)}}",
    ],
)
def test_what_names_nothing_is_an_error_that_shows_it(text: str) -> None:
    with pytest.raises(PlaceholderError) as raised:
        filled(f"--a={text}", INPUT, JOB)
    assert str(raised.value).startswith(text)


def test_in_values_only_what_is_of_the_job_is_filled_in() -> None:
    text = "{{$.pipeline_job_name}} {{$.inputs.parameters['n']}}"
    assert filled_by_job(text, JOB) == "small-1 {{$.inputs.parameters['n']}}"
    assert filled_by_job(3, JOB) == 3
