"""One row of what a signature gives, as the JSON that `tokenline predict` and `score` print."""

import math
from collections.abc import Sequence
from typing import Any

LONGER = "longer than the model reads (data.max_*_length)"


def cut_rows(count: int, *, predicts: bool) -> str:
    """What to tell of rows that were cut."""
    rows = "1 row is" if count == 1 else f"{count:,} rows are"
    where = '"truncated" says which' if predicts else '"truncated_tokens" says how many tokens'
    return f"{rows} {LONGER}, the rest was cut off: {where}"


def scored(outputs: dict[str, Any], row: int) -> dict[str, Any]:
    """One row's loss in nats per token, the sums that it comes from, and how much was not read."""
    weight = float(outputs["weight_sum"][row])
    loss = float(outputs["loss_sum"][row])
    found = {
        "loss_per_token": loss / weight if weight else None,
        "loss_sum": loss,
        "weight_sum": weight,
        "tokens": int(outputs["token_count"][row]),
        "all_correct": bool(outputs["sequence_correct"][row]),
    }
    if "truncated_tokens" in outputs:  # models that an earlier version exported do not count them
        found["truncated_tokens"] = int(outputs["truncated_tokens"][row])
    return found


def scored_tokens(outputs: dict[str, Any], row: int, texts: Sequence[str]) -> list[dict[str, Any]]:
    """One row's real positions in order: the token's text and id, its loss in nats, and so on.

    `texts` are of the row's positions, as `token_texts.TokenTexts` gives them. A loss that is not
    finite, which only a position of weight 0 can have, is None.
    """
    columns = [
        outputs[name][row, : len(texts)].tolist()
        for name in (
            "target_ids",
            "position_loss",
            "position_weight",
            "position_correct",
            "position_confidence",
        )
    ]
    return [
        {
            "token": text,
            "id": number,
            "loss": loss if math.isfinite(loss) else None,
            "weight": weight,
            "correct": bool(correct),
            "confidence": confidence if math.isfinite(confidence) else None,
        }
        for text, number, loss, weight, correct, confidence in zip(texts, *columns, strict=True)
    ]


def predicted(outputs: dict[str, Any], row: int, line: str, text: str) -> dict[str, Any]:
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


def tagged(words: list[bytes], tags: Any) -> str:
    """`token/tag` pairs; tokens beyond the model's length stand without a tag, not left out."""
    pairs = [word + b"/" + tag for word, tag in zip(words, tags, strict=False)]
    return b" ".join([*pairs, *words[len(tags) :]]).decode("utf-8", "replace")
