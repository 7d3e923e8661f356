"""`tokenline predict` and `tokenline score`: the pushed model on raw text and on raw rows.

Both go through the SavedModel's signatures: nothing is tokenised here.
"""

import json
import os
import re
import sys
from collections.abc import Iterator
from typing import Any

from components.errors import InputError
from pipeline.terminal import silenced
from transform.settings import ADDED_COLUMNS

_BATCH = 64
_LARGEST = 3.4e38  # of float32
# What `transform.weights.token_factor` says of a row: how many weights, how many tokens.
_COUNTS = re.compile(r"token weights: .*?weights\W+(\d+)\W+tokens\W+(\d+)", re.DOTALL)


def predict(model: str | None, config: str, file: str, *, as_json: bool = False) -> int:
    """Print the model's output for each line of a file: text, or token/tag pairs; or JSON.

    Raises:
      InputError: no model, or no such file.
    """
    loaded, facts = _load(_folder(model, config))
    import tensorflow as tf

    serve = loaded.signatures["serving_text"]
    for numbered in _batches(enumerate(_lines(file), start=1)):
        lines = [line for _, line in numbered]
        try:
            outputs = serve(text=tf.constant(lines))
        except tf.errors.InvalidArgumentError as error:
            raise InputError(_refused(file, numbered[0][0], numbered[-1][0], error)) from None
        cut = outputs["truncated"].numpy()
        texts = _texts(outputs, facts, lines)
        values = {name: value.numpy() for name, value in outputs.items()} if as_json else {}
        rows = enumerate(zip(numbered, texts, cut, strict=True))
        for row, ((number, line), text, truncated) in rows:
            if as_json:
                print(json.dumps(_predicted(values, row, line, text), ensure_ascii=False))
                sys.stdout.flush()
            else:
                print(f"{line}\t{text}" if sys.stdout.isatty() else text, flush=True)
            if truncated:
                note = "longer than the model reads (data.max_*_length), the rest was cut off"
                print(f"tokenline: {_place(file)}:{number}: {note}", file=sys.stderr)
    return 0


def score(model: str | None, config: str, file: str) -> int:
    """Print, for each JSON row of a file, its loss in nats per token and the sums it comes from.

    Raises:
      InputError: no model, no such file, or a row that lacks a column.
    """
    loaded, facts = _load(_folder(model, config))
    import tensorflow as tf

    signature = loaded.signatures["score"]
    for rows in _batches(enumerate(_lines(file), start=1)):
        examples = [
            _example(line, facts["settings"], f"{_place(file)}:{number}") for number, line in rows
        ]
        try:
            found = signature(tf.constant(examples))
        except tf.errors.InvalidArgumentError as error:
            for (number, _), example in zip(rows, examples, strict=True):
                _try_alone(signature, example, f"{_place(file)}:{number}", facts["settings"])
            raise InputError(_refused(file, rows[0][0], rows[-1][0], error)) from None
        outputs = {name: value.numpy() for name, value in found.items()}
        for row in range(len(rows)):
            print(json.dumps(_scored(outputs, row)), flush=True)
    return 0


def _folder(model: str | None, config: str) -> str:
    """The model's folder: as given, or the newest version that the configuration pushes to."""
    if model:
        if not os.path.exists(os.path.join(model, "saved_model.pb")):
            raise InputError(f"--model: {model} holds no saved_model.pb, expected a model version")
        return model
    from pipeline.config import load_config

    folder = load_config(config).serving.push_to
    # Not `components.pusher.versions`: it loads TensorFlow, and this error should come at once.
    names = os.listdir(folder) if os.path.isdir(folder) else []
    versions = [name for name in names if name.isascii() and name.isdigit()]
    if not versions:
        raise InputError(f"{folder}: no pushed model yet: `tokenline run` makes one")
    return os.path.join(folder, max(versions, key=int))


