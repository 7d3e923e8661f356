"""`beam`: where the work of the Beam components and of batch scoring is done. No TensorFlow."""

# `setting` and `required` return dataclasses.field, which the linter cannot see through:
# ruff: noqa: RUF009

import dataclasses
from typing import TYPE_CHECKING, Any, Literal

from pipeline.config.loader import required, setting

if TYPE_CHECKING:
    from pipeline.config.cloud import CloudConfig

Profile = Literal["local", "dataflow", "flink", "spark"]
PROJECT, PROJECT_TEXT = (
    "([a-z0-9.-]+:)?[a-z0-9][a-z0-9-]*",
    "a project's id or number: a-z, 0-9 and '-'",
)
REGION, REGION_TEXT = "[a-z0-9-]+", "a region, such as europe-west4"
IMAGE, IMAGE_TEXT = r"[\w./:@-]+", "an image, as europe-docker.pkg.dev/p/r/t:0.1"
_ADDRESS: dict[str, Any] = {
    "pattern": r"[^\s/:]+:[0-9]{1,5}",
    "pattern_text": "host:port, as jobs.example.org:8099",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class LocalBeamConfig:
    """Beam's in-memory runner, in the process of the step."""

    workers: int = setting(1, "shares of the work that are done at the same time", ge=1, le=256)
    mode: Literal["threads", "processes"] = setting(
        "threads", "of the workers; processes load TensorFlow anew, and talk over loopback"
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataflowConfig:
    """Google Cloud Dataflow; the jobs are started by the steps of a compiled line."""

    image: str = required(
        "what its workers run: an image made with Dockerfile.beam",
        pattern=IMAGE, pattern_text=IMAGE_TEXT,
    )  # fmt: skip
    project: str = setting(
        "", "pays for the jobs", derived="cloud.project",
        pattern=PROJECT, pattern_text=PROJECT_TEXT,
    )  # fmt: skip
    region: str = setting(
        "", "of the jobs, as europe-west4", derived="cloud.region",
        pattern=REGION, pattern_text=REGION_TEXT,
    )  # fmt: skip
    temp_location: str = setting(
        "", "gs:// folder of temporary files", derived="<cloud.root>/<name>/beam/temp"
    )
    staging_location: str = setting(
        "", "gs:// folder of a job's own files", derived="<cloud.root>/<name>/beam/staging"
    )
    machine_type: str = setting(
        "", "of a worker, as n2-standard-4; '': Dataflow's default",
        pattern="[a-z0-9-]+", pattern_text="a name of a-z, 0-9 and '-'",
    )  # fmt: skip
    disk_gb: int = setting(0, "disk of a worker; 0: Dataflow's default", ge=0)
    workers: int = setting(0, "to begin with; 0: as Dataflow thinks fit", ge=0)
    max_workers: int = setting(0, "at most; 0: Dataflow's limit", ge=0)
    autoscaling: Literal["throughput", "none"] = setting(
        "throughput", "none: always as many workers as workers says"
    )
    service_account: str = setting("", "who the workers run as", derived="cloud.service_account")
    network: str = setting(
        "", "of the workers, a network's name; '': the project's default",
        pattern="[a-z0-9-]+", pattern_text="a name of a-z, 0-9 and '-'",
    )  # fmt: skip
    subnetwork: str = setting("", "of the workers: regions/<region>/subnetworks/<name>")
    public_ips: bool = setting(True, "false: workers have internal addresses only")
    labels: dict[str, str] = setting({}, "of the jobs", derived="cloud.labels")


@dataclasses.dataclass(frozen=True, kw_only=True)
class PortableConfig:
    """A cluster that takes jobs over Beam's portable protocol, from a job server."""

    job_server: str = required("address of Beam's job server for the cluster", **_ADDRESS)
    artifacts: str = setting(
        "", "where files are staged, host:port; '': as the job server says", **_ADDRESS
    )
    environment_type: Literal["DOCKER", "EXTERNAL", "LOOPBACK"] = required(
        "DOCKER: containers of an image; EXTERNAL: a worker pool; LOOPBACK: the step's own process"
    )
    environment_config: str = setting(
        "", "DOCKER: the image, made with Dockerfile.beam; EXTERNAL: host:port of the worker pool"
    )
    worker_processes: int = setting(1, "on each machine; 0: as the cluster thinks fit", ge=0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FlinkConfig(PortableConfig):
    """Apache Flink."""

    parallelism: int = setting(
        0, "shares of the work that are done at the same time; 0: the cluster's default", ge=0
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class SparkConfig(PortableConfig):
    """Apache Spark, which decides on the parallelism itself: spark.default.parallelism."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class BeamConfig:
    """Which profile is used here, and what each one is; a section of one not in use may stay."""

    profile: Profile = setting("local", "of run, retrain, score and predict on this machine")
    local: LocalBeamConfig = setting(LocalBeamConfig(), "in the process of the step")
    dataflow: DataflowConfig | None = setting(None, "Google Cloud Dataflow")
    flink: FlinkConfig | None = setting(None, "Apache Flink")
    spark: SparkConfig | None = setting(None, "Apache Spark")


def completed(
    beam: BeamConfig, cloud: "CloudConfig | None", name: str, given: set[str]
) -> BeamConfig:
    """Dataflow has the cloud's project, region, root, account and labels, unless it has its own.

    Args:
      beam: as it was read.
      cloud: the section, with its defaults filled in.
      name: of the pipeline.
      given: keys that the file has.
    """
    if beam.dataflow is None or cloud is None:
        return beam
    found: dict[str, Any] = {
        "project": cloud.project,
        "region": cloud.region,
        "service_account": cloud.service_account,
        "labels": dict(cloud.labels),
    }
    if isinstance(cloud.root, str):  # else it is missing, a problem of its own
        found["temp_location"] = f"{cloud.root}/{name}/beam/temp"
        found["staging_location"] = f"{cloud.root}/{name}/beam/staging"
    derived = {key: value for key, value in found.items() if f"beam.dataflow.{key}" not in given}
    return dataclasses.replace(beam, dataflow=dataclasses.replace(beam.dataflow, **derived))
