"""Questions to the metadata store, asked through its own client.

(Opening the sqlite file in the same process would drop the store's lock: POSIX locks are per
process.) A store may hold other pipelines too, and thousands of artifacts: each question asks for
the rows of this pipeline that answer it.
"""

import itertools
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ml_metadata.metadata_store import ListOptions, OrderByField
from ml_metadata.proto import metadata_store_pb2

from components.pusher.rollback import REVOKED
from pipeline.store_connection import Store

_PAGE = 100  # as ml_metadata's client reads
_NEWEST = 20  # of what is looked through from its newest end; the wanted one is among them, mostly
_TO_ESCAPE = re.compile(r"""['"\\\n]+""")
_BLESSED = "custom_properties.blessed.int_value = 1"


@dataclass(frozen=True)
class MadeVocabulary:
    """One vocabulary that VocabularyGen made in an earlier run."""

    uri: str
    input_key: str
    base: str
    digest: str = ""


def vocabularies(store: Store) -> list[MadeVocabulary]:
    """The vocabularies of earlier runs that still exist, oldest first."""
    if not store.exists():
        return []
    with store.opened() as rows:
        found = artifacts(rows, store, "components.Vocabulary", "state = LIVE")
    return [
        MadeVocabulary(
            artifact.uri,
            artifact.custom_properties["input_key"].string_value,
            artifact.custom_properties["base_vocabulary"].string_value,
            artifact.custom_properties["hash"].string_value,
        )
        for artifact in found
        if os.path.exists(os.path.join(artifact.uri, "vocabulary.json"))
    ]


@dataclass(frozen=True)
class MadeModel:
    """One model that SequenceTrainer made in an earlier run; `base`: the one that it started from."""

    uri: str
    data_key: str
    base: str
    warm_start: str
    blessed: bool = False


def models(store: Store, data_key: str | None = None) -> list[MadeModel]:
    """The models of earlier runs that still exist and can be started from, oldest first.

    Args:
      store: of the pipeline.
      data_key: only those of these data, and the newest of the blessed ones; None: all.
    """
    if not store.exists():
        return []
    with store.opened() as rows:
        if data_key is None:
            found = artifacts(rows, store, "Model", "state = LIVE")
            given = artifacts(rows, store, "ModelBlessing", f"state = LIVE AND {_BLESSED}")
        else:
            given = newest(rows, store, "ModelBlessing", f"state = LIVE AND {_BLESSED}")
            of_them = _models_with(rows, {_number(each, "current_model_id") for each in given})
            same = of_value(rows, store, "Model", "data_key", data_key)
            found = sorted({each.id: each for each in (*of_them, *same)}.values(), key=_id)
    blessed = {_number(each, "current_model_id") for each in given}
    return [
        MadeModel(
            artifact.uri,
            artifact.custom_properties["data_key"].string_value,
            artifact.custom_properties["base_model"].string_value,
            artifact.custom_properties["warm_start"].string_value,
            artifact.id in blessed,
        )
        for artifact in found
        if os.path.exists(os.path.join(artifact.uri, "starting_point", "facts.json"))
    ]


def _models_with(rows: Any, ids: set[int]) -> list[Any]:
    live = metadata_store_pb2.Artifact.LIVE
    found = rows.get_artifacts_by_id(sorted(ids))
    return [each for each in found if each.type == "Model" and each.state == live]


def _id(artifact: Any) -> int:
    return int(artifact.id)


def _number(artifact: Any, name: str) -> int:
    return int(artifact.custom_properties[name].int_value)


def revoke(
    store: Store, is_withdrawn: Callable[[str], bool] | None, is_served: Callable[[str], bool]
) -> None:
    """Revoke the blessings of models that are not to be served; give the others theirs back.

    A model that was withdrawn, or whose last serving check failed, is then neither what the next run is
    compared with nor what it starts from. The model that is served stays both, whatever a later check
    said: or else any model would do in its place, being the first.

    Args:
      store: of the pipeline; it need not exist.
      is_withdrawn: whether the model with this URI is; None: none is.
      is_served: whether the model with this URI is.
    """
    if not store.exists():
        return
    with store.opened() as rows:
        unfit = _unfit(rows, store)
        blessings = _in_question(rows, store, unfit if is_withdrawn is None else None)
        ids = {each.custom_properties["current_model_id"].int_value for each in blessings}
        uris = {model.id: model.uri for model in rows.get_artifacts_by_id(sorted(ids))}
        changed = []
        for blessing in blessings:
            facts = blessing.custom_properties
            model = facts["current_model_id"].int_value
            uri = uris.get(model, "")
            is_unfit = model in unfit or (is_withdrawn is not None and is_withdrawn(uri))
            now = int(is_unfit and not is_served(uri))
            if (facts["blessed"].int_value, facts[REVOKED].int_value) != (1 - now, now):
                facts["blessed"].int_value, facts[REVOKED].int_value = 1 - now, now
                changed.append(blessing)
        if changed:
            rows.put_artifacts(changed)


