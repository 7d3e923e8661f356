"""What the network says of a few rows in the trainer's own hands: what is served is held against it.

The rows are the first ones of the split `eval`, as Transform wrote them. Nothing of this passes through
the export, so that an export of other weights, or of another graph, shows.
"""

import json
import os
from typing import Any

import tensorflow as tf

from components import model_facts
from components.trainer import batching, scores
from components.trainer.models import SequenceModel
from components.trainer.objective import Objective
from components.trainer.request import TrainRequest
from components.trainer.training import contract_lengths
from transform import features

ROWS = 16


def write(model: SequenceModel, request: TrainRequest) -> None:
    """Leave `trainer_scores.json` beside the SavedModel: by shard and row, sum w l and sum w."""
    path = os.path.join(request.serving_folder, model_facts.TRAINER_SCORES)
    tf.io.gfile.makedirs(os.path.dirname(path))
    with tf.io.gfile.GFile(path, "w") as file:
        file.write(json.dumps({"rows": of_first_rows(model, request)}, indent=1))


def of_first_rows(model: SequenceModel, request: TrainRequest) -> list[dict[str, Any]]:
    """`shard` and `row` from 0, `loss_sum` (nats), `weight_sum`: one after the other, at most `ROWS`."""
    objective = Objective(model, request.settings, request.loss)
    lengths = contract_lengths(request.settings)
    found: list[dict[str, Any]] = []
    for shard, file in enumerate(sorted(request.eval_files)):
        rows = batching.evaluation_batches([file], lengths, size=1, multiple=1)
        for number, batch in enumerate(rows.take(ROWS - len(found))):
            loss_sum, weight_sum = _sums(model, objective, batch)
            sums = {"loss_sum": loss_sum, "weight_sum": weight_sum}
            found.append({"shard": shard, "row": number} | sums)
        if len(found) == ROWS:
            break
    return found


def _sums(
    model: SequenceModel, objective: Objective, batch: dict[str, tf.Tensor]
) -> tuple[float, float]:
    """(sum w l, sum w) of a batch of one row; a loss that is not finite is said as it is."""
    weights = batch[features.LOSS_WEIGHTS]
    hidden = model.hidden(objective.inputs(batch), training=False)
    losses = scores.of_positions(model, hidden, batch, tf.not_equal(weights, 0)).losses
    return float(scores.loss_sums(losses, weights)[0]), float(tf.reduce_sum(weights))
