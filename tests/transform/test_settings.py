"""Settings: the JSON that travels, and what counts as the same tokens."""

import dataclasses

import pytest

from transform.settings import Settings, Side, SpecialIds

TARGET = Side("tags", "pretokenized", 5)
SOURCE = Side("tokens", "whitespace", 7, append_eos=False, lowercase=True)
FULL = Settings(
    "tagging",
    TARGET,
    SOURCE,
    special=SpecialIds(pad=8, unk=0, bos=5, eos=8),
    oov_buckets=3,
    share_vocabulary=True,
    input_chars=4,
    weights=("mask", "token"),
    token_weights="w",
    example_weights="e",
    excess_length="raise",
)


@pytest.mark.parametrize(
    "settings", [FULL, Settings("lm", TARGET)], ids=["every field", "defaults"]
)
def test_json_round_trip(settings):
    assert Settings.from_json(settings.to_json()) == settings


@pytest.mark.parametrize(
    ("special", "reserved"),
    [
        (SpecialIds(), 4),
        (SpecialIds(pad=3), 4),
        (SpecialIds(pad=9), 10),
        (SpecialIds(1, 0, 0, 1), 2),
    ],
)
def test_tokens_start_after_the_largest_reserved_id(special, reserved):
    assert special.reserved == reserved


def test_room_leaves_a_position_for_eos():
    assert (TARGET.room, SOURCE.room) == (4, 7)


def test_sides():
    assert FULL.sides == {"source": SOURCE, "target": TARGET}
    assert Settings("lm", TARGET).sides == {"target": TARGET}


@pytest.mark.parametrize(
    "changes",
    [
        {"target": dataclasses.replace(TARGET, tokenizer="byte")},
        {"source": dataclasses.replace(SOURCE, lowercase=False)},
        {"source": None},
        {"special": SpecialIds(pad=8, unk=0, bos=5, eos=7)},
        {"oov_buckets": 2},
        {"share_vocabulary": False},
        {"input_chars": 0},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_token_identity_changes_with_the_meaning_of_tokens_or_ids(changes):
    assert dataclasses.replace(FULL, **changes).token_identity() != FULL.token_identity()


@pytest.mark.parametrize(
    "changes",
    [
        {"target": dataclasses.replace(TARGET, column="other", max_length=50, append_eos=False)},
        {"weights": ("mask",)},
        {"token_weights": None},
        {"example_weights": None},
        {"input_chars": 9},
        {"excess_length": "truncate"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_token_identity_is_indifferent_to_lengths_and_weights(changes):
    assert dataclasses.replace(FULL, **changes).token_identity() == FULL.token_identity()
