"""A split on disk, and a model and a server that are told what to get wrong."""

import dataclasses
import json
import pathlib
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from components import saved_model
from components.serving_check import clean_process, process
from transform.settings import Settings, Side

SETTINGS = Settings("lm", Side("text", "whitespace", 4))


def raw_row(text):
    example = tf.train.Example()
    example.features.feature["text"].bytes_list.value.append(text.encode())
    return example.SerializeToString()


def transformed_row(ids, weights):
    example = tf.train.Example()
    example.features.feature["targets"].int64_list.value.extend(ids)
    example.features.feature["loss_weights"].float_list.value.extend(weights)
    return example.SerializeToString()


def features_of(raw):
    """What Transform makes of a row here: its first four bytes and their weights."""
    text = tf.train.Example.FromString(raw).features.feature["text"].bytes_list.value[0]
    ids = [*text[:4]]
    missing = 4 - len(ids)
    return ids + [0] * missing, [0.1] * len(ids) + [0.0] * missing


@pytest.fixture
def write_split(tmp_path):
    """Write shards of texts, raw and transformed; returns the two folders."""

    def write(shards):
        folders = tmp_path / "raw" / "Split-eval", tmp_path / "transformed" / "Split-eval"
        for folder in folders:
            folder.mkdir(parents=True)
        for at, texts in enumerate(shards):
            rows = [raw_row(text) for text in texts]
            made = [transformed_row(*features_of(row)) for row in rows]
            for folder, each in zip(folders, (rows, made), strict=True):
                with tf.io.TFRecordWriter(str(folder / f"part-{at}.gz"), "GZIP") as file:
                    for row in each:
                        file.write(row)
        return str(folders[0]), str(folders[1])

    return write


def trained_on(shard, texts):
    """What the trainer computed of the rows of a shard: what `FakeModel` says of them."""
    said = FakeModel()._said([raw_row(text) for text in texts])
    return [
        {"shard": shard, "row": at}
        | {name: float(said[name][at]) for name in ("loss_sum", "weight_sum")}
        for at in range(len(texts))
    ]


@dataclasses.dataclass
class FakeModel:
    """Answers with the bytes of its rows; a test replaces parts of it.

    `change` is called with signature, rows and outputs; it may change the outputs, or raise.
    """

    change: object = lambda name, rows, outputs: None

    def signature(self, name):
        argument = "text" if name in ("serving_text", "generate") else "examples"

        def call(**given):
            rows = given[argument].numpy().tolist()
            outputs = self._transformed(rows) if name == "transform_features" else self._said(rows)
            self.change(name, rows, outputs)
            return {key: tf.constant(value) for key, value in outputs.items()}

        return _Signature(call, argument)

    @property
    def signatures(self):
        names = ("serving_default", "serving_text", "generate", "score", "transform_features")
        return {name: self.signature(name) for name in names}

    def _transformed(self, rows):
        made = [features_of(row) for row in rows]
        return {
            "targets": np.array([ids for ids, _ in made], np.int64),
            "loss_weights": np.array([weights for _, weights in made], np.float32),
        }

    def _said(self, rows):
        width = max(1, *(len(row) for row in rows))
        ids = np.zeros((len(rows), width), np.int64)
        for at, row in enumerate(rows):
            ids[at, : len(row)] = [*row]
        return {
            "ids": ids,
            "lengths": np.array([len(row) for row in rows], np.int64),
            "log_probability": -ids.sum(axis=1).astype(np.float32) / 100,
            "truncated": np.array([len(row.split()) > 3 for row in rows]),
            "loss_sum": ids.sum(axis=1).astype(np.float32) / 10,
            "weight_sum": np.array([len(row) for row in rows], np.float32),
        }


class _Signature:
    def __init__(self, call, argument):
        self._call = call
        self.structured_input_signature = ((), {argument: None})

    def __call__(self, **given):
        return self._call(**given)


@pytest.fixture
def serve(monkeypatch, tmp_path):
    """Let two models stand in: one is served, one is the trainer's; returns the model's folder."""

    def set_up(served, here=None, *, failed="", p95=5.0, memory=700.0, trained=()):
        folder = tmp_path / "model"
        (folder / "assets.extra").mkdir(parents=True)
        facts = {"settings": json.loads(SETTINGS.to_json()), "needs": []}
        (folder / "assets.extra" / "tokenline.json").write_text(json.dumps(facts))
        (folder / "assets.extra" / "trainer_scores.json").write_text(json.dumps({"rows": trained}))
        monkeypatch.setattr(saved_model, "load", lambda path: here or FakeModel())

        class Server:
            def __init__(self, request):
                self._request = request

            def __enter__(self):
                return self

            def __exit__(self, *error):
                return None

            def reply(self, timeout):
                if failed:
                    return process.Reply(failed=failed)
                return process.Reply(
                    answers=tuple(
                        process.answers_here(served.signatures, self._request, self._request.calls)
                    ),
                    latency_ms={
                        "1": {"median": 2.0, "p95": p95 / 2},
                        "2": {"median": 2.0, "p95": p95},
                    },
                    memory_mb=memory,
                )

        monkeypatch.setattr(process, "Server", Server)
        return str(folder)

    return set_up


@pytest.fixture
def fakes():
    """What the tests need of this file: they cannot import it."""
    return SimpleNamespace(
        Model=FakeModel,
        raw_row=raw_row,
        trained_on=trained_on,
        clean=pathlib.Path(clean_process.__file__),
    )
