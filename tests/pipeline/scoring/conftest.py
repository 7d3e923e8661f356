"""Two served models, made in seconds, and rows for them: uneven lengths and weights, unknown words."""

import dataclasses
import json
import pathlib
import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import tensorflow as tf

from benchmarks import served_model
from pipeline.__main__ import main
from transform.settings import Settings, Side
from transform.vocabulary import Vocabularies, Vocabulary

WORDS = ("ab", "cd", "ef", "gh", "ij")
LONGEST = 12
Rows = list[dict[str, Any]]


@dataclasses.dataclass(frozen=True)
class Served:
    """A model's folder, its settings and rows that it can score."""

    folder: str
    settings: Settings
    rows: tuple[dict[str, Any], ...]


def _vocabularies(settings: Settings, tokens: dict[str, Sequence[str]]) -> Vocabularies:
    sides = {
        name: Vocabulary(tuple(each.encode() for each in words)) for name, words in tokens.items()
    }
    return Vocabularies(sides, settings.token_identity())


@pytest.fixture(scope="session")
def language(tmp_path_factory: pytest.TempPathFactory) -> Served:
    """A language model of words with token weights; rows are up to 20 words for 12 positions."""
    settings = Settings(
        "lm", Side("line", "whitespace", LONGEST), weights=("mask", "token"), token_weights="w"
    )
    folder = served_model.make(
        str(tmp_path_factory.mktemp("language")),
        settings,
        _vocabularies(settings, {"target": WORDS}),
        {"line": tf.string, "w": tf.float32},
        scale=1.0,
        units=8,
    )
    dice = random.Random(5)
    rows = []
    for number in range(150):
        words = dice.choices((*WORDS, "zz", "ü"), k=dice.choice((1, 2, 3, 5, 9, 20)))
        row: dict[str, Any] = {"id": f"row-{number}", "line": " ".join(words)}
        if number % 3:
            row["w"] = [dice.choice((0.0, 0.5, 1.0, 2.0)) for _ in words]
        rows.append(row)
    return Served(folder, settings, tuple(rows))


@pytest.fixture(scope="session")
def tagging(tmp_path_factory: pytest.TempPathFactory) -> Served:
    """A tagger of lists of tokens, some with white space inside."""
    sides = Side("kinds", "pretokenized", 6, append_eos=False)
    settings = Settings("tagging", sides, Side("words", "pretokenized", 6, append_eos=False))
    folder = served_model.make(
        str(tmp_path_factory.mktemp("tagging")),
        settings,
        _vocabularies(settings, {"target": ("D", "L", "X"), "source": WORDS}),
        {"words": tf.string, "kinds": tf.string},
        scale=1.0,
        units=8,
    )
    rows = (
        {"words": ["ab", "New York", "cd"], "kinds": ["L", "D", "X"]},
        {"words": ["ef"], "kinds": ["D"]},
        {"words": ["ij", "ab", "zz", "ab", "cd", "ef", "gh"], "kinds": ["X"] * 7},
    )
    return Served(folder, settings, rows)


def write_jsonl(path: pathlib.Path, rows: Sequence[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def read_jsonl(path: pathlib.Path) -> Rows:
    return [json.loads(line) for line in path.read_text().splitlines()]


Tokenline = Callable[..., int]


@pytest.fixture
def tokenline() -> Tokenline:
    """Call `tokenline ARGUMENTS` in this process."""

    def call(*arguments: object) -> int:
        return main([str(argument) for argument in arguments])

    return call