def _in_question(rows: Any, store: Store, unfit: set[int] | None) -> list[Any]:
    """The blessings that may have to change: revoked ones, and given ones, of these models or of all."""
    # Two questions: one about either property leaves out the rows that lack one of them.
    found = list(_revoked(rows, store))
    if unfit is None:
        found += artifacts(rows, store, "ModelBlessing", f"state = LIVE AND {_BLESSED}")
    elif unfit:
        found += artifacts(rows, store, "ModelBlessing", f"{_BLESSED} AND {_of_models(unfit)}")
    return list({each.id: each for each in found}.values())


def _revoked(rows: Any, store: Store) -> list[Any]:
    revoked = f"state = LIVE AND custom_properties.{REVOKED}.int_value = 1"
    return artifacts(rows, store, "ModelBlessing", revoked)


def _unfit(rows: Any, store: Store) -> set[int]:
    """The ids of the models whose last serving check failed."""
    failed = "custom_properties.blessed.int_value = 0"
    suspects = {
        _number(each, "current_model_id")
        for each in artifacts(rows, store, "InfraBlessing", f"state = LIVE AND {failed}")
    }
    if not suspects:
        return set()
    last = {
        _number(each, "current_model_id"): _number(each, "blessed")
        for each in artifacts(rows, store, "InfraBlessing", _of_models(suspects))
    }
    return {model for model, blessed in last.items() if not blessed}


def _of_models(ids: set[int]) -> str:
    numbers = ", ".join(map(str, sorted(ids)))
    return f"state = LIVE AND custom_properties.current_model_id.int_value IN ({numbers})"


def set_aside(store: Store) -> int:
    """How many models would be blessed but for their last serving check, and so are not used."""
    if not store.exists():
        return 0
    with store.opened() as rows:
        ids = {_number(each, "current_model_id") for each in _revoked(rows, store)}
        return len(ids & _unfit(rows, store)) if ids else 0


def last_failed_check(store: Store) -> int:
    """The id of the newest serving check that failed, or 0: another number after each that fails."""
    if not store.exists():
        return 0
    with store.opened() as rows:
        failed = "custom_properties.blessed.int_value = 0"
        return next((each.id for each in _newest_first(rows, store, "InfraBlessing", failed)), 0)


def last_lost_push(store: Store) -> int:
    """The id of the newest push whose version is not there any more, or 0.

    A push after that one is where it was pushed to, so that its result may be used again.
    """
    if not store.exists():
        return 0
    with store.opened() as rows:
        pushed = "custom_properties.pushed.int_value = 1"
        for each in _newest_first(rows, store, "PushedModel", pushed):
            if not os.path.isdir(each.custom_properties["pushed_destination"].string_value):
                return each.id
    return 0


def artifacts(rows: Any, store: Store, kind: str, condition: str) -> list[Any]:
    """This pipeline's artifacts of a type that meet a condition, oldest first."""
    context = rows.get_context_by_type_and_name("pipeline", store.pipeline)
    if context is None:
        return []
    query = f"type = '{kind}' AND {condition}"
    options = ListOptions(filter_query=query, order_by=OrderByField.ID)
    return rows.get_artifacts_by_context(context.id, options)


def newest(rows: Any, store: Store, kind: str, condition: str) -> list[Any]:
    """The newest few of the same, oldest first."""
    found = itertools.islice(_newest_first(rows, store, kind, condition), _NEWEST)
    return list(found)[::-1]


def of_value(rows: Any, store: Store, kind: str, name: str, text: str) -> list[Any]:
    """Those that still exist of which a property has this value, oldest first."""
    # ml_metadata's quoting is not that of every database (a " ends the text for PostgreSQL): what would be
    # escaped is left open.
    pattern = _TO_ESCAPE.sub("%", text)
    wanted = f"custom_properties.{name}.string_value LIKE '{pattern}'"
    found = artifacts(rows, store, kind, f"state = LIVE AND {wanted}")
    return [each for each in found if each.custom_properties[name].string_value == text]


def _newest_first(rows: Any, store: Store, kind: str, condition: str) -> Iterator[Any]:
    """The same, newest first, and no more of them than are looked at, but for a page."""
    context = rows.get_context_by_type_and_name("pipeline", store.pipeline)
    query, before = f"type = '{kind}' AND {condition}", ""
    while context is not None:
        options = ListOptions(
            limit=_PAGE, filter_query=query + before, order_by=OrderByField.ID, is_asc=False
        )
        found = rows.get_artifacts_by_context(context.id, options)
        yield from found
        if len(found) < _PAGE:
            return
        before = f" AND id < {found[-1].id}"
