"""How steps are started and ended, as processes and as forks."""

import json
import os
import pathlib
import sys
import time

import pytest

from components import progress
from pipeline.emulator.forks import Forks
from pipeline.emulator.isolation import NOT_FOUND, Step, Subprocesses, clean_environment
from pipeline.emulator.task_inputs import TaskError
from pipeline.emulator.watching import Watched

SHOWS = """
import json, os, sys
if __name__ == "__main__":
    found = {"environment": dict(os.environ), "arguments": sys.argv[1:], "folder": os.getcwd(),
             "session": os.getsid(0) == os.getpid(), "loaded": "json.tool" in sys.modules}
    with open(sys.argv[1], "w") as file: json.dump(found, file)
    print("written"); print("said", file=sys.stderr)
    sys.exit(int(sys.argv[2]))
"""
# Says who it and its child are, and waits to be ended.
WAITS = """
import os, subprocess, sys, time
if __name__ == "__main__":
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    with open(sys.argv[1] + ".partial", "w") as file: file.write(f"{os.getpid()} {child.pid}")
    os.rename(sys.argv[1] + ".partial", sys.argv[1])
    time.sleep(600)
"""


@pytest.fixture(params=["subprocess", "fork"])
def steps(request, tmp_path: pathlib.Path, monkeypatch):
    monkeypatch.setenv("SECRET", "of the user")
    environment = clean_environment(sys.executable, str(tmp_path / "home"))
    if request.param == "subprocess":
        yield Subprocesses(environment)
        return
    forks = Forks(environment, ["json.tool", "absent_module"], str(tmp_path / "zygote.log"))
    yield forks
    forks.close()


def _step(folder: pathlib.Path, code: str, *arguments: str) -> Step:
    working = folder / "working"
    working.mkdir(exist_ok=True)
    (working / "shown.py").write_text(code)
    return Step(("python", "-m", "shown", *arguments), str(working), str(folder / "log"))


@pytest.mark.parametrize("code", [0, 3])
def test_a_step_starts_clean_and_its_exit_code_is_told(steps, tmp_path, code: int) -> None:
    step = _step(tmp_path, SHOWS, str(tmp_path / "found"), str(code))
    assert steps.run(step, lambda: None) == code
    found = json.loads((tmp_path / "found").read_text())
    assert "SECRET" not in found["environment"]
    assert found["environment"]["HOME"] == str(tmp_path / "home")
    assert found["arguments"] == [str(tmp_path / "found"), str(code)]
    assert found["folder"] == step.folder
    assert found["session"]
    assert found["loaded"] is isinstance(steps, Forks)
    assert sorted((tmp_path / "log").read_text().split()) == ["said", "written"]


def test_steps_of_one_isolation_do_not_see_each_other(steps, tmp_path) -> None:
    code = (
        'import json, os, sys; print(hasattr(json, "mark")); json.mark = 1; os.environ["A"] = "b"'
    )
    for _ in range(2):
        steps.run(
            _step(tmp_path, code + '; print(os.environ.get("A"), len(sys.argv))'), lambda: None
        )
    assert (tmp_path / "log").read_text().split() == ["False", "b", "1"] * 2


def test_an_exception_is_in_the_log_and_the_next_step_runs(steps, tmp_path) -> None:
    assert steps.run(_step(tmp_path, 'raise ValueError("no luck")'), lambda: None) == 1
    assert (tmp_path / "log").read_text().rstrip().endswith("ValueError: no luck")
    assert steps.run(_step(tmp_path, "import sys; sys.exit('odd')"), lambda: None) == 1
    assert (
        steps.run(_step(tmp_path, "import os, signal; os.kill(os.getpid(), 9)"), lambda: None) == -9
    )
    assert steps.run(_step(tmp_path, ""), lambda: None) == 0


def test_a_command_that_is_no_module_and_one_that_is_absent(steps, tmp_path) -> None:
    step = _step(tmp_path, "")
    other = Step(("sh", "-c", "exit 7"), step.folder, step.log)
    assert steps.run(other, lambda: None) == 7
    absent = Step(("no-such-command",), step.folder, step.log)
    assert steps.run(absent, lambda: None) == NOT_FOUND


def test_interrupting_ends_the_step_and_what_it_started(steps, tmp_path) -> None:
    def interrupt() -> None:
        if (tmp_path / "who").exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        steps.run(_step(tmp_path, WAITS, str(tmp_path / "who")), interrupt)
    _assert_gone(tmp_path / "who")


def test_what_a_step_leaves_running_ends_with_it(steps, tmp_path) -> None:
    code = WAITS.replace("time.sleep(600)\n", "pass\n")
    assert steps.run(_step(tmp_path, code, str(tmp_path / "who")), lambda: None) == 0
    _assert_gone(tmp_path / "who")


def _assert_gone(who: pathlib.Path) -> None:
    """Neither the step nor its child runs any more; the kernel may need a moment to say so."""
    for pid in map(int, who.read_text().split()):
        for _ in range(200):
            if not _runs(pid):
                break
            time.sleep(0.02)
        assert not _runs(pid)


def _runs(pid: int) -> bool:
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_a_process_that_cannot_fork_any_more_is_told(tmp_path) -> None:
    forks = Forks(clean_environment(sys.executable, "/"), [], str(tmp_path / "zygote.log"))
    step = _step(tmp_path, "import os, signal; os.kill(os.getppid(), signal.SIGKILL)")
    with pytest.raises(TaskError, match="the process that forks has ended"):
        forks.run(step, lambda: None)
    forks.close()


def test_progress_is_read_from_a_growing_log(tmp_path) -> None:
    told: list[tuple[str, bool]] = []
    (tmp_path / "log").touch()
    watched = Watched(str(tmp_path / "log"), lambda text, stays: told.append((text, stays)))
    update, result = (
        function.__code__.co_firstlineno for function in (progress.update, progress.result)
    )
    with open(tmp_path / "log", "a") as log:
        log.write(f"I1123 14:04:14.1 139 progress.py:{update + 2}] step 3 of 9\nnoise\n")
        log.write("I1123 14:04:14.1 139 other.py:15] not ours\n")
        log.write(f"I1123 14:04:15.1 139 progress.py:{result + 2}] done, l")
        log.flush()
        watched()
        assert told == [("step 3 of 9", False)]
        log.write("oss 2\n")
    watched()
    watched()
    assert told == [("step 3 of 9", False), ("done, loss 2", True)]


def test_the_environment_is_all_there_is(monkeypatch) -> None:
    monkeypatch.setitem(os.environ, "PYTHONPATH", "/elsewhere")
    found = clean_environment("/a/bin/python", "/home")
    assert set(found) == {"PATH", "HOME", "LANG", "TF_CPP_MIN_LOG_LEVEL"}
    assert found["PATH"].split(os.pathsep)[0] == "/a/bin"
