"""Numbers as they are written."""

import pytest

from pipeline.report.formats import count, moment, number, percent, seconds, share, size


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (number(0.012344), "0.01234"),
        (number(123.456), "123.5"),
        (number(12345.6), "12,346"),
        (number(2420.4), "2,420"),
        (number(0), "0"),
        (number(-1.5e-7), "−1.50e−07"),
        (number(0.5, sign=True), "+0.500"),
        (number(-0.012344, sign=True), "−0.0123"),
        (number(float("nan")), "–"),
        (number(None), "–"),
        (percent(0.99996), "99.99 %"),
        (percent(1.0), "100.00 %"),
        (percent(-0.01, sign=True), "−1.00 %"),
        (share(0.0312), "3.1 %"),
        (share(None), "–"),
        (count(1234567.0), "1,234,567"),
        (count("x"), "x"),
        (count(None), "–"),
        (size(999), "999 B"),
        (size(1_900_000), "1.9 MB"),
        (size(5e12), "5000.0 GB"),
        (seconds(3.21), "3.2 s"),
        (seconds(75), "1 min 15 s"),
        (seconds(7325), "2 h 2 min"),
        (moment(1_795_419_321_008), "2026-11-23 07:35:21 UTC"),
        (moment(None), "–"),
    ],
)
def test_numbers(text: str, expected: str) -> None:
    assert text == expected
