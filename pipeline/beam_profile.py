"""The section `beam` as Beam's own arguments, and what of it cannot work where. No TensorFlow.

A profile says where the work is done, never what comes out of it: it is part of no run key, and of no
cache key on this machine (`local_runner`).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from components import beam_runner
from components.beam_runner import IN_PROCESS, RUNNER
from pipeline.config import Config
from pipeline.config.beam import (
    BeamConfig,
    DataflowConfig,
    FlinkConfig,
    LocalBeamConfig,
    PortableConfig,
    Profile,
)
from pipeline.config.cloud import CloudConfig
from pipeline.config.problems import Unsuited

# One worker in this process, without a port.
HERE = (*IN_PROCESS, "--direct_running_mode=in_memory", "--direct_num_workers=1")
# Imported by each worker process before anything is unpickled.
PLUGIN = "components.beam_worker"
_PLUGIN = f"--beam_plugin={PLUGIN}"
_PROCESSES = "--runner=components.beam_processes.Runner"
_DATAFLOW, _PORTABLE = "--runner=DataflowRunner", "--runner=PortableRunner"
_ELSEWHERE = (_DATAFLOW, _PORTABLE)
_THIS_MACHINE = ("localhost", "127.0.0.1", "0.0.0.0", "::1")
_SEES_NO_FILES = "sees no file of this machine"


def arguments(beam: BeamConfig, profile: Profile | None) -> list[str]:
    """Beam's arguments of a profile, whose section is there; None is local."""
    if profile == "dataflow":
        assert beam.dataflow is not None
        return _dataflow(beam.dataflow)
    if profile in ("flink", "spark"):
        section = getattr(beam, profile)
        assert section is not None
        return _cluster(section)
    return _local(beam.local)


def here(config: Config) -> list[str]:
    """The arguments for a command on this machine, once they can work.

    Raises:
      Unsuited: they cannot, see `refuse_here`.
      Passing: the job server does not answer.
    """
    refuse_here(config)
    found = arguments(config.beam, config.beam.profile)
    beam_runner.check_job_server(found)
    return found


def refuse_here(config: Config) -> None:
    """Make sure that the profile's workers can see the files of this machine.

    Raises:
      Unsuited: they cannot.
    """
    beam = config.beam
    text = f"got {beam.profile}, expected local here"
    for_cloud = f"compiled lines have one of their own: cloud.beam: {beam.profile}"
    if beam.profile == "dataflow":
        place = f"pipeline.root = {config.pipeline.root}"
        text = f"{text}: Dataflow {_SEES_NO_FILES}, as {place}; {for_cloud}"
        raise Unsuited(("beam.profile", text))
    section: PortableConfig | None = getattr(beam, beam.profile)
    if beam.profile != "local" and section and section.environment_type == "DOCKER":
        text = f"got DOCKER, expected LOOPBACK or EXTERNAL here: a container {_SEES_NO_FILES}"
        raise Unsuited((f"beam.{beam.profile}.environment_type", f"{text}; {for_cloud}"))


def refused_in_cloud(config: Config, cloud: CloudConfig) -> Iterator[tuple[str, str]]:
    """What a compiled line cannot do with its profile: key and text."""
    profile = cloud.beam
    if profile == "dataflow":
        for key in ("root", "data"):
            place = getattr(cloud, key)
            if not place.startswith("gs://"):
                yield f"cloud.{key}", f"got {place!r}, expected gs://… with Dataflow (cloud.beam)"
    section = getattr(config.beam, profile) if profile in ("flink", "spark") else None
    if section is None:
        return
    where, text = f"beam.{profile}", "is this machine, or there the step's own container"
    if section.environment_type == "LOOPBACK":
        expected = "expected DOCKER or EXTERNAL: the cluster cannot call back into a step"
        yield f"{where}.environment_type", f"got LOOPBACK in a cloud build, {expected}"
    for key in ("job_server", "artifacts"):
        address = getattr(section, key)
        if is_this_machine(address):
            yield (
                f"{where}.{key}",
                f"got {address}, which {text}; expected an address it can reach",
            )


def brought_here(command: Sequence[str]) -> list[str]:
    """A compiled step's command with Beam's work done in its own process, whatever its profile was.

    Beam's arguments come last in it, the runner's first of them (`arguments`).
    """
    at = next((at for at, each in enumerate(command) if each in _ELSEWHERE), None)
    return list(command) if at is None else [*command[:at], *HERE]


def is_this_machine(address: str) -> bool:
    """Whether host:port, or `embed`, is the machine, or the container, that asks."""
    return address == "embed" or address.rpartition(":")[0].strip("[]") in _THIS_MACHINE


def shares_files(chosen: Sequence[str]) -> bool:
    """Whether several workers can have parts of one file at the same time."""
    return "--direct_num_workers=1" not in chosen


def _local(local: LocalBeamConfig) -> list[str]:
    runner = _PROCESSES if local.mode == "processes" else RUNNER
    # Beam's own multi_threading opens ports on all interfaces; this has as many threads and none.
    mode = ("--direct_running_mode=in_memory", f"--direct_num_workers={local.workers}")
    return [runner, *IN_PROCESS[1:], *mode]


def _dataflow(dataflow: DataflowConfig) -> list[str]:
    scaling = {"throughput": "THROUGHPUT_BASED", "none": "NONE"}
    options: Mapping[str, Any] = {
        "project": dataflow.project,
        "region": dataflow.region,
        "temp_location": dataflow.temp_location,
        "staging_location": dataflow.staging_location,
        "sdk_container_image": dataflow.image,
        # The image has Beam and all else; nothing is staged or installed.
        "sdk_location": "container",
        "machine_type": dataflow.machine_type,
        "disk_size_gb": dataflow.disk_gb,
        "num_workers": dataflow.workers,
        "max_num_workers": dataflow.max_workers,
        "autoscaling_algorithm": scaling[dataflow.autoscaling],
        "service_account_email": dataflow.service_account,
        "network": dataflow.network,
        "subnetwork": dataflow.subnetwork,
    }
    found = [_DATAFLOW, *_given(options), "--no_save_main_session", _PLUGIN]
    if not dataflow.public_ips:
        found.append("--no_use_public_ips")
    return [*found, *(f"--labels={key}={value}" for key, value in sorted(dataflow.labels.items()))]


def _cluster(cluster: PortableConfig) -> list[str]:
    is_image = cluster.environment_type == "DOCKER"
    options: Mapping[str, Any] = {
        "job_endpoint": cluster.job_server,
        "artifact_endpoint": cluster.artifacts,
        "environment_type": cluster.environment_type,
        "environment_config": cluster.environment_config,
        "sdk_container_image": cluster.environment_config if is_image else "none",
        "parallelism": cluster.parallelism if isinstance(cluster, FlinkConfig) else 0,
    }
    processes = f"--sdk_worker_parallelism={cluster.worker_processes}"  # 0 is a choice
    return [_PORTABLE, *_given(options), processes, _PLUGIN]


def _given(options: Mapping[str, Any]) -> list[str]:
    return [f"--{name}={value}" for name, value in options.items() if value]
