"""The arguments of `tokenline retrain`. Loads nothing heavy: `--help` answers at once."""

import argparse

from components.errors import InputError


def add(command: argparse.ArgumentParser) -> None:
    """The arguments, besides --config."""
    what = command.add_mutually_exclusive_group()
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
    command.add_argument(
        "--json", action="store_true", help="JSON: of --status, else a line an event"
    )
    command.add_argument(
        "--no-wait",
        action="store_true",
        help="leave a job in the cloud to itself: the next retrain takes it up",
    )


def run(chosen: argparse.Namespace) -> int:
    """Run `tokenline retrain`; returns its exit code.

    Raises:
      InputError: arguments that do not fit together, and as the command raises it.
    """
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


def _span_or_all(text: str) -> int | str:
    if text == "all":
        return text
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a span's number or all")
    return int(text)
