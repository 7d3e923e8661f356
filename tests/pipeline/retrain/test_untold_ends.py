"""Runs that pushed, or were refused, and died before they could say so: what they did is found out."""

import json
import os
import pathlib
import signal

import pytest
import test_retrain_command as pretend
from test_retrain_command import CONFIG, once, states

from components.pusher import run_keys
from pipeline.retrain import order, supervise
from pipeline.retrain.ledger import open_ledger
from pipeline.retrain.order import Outcome

folder, span = pretend.folder, pretend.span


class Dying(pretend.Runs):
    """Does what a run does up to and with its push; how it ends then is said for each new span."""

    def __call__(self, config_file: str, path: str, stop, output=None) -> supervise.ChildEnd:
        ordered = order.read_order(path)
        ends = self.ends.get(ordered.new[0], [])
        if not ends:
            return super().__call__(config_file, path, stop, output)
        self.orders.append(ordered)
        end = ends.pop(0)
        if end.startswith("refused"):
            made = pathlib.Path("runs/pretend/artifacts/Pusher/pushed_model/12")
            made.mkdir(parents=True)
            run_keys.refuse(str(made), ordered.key, "not blessed")
        else:
            self.version += 1
            run_keys.note(ordered.push_to, self.version, ordered.key)
            if end != "noted only":
                (pathlib.Path(ordered.push_to) / str(self.version)).mkdir(parents=True)
        if end.endswith("killed alone"):
            return supervise.ChildEnd(-9)
        if end.endswith("asked to end"):
            os.kill(os.getpid(), signal.SIGTERM)
            raise supervise.Stopped
        if end.endswith("disk full"):
            full = Outcome(key=ordered.key, state="failed", reason="disk full", passing=True)
            order.write(full, os.path.dirname(path))
            return supervise.ChildEnd(1)
        raise SystemExit  # as good as a kill, of retrain too


@pytest.fixture
def runs(monkeypatch) -> Dying:
    found = Dying()
    monkeypatch.setattr(supervise, "run_child", found)
    return found


def last_run():
    state, _ = open_ledger("runs/pretend").load()
    return state.runs[-1]


def other_configuration(folder: pathlib.Path, more: str = "train: {epochs: 3}") -> None:
    (folder / "config.yaml").write_text(f"{CONFIG}{more}\n")


def test_a_push_that_nobody_heard_of_is_known_to_another_configuration(
    runs, folder, span, capsys
) -> None:
    span(1)
    runs.ends = {1: ["pushed, both killed"]}
    with pytest.raises(SystemExit):
        once()
    assert states() == {1: "claimed"}
    other_configuration(folder)
    assert once() == 0
    assert runs.read == [([1], [1])]  # no second run has it as new
    assert (last_run().state, last_run().pushed_version) == ("pushed", 1)
    assert "after it had pushed version 1" in capsys.readouterr().out


def test_it_is_found_where_the_run_was_told_to_push_to(runs, folder, span) -> None:
    span(1)
    runs.ends = {1: ["pushed, both killed"]}
    with pytest.raises(SystemExit):
        once()
    other_configuration(folder, "serving: {push_to: elsewhere}")
    assert once() == 0
    assert states() == {1: "pushed"}
    assert len(runs.orders) == 1


def test_the_same_run_is_repeated_for_its_record_alone(runs, span) -> None:
    span(1)
    runs.ends = {1: ["pushed, both killed"]}
    with pytest.raises(SystemExit):
        once()
    assert once() == 0
    assert [each.key for each in runs.orders] == [runs.orders[0].key] * 2
    assert runs.orders[1].parent == os.getpid()
    assert states() == {1: "pushed"}
    once()
    assert len(runs.orders) == 2


def test_so_is_one_whose_content_had_come_back(runs, span) -> None:
    """Its key has the number of the version in it, which its order has to know."""
    for text in ("a", "b"):
        span(1, text=text)
        assert once() == 0
    span(1, text="a")
    runs.ends = {1: ["pushed, both killed"]}
    with pytest.raises(SystemExit):
        once()
    assert once() == 0
    first, _, third, repeated = (each.key for each in runs.orders)
    assert first != third == repeated
    assert (last_run().state, last_run().pushed_version) == ("pushed", 3)


def test_a_record_that_cannot_be_made_changes_nothing(runs, span) -> None:
    span(1)
    runs.ends = {1: ["pushed, both killed", "pushed, disk full"]}
    with pytest.raises(SystemExit):
        once()
    assert once() == 0
    assert (last_run().state, last_run().pushed_version) == ("pushed", 1)


def test_a_note_without_its_version_is_no_push(runs, folder, span) -> None:
    """Killed between the two: the version is not there, and the next run may be another one."""
    span(1)
    runs.ends = {1: ["noted only"]}
    with pytest.raises(SystemExit):
        once()
    other_configuration(folder)
    assert once() == 0
    assert len({each.key for each in runs.orders}) == 2
    assert states() == {1: "pushed"}


def test_a_span_that_comes_before_what_was_pushed_is_new_alone(runs, folder, span) -> None:
    (folder / "config.yaml").write_text(CONFIG.replace("retries", "together: true, retries"))
    span(2)
    runs.ends = {2: ["pushed, both killed"]}
    with pytest.raises(SystemExit):
        once()
    span(1)
    assert once() == 0
    assert [each.new for each in runs.orders] == [(2,), (2,), (1,)]
    assert runs.orders[0].key == runs.orders[1].key  # for the record
    assert states() == {1: "pushed", 2: "pushed"}


@pytest.mark.parametrize("end", ["killed alone", "disk full"])
def test_a_run_that_failed_after_its_push_has_pushed(runs, span, end) -> None:
    span(1)
    runs.ends = {1: [f"pushed, {end}"]}
    assert once() == 0
    assert (last_run().state, last_run().pushed_version) == ("pushed", 1)


def test_a_run_that_was_asked_to_end_after_its_push_has_pushed(runs, span) -> None:
    span(1)
    runs.ends = {1: ["pushed, asked to end"]}
    assert once() == 143
    assert states() == {1: "pushed"}


def test_a_refusal_that_nobody_heard_of(runs, folder, span) -> None:
    span(1)
    runs.ends = {1: ["refused, both killed"]}
    with pytest.raises(SystemExit):
        once()
    other_configuration(folder)
    assert once() == 3
    assert len(runs.orders) == 1
    assert (last_run().state, last_run().reason) == ("refused", "not blessed")


def test_metrics_that_come_with_the_record_are_kept(runs, folder, span, monkeypatch) -> None:
    span(1)
    runs.ends = {1: ["pushed, both killed"]}
    with pytest.raises(SystemExit):
        once()

    def measured(config_file: str, path: str, stop, output=None) -> supervise.ChildEnd:
        key = order.read_order(path).key
        told = Outcome(key=key, state="pushed", version="1", metrics={"perplexity": 2.5})
        order.write(told, os.path.dirname(path))
        return supervise.ChildEnd(0)

    monkeypatch.setattr(supervise, "run_child", measured)
    assert once() == 0
    assert dict(last_run().metrics) == {"perplexity": 2.5}
    log = (folder / "runs/pretend/retrain/log.jsonl").read_text().splitlines()
    told = [json.loads(line) for line in log if '"run_pushed"' in line]
    assert [each["metrics"] for each in told] == [{"perplexity": 2.5}]
