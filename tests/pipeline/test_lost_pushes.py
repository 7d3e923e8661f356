"""A pushed version that somebody removed is pushed again by the next run, each time, cache or not."""

import shutil

import pytest
from tfx.dsl.components.common.importer import Importer
from tfx.orchestration import metadata, pipeline
from tfx.orchestration.local.local_dag_runner import LocalDagRunner
from tfx.types import standard_artifacts

import components
from pipeline.here import pushed_versions
from pipeline.store import questions
from pipeline.store.connection import Store

pytestmark = pytest.mark.pipeline


@pytest.fixture
def run(tmp_path):
    """Run Pusher on one blessed model as a run does; returns whether it was cached, and what is there."""
    model, served = tmp_path / "model" / "Format-Serving", tmp_path / "served"
    model.mkdir(parents=True)
    (model / "saved_model.pb").write_text("graph")
    (tmp_path / "blessing").mkdir()
    (tmp_path / "blessing" / "BLESSED").write_text("")
    served.mkdir()
    database = str(tmp_path / "metadata.db")
    kept = Store("p", database)

    def once():
        imported = [
            Importer(source_uri=str(tmp_path / name), artifact_type=kind, **facts).with_id(name)
            for name, kind, facts in (
                ("model", standard_artifacts.Model, {}),
                (
                    "blessing",
                    standard_artifacts.ModelBlessing,
                    {"custom_properties": {"blessed": 1}},
                ),
            )
        ]
        pusher = components.VersionPusher(
            model=imported[0].outputs["result"],
            model_blessing=imported[1].outputs["result"],
            push_destination=str(served),
            keep_versions=5,
            pushed_versions=pushed_versions(str(served), questions.last_lost_push(kept)),
            code_hash="",
        ).with_id("Pusher")
        LocalDagRunner().run(
            pipeline.Pipeline(
                pipeline_name="p",
                pipeline_root=str(tmp_path / "root"),
                components=[*imported, pusher],
                enable_cache=True,
                metadata_connection_config=metadata.sqlite_metadata_connection_config(database),
            )
        )
        # Pusher is the last node of a run.
        with kept.opened() as rows:
            last = max(rows.get_executions(), key=lambda each: each.id)
        cached = last.last_known_state == last.CACHED
        return cached, sorted(path.name for path in served.iterdir())

    once.served = served
    return once


def test_what_disappears_twice_is_pushed_twice(run):
    assert run() == (False, ["1"])
    run()
    assert run() == (True, ["1"])
    for _ in range(2):
        shutil.rmtree(run.served / "1")
        assert run() == (False, ["1"])
        assert (run.served / "1" / "saved_model.pb").read_text() == "graph"
