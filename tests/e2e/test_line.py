"""The whole line through BeamDagRunner: a first run, an unchanged re-run, a run on a new span.

One set of runs is shared by all tests of this module; each test looks at one promise.
"""

import json
import os
import pathlib
import socket
from dataclasses import dataclass

import keras
import numpy as np
import pytest
import tensorflow as tf
from sacrebleu.metrics import BLEU

from components.sequence_loss import token_cross_entropy
from components.trainer.origins import Origins
from pipeline.config import load_config
from pipeline.settings import token_settings
from pipeline.verify.model import ExportedModel
from transform.features import Lengths, feature_spec
from transform.vocabulary import Vocabularies

pytestmark = pytest.mark.pipeline

CONFIG = """
pipeline: {name: small, root: runs}
task: seq2seq
data:
  path: data/span-{SPAN}
  generator: {name: numbers, rows: 900, seed: 3}
  extra_columns: {digits: integer}
  split: {train: 5, eval: 1}
  max_source_length: 20
  max_target_length: 26
transform: {source_tokenizer: character, target_tokenizer: whitespace}
model: {family: gru, units: 48}
batch: {size: 32}
train: {epochs: 8, learning_rate: 0.01, schedule: cosine}
eval:
  slices: [digits, target_length]
  thresholds:
    - {metric: token_accuracy, min: 0.3}
    - {metric: masked_token_loss, max_increase: 0.0}
"""
BEFORE_EVALUATION = [
    "SpanWindow",
    "ExampleGen",
    "StatisticsGen",
    "SchemaGen",
    "ExampleValidator",
    "VocabularyGen",
    "Transform",
    "SequenceTrainer",
]


@dataclass
class Line:
    folder: pathlib.Path
    first: object
    again: object
    new_span: object
    new_span_again: object

    def output(self, run, component: str, name: str) -> pathlib.Path:
        return pathlib.Path(run.record["outputs"][component][name])


@pytest.fixture(scope="module")
def line(tokenline, tmp_path_factory) -> Line:
    folder = tmp_path_factory.mktemp("line")
    (folder / "pipeline_config.yaml").write_text(CONFIG)
    first = tokenline("run", cwd=folder)
    again = tokenline("run", cwd=folder)
    assert tokenline("generate", "--span", "2", cwd=folder).code == 0
    new_span = tokenline("run", cwd=folder)
    return Line(folder, first, again, new_span, tokenline("run", cwd=folder))


def eval_rows(run) -> list[bytes]:
    """Serialized raw examples of the run's eval split."""
    folder = pathlib.Path(run.record["outputs"]["ExampleGen"]["examples"]) / "Split-eval"
    files = [str(path) for path in sorted(folder.iterdir())]
    return list(tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator())


def overall(run, model: str = "candidate") -> dict[str, float]:
    return run.record["metrics"]["slices"][0][model]


def model_of(run):
    folder = pathlib.Path(run.record["outputs"]["SequenceTrainer"]["model"]) / "Format-Serving"
    return tf.saved_model.load(str(folder))


def test_first_run_executes_every_component_and_pushes_a_blessed_model(line) -> None:
    assert line.first.code == 0, line.first.out + line.first.err
    states = line.first.states()
    assert [states[name] for name in BEFORE_EVALUATION] == ["done"] * len(BEFORE_EVALUATION)
    after = ("SequenceEvaluator", "ServingCheck", "Pusher")
    assert [states[name] for name in after] == ["done"] * 3
    assert line.first.record["verdict"]["blessed"]
    assert (line.folder / "runs/small/serving/1/saved_model.pb").exists()


def test_terminal_shows_components_the_table_and_where_things_are(line) -> None:
    out = line.first.out
    for shown in [*BEFORE_EVALUATION, "loss/token", "blessed", "runs/small/serving/1", "log.txt"]:
        assert shown in out
    assert "useful tokens/s" in out  # whatever the speed: a progress line may never be due
    assert "padding" in out
    assert line.first.err == ""
    assert "WARNING" not in out


