"""What SpanCheck compares, and with which earlier span, such that an unchanged re-run is cached."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass

from components.example_gen.columns import Kind
from components.span_check.request import LENGTHS, MISSING, VALUES, WORDS, Checks, Measure
from pipeline import base_model
from pipeline.config import Config
from pipeline.config.drift import SkewConfig
from pipeline.inputs import RunInputs
from pipeline.store import questions
from pipeline.store.conditions import LIVE
from pipeline.store.connection import Store

_TEXTS = ("text", "source", "target", "tokens")  # roles; the tags are as many as the tokens


def checks(config: Config, inputs: RunInputs) -> Checks | None:
    """What is compared; None where nothing is."""
    data = config.data
    if not data.drift and not data.skew:
        return None
    kinds = json.loads(inputs.example_gen["columns"])
    drift, skew = _limits(config, data.drift, kinds), _limits(config, data.skew, kinds)
    measures = [
        Measure(
            column,
            Kind(kinds[column].rstrip("?")),
            what,
            drift.get((column, what)),
            skew.get((column, what)),
        )
        for column, what in sorted({*drift, *skew})
    ]
    sections = {"drift": data.drift, "skew": data.skew}
    least = {name: limits.min_rows for name, limits in sections.items() if limits}
    return Checks(tuple(measures), least, data.drift.rows if data.drift else 0.0)


def _limits(
    config: Config, limits: SkewConfig | None, kinds: dict[str, str]
) -> dict[tuple[str, str], float]:
    """(column, what is measured of it) -> its limit."""
    if not limits:
        return {}
    roles = config.data.columns
    texts = [roles[role] for role in _TEXTS if role in roles]
    tags = [roles["tags"]] if "tags" in roles else []
    found = {(column, LENGTHS): limits.lengths for column in texts}
    found |= {(column, WORDS): limits.words for column in [*texts, *tags]}
    optional = [column for column, kind in kinds.items() if kind.endswith("?")]
    found |= {(column, MISSING): limits.missing for column in optional}
    return found | {(column, VALUES): limit for column, limit in limits.columns.items()}


@dataclass(frozen=True)
class MadeStatistics:
    """Statistics of a span that an earlier run found to be well; `before`: what they were held against."""

    uri: str
    span: str
    data_key: str
    before: str


def data_key(inputs: RunInputs) -> str:
    """What is looked at, as JSON: the data of the run, and which spans are new."""
    return json.dumps({"data": base_model.data_key(inputs), "new": inputs.new}, sort_keys=True)


def before(made: Sequence[MadeStatistics], inputs: RunInputs) -> str:
    """Folder of the statistics to hold the new spans against, or "" without any.

    A run on data that were looked at before takes what that run took; any other takes the span that was
    found well last, of another number than its own.

    Args:
      made: earlier ones, oldest first.
      inputs: of this run.
    """
    key = data_key(inputs)
    for earlier in reversed(made):
        if earlier.data_key == key and (not earlier.before or os.path.isdir(earlier.before)):
            return earlier.before
    own = {str(span) for span in inputs.new or inputs.spans[-1:]}
    others = [each.uri for each in made if each.span not in own]
    return others[-1] if others else ""


def find(store: Store, inputs: RunInputs) -> str:
    """`before`, of what a store knows, which is read whole only if its newest end does not answer."""
    likely = made_statistics(store, data_key(inputs))
    return before(likely, inputs) or before(made_statistics(store), inputs)


def made_statistics(store: Store, key: str | None = None) -> list[MadeStatistics]:
    """What SpanCheck made in earlier runs of this pipeline that is still there, oldest first.

    Args:
      store: of the pipeline.
      key: only that of these data, and the newest; None: all.
    """
    if not store.exists():
        return []
    kind, live = "components.SpanStatistics", LIVE
    with store.opened() as rows:
        if key is None:
            found = questions.artifacts(rows, store, kind, live)
        else:
            found = questions.newest(rows, store, kind, live)
            found += questions.of_value(rows, store, kind, "data_key", key)
    by_id = {int(each.id): each for each in found}
    return [
        MadeStatistics(
            each.uri,
            *(each.custom_properties[name].string_value for name in ("span", "data_key", "before")),
        )
        for _, each in sorted(by_id.items())
        if each.custom_properties["data_key"].string_value
        and os.path.exists(os.path.join(each.uri, "span_check.json"))
    ]
