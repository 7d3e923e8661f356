"""What no single key can tell of the cloud: addresses, labels, names of components."""

import difflib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipeline.config.problems import Problems
from pipeline.labels import KEY, VALUE

if TYPE_CHECKING:
    from pipeline.config import Config
    from pipeline.config.cloud import CloudConfig

SPAN = "{SPAN}"
SCHEMES = ("gs", "s3", "minio")
VERTEX_SCHEMES = SCHEMES[:1]
# Nodes that run in a container of their own: what `images` and `resources` can be given for.
COMPONENTS = (
    "SpanWindow",
    "BaseModel",
    "ExampleGen",
    "StatisticsGen",
    "SchemaGen",
    "ImportSchemaGen",
    "ExampleValidator",
    "SpanCheck",
    "VocabularyGen",
    "Transform",
    "Tuner",
    "SequenceTrainer",
    "SequenceEvaluator",
    "ServingCheck",
    "Pusher",
)
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]*")
_NETWORK = re.compile(r"projects/[0-9]+/global/networks/[a-z0-9-]+")
_RESERVED_LABELS = ("tfx_", "tokenline-", "goog", "vertex-")


def check(config: "Config", problems: Problems) -> None:
    """Adds every contradiction to `problems`."""
    cloud = config.cloud
    if cloud is None or not problems.clean("cloud"):
        return
    for one in (_addresses, _identity, _components, _accelerators):
        one(cloud, problems)
    check_labels(cloud.labels, "cloud.labels", problems)
    if problems.clean("data.path", "cloud.data"):
        _spans(config, cloud, problems)


def _addresses(cloud: "CloudConfig", problems: Problems) -> None:
    for key in ("root", "data", "push_to"):
        place = getattr(cloud, key)
        if not place or (key == "push_to" and "cloud.push_to" not in problems.given):
            continue  # it follows from the root
        if text := address_fault(place, may_have_span=key == "data"):
            problems.add(f"cloud.{key}", text)


def address_fault(
    place: str, *, may_have_span: bool = False, schemes: tuple[str, ...] = SCHEMES
) -> str:
    """What is wrong with the address of a folder that runs in the cloud use; "" for nothing.

    Args:
      place: the address.
      may_have_span: whether it is of input files.
      schemes: those that the service has, Vertex' first.
    """
    scheme, _, path = place.partition("://")
    if scheme not in schemes:
        first, *others = (f"{each}://" for each in schemes)
        more = f" (for Kubeflow Pipelines also {' or '.join(others)})" if others else ""
        return f"got {place!r}, expected an address at {first}{more}"
    if not _BUCKET.fullmatch(path.split("/")[0]):
        return f"got {place!r}, expected a bucket's name of a-z, 0-9, '.', '_' and '-'"
    if any(part in (".", "..") for part in path.split("/")):
        return f"got {place!r}, expected no '.' or '..' in it: a bucket has no such folders"
    if not may_have_span and SPAN in place:
        return f"got {place!r}, expected no {SPAN}: it is filled in for data only"
    return f"got {place!r}, expected no / at its end" if place.endswith("/") else ""


def _spans(config: "Config", cloud: "CloudConfig", problems: Problems) -> None:
    if text := span_fault(cloud.data, config.data.path, "data.path"):
        problems.add("cloud.data", text)


def span_fault(place: str, like: str, called: str) -> str:
    """What is wrong with {SPAN} in a folder of input files; "" for nothing.

    Args:
      place: the folder.
      like: another one, of the same files.
      called: what that is called.
    """
    if place.count(SPAN) > 1:
        return f"got {place!r}, expected {SPAN} at most once"
    if SPAN in like and SPAN not in place:
        return f"got {place!r}, expected {SPAN} in it, as in {called}"
    return ""


def _identity(cloud: "CloudConfig", problems: Problems) -> None:
    if bool(cloud.project) != bool(cloud.region):
        missing = "region" if cloud.project else "project"
        problems.add(f"cloud.{missing}", "missing, expected project and region, or neither")
    if cloud.service_account and "@" not in cloud.service_account:
        text = f"got {cloud.service_account!r}, expected name@project.iam.gserviceaccount.com"
        problems.add("cloud.service_account", text)
    if cloud.network and not _NETWORK.fullmatch(cloud.network):
        text = f"got {cloud.network!r}, expected projects/<number>/global/networks/<name>"
        problems.add("cloud.network", text)


def check_labels(labels: Mapping[str, str], where: str, problems: Problems) -> None:
    """Google's rules for labels, and the names that TFX, Google and tokenline take themselves."""
    for name, value in labels.items():
        key = f"{where}.{name}"
        if not KEY.fullmatch(name) or name.startswith(_RESERVED_LABELS):
            text = "got this name, expected a-z, 0-9, _ and -, at most 63 long, a letter first"
            problems.add(key, f"{text}; not {', '.join(_RESERVED_LABELS)}")
        elif not VALUE.fullmatch(value):
            text = f"got {value!r}, expected a-z, 0-9, _ and -, at most 63 long"
            problems.add(key, text)


def _components(cloud: "CloudConfig", problems: Problems) -> None:
    for section in ("images", "resources"):
        for name in getattr(cloud, section):
            if name not in COMPONENTS:
                close = difflib.get_close_matches(name, COMPONENTS, n=1)
                of = f"did you mean {close[0]}?" if close else "expected one of "
                text = of if close else of + ", ".join(COMPONENTS)
                problems.add(f"cloud.{section}.{name}", f"no component of this name, {text}")


def _accelerators(cloud: "CloudConfig", problems: Problems) -> None:
    for name, resources in cloud.resources.items():
        if resources.accelerators and not resources.accelerator:
            text = f"got {resources.accelerators}, expected accelerator too: which kind"
            problems.add(f"cloud.resources.{name}.accelerators", text)
