"""From reports, the rule and thresholds to a verdict. Pure, and there is always one, with reasons.

Two gates are always there: every score of the candidate is finite, and some token has weight. A third
is there where no threshold limits a value: the loss is below that of guessing. The comparison with
the last blessed model (`blessing`) and the thresholds come on top. TFX's Evaluator writes no blessing
at all when no threshold applies; then nothing is ever pushed and no baseline is ever found.

What looks at the change fails closed: where there is a last blessed model that cannot be compared
with, the candidate is not blessed. Only where nothing was ever blessed is the comparison left out.
"""

import dataclasses
import math
from collections.abc import Collection, Iterator, Sequence

from components.evaluator.blessing import Blessing, compared_metric
from components.evaluator.comparability import Comparability
from components.evaluator.findings import (
    Finding,
    check,
    check_finite,
    lacking,
    too_small,
    without_value,
)
from components.evaluator.metrics import (
    BITS_PER_BYTE,
    MASKED_TOKEN_LOSS,
    SliceReport,
    overall,
)
from components.evaluator.outcomes import Outcome
from components.evaluator.slicing import OVERALL, SliceKey
from components.evaluator.thresholds import FINITE_LOSS, INTERVAL, MAX, Threshold
from components.evaluator.wording import confidence, required

BASELINE_USED = "used"
BASELINE_NONE = "none"
BASELINE_UNUSABLE = "unusable"

_WITHOUT = "to accept this model without the comparison"
_DROP_THRESHOLD = f"remove the threshold for one run {_WITHOUT}"
_DO_NOT_COMPARE = f"set eval.blessing.compare: false for one run {_WITHOUT}"


@dataclasses.dataclass(frozen=True)
class Baseline:
    """Whether there was a model to compare with.

    Attributes:
      status: BASELINE_USED, BASELINE_NONE or BASELINE_UNUSABLE.
      problem: why it is unusable.
      other_words: how the words that it knows differ from the candidate's; empty if they do not.
    """

    status: str = BASELINE_NONE
    problem: str = ""
    other_words: str = ""


