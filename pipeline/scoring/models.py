"""The model on a window of rows: batches of about one length, and a reason for each row it refuses."""

import functools
import json
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf

from components.example_gen.columns import Column
from components.example_gen.shards import encode
from pipeline.scoring import model_rows
from pipeline.scoring.inputs import KeyedRow
from pipeline.scoring.served import load, refusal
from pipeline.scoring.token_texts import TokenTexts
from pipeline.scoring.windows import BatchLimits, batches, length
from transform.settings import Settings, Side

# What is added up over rows, float64; models of earlier versions lack `unknown_bytes`.
SUMS = ("loss_sum", "weight_sum", "token_count", "target_bytes", "unknown_bytes")
_SCORES = (*SUMS, "sequence_correct", "truncated_tokens")
_POSITIONS = (
    "target_ids",
    "position_loss",
    "position_weight",
    "position_correct",
    "position_confidence",
    "position_region",
)
_MOST_ROWS, _MOST_POSITIONS = 256, 8192
_LOGITS = 1 << 26  # of one batch, that is 256 MB of float32
# float32 sums of weights that are all 1 are exact below 2^24 tokens.
_UNIT_WEIGHT_TOLERANCE = 1e-6
Outputs = dict[str, Any]  # arrays [B, ...]
Signature = Callable[..., dict[str, tf.Tensor]]


@dataclass
class WindowResult:
    """What came of a window's rows: by row a record or a problem, and what is added up.

    `sums` holds those of `SUMS` that the model gives, `reweighted` rows whose weights are not all 1,
    `truncated` ones that were cut.
    """

    rows: Sequence[KeyedRow]
    records: list[dict[str, Any] | None]
    problems: list[str]
    sums: dict[str, float] = field(default_factory=dict)
    reweighted: int = 0
    truncated: int = 0

    @classmethod
    def of(cls, rows: Sequence[KeyedRow]) -> "WindowResult":
        """Nothing yet but the problems that the rows came with."""
        return cls(rows, [None] * len(rows), [row.problem for row in rows])

    def add(self, name: str, values: np.ndarray) -> None:
        """Add rows' values [B] to a sum."""
        self.sums[name] = self.sums.get(name, 0.0) + float(np.sum(values, dtype=np.float64))


