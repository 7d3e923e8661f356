"""The closing table, line by line."""

import pytest

from pipeline.summary import closing_table

MEASURED = {
    "masked_token_loss": 0.12345,
    "perplexity": 1.13139,
    "token_accuracy": 0.96789,
    "sequence_accuracy": 0.5,
    "bits_per_byte": 1.23456,
    "token_count": 12345.0,
}


def _record(**changes):
    record = {
        "metrics": {"slices": [{"slice": "overall", "candidate": MEASURED}]},
        "verdict": {"blessed": True, "reasons": ["loss 0.1235 <= 0.2"], "notes": ["no baseline"]},
        "ingest": {
            "rows": 1200,
            "splits": {"train": 1000, "eval": 200},
            "bad_rows": 0,
            "first_bad_rows": [],
            "unconfigured_columns": {},
            "columns_without_value": {},
        },
        "ledger": {
            "splits": {
                "train": {
                    "source": {
                        "tokens_read": 10,
                        "truncated": 0,
                        "dropped": 0,
                        "out_of_vocabulary": 0,
                    },
                    "target": {
                        "tokens_read": 10,
                        "truncated": 0,
                        "dropped": 0,
                        "zero_weight": 0,
                        "out_of_vocabulary": 0,
                    },
                }
            },
            "checks": {"duplicates": {"eval": {"rows": 1200, "in_train": 0}}},
        },
        "pushed": "runs/p/serving/3",
        "report": "runs/p/report.html",
        "log": "runs/p/log",
        "seconds": 12.34,
    }
    return record | changes


def test_a_blessed_run():
    assert closing_table(_record()) == [
        "",
        "                  loss/token  perplexity   token acc     seq acc   bits/byte      tokens",
        "  overall             0.1235       1.131      96.79%      50.00%      1.2346      12,345",
        "",
        "  blessed",
        "    loss 0.1235 <= 0.2",
        "    no baseline",
        "",
        "  data    1,200 rows (train 1,000, eval 200)",
        "  model   runs/p/serving/3",
        "  report  runs/p/report.html",
        "  log     runs/p/log",
        "  12.3 s in all",
    ]


def test_a_verdict_has_its_name_and_at_most_eight_reasons():
    reasons = [f"reason {number}" for number in range(10)]
    verdict = {"blessed": False, "verdict": "slice_too_small", "reasons": reasons, "notes": ["n"]}
    lines = closing_table(_record(verdict=verdict))
    start = lines.index("  NOT blessed: slice too small")
    assert lines[start + 8 : start + 11] == [
        "    reason 7",
        "    … 2 more reasons in the report",
        "    n",
    ]


def test_a_run_that_is_not_blessed_says_so_and_why():
    verdict = {"blessed": False, "reasons": ["loss too high"], "notes": []}
    lines = closing_table(_record(verdict=verdict, pushed=None))
    assert lines[4:7] == ["  NOT blessed", "    loss too high", ""]
    assert lines[8] == "  model   not pushed"


def test_a_metric_without_a_value_is_a_dash():
    candidate = {name: value for name, value in MEASURED.items() if name != "perplexity"}
    (row,) = [
        line
        for line in closing_table(
            _record(metrics={"slices": [{"slice": "overall", "candidate": candidate}]})
        )
        if line.startswith("  overall")
    ]
    assert row.split() == [
        "overall",
        "0.1235",
        "–",
        "96.79%",
        "50.00%",
        "1.2346",
        "12,345",
    ]


def test_columns_line_up_whatever_the_slices_are_called():
    slices = [
        {"slice": name, "candidate": MEASURED} for name in ("overall", "a rather long name: 12")
    ]
    _, head, *rows = closing_table(_record(metrics={"slices": slices}))[:4]
    assert len({len(line) for line in (head, *rows)}) == 1
    assert rows[1].startswith("  worst of 1: a rather long name: 12  ")


def _slice(name, loss, **more):
    return {"slice": name, "candidate": MEASURED | {"masked_token_loss": loss}} | more


@pytest.mark.parametrize(
    ("others", "worst", "told"),
    [
        ([], None, None),
        ([_slice("a", 0.2)], "of 1: a", None),
        (
            [_slice("a", 0.2), _slice("b", 0.4), _slice("c", 0.3)],
            "of 3: b",
            "3 slices in the report",
        ),
        # Few tokens have extreme losses.
        (
            [_slice("a", 0.2, gated=True), _slice("b", 0.4, gated=False)],
            "of 1: a",
            "2 slices in the report, 1 of them with enough tokens and examples to be judged",
        ),
        (
            [_slice("a", 0.2, gated=False), _slice("b", 0.4, gated=False)],
            "of 2: b",
            "2 slices in the report, none of them with enough tokens and examples to be judged",
        ),
        (
            [{"slice": "a", "candidate": {"token_count": 0.0}}, _slice("b", 0.1)],
            "of 1: b",
            "2 slices in the report",
        ),
        ([{"slice": "a", "candidate": {"token_count": 0.0}}], None, None),
    ],
)
def test_of_many_slices_the_worst_is_shown(others, worst, told):
    slices = [_slice("overall", 0.1), *others]
    lines = closing_table(_record(metrics={"slices": slices}))
    shown = [" ".join(line.split()[1:4]) for line in lines if line.strip().startswith("worst of ")]
    assert shown == ([worst] if worst else [])
    counted = [line for line in lines if "slices in the report" in line]
    assert counted == ([f"  … {told}"] if told else [])


