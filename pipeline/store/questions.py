"""Questions to the metadata store, asked through its own client.

(Opening the sqlite file in the same process would drop the store's lock: POSIX locks are per
process.) A store may hold other pipelines too, and thousands of artifacts: each question asks for
the rows of this pipeline that answer it.
"""

import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ml_metadata.proto import metadata_store_pb2

from components.pusher.rollback import REVOKED
from pipeline.store import conditions
from pipeline.store.conditions import LIVE, Condition
from pipeline.store.connection import Store

_NEWEST = 20  # of what is looked through from its newest end; the wanted one is among them, mostly
_BLESSED = conditions.number("blessed", 1)
_FAILED = conditions.number("blessed", 0)


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
        found = artifacts(rows, store, "components.Vocabulary", LIVE)
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
            found = artifacts(rows, store, "Model", LIVE)
            given = artifacts(rows, store, "ModelBlessing", LIVE & _BLESSED)
        else:
            given = newest(rows, store, "ModelBlessing", LIVE & _BLESSED)
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
        found += artifacts(rows, store, "ModelBlessing", LIVE & _BLESSED)
    elif unfit:
        found += artifacts(rows, store, "ModelBlessing", _BLESSED & _of_models(unfit))
    return list({each.id: each for each in found}.values())


def _revoked(rows: Any, store: Store) -> list[Any]:
    return artifacts(rows, store, "ModelBlessing", LIVE & conditions.number(REVOKED, 1))


def _unfit(rows: Any, store: Store) -> set[int]:
    """The ids of the models whose last serving check failed."""
    suspects = {
        _number(each, "current_model_id")
        for each in artifacts(rows, store, "InfraBlessing", LIVE & _FAILED)
    }
    if not suspects:
        return set()
    last = {
        _number(each, "current_model_id"): _number(each, "blessed")
        for each in artifacts(rows, store, "InfraBlessing", _of_models(suspects))
    }
    return {model for model, blessed in last.items() if not blessed}


def _of_models(ids: set[int]) -> Condition:
    return LIVE & conditions.number("current_model_id", *ids)


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
        return next((each.id for each in _newest_first(rows, store, "InfraBlessing", _FAILED)), 0)


def last_lost_push(store: Store) -> int:
    """The id of the newest push whose version is not there any more, or 0.

    A push after that one is where it was pushed to, so that its result may be used again.
    """
    if not store.exists():
        return 0
    with store.opened() as rows:
        pushed = conditions.number("pushed", 1)
        for each in _newest_first(rows, store, "PushedModel", pushed):
            if not os.path.isdir(each.custom_properties["pushed_destination"].string_value):
                return each.id
    return 0


def artifacts(rows: Any, store: Store, kind: str, condition: Condition) -> list[Any]:
    """This pipeline's artifacts of a type that meet a condition, oldest first."""
    read = _reader(rows, store)
    return conditions.find(read, conditions.of_type(kind) & condition) if read else []


def newest(rows: Any, store: Store, kind: str, condition: Condition) -> list[Any]:
    """The newest few of the same, oldest first."""
    found = itertools.islice(_newest_first(rows, store, kind, condition), _NEWEST)
    return list(found)[::-1]


def of_value(rows: Any, store: Store, kind: str, name: str, text: str) -> list[Any]:
    """Those that still exist of which a property has this value, oldest first."""
    return artifacts(rows, store, kind, LIVE & conditions.text(name, text))


def _newest_first(rows: Any, store: Store, kind: str, condition: Condition) -> Iterator[Any]:
    read = _reader(rows, store)
    if read:
        yield from conditions.newest_first(read, conditions.of_type(kind) & condition)


def _reader(rows: Any, store: Store) -> conditions.Read | None:
    """Reads this pipeline's artifacts; None: it has none."""
    context = rows.get_context_by_type_and_name("pipeline", store.pipeline)
    if context is None:
        return None
    return lambda options: list(rows.get_artifacts_by_context(context.id, options))
