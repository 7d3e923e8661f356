"""What a machine, a process or TF_CONFIG lacks is one line; who of the workers writes."""

import json
from types import SimpleNamespace

import pytest
import tensorflow as tf

from components.errors import InputError
from components.sequence_loss import LossSum
from components.trainer import distribution, executor, replicated, spec, started
from components.trainer.objective import Minimised
from components.trainer.request import TrainOptions

MULTI_WORKER = TrainOptions(distribution="multi_worker")
TWO = {"worker": ["127.0.0.1:1", "127.0.0.1:2"]}


def task(monkeypatch, cluster: dict, kind: str, index: int) -> None:
    given = {"cluster": cluster, "task": {"type": kind, "index": index}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(given))


@pytest.mark.parametrize(
    ("cluster", "kind", "index", "chief"),
    [
        (TWO, "worker", 0, True),
        (TWO, "worker", 1, False),
        (TWO | {"chief": ["127.0.0.1:3"]}, "worker", 0, False),
        (TWO | {"chief": ["127.0.0.1:3"]}, "chief", 0, True),
    ],
)
def test_one_worker_is_the_chief(monkeypatch, cluster, kind, index, chief: bool) -> None:
    task(monkeypatch, cluster, kind, index)
    assert distribution.is_chief(MULTI_WORKER) is chief
    assert distribution.is_chief(TrainOptions())


@pytest.mark.parametrize("text", ["", "{}", "no JSON", '{"cluster": {}, "task": {}}', "[1]"])
def test_without_workers_in_tf_config_none_is_waited_for(monkeypatch, text: str) -> None:
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(InputError, match="got multi_worker with TF_CONFIG") as raised:
        distribution.replicas(MULTI_WORKER)
    assert repr(text) in str(raised.value)


def test_after_tensorflow_has_run_it_is_too_late(monkeypatch) -> None:
    tf.constant(1)
    task(monkeypatch, TWO, "worker", 0)
    with pytest.raises(InputError, match="TensorFlow has run before"):
        distribution.replicas(MULTI_WORKER)
    with pytest.raises(InputError, match="got 2 parts of the CPU in a process in which TensorFlow"):
        distribution.prepare("mirrored", 2)


def test_what_one_process_for_all_components_cannot_do() -> None:
    distribution.prepare("none", 0)
    with pytest.raises(InputError, match="got multi_worker, expected none or mirrored"):
        distribution.prepare("multi_worker", 0)


def test_all_gpus_of_a_machine_without_one() -> None:
    with pytest.raises(InputError, match="got 0, all GPUs, on a machine that has none"):
        distribution.replicas(TrainOptions(distribution="mirrored"))


@pytest.mark.parametrize(("numerator", "good"), [(3.0, True), (float("inf"), False)])
def test_an_infinite_loss_is_bad_though_its_gradient_is_finite(numerator, good: bool) -> None:
    sums = LossSum(tf.constant(numerator), tf.constant(2.0))
    found = replicated._marked(Minimised(sums, sums, sums))
    assert bool(found.plain.mean <= float("inf")) is good


@pytest.mark.parametrize("index", [0, 1])
def test_only_the_chief_exports(monkeypatch, tmp_path, index: int) -> None:
    done: list[str] = []
    task(monkeypatch, TWO, "worker", index)
    start = {"reason": started.NO_BASE}
    history = SimpleNamespace(summary=str, to_dict=dict, start=start)
    monkeypatch.setattr(executor.training, "train", lambda *_: (None, history))
    monkeypatch.setattr(executor.training, "clear_checkpoints", lambda _: done.append("cleared"))
    monkeypatch.setattr(executor.Vocabularies, "read", lambda _: None)
    monkeypatch.setattr(executor.inputs.Settings, "from_json", lambda _: _Settings())
    monkeypatch.setattr(executor.export, "export", lambda *_: _export(tmp_path / "model", done))
    monkeypatch.setattr(executor.own_scores, "write", lambda *_: done.append("scores left"))
    properties = dict.fromkeys(
        ("settings", "model_options", "loss_options", "batch_options", "decode_options"), "{}"
    )
    properties |= {
        "train_options": '{"distribution": "multi_worker"}',
        "code_hash": "",
        "data_key": "",
    }
    executor.Executor().Do(
        {
            name: _artifact(tmp_path / name)
            for name in ("examples", "transform_graph", "vocabulary")
        },
        {name: _artifact(tmp_path / name) for name in (spec.MODEL, spec.HISTORY)},
        properties,
    )
    assert done == (["exported", "scores left", "cleared"] if index == 0 else [])
    assert (tmp_path / spec.HISTORY / "history.json").exists() is (index == 0)


class _Settings:
    def with_subwords(self, _: str) -> "_Settings":
        return self


def _artifact(path) -> list:
    from tfx.types import standard_artifacts

    artifact = standard_artifacts.Examples()
    artifact.uri, artifact.split_names = str(path), '["train", "eval"]'
    path.mkdir()
    return [artifact]


def _export(model, done: list[str]) -> None:
    done.append("exported")
    serving = model / "Format-Serving"
    serving.mkdir()
    (serving / "saved_model.pb").touch()