def _load(folder: str) -> tuple[Any, dict[str, Any]]:
    """The SavedModel, and what it says of itself."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    facts_file = os.path.join(folder, "assets.extra", "tokenline.json")
    if not os.path.exists(facts_file):
        raise InputError(f"--model: {folder} holds no {facts_file}, expected a model of tokenline")
    with open(facts_file) as file:
        facts = json.load(file)
    with silenced():
        import tensorflow as tf

        from components import saved_model

        try:
            loaded = saved_model.load(folder)
        except (OSError, ValueError, tf.errors.OpError) as error:
            reason = str(error).strip().split("\n")[0]
            raise InputError(f"{folder}: cannot be loaded as a SavedModel: {reason}") from None
        # The first call of a signature still greets.
        loaded.signatures["serving_text"](text=tf.constant([""]))
    return loaded, facts


def _refused(file: str, first: int, last: int, error: Any) -> str:
    """Which rows the model refuses, and why."""
    return f"{_place(file)}, rows {first} to {last}: {_reason(error)}"


def _reason(error: Any) -> str:
    """Of TensorFlow's many lines the one that says what is wrong."""
    lines = [line.strip() for line in error.message.split("\n")]
    node = next((at for at, line in enumerate(lines) if line.startswith("[[")), len(lines))
    return next((line for line in reversed(lines[:node]) if line), "no reason given")


def _try_alone(signature: Any, example: bytes, place: str, settings: dict[str, Any]) -> None:
    """Name the row if the model refuses it by itself: of a batch it does not say which one."""
    import tensorflow as tf

    try:
        signature(tf.constant([example]))
    except tf.errors.InvalidArgumentError as error:
        counts = _COUNTS.search(error.message)
        if not counts:
            raise InputError(f"{place}: {_reason(error)}") from None
        weights, tokens = counts.groups()
        raise InputError(
            f"{place}: column {settings['token_weights']!r}: got {weights} weights for {tokens} "
            "tokens, expected one for each"
        ) from None


def _place(file: str) -> str:
    return "standard input" if file == "-" else file


def _lines(file: str) -> Iterator[str]:
    """The lines of a file or of standard input, which must be UTF-8."""
    place = _place(file)
    if file == "-" and sys.stdin is None:
        raise InputError("standard input is closed, expected text, one a line")
    try:
        with sys.stdin.buffer if file == "-" else open(file, "rb") as stream:
            for number, line in enumerate(stream, start=1):
                try:
                    yield line.decode("utf-8").removesuffix("\n").removesuffix("\r")
                except UnicodeDecodeError as error:
                    bad = line[error.start]
                    raise InputError(
                        f"{place}:{number}: got the byte 0x{bad:02x}, expected UTF-8 text"
                    ) from None
    except OSError as error:
        raise InputError(f"{place}: cannot be read: {error.strerror}") from None


def _batches(items: Iterator[Any]) -> Iterator[list[Any]]:
    """Batches of the items; one at a time where a person types them."""
    size = 1 if sys.stdin and sys.stdin.isatty() else _BATCH
    batch: list[Any] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _texts(outputs: dict[str, Any], facts: dict[str, Any], lines: list[str]) -> list[str]:
    if facts["task"] != "tagging":
        return [text.decode("utf-8", "replace") for text in outputs["text"].numpy()]
    import tensorflow as tf

    # Split as the signature splits, which is not quite as Python does.
    tokens = tf.strings.split(lines).to_list()
    rows = zip(tokens, outputs["tags"].numpy(), outputs["lengths"].numpy(), strict=True)
    return [_tagged(words, tags[:length]) for words, tags, length in rows]


def _tagged(words: list[bytes], tags: Any) -> str:
    """`token/tag` pairs; tokens beyond the model's length stand without a tag, not left out."""
    pairs = [word + b"/" + tag for word, tag in zip(words, tags, strict=False)]
    return b" ".join([*pairs, *words[len(tags) :]]).decode("utf-8", "replace")