def compared(between: Comparability) -> Baseline:
    """Return the baseline that has scored the examples, unusable if it has scored other text."""
    if between.nothing:
        return Baseline(BASELINE_UNUSABLE, between.nothing)
    return Baseline(BASELINE_USED, other_words=between.other_words)


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Blessed or not; the reasons are the failed checks, or the passed ones when blessed."""

    blessed: bool
    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    baseline: Baseline
    outcome: Outcome
    findings: tuple[Finding, ...] = ()

    @property
    def failures(self) -> tuple[Finding, ...]:
        """The checks that failed."""
        return tuple(finding for finding in self.findings if not finding.passed)

    @property
    def thresholds(self) -> tuple[Threshold, ...]:
        """What was asked, of the rule and besides."""
        asked = dict.fromkeys(finding.threshold for finding in self.findings)
        return tuple(threshold for threshold in asked if threshold != FINITE_LOSS)

    @property
    def judged(self) -> frozenset[SliceKey]:
        """The slices on which something was checked."""
        return frozenset(finding.key for finding in self.findings if finding.was_checked)


def why_not_judged(report: SliceReport, min_tokens: int, verdict: Verdict) -> str:
    """Return what the slice has too few of to be judged; empty if it has enough, or was judged.

    A threshold on values needs tokens only, so that it may judge a slice of few examples.
    """
    return "" if report.key in verdict.judged else lacking(report, min_tokens)


def decide(
    reports: Sequence[SliceReport],
    thresholds: Sequence[Threshold],
    *,
    blessing: Blessing,
    min_tokens: int,
    baseline: Baseline,
    target_ids: int = 0,
    non_finite_key: str = "",
    notes: Sequence[str] = (),
) -> Verdict:
    """Return the verdict on the candidate.

    Args:
      reports: the slices, overall among them, with intervals of `blessing.confidence`.
      thresholds: what to check besides; those on the change are skipped, and noted, only if there
        is no baseline yet: one that cannot be used, or lacks the metric, fails them.
      blessing: how to compare with the baseline.
      min_tokens: smaller slices are reported, not judged.
      baseline: whether the reports hold one, and if not why.
      target_ids: among so many the candidate chooses; 0 if that is not known. Where no threshold
        limits a value, its loss has to be below that of guessing among them.
      non_finite_key: an example whose candidate score is not finite; empty if there is none.
      notes: notes to carry along.
    """
    whole = overall(reports)
    metric = compared_metric(blessing, whole, baseline.other_words)
    findings = [
        check_finite(whole, non_finite_key),
        *_against_guessing(whole, thresholds, target_ids),
        *_not_compared(thresholds, blessing, baseline),
        *(
            finding
            for report in reports
            for finding in _of_slice(report, thresholds, blessing, metric, min_tokens, baseline)
        ),
    ]
    told = [
        *notes,
        *_baseline_notes(thresholds, blessing, baseline, metric, whole),
        *_slice_notes(findings),
    ]
    failed = [finding.text for finding in findings if not finding.passed]
    reasons = failed or list(_passed_texts(findings, blessing.alpha))
    outcome = _of_the_whole(findings, baseline)
    return Verdict(not failed, tuple(reasons), tuple(told), baseline, outcome, tuple(findings))


def _against_guessing(
    whole: SliceReport, thresholds: Sequence[Threshold], target_ids: int
) -> Iterator[Finding]:
    """Whether a model that nobody set a bar for has learned anything: is its loss below log V?"""
    has_bar = any(not threshold.is_change for threshold in thresholds)
    if has_bar or not target_ids or whole.candidate[MASKED_TOKEN_LOSS].absent:
        return
    bar = Threshold(MASKED_TOKEN_LOSS, MAX, math.log(target_ids))
    found = check(whole, bar, alpha=0.0, way_out="")
    text = f"{found.text}, what guessing among {target_ids:,} ids costs"
    yield dataclasses.replace(found, text=text)


def _not_compared(
    thresholds: Sequence[Threshold], blessing: Blessing, baseline: Baseline
) -> Iterator[Finding]:
    """A finding for all that looks at the change, where there is no baseline to look at."""
    if baseline.status == BASELINE_USED:
        return
    wanted = [
        (threshold, _DO_NOT_COMPARE) for threshold in blessing.thresholds(blessing.metric)[:1]
    ]
    wanted += [(threshold, _DROP_THRESHOLD) for threshold in thresholds if threshold.is_change]
    for threshold, way_out in wanted:
        if baseline.status == BASELINE_NONE:
            text = " is not compared: there is no blessed model yet"
            yield without_value(OVERALL, threshold, Outcome.FIRST_MODEL, text)
        else:
            text = (
                f" cannot be compared: the last blessed model cannot be used ({baseline.problem}); "
                f"{way_out}"
            )
            yield without_value(OVERALL, threshold, Outcome.BASELINE_UNUSABLE, text)


def _of_slice(
    report: SliceReport,
    thresholds: Sequence[Threshold],
    blessing: Blessing,
    metric: str,
    min_tokens: int,
    baseline: Baseline,
) -> Iterator[Finding]:
    """What the rule, on `metric` where it can be, and the thresholds find on one slice."""
    compared = baseline.status == BASELINE_USED
    demands = [(t, _DROP_THRESHOLD) for t in thresholds if compared or not t.is_change]
    # The rule leaves slices of tokens to thresholds: so many would leave most verdicts undecided.
    if compared and not report.key.is_of_tokens:
        ours = dataclasses.replace(blessing, metric=metric)
        here = compared_metric(ours, report, baseline.other_words)
        way_out = _another_metric(report, here, baseline)
        demands = [*((t, way_out) for t in ours.thresholds(here)), *demands]
    for threshold, way_out in demands:
        if threshold.judges(report.key):
            small = too_small(report, threshold, min_tokens)
            found = small or check(report, threshold, alpha=blessing.alpha, way_out=way_out)
            yield _excused(found) if report.key.is_of_tokens else found


def _excused(finding: Finding) -> Finding:
    """The finding on a slice of tokens: a metric of examples, or of other tokens, is not judged."""
    nothing = finding.outcome in (Outcome.NOT_COMPARABLE, Outcome.NO_VALUE)
    return dataclasses.replace(finding, passed=True) if nothing else finding


def _another_metric(report: SliceReport, metric: str, baseline: Baseline) -> str:
    """What to do where the rule's metric cannot be compared."""
    others = [
        other
        for other in (BITS_PER_BYTE, MASKED_TOKEN_LOSS)
        if other != metric and other in report.diff and not report.diff[other].absent
    ]
    if not others:
        return _DO_NOT_COMPARE
    though = ""
    if others[0] == MASKED_TOKEN_LOSS and baseline.other_words:
        though = f", though {baseline.other_words}"
    return f"eval.blessing.metric: {others[0]} can be compared{though}; or {_DO_NOT_COMPARE}"


