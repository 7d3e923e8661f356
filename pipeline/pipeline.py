"""create_pipeline: the whole line; its nodes are made in `data_stages` and `model_stages`."""

from typing import TYPE_CHECKING

from tfx import components as tfx_components
from tfx.dsl.components.base.base_node import BaseNode
from tfx.orchestration import pipeline

from pipeline import data_stages, model_stages
from pipeline.config import Config
from pipeline.here import Here
from pipeline.inputs import RunInputs
from pipeline.paths import RunPaths

if TYPE_CHECKING:
    from pipeline.kubeflow.line import CloudLine


def create_pipeline(
    config: Config,
    inputs: RunInputs,
    paths: RunPaths,
    *,
    base_vocabulary: str = "",
    input_key: str = "",
    base_model: str = "",
    last_failed_check: int = 0,
    last_lost_push: int = 0,
    span_before: str = "",
    run_key: str = "",
    cloud: "CloudLine | None" = None,
) -> pipeline.Pipeline:
    """The whole line, here or in the cloud.

    Args:
      config: the user's file.
      inputs: the spans and files of this run; in the cloud those of `cloud`.
      paths: where artifacts and metadata go.
      base_vocabulary: folder of the vocabulary to extend, or "".
      input_key: hash of what the vocabulary is made from, see `vocabulary_state`.
      base_model: folder of the model to start from, or ""; see `base_model`.
      last_failed_check, last_lost_push: see `store`: what must not come from the cache after those.
      span_before: folder of the statistics to hold new spans against, or ""; see `span_checks`.
      run_key: what retrain knows this run by, or ""; what is pushed is noted under it.
      cloud: what finds out there what all the others say here, which are then left out.
    """
    settings = data_stages.settings(config, inputs, paths).to_json()
    world = cloud or Here(
        config=config,
        inputs=inputs,
        paths=paths,
        base_vocabulary=base_vocabulary,
        input_key=input_key,
        base_model=base_model,
        last_lost_push=last_lost_push,
        run_key=run_key,
    )
    window = data_stages.span_window(config, inputs)
    earlier = world.earlier(window)
    examples = data_stages.examples(inputs, window, earlier)
    statistics = tfx_components.StatisticsGen(examples=examples.outputs["examples"])
    schema = data_stages.schema(config, statistics, world)
    validator = data_stages.validator(statistics, schema)
    key = world.data_key_of_checks
    span_check = data_stages.span_check(
        config, inputs, examples, window, validator, span_before, key
    )
    vocabulary = data_stages.vocabulary(config, examples, settings, earlier)
    for node in (validator, *span_check):  # nothing is built on data with anomalies
        vocabulary.add_upstream_node(node)
    transform = data_stages.transform(examples, schema, vocabulary, settings)
    tuner = model_stages.tuner(config, transform, vocabulary, settings, earlier)
    trainer = model_stages.trainer(
        config, examples, transform, vocabulary, settings, earlier, tuner, world.train_steps
    )
    evaluator = model_stages.evaluator(config, examples, vocabulary, trainer, earlier)
    check = model_stages.serving_check(
        config, examples, transform, trainer, evaluator, last_failed_check
    )
    pusher = model_stages.pusher(config, trainer, evaluator, check, world.push)
    data: list[BaseNode] = [window, examples, statistics, schema, validator, *span_check]
    model = [*earlier.nodes, *tuner, trainer, evaluator, *check, pusher]
    return pipeline.Pipeline(
        pipeline_name=config.pipeline.name,
        pipeline_root=world.root,
        components=[*data, vocabulary, transform, *model],
        enable_cache=world.caches,
        metadata_connection_config=world.connection,
        beam_pipeline_args=world.beam_arguments,
    )
