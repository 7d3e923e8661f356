"""A small pipeline of its own process: `python store_worker.py CONFIG`. Prints TFX's id of the run."""

import sys

from tfx.orchestration import pipeline

import components as ours
from pipeline import inputs, local_runner, paths
from pipeline.config import load_config
from pipeline.store import owner
from pipeline.store.connection import store_of


def main(file: str) -> None:
    config = load_config(file)
    kept, where = store_of(config), paths.new_run(config)
    owner.claim(kept, where.pipeline)
    examples = ours.ExampleGen(**inputs.resolve(config).example_gen, code_hash="x")
    line = pipeline.Pipeline(
        pipeline_name=config.pipeline.name,
        pipeline_root=where.artifacts,
        components=[examples],
        enable_cache=True,
        metadata_connection_config=kept.connection(),
    )
    run, nodes = local_runner.run(line, lambda node: None)
    print(run, nodes[0].state)


if __name__ == "__main__":
    main(sys.argv[1])