def _predicted(outputs: dict[str, Any], row: int, line: str, text: str) -> dict[str, Any]:
    """One line's JSON: sums in nats; of tagging, the probability of each tag."""
    found: dict[str, Any] = {"input": line, "output": text}
    if "confidence" in outputs:
        length = int(outputs["lengths"][row])
        found["confidence"] = [float(each) for each in outputs["confidence"][row, :length]]
    elif "generated" in outputs:  # models that an earlier version exported do not count them
        tokens = int(outputs["generated"][row])
        found["log_probability"] = float(outputs["log_probability"][row])
        per_token = float(outputs["log_probability_per_token"][row])
        found["log_probability_per_token"] = per_token if tokens else None
        found["tokens"] = tokens
    return found | {"truncated": bool(outputs["truncated"][row])}


def _example(line: str, settings: dict[str, Any], place: str) -> bytes:
    """One JSON row as a serialized tf.Example, with the columns that the model was trained on."""
    import tensorflow as tf

    try:
        row = json.loads(line)
    except ValueError as error:
        reason = str(error).replace(" at: ", ": ")
        raise InputError(f"{place}: got invalid JSON ({reason}), expected an object") from None
    if not isinstance(row, dict):
        raise InputError(f"{place}: got {type(row).__name__}, expected a JSON object")
    example = tf.train.Example()
    for side in filter(None, (settings["source"], settings["target"])):
        column, is_list = side["column"], side["tokenizer"] == "pretokenized"
        if column not in row:
            raise InputError(f"{place}: column {column!r} is missing, found {sorted(row)}")
        value = row[column]
        if side["tokenizer"] == "ids":
            _add_ids(example, column, value, place)
            continue
        values = value if is_list else [value]
        if not isinstance(values, list) or not all(isinstance(each, str) for each in values):
            expected = "a list of strings" if is_list else "text"
            raise InputError(f"{place}: column {column!r}: got {value!r}, expected {expected}")
        try:
            encoded = [each.encode("utf-8") for each in values]
        except UnicodeEncodeError:
            raise InputError(
                f"{place}: column {column!r}: got half a surrogate pair, expected text"
            ) from None
        example.features.feature[column].bytes_list.value.extend(encoded)
    if settings["task"] == "tagging":
        _check_tag_count(row, settings, place)
    for column in filter(None, (settings["token_weights"], settings["example_weights"])):
        if row.get(column) is not None:
            _add_numbers(example, column, row[column], place)
    for column in ADDED_COLUMNS:
        if row.get(column) is not None:
            _add_ids(example, column, row[column], place)
    return example.SerializeToString()


def _check_tag_count(row: dict[str, Any], settings: dict[str, Any], place: str) -> None:
    tokens, tags = (settings[side]["column"] for side in ("source", "target"))
    if len(row[tokens]) != len(row[tags]):
        raise InputError(
            f"{place}: column {tags!r}: got {len(row[tags])} tags for {len(row[tokens])} tokens, "
            "expected one for each"
        )


def _add_ids(example: Any, column: str, value: Any, place: str) -> None:
    ids = value if isinstance(value, list) else [value]
    if not all(type(each) is int and 0 <= each < 2**63 for each in ids):
        raise InputError(f"{place}: column {column!r}: got {value!r}, expected whole numbers >= 0")
    example.features.feature[column].int64_list.value.extend(ids)


def _add_numbers(example: Any, column: str, value: Any, place: str) -> None:
    numbers = value if isinstance(value, list) else [value]
    if not all(type(number) in (int, float) and 0 <= number < _LARGEST for number in numbers):
        raise InputError(f"{place}: column {column!r}: got {value!r}, expected finite numbers >= 0")
    example.features.feature[column].float_list.value.extend(numbers)


def _scored(outputs: dict[str, Any], row: int) -> dict[str, Any]:
    weight = float(outputs["weight_sum"][row])
    loss = float(outputs["loss_sum"][row])
    return {
        "loss_per_token": loss / weight if weight else None,
        "loss_sum": loss,
        "weight_sum": weight,
        "tokens": int(outputs["token_count"][row]),
        "all_correct": bool(outputs["sequence_correct"][row]),
    }
