"""SpanWindow: what its parameters mean, what it writes, and that ExampleGen reads what it says."""

import json
import pathlib

import pytest
from tfx.components import StatisticsGen  # noqa: F401  (before TFDV: see facts on the import bug)
from tfx.dsl.components.base import base_executor
from tfx.types import standard_artifacts

from components.artifacts import IngestReport, SpanList
from components.beam_runner import IN_PROCESS
from components.errors import InputChanged, InputError
from components.example_gen.component import ExampleGen
from components.example_gen.executor import Executor as Ingest
from components.example_gen.files import fingerprint, input_files
from components.span_window.component import SpanWindow
from components.span_window.executor import Executor, read
from components.span_window.window import Window, from_json, resolve

PATTERN = "data/span-{SPAN}"
COLUMNS = '{"text": "text"}'


@pytest.fixture
def spans(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spans 1, 2, 5 and 10, twenty rows each, which say their span."""
    monkeypatch.chdir(tmp_path)
    for span in (1, 2, 5, 10):
        pathlib.Path(f"data/span-{span}").mkdir(parents=True)
        rows = [f'{{"text": "s{span} row {n}"}}\n' for n in range(20)]
        pathlib.Path(f"data/span-{span}/a.jsonl").write_text("".join(rows))


def make(folder: pathlib.Path, **parameters: str) -> list[SpanList]:
    """What the executor makes, as an input for the next component."""
    made = SpanList()
    made.uri = str(folder / "window")
    values = {"input_base": PATTERN, "new_spans": "[]", "fingerprint": ""} | parameters
    Executor(base_executor.BaseExecutor.Context()).Do({}, {"span_window": [made]}, values)
    return [made]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("[10, 2]", (2, 10)),
        ("all", (1, 2, 5, 10)),
        ("latest:1", (10,)),
        ("latest:3", (2, 5, 10)),  # by place, not by number: a gap shortens nothing
        ("latest:9", (1, 2, 5, 10)),
    ],
)
def test_what_is_asked_for_is_found(spans, asked: str, found: tuple[int, ...]) -> None:
    assert resolve(PATTERN, asked, "[10]", "f") == Window(found, (10,), "f")


def test_without_a_pattern_there_is_one_span(spans) -> None:
    assert resolve("data/span-1", "[]", "[]", "f") == Window((), (), "f")
    assert resolve("data/span-1", "all", "[]", "") == Window((0,))


BAD = {
    "no JSON": (
        "1-3",
        "[]",
        "spans: got '1-3', expected a JSON list of numbers, each once, \"all\"",
    ),
    "twice": ("[1, 1]", "[]", "spans: got '[1, 1]', expected a JSON list"),
    "negative": ("[-1]", "[]", "spans: got '[-1]'"),
    "latest none": ("latest:0", "[]", "spans: got 'latest:0'"),
    "true is no number": ("[true]", "[]", "spans: got '[true]'"),
    "new is not read": (
        "[1, 2]",
        "[1, 3]",
        "new_spans: got [3], expected some of the spans [1, 2]",
    ),
    "new is no list": ("[1]", "all", "new_spans: got 'all', expected a JSON list of numbers"),
}


@pytest.mark.parametrize(("asked", "new", "said"), BAD.values(), ids=BAD)
def test_a_wrong_parameter_is_refused_when_the_line_is_built(asked, new, said) -> None:
    with pytest.raises(InputError) as caught:
        SpanWindow(input_base=PATTERN, spans=asked, new_spans=new)
    assert str(caught.value).startswith(said)


def test_new_spans_that_are_not_among_the_latest_are_refused_when_it_runs(spans, tmp_path) -> None:
    SpanWindow(input_base=PATTERN, spans="latest:1", new_spans="[5]")
    with pytest.raises(
        InputError, match=r"new_spans: got \[5\], expected some of the spans \[10\]"
    ):
        make(tmp_path, spans="latest:1", new_spans="[5]")


def test_the_artifact_says_it_in_a_file_and_in_properties(spans, tmp_path) -> None:
    [made] = make(tmp_path, spans="latest:2", new_spans="[10]", fingerprint="abc")
    text = pathlib.Path(made.uri, "spans.json").read_text()
    assert json.loads(text) == {"spans": [5, 10], "new": [10], "fingerprint": "abc"}
    assert from_json(text) == read([made]) == Window((5, 10), (10,), "abc")
    assert made.get_string_custom_property("spans") == "[5, 10]"
    assert made.get_string_custom_property("new") == "[10]"
    assert made.get_string_custom_property("input_fingerprint") == "abc"


def ingest(folder: pathlib.Path, window: list[SpanList], **parameters: str) -> dict:
    examples, report = standard_artifacts.Examples(), IngestReport()
    examples.uri, report.uri = str(folder / "examples"), str(folder / "report")
    values = {"input_base": PATTERN, "format": "jsonl", "columns": COLUMNS} | parameters
    context = Ingest.Context(beam_pipeline_args=list(IN_PROCESS))
    outputs = {"examples": [examples], "ingest_report": [report]}
    Ingest(context).Do({"span_window": window}, outputs, values)
    assert examples.get_string_custom_property("spans") == "[2, 10]"
    return json.loads(pathlib.Path(report.uri, "report.json").read_text())


def test_example_gen_reads_the_window_and_checks_its_fingerprint(spans, tmp_path) -> None:
    digest = fingerprint(input_files(PATTERN, [2, 10], "jsonl").files)
    window = make(tmp_path, spans="[2, 10]", new_spans="[10]", fingerprint=digest)
    assert ingest(tmp_path, window)["spans"] == {"2": 20, "10": 20}
    with open("data/span-2/a.jsonl", "a") as file:
        file.write('{"text": "late"}\n')
    with pytest.raises(InputChanged, match="changed while the run was starting; run again"):
        ingest(tmp_path, window)


def test_example_gen_takes_the_window_or_spans(spans) -> None:
    window = SpanWindow(input_base=PATTERN, spans="all").outputs["span_window"]
    with pytest.raises(InputError, match="got them and span_window, expected one or the other"):
        ExampleGen(
            input_base=PATTERN, format="jsonl", columns=COLUMNS, span_window=window, spans="[1]"
        )


def test_window_and_example_gen_compile_for_vertex(spans, tmp_path) -> None:
    from tfx.orchestration import pipeline
    from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner as runner

    window = SpanWindow(input_base="/gcs/bucket/span-{SPAN}", spans="latest:3")
    examples = ExampleGen(
        input_base="/gcs/bucket/span-{SPAN}",
        format="jsonl",
        columns=COLUMNS,
        span_window=window.outputs["span_window"],
    )
    line = pipeline.Pipeline("two", "gs://bucket/root", components=[window, examples])
    config = runner.KubeflowV2DagRunnerConfig(use_pipeline_spec_2_1=True)
    compiling = runner.KubeflowV2DagRunner(config, str(tmp_path), "two.json")
    compiling.run(line, write_out=True)
    spec = json.loads((tmp_path / "two.json").read_text())["pipelineSpec"]
    tasks = spec["root"]["dag"]["tasks"]
    assert set(tasks) == {"SpanWindow", "ExampleGen"}
    wired = tasks["ExampleGen"]["inputs"]["artifacts"]["span_window"]["taskOutputArtifact"]
    assert wired == {"producerTask": "SpanWindow", "outputArtifactKey": "span_window"}
    told = tasks["SpanWindow"]["inputs"]["parameters"]["spans"]
    assert "latest:3" in json.dumps(told)
    assert "components.SpanList" in json.dumps(spec["components"])
