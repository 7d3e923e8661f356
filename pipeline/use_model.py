"""`tokenline predict` and `tokenline score`: the pushed model on raw text and on raw rows.

Both go through the SavedModel's signatures: nothing is tokenised here. Line by line, for people and
pipes; `batch_run` is for files of any size.
"""

import json
import sys
from collections.abc import Iterator
from typing import Any

from components.errors import InputError
from pipeline.model_rows import predicted, scored, scored_tokens, texts
from pipeline.served import folder_of, load, reason, refusal
from transform.settings import ADDED_COLUMNS, Settings

_BATCH = 64
_LARGEST = 3.4e38  # of float32


def predict(model: str | None, config: str, file: str, *, as_json: bool = False) -> int:
    """Print the model's output for each line of a file: text, or token/tag pairs; or JSON.

    Raises:
      InputError: no model, or no such file.
    """
    loaded, facts = load(folder_of(model, config))
    import tensorflow as tf

    serve = loaded.signatures["serving_text"]
    for numbered in _batches(enumerate(_lines(file), start=1)):
        lines = [line for _, line in numbered]
        try:
            outputs = serve(text=tf.constant(lines))
        except tf.errors.InvalidArgumentError as error:
            raise InputError(_refused(file, numbered[0][0], numbered[-1][0], error)) from None
        cut = outputs["truncated"].numpy()
        found = texts(outputs, facts, lines)
        values = {name: value.numpy() for name, value in outputs.items()} if as_json else {}
        rows = enumerate(zip(numbered, found, cut, strict=True))
        for row, ((number, line), text, truncated) in rows:
            if as_json:
                print(json.dumps(predicted(values, row, line, text), ensure_ascii=False))
                sys.stdout.flush()
            else:
                print(f"{line}\t{text}" if sys.stdout.isatty() else text, flush=True)
            if truncated:
                note = "longer than the model reads (data.max_*_length), the rest was cut off"
                print(f"tokenline: {_place(file)}:{number}: {note}", file=sys.stderr)
    return 0


def score(model: str | None, config: str, file: str, *, tokens: bool = False) -> int:
    """Print, for each JSON row of a file, its loss in nats per token and the sums it comes from.

    Raises:
      InputError: no model, no such file, or a row that lacks a column.
    """
    score_lines(*load(folder_of(model, config)), file, tokens=tokens)
    return 0


def score_lines(loaded: Any, facts: dict[str, Any], file: str, *, tokens: bool = False) -> None:
    """`score` by a model that is loaded."""
    import tensorflow as tf

    signature = loaded.signatures["score"]
    texts_of = _token_texts(loaded, facts) if tokens else None
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
        per_token = _per_token(texts_of, examples, outputs) if texts_of else []
        for row in range(len(rows)):
            more = {"per_token": per_token[row]} if tokens else {}
            print(json.dumps(scored(outputs, row) | more, ensure_ascii=False), flush=True)


def _token_texts(loaded: Any, facts: dict[str, Any]) -> Any:
    from pipeline.token_texts import TokenTexts

    settings = Settings.from_json(json.dumps(facts["settings"]))
    return TokenTexts(loaded, settings, facts["model"]["vocabulary_size"])


def _per_token(texts_of: Any, examples: list[bytes], outputs: dict[str, Any]) -> list[Any]:
    lengths = (outputs["position_region"] > 0).sum(axis=1).tolist()
    found = texts_of(examples, outputs["target_ids"], lengths)
    return [scored_tokens(outputs, row, texts) for row, texts in enumerate(found)]


def _refused(file: str, first: int, last: int, error: Any) -> str:
    """Which rows the model refuses, and why."""
    return f"{_place(file)}, rows {first} to {last}: {reason(error)}"


def _try_alone(signature: Any, example: bytes, place: str, settings: dict[str, Any]) -> None:
    """Name the row if the model refuses it by itself: of a batch it does not say which one."""
    import tensorflow as tf

    try:
        signature(tf.constant([example]))
    except tf.errors.InvalidArgumentError as error:
        raise InputError(f"{place}: {refusal(error, settings)}") from None


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
