"""Parts of the report, each by what it says."""

import copy
import re
from typing import Any

from made_up_run import made_up_run, measured, slices
from parsed import Page

from pipeline.report.as_html import blocks
from pipeline.report.blocks import Block
from pipeline.report.data import ReportData
from pipeline.report.lengths import lengths
from pipeline.report.lineage import lineage
from pipeline.report.metrics import numbers
from pipeline.report.samples import samples, worst
from pipeline.report.slices import intervals, positions
from pipeline.report.tags import tags
from pipeline.report.timing import goodput
from pipeline.report.verdict import banner, checks


def _words(found: tuple[Block, ...]) -> str:
    return Page(str(blocks(found))).words


def _banner(**parts: Any) -> str:
    return str(blocks(banner(ReportData(name="n", **parts))))


def test_the_banner_of_each_end() -> None:
    blessed, refused = {"blessed": True}, {"blessed": False, "reasons": ["too bad"]}
    failed = {"passed": False, "reasons": ["outputs differ by 0.5"]}
    assert "✓ Blessed" in _banner(verdict=blessed)
    assert "not pushed" in _banner(verdict=blessed)
    assert "✓ Blessed: first model<" in _banner(verdict=blessed | {"verdict": "first_model"})
    assert "not pushed: withdrawn" in _banner(verdict=blessed, not_pushed="withdrawn")
    text = _banner(verdict=refused)
    assert 'class="verdict bad"' in text
    assert "✕ Not blessed" in text
    assert "too bad" in text
    text = _banner(verdict=blessed, serving=failed)
    assert 'class="verdict bad"' in text
    assert "✕ Blessed, but the serving check failed" in text
    assert "outputs differ by 0.5" in text


def test_failed_checks_come_first_and_changes_have_signs() -> None:
    finding = {
        "slice": "a=1",
        "metric": "token_accuracy",
        "kind": "min",
        "value": 0.9,
        "bound": 0.8,
    }
    lower = {"slice": "a=2", "metric": "token_accuracy", "kind": "max_decrease", "bound": -0.01}
    found = [finding | {"passed": True}, lower | {"passed": False, "value": -0.05}]
    assert _words(checks({"findings": found})) == (
        "2 checks, 1 failed slice check verdict value interval limit "
        "a=2 token accuracy change, at least failed −5.00 points – −1.00 points "
        "a=1 token accuracy at least passed 90.00 % – 80.00 %"
    )


def test_slices_show_changes_of_the_judged_metric_with_its_margin() -> None:
    data = made_up_run()
    text = str(blocks(intervals(data.metrics, data.verdict)))
    assert "Δ bits per byte" in text
    judged = [item for item in data.metrics["slices"] if item["column"] != "token_position"]
    assert text.count('class="zero"') == text.count('class="margin"') == len(judged)
    # The margin is a line at the same place in every row: one axis.
    assert len(set(re.findall(r'<line x1="([\d.]+%)"[^>]*class="margin"', text))) == 1
    assert text.count('class="aside"') == 2  # the small slice: its row and its dot
    assert text.count("›</text>") == 1  # which does not stretch the axis


def test_without_a_baseline_slices_show_losses() -> None:
    alone = [item | {"diff": None, "baseline": None} for item in slices()]
    found = _words(intervals({"slices": alone}, {}))
    assert "slice loss per token tokens overall 1.412 1.408 … 1.416 184,220" in found
    assert "The line is the value over all examples." in found


def test_slices_without_the_judged_metric_show_the_change_of_the_loss() -> None:
    data = made_up_run()
    given = slices()
    for item in given:
        if item["column"].startswith("token_"):
            del item["diff"]["bits_per_byte"]
    found = Page(str(blocks(intervals({"slices": given}, data.verdict))))
    assert [table[0][2].strip() for table in found.tables] == [
        "Δ bits per byte",
        "Δ loss per token",
    ]
    judged, others = ([line[0].strip() for line in table] for table in found.tables)
    assert "news" in judged
    assert "known" not in judged
    assert others == [
        *("slice", "by how often the token is in the training data", "1-9", "10-99", "100-999"),
        *("1,000+", "", "by known and unknown tokens", "known", "unknown", ""),
    ]


