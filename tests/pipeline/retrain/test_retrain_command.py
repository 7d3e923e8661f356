"""`tokenline retrain` with runs that only pretend: what is ordered, in which order, and what is kept."""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from components.errors import InputError
from pipeline.config import load_config
from pipeline.retrain import command, order, supervise
from pipeline.retrain.command import Options, retrain
from pipeline.retrain.ledger import open_ledger
from pipeline.retrain.order import Outcome

CONFIG = """
pipeline: {name: pretend, root: runs}
task: lm
data: {path: "data/span-{SPAN}", columns: {text: text}}
retrain: {window: {spans: 2}, retries: 1, backoff_seconds: 0}
"""


class Runs:
    """Stands for the child process: notes its orders, and ends as it is told for a new span."""

    def __init__(self) -> None:
        self.orders: list[order.Order] = []
        self.ends: dict[int, list[str]] = {}  # span -> how its runs end, one after the other
        self.version = 0

    @property
    def read(self) -> list[tuple[list[int], list[int]]]:
        """(spans, new) of each run."""
        return [([span for span, _ in each.spans], list(each.new)) for each in self.orders]

    def __call__(self, config_file: str, path: str, stop, output=None) -> supervise.ChildEnd:
        ordered = order.read_order(path)
        self.orders.append(ordered)
        assert ordered.config == order.config_digest(load_config(config_file))  # as the run checks
        ends = self.ends.get(ordered.new[0], [])
        end = ends.pop(0) if ends else "pushed"
        if end == "stopped":
            os.kill(os.getpid(), signal.SIGTERM)
            assert stop.is_set()
            raise supervise.Stopped
        if end == "killed":
            return supervise.ChildEnd(-9)
        facts = {"key": ordered.key, "reason": f"{end} for a reason"}
        if end == "pushed":
            self.version += 1
            told = Outcome(key=ordered.key, state="pushed", version=str(self.version))
        elif end == "refused":
            told = Outcome(state="refused", **facts)
        else:
            told = Outcome(
                state="failed", permanent=end == "bad", passing=end == "outside", **facts
            )
        order.write(told, str(pathlib.Path(path).parent))
        return supervise.ChildEnd(0)


@pytest.fixture
def runs(monkeypatch) -> Runs:
    found = Runs()
    monkeypatch.setattr(supervise, "run_child", found)
    return found


@pytest.fixture
def folder(tmp_path, monkeypatch) -> pathlib.Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "config.yaml").write_text(CONFIG)
    return tmp_path


@pytest.fixture
def span(folder) -> Callable[..., None]:
    def make(*numbers: int, text: str = "some words") -> None:
        for number in numbers:
            there = folder / "data" / f"span-{number}"
            there.mkdir(exist_ok=True)
            (there / "rows.jsonl").write_text(json.dumps({"text": f"{text} {number}"}) + "\n")
            (there / "_SUCCESS").touch()

    return make


