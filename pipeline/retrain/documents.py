"""The ledger as a JSON document: versioned, to be read by people, short where there is nothing to say."""

import dataclasses
import json
from typing import Any

from components.errors import InputError
from pipeline.retrain.states import Run, SpanVersion, State

FORMAT = 2  # 1 had no files
_TOP = "tokenline retrain ledger"


def as_text(state: State) -> str:
    """The state as a document: a span version or a run a line."""
    head = json.dumps({"what": _TOP, "format": FORMAT, "folded_runs": state.folded_runs})
    spans = ",\n".join(json.dumps(_short(one)) for one in state.spans)
    runs = ",\n".join(json.dumps(_short(one)) for one in state.runs)
    return f'{head[:-1]},\n"spans": [\n{spans}\n],\n"runs": [\n{runs}\n]}}\n'


def from_text(text: str, where: str) -> State:
    """The state of a document; `where` names it in errors.

    Raises:
      InputError: it is no such document, or a newer tokenline wrote it.
    """
    try:
        document = json.loads(text)
        found = document["format"] if document["what"] == _TOP else None
        if found in (1, FORMAT):
            return State(
                spans=tuple(_span_version(one) for one in document["spans"]),
                runs=tuple(_run(one) for one in document["runs"]),
                folded_runs=document["folded_runs"],
            )
    except (ValueError, TypeError, KeyError) as error:
        reason = f"{type(error).__name__}: {error}".split("\n")[0]
        raise InputError(f"{where}: is damaged: {reason}") from None
    if isinstance(found, int) and found > FORMAT:
        text = f"got format {found}, which a newer tokenline wrote, expected at most {FORMAT}"
        raise InputError(f"{where}: {text}")
    raise InputError(f"{where}: is damaged: got format {found!r}, expected {FORMAT}")


def _short(one: SpanVersion | Run) -> dict[str, Any]:
    """The fields that are not at their defaults."""
    found = {}
    for name, default in _DEFAULTS[type(one)].items():
        value = getattr(one, name)
        if value != default:
            found[name] = value
    return found


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


_DEFAULTS = {
    kind: {field.name: _default(field) for field in dataclasses.fields(kind)}
    for kind in (SpanVersion, Run)
}


def _span_version(fields: dict[str, Any]) -> SpanVersion:
    return SpanVersion(**(fields | {"files": tuple(fields.get("files", ()))}))


def _run(fields: dict[str, Any]) -> Run:
    return Run(**(fields | {"new": tuple((one[0], one[1], one[2]) for one in fields["new"])}))
