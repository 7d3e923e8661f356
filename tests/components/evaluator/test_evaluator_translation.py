"""BLEU and chrF from sums are sacreBLEU's own, however the corpus is cut."""

import numpy as np
import pytest
from sacrebleu.metrics import BLEU, CHRF

from components.evaluator import translation

WORDS = ["a", "red", "car", "drives", "past", "the", "old", "house", ",", "slowly", "."]


def corpus(size: int) -> tuple[list[str], list[str]]:
    """References, and hypotheses that lose, repeat or change words of theirs."""
    random = np.random.default_rng(5)
    references = [" ".join(random.choice(WORDS, random.integers(1, 12))) for _ in range(size)]
    hypotheses = []
    for number, reference in enumerate(references):
        words = reference.split()
        if number % 3:
            words[int(random.integers(len(words)))] = str(random.choice(WORDS))
        hypotheses.append(" ".join(words[: -1 if number % 4 == 1 else None]))
    return hypotheses, references


def test_sums_of_parts_score_as_sacrebleu_scores_the_whole() -> None:
    hypotheses, references = corpus(60)
    cuts = [slice(0, 1), slice(1, 40), slice(40, 60)]
    parts = [translation.sums_of_examples(hypotheses[c], references[c]) for c in cuts]
    total = sum(part.sum(axis=0) for part in parts)
    bleu, chrf, exact = translation.scores(total)
    assert bleu == pytest.approx(BLEU().corpus_score(hypotheses, [references]).score, rel=1e-12)
    assert chrf == pytest.approx(CHRF().corpus_score(hypotheses, [references]).score, rel=1e-12)
    same = [h == r for h, r in zip(hypotheses, references, strict=True)]
    assert exact == pytest.approx(np.mean(same))
    assert 0 < exact < 1


def test_several_corpora_at_once_and_none() -> None:
    hypotheses, references = corpus(9)
    sums = translation.sums_of_examples(hypotheses, references)
    groups = np.stack([sums[:4].sum(axis=0), sums[4:].sum(axis=0), np.zeros(translation.SUMS)])
    found = translation.scores(groups)
    assert found.shape == (3, len(translation.METRICS))
    np.testing.assert_array_equal(found[0], translation.scores(groups[0]))
    assert np.isnan(found[2]).all()
    assert translation.sums_of_examples([], []).shape == (0, translation.SUMS)


def test_signatures_say_how() -> None:
    found = translation.signatures()
    assert found["bleu"].startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp")
    assert found["chrf"].startswith("nrefs:1|case:mixed")
