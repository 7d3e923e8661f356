"""The columns that are measured, value by value."""

import tfx.components  # noqa: F401  (before TFDV: it cannot be imported on its own here)
from measured_spans import batch

from components.example_gen.columns import Kind
from components.span_check.derived import derive
from components.span_check.request import LENGTHS, MISSING, VALUES, WORDS, Measure


def derived(kind, rows, what):
    found = derive(batch({"c": (kind, rows)}), [Measure("c", kind, what)])
    assert found.schema.names == [f"{what} of c"]
    return found.column(0).to_pylist()


def test_the_length_of_a_text_is_in_characters():
    assert derived(Kind.TEXT, ["héé", "a b"], LENGTHS) == [[3], [3]]


def test_the_length_of_a_list_is_in_items():
    assert derived(Kind.TEXT_LIST, [["ab", "c"], ["d"]], LENGTHS) == [[2], [1]]
    assert derived(Kind.ID_LIST, [[7, 7, 9]], LENGTHS) == [[3]]


def test_words_are_between_white_space_whatever_it_is():
    found = derived(Kind.TEXT, ["  the\tend \n", "of"], WORDS)
    assert found == [[b"the", b"end"], [b"of"]]


def test_the_words_of_a_list_are_its_items_and_ids_are_names():
    assert derived(Kind.TEXT_LIST, [["New York", "is"], ["x"]], WORDS) == [
        [b"New York", b"is"],
        [b"x"],
    ]
    assert derived(Kind.ID_LIST, [[12, 3]], WORDS) == [[b"12", b"3"]]


def test_missing_is_a_column_of_its_own_with_a_value_in_each_row():
    assert derived(Kind.TEXT, ["a", None, []], MISSING) == [[b"there"], [b"missing"], [b"missing"]]


def test_values_keep_their_rows_where_some_are_missing():
    assert derived(Kind.INTEGER, [5, None, 6], VALUES) == [[5], [], [6]]
    assert derived(Kind.NUMBER, [0.5], VALUES) == [[0.5]]
    assert derived(Kind.TEXT, ["a", None], VALUES) == [[b"a"], []]
    assert derived(Kind.ID_LIST, [[1, 2], [3]], VALUES) == [[b"1", b"2"], [b"3"]]


def test_a_part_of_a_batch_is_derived_as_that_part():
    whole = batch({"c": (Kind.TEXT, ["a", "b b", None, "c c c"])})
    for what, expected in [
        (WORDS, [[b"b", b"b"]]),
        (LENGTHS, [[3]]),
        (VALUES, [[b"b b"]]),
    ]:
        found = derive(whole.slice(1, 1), [Measure("c", Kind.TEXT, what)])
        assert found.column(0).to_pylist() == expected
