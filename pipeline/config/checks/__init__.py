"""What no single key can tell: settings that contradict each other, the task or the disk.

Each check reads only keys that were read without a problem, so that one mistake is reported once.
"""

import itertools
import os
import re
from typing import TYPE_CHECKING

from pipeline.config.checks import beam, blessing, cloud, drift, kubeflow, model, retrain, store
from pipeline.config.checks import decode as decode_checks
from pipeline.config.checks import serving as serving_checks
from pipeline.config.checks import tokens as tokens_checks
from pipeline.config.checks import train as train_checks
from pipeline.config.problems import Problems

if TYPE_CHECKING:
    from pipeline.config import Config

# Role -> what the column holds. The first role of a task decides the split by default.
TASK_ROLES = {
    "lm": {"text": "text"},
    "seq2seq": {"source": "text", "target": "text"},
    "tagging": {"tokens": "a list of text", "tags": "a list of text"},
}
WEIGHT_ROLES = {"weights": "a list of numbers", "example_weight": "a number"}
SPAN = "{SPAN}"
_NOT_USED_BY = {
    "lm": (
        "data.max_source_length",
        "transform.source_tokenizer",
        "transform.source_lowercase",
        "transform.source_normalize",
        "transform.source_pattern",
        "transform.source_subwords",
        "transform.share_vocabulary",
    ),
    "seq2seq": (),
    "tagging": (
        "decode.max_length",
        *(f"decode.{key}" for key in decode_checks.ALL_KEYS),
        "transform.prepend_bos",
        "transform.target_lowercase",
        "transform.target_normalize",
    ),
}
_GENERATED = {"source": "source", "target": "target"}
_GENERATED_EXTRA = {"digits": ("integer", "integer?")}


def check(config: "Config", problems: Problems) -> None:
    """Adds every contradiction to `problems`."""
    for one in (
        _places,  # before what looks at them
        _columns,
        _split,
        _input_files,
        _generator,
        _format,
        _reserved_ids,
        _keys_without_use,
        _tagging,
        _vocabularies,
        _patterns,
        tokens_checks.check,
        model.check,
        blessing.check,
        decode_checks.check,
        train_checks.check,
        serving_checks.check,
        retrain.check,
        store.check,
        drift.check,
        cloud.check,
        beam.check,
        kubeflow.check,
    ):
        one(config, problems)


def _places(config: "Config", problems: Problems) -> None:
    places = {
        "pipeline.root": config.pipeline.root,
        "data.schema": config.data.schema,
        "serving.push_to": config.serving.push_to,
    }
    for key, place in places.items():
        if key in problems.given and problems.clean(key) and "://" in (place or ""):
            text = f"got {place!r}, expected a path of this machine"
            problems.add(key, f"{text} (local runs do not support remote addresses yet)")


def _columns(config: "Config", problems: Problems) -> None:
    if not problems.clean("task", "data.columns", "data.extra_columns"):
        return
    allowed = [*TASK_ROLES[config.task], *WEIGHT_ROLES]
    columns = config.data.columns
    for role in columns:
        if role not in allowed:
            text = f"unknown role, expected one of {', '.join(allowed)} (task {config.task})"
            problems.add(f"data.columns.{role}", text)
    for role in WEIGHT_ROLES:
        shared = [
            other for other in columns if columns[other] == columns.get(role) and other != role
        ]
        if shared:
            text = f"got {columns[role]!r}, which is also the column of {shared[0]}"
            problems.add(f"data.columns.{role}", f"{text}, expected a column of its own")
    for name in config.data.extra_columns:
        if name in columns.values():
            text = (
                "the column has a role already, expected a column that data.columns does not name"
            )
            problems.add(f"data.extra_columns.{name}", text)


