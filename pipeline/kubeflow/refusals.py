"""What a configuration may hold that a line in the cloud cannot do, each named. No TensorFlow."""

import re
from collections.abc import Iterator

from components.trainer.tunable import SIZES
from pipeline import beam_profile
from pipeline.config import Config
from pipeline.config.cloud import CloudConfig
from pipeline.config.problems import Unsuited
from pipeline.config.tune import space_of
from pipeline.kubeflow import accelerators

_VERTEX = "gs://"
Problem = tuple[str, str]  # key and text
# Images of TFX, which have nothing of ours; the first is what its compiler takes where none is given.
NOT_OURS = re.compile(r"(gcr\.io/tfx-oss-public|(docker\.io/)?tensorflow)/tfx(:.*|@.*)?")


def check(config: Config, target: str) -> CloudConfig:
    """The section `cloud`, if the line can be compiled with this configuration.

    Raises:
      Unsuited: it cannot; every reason.
    """
    cloud = config.cloud
    if cloud is None:
        raise Unsuited(
            ("cloud", "missing, expected a section with root and image: docs/kubeflow.md")
        )
    found = [*_places(config, cloud, target), *_images(cloud), *_settings(config)]
    if target == "vertex":
        found += _accelerators(cloud)
    found += beam_profile.refused_in_cloud(config, cloud)
    if found:
        raise Unsuited(*found)
    return cloud


def _places(config: Config, cloud: CloudConfig, target: str) -> list[Problem]:
    found: list[Problem] = []
    if target == "vertex":
        for key in ("root", "data", "push_to"):
            place = getattr(cloud, key)
            # One mistake, one line.
            follows = key == "push_to" and place.startswith(f"{cloud.root}/")
            if not place.startswith(_VERTEX) and not follows:
                text = f"got {place!r}, expected {_VERTEX}… for --target vertex"
                found.append((f"cloud.{key}", text))
    for key in ("source_subwords", "target_subwords"):
        place = getattr(config.transform, key)
        if place and "://" not in place:
            text = "expected an address that the containers can read, or none: learned in the run"
            found.append((f"transform.{key}", f"got {place!r}, a file of this machine, {text}"))
    return found


def _images(cloud: CloudConfig) -> list[Problem]:
    images = {"cloud.image": cloud.image}
    images |= {f"cloud.images.{name}": image for name, image in cloud.images.items()}
    text = "an image of TFX, expected one that holds tokenline (docs/kubeflow.md)"
    return [
        (key, f"got {image!r}, {text}")
        for key, image in images.items()
        if NOT_OURS.fullmatch(image)
    ]


def _accelerators(cloud: CloudConfig) -> Iterator[Problem]:
    """Kubeflow's are whatever its cluster calls them; Vertex has a list."""
    for name, resources in cloud.resources.items():
        if resources.accelerator and (text := accelerators.fault(resources.accelerator)):
            yield f"cloud.resources.{name}.accelerator", text


def _settings(config: Config) -> list[Problem]:
    found: list[Problem] = []
    tune = config.train.tune
    sizes = [name for name in SIZES if tune and name in space_of(tune)]
    if sizes and config.train.warm_start == "auto":
        text = "expected none in a cloud build unless train.warm_start is never: an earlier model has its"
        text = f"got a size to tune, {text}"
        found += [(f"train.tune.space.{name}", text) for name in sizes]
    if config.data.drift:
        text = (
            "the span before cannot be found there; expected none in a cloud build (data.skew is)"
        )
        found.append(("data.drift", text))
    if "span_age" in config.transform.weights:
        text = "which span is the newest is not known when the line is compiled"
        found.append(
            ("transform.weights", f"got span_age, expected others in a cloud build: {text}")
        )
    if config.train.distribution == "multi_worker":
        text = "got multi_worker, expected none or mirrored in a cloud build: one container trains"
        found.append(("train.distribution", text))
    return found
