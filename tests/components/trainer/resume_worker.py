"""Trains a tiny model in child processes that are killed, and writes what came out.

Run as `python resume_worker.py REQUEST.json`: one import of TensorFlow for all the children.
The request: `train`, `eval` (files), `folder`, `options` (of TrainOptions), `kills`: a list of
numbers of batches, at each of which one process is killed; the last process is left alone;
`packed`: a Transformer on packed rows instead of a GRU.
"""

import json
import os
import signal
import sys

import numpy as np

from components.trainer import loop, training
from components.trainer.request import (
    BatchOptions,
    LossOptions,
    ModelOptions,
    TrainOptions,
    TrainRequest,
)
from transform.settings import Settings, Side
from transform.vocabulary import Vocabularies, Vocabulary

VOCABULARIES = Vocabularies({"target": Vocabulary((b"a", b"b", b"c", b"d", b"e"))}, "digest")


def request_of(asked: dict) -> TrainRequest:
    packed = asked.get("packed", False)
    family, packing = ("transformer", "best_fit") if packed else ("gru", "none")
    return TrainRequest(
        train_files=(asked["train"],),
        eval_files=(asked["eval"],),
        transform_graph="",
        vocabulary="",
        serving_folder="",
        settings=Settings(task="lm", target=Side("text", "whitespace", 8)),
        model=ModelOptions(family=family, units=8, feed_forward=8, dropout=0.3),
        loss=LossOptions(),
        batch=BatchOptions(size=16, shapes=3, shuffle_buffer=60, packing=packing),
        train=TrainOptions(**asked["options"]),
        state_folder=os.path.join(asked["folder"], "state"),
        history_folder=os.path.join(asked["folder"], "history"),
    )


def train(asked: dict, kill: int | None) -> None:
    """Train; killed when batch number `kill` is about to be taken, or its results written."""
    take = loop.Loop._take

    def killed(self: loop.Loop, batch: dict) -> None:
        if kill is not None and self._batch == kill:
            os.kill(os.getpid(), signal.SIGKILL)
        take(self, batch)

    loop.Loop._take = killed
    lines: list[str] = []
    model, history = training.train(request_of(asked), VOCABULARIES, lines.append)
    weights = {f"w{i:03}": v.numpy() for i, v in enumerate(model.variables)}
    np.savez(os.path.join(asked["folder"], "weights.npz"), **weights)
    with open(os.path.join(asked["folder"], "history.json"), "w") as file:
        json.dump(history.to_dict() | {"lines": lines}, file)


def main(asked: dict) -> None:
    for kill in [*asked["kills"], None]:
        child = os.fork()
        if not child:
            train(asked, kill)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        assert killed if kill is not None else status == 0, (kill, status)


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        for each in json.load(file):
            main(each)
