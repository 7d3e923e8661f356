"""Arguments that are wrong: a line and exit code 2, as for all bad input; nothing is loaded for it."""

import pytest

from pipeline.__main__ import main
from pipeline.argument_parser import Parser


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("schedule --pause", "--pause: expected one argument; see tokenline schedule --help"),
        ("schedule --pasue x", "--pasue: no such option, did you mean --pause?; see tokenline sched"),
        ("schedule --pause a --pause b", "--pause: given twice, expected one value; see tokenline s"),
        ("schedule --list --pause x", "--pause: not allowed with argument --list; see tokenline sch"),
        ("schedule CRON FILE more", "got 'more', expected no further argument; see tokenline sched"),
        ("submit --target x", "--target: got 'x', expected one of vertex, kubeflow; see"),
        ("submit --parameter", "--parameter: expected one argument; see tokenline submit --help"),
        ("submit a.json b.json", "got 'b.json', expected no further argument; see tokenline submit"),
        ("submit --xyz=3", "--xyz: no such option; see tokenline submit --help"),
        ("submit --name a --name a", "--name: given twice, expected one value; see tokenline submit"),
        ("compile --lint", "--lint: expected one argument; see tokenline compile --help"),
        ("compile --lint a --lint b", "--lint: given twice, expected one value; see tokenline comp"),
        ("compile -o", "-o/--output: expected one argument; see tokenline compile --help"),
        ("compile --config a --config b", "--config: given twice, expected one value; see tokenline"),
        ("compile --lint=", "--lint: got '', expected a compiled file"),
        ("emulate", "the following arguments are required: FILE; see tokenline emulate --help"),
        ("emulate p --root a --root b", "--root: given twice, expected one value; see tokenline em"),
        ("generate --span x", "--span: invalid int value: 'x'; see tokenline generate --help"),
        ("migrate --diff", "the following arguments are required: PATH; see tokenline migrate --help"),
        ("score a --tokens b --tokes", "--tokes: no such option, did you mean --tokens?; see token"),
        ("run now", "got 'now', expected no further argument; see tokenline run --help"),
    ],
)  # fmt: skip
def test_it_is_told_in_a_line(arguments, says, capsys) -> None:
    assert main(arguments.split()) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"tokenline: {says}")
    assert told.err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["a", "b", "--name", "c"],
        ["a", "--name", "c", "b"],
        ["--name", "c", "a", "b"],
        ["--name=c", "a", "--more", "b"],
    ],
)
def test_options_may_stand_anywhere(arguments) -> None:
    parser = Parser(prog="p")
    parser.add_argument("first", nargs="?")
    parser.add_argument("second", nargs="?")
    parser.add_argument("--name", default="")
    parser.add_argument("--more", action="append_const", const=1)
    found = parser.parse_args(arguments)
    assert (found.first, found.second, found.name) == ("a", "b", "c")


@pytest.mark.parametrize(
    ("arguments", "files"),
    [
        ([], ["stdin"]),
        (["--name", "c"], ["stdin"]),
        (["a", "b", "--name", "c"], ["a", "b"]),
        (["--name", "c", "a", "b"], ["a", "b"]),
        (["a", "--name", "c", "b", "-"], ["a", "b", "-"]),
        (["a", "--more", "b", "--name=c", "d"], ["a", "b", "d"]),
    ],
)
def test_options_may_stand_among_files(arguments, files) -> None:
    parser = Parser(prog="p")
    parser.add_argument("files", nargs="*", default=["stdin"])
    parser.add_argument("--name", default="")
    parser.add_argument("--more", action="append_const", const=1)
    assert parser.parse_args(arguments).files == files


def test_what_may_be_repeated_still_may() -> None:
    parser = Parser(prog="p")
    parser.add_argument("--each", action="append")
    parser.add_argument("--one", default="x")
    assert parser.parse_args(["--each", "a", "--each", "a"]).each == ["a", "a"]
    assert parser.parse_args([]).one == "x"
