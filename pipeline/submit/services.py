"""Which service a target is; what it needs is imported only then."""

from components.errors import InputError
from pipeline.config import Config
from pipeline.submit.arguments import TARGETS
from pipeline.submit.sections import cloud_of
from pipeline.submit.service import Service


def service_of(config: Config, target: str) -> Service:
    """The service of a target, for a config.

    Raises:
      InputError: the config lacks what the service needs.
    """
    if target == "vertex":
        from pipeline.submit.vertex_service import VertexService

        return VertexService(cloud_of(config))
    if target == "kubeflow":
        from pipeline.submit.kubeflow_service import KubeflowService

        return KubeflowService(cloud_of(config), config.kubeflow)
    raise InputError(f"--target: got {target!r}, expected one of {', '.join(TARGETS)}")
