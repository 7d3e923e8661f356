"""`tokenline prune`: what old runs take on disk is freed, or shown."""

import os
from dataclasses import dataclass

from components.errors import InputError
from pipeline import lock, paths
from pipeline.config import Config
from pipeline.retrain import run_folders
from pipeline.retrain.ledger import open_ledger
from pipeline.retrain.telling import count

_SHOWN = 20


@dataclass(frozen=True)
class Options:
    """How many of the newest runs, and of the newest spans' runs, stay; None: all."""

    keep_runs: int | None
    keep_spans: int | None
    dry_run: bool


def run(config: Config, options: Options) -> int:
    """Prune, and say what was freed.

    Raises:
      InputError: no limit is given, or one below 1, or a run is in progress.
    """
    limits = {"--keep-runs": options.keep_runs, "--keep-spans": options.keep_spans}
    if not any(each is not None for each in limits.values()):
        raise InputError("got no limit, expected --keep-runs or --keep-spans: what is to stay")
    for name, value in limits.items():
        if value is not None and value < 1:
            raise InputError(f"{name}: got {value}, expected at least 1")
    folder = paths.pipeline_folder(config)
    if not os.path.isdir(folder):
        raise InputError(f"{config.pipeline.name}: no finished run yet: `tokenline run` makes one")
    with lock.held(paths.lock(config), "a run of this pipeline"):
        from pipeline import retention

        freed = retention.prune(
            config,
            keep_runs=options.keep_runs,
            keep_spans=options.keep_spans,
            dry_run=options.dry_run,
        )
        orders = run_folders.prune(
            config, open_ledger(folder), keep=options.keep_runs, dry_run=options.dry_run
        )
    for name in freed.runs[:_SHOWN]:
        print(f"  run {name}")
    if len(freed.runs) > _SHOWN:
        print(f"  and {len(freed.runs) - _SHOWN} more")
    done = "would free" if options.dry_run else "freed"
    runs, folders = len(freed.runs), len(freed.folders)
    print(f"{done} {freed.size / 1e6:,.1f} MB: {runs} runs, {folders} folders of artifacts")
    if orders:
        print(f"{done} {count(len(orders), 'folder')} of orders to retrain's runs")
    return 0
