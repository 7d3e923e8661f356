"""The arguments of `tokenline emulate`. Loads nothing heavy: `--help` answers at once."""

import argparse


def add(command: argparse.ArgumentParser) -> None:
    """The arguments; there is no configuration: all is in the file."""
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


def run(chosen: argparse.Namespace) -> int:
    """Run `tokenline emulate`; returns its exit code."""
    from pipeline.emulator.command import Options
    from pipeline.emulator.command import run as emulate

    return emulate(
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
