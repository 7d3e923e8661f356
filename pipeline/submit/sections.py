"""The sections of the config that a submission needs."""

from pipeline.config import Config
from pipeline.config.cloud import CloudConfig
from pipeline.config.problems import Unsuited


def cloud_of(config: Config) -> CloudConfig:
    """The section `cloud`.

    Raises:
      Unsuited: there is none.
    """
    if config.cloud is None:
        raise Unsuited(
            ("cloud", "missing, expected a section with root and image: docs/submitting.md")
        )
    return config.cloud