def test_unchanged_rerun_is_cached_up_to_the_trainer_and_pushes_nothing_new(line) -> None:
    assert line.again.code == 0, line.again.out
    states = line.again.states()
    assert [states[name] for name in BEFORE_EVALUATION] == ["cached"] * len(BEFORE_EVALUATION)
    assert line.again.record["pushed"] == line.first.record["pushed"]
    baseline = overall(line.again, "baseline")
    assert baseline["masked_token_loss"] == overall(line.first)["masked_token_loss"]


def test_new_span_is_read_and_compared_with_the_last_blessed_model(line) -> None:
    assert line.new_span.code == 0, line.new_span.out
    assert line.new_span.record["spans"] == [2]
    assert line.new_span.states()["SequenceTrainer"] == "done"
    assert line.new_span.record["verdict"]["baseline"]
    assert line.new_span.record["pushed"].endswith("serving/2")


def test_new_span_starts_from_the_last_blessed_model_and_says_so(line) -> None:
    assert "started from scratch: no earlier blessed model of other data" in line.first.out
    start = line.new_span.record["history"]["start"]
    assert start["model"] == str(line.output(line.first, "SequenceTrainer", "model"))
    rows = start["rows"]["target"]
    assert rows["moved"] == rows["left_out"] == 0
    assert rows["kept"] > 0 < rows["new"]
    assert f"target {rows['kept']} rows kept, 0 moved, {rows['new']} new" in line.new_span.out
    assert not any((line.folder / "runs/small/serving/2").rglob("*.npz"))


def test_a_warm_started_run_is_cached_when_it_is_repeated(line) -> None:
    states = line.new_span_again.states()
    assert [states[name] for name in BEFORE_EVALUATION] == ["cached"] * len(BEFORE_EVALUATION)
    assert line.new_span_again.record["pushed"] == line.new_span.record["pushed"]


def test_vocabulary_is_extended_and_no_id_moves(line) -> None:
    def tokens(run) -> list[str]:
        folder = line.output(run, "VocabularyGen", "vocabulary")
        return [json.loads(row)["token"] for row in (folder / "target.jsonl").open()]

    old, new = tokens(line.first), tokens(line.new_span)
    assert new[: len(old)] == old
    assert "million" in new
    assert "million" not in old


def test_one_number_in_training_evaluation_and_scoring(line, tokenline) -> None:
    validation = line.first.record["history"]["validation"]["masked_token_loss"]
    evaluated = overall(line.first)["masked_token_loss"]
    assert evaluated == pytest.approx(validation, rel=1e-6)

    rows = [tf.train.Example.FromString(row) for row in eval_rows(line.first)]
    text = "".join(
        json.dumps(
            {name: row.features.feature[name].bytes_list.value[0].decode() for name in names}
        )
        + "\n"
        for row in rows
        for names in [("source", "target")]
    )
    scored = tokenline(
        "score", "--model", "runs/small/serving/1", cwd=line.folder, text=text
    ).out.splitlines()
    sums = [json.loads(row) for row in scored]
    loss = sum(row["loss_sum"] for row in sums) / sum(row["weight_sum"] for row in sums)
    assert loss == pytest.approx(evaluated, rel=1e-6)


def test_keras_and_a_float64_oracle_give_that_number_too(line) -> None:
    """From the network's own logits, in batches of another size and padding than any before."""
    folder = line.output(line.first, "SequenceTrainer", "model") / "Format-Serving"
    model = ExportedModel(str(folder))
    rows = model.transform_features(eval_rows(line.first))
    metric, total, weight = keras.metrics.Mean(), 0.0, 0.0
    for start in range(0, len(rows["targets"]), 50):
        batch = {name: value[start : start + 50] for name, value in rows.items()}
        _, logits = model.hidden(batch)
        weights = batch["loss_weights"]
        losses = token_cross_entropy(logits, batch["targets"])
        metric.update_state(np.ravel(losses), sample_weight=np.ravel(weights))
        wide = logits.astype(np.float64)
        chosen = np.take_along_axis(wide, batch["targets"][..., None], axis=-1)[..., 0]
        total += (weights * (np.log(np.exp(wide).sum(axis=-1)) - chosen)).sum()
        weight += weights.sum(dtype=np.float64)
    evaluated = overall(line.first)["masked_token_loss"]
    assert total / weight == pytest.approx(evaluated, rel=1e-6)
    assert float(metric.result()) == pytest.approx(evaluated, rel=1e-6)


