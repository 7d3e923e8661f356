"""Where things are for a retrain whose runs are jobs in the cloud. No TensorFlow.

<cloud.root>/<name>/retrain/ledger.json      see `object_ledger`
                           /lease.json       who is at work, see `lease`
<cloud.root>/<name>/runs/<key>/order.json    what a job was submitted for, see `cloud_orders`
                              /outcome.json  how it ended, written by its Pusher
                        /<job>/outcome.json  why a job failed, written by the step that did
"""

import dataclasses
import os

from pipeline import paths
from pipeline.config import Config
from pipeline.kubeflow import parameters, refusals


def in_cloud(config: Config) -> Config:
    """The configuration as the runs read it: where they are jobs in the cloud, data and models are there.

    Raises:
      InputError: it cannot be compiled for the cloud; a line for each reason.
    """
    if config.retrain.runner == "local":
        return config
    cloud = refusals.check(config, config.retrain.runner)
    return dataclasses.replace(
        config,
        data=dataclasses.replace(config.data, path=cloud.data, generator=None),
        serving=dataclasses.replace(config.serving, push_to=cloud.push_to),
    )


def home(config: Config) -> str:
    """The folder of all that a pipeline's retrains share."""
    if config.retrain.runner == "local":
        return paths.pipeline_folder(config)
    assert config.cloud is not None
    return f"{config.cloud.root}/{config.pipeline.name}"


def runs_folder(config: Config) -> str:
    """Of all runs in the cloud."""
    assert config.cloud is not None
    return parameters.outcomes(config, config.cloud)


def run_folder(config: Config, key: str) -> str:
    """Of the order and the outcome of a run in the cloud."""
    return os.path.join(runs_folder(config), key)
