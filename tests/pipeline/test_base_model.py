"""Which model a run starts from: repeated runs repeat their choice, new data start from the last blessed."""

import dataclasses
import json
import pathlib

import pytest

from components.errors import InputError
from pipeline import inputs, paths
from pipeline.base_model import base_model, data_key
from pipeline.config import load_config
from pipeline.inputs import RunInputs
from pipeline.report import ReportData, page
from pipeline.store.questions import MadeModel

SPLIT = {"split": '{"train": 9, "eval": 1}', "split_by": '["text"]'}


def key(content: str, **changes: str) -> str:
    return data_key(RunInputs((1,), {"fingerprint": content} | SPLIT | changes))


def made(uri: pathlib.Path | str, content: str, base: pathlib.Path | str = "", **kind) -> MadeModel:
    facts = {"data_key": key(content), "warm_start": "auto", "blessed": True} | kind
    return MadeModel(str(uri), base=str(base), **facts)


def test_the_first_run_starts_from_scratch() -> None:
    assert base_model([], key("1")) == ""


def test_new_data_start_from_the_last_blessed_model() -> None:
    models = [made("a", "1"), made("b", "2"), made("c", "3", blessed=False)]
    assert base_model(models, key("4")) == "b"


def test_a_rerun_starts_from_what_the_run_started_from_so_that_it_is_cached(tmp_path) -> None:
    first, second, third = (tmp_path / name for name in "abc")
    for folder in (first, second, third):
        folder.mkdir()
    models = [made(first, "1"), made(second, "2", first), made(third, "3", second)]
    assert base_model(models, key("1")) == ""
    assert base_model(models, key("2")) == str(first)
    assert base_model(models, key("3")) == str(second)


def test_a_model_of_the_same_data_is_no_base_even_where_the_choice_cannot_be_repeated() -> None:
    first, gone = made("a", "1"), made("b", "2", "gone")
    assert base_model([first, gone], key("2")) == "a"
    never = made("c", "2", warm_start="never")
    assert base_model([first, never], key("2")) == "a"
    assert base_model([never], key("2")) == ""


def test_a_model_that_may_have_seen_the_eval_rows_is_no_base() -> None:
    split = json.dumps({"train": 1, "eval": 1})
    assert base_model([made("a", "1")], key("2", split=split)) == ""
    assert base_model([made("a", "1")], key("1", split=split)) == ""
    assert base_model([made("a", "1")], key("2", split_by='["other"]')) == ""
    spaced = json.dumps({"train": 9, "eval": 1}, indent=1)
    assert base_model([made("a", "1")], key("2", split=spaced)) == "a"


def test_a_model_of_which_nothing_is_known_is_no_base() -> None:
    unknown = dataclasses.replace(made("a", "1"), data_key="")
    assert base_model([unknown], key("2")) == ""


CONFIG = """
pipeline: {name: warm, root: runs}
task: lm
data: {path: rows}
"""


@pytest.fixture
def folder(tmp_path) -> pathlib.Path:
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows/a.jsonl").write_text('{"text": "a"}\n')
    (tmp_path / "c.yaml").write_text(CONFIG)
    return tmp_path


@pytest.mark.parametrize("base", ["", "runs/warm/model/7"])
def test_the_trainer_waits_for_the_base_model_if_there_is_one(folder, base) -> None:
    from pipeline.pipeline import create_pipeline

    config = load_config(folder / "c.yaml")
    found = inputs.resolve(config)
    line = create_pipeline(
        config, found, paths.new_run(config), base_vocabulary="", input_key="k", base_model=base
    )
    nodes = {node.id: node for node in line.components}
    trainer = nodes["SequenceTrainer"]
    assert ("base_model" in trainer.inputs) == bool(base)
    assert trainer.exec_properties["data_key"] == data_key(found)
    if base:
        assert nodes["BaseModel"] in trainer.upstream_nodes


def test_the_key_is_auto_or_never(folder) -> None:
    assert load_config(folder / "c.yaml").train.warm_start == "auto"
    (folder / "c.yaml").write_text(CONFIG + "train: {warm_start: always}\n")
    with pytest.raises(InputError, match=r"train\.warm_start: got 'always', expected .*never"):
        load_config(folder / "c.yaml")


def test_the_report_says_what_training_started_from() -> None:
    point = {"step": 1, "train_loss": 1.0, "validation_loss": 1.0, "useful_tokens_per_second": 1.0}
    start = "started from model/7: target 5 rows kept, 0 moved, 1 new"
    assert start in page(ReportData(name="n", history=[point, point | {"step": 2}], start=start))
