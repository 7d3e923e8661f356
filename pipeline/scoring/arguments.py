"""The arguments of `tokenline predict` and `tokenline score`, and what of them fits together.

Loads nothing heavy: `--help` answers at once.
"""

import argparse
from collections.abc import Sequence

from components.errors import InputError
from pipeline.argument_parser import CONFIG, add_config


def add_predict(command: argparse.ArgumentParser) -> None:
    """The arguments of `predict`."""
    _add_model(command)
    _add_files(command, "text, one a line, or rows: .jsonl, .csv, … (default: -, stdin)")
    command.add_argument(
        "--json", action="store_true", help="a JSON object a line: the output and how sure it is"
    )
    command.add_argument(
        "--input",
        choices=("text", "jsonl"),
        default="",
        help="what stdin and other files hold (default: as their first line looks)",
    )


def add_score(command: argparse.ArgumentParser) -> None:
    """The arguments of `score`."""
    _add_model(command)
    _add_files(command, "rows: .jsonl, .csv, .parquet, … (default: -, stdin, JSON lines)")
    command.add_argument(
        "--tokens", action="store_true", help="also each token: its text, id, loss, weight"
    )


def _add_model(command: argparse.ArgumentParser) -> None:
    add_config(command)
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


def predict(chosen: argparse.Namespace) -> int:
    """Run `tokenline predict`; returns its exit code.

    Raises:
      InputError: arguments that do not fit together, and as the command raises it.
    """
    from pipeline.scoring import use_model

    if chosen.output:
        return _batch(chosen, predicts=True)
    _check_line_options(chosen)
    return use_model.predict(
        chosen.model,
        chosen.config,
        *chosen.files,
        as_json=chosen.json,
        key_column=chosen.key_column,
        delimiter=_delimiter(chosen),
        input_format=chosen.input,
    )


def score(chosen: argparse.Namespace) -> int:
    """Run `tokenline score`; returns its exit code.

    Raises:
      InputError: arguments that do not fit together, and as the command raises it.
    """
    from pipeline.scoring import use_model

    if chosen.output:
        return _batch(chosen, predicts=False)
    _check_line_options(chosen)
    return use_model.score(
        chosen.model,
        chosen.config,
        *chosen.files,
        tokens=chosen.tokens,
        key_column=chosen.key_column,
        delimiter=_delimiter(chosen),
    )


def _batch(chosen: argparse.Namespace, *, predicts: bool) -> int:
    from pipeline.scoring import run, served

    options = run.BatchOptions(
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
    return run.run(model, chosen.files, options, predicts=predicts)


def _delimiter(chosen: argparse.Namespace) -> str:
    """A tab may be written as `\\t`: few shells make it easy to type one."""
    given: str = chosen.delimiter
    return "\t" if given == "\\t" else given


def _beam_arguments(chosen: argparse.Namespace) -> Sequence[str]:
    """Those of the configured profile; of a model that is named without a configuration, none."""
    from pipeline import beam_profile
    from pipeline.config import load_config

    if chosen.beam or (chosen.model and chosen.config == CONFIG):
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
