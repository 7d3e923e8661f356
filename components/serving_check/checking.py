"""The checks of one model, and the verdict: passed or not, always with reasons."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from components import model_facts, saved_model
from components.errors import InputError
from components.serving_check import answers, own_scores, process, rows, skew, texts
from components.serving_check.plan import BY_TEXT, Plan, make_plan
from components.serving_check.process import Answer, Call, Reply
from components.serving_check.verdict import Check, Verdict
from transform.settings import Settings

_SKEW = "transform_features"
_SCORE = "score"
_CUT = "truncated"
# Two tokens can be equally likely to the last bit, and a batch is added up in another order than a
# row by itself: so many rows of a signature may decode otherwise, and the verdict says so.
_MOST_TIES = 1


@dataclass(frozen=True)
class Options:
    """`serving.check` of the configuration, but for `enabled`."""

    examples: int = 32
    max_batch: int = 8
    max_latency_ms: float | None = None
    max_memory_mb: float | None = None
    timeout_seconds: float = 300.0

    @classmethod
    def from_json(cls, text: str) -> "Options":
        """Read a component's parameter.

        Raises:
          InputError: it is no object of these fields, or one is out of range.
        """
        try:
            found = cls(**json.loads(text))
        except (TypeError, ValueError) as error:
            raise InputError(f"options: got {text!r}, expected a JSON object: {error}") from None
        for name in ("examples", "max_batch"):
            if getattr(found, name) < 1:
                raise InputError(f"options.{name}: got {getattr(found, name)}, expected at least 1")
        return found


@dataclass(frozen=True)
class CheckRequest:
    """What to check.

    Attributes:
      model: SavedModel folder.
      raw, transformed: folders of the eval split's shards.
      report: folder of ExampleGen's report, or "".
      options: how much, and the limits.
    """

    model: str
    raw: str
    transformed: str
    report: str = ""
    options: Options = Options()


def check(request: CheckRequest) -> Verdict:
    """Look at a model as a server would; never raises because of the model.

    Raises:
      InputError: the eval split has no row.
    """
    started = time.monotonic()
    own = own_scores.read(request.model)
    split = rows.choose(
        request.raw,
        request.transformed,
        count=request.options.examples,
        report=request.report,
        also=own.by_row.keys(),
    )
    try:
        facts = model_facts.read(request.model)
        settings = model_facts.settings(facts, request.model)
    except InputError as error:
        return Verdict((Check("facts", False, str(error)),), {}, seconds=time.monotonic() - started)
    needs = facts.get("needs", ())
    plan = make_plan(request.model, split, settings, needs, most=request.options.max_batch)
    with process.Server(plan.request) as server:
        here = _answers_here(plan)
        reply = server.reply(request.options.timeout_seconds)
    checks = _checks(plan, split, settings, own, here, reply, request.options)
    return Verdict(
        tuple(checks),
        reply.latency_ms,
        reply.memory_mb,
        reply.memory_before_mb,
        time.monotonic() - started,
    )


def _answers_here(plan: Plan) -> list[Answer | str]:
    """The same batches to the model in this process; why, for each, if it does not load."""
    try:
        with tf.device("CPU"):  # as in the other process
            loaded = saved_model.load(plan.request.model)
    except (OSError, ValueError, tf.errors.OpError) as error:
        reason = f"it does not load here: {str(error).strip().splitlines()[0]}"
        return [reason for _ in plan.batches]
    with tf.device("CPU"):
        return process.answers_here(loaded.signatures, plan.request, plan.batches)


def _checks(
    plan: Plan,
    split: rows.Split,
    settings: Settings,
    own: own_scores.OwnScores,
    here: list[Answer | str],
    reply: Reply,
    options: Options,
) -> Iterator[Check]:
    yield _clean(reply)
    if reply.failed:
        return
    alone = reply.answers[: len(plan.alone)]
    batches = reply.answers[len(plan.alone) :]
    yield _answered(plan, reply)
    yield _one_by_one(plan, alone, batches)
    yield _as_here(plan, batches, here)
    if split.rows:  # else they do not match, which is skew
        served = dict(answers.by_row(*_only(_SCORE, plan.batches, batches)))
        yield own_scores.compare(own, split.rows, [served[at] for at in range(len(split.rows))])
    yield _no_skew(plan, split, settings, batches)
    yield from _limits(reply, options)


def _clean(reply: Reply) -> Check:
    name = "clean process"
    if reply.failed:
        return Check(name, False, f"the model cannot be served without the project: {reply.failed}")
    if reply.foreign:
        return Check(name, False, f"code of the project was loaded: {', '.join(reply.foreign[:5])}")
    return Check(name, True, "loads and answers where nothing of the project can be imported")


def _answered(plan: Plan, reply: Reply) -> Check:
    wrong = [
        fault
        for call, answer in zip(plan.request.calls, reply.answers, strict=True)
        for fault in answers.faults(call, answer, plan.names)
    ]
    for signature in [name for name in plan.signatures if name in BY_TEXT]:
        said = answers.by_row(*_only(signature, plan.request.calls, reply.answers))
        wrong += [
            f"{signature}: {plan.names[row]} is not said to be truncated"
            for row, answer in said
            if row in plan.too_long and not isinstance(answer, str) and not answer[_CUT]
        ]
    if wrong:
        return Check("requests", False, _abridged(list(dict.fromkeys(wrong))))
    text = f"{len(plan.request.calls)} answered, finite; {', '.join(plan.odd)}"
    return Check("requests", True, text)


def _one_by_one(
    plan: Plan, alone: Sequence[Answer | str], batches: Sequence[Answer | str]
) -> Check:
    by_itself = {
        (call.signature, row): answer
        for call, said in zip(plan.alone, alone, strict=True)
        for row, answer in answers.by_row([call], [said])
    }
    wrong, ties = _compared(
        plan, batches, lambda name, found: [by_itself[name, row] for row, _ in found]
    )
    size = max(len(call.rows) for call in plan.batches)
    tied = f"; a tie decodes otherwise: {'; '.join(ties)}" if ties else ""
    text = f"batches of 1 to {size} = one by one, to {answers.TOLERANCE:g}{tied}"
    return Check("batches", not wrong, _abridged(wrong) if wrong else text)


def _as_here(plan: Plan, served: Sequence[Answer | str], here: Sequence[Answer | str]) -> Check:
    wrong, ties = _compared(
        plan,
        served,
        lambda name, _: [each for _, each in answers.by_row(*_only(name, plan.batches, here))],
    )
    tied = f"; a tie decodes otherwise: {'; '.join(ties)}" if ties else ""
    text = f"as where the project's code is loaded, to {answers.TOLERANCE:g}{tied}"
    return Check("outputs", not wrong, _abridged(wrong) if wrong else text)


def _compared(
    plan: Plan,
    batches: Sequence[Answer | str],
    expected: Callable[[str, Sequence[tuple[int, Answer | str]]], Sequence[Answer | str]],
) -> tuple[list[str], list[str]]:
    """What is wrong with the answers to the batches, and what is a tie, signature by signature.

    `expected` gives, for a signature and its answers by row, what they should be.
    """
    wrong: list[str] = []
    ties: list[str] = []
    for signature in plan.signatures:
        found = answers.by_row(*_only(signature, plan.batches, batches))
        differing = answers.differences(found, expected(signature, found))
        if not differing:
            continue
        excused = len(differing) <= _MOST_TIES and all(each.is_choice for each in differing)
        text = f"{signature}, {answers.told(differing, plan.names)}"
        (ties if excused else wrong).append(text)
    return wrong, ties


def _only(
    signature: str, calls: Sequence[Call], said: Sequence[Answer | str]
) -> tuple[list[Call], list[Answer | str]]:
    kept = [at for at, call in enumerate(calls) if call.signature == signature]
    return [calls[at] for at in kept], [said[at] for at in kept]


def _no_skew(
    plan: Plan, split: rows.Split, settings: Settings, batches: Sequence[Answer | str]
) -> Check:
    served = dict(answers.by_row(*_only(_SKEW, plan.batches, batches)))
    said_of = [(row, served[at]) for at, row in enumerate(split.rows)]
    usable = [(row, said) for row, said in said_of if not isinstance(said, str)]
    wrong = list(split.faults)
    wrong += [f"{row.place}: {said}" for row, said in said_of if isinstance(said, str)][:1]
    if usable:
        features = {name: np.stack([said[name] for _, said in usable]) for name in usable[0][1]}
        column = texts.input_side(settings).column
        wrong += skew.differences([row for row, _ in usable], features, shown_column=column)
    if wrong:
        return Check("skew", False, " | ".join(wrong))
    text = f"{len(split.rows)} of {split.available:,} rows: {_SKEW} = what Transform wrote, exactly"
    return Check("skew", True, text)


def _limits(reply: Reply, options: Options) -> Iterator[Check]:
    slowest = max(reply.latency_ms, key=lambda size: reply.latency_ms[size]["p95"])
    p95 = reply.latency_ms[slowest]["p95"]
    text = f"p95 {p95:.1f} ms (batch of {slowest})"
    if options.max_latency_ms is None:
        yield Check("latency", True, f"{text}; no limit is set")
    else:
        passed = p95 <= options.max_latency_ms
        sign = "<=" if passed else ">"
        yield Check("latency", passed, f"{text}, {sign} max_latency_ms {options.max_latency_ms:g}")
    text = f"{reply.memory_mb:.0f} MB resident ({reply.memory_before_mb:.0f} without the model)"
    if options.max_memory_mb is None:
        yield Check("memory", True, f"{text}; no limit is set")
    else:
        passed = reply.memory_mb <= options.max_memory_mb
        sign = "<=" if passed else ">"
        yield Check("memory", passed, f"{text}, {sign} max_memory_mb {options.max_memory_mb:g}")


def _abridged(lines: Sequence[str]) -> str:
    more = len(lines) - 3
    return " | ".join(lines[:3]) + (f" | and {more} more" if more > 0 else "")
