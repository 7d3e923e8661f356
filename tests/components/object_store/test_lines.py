"""Every executor of a line, called with addresses: it writes what it writes here, and nothing elsewhere."""

import json
import os
import pathlib
import random
import re
import tempfile
from types import SimpleNamespace

import pytest
import tensorflow as tf
import tfx.components  # noqa: F401  (before TFDV and TFMA)
from store_line import Line, copy_tree, mend_listings, nodes_of, tree
from tfx.types import standard_artifacts

from components import storage
from components.trainer import starting_point, training
from components.trainer.history import History
from pipeline import sample_data

SEQ2SEQ = """
pipeline: {name: numbers, root: runs}
task: seq2seq
data:
  path: "data/span-{SPAN}"
  spans: all
  generator: {name: numbers, rows: 60}
  max_source_length: 12
  max_target_length: 14
  max_lost_tokens: 0.5
  drift: {}
transform: {source_tokenizer: character}
model: {units: 8}
batch: {size: 16}
train: {steps: 5, checkpoint_steps: 2, tune: {max_trials: 1, epochs: 1, space: {learning_rate: [0.01]}}}
eval: {decode_examples: 4}
serving: {check: {examples: 4, max_batch: 2}, keep_versions: 2}
"""
TAGGING = """
pipeline: {name: tags, root: runs}
task: tagging
data:
  path: "data/span-{SPAN}"
  spans: all
  columns: {tokens: words, tags: kinds}
  max_target_length: 8
transform: {input_chars: 3}
model: {units: 8, family: gru}
batch: {size: 16}
train: {steps: 3, checkpoint_steps: 0}
"""
# What another export or another clock writes in another way, and cannot be held against the first.
EXPORTED = re.compile(r".*/(saved_model\.pb|fingerprint\.pb|variables/variables\..*)")
CLOCKS = re.compile(r".*/(history\.json|metrics\.jsonl|events\..*)")


def write_tags(folder: pathlib.Path) -> None:
    dice = random.Random(3)
    for span in (1, 2):
        (folder / f"data/span-{span}").mkdir(parents=True)
        with open(folder / f"data/span-{span}/rows.jsonl", "w") as file:
            for _ in range(60):
                words = dice.choices(["ab", "bc", "12", "34"], k=dice.randint(1, 8))
                kinds = ["D" if word.isdigit() else "L" for word in words]
                file.write(json.dumps({"words": words, "kinds": kinds}) + "\n")


def write_numbers(folder: pathlib.Path) -> None:
    for span in (1, 2):
        sample_data.write_span(str(folder / f"data/span-{span}"), span, rows=60, seed=1)


@pytest.fixture(scope="module", params=["seq2seq", "tagging"])
def ran(request, tmp_path_factory):
    """The same line here and at ram://, and the folders in which nothing may be left."""
    folder = tmp_path_factory.mktemp(request.param)
    seq2seq = request.param == "seq2seq"
    (write_numbers if seq2seq else write_tags)(folder)
    nodes = nodes_of(folder, SEQ2SEQ if seq2seq else TAGGING)
    here, ram = Line(nodes, str(folder / "here")), Line(nodes, f"ram://{folder.name}")
    scratch, empty = folder / "scratch", folder / "empty"
    scratch.mkdir()
    empty.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        mend_listings(patch)
        patch.setattr(tempfile, "tempdir", str(scratch))
        patch.setenv("TMPDIR", str(scratch))
        patch.chdir(empty)
        for line in (here, ram):
            copy_tree(str(folder / "data"), f"{line.root}/data")
            run(line, here, seq2seq=seq2seq)
        yield SimpleNamespace(here=here, ram=ram, scratch=scratch, empty=empty, seq2seq=seq2seq)


def run(line: Line, here: Line, *, seq2seq: bool) -> None:
    """The line once; what takes long and nothing is held against, at the address only."""
    base = {"input_base": f"{line.root}/data/span-{{SPAN}}"}
    line.call("SpanWindow", **base, spans="latest:2", fingerprint="")
    line.call("ExampleGen", **base)
    for name in ("StatisticsGen", "SchemaGen"):
        line.call(name) if line is here else line.copy(here, name)
    line.call("ExampleValidator")
    if seq2seq:
        line.call("SpanCheck")
    line.call("VocabularyGen")
    line.call("Transform")
    line.call("SequenceTrainer")
    model = line.outputs["SequenceTrainer"]["model"]
    if seq2seq:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(training, "train", as_if_trained)
            line.call("Tuner", {"base_model": model})
        if line is not here:
            line.call("ServingCheck")
            line.call("SequenceEvaluator")
    else:
        line.call("SequenceEvaluator", {"baseline_model": model})
    blessing = standard_artifacts.ModelBlessing()
    blessing.set_int_custom_property("blessed", 1)
    line.call("Pusher", {"model_blessing": [blessing]}, push_destination=f"{line.root}/served")


