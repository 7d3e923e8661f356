"""The report's section on drift: what was compared comes first, what was not is said."""

from parsed import Page

from pipeline.report.as_html import blocks
from pipeline.report.drift import drift


def finding(**facts):
    one = {
        "comparison": "drift", "span": "span 2", "split": "train", "against": "span 1",
        "column": "text", "measure": "words", "value": 0.0123, "limit": 0.05, "passed": True,
        "text": "",
    }  # fmt: skip
    return one | facts


def test_differences_stand_beside_their_limits_the_nearest_first():
    found = drift(
        {
            "span": 2,
            "findings": [
                finding(),
                finding(column="", measure="rows", value=0.98, limit=0.1),
                finding(column="year", measure="columns", value=0.15, limit=0.2),
                finding(split="eval", value=None, text="70 rows, fewer than 200"),
            ],
        }
    )
    text = Page(str(blocks(found))).words
    first, second, third = (
        text.index(line)
        for line in (
            "year values span 2 train span 1 0.1500 0.2000",
            "text words span 2 train span 1 0.01230 0.05000",
            "– rows span 2 train span 1 × 0.9800 0.1000 to 10.00",
        )
    )
    assert first < second < third
    assert "1 not compared" in text
    assert "text words span 2 eval span 1 70 rows, fewer than 200" in text


def test_the_first_span_has_nothing_to_be_compared_with():
    assert "No earlier span" in str(blocks(drift({"span": 1, "findings": []})))
    assert drift({}) == ()
