"""How often the blessing is right: draws from a world whose true difference is known.

    python -m benchmarks.blessing [--draws 1000] [--seed 1]

Each draw is an evaluation split of n examples, scored by two models, through the functions that
production uses: `metrics.sums_of_examples`, `metrics.report`, `validation.decide`. A model that is
worse by exactly the margin may be blessed in alpha of the draws, and one that is better by twice the
margin has to be in 95 % of them. Beside it: what a threshold on the point, as TFMA's are, would
have said, and the coverage of the linearised (delta method) variance over single examples.
"""

import argparse
import dataclasses
import math
import sys
from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import stats

from components.evaluator import metrics
from components.evaluator.blessing import Blessing
from components.evaluator.slicing import OVERALL, SliceKey
from components.evaluator.validation import BASELINE_USED, Baseline, decide

Floats: TypeAlias = npt.NDArray[np.float64]

RULE = Blessing()
CONFIDENCE = 0.95
LN2 = math.log(2)


@dataclasses.dataclass(frozen=True)
class World:
    """Where examples come from.

    Lengths are log-normal, so that a tenth of the examples hold a third of the tokens. Each example
    has an effect on both models, which a paired comparison is free of, and one on their difference,
    in bits per byte: `effect` (n, rng) -> [n] of mean 0, whatever the length.
    """

    name: str
    effect: Callable[[int, np.random.Generator], Floats]

    def draw(self, n: int, difference: float, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Return `SCORES` of candidate and baseline, [n, len(SCORES)] each.

        Args:
          n: examples.
          difference: the true one, candidate - baseline, in bits per byte.
          rng: makes everything.
        """
        tokens = np.clip(np.round(rng.lognormal(2.6, 0.9, n)), 1, 400)
        size = 4 * tokens + rng.poisson(tokens)
        difficulty = rng.lognormal(0, 0.3, n)
        baseline = 2.5 * tokens * difficulty + np.sqrt(tokens) * rng.standard_normal(n)
        noise = 0.3 * np.sqrt(tokens) * rng.standard_normal(n)
        change = LN2 * size * (difference + self.effect(n, rng)) + noise
        return _scores(baseline + change, tokens, size), _scores(baseline, tokens, size)


def _heavy(n: int, rng: np.random.Generator) -> Floats:
    return 0.02 * rng.standard_t(3, n)


def _one_sided(n: int, rng: np.random.Generator) -> Floats:
    return 0.02 * (rng.lognormal(0, 0.75, n) - math.exp(0.75**2 / 2))


HEAVY = World("heavy tails", _heavy)
# Few examples get much worse, many a little better: the hard case for an upper bound.
ONE_SIDED = World("one-sided", _one_sided)


def _scores(loss: Floats, tokens: Floats, size: Floats) -> Floats:
    values = {"loss_sum": loss, "weight_sum": tokens, "token_count": tokens, "target_bytes": size}
    nothing = np.zeros_like(loss)
    return np.stack([values.get(name, nothing) for name in metrics.SCORES], axis=1)


@dataclasses.dataclass(frozen=True)
class Counts:
    """How many of `draws` were blessed, by interval and by point, and how many intervals held."""

    draws: int
    blessed: int
    blessed_by_point: int
    covered: int
    covered_linearised: int


def simulate(world: World, n: int, difference: float, *, draws: int, seed: int) -> Counts:
    """Judge `draws` splits of n examples of a world with this true difference."""
    rng = np.random.default_rng([seed, n])
    counted: npt.NDArray[np.int64] = np.zeros(4, np.int64)
    for _ in range(draws):
        counted += list(_one(world, n, difference, rng))
    return Counts(draws, *counted.tolist())


def _one(world: World, n: int, difference: float, rng: np.random.Generator) -> Iterator[bool]:
    candidate, baseline = map(metrics.sums_of_examples, world.draw(n, difference, rng))
    groups = rng.integers(0, metrics.BUCKETS, n)
    ours, theirs = _grouped(candidate, groups), _grouped(baseline, groups)
    judged = metrics.report(OVERALL, ours, theirs, confidence=RULE.confidence)
    yield _blessed(judged)
    change = metrics.report(OVERALL, ours, theirs, confidence=CONFIDENCE).diff[RULE.metric]
    yield change.value <= RULE.margin
    yield change.low <= difference <= change.high
    half = stats.norm.ppf((1 + CONFIDENCE) / 2) * _linearised_error(candidate, baseline)
    yield abs(change.value - difference) <= half


def _blessed(*reports: metrics.SliceReport) -> bool:
    verdict = decide(reports, (), blessing=RULE, min_tokens=0, baseline=Baseline(BASELINE_USED))
    return verdict.blessed


def _grouped(rows: Floats, groups: npt.NDArray[np.int64]) -> Floats:
    """Return rows [n, C] added up by group, [G, C]."""
    sums = np.zeros((metrics.BUCKETS, rows.shape[1]))
    np.add.at(sums, groups, rows)
    return sums


def _linearised_error(candidate: Floats, baseline: Floats) -> float:
    """The delta method's standard error of the difference in bits per byte, over n examples."""
    size = metrics.column(candidate, "target_bytes")
    change = metrics.column(candidate, "loss_sum") - metrics.column(baseline, "loss_sum")
    n, total = len(size), size.sum()
    residuals = (change - change.sum() / total * size) / total / LN2
    return float(np.sqrt(n / (n - 1) * np.sum(residuals**2)))


def all_blessed(world: World, n: int, slices: int, *, draws: int, seed: int) -> int:
    """Count the draws in which a model that is truly equal passes, overall and in k equal slices."""
    rng = np.random.default_rng([seed, n, slices])
    return sum(_equal_model_passes(world, n, slices, rng) for _ in range(draws))


def _equal_model_passes(world: World, n: int, slices: int, rng: np.random.Generator) -> bool:
    candidate, baseline = map(metrics.sums_of_examples, world.draw(n, 0.0, rng))
    groups, members = rng.integers(0, metrics.BUCKETS, n), rng.integers(0, slices, n)
    chosen = [(OVERALL, np.full(n, True))]
    chosen += [(SliceKey("part", part), members == part) for part in range(slices)]
    return _blessed(
        *(
            metrics.report(
                key,
                _grouped(candidate[inside], groups[inside]),
                _grouped(baseline[inside], groups[inside]),
                confidence=RULE.confidence,
            )
            for key, inside in chosen
        )
    )


_SIZES = {HEAVY: (200, 1000, 4000), ONE_SIDED: (1000, 4000)}
_SLICES = ((1000, 5), (4000, 5), (4000, 20), (4000, 40))


def run(draws: int, seed: int) -> bool:
    """Print the tables; return whether what is asked for holds in the world of heavy tails."""
    margin = RULE.margin
    print(f"{draws} draws each; {RULE.metric}, margin {margin:g}, alpha {RULE.alpha:g}\n")
    print(
        f"{'world':<13}{'n':>6}  {'true change':>12}{'blessed':>9}{'point':>8}  {'asked':<17}"
        f"{'coverage':>9}{'delta':>8}  asked 93-97 %"
    )
    good = True
    for world, sizes in _SIZES.items():
        for n in sizes:
            for difference in (margin, 0.0, -2 * margin):
                got = simulate(world, n, difference, draws=draws, seed=seed)
                text, holds = _row(difference, got)
                print(f"{world.name:<13}{n:>6}{text}")
                good &= holds or world is ONE_SIDED
    print("The one-sided world is there to show the limits: what it misses does not fail this run.")
    few = max(draws // 5, 1)
    print(f"\nA truly equal model, slice margin {RULE.slice_margin:g}, {few} draws each:")
    for n, slices in _SLICES:
        share = all_blessed(HEAVY, n, slices, draws=few, seed=seed) / few
        print(f"  n {n}, {slices} slices of about {n // slices} examples: blessed {share:.1%}")
    return good


def _row(difference: float, got: Counts) -> tuple[str, bool]:
    """What is printed of one true difference, and whether it is as it should be."""
    blessed, covered = got.blessed / got.draws, got.covered / got.draws
    limit = RULE.alpha + 2 * math.sqrt(RULE.alpha * (1 - RULE.alpha) / got.draws)
    asked, holds = "", True
    if difference == RULE.margin:
        asked, holds = f"<= {limit:.1%}", blessed <= limit
    elif difference < 0:
        asked, holds = ">= 95.0%", blessed >= 0.95
    covers = 0.93 <= covered <= 0.97
    text = (
        f"  {difference:>+12.3f}{blessed:>9.1%}{got.blessed_by_point / got.draws:>8.1%}  "
        f"{asked:<9}{_mark(holds) if asked else '':<8}"
        f"{covered:>9.1%}{got.covered_linearised / got.draws:>8.1%}  {_mark(covers)}"
    )
    return text, holds and covers


def _mark(holds: bool) -> str:
    return "ok" if holds else "MISSED"


def main() -> None:
    """Run from the command line; exit code 1 where something that is asked for is missed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    sys.exit(0 if run(arguments.draws, arguments.seed) else 1)


if __name__ == "__main__":
    main()
