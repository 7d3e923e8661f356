"""Ledgers that are wrong in one line: what the model check has to find."""

import importlib
import inspect

# Name -> (module, a piece of its source, what stands there instead).
MUTANTS = {
    "late files overwrite what was trained": (
        "observing",
        "return [*here, _judged(_filled(follower, arrival, now), late, now)]",
        "return [*here[:-1], _filled(newest, arrival, now)]",
    ),
    "late files are not noticed": (
        "observing",
        "        return _after_training(here, arrival, late, now)",
        "        return here",
    ),
    "a folder that changes under a run changes its claim": (
        "observing",
        'if newest.state == "claimed" or _is_unchanged(newest, arrival):',
        "if _is_unchanged(newest, arrival):",
    ),
    "a span whose folder is gone is forgotten": (
        "observing",
        'if newest.state == "claimed":\n        return versions',
        "if True:\n        return []",
    ),
    "files that are again as before are a new version": (
        "observing",
        "if arrival.ready and before and arrival.content == before[-1].content:",
        "if False:",
    ),
    "the newest span first, as resolvers do": (
        "planning",
        "else pending[:1]",
        "else pending[-1:]",
    ),
    "those in a back-off are skipped": (
        "planning",
        'if one.state == "pending"]\n    if state.claimed() or not pending or not',
        'if one.state == "pending" and one.is_due(now)]\n'
        "    if state.claimed() or not pending or not",
    ),
    "no back-off": ("planning", " or not pending[0].is_due(now)", ""),
    "a second run beside the first": (
        "planning",
        "if state.claimed() or not pending or",
        "if not pending or",
    ),
    "untrained spans are replayed": (
        "planning",
        "reversed(state.trained().values())",
        "reversed(state.newest().values())",
    ),
    "folders that are gone are read": (
        "planning",
        "else not one.gone",
        "else True",
    ),
    "files are read that late ones have changed": ("planning", "readable(one) if", "True if"),
    "the oldest others are replayed": (
        "planning",
        "reversed(state.trained().values())",
        "list(state.trained().values())",
    ),
    "what was refused is lost": ("planning", "is_owed or room is None", "room is None"),
    "windows grow with each refusal": (
        "planning",
        " and (refused is None or owed < refused)",
        "",
    ),
    "content that comes back is taken for the run of before": (
        "planning",
        "if _is_back(state, one)",
        "if False",
    ),
    "parked at the first failure": (
        "outcomes",
        "if not permanent and one.attempts <= retries:",
        "if False:",
    ),
    "never parked": (
        "outcomes",
        "if not permanent and one.attempts <= retries:",
        "if not permanent:",
    ),
    "attempts are not counted": ("outcomes", "attempts=one.attempts + 1, since=now", "since=now"),
    "a run is recorded for each attempt": ("outcomes", "if one.key != run.key", ""),
    "claims of the dead stay": ("outcomes", "run = state.claimed()\n", "run = None\n"),
    "an end that is told twice": ("outcomes", "if run.state in TRAINED:", "if False:"),
    "a late end takes later files for trained": (
        "outcomes",
        "same = one.content == content",
        "same = True",
    ),
    "a late end of a version that has gone is lost": (
        "outcomes",
        "state = _with_lost(state, run, now)",
        "",
    ),
}


def functions(name, real):
    """All functions of the ledger, those of one module from source with the mutant's line."""
    module_name, line, instead = MUTANTS[name]
    module = importlib.import_module(f"pipeline.retrain.{module_name}")
    source = inspect.getsource(module)
    assert source.count(line) == 1, f"{module_name}: {line!r} is not there once"
    namespace = {"__name__": module.__name__}
    exec(compile(source.replace(line, instead), name, "exec"), namespace)
    return {**real, **namespace}