def test_evaluation_is_the_sum_of_what_score_says_by_position(line) -> None:
    """Added up in float64 NumPy. (Whether the losses themselves are right: test_export.py.)"""
    scores = model_of(line.first).signatures["score"](tf.constant(eval_rows(line.first)))
    values = {name: value.numpy().astype(np.float64) for name, value in scores.items()}
    weighted = (values["position_loss"] * values["position_weight"]).sum(axis=1)
    np.testing.assert_allclose(values["loss_sum"], weighted, rtol=1e-5)
    total = values["loss_sum"].sum() / values["weight_sum"].sum()
    assert overall(line.first)["masked_token_loss"] == pytest.approx(total, rel=1e-6)
    count = (values["position_weight"] > 0).sum()
    assert overall(line.first)["token_count"] == count


def test_decoded_text_is_scored_as_sacrebleu_scores_it(line) -> None:
    rows = eval_rows(line.first)
    features = [tf.train.Example.FromString(row).features.feature for row in rows]
    references = [each["target"].bytes_list.value[0].decode() for each in features]
    served = model_of(line.first).signatures["serving_default"](tf.constant(rows))
    texts = [text.decode() for text in served["text"].numpy()]
    measured = overall(line.first)
    assert measured["bleu"] == pytest.approx(BLEU().corpus_score(texts, [references]).score)
    same = [text == reference for text, reference in zip(texts, references, strict=True)]
    assert measured["exact_match"] == pytest.approx(np.mean(same))
    folder = line.output(line.first, "SequenceEvaluator", "evaluation")
    assert json.loads((folder / "decoded.json").read_text())["examples"] == len(rows)


def test_served_model_computes_what_transform_materialised(line) -> None:
    """No skew: ids, lengths and weights from raw rows equal those on disk."""
    folder = line.output(line.first, "Transform", "transformed_examples") / "Split-eval"
    files = [str(path) for path in sorted(folder.iterdir())]
    materialised = list(tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator())
    served = model_of(line.first).signatures["transform_features"](
        tf.constant(eval_rows(line.first))
    )
    assert set(served) == {"targets", "target_lengths", "loss_weights", "inputs", "input_lengths"}
    for row, serialized in enumerate(materialised):
        features = tf.train.Example.FromString(serialized).features.feature
        for name, value in served.items():
            kind = features[name].WhichOneof("kind")
            stored = getattr(features[name], kind).value
            np.testing.assert_array_equal(np.ravel(value[row].numpy()), np.array(stored))


def test_the_model_is_served_in_a_process_without_our_code(line) -> None:
    """A real process: it loads, answers odd texts, alone as in batches, and has no skew."""
    found = line.first.record["serving_check"]
    assert found["passed"], found["reasons"]
    checks = {check["name"]: check["text"] for check in found["checks"]}
    assert list(checks) == [
        "clean process",
        "requests",
        "batches",
        "outputs",
        "trainer",
        "skew",
        "latency",
        "memory",
    ]
    assert "NUL and newline" in checks["requests"]
    rows = int(checks["skew"].split()[0])
    assert 32 <= rows <= 32 + 16  # those that are chosen, and the trainer's
    assert checks["trainer"].startswith("16 rows: ")
    assert set(found["latency_ms"]) == {"1", "2", "4", "8"}
    assert all(0 < each["median"] <= each["p95"] for each in found["latency_ms"].values())
    assert 0 < found["memory_before_mb"] < found["memory_mb"]
    assert "serving check passed: no skew" in line.first.out
    assert line.again.states()["ServingCheck"] == "cached"
    assert line.new_span.states()["ServingCheck"] == "done"


def test_greedy_decoding_spells_as_many_as_teacher_forcing_gets_right(line, tokenline) -> None:
    rows = [tf.train.Example.FromString(row).features.feature for row in eval_rows(line.new_span)]
    sources = [row["source"].bytes_list.value[0].decode() for row in rows]
    targets = [row["target"].bytes_list.value[0].decode() for row in rows]
    predicted = tokenline("predict", cwd=line.folder, text="\n".join(sources)).out.splitlines()
    right = np.mean([one == other for one, other in zip(predicted, targets, strict=True)])
    assert right == pytest.approx(overall(line.new_span)["sequence_accuracy"], abs=0.005)
    assert right > 0.05  # a model that gets nothing right would prove nothing


