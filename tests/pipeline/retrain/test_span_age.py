"""A window of several spans: each row weighs by the age of its own span, counted from the newest."""

import pathlib

import numpy as np
import tensorflow as tf
from tfx.components import StatisticsGen  # noqa: F401  (before TFDV: see facts on the import bug)
from tfx.types import standard_artifacts

from components.artifacts import IngestReport
from components.beam_runner import IN_PROCESS
from components.example_gen.executor import Executor
from pipeline import inputs
from pipeline.config import load_config
from pipeline.settings import token_settings
from transform import preprocessing
from transform.settings import Settings

CONFIG = """
pipeline: {name: p, root: runs}
task: lm
data: {path: "data/span-{SPAN}", max_target_length: 4}
transform: {span_half_life: 3}
"""


def read(found: inputs.RunInputs, folder: pathlib.Path) -> list[bytes]:
    """The raw rows that ExampleGen writes."""
    examples, report = standard_artifacts.Examples(), IngestReport()
    examples.uri, report.uri = str(folder / "examples"), str(folder / "report")
    context = Executor.Context(beam_pipeline_args=list(IN_PROCESS))
    outputs = {"examples": [examples], "ingest_report": [report]}
    Executor(context).Do({}, outputs, found.example_gen)
    shards = sorted(tf.io.gfile.glob(f"{examples.uri}/Split-*/*"))
    return list(tf.data.TFRecordDataset(shards, "GZIP").as_numpy_iterator())


def weights(rows: list[bytes], settings: Settings) -> dict[str, list[float]]:
    """Text to its `loss_weights`."""
    spec = {"text": tf.io.RaggedFeature(tf.string), "_span": tf.io.RaggedFeature(tf.int64)}
    columns = tf.io.parse_example(rows, spec)
    found = preprocessing.tokens(columns, settings.target)
    _, weighted = preprocessing.loss_weights(columns, settings, found)
    texts = columns["text"].flat_values.numpy()
    return {
        text.decode(): each for text, each in zip(texts, weighted.numpy().tolist(), strict=True)
    }


def test_each_row_weighs_by_the_age_of_its_own_span(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for span in (1, 4, 7, 12):
        folder = pathlib.Path(f"data/span-{span}")
        folder.mkdir(parents=True)
        rows = [f'{{"text": "s{span} n{n}"}}\n' for n in range(20)]
        (folder / "a.jsonl").write_text("".join(rows))
    pathlib.Path("c.yaml").write_text(CONFIG)
    config = load_config("c.yaml")
    window = inputs.resolve(config, spans={1: "", 4: "", 7: ""}, new=[7])  # 12 is not of the window
    settings = token_settings(config, newest_span=max(window.spans))
    found = weights(read(window, tmp_path), settings)
    assert len(found) == 60
    for text, weighted in found.items():
        factor = {"s7": 1.0, "s4": 0.5, "s1": 0.25}[text.split()[0]]
        np.testing.assert_array_equal(weighted, [factor, factor, factor, 0.0])