def as_if_trained(request, vocabularies, report):
    """A trial of the search, which reads the base model and no more."""
    del vocabularies, report
    point = starting_point.read(f"{request.base_model}/{starting_point.FOLDER}")
    assert list(storage.names(os.path.dirname(request.train_files[0])))
    loss = sum(float(abs(value).sum()) for value in point.weights.values())
    return None, History(steps=3, validation={"masked_token_loss": loss})


def shown(line: Line, name: str, key: str) -> dict[str, bytes]:
    """What an artifact holds, without the names of the line's own place and of event files."""
    found = tree(line.one(name, key).uri)
    return {
        re.sub(r"tfevents\.\d+", "tfevents", f"{key}/{file}"): content.replace(
            line.root.encode(), b"ROOT"
        )
        for file, content in found.items()
    }


def test_every_file_is_there_and_holds_the_same_bytes(ran) -> None:
    compared = 0
    for name, outputs in ran.here.outputs.items():
        for key in outputs:
            here, there = (shown(line, name, key) for line in (ran.here, ran.ram))
            assert here.keys() == there.keys(), name
            for file in here:
                if not EXPORTED.fullmatch(file) and not CLOCKS.fullmatch(file):
                    assert here[file] == there[file], f"{name}: {file}"
                    compared += 1
    assert compared > 30


def test_artifacts_say_the_same_of_themselves(ran) -> None:
    def said(line: Line) -> list[dict[str, str]]:
        return [
            {
                key: str(value).replace(line.root, "ROOT")
                for key, value in artifact.mlmd_artifact.custom_properties.items()
                if not key.endswith("_id")
            }
            for name in ran.here.outputs
            for (artifact,) in line.outputs[name].values()
        ]

    assert said(ran.here) == said(ran.ram)


def without_clocks(found: dict) -> dict:
    clocks = {"time", "seconds", "useful_tokens_per_second", "goodput", "first_step"}
    return {
        key: [without_clocks(each) for each in value] if key == "points" else value
        for key, value in found.items()
        if key not in clocks
    }


def test_the_same_numbers_were_written_while_training(ran) -> None:
    lines, histories, losses = [], [], []
    for line in (ran.here, ran.ram):
        uri = line.one("SequenceTrainer", "history").uri
        files = tree(uri)
        lines.append(
            [without_clocks(each) for each in map(json.loads, files["metrics.jsonl"].splitlines())]
        )
        histories.append(without_clocks(json.loads(files["history.json"])))
        (events,) = (name for name in files if name.startswith("tensorboard/train/"))
        records = tf.data.TFRecordDataset(f"{uri}/{events}").as_numpy_iterator()
        found = [tf.compat.v1.Event.FromString(record) for record in records]
        losses.append([each.summary for each in found])
    assert lines[0] == lines[1]
    assert losses[0] == losses[1]
    assert histories[0] == histories[1]
    assert len([each for each in lines[1] if each["kind"] == "train"]) == (5 if ran.seq2seq else 3)


def test_a_remote_model_was_searched_from_checked_and_pushed(ran) -> None:
    pushed = ran.ram.one("Pusher", "pushed_model")
    version = f"{ran.ram.root}/served/1"
    assert pushed.get_string_custom_property("pushed_destination") == version
    model = ran.ram.one("SequenceTrainer", "model").uri
    assert tree(version) == tree(f"{model}/Format-Serving")
    assert [name for name in tree(f"{ran.ram.root}/served") if not name.startswith("1/")] == []
    if ran.seq2seq:
        (trial,) = json.loads(tree(ran.ram.one("Tuner", "best_hyperparameters").uri)["trials.json"])
        assert (trial["values"], trial["reason"]) == ({"learning_rate": 0.01}, "")
        verdict = tree(ran.ram.one("ServingCheck", "blessing").uri)
        assert "INFRA_BLESSED" in verdict, verdict["serving_check.json"]
        decoded = tree(ran.ram.one("SequenceEvaluator", "evaluation").uri)["decoded.json"]
        assert json.loads(decoded)


def test_nothing_is_left_in_the_working_directory_or_among_temporary_files(ran) -> None:
    assert os.listdir(ran.empty) == []
    # Those of TensorFlow go with the process.
    passing = ("__autograph_", "__pycache__")
    left = [name for name in os.listdir(ran.scratch) if not name.startswith(passing)]
    assert left == []


def test_no_state_of_a_training_that_is_done_is_left(ran) -> None:
    assert [name for name in tree(ran.ram.root) if "/state/" in name] == []