def test_a_slice_without_a_value_is_there_with_the_reason() -> None:
    given = slices()
    given[1]["diff"] = {}
    given[1]["absent"]["diff"] = {"masked_token_loss": "no token has weight > 0"}
    found = _words(intervals({"slices": given}, {}))
    assert "news – no token has weight > 0 92,110" in found


def test_other_metrics_than_bits_per_byte_can_be_judged() -> None:
    finding = {"metric": "token_accuracy", "kind": "max_decrease", "bound": -0.01}
    found = _words(intervals({"slices": slices()}, {"findings": [finding]}))
    assert "Δ token accuracy" in found
    assert "overall +1.41 points better +1.23 … +1.58 184,220" in found
    assert "Left of the line" not in found  # there, more is better


def test_changes_are_better_or_worse_only_where_the_interval_excludes_0() -> None:
    item = measured("", "", 1.4, 1.5, 1000.0)
    for ends, said in (([-0.2, -0.05], "better"), ([-0.2, 0.0], ""), ([-0.1, 0.05], "")):
        changed = copy.deepcopy(item)
        changed["intervals"]["diff"]["masked_token_loss"] = ends
        found = _words(numbers({"slices": [changed]}, {}))
        assert f"Δ −0.100 {said}".strip() + " " in found
        assert ("Δ −0.100 better" in found) == bool(said)
    accuracy = measured("", "", 1.5, 1.4, 1e6)
    assert "points worse" in _words(numbers({"slices": [accuracy]}, {}))


def test_metrics_that_the_report_does_not_know_are_shown() -> None:
    item = {
        "candidate": {"masked_token_loss": 1.0, "my_metric": 0.25},
        "diff": {"my_metric": 0.1},
    }
    found = _words(numbers({"slices": [item]}, {}))
    assert "my metric" in found
    assert "0.2500 Δ +0.100 – –" in found


def test_positions_have_both_models() -> None:
    found = Page(str(blocks(positions({"slices": slices()}))))
    assert "this model last blessed model bars: intervals of this model" in found.words
    looks = [given["class"] for tag, given in found.tags if tag == "g"]
    assert looks == ["main", "other"]


def test_shades_are_by_loss_and_not_by_colour_alone() -> None:
    sample = {
        "key": "k",
        "tokens": ["a", "b", "c", "d", "e", "f"],
        "losses": [0.05, 0.1, 0.5, 1.25, 7.0, 9.0],
        "weights": [1, 1, 1, 1, 0.5, 0],
    }
    text = str(blocks(samples({"samples": [sample]})))
    shaded = re.findall(
        r'<span class="t( s\d| unweighted)" title="([^"]+)">(\w)(?:<sub>(.*?)<)?', text
    )
    assert shaded == [
        (" s0", "0.05000 nats", "a", ""),
        (" s1", "0.1000 nats", "b", ""),
        (" s2", "0.5000 nats", "c", ""),
        (" s3", "1.250 nats", "d", "1.2"),
        (" s4", "7.000 nats", "e", "7.0"),
        (" unweighted", "weight 0", "f", ""),
    ]
    # (0.05 + 0.1 + 0.5 + 1.25 + 0.5 · 7) / 4.5
    assert "k · 1.200 nats per token" in _words(samples({"samples": [sample]}))


def test_a_long_sample_is_cut_and_says_so() -> None:
    sample = {"tokens": ["a"] * 1234, "losses": [0.1] * 1234, "weights": [1.0] * 1234}
    assert "… 1,034 more tokens" in _words(samples({"samples": [sample]}))


