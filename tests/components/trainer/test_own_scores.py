"""What the trainer leaves for the serving check: the sums of the first rows, in their order."""

import dataclasses
import json
import pathlib

import numpy as np
import pytest

from components import model_facts
from components.trainer import batching, own_scores, training
from components.trainer.models import build_model
from components.trainer.objective import Objective
from components.trainer.request import (
    BatchOptions,
    LossOptions,
    ModelOptions,
    TrainOptions,
    TrainRequest,
)
from transform.features import Lengths
from transform.settings import Settings, Side
from transform.vocabulary import Vocabularies, Vocabulary

SETTINGS = Settings(
    "seq2seq", Side("target", "whitespace", 8), source=Side("source", "whitespace", 8)
)
VOCABULARY = Vocabulary((b"a", b"b", b"c", b"d", b"e"))
VOCABULARIES = Vocabularies({"source": VOCABULARY, "target": VOCABULARY}, "")


@pytest.fixture(scope="module")
def asked(tmp_path_factory, write_rows, copy_rows) -> TrainRequest:
    """Two shards of the split eval, of 10 and 40 rows."""
    folder = tmp_path_factory.mktemp("data")
    shards = [
        write_rows(folder / f"eval-{at}.gz", copy_rows(rows, seed=at))
        for at, rows in enumerate((10, 40))
    ]
    return TrainRequest(
        train_files=(),
        eval_files=tuple(reversed(shards)),  # the shards' order is that of their names
        transform_graph="",
        vocabulary="",
        serving_folder=str(folder / "model"),
        settings=SETTINGS,
        model=ModelOptions(units=16),
        loss=LossOptions(label_smoothing=0.1),  # which is no part of what is reported
        batch=BatchOptions(),
        train=TrainOptions(),
    )


def test_the_rows_are_the_first_and_their_sums_are_those_of_validation(asked) -> None:
    model = build_model(training.model_spec(asked, VOCABULARIES))
    found = own_scores.of_first_rows(model, asked)
    assert [(each["shard"], each["row"]) for each in found] == [
        *((0, row) for row in range(10)),
        *((1, row) for row in range(6)),
    ]
    objective = Objective(model, SETTINGS, LossOptions())
    for shard, count in ((0, 10), (1, 6)):
        rows = batching.evaluation_batches(
            [sorted(asked.eval_files)[shard]], Lengths(8, 8), size=count, multiple=1
        )
        together = objective.plain(next(iter(rows)))
        of_shard = [each for each in found if each["shard"] == shard]
        sums = [sum(each[name] for each in of_shard) for name in ("loss_sum", "weight_sum")]
        np.testing.assert_allclose(sums, [float(value) for value in together], rtol=1e-6)
    assert len({round(each["loss_sum"], 3) for each in found}) > 10  # not one for all


def test_they_are_left_beside_the_model(asked) -> None:
    model = build_model(training.model_spec(asked, VOCABULARIES))
    own_scores.write(model, dataclasses.replace(asked, eval_files=asked.eval_files[-1:]))
    written = pathlib.Path(asked.serving_folder) / model_facts.TRAINER_SCORES
    assert len(json.loads(written.read_text())["rows"]) == 10
