"""`cloud`: where and with what the line runs on Vertex or Kubeflow Pipelines. No TensorFlow."""

# `setting` and `required` return dataclasses.field, which the linter cannot see through:
# ruff: noqa: RUF009

import dataclasses

from pipeline.config.beam import (
    IMAGE,
    IMAGE_TEXT,
    PROJECT,
    PROJECT_TEXT,
    REGION,
    REGION_TEXT,
    Profile,
)
from pipeline.config.loader import required, setting


@dataclasses.dataclass(frozen=True, kw_only=True)
class ResourcesConfig:
    """What the container of one component gets; what is 0 is the service's default."""

    cpu: float = setting(0.0, "cores", ge=0, le=96)
    memory_gb: float = setting(0.0, "memory in GB", ge=0, le=624)
    accelerator: str = setting("", "kind of GPU or TPU, as NVIDIA_TESLA_T4")
    accelerators: int = setting(0, "how many of them", ge=1, derived="accelerator: 1")

    @property
    def accelerator_count(self) -> int:
        """How many accelerators, also where only their kind is given."""
        return (self.accelerators or 1) if self.accelerator else 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class CloudConfig:
    """A line that is compiled for, and run by, a pipeline service."""

    project: str = setting(
        "", "the Google Cloud project; Vertex needs it",
        pattern=PROJECT, pattern_text=PROJECT_TEXT,
    )  # fmt: skip
    region: str = setting(
        "", "of Vertex, as europe-west4",
        pattern=REGION, pattern_text=REGION_TEXT,
    )  # fmt: skip
    root: str = required("bucket and folder of all runs: gs://bucket/pipelines", path=True)
    data: str = setting(
        "", "folder of the input files there; {SPAN}: the span's number", path=True,
        derived="data.path",
    )  # fmt: skip
    push_to: str = setting(
        "", "folder of model versions there", path=True, derived="<root>/<name>/served"
    )
    image: str = required(
        "container image that has tokenline, as europe-docker.pkg.dev/p/r/t:0.1",
        pattern=IMAGE, pattern_text=IMAGE_TEXT,
    )  # fmt: skip
    images: dict[str, str] = setting({}, "component: an image of its own")
    resources: dict[str, ResourcesConfig] = setting({}, "component: what its container gets")
    labels: dict[str, str] = setting({}, "labels of the jobs")
    service_account: str = setting("", "who the containers run as; '': the project's default")
    network: str = setting("", "projects/<number>/global/networks/<name> that jobs are peered with")
    cache: bool = setting(True, "steps whose inputs were seen before take their earlier outputs")
    beam: Profile | None = setting(
        None, "profile of the section beam for the compiled line", derived="beam.profile"
    )
