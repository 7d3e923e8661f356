"""What a line of `metrics.jsonl` says of an update and of a validation."""

from typing import Any

from components.trainer.history import BatchSums


def update(sums: BatchSums, batches: int) -> dict[str, Any]:
    """Of the batches that made an update. Without weight there is no loss, and was no update."""
    return {
        "loss": sums.loss if sums.denominator else None,
        "numerator": sums.numerator,
        "denominator": sums.denominator,
        "objective": sums.divided(sums.objective, batches),
        "z_loss": sums.divided(sums.z_loss, batches),
        "useful_tokens": sums.useful,
        "positions": sums.positions,
    }


def validation(numerator: float, denominator: float) -> dict[str, Any]:
    """Of a validation's sums w l and w."""
    loss = numerator / denominator if denominator else None
    return {"loss": loss, "numerator": numerator, "denominator": denominator}
