"""What a configuration may hold that a line in the cloud cannot do, each named. No TensorFlow."""

import re

from components.errors import InputError
from components.trainer.tunable import SIZES
from pipeline import beam_profile
from pipeline.config import Config
from pipeline.config_cloud import CloudConfig
from pipeline.config_tune import space_of

_VERTEX = "gs://"
# Images of TFX, which have nothing of ours; the first is what its compiler takes where none is given.
NOT_OURS = re.compile(r"(gcr\.io/tfx-oss-public|(docker\.io/)?tensorflow)/tfx(:.*|@.*)?")


def check(config: Config, target: str) -> CloudConfig:
    """The section `cloud`, if the line can be compiled with this configuration.

    Raises:
      InputError: it cannot; a line for each reason.
    """
    cloud = config.cloud
    if cloud is None:
        raise InputError(
            "cloud: missing, expected a section with root and image (docs/kubeflow.md)"
        )
    found = [*_places(config, cloud, target), *_images(cloud), *_settings(config)]
    found += beam_profile.refused_in_cloud(config, cloud)
    if found:
        raise InputError("\n".join(found))
    return cloud


def _places(config: Config, cloud: CloudConfig, target: str) -> list[str]:
    found = []
    if target == "vertex":
        for key in ("root", "data", "push_to"):
            place = getattr(cloud, key)
            if not place.startswith(_VERTEX):
                found.append(f"cloud.{key}: got {place!r}, expected {_VERTEX}… for --target vertex")
    for key in ("source_subwords", "target_subwords"):
        place = getattr(config.transform, key)
        if place and "://" not in place:
            text = "expected an address that the containers can read, or none: learned in the run"
            found.append(f"transform.{key}: got {place!r}, a file of this machine, {text}")
    return found


def _images(cloud: CloudConfig) -> list[str]:
    images = {"cloud.image": cloud.image}
    images |= {f"cloud.images.{name}": image for name, image in cloud.images.items()}
    text = "an image of TFX, expected one that holds tokenline (docs/kubeflow.md)"
    return [
        f"{key}: got {image!r}, {text}"
        for key, image in images.items()
        if NOT_OURS.fullmatch(image)
    ]


def _settings(config: Config) -> list[str]:
    found = []
    tune = config.train.tune
    sizes = [name for name in SIZES if tune and name in space_of(tune)]
    if sizes and config.train.warm_start == "auto":
        keys = " and ".join(f"train.tune.space.{name}" for name in sizes)
        text = "expected none in a cloud build unless train.warm_start is never: an earlier model has its"
        found.append(f"{keys}: got a size to tune, {text}")
    if config.data.drift:
        text = (
            "the span before cannot be found there; expected none in a cloud build (data.skew is)"
        )
        found.append(f"data.drift: {text}")
    if "span_age" in config.transform.weights:
        text = "which span is the newest is not known when the line is compiled"
        found.append(f"transform.weights: got span_age, expected others in a cloud build: {text}")
    if config.train.distribution == "multi_worker":
        text = "got multi_worker, expected none or mirrored in a cloud build: one container trains"
        found.append(f"train.distribution: {text}")
    return found
