"""Counting tokens where a word may have other pieces beside other words."""

import pytest

from components.example_gen import tokens

SPACE = "\u2581"


def _tokens(text):
    return [token.encode() for token in text.replace("_", SPACE).split(" ")]


@pytest.mark.parametrize(
    ("own", "parts", "context", "expected"),
    [
        ("ab c _d", ["a bc", "_d"], 2, 2),
        ("abc _d e", ["a bc", "_d e"], 2, 1),
        ("a b c _d", ["a bc", "_d"], 2, 3),
        ("a b c _d", ["a bc", "_d"], 0, 0),
        ("<0xC3> <0xA9> _d", ["<0xC3> <0xA9>", "_d"], 2, 2),
        ("ab c_d", ["abc", "_d"], 1, None),  # no token ends where the first word does
        ("abc _d", ["a bc", "_d"], 1, None),  # nor where the context does
        ("abc", ["abc", "_d"], 1, None),  # something is lost
    ],
)
def test_context_is_counted_in_the_text_that_is_trained_on(own, parts, context, expected):
    found = tokens._context_in(_tokens(own), [_tokens(part) for part in parts], context)
    assert found == expected