def _split(config: "Config", problems: Problems) -> None:
    if not problems.clean("data.split"):
        return
    split = config.data.split
    for name in ("train", "eval"):
        if name not in split:
            problems.add("data.split", f"got {', '.join(split) or 'nothing'}, expected also {name}")
    kinds = {type(how) for how in split.values()}
    if len(kinds) > 1:
        problems.add("data.split", "got shares and file globs, expected one or the other")
    if "data.split_by" in problems.given and str in kinds:
        problems.add("data.split_by", "has no effect, as data.split names files; expected no value")
    known = {*config.data.columns.values(), *config.data.extra_columns}
    if not problems.clean("task", "data.columns", "data.extra_columns", "data.split_by"):
        return
    for index, name in enumerate(config.data.split_by):
        if name not in known:
            text = f"got {name!r}, expected one of the columns {', '.join(sorted(known))}"
            problems.add(f"data.split_by[{index}]", text)


def _input_files(config: "Config", problems: Problems) -> None:
    data = config.data
    if problems.clean("data.spans") and isinstance(data.spans, tuple):
        if not data.spans or len(set(data.spans)) < len(data.spans):
            text = f"got {list(data.spans)}, expected at least one number, each once"
            problems.add("data.spans", text)
        elif problems.clean("data.path") and SPAN not in data.path:
            problems.add("data.spans", f"got a list, but data.path has no {SPAN}")
    if problems.clean("data.path", "data.generator") and data.generator is None:
        _folder_exists(data.path, problems)
    schema = data.schema if problems.clean("data.schema") else None
    if schema and not os.path.isfile(schema):
        problems.add("data.schema", f"no such file: {schema}")


def _folder_exists(path: str, problems: Problems) -> None:
    if path.count(SPAN) > 1:
        problems.add("data.path", f"got {path!r}, expected {SPAN} at most once")
    elif "://" in path:
        return  # found out when it is listed
    elif SPAN in path:  # the first span may be still to come
        holder = os.path.dirname(path[: path.index(SPAN)]) or "."
        if not os.path.isdir(holder) and not problems.data_may_come:
            problems.add("data.path", f"no such folder: {holder}, which is to hold the spans")
    elif SPAN not in path and not os.path.exists(path):
        problems.add("data.path", f"no such folder: {path}")
    elif SPAN not in path and not os.path.isdir(path):
        problems.add("data.path", f"got the file {path}, expected the folder it is in")


def _generator(config: "Config", problems: Problems) -> None:
    data = config.data
    if data.generator is None or not problems.clean("data.generator", "task", "data.columns"):
        return
    if config.task != "seq2seq":
        problems.add("data.generator.name", f"writes seq2seq rows, but task is {config.task}")
        return
    for role, column in _GENERATED.items():
        if data.columns.get(role, column) != column:
            text = f"got {data.columns[role]!r}, but data.generator writes {column!r}"
            problems.add(f"data.columns.{role}", text)
    for role in WEIGHT_ROLES.keys() & data.columns.keys():
        problems.add(f"data.columns.{role}", "data.generator writes no such column")
    for name, kind in data.extra_columns.items() if problems.clean("data.extra_columns") else ():
        if kind not in _GENERATED_EXTRA.get(name, ()):
            text = f"got {kind}, but data.generator writes only digits (integer) besides"
            problems.add(f"data.extra_columns.{name}", text)
    if problems.clean("data.format") and data.format != "jsonl":
        problems.add("data.format", f"got {data.format}, but data.generator writes jsonl")
    if problems.clean("data.path") and SPAN not in data.path:
        problems.add("data.path", f"got {data.path!r}, but data.generator needs {SPAN} in it")
    if problems.clean("data.path") and "://" in data.path:
        text = "expected a path of this machine, where data.generator writes"
        problems.add("data.path", f"got {data.path!r}, {text}")


def _format(config: "Config", problems: Problems) -> None:
    form = config.data.format
    if problems.clean("data.format") and form != "csv" and "data.delimiter" in problems.given:
        problems.add("data.delimiter", f"has no effect with data.format {form}; expected no value")


def _reserved_ids(config: "Config", problems: Problems) -> None:
    names = ("pad_id", "unk_id", "bos_id", "eos_id")
    if not problems.clean(*(f"data.{name}" for name in names)):
        return
    ids = {name: getattr(config.data, name) for name in names}
    for first, second in itertools.combinations(names, 2):
        if ids[first] == ids[second] and (first, second) != ("pad_id", "eos_id"):
            at, other = (
                (first, second) if f"data.{second}" not in problems.given else (second, first)
            )
            text = f"got {ids[at]}, which is also {other} (only pad_id and eos_id may be equal)"
            problems.add(f"data.{at}", text)
    if problems.clean("data.vocab_size", "data.oov_buckets"):
        _vocabulary_size(ids, config, problems)