def test_no_number_is_in_both_splits(line) -> None:
    folder = line.output(line.first, "ExampleGen", "examples")
    splits = []
    for split in ("Split-train", "Split-eval"):
        files = [str(path) for path in (folder / split).iterdir()]
        rows = tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator()
        parsed = [tf.train.Example.FromString(row).features.feature for row in rows]
        splits.append({row["source"].bytes_list.value[0] for row in parsed})
    assert not splits[0] & splits[1]
    assert len(splits[0]) + len(splits[1]) == 900


def test_token_ledger_balances(line) -> None:
    for split in line.first.record["ledger"]["splits"].values():
        row = split["target"]
        lost = row["truncated"] + row["dropped"]
        assert row["tokens_read"] == row["trained"] + row["zero_weight"] + lost
        assert row["trained"] > 0


def test_the_time_adds_up_from_the_start_of_the_process(line) -> None:
    record, history = line.first.record, line.first.record["history"]
    spent = history["goodput"]
    after = sum(
        node["seconds"]
        for node in record["nodes"]
        if node["name"] in ("SequenceEvaluator", "ServingCheck", "Pusher")
    )
    assert sum(spent.values()) + after == pytest.approx(record["process_seconds"], rel=0.02)
    assert spent["import"] > 0
    assert spent["components"] > 0
    assert spent["export"] > 0
    first = history["first_step"]
    assert first["import"] == spent["import"]
    assert spent["import"] < sum(first.values()) < sum(spent.values())


def test_every_update_is_in_the_history_and_in_its_curves(line) -> None:
    folder = line.output(line.first, "SequenceTrainer", "history")
    lines = [json.loads(text) for text in (folder / "metrics.jsonl").read_text().splitlines()]
    steps = [one["step"] for one in lines if one["kind"] == "train"]
    assert steps == list(range(1, line.first.record["history"]["steps"] + 1))
    (events,) = (folder / "tensorboard/train").iterdir()
    found = [event.step for event in tf.compat.v1.train.summary_iterator(str(events)) if event.step]
    assert found == steps


def test_a_transformed_row_is_found_in_the_users_file(line) -> None:
    """What a bad batch is told by: ExampleGen's lines and Transform's rows are in one order."""
    settings = token_settings(load_config(line.folder / "pipeline_config.yaml"))
    transformed = line.output(line.first, "Transform", "transformed_examples") / "Split-train"
    files = [str(path) for path in sorted(transformed.iterdir())]
    vocabularies = Vocabularies.read(str(line.output(line.first, "VocabularyGen", "vocabulary")))
    report = str(line.output(line.first, "ExampleGen", "ingest_report"))
    lengths = Lengths(settings.target.max_length, settings.source.max_length)
    origins = Origins(files, lengths, settings, vocabularies, report)
    rows = next(iter(tf.data.TFRecordDataset(files, "GZIP").skip(40).batch(20)))
    parsed = tf.io.parse_example(rows, feature_spec(lengths))
    batch = {name: value.numpy() for name, value in parsed.items()}
    for text, places in zip(origins.texts(batch), origins.places(batch), strict=True):
        path, _, number = places[0].rpartition(":")
        raw = json.loads((line.folder / path).read_text().splitlines()[int(number) - 1])
        assert (text["inputs"], text["targets"]) == (raw["source"], raw["target"])


def test_tfma_reads_the_evaluation(line) -> None:
    import tensorflow_model_analysis as tfma
    import tfx.components  # noqa: F401  (before TFMA, see facts)

    folder = str(line.output(line.first, "SequenceEvaluator", "evaluation"))
    metrics = dict(tfma.load_eval_result(folder).slicing_metrics)[()][""][""]
    loss = metrics["masked_token_loss"]
    value = loss.get("doubleValue") or loss["boundedValue"]["value"]
    assert value == pytest.approx(overall(line.first)["masked_token_loss"], rel=1e-12)
    assert tfma.load_validation_result(folder).validation_ok


def test_report_page_is_written_and_made_again(line, tokenline) -> None:
    page = line.folder / line.new_span.record["report"]
    before = page.read_text()
    assert "masked" in before.lower()
    made = tokenline("report", cwd=line.folder)
    assert made.code == 0
    assert page.read_text() == before


