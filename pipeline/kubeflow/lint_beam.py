"""What is wrong with the Beam arguments of a compiled line: where the work goes, and whether it can.

Work in the step's own container (`FnApiRunner`, the profile local) is right on any service: it has that
container's cores and memory, and no other.
"""

from collections.abc import Iterator

from components.beam_runner import NamedRunner
from pipeline.beam_profile import is_this_machine
from pipeline.config.checks.beam import NOT_OURS
from pipeline.kubeflow.findings import Finding
from pipeline.kubeflow.spec import Json, containers, executor_class

_IN_THE_STEP = "FnApiRunner"
_DATAFLOW, _PORTABLE = "DataflowRunner", "PortableRunner"
# Beam's own default and what it tries first: they download a program. The others start a Java server.
_ELSEWHERE = ("DirectRunner", "SwitchingDirectRunner", "PrismRunner", "FlinkRunner", "SparkRunner")
_NEEDED = ("project", "region", "temp_location", "sdk_container_image")
_PLACES = ("temp_location", "staging_location")
# The image has no pip, and all that a worker needs.
_INSTALLS = ("requirements_file", "setup_file", "extra_package", "extra_packages")


def check(spec: Json) -> Iterator[Finding]:
    """Every container that runs Beam pipelines."""
    for place, container in containers(spec):
        executor = _beam_executor(container)
        if executor is None:
            continue
        options = _options(container.get("args", []))
        runner = options.get("runner", "")
        if runner in _ELSEWHERE or not (runner or issubclass(executor, NamedRunner)):
            text = f"got --runner={runner}" if runner else "got no --runner"
            expected = f"{_IN_THE_STEP}, {_DATAFLOW} or {_PORTABLE}"
            yield Finding(
                place, f"{text}, which starts a program from elsewhere; expected {expected}"
            )
        yield from _installs(place, options)
        if runner == _DATAFLOW:
            yield from _dataflow(place, options)
        elif runner == _PORTABLE:
            yield from _portable(place, options)


def _beam_executor(container: Json) -> type | None:
    """Its executor, if that runs Beam pipelines; of one that cannot be imported another finding tells."""
    path = executor_class(container)
    if not path:
        return None
    from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor  # heavy
    from tfx.utils import import_utils

    try:
        found = import_utils.import_class_by_path(path)
    except (ImportError, AttributeError, ValueError):
        return None
    return found if isinstance(found, type) and issubclass(found, BaseBeamExecutor) else None


def _options(arguments: list[str]) -> dict[str, str]:
    """Beam's options, name -> value, "" of one without."""
    found = {}
    for at, argument in enumerate(arguments):
        if argument.startswith("--"):
            name, equals, value = argument[2:].partition("=")
            after = arguments[at + 1] if at + 1 < len(arguments) else ""
            found[name] = value if equals or after.startswith("--") else after
    return found


def _installs(place: str, options: dict[str, str]) -> Iterator[Finding]:
    for name in _INSTALLS:
        if name in options:
            text = f"got --{name}, and the image has no pip: a worker has what its image has"
            yield Finding(place, text)


def _dataflow(place: str, options: dict[str, str]) -> Iterator[Finding]:
    for name in _NEEDED:
        if not options.get(name):
            yield Finding(place, f"got no --{name}, which Dataflow needs")
    for name in _PLACES:
        value = options.get(name, "")
        if value and not value.startswith("gs://"):
            yield Finding(place, f"got --{name}={value}, expected an address at gs://")
    yield from _image(place, options.get("sdk_container_image", ""))


def _portable(place: str, options: dict[str, str]) -> Iterator[Finding]:
    address = options.get("job_endpoint", "")
    if not address:
        yield Finding(place, "got no --job_endpoint, expected the address of the job server")
    elif is_this_machine(address):
        text = "which in a step is its own container; expected the address of the job server"
        yield Finding(place, f"got --job_endpoint={address}, {text}")
    kind, config = options.get("environment_type", "DOCKER"), options.get("environment_config", "")
    if kind == "LOOPBACK":
        text = "got --environment_type=LOOPBACK: the cluster cannot call back into a step"
        yield Finding(place, text)
    elif not config:
        what = "the workers' image" if kind == "DOCKER" else "host:port of the worker pool"
        yield Finding(place, f"got no --environment_config, expected {what} ({kind})")
    elif kind == "DOCKER":
        yield from _image(place, config)


def _image(place: str, image: str) -> Iterator[Finding]:
    if image == "none" or NOT_OURS.fullmatch(image):
        text = f"got {image!r} for Beam's workers, expected an image made with Dockerfile.beam"
        yield Finding(place, text)
