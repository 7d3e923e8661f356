"""The command line: help, bad arguments, and errors that need no TensorFlow."""

import os
import pathlib
import subprocess
import sys

import pytest

from pipeline.__main__ import main
from transform.settings import Settings, Side

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipeline_config.yaml").write_text(
        "pipeline: {name: small}\ntask: lm\ndata: {path: rows}\n"
    )
    (tmp_path / "rows").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "--config", "absent.yaml"], "absent.yaml: cannot read the configuration"),
        (["run"], "rows: no file"),
        (["report"], "small: no finished run yet"),
        (["predict"], "runs/small/serving: no pushed model yet"),
        (["predict", "--model", "rows"], "rows holds no saved_model.pb"),
        (
            ["generate", "--span", "2"],
            "pipeline_config.yaml:3: data.generator: missing, expected one",
        ),
    ],
)
def test_bad_input_is_one_line_and_exit_2(folder, capsys, arguments: list[str], says: str) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("tokenline: ")
    assert says in error
    assert error.count("\n") == 1


def test_a_configuration_from_a_pipe_is_refused_without_its_lines(folder, capsys) -> None:
    """It is read once, so nobody can look up afterwards where a key stands."""
    reading, writing = os.pipe()
    os.write(writing, f"pipeline: {{name: a}}\ntask: lm\ndata: {{path: {folder}/rows}}\n".encode())
    os.close(writing)
    try:
        assert main(["generate", "--span", "2", "--config", f"/dev/fd/{reading}"]) == 2
    finally:
        os.close(reading)
    expected = "tokenline: data.generator: missing, expected one: this data is not generated\n"
    assert capsys.readouterr().err == expected


def test_a_folder_that_cannot_be_pushed_to_is_named_with_its_key(folder, capsys) -> None:
    (folder / "rows" / "a.jsonl").write_text('{"text": "a b"}\n' * 9)
    with open(folder / "pipeline_config.yaml", "a") as config:
        config.write("serving: {push_to: rows/a.jsonl}\n")
    assert main(["run"]) == 2
    assert capsys.readouterr().err == (
        "tokenline: serving.push_to: rows/a.jsonl: File exists, expected a folder to write into\n"
    )


def test_no_command_and_unknown_command_show_usage(capsys) -> None:
    for arguments in ([], ["trian"]):
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        assert stopped.value.code == 2
        assert "usage: tokenline" in capsys.readouterr().err


def test_two_runs_of_one_pipeline_at_once_are_refused(folder, capsys) -> None:
    import fcntl

    (folder / "rows" / "a.jsonl").write_text('{"text": "a b"}\n' * 9)
    (folder / "runs" / "small").mkdir(parents=True)
    with open(folder / "runs" / "small" / "lock", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert main(["run"]) == 2
    assert "another run of this pipeline is in progress" in capsys.readouterr().err
    assert not (folder / "runs" / "small" / "runs").exists()


@pytest.mark.parametrize("output", ["scores.txt", "nowhere/scores.jsonl", "scores.jsonl"])
def test_bad_arguments_of_score_load_nothing_heavy(folder, output: str) -> None:
    """The last one says that there is no such file of rows."""
    (folder / "model" / "assets.extra").mkdir(parents=True)
    (folder / "model" / "saved_model.pb").write_text("")
    settings = Settings("lm", Side("text", "whitespace", 9)).to_json()
    facts = f'{{"task": "lm", "settings": {settings}}}'
    (folder / "model" / "assets.extra" / "tokenline.json").write_text(facts)
    arguments = ["score", "no.jsonl", "--model", "model", "--output", output]
    assert _heavy_after(folder, arguments) == "2 set()\n"


def test_help_and_config_errors_load_nothing_heavy(folder) -> None:
    (folder / "pipeline_config.yaml").write_text("task: lmm\n")
    assert _heavy_after(folder, ["run"]) == "2 set()\n"


def _heavy_after(folder: pathlib.Path, arguments: list[str]) -> str:
    """The exit code of a command in a process of its own, and the heavy modules that it loaded."""
    code = (
        "import sys\nfrom pipeline.__main__ import main\n"
        f"code = main({arguments!r})\n"
        "heavy = {'tensorflow', 'tfx', 'numpy', 'apache_beam', 'keras'} & set(sys.modules)\n"
        "print(code, heavy)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={"PYTHONPATH": str(REPOSITORY), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout
