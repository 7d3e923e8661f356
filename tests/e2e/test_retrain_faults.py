"""What retrain does when something around it is not as it should be; and what it does to the network."""

import itertools
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time

import open_ports
import pytest
from retrain_project import Project, check_as_undisturbed

pytestmark = pytest.mark.pipeline


# What is sent elsewhere finds no route, and is counted, in a network namespace that has loopback alone.
_COUNTED = """
ip link set lo up && "$@"; code=$?
grep ^Ip: /proc/net/snmp >&2; grep ^Ip6OutNoRoutes /proc/net/snmp6 >&2; exit $code
"""
_ALONE = ["unshare", "--net", "--map-root-user", "sh", "-c", _COUNTED, "sh"]
_TRIES = """
import socket, sys
family, address = socket.AF_INET, "192.0.2.1"
if sys.argv[1] == "6":
    family, address = socket.AF_INET6, "2001:db8::1"
socket.socket(family).connect_ex((address, 80))
"""


@pytest.fixture(scope="session")
def alone() -> list[str]:
    """What has a command run in such a namespace."""
    if subprocess.run([*_ALONE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("network namespaces cannot be made here")
    return _ALONE


def tried(told: str) -> dict[str, int]:
    """How many packets found no route, by kind of address."""
    names, values = (line.split()[1:] for line in told.splitlines() if line[:3] == "Ip:")
    counted = dict(zip(names, map(int, values), strict=True))
    [six] = [line.split()[1] for line in told.splitlines() if line.startswith("Ip6OutNoRoutes")]
    return {"4": counted["OutNoRoutes"], "6": int(six)}


@pytest.mark.parametrize("kind", ["4", "6"])
def test_a_connection_that_is_tried_is_counted(alone, kind: str) -> None:
    command = [*alone, sys.executable, "-c", _TRIES, kind]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert {name for name, count in tried(done.stderr).items() if count} == {kind}


def test_no_connection_is_tried_and_none_is_taken(project: Project, undisturbed, alone) -> None:
    project.restore()
    project.span(2)
    process = project.begin(*alone)
    out, err, listened_at = open_ports.ended(process)
    assert process.returncode == 0, out + err
    assert tried(err) == {"4": 0, "6": 0}
    assert listened_at == set()
    check_as_undisturbed(project, undisturbed)


def test_a_listener_in_a_namespace_is_seen(alone) -> None:
    script = "import socket, time; s = socket.create_server(('', 0)); time.sleep(1)"
    process = subprocess.Popen(
        [*alone, sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    _, _, listened_at = open_ports.ended(process)
    assert {address.split()[0] for address in listened_at} == {"0.0.0.0"}


@pytest.mark.slow
def test_two_at_once_are_one(project: Project, undisturbed) -> None:
    project.restore()
    project.span(2)
    both = [project.begin(), project.begin()]
    told = [process.communicate() for process in both]
    codes = sorted(process.returncode for process in both)
    assert codes == [0, 2]
    left = next(err for process, (_, err) in zip(both, told, strict=True) if process.returncode)
    other = next(process.pid for process in both if not process.returncode)
    assert f"(process {other}, for " in left
    assert "Traceback" not in left
    check_as_undisturbed(project, undisturbed)


@pytest.mark.slow
def test_what_is_asked_to_end_gives_the_span_back(project: Project, undisturbed) -> None:
    project.restore()
    project.span(2)
    process = project.begin()
    assert process.stdout
    for line in process.stdout:
        if "Transform  " in line:  # the trainer is at work
            break
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate()
    assert process.returncode == 143, out + err
    assert "stopped" in out
    assert [run["reason"] for run in project.ledger()] == ["", "interrupted"]
    again = project.retrain()
    assert again.returncode == 0, again.stdout + again.stderr
    check_as_undisturbed(project, undisturbed)


@pytest.fixture
def small_disk(project: Project):
    """The pipeline's folder on a disk of its own; call it to change the disk's options."""
    project.restore()
    project.span(2)
    where, aside = project.pipeline, project.folder / "aside"
    where.rename(aside)
    where.mkdir()
    size = sum(path.stat().st_size for path in aside.rglob("*") if path.is_file())
    options = f"size={size + (1 << 20)}"
    mounted = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(where)]
    if os.geteuid() or subprocess.run(mounted, capture_output=True, check=False).returncode:
        pytest.skip("a disk cannot be mounted here")
    shutil.copytree(aside, where, symlinks=True, dirs_exist_ok=True)

    def change(options: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{options}", str(where)], check=True)

    yield change
    subprocess.run(["umount", "--lazy", str(where)], check=True)


@pytest.mark.slow
def test_a_full_disk(project: Project, undisturbed, small_disk) -> None:
    failed = project.retrain()
    assert failed.returncode in (1, 2)
    assert "No space left on device" in failed.stdout + failed.stderr
    assert "Traceback" not in failed.stdout + failed.stderr
    assert project.versions() == ["1"]
    small_disk("size=200m")
    again = project.retrain()
    assert again.returncode == 0, again.stdout + again.stderr
    check_as_undisturbed(project, undisturbed)


@pytest.mark.slow
def test_a_read_only_disk(project: Project, undisturbed, small_disk) -> None:
    small_disk("ro,size=200m")
    failed = project.retrain()
    assert failed.returncode == 2
    assert "read-only" in (failed.stdout + failed.stderr).lower()
    assert len(failed.stderr.splitlines()) == 1
    small_disk("rw")
    again = project.retrain()
    assert again.returncode == 0, again.stdout + again.stderr
    check_as_undisturbed(project, undisturbed)


@pytest.mark.slow
@pytest.mark.skipif(
    "RETRAIN_SPANS" not in os.environ, reason="takes most of an hour: RETRAIN_SPANS=200"
)
def test_many_spans_in_a_row(project: Project) -> None:
    """Memory and handles of the one retrain are flat: it holds nothing of a run.

    How long the runs took is printed (`-rP` shows it), and not judged.
    """
    project.restore()
    last = 1 + int(os.environ["RETRAIN_SPANS"])
    for number in range(2, last + 1):
        project.span(number)
    process = project.begin()
    handles, memory, ends, work = [], [], [time.monotonic()], [0.0]
    assert process.stdout
    for line in process.stdout:
        if "pushed as version" not in line and "not pushed" not in line:
            continue
        ends.append(time.monotonic())
        handles.append(len(os.listdir(f"/proc/{process.pid}/fd")))
        with open(f"/proc/{process.pid}/statm") as file:
            memory.append(int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE"))
        work.append(_seconds_of_work(process.pid))
    process.communicate()
    took = [later - one for one, later in itertools.pairwise(ends)]
    worked = [later - one for one, later in itertools.pairwise(work)]
    for at in range(0, len(took), 20):
        part = slice(at, at + 20)
        print(
            f"runs {at + 1:3} to {at + len(took[part]):3}: median {statistics.median(took[part]):.1f} s, "
            f"{statistics.median(worked[part]):.1f} s of work, "
            f"{memory[part][-1] / 2**20:.1f} MiB, {handles[part][-1]} handles"
        )
    assert len([run for run in project.ledger() if run["state"] in ("pushed", "refused")]) == last
    # A few come and go with each look: what is held at the least does not grow.
    assert min(handles[-20:]) <= min(handles[:20])
    assert max(memory) - memory[1] < 8 << 20


def _seconds_of_work(pid: int) -> float:
    """Of a process and of its children that have ended, on all processors."""
    with open(f"/proc/{pid}/stat") as file:
        times = file.read().rpartition(")")[2].split()[11:15]
    return sum(map(int, times)) / os.sysconf("SC_CLK_TCK")
