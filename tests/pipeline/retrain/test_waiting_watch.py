"""What a watch waits for instead of ending, and what a call that does not wait says of the same."""

import json
import os
import signal

import pytest
import test_retrain_command as pretend
from test_retrain_command import configured, holding, once, states

from components.errors import InputError
from pipeline import lock
from pipeline.__main__ import main
from pipeline.retrain import supervise, watching
from pipeline.retrain.command import Options, retrain

folder, runs, span = pretend.folder, pretend.runs, pretend.span


@pytest.fixture
def watch(monkeypatch):
    """Watches; between two looks the next of the given things is done, and after the last it is ended."""

    def call(*steps) -> None:
        left = list(steps)

        class Watcher:
            def pause(self, *, changed: bool, at_most: float | None = None) -> None:
                if left:
                    left.pop(0)()
                else:
                    os.kill(os.getpid(), signal.SIGTERM)

        monkeypatch.setattr(watching, "watcher", lambda config, stop: Watcher())
        assert retrain(Options("config.yaml", watch=True)) == 0

    return call


def nothing() -> None:
    pass


def test_a_mount_that_is_not_there_yet_is_waited_for_and_told_once(
    runs, folder, span, watch, capsys
) -> None:
    (folder / "data").rmdir()

    def mounted() -> None:
        (folder / "data").mkdir()
        span(1)

    watch(nothing, nothing, mounted)
    said = capsys.readouterr().out
    assert said.count("data: no such folder; waiting") == 1
    assert states() == {1: "pushed"}


def test_it_is_told_again_when_it_goes_again(runs, folder, watch, capsys) -> None:
    data = folder / "data"
    watch(data.rmdir, data.mkdir, data.rmdir)
    assert capsys.readouterr().out.count("data: no such folder; waiting") == 2


def test_without_it_a_single_call_is_an_error_and_questions_are_answered(folder, capsys) -> None:
    (folder / "data").rmdir()
    assert main(["retrain", "--config", "config.yaml"]) == 2
    said = capsys.readouterr().err
    assert "data.path: no such folder: " in said
    assert "which is to hold the spans" in said
    assert main(["retrain", "--status", "--config", "config.yaml"]) == 0
    assert "no span has been seen yet" in capsys.readouterr().out
    assert main(["retrain", "--retry", "all", "--config", "config.yaml"]) == 0


def test_a_run_by_hand_is_left_alone_and_named(runs, folder, span, capsys) -> None:
    span(1)
    with holding(folder / "runs/pretend/lock") as other:
        assert main(["retrain", "--config", "config.yaml"]) == 2
        said = capsys.readouterr()
        assert f"a run of this pipeline is in progress (process {other}, for " in said.err
        assert len(said.err.splitlines()) == 1
        assert runs.orders == []
        assert states() == {1: "pending"}  # nothing is claimed that cannot begin
    assert once() == 0
    assert states() == {1: "pushed"}


def test_so_it_is_beside_a_run_that_died(runs, folder, span, monkeypatch, capsys) -> None:
    """Its own process may take a moment to go; a run by hand takes as long as it takes."""
    dies(monkeypatch, span)
    waited = []
    monkeypatch.setattr(watching.Stop, "wait", lambda self, seconds: bool(waited.append(seconds)))
    with holding(folder / "runs/pretend/lock") as other:
        with pytest.raises(lock.Held, match=f"process {other}, for "):
            once()
        assert states() == {1: "claimed"}
    assert 5 < sum(waited) < 20
    assert "is in progress" not in capsys.readouterr().out  # its end has said it
    assert once() == 0
    assert states() == {1: "pushed"}


def test_so_does_a_watch_which_says_it_once(runs, folder, span, watch, monkeypatch, capsys) -> None:
    dies(monkeypatch, span)
    with monkeypatch.context() as patched:
        patched.setattr(watching.Stop, "wait", lambda self, seconds: False)
        with holding(folder / "runs/pretend/lock") as other:
            watch(nothing, nothing)
    assert capsys.readouterr().out.count(f"is in progress (process {other}, for ") == 1
    assert states() == {1: "claimed"}


def test_a_ledger_that_is_damaged_is_waited_for(runs, folder, span, watch, capsys) -> None:
    span(1)
    ledger = folder / "runs/pretend/retrain/ledger.sqlite"
    ledger.parent.mkdir(parents=True)
    ledger.write_text("no database, long enough to be looked at as one")
    watch(nothing, ledger.unlink)
    assert capsys.readouterr().out.count("is damaged: it is no sqlite file; waiting") == 1
    assert states() == {1: "pushed"}