def _vocabulary_size(ids: dict[str, int], config: "Config", problems: Problems) -> None:
    data = config.data
    largest = max(ids, key=lambda name: ids[name])
    # The unknown id is one of the out-of-vocabulary ids.
    taken = ids[largest] + 1 + data.oov_buckets - 1
    if taken < data.vocab_size:
        return
    keys = ("vocab_size", "oov_buckets", largest)
    at = next((key for key in keys if f"data.{key}" in problems.given), "vocab_size")
    text = f"got {getattr(data, at)}, which leaves no id for a token: data.vocab_size = "
    text += f"{data.vocab_size} counts all ids, and {taken} are reserved or for unknown tokens"
    problems.add(f"data.{at}", text)


def _keys_without_use(config: "Config", problems: Problems) -> None:
    if not problems.clean("task"):
        return
    for key in _NOT_USED_BY[config.task]:
        if key in problems.given:
            problems.add(key, f"has no effect in task {config.task}; expected no value")


def _tagging(config: "Config", problems: Problems) -> None:
    if not problems.clean("task"):
        return
    data, transform = config.data, config.transform
    if config.task != "tagging":
        if problems.clean("transform.input_chars") and transform.input_chars:
            text = f"got {transform.input_chars}, expected 0 (only task tagging reads characters)"
            problems.add("transform.input_chars", text)
        return
    for key in ("source_tokenizer", "target_tokenizer"):
        value = getattr(transform, key)
        if f"transform.{key}" in problems.given and value != "pretokenized":
            problems.add(f"transform.{key}", f"got {value}, expected pretokenized (task tagging)")
    if "transform.append_eos" in problems.given and transform.append_eos:
        text = "got true, expected false (task tagging: one tag for each token)"
        problems.add("transform.append_eos", text)
    if not problems.clean("data.max_source_length", "data.max_target_length"):
        return
    source, target = data.max_source_length, data.max_target_length
    if "data.max_source_length" in problems.given and source != target:
        text = f"got {source}, expected max_target_length = {target} (task tagging)"
        problems.add("data.max_source_length", text)


def _vocabularies(config: "Config", problems: Problems) -> None:
    transform = config.transform
    keys = ("source_tokenizer", "target_tokenizer", "share_vocabulary")
    if not problems.clean("task", *(f"transform.{key}" for key in keys)):
        return
    if not transform.share_vocabulary or config.task == "lm":
        return
    if config.task == "tagging":
        problems.add("transform.share_vocabulary", "got true, but tags are no tokens")
    elif transform.source_tokenizer != transform.target_tokenizer:
        text = f"got true, but the sources are cut by {transform.source_tokenizer} and the targets "
        problems.add("transform.share_vocabulary", f"{text}by {transform.target_tokenizer}")


def _patterns(config: "Config", problems: Problems) -> None:
    for key in ("source_pattern", "target_pattern"):
        pattern = getattr(config.transform, key)
        if pattern and problems.clean(f"transform.{key}"):
            reason = _pattern_fault(pattern)
            if reason:
                text = f"got {pattern!r}, expected an RE2 pattern: {reason}"
                problems.add(f"transform.{key}", text)


def _pattern_fault(pattern: str) -> str:
    """What RE2 finds wrong with a pattern, "" if nothing."""
    if re.search(r"(?<!\\)\(\?<(?![=!])", pattern):
        # Newer versions of RE2 take it, TensorFlow's does not.
        return "a named group is written (?P<name>...)"
    # Not `re`, whose language is another; and TensorFlow's own RE2 takes seconds to load.
    import pyarrow
    import pyarrow.compute

    try:
        pyarrow.compute.match_substring_regex("", pattern)
    except pyarrow.ArrowInvalid as error:
        reason = str(error).removeprefix("Invalid regular expression: ")
        return reason.split("\n")[0]
    return ""
