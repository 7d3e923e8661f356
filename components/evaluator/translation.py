"""BLEU, chrF and exact match of decoded text, from sums; sacreBLEU counts and scores.

An example adds to [C] sums: BLEU's statistics (lengths, matched and possible n-grams by order), chrF's
(n-grams of hypothesis, reference and both, by order), whether it is its reference to the letter, and
one. The sums of a corpus are those of its examples, so that any batches, bundles and jackknife groups
give the scores of sacreBLEU's own `corpus_score`: `BLEU()` (13a, exponential smoothing) and `CHRF()`.
Source: Post, "A Call for Clarity in Reporting BLEU Scores" (2018).
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from sacrebleu.metrics import BLEU as _Bleu
from sacrebleu.metrics import CHRF as _Chrf

from components.evaluator.metrics import BLEU, CHRF, EXACT_MATCH

Array: TypeAlias = npt.NDArray[np.float64]

METRICS = (BLEU, CHRF, EXACT_MATCH)
_BLEU_SUMS, _CHRF_SUMS = 10, 18
SUMS = _BLEU_SUMS + _CHRF_SUMS + 2


def sums_of_examples(hypotheses: Sequence[str], references: Sequence[str]) -> Array:
    """What B decoded texts add, [B, SUMS]."""
    if not hypotheses:
        return np.zeros((0, SUMS))
    # sacreBLEU gives the statistics of segments in no public call; a test holds them to its scores.
    bleu = _Bleu()._extract_corpus_statistics(hypotheses, [references])
    chrf = _Chrf()._extract_corpus_statistics(hypotheses, [references])
    pairs = zip(hypotheses, references, strict=True)
    same = [[hypothesis.strip() == reference.strip(), 1] for hypothesis, reference in pairs]
    return np.concatenate([np.asarray(part, np.float64) for part in (bleu, chrf, same)], axis=1)


def scores(sums: Array) -> Array:
    """The `METRICS` of sums [..., SUMS]: BLEU and chrF of 0 to 100, the share of exact matches.

    NaN where there is no example.
    """
    flat = [_scores(row) for row in sums.reshape(-1, SUMS)]
    return np.asarray(flat, np.float64).reshape(*sums.shape[:-1], len(METRICS))


def signatures() -> dict[str, str]:
    """What sacreBLEU wants printed beside a score."""
    bleu, chrf = _Bleu(), _Chrf()
    for metric in (bleu, chrf):  # which know their number of references once they have scored
        metric.corpus_score([""], [[""]])
    return {BLEU: str(bleu.get_signature()), CHRF: str(chrf.get_signature())}


def _scores(row: Array) -> tuple[float, float, float]:
    exact, examples = row[-2:]
    if not examples:
        return np.nan, np.nan, np.nan
    counts = np.rint(row).astype(int).tolist()
    bleu = _Bleu()._compute_score_from_stats(counts[:_BLEU_SUMS])
    chrf = _Chrf()._compute_score_from_stats(counts[_BLEU_SUMS : _BLEU_SUMS + _CHRF_SUMS])
    return bleu.score, chrf.score, exact / examples