def test_a_watch_waits_for_a_run_by_hand_and_says_so_once(
    runs, folder, span, watch, capsys
) -> None:
    span(1)
    by_hand = holding(folder / "runs/pretend/lock")
    other = by_hand.__enter__()
    watch(nothing, nothing, lambda: by_hand.__exit__(None, None, None))
    said = capsys.readouterr().out
    assert said.count(f"is in progress (process {other}, for ") == 1
    assert states() == {1: "pushed"}


def dies(monkeypatch, span) -> None:
    """Leave span 1 in training by a retrain that is dead, or as good as."""
    span(1)

    def killed(config_file: str, path: str, stop, output=None) -> supervise.ChildEnd:
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(supervise, "run_child", killed)
        with pytest.raises(SystemExit):
            once()
    assert states() == {1: "claimed"}


def status(capsys) -> tuple[str, dict]:
    capsys.readouterr()
    once(status=True)
    text = capsys.readouterr().out
    once(status=True, as_json=True)
    return text, json.loads(capsys.readouterr().out)


def test_status_knows_whether_who_began_a_run_is_at_it(
    runs, folder, span, monkeypatch, capsys
) -> None:
    found = []

    def child(config_file: str, path: str, stop, output=None) -> supervise.ChildEnd:
        found.append(status(capsys))
        raise SystemExit

    span(1)
    with monkeypatch.context() as patched:
        patched.setattr(supervise, "run_child", child)
        with pytest.raises(SystemExit):
            once()
    [(text, rows)] = found
    assert "in training\n  span 1" in text
    assert f"process {os.getpid()}" in text
    assert (rows["running"]["alive"], rows["held"]) == (True, None)
    # This process lives, so its number alone says nothing; neither does a lock that is another's.
    for dead in (status(capsys), beside_another(folder, capsys)):
        text, rows = dead
        assert text.startswith("1 span: 1 interrupted\n")
        assert "its process is gone; the next retrain takes it up" in " ".join(text.split())
        assert rows["running"]["alive"] is False
    once()
    text, rows = status(capsys)
    assert rows["running"] is None


def beside_another(folder, capsys) -> tuple[str, dict]:
    with holding(folder / "runs/pretend/retrain/lock"):
        return status(capsys)


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        (
            "metrics_file: nowhere/metrics.prom",
            "retrain.metrics_file: got nowhere/metrics.prom, expected a file in a folder that is there",
        ),
        ("metrics_file: data", "retrain.metrics_file: got the folder data, expected a file"),
        (
            "notify: [no-such-command, x]",
            "retrain.notify: got 'no-such-command', expected a command that can be run",
        ),
    ],
)
def test_what_would_tell_nobody_is_an_error_at_the_start(
    runs, folder, span, capsys, more, problem
) -> None:
    span(1)
    (folder / "config.yaml").write_text(configured(more))
    for how in ("--once", "--watch"):
        assert main(["retrain", how, "--config", "config.yaml"]) == 2
        assert capsys.readouterr().err == f"tokenline: {problem}\n"
    assert runs.orders == []


def test_both_are_told_at_once(folder) -> None:
    (folder / "config.yaml").write_text(configured("metrics_file: a/b, notify: [no-such-command]"))
    with pytest.raises(InputError, match=r"(?s)retrain\.notify: .*\nretrain\.metrics_file: "):
        once()


def test_a_file_name_that_is_no_text_keeps_its_span_waiting_alone(
    runs, folder, span, capsys
) -> None:
    span(1, 2)
    odd = os.fsencode(folder / "data/span-1") + b"/caf\xe9.jsonl"
    with open(odd, "wb") as file:
        file.write(b'{"text": "a"}\n')
    assert once(as_json=True) == 0
    assert states() == {1: "waiting", 2: "pushed"}
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    reasons = [each["reason"] for each in told if each["event"] == "span_waiting"]
    assert reasons == [f"{folder}/data/span-1: got the file name 'caf\\xe9.jsonl', expected UTF-8"]
    os.rename(odd, folder / "data/span-1/more.jsonl")
    (folder / "data/span-1/_SUCCESS").touch()
    assert once() == 0
    assert states() == {1: "pushed", 2: "pushed"}


def test_content_that_comes_back_is_trained_again(runs, span, capsys) -> None:
    for text in ("a", "b", "a"):
        span(1, text=text)
        assert once() == 0
    assert len({each.key for each in runs.orders}) == 3
    said = capsys.readouterr().out
    assert "pushed as version 3" in said
    assert "before" not in said
    assert "nothing new" not in said