def _passed_texts(findings: Sequence[Finding], alpha: float) -> Iterator[str]:
    """What was checked: a line for all examples, and one for the slices together."""
    for threshold in dict.fromkeys(finding.threshold for finding in findings):
        found = [f for f in findings if f.threshold == threshold and f.was_checked]
        whole = [finding for finding in found if finding.key == OVERALL]
        slices = [finding for finding in found if finding.key != OVERALL]
        yield from (finding.text for finding in whole)
        if len(slices) == 1:
            yield slices[0].text
        elif slices:
            yield _together(threshold, slices, alpha)


def _together(threshold: Threshold, slices: Sequence[Finding], alpha: float) -> str:
    worst = (max if threshold.is_upper else min)(slices, key=lambda finding: finding.bound)
    plus = "+" if threshold.is_change else ""
    what = "changed by" if threshold.is_change else "is"
    side, end = ("at most", "highest") if threshold.is_upper else ("at least", "lowest")
    sure = f" {confidence(alpha)}" if threshold.judge == INTERVAL else ""
    return (
        f"{threshold.metric} in {len(slices)} slices: {what} {side} {worst.bound:{plus}.4g}{sure} "
        f"(the {end}: {worst.key.label}), and {required(threshold)}"
    )


# The gravest first.
_FAILURES = (
    Outcome.NOT_FINITE,
    Outcome.NO_VALUE,
    Outcome.BASELINE_UNUSABLE,
    Outcome.NOT_COMPARABLE,
    Outcome.WORSE,
    Outcome.VALUE_OUT_OF_BOUNDS,
    Outcome.UNDECIDED,
)


def _of_the_whole(findings: Sequence[Finding], baseline: Baseline) -> Outcome:
    failed = {finding.outcome for finding in findings if not finding.passed}
    for outcome in _FAILURES:
        if outcome in failed:
            return outcome
    if baseline.status == BASELINE_NONE:
        return Outcome.FIRST_MODEL
    compared = [f for f in findings if f.key == OVERALL and f.threshold.is_change and f.was_checked]
    # The rule's own finding is the first.
    return compared[0].outcome if compared else Outcome.WITHIN_BOUNDS


def _baseline_notes(
    thresholds: Sequence[Threshold],
    blessing: Blessing,
    baseline: Baseline,
    metric: str,
    whole: SliceReport,
) -> Iterator[str]:
    compares = blessing.compare or any(threshold.is_change for threshold in thresholds)
    if baseline.status == BASELINE_NONE:
        yield "no model was blessed before: there is nothing to compare this one with"
    elif baseline.status == BASELINE_UNUSABLE and not compares:  # otherwise it is a reason
        yield f"the last blessed model cannot be used ({baseline.problem})"
    elif baseline.status == BASELINE_USED and not compares:
        yield "not compared with the last blessed model: eval.blessing.compare is false"
    if baseline.status != BASELINE_USED or not blessing.compare:
        return
    if metric != blessing.metric:
        why = whole.diff[blessing.metric].absent
        same = "it is fair, as both models know the same words"
        yield f"{metric} is compared instead of {blessing.metric} ({why}); {same}"
    elif baseline.other_words and metric not in (BITS_PER_BYTE, "loss_per_word"):
        fair = "bits_per_byte would allow for that"
        yield f"{metric} is compared, although {baseline.other_words}; {fair}"


def _slice_notes(findings: Sequence[Finding]) -> Iterator[str]:
    small = {f.key for f in findings if f.outcome == Outcome.SLICE_TOO_SMALL}
    if small:
        yield f"{_counted(small)} too small to be judged"
    nothing = (Outcome.NOT_COMPARABLE, Outcome.NO_VALUE)
    skipped = {finding.key for finding in findings if finding.passed and finding.outcome in nothing}
    if skipped:
        yield f"{_counted(skipped)} of tokens without a value to judge, see verdict.json"


def _counted(slices: Collection[SliceKey]) -> str:
    return f"{len(slices):,} slice{'' if len(slices) == 1 else 's'}"
