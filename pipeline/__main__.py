"""The command line: `tokenline`, or `python -m pipeline`.

Answers at once: nothing heavy is imported before a command needs it.
Exit codes: 0 done, 1 failed, 2 bad input, 3 not pushed.
"""

import argparse
import os
import sys

from components.errors import InputError
from pipeline.argument_parser import Parser, add_config
from pipeline.emulator import arguments as emulate_arguments
from pipeline.retrain import arguments as retrain_arguments
from pipeline.scoring import arguments as batch_arguments
from pipeline.submit import arguments as submit_arguments

_BAD_INPUT = 2


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    given = _with_beam(sys.argv[1:] if arguments is None else arguments)
    chosen = argparse.Namespace()
    try:
        _parser().parse_args(given, chosen)
        return chosen.command(chosen)
    except InputError as error:
        return _refuse(_with_lines(error, chosen))
    except KeyboardInterrupt:
        print("tokenline: interrupted; what was finished is kept", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # `| head` took what it wanted; nothing more may be written there, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        place = f"{os.fsdecode(error.filename)}: " if error.filename else ""
        return _refuse(f"{place}{error.strerror or error}")


def _with_beam(arguments: list[str]) -> list[str]:
    """`--beam OPTIONS` as `--beam=OPTIONS`: argparse takes OPTIONS, which start with -, for its own."""
    if "--beam" not in arguments[:-1]:
        return arguments
    at = arguments.index("--beam")
    return [*arguments[:at], f"--beam={arguments[at + 1]}", *arguments[at + 2 :]]


def _with_lines(error: InputError, chosen: argparse.Namespace) -> str:
    """The message; of what is wrong with a configuration, where in the file that is."""
    from pipeline.config.problems import Unsuited

    if not isinstance(error, Unsuited):
        return str(error)
    from pipeline.config import placed

    return placed(error, chosen.config)


def _refuse(problems: str) -> int:
    """Say what is wrong, a line each, with paths as they are seen from here."""
    here = os.getcwd() + os.sep
    for line in problems.split("\n"):
        print(f"tokenline: {line.replace(here, '')}", file=sys.stderr)
    return _BAD_INPUT


def command_line() -> None:
    """The console script: `main`, and out."""
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    if "tensorflow" in sys.modules:
        os._exit(code)  # all is on disk, and TensorFlow and Beam take seconds to take down
    sys.exit(code)


def _parser() -> Parser:
    parser = Parser(
        prog="tokenline",
        description="From raw records to a blessed, served sequence model, "
        "with one loss number that means the same thing at every step.",
        epilog="exit codes: 0 done, 1 failed, 2 bad input, 3 not pushed (not blessed, for one)",
    )
    parser.add_argument("--version", action="version", version=f"tokenline {_version()}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    run = _command(commands, "run", _run, "the whole line, locally, with live progress")
    add_config(run)
    run.add_argument("--order", help=argparse.SUPPRESS)  # how retrain starts a run
    # How it cleans up after one that was killed.
    run.add_argument("--only-clean", action="store_true", help=argparse.SUPPRESS)
    text = "trigger on new spans: each is new in exactly one run"
    retrain = _command(commands, "retrain", retrain_arguments.run, text)
    add_config(retrain)
    retrain_arguments.add(retrain)
    text = "a compiled pipeline to Vertex AI Pipelines or Kubeflow"
    submit = _command(commands, "submit", submit_arguments.submit, text)
    add_config(submit)
    submit_arguments.add_submit(submit)
    text = "submit again and again; list, pause, resume, delete schedules"
    schedule = _command(commands, "schedule", submit_arguments.schedule, text)
    add_config(schedule)
    submit_arguments.add_schedule(schedule)
    report = _command(commands, "report", _report, "a run as an HTML page or as markdown")
    add_config(report)
    report.add_argument("--run", help="id of the run (default: the newest)")
    report.add_argument("--format", choices=("html", "markdown"), default="html", dest="kind")
    text = "file, or - for stdout (default: report.html beside the run's record; markdown: stdout)"
    report.add_argument("-o", "--output", metavar="FILE", help=text)
    predict = _command(
        commands, "predict", batch_arguments.predict, "use the pushed model on raw text"
    )
    batch_arguments.add_predict(predict)
    score = _command(
        commands, "score", batch_arguments.score, "loss of the pushed model on raw rows"
    )
    batch_arguments.add_score(score)
    text = "serve the version before the newest again"
    rollback = _command(commands, "rollback", _rollback, text)
    add_config(rollback)
    rollback.add_argument("--to", type=int, metavar="VERSION", help="go back, or on, to this one")
    rollback.add_argument("--list", action="store_true", help="say which versions there are")
    text = "the versions in cloud.push_to, instead of those on this machine"
    rollback.add_argument("--cloud", action="store_true", help=text)
    prune = _command(commands, "prune", _prune, "free what old runs take on disk")
    add_config(prune)
    prune.add_argument(
        "--keep-runs", type=int, metavar="N", help="how many of the newest runs stay"
    )
    text = "runs of so many newest spans stay"
    prune.add_argument("--keep-spans", type=int, metavar="N", help=text)
    prune.add_argument("--dry-run", action="store_true", help="only say what would be freed")
    text = "the line as a file that Vertex or Kubeflow Pipelines runs"
    compiling = _command(commands, "compile", _compile, text)
    add_config(compiling)
    _add_compile(compiling)
    verify = _command(commands, "verify", _verify, "the invariance certificate of a run's model")
    add_config(verify)
    _add_verify(verify)
    text = "find sequence losses of TF 1, TFA, Keras; ours for them"
    migrate = _command(commands, "migrate", _migrate, text)
    migrate.add_argument("paths", nargs="+", metavar="PATH", help=".py or .md files, folders")
    migrate.add_argument("--diff", action="store_true", help="show what --write would change")
    migrate.add_argument(
        "--write", action="store_true", help="rewrite the calls whose equivalent is certain"
    )
    text = "run a compiled pipeline here, as Vertex AI Pipelines would"
    emulate_arguments.add(_command(commands, "emulate", emulate_arguments.run, text))
    generate = _command(commands, "generate", _generate, "write a span of the sample data")
    add_config(generate)
    generate.add_argument("--span", type=int, required=True, help="which span, from 1")
    return parser


def _version() -> str:
    import importlib.metadata

    return importlib.metadata.version("tokenline")


def _command(commands, name, function, text) -> argparse.ArgumentParser:  # type: ignore[no-untyped-def]
    command = commands.add_parser(name, help=text, description=text)
    command.set_defaults(command=function)
    return command


def _add_compile(command: argparse.ArgumentParser) -> None:
    text = "Google's service, or Kubeflow Pipelines elsewhere (default: vertex)"
    command.add_argument("--target", choices=("vertex", "kubeflow"), default="vertex", help=text)
    text = "file.json or file.yaml; may be given twice (default: pipeline.json; kubeflow: .yaml)"
    what = command.add_mutually_exclusive_group()
    what.add_argument("-o", "--output", action="append", metavar="FILE", default=[], help=text)
    what.add_argument("--lint", metavar="FILE", help="only say what is wrong with a compiled file")


def _add_verify(command: argparse.ArgumentParser) -> None:
    command.add_argument("--run", help="id of the run (default: the newest)")
    command.add_argument("--model", help="model version folder (default: the run's own)")
    command.add_argument("--examples", type=int, default=256, help="rows to look at (default: 256)")
    command.add_argument("--seed", type=int, default=0, help="which rows (default: 0)")


def _run(chosen: argparse.Namespace) -> int:
    from pipeline.config import load_config

    if chosen.only_clean:
        from pipeline.cleaning import clean_alone

        return clean_alone(load_config(chosen.config, data_may_come=True))
    if chosen.order:
        from pipeline.retrain.child import run_ordered

        return run_ordered(load_config(chosen.config), chosen.order)
    from pipeline.run import run

    return run(load_config(chosen.config))


def _report(chosen: argparse.Namespace) -> int:
    from pipeline.config import load_config
    from pipeline.report_command import report

    return report(load_config(chosen.config), chosen.run, chosen.kind, chosen.output)


def _rollback(chosen: argparse.Namespace) -> int:
    from pipeline import rollback_command
    from pipeline.config import load_config

    config = load_config(chosen.config)
    run = rollback_command.run_in_cloud if chosen.cloud else rollback_command.run
    return run(config, to=chosen.to, only_list=chosen.list)


def _prune(chosen: argparse.Namespace) -> int:
    from pipeline import prune_command
    from pipeline.config import load_config

    options = prune_command.Options(chosen.keep_runs, chosen.keep_spans, chosen.dry_run)
    return prune_command.run(load_config(chosen.config), options)


def _compile(chosen: argparse.Namespace) -> int:
    from pipeline import compile_command

    if chosen.lint == "":  # a shell's variable that is not set: it would be compiled instead
        raise InputError("--lint: got '', expected a compiled file")
    if chosen.lint:
        return compile_command.lint_file(chosen.lint, chosen.target)
    from pipeline.config import load_config

    options = compile_command.Options(chosen.target, tuple(chosen.output), chosen.config)
    return compile_command.run(load_config(chosen.config), options)


def _verify(chosen: argparse.Namespace) -> int:
    from pipeline.config import load_config
    from pipeline.verify.command import Options, verify

    options = Options(chosen.run, chosen.model, chosen.examples, chosen.seed)
    return verify(load_config(chosen.config), options)


def _migrate(chosen: argparse.Namespace) -> int:
    from pipeline.migrate.command import migrate

    return migrate(chosen.paths, write=chosen.write, diff=chosen.diff)


def _generate(chosen: argparse.Namespace) -> int:
    from pipeline.config import load_config
    from pipeline.generate_command import generate

    return generate(load_config(chosen.config), chosen.span)


if __name__ == "__main__":
    command_line()
