"""What is asked: every row alone and in a batch, every size, and texts that nobody expects."""

import pytest
import tensorflow as tf

from components.serving_check import plan, texts
from components.serving_check.rows import Row, Split
from transform.settings import Settings, Side


@pytest.mark.parametrize("size", [1, 2, 3, 8])
@pytest.mark.parametrize("rows", [1, 2, 5, 37])
def test_every_row_and_every_size_has_its_turn(rows, size):
    calls = list(plan.in_batches("score", range(10, 10 + rows), size))
    assert {row for call in calls for row in call.rows} == set(range(10, 10 + rows))
    assert {len(call.rows) for call in calls} == set(range(1, min(size, rows) + 1))


def example(**columns):
    made = tf.train.Example()
    for name, values in columns.items():
        kind = "bytes_list" if isinstance(values[0], bytes) else "int64_list"
        getattr(made.features.feature[name], kind).value.extend(values)
    return made.SerializeToString()


def test_a_plan_has_every_row_alone_and_in_batches():
    rows = tuple(Row(example(text=[text]), b"", text.decode()) for text in (b"a b", b"c", b"d e"))
    made = plan.make_plan(
        "m", Split(rows, 9), Settings("lm", Side("text", "whitespace", 5)), ["x"], most=2
    )
    for name in made.signatures:
        alone = [call.rows[0] for call in made.alone if call.signature == name]
        batched = {row for call in made.batches if call.signature == name for row in call.rows}
        assert set(alone) == batched
        first = made.names[alone[0]]
        assert first == ("a b" if name in plan.BY_EXAMPLE else "empty text")
    assert made.signatures == (*plan.BY_EXAMPLE, *plan.BY_TEXT)
    assert made.names[:4] == ("a b", "c", "d e", "empty text")
    assert made.names[-3:] == ("the text of a b", "the text of c", "the text of d e")
    assert (made.request.timed.signature, made.request.timed.rows) == ("serving_default", (0, 1, 2))
    assert made.request.sizes == (1, 2)
    assert made.request.needs == ("x",)


@pytest.mark.parametrize(("most", "sizes"), [(1, (1,)), (6, (1, 2, 4, 6)), (8, (1, 2, 4, 8))])
def test_powers_of_two_and_the_largest_are_timed(most, sizes):
    settings = Settings("tagging", Side("tags", "pretokenized", 5), Side("w", "pretokenized", 5))
    row = Row(example(w=[b"a"], tags=[b"N"]), b"", "row")
    made = plan.make_plan("m", Split((row,), 1), settings, [], most=most)
    assert made.request.sizes == sizes
    assert "generate" not in made.signatures


@pytest.mark.parametrize(
    ("tokenizer", "values", "expected"),
    [
        ("whitespace", [b"a  b"], b"a  b"),
        ("whitespace", [], None),
        ("pretokenized", [b"a", b"b"], b"a b"),
        ("pretokenized", [b"a b", b"c"], None),  # a token that holds the separator
        ("pretokenized", [], b""),
        ("ids", [7, 12], b"7 12"),
    ],
)
def test_the_text_of_a_row(tokenizer, values, expected):
    row = example(text=values) if values else example()
    assert texts.of_row(row, Side("text", tokenizer, 5)) == expected


@pytest.mark.parametrize("tokenizer", ["whitespace", "character", "byte", "pretokenized", "ids"])
def test_the_over_long_text_is_too_long_for_every_tokenizer(tokenizer):
    settings = Settings("lm", Side("text", tokenizer, 7))
    given = [b"", b"12345678901 x", b"y"]
    (long,) = [text for text in texts.odd(settings, given) if text.too_long]
    assert len(long.value.split()) == 9 > settings.target.room
    if tokenizer == "ids":
        assert set(long.value.split()) == {b"12345678901"}


def test_where_only_numbers_are_text_nothing_else_is_sent():
    names = [text.name for text in texts.odd(Settings("lm", Side("n", "ids", 7)), [])]
    assert names == ["empty text", "over-long text"]


def test_a_regular_expression_may_see_no_token_in_it():
    odd = texts.odd(Settings("lm", Side("t", "regex", 7, pattern="[a-z]+")), [b"1 2"])
    assert not any(text.too_long for text in odd)
