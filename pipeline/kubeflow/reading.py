"""A compiled pipeline as a file has it, read in one way by lint, submit, schedule and emulate.

Its structure is read by the services' own message types, strictly: kfp's client refuses a field that
they do not know, too, and it is a mistyped one most of the time. What follows looks at the JSON that
they give back, in which nothing is null, of another kind, or called otherwise.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import yaml

from components.errors import InputError

Json = dict[str, Any]
EXPECTED = "expected a compiled pipeline, as `tokenline compile` writes it"
_YAML = (".yaml", ".yml")
_SHOWN = 200  # characters of either end of a long reason
_NEEDED = ("pipelineInfo", "root", "schemaVersion")
# Fields of Vertex' PipelineJob that kfp's message of that name has not: what we send, what the service
# itself fills in, and what would be lost.
_OF_VERTEX = ("serviceAccount", "network")
_FILLED_IN = (
    *("createTime", "startTime", "endTime", "updateTime", "state", "jobDetail", "error"),
    *("templateUri", "templateMetadata", "scheduleName", "preflightValidations"),
)
_NOT_SENT = ("encryptionSpec", "reservedIpRanges", "pscInterfaceConfig")
_NOT_SENT_AT_RUNTIME = ("failurePolicy", "inputArtifacts")


@dataclass(frozen=True)
class Compiled:
    """What a file holds.

    Attributes:
      where: the file, as errors name it.
      spec: the pipelineSpec.
      job: the PipelineJob without it; None where the file holds the pipelineSpec alone.
      further: whether other YAML documents come after it: kfp's settings of one platform.
    """

    where: str
    spec: Json
    job: Json | None = None
    further: bool = False

    @property
    def document(self) -> Json:
        """All of it: a PipelineJob or a pipelineSpec."""
        return self.spec if self.job is None else self.job | {"pipelineSpec": self.spec}


def read(path: str) -> Compiled:
    """Read a compiled pipeline: `.yaml` or `.yml`, else JSON.

    Raises:
      InputError: it cannot be read, or is none; one line.
    """
    is_yaml = path.endswith(_YAML)
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
        # JSON is YAML, but PyYAML takes a hundred times as long for it.
        documents = list(yaml.safe_load_all(text)) if is_yaml else [json.loads(text)]
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 (byte {error.start}), {EXPECTED}") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}, {EXPECTED}") from None
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        kind = "YAML" if is_yaml else "JSON"
        raise InputError(f"{path}: not valid {kind}: {_one_line(error)}; {EXPECTED}") from None
    return checked(documents[0] if documents else None, path, further=len(documents) > 1)


def checked(document: Any, where: str, *, further: bool = False) -> Compiled:
    """The pipeline of a parsed file; `where` names it in errors.

    Raises:
      InputError: it is none; one line.
    """
    try:
        return _checked(document, where, further)
    except RecursionError:  # messages take several calls a level, where a parser takes one
        raise InputError(f"{where}: got parts in parts, too deep to read, {EXPECTED}") from None


def _checked(document: Any, where: str, further: bool) -> Compiled:
    if not isinstance(document, dict):
        raise InputError(f"{where}: got {type(document).__name__}, {EXPECTED}")
    _check_text(document, where)
    is_job = "pipelineSpec" in document
    spec = _spec(document["pipelineSpec"] if is_job else document, where)
    for key in _NEEDED:
        if key not in spec:
            raise InputError(f"{where}: got no {key}, {EXPECTED}")
    if not spec["pipelineInfo"].get("name"):
        raise InputError(f"{where}: got no pipelineInfo.name, {EXPECTED}")
    return Compiled(where, spec, _job(document, where) if is_job else None, further)


def _check_text(document: Json, where: str) -> None:
    """Half a character, as JSON can write one (`\\ud800`), makes messages fail in an odd way.

    So does what has no end as JSON.
    """
    try:
        json.dumps(document, ensure_ascii=False, default=str, skipkeys=True).encode()
    except UnicodeEncodeError as error:
        half = error.object[error.start]
        raise InputError(f"{where}: got {half!a}, half a character, expected text") from None
    except ValueError:  # an alias of YAML, to what it stands in
        raise InputError(f"{where}: got a part that holds itself, {EXPECTED}") from None


def _spec(found: Any, where: str) -> Json:
    from kfp.pipeline_spec import pipeline_spec_pb2 as messages

    if not isinstance(found, dict):
        raise InputError(f"{where}: pipelineSpec: got {type(found).__name__}, {EXPECTED}")
    spec = _parsed(found, messages.PipelineSpec(), "pipelineSpec", where)
    if "deploymentSpec" in spec:  # for PipelineSpec this is any object
        place = "pipelineSpec.deploymentSpec"
        deployment = messages.PipelineDeploymentConfig()
        spec["deploymentSpec"] = _parsed(spec["deploymentSpec"], deployment, place, where)
    return spec


def _job(found: Json, where: str) -> Json:
    """Of a PipelineJob all but its pipelineSpec; it may have fields that only Vertex knows."""
    from kfp.pipeline_spec import pipeline_spec_pb2 as messages

    _refuse(found, _NOT_SENT, where)
    if isinstance(given := found.get("runtimeConfig"), dict):
        _refuse(given, _NOT_SENT_AT_RUNTIME, f"{where}: runtimeConfig")
    read_here = ("pipelineSpec", *_OF_VERTEX, *_FILLED_IN)
    others = {key: value for key, value in found.items() if key not in read_here}
    job = _parsed(others, messages.PipelineJob(), "PipelineJob", where)
    for key in _OF_VERTEX:
        value = found.get(key)
        if not isinstance(value, str | None):
            raise InputError(f"{where}: {key}: got {value!r}, expected text")
        if value:
            job[key] = value
    runtime = job.get("runtimeConfig", {})
    if "parameters" in runtime:
        text = "got values as schema 2.0 has them, expected parameterValues"
        raise InputError(f"{where}: runtimeConfig.parameters: {text}")
    values = runtime.get("parameterValues", {})
    values.update({name: _whole(value) for name, value in values.items()})
    return job


def _refuse(found: Json, names: Collection[str], where: str) -> None:
    for name in names:
        if found.get(name) is not None:
            raise InputError(f"{where}: {name}: got a value, expected none: it would not be sent")


def _whole(value: Any) -> Any:
    """A message makes 3.0 of 3."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _parsed(found: Any, message: Any, what: str, where: str) -> Json:
    """In one order always: a message does not keep that of the file."""
    from google.protobuf import json_format

    try:
        json_format.ParseDict(found, message)
        parsed: Json = json.loads(json_format.MessageToJson(message, sort_keys=True))
    except json_format.Error as error:
        reason = _cut(_one_line(error).partition(" Available Fields")[0].rstrip("."))
        raise InputError(f"{where}: is no {what}: {reason}; {EXPECTED}") from None
    return parsed


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())


def _cut(text: str) -> str:
    """What was got may be half the file; before it stands which field, and after it where."""
    return text if len(text) <= 2 * _SHOWN else f"{text[:_SHOWN]}…{text[-_SHOWN:]}"
