"""A fault that is not one span's own stops the queue, instead of parking one span after the other."""

import json
import os

import pytest
import test_retrain_command as pretend
from test_retrain_command import once, states

from pipeline.retrain import faults, order, supervise
from pipeline.retrain.order import Outcome
from pipeline.retrain.states import Run, State

folder, span = pretend.folder, pretend.span


class Faulty(pretend.Runs):
    """Runs that fail for good, for the reason given for their new span."""

    def __init__(self) -> None:
        super().__init__()
        self.reasons: dict[int, str] = {}

    def __call__(self, config_file: str, path: str, stop, output=None) -> supervise.ChildEnd:
        ordered = order.read_order(path)
        reason = self.reasons.get(ordered.new[0])
        if reason is None:
            return super().__call__(config_file, path, stop, output)
        self.orders.append(ordered)
        failed = Outcome(key=ordered.key, state="failed", reason=reason, permanent=True)
        order.write(failed, os.path.dirname(path))
        return supervise.ChildEnd(2)

    def no_column(self, *spans: int) -> None:
        for number in spans:
            where = f"data/span-{number}/rows.jsonl:1"
            self.reasons[number] = f"{where}: span {number}: got no column text, expected one"

    @property
    def new(self) -> list[int]:
        return [each.new[0] for each in self.orders]


@pytest.fixture
def runs(monkeypatch) -> Faulty:
    found = Faulty()
    monkeypatch.setattr(supervise, "run_child", found)
    return found


def test_the_second_in_a_row_stops_the_queue_and_says_so(runs, span, capsys) -> None:
    span(*range(1, 7))
    runs.no_column(*range(1, 7))
    assert once() == 2
    assert runs.new == [1, 2]
    assert states() == {1: "parked", 2: "parked"} | dict.fromkeys(range(3, 7), "pending")
    said = capsys.readouterr().out
    assert "spans 1-2 failed for the same reason, which is hardly theirs" in said
    assert "the queue stops with 4 spans pending; mend the cause" in said
    assert "`tokenline retrain --retry all`" in said
    once(status=True)
    assert "held: spans 1-2 failed for the same reason" in capsys.readouterr().out


def test_the_next_start_tries_one_which_is_not_parked(runs, span) -> None:
    span(*range(1, 5))
    runs.no_column(*range(1, 5))
    once()
    for start in range(1, 4):
        assert once() == 2
        assert runs.new == [1, 2] + [3] * start
    assert states() == {1: "parked", 2: "parked", 3: "pending", 4: "pending"}


def test_once_it_is_mended_the_queue_goes_on_and_what_was_parked_is_taken_again(
    runs, span, capsys
) -> None:
    span(*range(1, 5))
    runs.no_column(*range(1, 5))
    once()
    once()
    runs.reasons = {}
    assert once(retry="all") == 0
    assert "pending again: spans 1-2;" in capsys.readouterr().out
    assert once() == 0
    assert runs.new == [1, 2, 3, 1, 2, 3, 4]
    assert set(states().values()) == {"pushed"}
    assert once(retry="all") == 0
    assert "no span is parked" in capsys.readouterr().out


def test_retry_takes_a_number_or_all(folder, capsys) -> None:
    from pipeline.__main__ import main

    assert main(["retrain", "--retry", "some"]) == 2
    assert "--retry: got 'some', expected a span's number or all" in capsys.readouterr().err


def test_faults_of_their_own_park_span_by_span(runs, span) -> None:
    span(*range(1, 5))
    runs.no_column(1, 3)
    runs.reasons[2] = "data/span-2/rows.jsonl:14: got no JSON, expected an object"
    assert once() == 2
    assert states() == {1: "parked", 2: "parked", 3: "parked", 4: "pushed"}


def test_what_succeeds_in_between_ends_the_row(runs, span) -> None:
    span(*range(1, 5))
    runs.no_column(1, 3)
    assert once() == 2
    assert states() == {1: "parked", 2: "pushed", 3: "parked", 4: "pushed"}


def test_spans_that_failed_together_are_tried_one_by_one_first(runs, folder, span) -> None:
    config = folder / "config.yaml"
    config.write_text(config.read_text().replace("retries", "together: true, retries"))
    span(1, 2, 3)
    runs.no_column(1)
    assert once() == 2
    assert [each.new for each in runs.orders] == [(1, 2, 3), (1,), (2,), (3,)]
    assert states() == {1: "parked", 2: "pushed", 3: "pushed"}


def test_who_is_notified_hears_that_the_queue_is_held(runs, span, capsys) -> None:
    from pipeline.retrain.listeners import TOLD

    span(1, 2, 3)
    runs.no_column(1, 2, 3)
    once(as_json=True)
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    held = [each for each in told if each["event"] == "queue_held"]
    assert [(each["spans"], each["pending"]) for each in held] == [("1-2", 1)]
    assert "queue_held" in TOLD


def run(number: int, reason: str, *, permanent: bool = True, new: int = 1) -> Run:
    several = tuple((number + more, 1, "a") for more in range(new))
    state = "failed" if reason else "pushed"
    return Run(
        key=f"{number}{reason}", window="", new=several, state=state, started=0.0,
        reason=reason, permanent=permanent and bool(reason),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("runs", "row"),
    [
        ([], ()),
        ([run(1, "bad")], (1,)),
        ([run(1, "bad"), run(2, "bad")], (1, 2)),
        ([run(1, "bad"), run(1, "bad")], (1,)),
        ([run(1, "bad"), run(2, "worse")], (2,)),
        ([run(1, "bad"), run(2, ""), run(3, "bad")], (3,)),
        ([run(1, "bad"), run(2, "bad", permanent=False)], ()),
        ([run(1, "bad", new=2), run(1, "bad"), run(2, "bad")], (1, 2)),
        ([run(1, "a/1/x.csv:1: bad"), run(2, "gs://a/2/y.csv:1: bad")], (1, 2)),
        ([run(1, "a/1/x.csv:3: bad"), run(2, "a/2/y.csv:4: bad")], (2,)),
        ([run(1, "span 1: bad"), run(2, "span 2: bad")], (1, 2)),
        ([run(1, "a/1: bad\n3 bad rows"), run(2, "a/2: bad\n9 bad rows")], (1, 2)),
        ([run(1, "got 1 rows, expected 3"), run(2, "got 2 rows, expected 3")], (2,)),
    ],
)
def test_rows_of_the_same_fault(runs, row) -> None:
    assert faults.in_a_row(State(runs=tuple(runs))) == row


def test_attempts_that_are_used_up_are_a_common_fault_too(runs, span, monkeypatch, capsys) -> None:
    """Two spans that fail in all their attempts: the third one is not parked for that."""

    def killed(config_file: str, path: str, stop, output=None) -> supervise.ChildEnd:
        runs.orders.append(order.read_order(path))
        return supervise.ChildEnd(-9)

    monkeypatch.setattr(supervise, "run_child", killed)
    span(1, 2, 3, 4)
    for _ in range(4):
        assert once() == 1
    assert states() == {1: "parked", 2: "parked", 3: "pending", 4: "pending"}
    assert runs.new[:4] == [1, 1, 2, 2]  # retries: 1
    assert set(runs.new[4:]) == {3}
    assert "spans 1-2 failed for the same reason" in capsys.readouterr().out
