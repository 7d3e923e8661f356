"""What retrain does when something around it is not as it should be; and what it does to the network."""

import itertools
import os
import shutil
import signal
import statistics
import subprocess
import time

import pytest
from retrain_project import Project, check_as_undisturbed

pytestmark = pytest.mark.pipeline


def test_no_connection_is_tried(project: Project, undisturbed) -> None:
    """In a network namespace that has loopback alone: what is sent elsewhere finds no route, and counts."""
    in_namespace = ["unshare", "--net", "--map-root-user"]
    if subprocess.run([*in_namespace, "true"], capture_output=True, check=False).returncode:
        pytest.skip("network namespaces cannot be made here")
    project.restore()
    project.span(2)
    script = 'ip link set lo up && "$@"; code=$?; grep ^Ip: /proc/net/snmp >&2; exit $code'
    done = project.retrain(*in_namespace, "sh", "-c", script, "sh")
    assert done.returncode == 0, done.stdout + done.stderr
    names, values = (line.split()[1:] for line in done.stderr.splitlines() if line[:3] == "Ip:")
    assert dict(zip(names, values, strict=True))["OutNoRoutes"] == "0"
    check_as_undisturbed(project, undisturbed)


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
    handles, memory, ends = [], [], [time.monotonic()]
    assert process.stdout
    for line in process.stdout:
        if "pushed as version" not in line and "not pushed" not in line:
            continue
        ends.append(time.monotonic())
        handles.append(len(os.listdir(f"/proc/{process.pid}/fd")))
        with open(f"/proc/{process.pid}/statm") as file:
            memory.append(int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE"))
    process.communicate()
    took = [later - one for one, later in itertools.pairwise(ends)]
    for at in range(0, len(took), 20):
        part = slice(at, at + 20)
        print(
            f"runs {at + 1:3} to {at + len(took[part]):3}: median {statistics.median(took[part]):.1f} s, "
            f"{memory[part][-1] / 2**20:.1f} MiB, {handles[part][-1]} handles"
        )
    assert len([run for run in project.ledger() if run["state"] in ("pushed", "refused")]) == last
    assert max(handles[1:]) == min(handles[1:])
    assert max(memory) - memory[1] < 8 << 20
