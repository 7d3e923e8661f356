"""The served `score` of a few rows against what the trainer computed before it exported the model."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from components import model_facts
from components.serving_check import answers
from components.serving_check.process import Answer
from components.serving_check.rows import Row
from components.serving_check.verdict import Check

NAME = "trainer"
_SUMS = ("loss_sum", "weight_sum")


@dataclass(frozen=True)
class OwnScores:
    """(shard, row), both from 0, of the split `eval` -> `loss_sum` and `weight_sum`.

    `problem`: why there is nothing to compare with.
    """

    by_row: Mapping[tuple[int, int], Answer]
    problem: str = ""


def read(model: str) -> OwnScores:
    """What the trainer left in the model's folder."""
    path = os.path.join(model, model_facts.TRAINER_SCORES)
    if not tf.io.gfile.exists(path):
        return OwnScores({}, f"{model} holds no {model_facts.TRAINER_SCORES}")
    try:
        with tf.io.gfile.GFile(path) as file:
            rows = json.load(file)["rows"]
        found = {
            (each["shard"], each["row"]): {
                name: np.asarray(each[name], np.float32) for name in _SUMS
            }
            for each in rows
        }
    except (ValueError, KeyError, TypeError) as error:
        return OwnScores({}, f"{path}: got {type(error).__name__}: {error}, expected rows of sums")
    return OwnScores(found)


def compare(own: OwnScores, rows: Sequence[Row], served: Sequence[Answer | str]) -> Check:
    """The check `trainer`.

    Args:
      own: what the trainer computed.
      rows: what was asked; those that `own` does not know are passed over.
      served: the answer of `score` to each.
    """
    known = [at for at, row in enumerate(rows) if row.at in own.by_row]
    problem = own.problem or ("" if known else "no row of the trainer's was asked")
    if problem:
        return Check(NAME, False, f"nothing to compare with: {problem}")
    found = [(at, _sums(served[at])) for at in known]
    differing = answers.differences(found, [own.by_row[rows[at].at] for at in known])
    if differing:
        return Check(NAME, False, f"score, {answers.told(differing, [row.place for row in rows])}")
    text = f"{len(known)} rows: score = what the trainer computed before the export"
    return Check(NAME, True, f"{text}, to {answers.TOLERANCE:g}")


def _sums(answer: Answer | str) -> Answer | str:
    if isinstance(answer, str):
        return answer
    return {name: answer[name] for name in _SUMS if name in answer}
