"""The trials in the report: the best first, failed ones last with their reason, all escaped."""

import html
import re

from pipeline.report import ReportData, page
from pipeline.report_tuning import tuning_table


def _trial(number, rate, loss=None, reason="", **more):
    values = {"learning_rate": rate, "units": 8 * number}
    counts = {"steps": 0, "parameters": 0, "seconds": 0.0}
    return {"number": number, "values": values, "loss": loss, "reason": reason} | counts | more


TUNING = {
    "values": {"learning_rate": 0.0125, "units": 24},
    "trials": [
        _trial(1, 0.5, 2.25, steps=1200, parameters=34567, seconds=75.0),
        _trial(2, 0.75, reason="<b>non-finite</b> loss"),
        _trial(3, 0.0125, 0.0, steps=1300, parameters=45678, seconds=3.0),
    ],
}


def _words(markup: str) -> list[str]:
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", markup)
    plain = [html.unescape(re.sub("<[^>]+>", " ", row)) for row in rows]
    return [" ".join(row.split()) for row in plain]


def test_a_row_for_each_trial_the_best_first() -> None:
    assert _words(tuning_table(TUNING)) == [
        "trial learning_rate units validation loss steps parameters time",
        "3 0.0125 24 0 1,300 45,678 3.0 s",
        "1 0.5 8 2.250 1,200 34,567 1 min 15 s",
        "2 0.75 16 failed: <b>non-finite</b> loss – – –",
    ]
    assert "tuned: learning_rate 0.0125, units 24 (best of 3 trials, 1 failed)" in page(
        ReportData(name="n", tuning=TUNING)
    )


def test_without_a_search_there_is_no_section() -> None:
    assert "Tuning" not in page(ReportData(name="n"))
    assert "<table>" not in tuning_table({"values": {"units": 8}, "trials": []})