@pytest.mark.parametrize(
    ("decoded", "said"),
    [
        ({"examples": 1000}, "  of 1,000 decoded examples: BLEU 31.20, exact match 12.50%"),
        ({"examples": 1}, "  of 1 decoded example: BLEU 31.20, exact match 12.50%"),
        (None, "  BLEU 31.20, exact match 12.50%"),  # recorded by an earlier version
    ],
)
def test_scores_of_decoded_text_say_of_how_many_examples(decoded, said):
    measured = MEASURED | {"bleu": 31.2, "exact_match": 0.125}
    slices = [{"slice": "overall", "candidate": measured}]
    assert said in closing_table(_record(metrics={"slices": slices}, decoded=decoded))


def test_what_did_not_reach_the_loss_is_said():
    record = _record()
    record["ingest"] |= {
        "bad_rows": 2,
        "first_bad_rows": ["data/a.jsonl:7: blank line", "data/a.jsonl:9: blank line"],
        "unconfigured_columns": {"year": 1198, "id": 1198},
        "columns_without_value": {"yeer": 1200, "topic": 7},
    }
    train = record["ledger"]["splits"]["train"]
    train["source"] |= {"truncated": 5}
    # Of 10 positions 3 were dropped and 2 are eos: the 2 unknown ones are of 5 tokens.
    train["target"] |= {"zero_weight": 1, "out_of_vocabulary": 2, "dropped": 3}
    train["target"] |= {"kept": 7, "eos_and_bos": 2}
    record["ledger"]["checks"]["duplicates"]["eval"]["in_train"] = 1100
    lines = [line for line in closing_table(record) if line.startswith("  data")]
    assert lines == [
        "  data    1,200 rows (train 1,000, eval 200)",
        "  data    2 bad rows left out, the first: data/a.jsonl:7: blank line",
        "  data    columns not used: id, year",
        "  data    columns without a value in any row: yeer",
        "  data    train source tokens: 50.0% cut off",
        "  data    train target tokens: 40.0% out of vocabulary, 30.0% left out, 10.0% of weight 0",
        "  data    warning: 1,100 of 1,200 eval rows are in the training split too",
    ]


def test_a_slice_value_of_any_bytes_is_one_short_line():
    slices = [{"slice": "overall", "candidate": MEASURED}]
    slices += [{"slice": "kind=\x1b[31m\n" + "x" * 300, "candidate": MEASURED}]
    lines = closing_table(_record(metrics={"slices": slices}))
    assert all(len(line) < 130 and line.isprintable() for line in lines)
    assert any("kind=·[31m·xxx" in line and "x…" in line for line in lines)


def test_a_share_just_below_one_is_not_rounded_up():
    measured = MEASURED | {"token_accuracy": 0.999999, "sequence_accuracy": 1.0}
    slices = [{"slice": "overall", "candidate": measured}]
    row = next(
        line for line in closing_table(_record(metrics={"slices": slices})) if "overall" in line
    )
    assert "99.99%" in row
    assert "100.00%" in row


CHECKED = {
    "passed": True,
    "reasons": ["skew: none"],
    "latency_ms": {"1": {"median": 2.0, "p95": 3.0}, "8": {"median": 4.0, "p95": 12.34}},
    "memory_mb": 738.9,
}


def test_the_serving_check_is_one_line_when_it_passes():
    lines = closing_table(_record(serving_check=CHECKED))
    at = lines.index("  serving check passed: no skew, p95 12.3 ms, 739 MB")
    assert lines[at - 1] == "    no baseline"
    assert not [line for line in closing_table(_record()) if "serving check" in line]


def test_a_failed_serving_check_says_why_nothing_was_pushed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    reasons = [f"skew: {tmp_path}/a.jsonl:3: targets[0]"]
    failed = {"passed": False, "reasons": reasons, "latency_ms": {}}
    record = _record(serving_check=failed, pushed=None, not_pushed="the serving check failed")
    lines = closing_table(record)
    at = lines.index("  serving check FAILED")
    assert lines[at + 1] == "    skew: a.jsonl:3: targets[0]"
    assert "  model   not pushed: the serving check failed" in lines
