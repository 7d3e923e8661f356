"""What no single key can tell of Beam: a profile without its section, numbers that do not fit."""

import re
from typing import TYPE_CHECKING

from pipeline.config.checks.cloud import check_labels
from pipeline.config.problems import Problems

if TYPE_CHECKING:
    from pipeline.config import Config
    from pipeline.config.beam import DataflowConfig, PortableConfig

_SUBNETWORK = re.compile(r"(https://.+/)?regions/[a-z0-9-]+/subnetworks/[a-z0-9-]+")
_ADDRESS = re.compile(r"[^\s/:]+:[0-9]{1,5}")
# They have Beam, or Beam and TFX, and nothing of ours.
NOT_OURS = re.compile(
    r"((docker\.io/)?(apache/beam_python|tensorflow/tfx)|gcr\.io/(tfx-oss-public|cloud-dataflow)/).*"
)
# What a job cannot do without; nothing of it has a default where there is no cloud.
_NEEDED = ("project", "region", "temp_location", "staging_location")


def check(config: "Config", problems: Problems) -> None:
    """Adds every contradiction to `problems`."""
    _sections(config, problems)
    if config.beam.dataflow and problems.clean("beam.dataflow"):
        _dataflow(config, config.beam.dataflow, problems)
    for name in ("flink", "spark"):
        section = getattr(config.beam, name)
        if section and problems.clean(f"beam.{name}"):
            _cluster(f"beam.{name}", section, problems)


def _sections(config: "Config", problems: Problems) -> None:
    """A profile that is used has a section."""
    used = {"beam.profile": config.beam.profile}
    if config.cloud and config.cloud.beam:
        used["cloud.beam"] = config.cloud.beam
    for key, profile in used.items():
        wanted = f"beam.{profile}"
        follows = key == "cloud.beam" and key not in problems.given  # one mistake, one line
        if follows or not problems.clean(key, wanted) or getattr(config.beam, profile):
            continue
        what = "image" if profile == "dataflow" else "job_server and environment_type"
        text = f"missing, expected a section with {what} ({key} is {profile})"
        problems.add(wanted, text, line=problems.line_of(key))


def _dataflow(config: "Config", dataflow: "DataflowConfig", problems: Problems) -> None:
    where = "beam.dataflow"
    for key in _NEEDED:
        _needed(config, f"{where}.{key}", getattr(dataflow, key), problems)
    for key in ("temp_location", "staging_location"):
        place = getattr(dataflow, key)
        if f"{where}.{key}" in problems.given and not place.startswith("gs://"):
            problems.add(f"{where}.{key}", f"got {place!r}, expected an address at gs://")
    _image(f"{where}.image", dataflow.image, problems)
    _scaling(dataflow, problems)
    account = dataflow.service_account
    if f"{where}.service_account" in problems.given and "@" not in account:
        text = f"got {account!r}, expected name@project.iam.gserviceaccount.com"
        problems.add(f"{where}.service_account", text)
    if dataflow.subnetwork and not _SUBNETWORK.fullmatch(dataflow.subnetwork):
        text = f"got {dataflow.subnetwork!r}, expected regions/<region>/subnetworks/<name>"
        problems.add(f"{where}.subnetwork", text)
    if f"{where}.labels" in problems.given:
        check_labels(dataflow.labels, f"{where}.labels", problems)


def _needed(config: "Config", key: str, value: str, problems: Problems) -> None:
    """What follows from the section `cloud` is only needed where the profile is in use."""
    cloud = config.cloud
    used = config.beam.profile == "dataflow" or (cloud is not None and cloud.beam == "dataflow")
    if used and not value and problems.clean("cloud"):
        name = key.rpartition(".")[2]
        source = f"cloud.{name}" if name in ("project", "region") else "the section cloud"
        problems.add(key, f"missing, expected it here or by {source}")


def _image(key: str, image: str, problems: Problems) -> None:
    if NOT_OURS.fullmatch(image):
        text = "an image that holds nothing of tokenline, expected one made with Dockerfile.beam"
        problems.add(key, f"got {image!r}, {text}")


def _scaling(dataflow: "DataflowConfig", problems: Problems) -> None:
    workers, most = dataflow.workers, dataflow.max_workers
    if dataflow.autoscaling == "none":
        if not workers:
            text = "got none, expected workers too: how many there are"
            problems.add("beam.dataflow.autoscaling", text)
        if most:
            text = "has no effect with autoscaling none; expected no value"
            problems.add("beam.dataflow.max_workers", text)
    elif most and workers > most:
        text = f"got {workers}, expected at most max_workers = {most}"
        problems.add("beam.dataflow.workers", text)


def _cluster(where: str, cluster: "PortableConfig", problems: Problems) -> None:
    given, key = cluster.environment_config, f"{where}.environment_config"
    if cluster.environment_type == "LOOPBACK":
        if given:
            problems.add(key, "has no effect with LOOPBACK; expected no value")
    elif not given:
        what = "the workers' image" if cluster.environment_type == "DOCKER" else "host:port"
        problems.add(key, f"missing, expected {what} ({cluster.environment_type})")
    elif cluster.environment_type == "DOCKER":
        _image(key, given, problems)
    elif not _ADDRESS.fullmatch(given):
        problems.add(key, f"got {given!r}, expected host:port of a worker pool")
