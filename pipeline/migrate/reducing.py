"""What sums, means, products and divisions make of a loss.

Each function returns the new value, or None where it knows nothing of such a case.
"""

import dataclasses

from pipeline.migrate.tensors import grouped
from pipeline.migrate.values import Kind, Loss, LossCall, Stage, Thing, Use

# A mean with pads in its divisor, divided by the mean of the mask over the same axis.
_MEANS = {
    Kind.MEAN_ALL: ("all", Kind.OVER_WEIGHTS),
    Kind.MEAN_TIME: ("time", Kind.ROWS_OVER_WEIGHTS),
}


@dataclasses.dataclass(frozen=True)
class Reducing:
    """The rules, over the calls found so far, which they tell what happens to their loss."""

    calls: list[LossCall]

    def mean(self, loss: Loss, axis: str, line: int) -> Loss | None:
        """`reduce_mean` over all axes, "time" or "batch"."""
        flat = loss.stage is not Stage.TOKENS
        if loss.stage is Stage.TOKENS and axis == "time":
            return self._used(loss, Kind.MEAN_TIME, Stage.ROWS, line)
        kinds = {
            Stage.TOKENS: Kind.MEAN_ALL,
            Stage.MASKED: Kind.MASKED_MEAN,
            Stage.ROWS: Kind.ROWS_MEAN,
            Stage.ROW_SUMS: Kind.ROW_SUMS_MEAN,
            Stage.STEPS: Kind.STEPS_MEAN,
            Stage.COLUMNS: Kind.COLUMNS_MEAN,
        }
        if loss.stage not in kinds or (axis != "all" and not flat):
            return None
        return self._used(loss, kinds[loss.stage], Stage.DONE, line)

    def sum(self, loss: Loss, axis: str, line: int) -> Loss | None:
        """`reduce_sum`; a division may follow."""
        normal = loss.weights.normalised if loss.weights is not None else None
        if loss.stage is Stage.TOKENS and axis == normal == "all":
            return self._used(loss, Kind.OVER_WEIGHTS, Stage.DONE, line)
        if loss.stage is Stage.TOKENS and axis == normal == "time":
            return self._used(loss, Kind.ROWS_OVER_WEIGHTS, Stage.ROWS, line)
        if loss.stage is Stage.TOKENS and axis == "time":
            return self._used(loss, Kind.ROW_SUM, Stage.ROW_SUMS, line)
        if loss.stage is Stage.TOKENS and axis == "batch":
            return self._used(loss, Kind.COLUMN_SUM, Stage.COLUMN_SUMS, line)
        kinds = {
            Stage.TOKENS: Kind.SUM,
            Stage.MASKED: Kind.SUM,
            Stage.ROWS: Kind.ROWS_SUM,
            Stage.ROW_SUMS: Kind.SUM,
            Stage.COLUMN_SUMS: Kind.SUM,
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

    def weighted(
        self, loss: Loss, weights: Thing | None, name: str | None, line: int
    ) -> Loss | None:
        """`compute_weighted_loss` with a reduction: ours of that name, or "all"."""
        if loss.stage is not Stage.TOKENS or (weights is not None and loss.weights is not None):
            return None
        if weights is not None:
            loss = dataclasses.replace(loss, weights=weights)
        elif name in ("nonzero_mean", "token_mean"):
            name = "all"  # the weights of 1 are counted, or summed
        if name == "none":
            return loss
        kinds = {
            "nonzero_mean": Kind.OVER_NONZERO,
            "token_mean": Kind.OVER_WEIGHTS,
            "token_sum": Kind.SUM,
            "all": Kind.MEAN_ALL,
        }
        if name not in kinds:
            return None
        use = Use(kind=kinds[name], line=line, weights=loss.weights, safe=True)
        self.calls[loss.call].uses.append(use)
        total = name == "token_sum"
        stage = Stage.TOTAL if total else Stage.DONE
        return dataclasses.replace(loss, stage=stage, pending=use if total else None)

    def divide(
        self, loss: Loss, by: Thing, divisor: str, line: int, *, no_nan: bool
    ) -> Loss | None:
        """A summed loss by something."""
        if loss.pending is None:
            return None
        means = loss.pending.kind in _MEANS
        if loss.stage is Stage.DONE and not means:
            divisor = f"{grouped(loss.pending.divisor)} * {grouped(divisor)}"
        kind = self._quotient(loss, by)
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
        stages = {Stage.ROW_SUMS: Stage.ROWS, Stage.COLUMN_SUMS: Stage.COLUMNS}
        stage = loss.stage if means else stages.get(loss.stage, Stage.DONE)
        again = use if kind is Kind.OVER_OTHER else None
        return dataclasses.replace(loss, stage=stage, pending=again)

    @staticmethod
    def _quotient(loss: Loss, by: Thing) -> Kind | None:
        weights = loss.weights
        if loss.pending is not None and loss.pending.kind in _MEANS:
            axis, kind = _MEANS[loss.pending.kind]
            shared = weights is not None and by.mean_of == weights.root
            return kind if shared and by.axis == axis else None
        same = weights is not None and by.sum_of == weights.root
        if loss.stage is Stage.COLUMN_SUMS:
            return Kind.COLUMNS_OVER_WEIGHTS if same and by.axis == "batch" else None
        if loss.stage is Stage.ROW_SUMS:
            return Kind.ROWS_OVER_WEIGHTS if same and by.axis == "time" else None
        if loss.pending is not None and loss.pending.kind is not Kind.SUM:
            return Kind.OVER_OTHER
        if same and by.axis == "all":
            return Kind.OVER_WEIGHTS
        if weights is not None and by.sum_of is not None and by.sum_of == weights.lengths:
            return Kind.OVER_LENGTHS
        return Kind.OVER_OTHER

    def _used(self, loss: Loss, kind: Kind, stage: Stage, line: int) -> Loss:
        safe = loss.weights is not None and loss.weights.safe
        use = Use(kind=kind, line=line, weights=loss.weights, safe=safe)
        uses = self.calls[loss.call].uses
        if loss.stage in (Stage.ROW_SUMS, Stage.COLUMN_SUMS) and loss.pending in uses:
            uses.remove(loss.pending)
        uses.append(use)
        sums = stage in (Stage.TOTAL, Stage.ROW_SUMS, Stage.COLUMN_SUMS)
        pending = use if sums or kind in _MEANS else None
        return dataclasses.replace(loss, stage=stage, pending=pending)
