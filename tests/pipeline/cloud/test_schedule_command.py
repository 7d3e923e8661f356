"""`tokenline schedule`: cron is checked, schedules are made once, paused, resumed, listed, deleted."""

import json

import pytest

from components.errors import InputError
from pipeline.__main__ import main
from pipeline.submit import cron

GIVEN = ["--parameter", "data_path=d"]


@pytest.mark.parametrize(
    ("text", "vertex"),
    [
        ("0 3 * * *", "0 3 * * *"),
        ("  */15  0-6  1,15 jan-mar MON-FRI ", "*/15 0-6 1,15 JAN-MAR MON-FRI"),
        ("TZ=Europe/Berlin 30 8-18/2 * * 1", "TZ=Europe/Berlin 30 8-18/2 * * 1"),
        ("CRON_TZ=UTC 0 0 29 2 *", "TZ=UTC 0 0 29 2 *"),
        ("0 0 31 2 MON", "0 0 31 2 MON"),
    ],
)
def test_cron(text, vertex):
    assert cron.parse(text).vertex == vertex


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("0 3 * *", "with 4 fields, expected five: minute, hour, day of month, month, day of week"),
        ("0 0 3 * * *", "with 6 fields"),
        ("", "with 0 fields"),
        ("60 3 * * *", "minute: got '60'"),
        ("0 24 * * *", "hour: got '24'"),
        ("0 3 0 * *", "day of month: got '0'"),
        ("0 3 * 13 *", "month: got '13'"),
        ("0 3 * * 7", "day of week: got '7'"),
        ("0 3 * FOO *", r"month: got 'FOO' .* or JAN-DEC"),
        ("*/0 3 * * *", r"minute: got '\*/0'"),
        ("30-10 3 * * *", "minute: got '30-10'"),
        ("5/15 3 * * *", "minute: got '5/15'"),
        ("1,, 3 * * *", "minute: got '1,,'"),
        ("０ 3 * * *", "minute: got '０'"),
        ("0 3 31 2,4 *", "which no day fits"),
        ("TZ=Berlin 0 3 * * *", "time zone 'Berlin' .* Europe/Berlin"),
        ("@daily", "with 1 fields"),
    ],
)
def test_what_is_no_cron(text, says):
    with pytest.raises(InputError, match=f"^cron: .*{says}"):
        cron.parse(text)


def test_kubeflow_has_seconds_and_no_time_zone():
    assert cron.parse("*/5 3 * * 1").kubeflow == "0 */5 3 * * 1"
    with pytest.raises(InputError, match="TZ=UTC, expected none"):
        _ = cron.parse("TZ=UTC 0 3 * * *").kubeflow


def test_a_schedule_lives(vertex, config_file, spec_file, capsys):
    assert main(["schedule", "TZ=Europe/Berlin 0 3 * * *", spec_file, *GIVEN]) == 0
    assert "schedule numbers (100): TZ=Europe/Berlin 0 3 * * *" in capsys.readouterr().out
    (call,) = vertex.made("POST", "schedules")
    assert call.body["cron"] == "TZ=Europe/Berlin 0 3 * * *"
    assert call.body["maxConcurrentRunCount"] == "1"
    job = call.body["createPipelineJobRequest"]["pipelineJob"]
    assert job["runtimeConfig"]["parameterValues"] == {"data_path": "d"}
    assert job["labels"] == {"team": "nlp", "tfx_version": "1-21-0"}
    assert job["serviceAccount"] == "runner@my-project.iam.gserviceaccount.com"

    for arguments, state in (
        (["--pause", "numbers"], "paused"),
        (["--resume", "100"], "active"),
    ):
        assert main(["schedule", *arguments]) == 0
        capsys.readouterr()
        assert main(["schedule", "--list", "--json"]) == 0
        (told,) = json.loads(capsys.readouterr().out)
        assert (told["name"], told["state"], told["next_run"]) == (
            "numbers",
            state,
            "2030-01-02 03:04",
        )
    assert main(["schedule", "--list"]) == 0
    assert capsys.readouterr().out == (
        "numbers  active  TZ=Europe/Berlin 0 3 * * *  next 2030-01-02 03:04 UTC  (100)\n"
    )
    assert main(["schedule", "--delete", "numbers"]) == 0
    assert main(["schedule", "--list"]) == 0
    assert capsys.readouterr().out.endswith("schedule numbers (100): deleted\nno schedule\n")


def test_one_schedule_of_a_name(vertex, config_file, spec_file, capsys):
    arguments = ["submit", spec_file, *GIVEN, "--schedule", "0 3 * * *"]
    assert main(arguments) == 0
    assert main(arguments) == 2
    assert (
        "schedule numbers: there is one already (100, 0 3 * * *, active)" in capsys.readouterr().err
    )
    assert main([*arguments, "--name", "nightly"]) == 0
    assert len(vertex.schedules) == 2
    assert main(["schedule", "--pause", "weekly"]) == 2
    assert (
        "schedule weekly: there is none, expected one of nightly, numbers"
        in capsys.readouterr().err
    )


def test_a_dry_run_is_what_is_sent(vertex, config_file, spec_file, capsys):
    assert main(["schedule", "0 3 * * *", spec_file, *GIVEN, "--dry-run"]) == 0
    told = json.loads(capsys.readouterr().out)["schedule"]
    assert vertex.calls == []
    assert main(["schedule", "0 3 * * *", spec_file, *GIVEN]) == 0
    (call,) = vertex.made("POST", "schedules")
    job = told["createPipelineJobRequest"]["pipelineJob"]
    job["runtimeConfig"]["failurePolicy"] = 2
    assert told == call.body


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "schedule: got nothing, expected CRON, --list, --pause, --resume or --delete"),
        (["0 3 * *", "FILE"], "cron: got '0 3 * *' with 4 fields"),
        (["0 3 * * *", "--list"], "CRON: has no effect with --list"),
        (["--pause", ""], "--pause: got '', expected the name of a schedule, or its id"),
        (["0 3 * * *", "--delete", ""], "--delete: got '', expected the name of a schedule"),
        (["0 3 * * *", "FILE", "--name", "n" * 129], "expected a line of at most 128 characters"),
        (["0 3 * * *", "FILE", "--name", "a\nb"], "--name: got 'a\\nb', expected a line of"),
        (["--pause", "n", "--dry-run"], "--dry-run: has no effect with --pause"),
    ],
)
def test_bad_arguments_are_one_line_and_exit_2(config_file, spec_file, capsys, arguments, says):
    assert main(["schedule", *(spec_file if each == "FILE" else each for each in arguments)]) == 2
    error = capsys.readouterr().err
    assert error == f"tokenline: {error[11:-1]}\n"
    assert says in error
