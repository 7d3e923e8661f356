"""What sums, means, products and divisions make of a loss.

Each function returns the new value, or None where it knows nothing of such a case.
"""

import dataclasses

from pipeline.migrate.tensors import grouped
from pipeline.migrate.values import Kind, Loss, LossCall, Stage, Thing, Use


@dataclasses.dataclass(frozen=True)
class Reducing:
    """The rules, over the calls found so far, which they tell what happens to their loss."""

    calls: list[LossCall]

    def mean(self, loss: Loss, axis: str, line: int) -> Loss | None:
        """`reduce_mean` over all axes, "time" or "batch"."""
        flat = loss.stage in (Stage.MASKED, Stage.ROWS, Stage.ROW_SUMS, Stage.STEPS)
        if loss.stage is Stage.TOKENS and axis == "time":
            return self._used(loss, Kind.MEAN_TIME, Stage.ROWS, line)
        kinds = {
            Stage.TOKENS: Kind.MEAN_ALL,
            Stage.MASKED: Kind.MASKED_MEAN,
            Stage.ROWS: Kind.ROWS_MEAN,
            Stage.ROW_SUMS: Kind.ROW_SUMS_MEAN,
            Stage.STEPS: Kind.STEPS_MEAN,
        }
        if loss.stage not in kinds or (axis != "all" and not flat):
            return None
        return self._used(loss, kinds[loss.stage], Stage.DONE, line)

    def sum(self, loss: Loss, axis: str, line: int) -> Loss | None:
        """`reduce_sum`; a division may follow."""
        if loss.stage is Stage.TOKENS and axis == "time":
            return self._used(loss, Kind.ROW_SUM, Stage.ROW_SUMS, line)
        kinds = {
            Stage.TOKENS: Kind.SUM,
            Stage.MASKED: Kind.SUM,
            Stage.ROWS: Kind.ROWS_SUM,
            Stage.ROW_SUMS: Kind.SUM,
            Stage.STEPS: Kind.STEPS_SUM,
        }
        if loss.stage not in kinds or (axis != "all" and loss.stage is Stage.TOKENS):
            return None
        return self._used(loss, kinds[loss.stage], Stage.TOTAL, line)

    def weigh(self, loss: Loss, weights: Thing, *, masks: bool = False) -> Loss | None:
        """Token losses times weights, or `boolean_mask` of them."""
        if weights.root.replace(".", "").isdigit() or loss.stage is not Stage.TOKENS:
            return None
        if loss.weights is not None:
            text = f"{loss.weights.text} * {weights.text}"
            root = f"{loss.weights.root} * {weights.root}"
            weights = Thing(text=text, root=root, kind="product")
        stage = Stage.MASKED if masks else Stage.TOKENS
        return dataclasses.replace(loss, weights=weights, stage=stage)

    def divide(
        self, loss: Loss, by: Thing, divisor: str, line: int, *, no_nan: bool
    ) -> Loss | None:
        """A summed loss by something."""
        if loss.pending is None or loss.stage not in (Stage.TOTAL, Stage.ROW_SUMS, Stage.DONE):
            return None
        if loss.stage is Stage.DONE:
            divisor = f"{grouped(loss.pending.divisor)} * {grouped(divisor)}"
        rows = loss.stage is Stage.ROW_SUMS
        kind = self._quotient(loss, by, rows=rows)
        if kind is None:
            return None
        uses = self.calls[loss.call].uses
        if loss.pending in uses:
            uses.remove(loss.pending)
        use = Use(
            kind=kind,
            line=line,
            weights=loss.weights,
            divisor=divisor,
            safe=no_nan or by.safe,
            no_nan=no_nan,
        )
        uses.append(use)
        stage = Stage.ROWS if rows else Stage.DONE
        again = use if kind is Kind.OVER_OTHER else None
        return dataclasses.replace(loss, stage=stage, pending=again)

    @staticmethod
    def _quotient(loss: Loss, by: Thing, *, rows: bool) -> Kind | None:
        weights = loss.weights
        same = weights is not None and by.sum_of == weights.root
        if rows:
            return Kind.ROWS_OVER_WEIGHTS if same and by.axis == "time" else None
        if loss.pending is not None and loss.pending.kind is not Kind.SUM:
            return Kind.OVER_OTHER
        if same and by.axis == "all":
            return Kind.OVER_WEIGHTS
        if weights is not None and by.sum_of is not None and by.sum_of == weights.lengths:
            return Kind.OVER_LENGTHS
        return Kind.OVER_OTHER

    def _used(self, loss: Loss, kind: Kind, stage: Stage, line: int) -> Loss:
        use = Use(kind=kind, line=line, weights=loss.weights)
        uses = self.calls[loss.call].uses
        if loss.stage is Stage.ROW_SUMS and loss.pending in uses:
            uses.remove(loss.pending)
        uses.append(use)
        pending = use if stage in (Stage.TOTAL, Stage.ROW_SUMS) else None
        return dataclasses.replace(loss, stage=stage, pending=pending)
