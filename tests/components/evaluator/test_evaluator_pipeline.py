"""SequenceEvaluator in a TFX run: Pusher and LatestBlessedModelStrategy understand its blessing."""

import json
import pathlib

import pytest
import tfx.components  # noqa: F401  (before TFMA)
from tfx.components.pusher.component import Pusher
from tfx.dsl.components.common import importer, resolver
from tfx.dsl.input_resolution.strategies.latest_blessed_model_strategy import (
    LatestBlessedModelStrategy,
)
from tfx.orchestration import metadata, pipeline
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.proto import pusher_pb2
from tfx.types import Channel, standard_artifacts

from components.beam_runner import IN_PROCESS
from components.evaluator.component import SequenceEvaluator

pytestmark = pytest.mark.pipeline


def run(folder, model):
    examples = importer.Importer(
        source_uri=str(folder / "examples"),
        artifact_type=standard_artifacts.Examples,
        properties={"split_names": '["eval"]'},
        reimport=False,
    ).with_id("examples")
    candidate = importer.Importer(
        source_uri=str(folder / model), artifact_type=standard_artifacts.Model, reimport=False
    ).with_id("candidate")
    blessed = resolver.Resolver(
        strategy_class=LatestBlessedModelStrategy,
        model=Channel(type=standard_artifacts.Model),
        model_blessing=Channel(type=standard_artifacts.ModelBlessing),
    ).with_id("blessed")
    evaluator = SequenceEvaluator(
        examples=examples.outputs["result"],
        model=candidate.outputs["result"],
        baseline_model=blessed.outputs["model"],
        blessing_rule='{"metric": "masked_token_loss", "margin": 0.0}',
    )
    pusher = Pusher(
        model=candidate.outputs["result"],
        model_blessing=evaluator.outputs["blessing"],
        push_destination=pusher_pb2.PushDestination(
            filesystem=pusher_pb2.PushDestination.Filesystem(base_directory=str(folder / "pushed"))
        ),
    )
    LocalDagRunner().run(
        pipeline.Pipeline(
            pipeline_name="p",
            pipeline_root=str(folder / "root"),
            components=[examples, candidate, blessed, evaluator, pusher],
            metadata_connection_config=metadata.sqlite_metadata_connection_config(
                str(folder / "metadata.db")
            ),
            beam_pipeline_args=list(IN_PROCESS),
        )
    )
    verdicts = (folder / "root").glob("SequenceEvaluator/evaluation/*/verdict.json")
    newest = max(verdicts, key=lambda path: int(path.parent.name))
    return json.loads(newest.read_text()), len(list((folder / "pushed").glob("*")))


def test_bless_push_resolve(tmp_path: pathlib.Path, make_row, make_model, make_examples):
    rows = [make_row((1.0 + index / 20,), (1.0,), (1,)) for index in range(40)]
    make_examples(tmp_path / "examples" / "Split-eval" / "data.gz", rows)
    for name, scale in {"first": 1.0, "worse": 1.5, "better": 0.5}.items():
        make_model(tmp_path / name, scale=scale)
    verdict, pushed = run(tmp_path, "first")
    assert (verdict["blessed"], verdict["baseline_status"], pushed) == (True, "none", 1)
    verdict, pushed = run(tmp_path, "worse")
    assert (verdict["blessed"], verdict["baseline_status"], pushed) == (False, "used", 1)
    # Compared with the first model, which is the last one blessed: 2.0 * 0.5 against 2.0, nearly.
    verdict, pushed = run(tmp_path, "better")
    assert (verdict["blessed"], verdict["baseline_status"], pushed) == (True, "used", 2)
    assert "0.9875 after 1.975, a change of -0.9875" in verdict["reasons"][1]
