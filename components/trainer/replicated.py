"""Updates whose gradient several replicas compute together, each on its rows of the batch.

Numerators, their gradients and denominators are added over the replicas and divided once, as over
the batches of a window: the update is that of one process with the same batches. A mean over the
replicas' own gradients would be another objective, as their rows differ in weight.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from components.sequence_loss import LossSum
from components.trainer.distribution import Replicas
from components.trainer.models import SequenceModel
from components.trainer.objective import Batch, Minimised, Objective
from components.trainer.updates import Updates

# Between the dropout seeds of one replica and the next: far more than draws or layers.
_SEED_STEP = 1_000_003


class ReplicatedUpdates(Updates):
    """As `Updates`; the model itself stays as it is, and each replica computes with a copy of it.

    So the optimizer, averages and checkpoints know one set of weights. With dropout, which each
    replica draws for itself, the masks are not those of one process.
    """

    def __init__(
        self,
        model: SequenceModel,
        objective: Objective,
        *others: Any,
        replicas: Replicas,
        copy: SequenceModel,
        **options: Any,
    ) -> None:
        """Make the variables.

        Args:
          model: what is trained.
          objective: what is minimised, on `copy`; it must not raise where a loss is not finite:
            the other replicas would wait.
          *others: as of `Updates`.
          replicas: what computes; with a strategy.
          copy: a model of the same spec, made in the strategy's scope.
          **options: as of `Updates`.
        """
        super().__init__(model, objective, *others, **options)
        assert replicas.strategy is not None
        self._strategy = replicas.strategy
        self._count = replicas.count
        self._copy = copy
        self._seeds = _seeds(copy)
        self._own_seeds = _seeds(model)

    def _gradients(self, batch: Batch) -> tuple[Minimised, list[tf.Tensor]]:
        """The sums over all replicas, and the gradients of numerator / denominator."""
        for theirs, mine in zip(self._copy.variables, self._model.variables, strict=True):
            theirs.value.assign(mine.value)
        results = self._strategy.run(self._share, args=(batch,))
        found, gradients = _first(self._strategy, results)
        for theirs, mine in zip(self._seeds, self._own_seeds, strict=True):
            mine.assign(theirs)
        found = _marked(found)
        divisor = found.total.denominator
        if divisor is not None:
            gradients = [tf.math.divide_no_nan(each, divisor) for each in gradients]
        return found, gradients

    def _share(self, batch: Batch) -> tuple[Minimised, list[tf.Tensor]]:
        """In a replica: its rows' sums and the numerator's gradients, added over the replicas."""
        context = tf.distribute.get_replica_context()
        replica = tf.convert_to_tensor(context.replica_id_in_sync_group)
        rows, own = _rows(batch, replica, self._count)
        offset = replica * tf.constant([_SEED_STEP, 0])
        for seed in self._seeds:
            seed.assign(seed + tf.cast(offset, seed.dtype))
        with tf.GradientTape() as tape:
            found = self._objective.minimised(rows)
            numerator = found.total.numerator
        variables = self._copy.trainable_variables
        gradients = tape.gradient(numerator, variables, unconnected_gradients="zero")
        for seed in self._seeds:
            seed.assign(seed - tf.cast(offset, seed.dtype))

        def add(each: list[tf.Tensor]) -> list[tf.Tensor]:
            counted = [own * tf.convert_to_tensor(one) for one in each]
            return context.all_reduce(tf.distribute.ReduceOp.SUM, counted)

        return _mapped(add, found, gradients)


def _rows(batch: Batch, replica: tf.Tensor, count: int) -> tuple[Batch, tf.Tensor]:
    """The rows of one of `count` replicas, and 1; where none are left for it, one row, and 0.

    An empty batch would need kernels that know what to do with it, on every device.
    """
    rows = tf.shape(next(iter(batch.values())))[0]
    start, end = rows * replica // count, rows * (replica + 1) // count
    own = tf.cast(end > start, tf.float32)
    end = tf.maximum(end, start + 1)
    return {name: value[start:end] for name, value in batch.items()}, own


def _mapped(
    function: Callable[[list[tf.Tensor]], list[tf.Tensor]],
    found: Minimised,
    gradients: list[tf.Tensor],
) -> tuple[Minimised, list[tf.Tensor]]:
    """`function` of all tensors at once; a denominator that is None stays None."""
    fields = [each for loss in found for each in loss]
    known = [each for each in fields if each is not None]
    changed = function([*known, *gradients])
    rest = iter(changed)
    again = [None if each is None else next(rest) for each in fields]
    sums = [LossSum(again[at], again[at + 1]) for at in range(0, len(again), 2)]
    return Minimised(*sums), list(rest)


def _marked(found: Minimised) -> Minimised:
    """A plain loss that is NaN if either is not finite: then the batch is bad, whatever its norm."""
    finite = tf.math.is_finite(found.total.numerator + found.plain.numerator)
    numerator = tf.where(finite, found.plain.numerator, float("nan"))
    return found._replace(plain=found.plain._replace(numerator=numerator))


def _first(strategy: tf.distribute.Strategy, results: Any) -> Any:
    """What this process's first replica returned; all returned the same."""
    return tf.nest.map_structure(lambda each: strategy.experimental_local_results(each)[0], results)


def _seeds(model: SequenceModel) -> list[tf.Variable]:
    """The states from which dropout draws."""
    return [v.value for v in model.variables if tf.as_dtype(v.dtype).is_integer]
