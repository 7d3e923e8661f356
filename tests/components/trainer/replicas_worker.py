"""Trains tiny models in a process of its own, on replicas or without; writes what came out.

Run as `python replicas_worker.py REQUEST.json`. The request: `train`, `eval` (files), `folder` (of
the results), `units`: whether to compare single updates first, and `runs`: name -> {`model`, `loss`,
`options`: of a TrainRequest; `state`: its state folder, if any; `stop`: the batch before which the
run breaks off, if any}.
"""

import json
import os
import sys

import numpy as np

from components.trainer import distribution, loop, training
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


class Stopped(Exception):
    """A run that breaks off."""


def request_of(asked: dict, run: dict) -> TrainRequest:
    return TrainRequest(
        train_files=(asked["train"],),
        eval_files=(asked["eval"],),
        transform_graph="",
        vocabulary="",
        serving_folder="",
        settings=Settings(task="lm", target=Side("text", "whitespace", 8)),
        model=ModelOptions(**{"units": 8, "heads": 2, "feed_forward": 16} | run.get("model", {})),
        loss=LossOptions(**run.get("loss", {})),
        batch=BatchOptions(size=13, shapes=2),
        train=TrainOptions(**run["options"]),
        state_folder=run.get("state", ""),
    )


def train(asked: dict, name: str, run: dict) -> None:
    request = request_of(asked, run)
    lines: list[str] = []
    found: dict = {"chief": distribution.is_chief(request.train), "lines": lines, "error": ""}
    weights = {}
    take = loop.Loop._take

    def stopping(self: loop.Loop, batch: dict) -> None:
        if self._batch == run.get("stop"):
            raise Stopped
        take(self, batch)

    loop.Loop._take = stopping
    try:
        model, history = training.train(request, VOCABULARIES, lines.append)
        found |= history.to_dict()
        weights = {f"w{i:03}": v.numpy() for i, v in enumerate(model.trainable_variables)}
    except (FloatingPointError, ValueError, Stopped) as error:
        found["error"] = f"{type(error).__name__}: {error}"
    finally:
        loop.Loop._take = take
    np.savez(os.path.join(asked["folder"], f"{name}.npz"), **weights)
    with open(os.path.join(asked["folder"], f"{name}.json"), "w") as file:
        json.dump(found, file)


def main(asked: dict) -> None:
    if asked["units"]:
        import replicas_units

        with open(os.path.join(asked["folder"], "units.json"), "w") as file:
            json.dump(replicas_units.compared(), file)
    for name, run in asked["runs"].items():
        train(asked, name, run)


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        main(json.load(file))
