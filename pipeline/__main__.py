"""The command line: `tokenline`, or `python -m pipeline`.

Answers at once: nothing heavy is imported before a command needs it.
Exit codes: 0 done, 1 failed, 2 bad input, 3 not pushed.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from components.errors import InputError
from pipeline.argument_parser import Parser
from pipeline.submit import arguments as submit_arguments

_CONFIG = "pipeline_config.yaml"
_BAD_INPUT = 2


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    given = _with_beam(sys.argv[1:] if arguments is None else arguments)
    try:
        chosen = _parser().parse_args(given)
        return chosen.command(chosen)
    except InputError as error:
        return _refuse(_with_lines(error, getattr(chosen, "config", "")))
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


def _with_lines(error: InputError, config: str) -> str:
    """The message; of what is wrong with a configuration, where in the file that is."""
    from pipeline.config_problems import Unsuited

    if not isinstance(error, Unsuited):
        return str(error)
    from pipeline.config import placed

    return placed(error, config)


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
    _add_config(run)
    run.add_argument("--order", help=argparse.SUPPRESS)  # how retrain starts a run
    # How it cleans up after one that was killed.
    run.add_argument("--only-clean", action="store_true", help=argparse.SUPPRESS)
    text = "trigger on new spans: each is new in exactly one run"
    retrain = _command(commands, "retrain", _retrain, text)
    _add_config(retrain)
    what = retrain.add_mutually_exclusive_group()
    what.add_argument("--once", action="store_true", help="take what is due, and end (default)")
    what.add_argument("--watch", action="store_true", help="go on, and take spans as they come")
    what.add_argument(
        "--status", action="store_true", help="the queue, the last runs, what is parked"
    )
    # How a watch asks whether another one could begin; with the port at which it serves metrics, or 0.
    what.add_argument("--check", type=int, metavar="PORT", help=argparse.SUPPRESS)
    what.add_argument(
        "--retry", type=_span_or_all, metavar="SPAN|all", help="take a parked span again, or all"
    )
    retrain.add_argument(
        "--json", action="store_true", help="JSON: of --status, else a line an event"
    )
    retrain.add_argument(
        "--no-wait",
        action="store_true",
        help="leave a job in the cloud to itself: the next retrain takes it up",
    )
    text = "a compiled pipeline to Vertex AI Pipelines or Kubeflow"
    submit = _command(commands, "submit", _submit, text)
    _add_config(submit)
    submit_arguments.add_submit(submit)
    text = "submit again and again; list, pause, resume, delete schedules"
    schedule = _command(commands, "schedule", _schedule, text)
    _add_config(schedule)
    submit_arguments.add_schedule(schedule)
    report = _command(commands, "report", _report, "a run as an HTML page or as markdown")
    _add_config(report)
    report.add_argument("--run", help="id of the run (default: the newest)")
    report.add_argument("--format", choices=("html", "markdown"), default="html", dest="kind")
    text = "file, or - for stdout (default: report.html beside the run's record; markdown: stdout)"
    report.add_argument("-o", "--output", metavar="FILE", help=text)
    predict = _command(commands, "predict", _predict, "use the pushed model on raw text")
    _add_model(predict)
    _add_files(predict, "text, one a line, or rows: .jsonl, .csv, … (default: -, stdin)")
    predict.add_argument(
        "--json", action="store_true", help="a JSON object a line: the output and how sure it is"
    )
    predict.add_argument(
        "--input",
        choices=("text", "jsonl"),
        default="",
        help="what stdin and other files hold (default: as their first line looks)",
    )
    score = _command(commands, "score", _score, "loss of the pushed model on raw rows")
    _add_model(score)
    _add_files(score, "rows: .jsonl, .csv, .parquet, … (default: -, stdin, JSON lines)")
    score.add_argument(
        "--tokens", action="store_true", help="also each token: its text, id, loss, weight"
    )
    text = "serve the version before the newest again"
    rollback = _command(commands, "rollback", _rollback, text)
    _add_config(rollback)
    rollback.add_argument("--to", type=int, metavar="VERSION", help="go back, or on, to this one")
    rollback.add_argument("--list", action="store_true", help="say which versions there are")
    text = "the versions in cloud.push_to, instead of those on this machine"
    rollback.add_argument("--cloud", action="store_true", help=text)
    prune = _command(commands, "prune", _prune, "free what old runs take on disk")
    _add_config(prune)
    prune.add_argument(
        "--keep-runs", type=int, metavar="N", help="how many of the newest runs stay"
    )
    text = "runs of so many newest spans stay"
    prune.add_argument("--keep-spans", type=int, metavar="N", help=text)
    prune.add_argument("--dry-run", action="store_true", help="only say what would be freed")
    text = "the line as a file that Vertex or Kubeflow Pipelines runs"
    compiling = _command(commands, "compile", _compile, text)
    _add_config(compiling)
    _add_compile(compiling)
    verify = _command(commands, "verify", _verify, "the invariance certificate of a run's model")
    _add_config(verify)
    _add_verify(verify)
    text = "find sequence losses of TF 1, TFA, Keras; ours for them"
    migrate = _command(commands, "migrate", _migrate, text)
    migrate.add_argument("paths", nargs="+", metavar="PATH", help=".py or .md files, folders")
    migrate.add_argument("--diff", action="store_true", help="show what --write would change")
    migrate.add_argument(
        "--write", action="store_true", help="rewrite the calls whose equivalent is certain"
    )
    text = "run a compiled pipeline here, as Vertex AI Pipelines would"
    _add_emulate(_command(commands, "emulate", _emulate, text))
    generate = _command(commands, "generate", _generate, "write a span of the sample data")
    _add_config(generate)
    generate.add_argument("--span", type=int, required=True, help="which span, from 1")
    return parser


def _version() -> str:
    import importlib.metadata

    return importlib.metadata.version("tokenline")


def _command(commands, name, function, text) -> argparse.ArgumentParser:  # type: ignore[no-untyped-def]
    command = commands.add_parser(name, help=text, description=text)
    command.set_defaults(command=function)
    return command


def _add_config(command: argparse.ArgumentParser) -> None:
    command.add_argument("--config", default=_CONFIG, help=f"configuration (default: {_CONFIG})")


def _add_model(command: argparse.ArgumentParser) -> None:
    _add_config(command)
    command.add_argument("--model", help="model version folder (default: the newest pushed)")


def _add_files(command: argparse.ArgumentParser, text: str) -> None:
    command.add_argument("files", nargs="*", default=["-"], metavar="FILE", help=text)
    command.add_argument("--key-column", default="", help="names a row in its result")
    text = "of CSV cells (default: , or, in .tsv, tab)"
    command.add_argument("--delimiter", default="", help=text)
    batch = command.add_argument_group(
        "files of any size, through Beam, results in order with keys (default: file and line)"
    )
    batch.add_argument(
        "--output",
        metavar="PATH",
        help=".jsonl, .jsonl.gz or .parquet file, or a folder/ of shards",
    )
    batch.add_argument(
        "--format", choices=("jsonl", "jsonl.gz", "parquet"), help="of a folder's files"
    )
    batch.add_argument("--shard-rows", type=int, help="rows in each of them (default: 1000000)")
    batch.add_argument(
        "--max-bad-rows", type=int, default=0, help="so many have no result but a line (default: 0)"
    )
    text = "Beam's, in quotes, as '--direct_num_workers=4' (default: the config's profile, beam)"
    batch.add_argument("--beam", default="", metavar="OPTIONS", help=text)


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


def _add_emulate(command: argparse.ArgumentParser) -> None:
    command.add_argument("file", metavar="FILE", help="what `tokenline compile` has written")
    command.add_argument(
        "--parameter", action="append", default=[], metavar="NAME=VALUE", help="a runtime parameter"
    )
    command.add_argument(
        "--data",
        action="append",
        default=[],
        metavar="gs://BUCKET/X=FOLDER",
        help="this folder is there",
    )
    text = "stands for the object store: gs://b/x is DIR/b/x (default: runs/emulated)"
    command.add_argument("--root", metavar="DIR", default="runs/emulated", help=text)
    command.add_argument(
        "--isolation",
        choices=("subprocess", "fork"),
        default="subprocess",
        help="a step runs in a process with the built wheel (default), or in a fork, which is faster",
    )
    command.add_argument(
        "--service",
        choices=("vertex", "kubeflow"),
        default="vertex",
        help="kubeflow runs no drivers and no resolvers",
    )
    command.add_argument("--no-cache", action="store_true", help="run every step")
    command.add_argument("--json", action="store_true", help="a JSON object a line")


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


def _span_or_all(text: str) -> int | str:
    if text == "all":
        return text
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a span's number or all")
    return int(text)


def _retrain(chosen: argparse.Namespace) -> int:
    from pipeline.retrain.command import Options, retrain

    if chosen.no_wait and (chosen.watch or chosen.status or chosen.retry is not None):
        raise InputError("--no-wait: has no effect with --watch, --status or --retry")
    return retrain(
        Options(
            chosen.config,
            watch=chosen.watch,
            retry=chosen.retry,
            status=chosen.status,
            check=chosen.check,
            as_json=chosen.json,
            waits=not chosen.no_wait,
        )
    )


def _submit(chosen: argparse.Namespace) -> int:
    return submit_arguments.submit(chosen)


def _schedule(chosen: argparse.Namespace) -> int:
    return submit_arguments.schedule(chosen)


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


def _predict(chosen: argparse.Namespace) -> int:
    from pipeline.use_model import predict

    if chosen.output:
        return _batch(chosen, predicts=True)
    _check_line_options(chosen)
    return predict(
        chosen.model,
        chosen.config,
        *chosen.files,
        as_json=chosen.json,
        key_column=chosen.key_column,
        delimiter=_delimiter(chosen),
        input_format=chosen.input,
    )


def _score(chosen: argparse.Namespace) -> int:
    from pipeline.use_model import score

    if chosen.output:
        return _batch(chosen, predicts=False)
    _check_line_options(chosen)
    return score(
        chosen.model,
        chosen.config,
        *chosen.files,
        tokens=chosen.tokens,
        key_column=chosen.key_column,
        delimiter=_delimiter(chosen),
    )


def _delimiter(chosen: argparse.Namespace) -> str:
    """A tab may be written as `\\t`: few shells make it easy to type one."""
    given: str = chosen.delimiter
    return "\t" if given == "\\t" else given


def _batch(chosen: argparse.Namespace, *, predicts: bool) -> int:
    from pipeline import batch_run, served

    options = batch_run.BatchOptions(
        output=chosen.output,
        format=chosen.format,
        tokens=not predicts and chosen.tokens,
        key_column=chosen.key_column,
        delimiter=_delimiter(chosen),
        input_format=chosen.input if predicts else "",
        max_bad_rows=chosen.max_bad_rows,
        shard_rows=chosen.shard_rows,
        beam=chosen.beam,
        beam_arguments=_beam_arguments(chosen),
    )
    model = served.folder_of(chosen.model, chosen.config)
    return batch_run.run(model, chosen.files, options, predicts=predicts)


def _beam_arguments(chosen: argparse.Namespace) -> Sequence[str]:
    """Those of the configured profile; of a model that is named without a configuration, none."""
    from pipeline import beam_profile
    from pipeline.config import load_config

    if chosen.beam or (chosen.model and chosen.config == _CONFIG):
        return beam_profile.HERE
    return beam_profile.here(load_config(chosen.config))


def _check_line_options(chosen: argparse.Namespace) -> None:
    """Refuse what only does something with --output.

    Raises:
      InputError: a line for each such option.
    """
    given = {
        "--format": chosen.format,
        "--shard-rows": chosen.shard_rows is not None,
        "--max-bad-rows": chosen.max_bad_rows,
        "--beam": chosen.beam,
    }
    found = [name for name, is_given in given.items() if is_given]
    if found:
        raise InputError("\n".join(f"{name}: needs --output, which is not given" for name in found))


def _compile(chosen: argparse.Namespace) -> int:
    from pipeline import compile_command

    if chosen.lint == "":  # a shell's variable that is not set: it would be compiled instead
        raise InputError("--lint: got '', expected a compiled file")
    if chosen.lint:
        return compile_command.lint_file(chosen.lint, chosen.target)
    from pipeline.config import load_config

    options = compile_command.Options(chosen.target, tuple(chosen.output))
    return compile_command.run(load_config(chosen.config), options)


def _verify(chosen: argparse.Namespace) -> int:
    from pipeline.config import load_config
    from pipeline.verify.command import Options, verify

    options = Options(chosen.run, chosen.model, chosen.examples, chosen.seed)
    return verify(load_config(chosen.config), options)


def _migrate(chosen: argparse.Namespace) -> int:
    from pipeline.migrate.command import migrate

    return migrate(chosen.paths, write=chosen.write, diff=chosen.diff)


def _emulate(chosen: argparse.Namespace) -> int:
    from pipeline.emulator.command import Options, run

    return run(
        Options(
            file=chosen.file,
            isolation=chosen.isolation,
            service=chosen.service,
            root=chosen.root,
            data=tuple(chosen.data),
            parameters=tuple(chosen.parameter),
            cache=not chosen.no_cache,
            as_json=chosen.json,
        )
    )


def _generate(chosen: argparse.Namespace) -> int:
    from pipeline.config import load_config
    from pipeline.generate_command import generate

    return generate(load_config(chosen.config), chosen.span)


if __name__ == "__main__":
    command_line()
