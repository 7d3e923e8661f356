"""Markdown: the same facts as the page, in lines that do no harm."""

import re

import pytest
from made_up_run import made_up_run
from parsed import Page
from test_page import poisoned

from pipeline.report import ReportData, markdown, page
from pipeline.report.as_markdown import plain


def _tables(text: str) -> list[list[list[str]]]:
    """Cells of every table, without padding and rules."""
    found: list[list[list[str]]] = [[]]
    for line in text.split("\n"):
        if not line.startswith("|"):
            found.append([])
        elif not re.fullmatch(r"[|:\- ]+", line):
            cells = re.split(r"(?<!\\)\|", line)[1:-1]
            found[-1].append([cell.strip() for cell in cells])
    return [table for table in found if table]


def _words(cells: list[str]) -> list[str]:
    """What cells say, however it is set."""
    text = " ".join(cells).replace("\\", "")
    return re.sub(r"[();|]", " ", text).split()


def test_every_table_of_the_page_is_in_the_markdown_with_the_same_numbers() -> None:
    data = made_up_run()
    ours = [[_words(line) for line in table] for table in _tables(markdown(data))]
    theirs = [
        [words for line in table if (words := _words(line))] for table in Page(page(data)).tables
    ]
    assert len(theirs) == 18
    for table in theirs:
        assert table in [[line for line in each if line] for each in ours]


def test_what_the_page_draws_the_markdown_tells() -> None:
    found = markdown(made_up_run())
    words = Page(page(made_up_run())).words
    for fact in (
        "✓ Blessed: better",
        "4,400",
        "−0.0189 better",
        "haus(3.0)",
        "trained 98.0 %",
        "24661debc8d0",
        "2026-11-23 07:36:22 UTC",
        "Goodput: 70.0 %",
        "64.8 %",
    ):
        tokens = fact.replace("(", " ").replace(")", "").split()
        assert all(token in found for token in tokens)
        assert all(token in words for token in tokens)
    numbers = re.findall(r"\d+\.\d+", words)
    assert len(numbers) > 300
    assert {number for number in numbers if number not in found} == set()


def test_columns_are_even_for_terminals() -> None:
    for lines in re.findall(r"(?:^\|.*\n)+", markdown(made_up_run()), flags=re.MULTILINE):
        assert len({len(line) for line in lines.splitlines()}) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a|b", "a\\|b"),
        ("a\nb", "a b"),
        ("\x1b[31mred", "·\\[31mred"),
        ("![x](http://a.b/c.png)", "!\\[x\\](http://a.b/c.png)"),
        ("<img src=x>", "\\<img src=x>"),
        ("a <= b", "a <= b"),
        ("&lt;", "\\&lt;"),
        ("R&D & more", "R\\&D & more"),
        ("**bold** `code`", "\\*\\*bold\\*\\* \\`code\\`"),
        ("# no heading", "\\# no heading"),
        ("- no list", "\\- no list"),
        ("1. no list", "1\\. no list"),
        ("masked_token_loss −0.5", "masked_token_loss −0.5"),
        ("1.5", "1.5"),
    ],
)
def test_text_means_itself(text: str, expected: str) -> None:
    assert plain(text) == expected


def test_no_text_of_a_run_gets_out_of_its_place() -> None:
    evil = "|\n# <img src=x onerror=y>\x1b[2J![i](u)\u202e"
    found = markdown(poisoned(evil))
    assert not re.search(r"(?<!\\)<img|\x1b|\u202e|!\[", found)
    assert {line for line in found.split("\n") if line.startswith("# ")} == {f"# {plain(evil)}"}


def test_an_empty_run() -> None:
    assert markdown(ReportData(name="n", subtitle="s")) == (
        "# n\n\ns\n\nNo verdict\n\nThe run ended before evaluation.\n\n---\n\n"
        "Loss = Σ w·ℓ / Σ w over the tokens with weight w > 0, in nats.\n"
    )
