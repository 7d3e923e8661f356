"""What tables call an example: its file and line where ExampleGen has noted them."""

import json

import pytest
import tensorflow as tf

from components.evaluator import identity
from components.evaluator.places import places
from components.example_gen.places import PlaceWriter

ROWS = [b"one", b"two", b"one", b"three"]


@pytest.fixture
def folder(tmp_path):
    """An artifact of two shards of one split, and the report that knows their lines."""
    shards = []
    for name, rows, lines in (
        ("a.gz", ROWS, [(0, 1), (0, 2), (0, 5), (1, 7)]),
        ("b.gz", [b"four"], [(1, 8)]),
    ):
        path = tmp_path / "examples" / "Split-eval" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
            for row in rows:
                writer.write(row)
        noted = PlaceWriter(str(tmp_path / f"{name}.lines"))
        for file, line in lines:
            noted.add(file, line)
        noted.close()
        shard = {"split": "eval", "name": f"Split-eval/{name}", "rows": len(rows)}
        shards.append(shard | {"span": 1, "lines": f"{name}.lines"})
    report = {"files": [{"path": "data/x.jsonl"}, {"path": "data/y.jsonl"}], "shards": shards}
    (tmp_path / "report.json").write_text(json.dumps(report))
    return tmp_path


def test_rows_are_named_by_file_and_line(folder):
    wanted = [identity.digest(row).hex() for row in (b"one", b"three", b"four", b"nowhere")]
    found = places(wanted, [str(folder / "examples/Split-eval/*")], str(folder))
    # Of equal rows it is the first.
    assert found == dict(
        zip(wanted, ["data/x.jsonl:1", "data/y.jsonl:7", "data/y.jsonl:8"], strict=False)
    )


def test_what_is_not_known_is_left_out(folder):
    pattern = [str(folder / "examples/Split-eval/*")]
    assert places([identity.digest(b"one").hex()], pattern, "") == {}
    assert places([identity.digest(b"one").hex()], pattern, str(folder / "examples")) == {}
    report = json.loads((folder / "report.json").read_text())
    report["shards"][0]["rows"] = 5  # the lines are about another number of rows
    (folder / "report.json").write_text(json.dumps(report))
    wanted = [identity.digest(b"one").hex(), identity.digest(b"four").hex()]
    assert places(wanted, pattern, str(folder)) == {wanted[1]: "data/y.jsonl:8"}
