"""The sections of the config that a submission needs."""

from components.errors import InputError
from pipeline.config import Config
from pipeline.config_cloud import CloudConfig


def cloud_of(config: Config) -> CloudConfig:
    """The section `cloud`.

    Raises:
      InputError: there is none.
    """
    if config.cloud is None:
        raise InputError("cloud: got none, expected a section of the config: docs/submitting.md")
    return config.cloud