class Scoring:
    """`score` of a loaded model; `tokens`: with each token's loss."""

    def __init__(
        self,
        loaded: Any,
        facts: dict[str, Any],
        settings: Settings,
        columns: Sequence[Column],
        *,
        tokens: bool,
    ) -> None:
        size = facts["model"]["vocabulary_size"]
        self._settings, self._facts, self._columns = settings, facts["settings"], columns
        signature = loaded.signatures["score"]
        known = signature.structured_outputs
        names = [name for name in _SCORES if name in known]
        names += _POSITIONS if tokens else ["position_weight"]
        self._call = _pruned(signature, "examples", names)
        self._texts = TokenTexts(loaded, settings, size) if tokens else None
        longest = sum(side.max_length for side in settings.sides.values())
        positions = min(_MOST_POSITIONS, max(longest, _LOGITS // size))
        self._limits = BatchLimits(_MOST_ROWS, positions)

    def __call__(self, rows: Sequence[KeyedRow]) -> WindowResult:
        """Score a window."""
        result = WindowResult.of(rows)
        sides = list(self._settings.sides.values())[::-1]  # the target is what costs
        for batch in _sorted_batches(result, self._columns, sides, self._limits):
            examples = [encode(self._columns, rows[place].values) for place in batch]
            for good, outputs in _answers(self._call, batch, examples, result, self._facts):
                self._take(result, good, [examples[batch.index(place)] for place in good], outputs)
        return result

    def _take(
        self, result: WindowResult, places: list[int], examples: list[bytes], outputs: Outputs
    ) -> None:
        finite = np.isfinite(outputs["loss_sum"]) & np.isfinite(outputs["weight_sum"])
        texts: list[list[str]] = []
        if self._texts:
            lengths = (outputs["position_region"] > 0).sum(axis=1).tolist()
            texts = self._texts(examples, outputs["target_ids"], lengths)
        for row, place in enumerate(places):
            if not finite[row]:
                got = float(outputs["loss_sum"][row])
                result.problems[place] = f"got a loss of {got}, expected a finite number"
                continue
            record = {"key": result.rows[place].key} | model_rows.scored(outputs, row)
            if self._texts:
                record["per_token"] = model_rows.scored_tokens(outputs, row, texts[row])
            result.records[place] = record
        if "truncated_tokens" in outputs:  # models of earlier versions do not count them
            result.truncated += int((outputs["truncated_tokens"][finite] > 0).sum())
        # As the Evaluator has it: a row without weight adds nothing, its bytes carry no loss.
        counted = finite & (outputs["weight_sum"] != 0)
        for name in SUMS:
            if name in outputs:
                result.add(name, outputs[name][counted])
        # By position: weights of 0.5 and 1.5 add up to their number.
        weights = outputs["position_weight"][counted]
        same = (weights == 0) | np.isclose(weights, 1, rtol=_UNIT_WEIGHT_TOLERANCE, atol=0)
        result.reweighted += int((~same).any(axis=1).sum())


class Prediction:
    """`serving_text` or `serving_default` of a loaded model, as the file holds texts or rows."""

    def __init__(
        self,
        loaded: Any,
        facts: dict[str, Any],
        settings: Settings,
        columns: Sequence[Column],
        *,
        text: bool,
    ) -> None:
        self._task, self._facts, self._columns = facts["task"], facts["settings"], columns
        self._side = settings.source or settings.target
        self._is_text = text
        name, argument = ("serving_text", "text") if text else ("serving_default", "examples")
        signature = loaded.signatures[name]
        self._call = _pruned(signature, argument, list(signature.structured_outputs))
        size = facts["model"]["vocabulary_size"]
        positions = min(_MOST_POSITIONS, max(self._side.max_length, _LOGITS // size))
        self._limits = BatchLimits(_MOST_ROWS, positions)

    def __call__(self, rows: Sequence[KeyedRow]) -> WindowResult:
        """Predict for a window."""
        result = WindowResult.of(rows)
        for batch in _sorted_batches(result, self._columns, [self._side], self._limits):
            inputs = [self._input(rows[place]) for place in batch]
            for good, outputs in _answers(self._call, batch, inputs, result, self._facts):
                self._take(result, good, outputs)
        return result

    def _input(self, row: KeyedRow) -> bytes:
        if self._is_text:
            text: bytes = row.values[0][0]  # type: ignore[index,assignment]
            return text
        return encode(self._columns, row.values)

    def _take(self, result: WindowResult, places: list[int], outputs: Outputs) -> None:
        for row, place in enumerate(places):
            line = self._shown(result.rows[place])
            record: dict[str, Any] = {"key": result.rows[place].key}
            if self._task == "tagging":
                tags = outputs["tags"][row, : outputs["lengths"][row]].tolist()
                text = model_rows.tagged(self._words(result.rows[place]), tags)
                record |= model_rows.predicted(outputs, row, line, text)
                record["tags"] = [tag.decode("utf-8", "replace") for tag in tags]
            else:
                text = outputs["text"][row].decode("utf-8", "replace")
                record |= model_rows.predicted(outputs, row, line, text)
            result.records[place] = record
        result.truncated += int(outputs["truncated"].sum())
        counts = outputs["generated" if "generated" in outputs else "lengths"]
        result.add("token_count", counts)

    def _shown(self, row: KeyedRow) -> str:
        """The text, or the values of a column of lists with a space between."""
        return b" ".join(_bytes(row)).decode("utf-8", "replace")

    def _words(self, row: KeyedRow) -> list[bytes]:
        """What tags are for: the tokens of a column of lists, or of a text."""
        values = _bytes(row)
        if self._is_text:
            # Split as the signature splits, which is not quite as Python does.
            split: list[bytes] = tf.strings.split(values[0]).numpy().tolist()
            return split
        return values


def _bytes(row: KeyedRow) -> list[bytes]:
    """The values of a row's one column."""
    found = row.values[0] or []
    return [value if isinstance(value, bytes) else str(value).encode() for value in found]


# Workers may be threads of this process, and `load` redirects what all of them print.
_LOADING = threading.RLock()


def model_for(
    model: str, columns: tuple[Column, ...], *, predicts: bool, tokens: bool, text: bool
) -> Callable[[Sequence[KeyedRow]], WindowResult]:
    """What turns a window of rows into its result; made once, as tracing and optimising take seconds.

    `text`: the rows are lines of text.
    """
    with _LOADING:
        return _model_for(model, columns, predicts, tokens, text)


@functools.lru_cache(maxsize=4)
def _model_for(
    model: str, columns: tuple[Column, ...], predicts: bool, tokens: bool, text: bool
) -> Callable[[Sequence[KeyedRow]], WindowResult]:
    loaded, facts = loaded_model(model)
    settings = Settings.from_json(json.dumps(facts["settings"]))
    if predicts:
        return Prediction(loaded, facts, settings, columns, text=text)
    return Scoring(loaded, facts, settings, columns, tokens=tokens)


def loaded_model(folder: str) -> tuple[Any, dict[str, Any]]:
    """The model, once for each process."""
    with _LOADING:
        return _loaded(folder)


@functools.lru_cache(maxsize=1)
def _loaded(folder: str) -> tuple[Any, dict[str, Any]]:
    return load(folder)


def _pruned(signature: Any, argument: str, names: Sequence[str]) -> Signature:
    """The signature without what only other outputs need."""

    def call(inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = signature(**{argument: inputs})
        return {name: outputs[name] for name in names}

    spec = [tf.TensorSpec([None], tf.string)]
    return tf.function(call, input_signature=spec, autograph=False).get_concrete_function()


def _sorted_batches(
    result: WindowResult, columns: Sequence[Column], sides: Sequence[Side], limits: BatchLimits
) -> Iterator[list[int]]:
    """The places of good rows, by length."""
    names = [column.name for column in columns]
    places = [names.index(side.column) for side in sides]
    good = [place for place, problem in enumerate(result.problems) if not problem]
    lengths = []
    for place in good:
        values = result.rows[place].values
        found = (length(values[at], side) for at, side in zip(places, sides, strict=True))
        lengths.append(tuple(found))
    for batch in batches(lengths, limits):
        yield [good[index] for index in batch]


def _answers(
    call: Signature,
    places: list[int],
    inputs: list[bytes],
    result: WindowResult,
    settings: dict[str, Any],
) -> Iterator[tuple[list[int], Outputs]]:
    """What the model says of these rows, without those that it refuses: they get their problem.

    Of a batch it does not say which row it refuses, so the batch is halved until it is one.
    """
    try:
        outputs = {name: value.numpy() for name, value in call(tf.constant(inputs)).items()}
    except (tf.errors.InvalidArgumentError, tf.errors.ResourceExhaustedError) as error:
        if len(places) == 1:
            if isinstance(error, tf.errors.ResourceExhaustedError):
                raise
            result.problems[places[0]] = refusal(error, settings)
            return
        half = len(places) // 2
        yield from _answers(call, places[:half], inputs[:half], result, settings)
        yield from _answers(call, places[half:], inputs[half:], result, settings)
        return
    yield places, outputs


def summary_numbers(sums: dict[str, float], *, unit_weights: bool) -> dict[str, float]:
    """The mean loss per token, and bits per byte if all weights are 1; nothing where nothing counts."""
    found: dict[str, float] = {}
    if sums.get("weight_sum"):
        found["loss_per_token"] = sums["loss_sum"] / sums["weight_sum"]
    if unit_weights and sums.get("target_bytes") and "unknown_bytes" in sums:
        # A word that the vocabulary lacks costs what it takes to spell it, beside its <unk>.
        bits = sums["loss_sum"] / math.log(2) + 8 * sums["unknown_bytes"]
        found["bits_per_byte"] = bits / sums["target_bytes"]
    return found
