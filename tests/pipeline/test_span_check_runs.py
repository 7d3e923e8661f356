"""Spans that come one by one, through TFX's own cache and metadata store: which is held against which."""

import json
import pathlib

import pytest

import components as ours
from components.beam_runner import IN_PROCESS
from components.errors import InputError
from pipeline import inputs, paths, span_checks
from pipeline.config import load_config
from pipeline.store.connection import store_of

CONFIG = """
pipeline: {name: p, root: runs}
task: lm
data:
  path: "data/span-{SPAN}"
  split: {train: 1, eval: 1}
  drift: {words: 0.1, lengths: 1, min_rows: 10}
"""
GOOD, BAD = "the dog sees a cat", "der Hund sieht Katzen"


@pytest.fixture
def run(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch):
    """Ingest and compare a new span of such rows; returns node -> state, and the findings."""
    from tfx.orchestration import pipeline

    from pipeline import local_runner
    from pipeline.data_stages import span_check

    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text(CONFIG)

    def call(span: int, text: str, *replayed: int):
        folder = tmp_path / f"data/span-{span}"
        folder.mkdir(parents=True, exist_ok=True)
        rows = [json.dumps({"text": f"{text} {row}"}) + "\n" for row in range(100)]
        (folder / "a.jsonl").write_text("".join(rows))
        config = load_config("c.yaml")
        where = paths.new_run(config)
        found = inputs.resolve(config, spans=dict.fromkeys((*replayed, span), ""), new=(span,))
        window = ours.SpanWindow(**found.what_is_read, new_spans=json.dumps([span]))
        examples = ours.ExampleGen(
            **found.how_it_is_read, span_window=window.outputs["span_window"]
        )
        before = span_checks.before(span_checks.made_statistics(store_of(config)), found)
        key = span_checks.data_key(found)
        check = span_check(config, found, examples, window, examples, before, key)
        line = pipeline.Pipeline(
            pipeline_name="p",
            pipeline_root=where.artifacts,
            components=[window, examples, *check],
            enable_cache=True,
            metadata_connection_config=store_of(config).connection(),
            beam_pipeline_args=[*IN_PROCESS, "--direct_running_mode=in_memory"],
        )
        _, nodes = local_runner.run(line, lambda node: None)
        made = span_checks.made_statistics(store_of(config))[-1].uri
        findings = json.loads((pathlib.Path(made) / "span_check.json").read_text())["findings"]
        return {node.name: node.state for node in nodes}, findings

    return call


def test_a_refused_span_is_not_what_the_next_is_held_against_and_a_rerun_is_cached(run) -> None:
    from pipeline.local_runner import NodeFailure

    states, findings = run(1, GOOD)
    assert (states["SpanCheck"], findings) == ("done", [])
    with pytest.raises(NodeFailure) as failed:
        run(2, BAD, 1)
    assert isinstance(failed.value.cause, InputError)
    assert str(failed.value.cause).startswith("span 2, train split, column 'text': words differ by")
    states, findings = run(3, GOOD, 1)
    assert states["SpanCheck"] == "done"
    assert {each["against"] for each in findings} == {"span 1"}
    assert all(each["passed"] for each in findings)
    states, again = run(3, GOOD, 1)  # though span 3 itself is the last good one by now
    assert (states["ExampleGen"], states["SpanCheck"]) == ("cached", "cached")
    assert again == findings
