"""`tf.losses` of TensorFlow 1: weighted cross-entropies, by default over the non-zero weights."""

from pipeline.migrate.inputs import is_number
from pipeline.migrate.values import Given

_NAMES = {
    "sum_by_nonzero_weights": "nonzero_mean",
    "weighted_sum_by_nonzero_weights": "nonzero_mean",
    "sum_over_nonzero_weights": "nonzero_mean",
    "weighted_sum_over_nonzero_weights": "nonzero_mean",
    "mean": "token_mean",
    "weighted_mean": "token_mean",
    "sum": "token_sum",
    "weighted_sum": "token_sum",
    "none": "none",
    "sum_over_batch_size": "all",
    "weighted_sum_over_batch_size": "all",
}


def reduction(given: Given) -> str | None:
    """Ours of the same number, "all" for a division by B * T, None where that is not known."""
    if given.unknown is not None and "reduction" not in given.code:
        return None
    text = given.code.get("reduction", '"sum_by_nonzero_weights"')
    quoted = text[:1] in "\"'" or ".Reduction." in text
    return _NAMES.get(text.strip("\"'").rpartition(".")[2].lower()) if quoted else None


def has_weights(given: Given) -> bool:
    """Whether each token may have its own weight."""
    text = given.code.get("weights", "1.0" if given.unknown is None else "")
    return not is_number(text)
