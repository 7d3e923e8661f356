"""Pieces that ExampleGen learns before it cuts: from which words, and that workers do not matter."""

import json
import pathlib
from collections import Counter

import pytest
import sentencepiece
import tensorflow as tf
from tfx.components import StatisticsGen  # noqa: F401  (before TFDV: see facts on the import bug)
from tfx.types import artifact_utils, standard_artifacts

from components.artifacts import IngestReport, Subwords
from components.beam_runner import IN_PROCESS
from components.errors import InputError
from components.example_gen import excess, first_pass, ingest
from components.example_gen.component import ExampleGen
from components.example_gen.executor import Executor
from components.example_gen.files import input_files
from components.example_gen.request import parse_request
from components.subwords import words
from transform.settings import Settings, Side
from transform.vocabulary import Vocabularies, Vocabulary

SPLIT = {"train": "train*", "eval": "eval*"}
COLUMNS = {"text": "text", "source": "text?"}


def parameters(side, *, policy="window", source=None, stride=5, vocab_size=330, **more):
    changes = {name: more.pop(name) for name in ("share_vocabulary",) if name in more}
    settings = Settings("lm", side, source, **changes)
    sequences = {"policy": policy, "settings": settings.to_json(), "vocab_size": vocab_size}
    if policy == "window":
        sequences["window"] = {"stride": stride}
    values = {"input_base": "data", "format": "jsonl", "columns": COLUMNS, "split": SPLIT}
    values |= {"sequences": sequences} | more
    return {k: json.dumps(v) if isinstance(v, dict | list) else v for k, v in values.items()}


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Writes rows into files of `data`."""
    monkeypatch.chdir(tmp_path)
    pathlib.Path("data").mkdir()

    def write(**files):
        for name, rows in files.items():
            rows = [row if isinstance(row, dict) else {"text": row} for row in rows]
            text = "".join(json.dumps(row) + "\n" for row in rows)
            pathlib.Path("data", f"{name}.jsonl").write_text(text)

    return write


@pytest.fixture
def run(tmp_path):
    """Runs `Do`; returns (examples, subwords) artifacts."""

    def call(values, name="out", keeps=False):
        outputs = [standard_artifacts.Examples(), IngestReport(), Subwords()]
        for artifact, folder in zip(outputs, ("examples", "report", "subwords"), strict=True):
            artifact.uri = str(tmp_path / name / folder)
        examples, report, subwords = outputs
        into = {"examples": [examples], "ingest_report": [report]}
        if keeps or not values.get("base_vocabulary"):
            into |= {"subwords": [subwords]}
        Executor(Executor.Context(beam_pipeline_args=list(IN_PROCESS))).Do({}, into, values)
        return examples, subwords

    return call


SIDE = Side("text", "sentencepiece", 12)
ROWS = [f"some words, and more of them: {n}" for n in range(40)]


def windows(examples, split="train"):
    """(text, tokens of context) of each row, in order."""
    (uri,) = artifact_utils.get_split_uris([examples], split)
    found = []
    for record in tf.data.TFRecordDataset(sorted(tf.io.gfile.glob(f"{uri}/*")), "GZIP"):
        row = tf.train.Example.FromString(record.numpy()).features.feature
        context = row["_context_length"].int64_list.value[0]
        found.append((row["text"].bytes_list.value[0].decode(), context))
    return found


def counted(tmp_path, request, unit_bytes=ingest.UNIT_BYTES):
    """The words that all units have counted, and the units."""
    units = ingest.plan_units(
        input_files(request.input_base, (), "jsonl", split=request.split).files,
        unit_bytes=unit_bytes,
    )
    for unit in units:
        first_pass.count_unit(unit, request=request, folder=str(tmp_path))
    found = words.total(str(tmp_path / f"words.{unit.index:05d}.json") for unit in units)
    return found, units


def test_the_words_of_good_rows_of_the_training_split_count(tmp_path, data):
    source = Side("source", "wordpiece", 9, lowercase=True)
    data(
        train1=[{"text": "a b", "source": "Don't"}, {"text": ""}, "b"],
        train2=["\u05d0 a"],
        eval=["unseen"],
    )
    values = parameters(SIDE, policy="drop", source=source, max_bad_rows=1)
    found, _ = counted(tmp_path, parse_request(values))
    assert found["target"] == Counter({b"a": 1, b" b": 1, b"b": 1, b" a": 1, "\u05d0".encode(): 1})
    assert found["source"] == Counter({b"don": 1, b"'": 1, b"t": 1})


def test_a_side_with_a_file_is_not_counted(tmp_path, data):
    data(train=["a"], eval=["a"])
    pathlib.Path("pieces.txt").write_text("a\n")
    source = Side("text", "wordpiece", 9, subwords="pieces.txt")
    values = parameters(SIDE, policy="drop", source=source)
    assert counted(tmp_path, parse_request(values))[0] == {"target": Counter({b"a": 1})}


def test_units_and_batches_do_not_matter(tmp_path, data, monkeypatch):
    data(train1=ROWS[:10], train2=ROWS[10:], eval=ROWS[:3])
    request = parse_request(parameters(SIDE))
    made = []
    for unit_bytes, rows in ((1 << 20, 1024), (1, 1024), (1, 3)):
        monkeypatch.setattr(excess, "BATCH_ROWS", rows)
        folder = tmp_path / f"{unit_bytes}-{rows}"
        folder.mkdir()
        counts, units = counted(folder, request, unit_bytes)
        first_pass.learn(units, request, folder=str(folder), into=str(folder / "pieces"))
        model = (folder / "pieces/target.sentencepiece.model").read_bytes()
        made.append((counts, model))
    assert len(units) == 3
    assert made[0] == made[1] == made[2]


def test_windows_are_cut_with_what_was_learned(data, run):
    data(train=ROWS, eval=ROWS[:2])
    values = parameters(SIDE)
    examples, subwords = run(values)
    file = f"{subwords.uri}/target.sentencepiece.model"
    model = sentencepiece.SentencePieceProcessor(model_file=file)
    read = [p for text, context in windows(examples) for p in model.encode(text)[context:]]
    assert read == [piece for row in ROWS for piece in model.encode(row)]
    assert {path.name for path in pathlib.Path(examples.uri).iterdir()} == {
        "Split-train",
        "Split-eval",
    }


def test_sides_that_share_learn_once_and_drops_follow(data, run):
    rows = [{"text": f"{n} words", "source": f"{n} " * 30 if n == 7 else f"{n}"} for n in range(40)]
    data(train=rows, eval=rows[:2])
    source = Side("source", "sentencepiece", 20)
    values = parameters(SIDE, policy="drop", source=source, share_vocabulary=True)
    _, subwords = run(values)
    models = [path.read_bytes() for path in sorted(pathlib.Path(subwords.uri).iterdir())]
    assert len(models) == 2
    assert models[0] == models[1]


def test_the_pieces_of_an_earlier_vocabulary_are_kept(tmp_path, data, run):
    data(train=ROWS, eval=ROWS[:2])
    _, subwords = run(parameters(SIDE))
    content = pathlib.Path(subwords.uri, "target.sentencepiece.model").read_bytes()
    side = Vocabulary((b"x",), subword_file="target.sentencepiece.model", subwords=content)
    base = str(tmp_path / "base")
    Vocabularies({"target": side}, "i").write(base)
    others = ["entirely different texts in another alphabet \u05d0\u05d1 " * 3] * 9
    data(train=others, eval=others[:1])
    examples, _ = run(parameters(SIDE, base_vocabulary=base), "later")
    model = sentencepiece.SentencePieceProcessor(model_proto=content)
    read = [p for text, context in windows(examples) for p in model.encode(text)[context:]]
    assert read == [piece for row in others for piece in model.encode(row)]
    # In the cloud it is not known when the line is made whether there is an earlier vocabulary.
    _, again = run(parameters(SIDE, base_vocabulary=base), "kept", keeps=True)
    kept = pathlib.Path(again.uri, "target.sentencepiece.model")
    assert kept.read_bytes() == content
    pathlib.Path(base, "target.jsonl").write_text("")
    with pytest.raises(ValueError, match="permuted, truncated or edited"):
        run(parameters(SIDE, base_vocabulary=base), "edited")


@pytest.mark.parametrize(
    ("rows", "changes", "message"),
    [
        (ROWS, {"vocab_size": 250}, "column 'text': got 250 ids (data.vocab_size), expected at le"),
        (["\0", "\0"], {}, "column 'text': found no word in the training split"),
        (["a", "", "b"], {}, "data/train.jsonl:2: column 'text': got an empty string"),
    ],
    ids=["too small", "no word", "bad row"],
)
def test_what_cannot_be_learned_leaves_nothing(tmp_path, data, run, rows, changes, message):
    data(train=rows, eval=["a"])
    with pytest.raises(InputError) as caught:
        run(parameters(SIDE, **changes))
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []


def test_the_component_puts_out_pieces_where_it_learns_them():
    values = {"fingerprint": "", "code_hash": "", **parameters(SIDE)}
    assert set(ExampleGen(**values).outputs) == {"examples", "ingest_report", "subwords"}
    kept = ExampleGen(**values, base_vocabulary="somewhere")
    assert set(kept.outputs) == {"examples", "ingest_report"}
    # A parameter that another node's output is, whichever.
    later = ExampleGen(**values).outputs["subwords"].future()[0].value
    known_later = ExampleGen(**values, base_vocabulary=later)
    assert set(known_later.outputs) == {"examples", "ingest_report", "subwords"}
    with pytest.raises(InputError, match=r"data\.vocab_size: got None, expected an integer of 1"):
        ExampleGen(**values | parameters(SIDE, vocab_size=None))