def test_all_that_was_asked_for_is_there_the_rest_folded() -> None:
    """`eval.worst` and `eval.samples` say how many; none is left out."""
    given = [{"tokens": [f"token{i}"], "losses": [0.1], "weights": [1.0]} for i in range(15)]
    found = _words(samples({"samples": given}))
    assert [f"token{i} " in f"{found} " for i in range(15)] == [True] * 15
    assert found.index("token11") < found.index("3 more samples") < found.index("token12")
    rows = [{"text": f"text{i}", "token": f"token{i}"} for i in range(14)]
    found = _words(worst({"examples": rows, "tokens": rows}))
    assert found.index("text11") < found.index("2 more examples") < found.index("text12")
    assert found.index("token11") < found.index("2 more tokens") < found.index("token13")
    assert "more" not in _words(worst({"examples": rows[:12], "tokens": rows[:12]}))


def test_what_a_sample_is_depends_on_the_task() -> None:
    sample = {"source": "We go", "tokens": ["PRON", "VERB"], "generated": "PRON NOUN"}
    assert "tokens We go tags PRON VERB predicted PRON NOUN" in _words(
        samples({"samples": [sample]}, tags=True)
    )
    sample = {"tokens": ["a", "b"], "prompt": "so far", "generated": "so good"}
    assert "target a b given so far generated so good" in _words(samples({"samples": [sample]}))


def test_why_nothing_was_decoded_is_said() -> None:
    item = {"candidate": {"masked_token_loss": 1.0}}
    found = _words(numbers({"slices": [item]}, {"examples": 0, "problem": "it does not load"}))
    assert "Nothing was decoded: it does not load." in found


def test_lengths_of_packed_rows() -> None:
    side = {"name": "target", "bins": [[1, 2, 30], [3, 4, 60]]}
    found = {"sides": [side], "buckets": [], "padding_share": 0.011, "packed": True}
    said = _words(lengths(found))
    assert (
        "1.1 % of the positions of a training epoch are padding; several examples share a row."
        in said
    )
    assert "Dashed" not in said


def test_lineage_links_to_artifacts() -> None:
    data = made_up_run()
    found = Page(str(blocks(lineage(data.lineage, {}))))
    links = [value for name, value in found.attributes if name == "href"]
    assert links[0] == "../../artifacts/ExampleGen/examples/30"
    assert len(links) == sum(len(node["outputs"]) for node in data.lineage)
    assert [given.get("class") for tag, given in found.tags if tag == "li"].count("cached") == 5


def test_time_without_steps_has_no_goodput() -> None:
    assert "Goodput" not in _words(goodput({"goodput": {"import": 3.0}}))
    assert goodput({"goodput": {"import": 0.0}}) == ()


def test_where_nothing_changed_slices_show_losses_and_say_so() -> None:
    same = [item | {"diff": dict.fromkeys(item["diff"], 0.0)} for item in slices()]
    found = _words(intervals({"slices": same}, {}))
    assert "slice loss per token tokens overall 1.412" in found
    assert "On no slice does the loss differ from the baseline's." in found


def test_many_buckets_are_folded_away() -> None:
    given = made_up_run().lengths
    assert "<details>" not in str(blocks(lengths(given)))
    many = str(blocks(lengths(given | {"buckets": given["buckets"] * 2})))
    assert "<summary>10 lengths that batches are padded to</summary>" in many


def test_tags_are_told_worst_first_and_spans_apart() -> None:
    def scores(f1: float, precision: float | None, actual: float) -> dict[str, Any]:
        return {"f1": f1, "precision": precision, "recall": f1, "actual": actual, "predicted": 4.0}

    each = [scores(0.9, 0.8, 7.0) | {"tag": "NOUN"}, scores(0.0, None, 2.0) | {"tag": "X"}]
    found = {"tokens": {"tags": each, "micro": scores(0.75, 0.75, 9.0)}, "spans": None}
    assert _words(tags(found)) == (
        "tag F1 precision recall in the data predicted "
        "all 75.00 % 75.00 % 75.00 % 9 4 "
        "X 0.00 % – 0.00 % 2 4 "
        "NOUN 90.00 % 80.00 % 90.00 % 7 4 "
        "By the weights of the tokens; spans count once."
    )
    assert tags({}) == ()