@contextlib.contextmanager
def holding(lock: pathlib.Path) -> Iterator[int]:
    """Another process that holds a lock, and is killed in the end; gives its id."""
    text = "import sys; from pipeline import lock\n"
    text += "with lock.held(sys.argv[1], 'x'): print(1, flush=True); input()"
    other = subprocess.Popen(
        [sys.executable, "-c", text, str(lock)],
        cwd=pathlib.Path(command.__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert other.stdout
    assert other.stdout.readline()
    try:
        yield other.pid
    finally:
        other.kill()
        other.communicate()


def once(**more) -> int:
    return retrain(Options("config.yaml", **more))


def configured(more: str) -> str:
    """The configuration with more keys of `retrain`."""
    return CONFIG.rstrip().removesuffix("}") + f", {more}}}\n"


def states() -> dict[int, str]:
    state, _ = open_ledger("runs/pretend").load()
    return {span: version.state for span, version in state.newest().items()}


def test_nothing_there_yet_is_nothing_new(runs, folder, capsys) -> None:
    assert once() == 0
    assert "nothing new" in capsys.readouterr().out
    assert runs.orders == []


def test_a_burst_is_taken_span_by_span_with_a_window_of_two(runs, span) -> None:
    span(1, 2, 4)
    assert once() == 0
    assert runs.read == [([1], [1]), ([1, 2], [2]), ([2, 4], [4])]
    assert once() == 0
    assert len(runs.orders) == 3  # nothing twice
    assert states() == {1: "pushed", 2: "pushed", 4: "pushed"}


def test_a_refused_span_stays_in_the_window_and_its_reason_is_kept(runs, span, capsys) -> None:
    span(1, 2)
    runs.ends = {2: ["refused"]}
    assert once() == 3
    assert states() == {1: "pushed", 2: "refused"}
    once(status=True)
    assert "refused for a reason" in capsys.readouterr().out
    span(3)
    assert once() == 0
    assert runs.read[-1] == ([2, 3], [3])


def test_bad_input_parks_the_span_at_once_and_the_next_goes_on(runs, span) -> None:
    span(1, 2, 3)
    runs.ends = {2: ["bad"]}
    assert once() == 2
    assert runs.read == [([1], [1]), ([1, 2], [2]), ([1, 3], [3])]
    assert states() == {1: "pushed", 2: "parked", 3: "pushed"}


def test_a_failure_is_tried_again_and_then_parked_until_somebody_retries_it(
    runs, span, capsys
) -> None:
    span(1)
    runs.ends = {1: ["failed", "killed"]}
    assert once() == 1
    assert len(runs.orders) == 2  # retries: 1
    assert states() == {1: "parked"}
    once(status=True)
    assert "SIGKILL" in capsys.readouterr().out
    assert once(retry=1) == 0
    assert once() == 0
    assert states() == {1: "pushed"}


def test_what_lies_outside_parks_nothing(runs, span) -> None:
    span(1)
    runs.ends = {1: ["outside"] * 5 + ["failed", "pushed"]}
    for count in range(1, 6):  # though retries are 1
        assert once() == 1
        assert len(runs.orders) == count  # and no further one meanwhile: it would meet the same
        assert states() == {1: "pending"}
    assert once() == 1
    assert states() == {1: "pushed"}


def test_what_is_stopped_is_not_counted_and_runs_again(runs, span) -> None:
    span(1)
    runs.ends = {1: ["stopped", "failed", "pushed"]}
    assert once() == 143  # as SIGTERM has it
    assert states() == {1: "pending"}
    assert once() == 1
    assert len(runs.orders) == 3
    assert len({each.key for each in runs.orders}) == 1  # one run, begun three times
    assert states() == {1: "pushed"}


@pytest.mark.parametrize("told", [False, True])
def test_a_retrain_that_died_in_a_run(runs, span, monkeypatch, told) -> None:
    """Told: the run had left its outcome, only the ledger had not heard of it."""
    span(1)

    def dies(config_file: str, path: str, stop, output=None) -> supervise.ChildEnd:
        if told:
            runs(config_file, path, stop)
        raise SystemExit  # as good as a kill: nothing after this line is done

    with monkeypatch.context() as patched:
        patched.setattr(supervise, "run_child", dies)
        with pytest.raises(SystemExit):
            once()
    assert states() == {1: "claimed"}
    assert once() == 0
    assert states() == {1: "pushed"}
    assert len(runs.orders) == 1


def test_files_that_come_late_make_a_new_version(runs, span) -> None:
    span(1)
    once()
    span(1, text="other words")
    assert once() == 0
    assert [each.new for each in runs.orders] == [(1,), (1,)]
    assert len({each.key for each in runs.orders}) == 2


def test_another_retrain_is_left_alone_and_named(runs, folder, span) -> None:
    span(1)
    with holding(folder / "runs/pretend/retrain/lock") as other, pytest.raises(InputError) as left:
        once()
    assert f"(process {other}, for " in str(left.value)
    assert once() == 0


def test_listeners_hear_of_it(runs, folder, span, capsys) -> None:
    heard = folder / "heard.jsonl"
    script = f"import sys; open({str(heard)!r}, 'a').write(sys.stdin.read())"
    notify = json.dumps([sys.executable, "-c", script])
    (folder / "config.yaml").write_text(configured(f"notify: {notify}, metrics_file: metrics.prom"))
    span(1, 2)
    runs.ends = {2: ["refused"]}
    assert once(as_json=True) == 3
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    names = [each["event"] for each in events]
    assert names.count("run_started") == 2
    assert names[-2:] == ["run_refused", "ended"]
    log = (folder / "runs/pretend/retrain/log.jsonl").read_text().splitlines()
    assert [json.loads(line)["event"] for line in log] == names
    told = [json.loads(line) for line in heard.read_text().splitlines()]
    assert [each["event"] for each in told] == ["run_pushed", "run_refused"]
    assert told[1]["reason"] == "refused for a reason"
    lines = (folder / "metrics.prom").read_text().splitlines()
    assert 'tokenline_runs_total{pipeline="pretend",state="pushed"} 1' in lines
    assert 'tokenline_pushed_version{pipeline="pretend"} 1.0' in lines
    assert sum(line.startswith("# TYPE tokenline_runs_total") for line in lines) == 1


def test_a_notification_that_fails_ends_nothing(runs, folder, span, capsys) -> None:
    """A command that fails, and in the end is not there any more."""
    command = folder / "tell.sh"
    command.write_text('#!/bin/sh\nrm -- "$0"; echo no mail >&2; exit 3\n')
    command.chmod(0o755)
    (folder / "config.yaml").write_text(configured(f"notify: [{command}]"))
    span(1, 2)
    assert once() == 0
    said = capsys.readouterr().err
    assert f"retrain.notify: {command}: exit code 3: no mail" in said
    assert f"retrain.notify: {command}: No such file or directory" in said
    assert states() == {1: "pushed", 2: "pushed"}


def test_a_path_without_spans_is_refused(folder) -> None:
    (folder / "config.yaml").write_text(CONFIG.replace("/span-{SPAN}", "").split("retrain:")[0])
    with pytest.raises(InputError, match=r"data\.path: got .*, expected \{SPAN\}"):
        once()


def test_nothing_heavy_is_imported(folder) -> None:
    script = (
        "import sys; from pipeline.__main__ import main; code = main(['retrain']);"
        "heavy = {'tensorflow', 'tfx', 'apache_beam', 'ml_metadata', 'keras', 'numpy'};"
        "print(code, sorted(heavy & set(sys.modules)))"
    )
    (folder / "pipeline_config.yaml").write_text(CONFIG)
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=True,
        env={"PYTHONPATH": str(pathlib.Path(command.__file__).parents[2])},
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "0 []"
