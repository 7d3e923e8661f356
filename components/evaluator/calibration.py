"""Expected calibration error per token: does a token said to be 80 % sure come out right 4 in 5 times?

ECE = Σ_b |Σ_{t in b} w·confidence - Σ_{t in b} w·correct| / Σ_t w over equal-width bins b of the
confidence, the probability of the likeliest id (Naeini, Cooper and Hauskrecht, "Obtaining well
calibrated probabilities using Bayesian binning", AAAI 2015; there unweighted). What is kept is three
sums a bin, so parts merge exactly; a mean of the batches' errors would be something else.
"""

import numpy as np

from components.evaluator.exact import Array, Ints

BINS = 15
KINDS = ("weight", "confidence", "correct")
# The columns of the sums, bin by bin.
COLUMNS = tuple(f"calibration_{kind}_{index}" for index in range(BINS) for kind in KINDS)


def bins(confidences: Array) -> Ints:
    """The bin of each confidence; that of NaN is the first, and its sums are NaN."""
    places = np.nan_to_num(confidences, nan=0.0, posinf=1.0, neginf=0.0) * BINS
    return np.clip(places.astype(np.int64), 0, BINS - 1)


def error(sums: Array) -> Array:
    """The error from sums [..., len(COLUMNS)]: [...]; NaN where no token has weight."""
    weight, confidence, correct = np.moveaxis(sums.reshape(*sums.shape[:-1], BINS, 3), -1, 0)
    total = weight.sum(axis=-1)
    gaps = np.abs(confidence - correct).sum(axis=-1)
    return np.divide(gaps, total, out=np.full(np.shape(total), np.nan), where=total != 0)