def test_nothing_listens_off_loopback_and_nothing_is_downloaded(line) -> None:
    assert line.first.open_ports | line.new_span.open_ports == set()
    log = (line.folder / line.first.record["log"]).read_text(errors="replace")
    assert "prism" not in log.lower()
    assert not os.path.exists(line.folder / "runs/small/artifacts/_wheels")


def test_the_look_at_listeners_sees_one(listening_off_loopback) -> None:
    with socket.create_server(("0.0.0.0", 0)) as server:
        seen = listening_off_loopback(os.getpid())
        assert f"0.0.0.0 {server.getsockname()[1]}" in seen


def test_bad_row_deep_in_the_data_is_one_line_and_exit_2(line, tokenline, tmp_path) -> None:
    (tmp_path / "pipeline_config.yaml").write_text(CONFIG)
    (tmp_path / "data/span-1").mkdir(parents=True)
    rows = [{"source": str(n), "target": f"number {n}", "digits": 1} for n in range(200)]
    rows[150]["target"] = ["a", "list"]
    file = tmp_path / "data/span-1/rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    failed = tokenline("run", cwd=tmp_path)
    assert failed.code == 2
    assert "data/span-1/rows.jsonl:151" in failed.err
    assert "column 'target'" in failed.err
    assert "Traceback" not in failed.out + failed.err
    assert len(failed.err.strip().splitlines()) == 1


def test_a_version_that_somebody_removed_is_pushed_again(line, tokenline) -> None:
    version = line.folder / "runs/small/serving/2"
    version.rename(line.folder / "taken-away")
    again = tokenline("run", cwd=line.folder)
    assert again.code == 0, again.out + again.err
    assert again.states()["SequenceTrainer"] == "cached"
    assert version.is_dir()


def test_a_withdrawn_model_is_not_pushed_again_and_no_baseline(line, tokenline) -> None:
    back = tokenline("rollback", cwd=line.folder)
    assert (back.code, back.err) == (0, "")
    assert "version 1 is the highest, which is served" in back.out
    again = tokenline("run", cwd=line.folder)
    assert again.code == 3, again.out + again.err
    reason = "withdrawn as version 2: `tokenline rollback --to 2` brings it back"
    assert f"model   not pushed: {reason}" in again.out
    assert overall(again, "baseline") == overall(line.new_span, "baseline")  # version 1
    forth = tokenline("rollback", "--to", "2", cwd=line.folder)
    assert (forth.code, forth.err) == (0, "")
    assert (line.folder / "runs/small/serving/2/saved_model.pb").exists()


def test_committed_schema_that_the_data_break_stops_the_run(line, tokenline, tmp_path) -> None:
    schema = line.output(line.first, "SchemaGen", "schema") / "schema.pbtxt"
    (tmp_path / "schema.pbtxt").write_text(schema.read_text().replace("digits", "digitz"))
    config = CONFIG.replace("  max_source", "  schema: schema.pbtxt\n  max_source", 1)
    (tmp_path / "pipeline_config.yaml").write_text(config.replace("rows: 900", "rows: 60"))
    failed = tokenline("run", cwd=tmp_path)
    assert failed.code == 2, failed.out + failed.err
    assert "digits" in failed.err
    assert "train split" in failed.err
    assert not list(tmp_path.glob("runs/small/artifacts/SequenceTrainer/*/*"))


def test_the_invariance_certificate_of_the_newest_run(line, tokenline) -> None:
    done = tokenline("verify", "--examples", "48", cwd=line.folder)
    assert done.code == 0, done.out + done.err
    assert done.err == ""
    assert done.out.splitlines()[-1].startswith("PASS: ")
    (written,) = line.folder.glob("runs/small/runs/*/certificate.json")
    certificate = json.loads(written.read_text())
    assert certificate["passed"]
    assert certificate["run"] == written.parent.name
    assert certificate["run"] >= line.new_span.record["run"]  # other tests may have run it since
    assert (certificate["rows"], certificate["seed"]) == (48, 0)
    assert [c["compared"] for c in certificate["checks"] if c["status"] != "PASS"] == []
