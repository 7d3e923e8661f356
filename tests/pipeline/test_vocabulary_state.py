"""Which vocabulary a run extends: repeated runs repeat, new ones extend the longest chain."""

import dataclasses
import pathlib

import pytest

from components.errors import InputError
from pipeline import vocabulary_state
from pipeline.config import load_config
from pipeline.inputs import RunInputs
from pipeline.store.questions import MadeVocabulary
from pipeline.vocabulary_state import base_vocabulary, check_intact, input_key
from transform.vocabulary import Vocabularies, Vocabulary

INPUTS = RunInputs((1,), {"input_base": "rows", "fingerprint": "f1"})


@pytest.fixture
def make(tmp_path):
    """Makes an earlier vocabulary: its name, number of tokens, key, base and identity."""

    def call(name, tokens, key, base="", identity="i", sides=("target",)):
        folder = str(tmp_path / name)
        side = Vocabulary(tuple(b"%d" % n for n in range(tokens)))
        Vocabularies(dict.fromkeys(sides, side), identity).write(folder)
        return MadeVocabulary(folder, key, base)

    return call


def test_the_first_run_starts_a_vocabulary():
    assert base_vocabulary([], "k1", "i") == ""


def test_a_rerun_extends_what_the_run_extended_so_that_it_is_cached(make):
    first = make("first", 3, "k1")
    second = make("second", 5, "k2", base=first.uri)
    third = make("third", 9, "k3", base=second.uri)
    chain = [first, second, third]
    assert base_vocabulary(chain, "k1", "i") == ""
    assert base_vocabulary(chain, "k2", "i") == first.uri
    assert base_vocabulary(chain, "k3", "i") == second.uri


def test_new_inputs_extend_the_longest(make):
    first = make("first", 3, "k1")
    second = make("second", 5, "k2", base=first.uri)
    again = make("again", 3, "k1")  # the first run was repeated without its cache
    assert base_vocabulary([first, second, again], "k3", "i") == second.uri


def test_all_sides_count_for_the_length(make):
    one = make("one", 6, "k1")
    two = make("two", 4, "k2", sides=("source", "target"))
    assert base_vocabulary([one, two], "k3", "i") == two.uri


def test_the_latest_of_several_runs_on_the_same_inputs_is_repeated(make):
    first = make("first", 3, "k1")
    earlier, later = make("a", 4, "k2", base="gone"), make("b", 4, "k2", base=first.uri)
    assert base_vocabulary([first, earlier, later], "k2", "i") == first.uri


def test_vocabularies_with_another_meaning_of_ids_are_ignored(make):
    mine = make("mine", 3, "k1")
    other = make("other", 9, "k2", identity="j")
    assert base_vocabulary([mine, other], "k3", "i") == mine.uri
    assert base_vocabulary([other], "k3", "i") == ""


@pytest.fixture
def config(tmp_path):
    (tmp_path / "rows").mkdir()
    (tmp_path / "c.yaml").write_text("pipeline: {name: p}\ntask: lm\ndata: {path: rows}\n")
    return load_config(tmp_path / "c.yaml")


def test_the_key_is_the_same_for_the_same_run(config):
    same = RunInputs((1,), dict(reversed(INPUTS.example_gen.items())))
    assert input_key(config, INPUTS) == input_key(config, same)


@pytest.mark.parametrize(
    ("section", "changes"),
    [
        ("data", {"vocab_size": 77}),
        ("data", {"min_frequency": 7}),
        ("data", {"max_target_length": 7}),
        ("data", {"oov_buckets": 7}),
        ("transform", {"target_lowercase": True}),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else value,
)
def test_the_key_changes_with_what_the_vocabulary_depends_on(config, section, changes):
    changed = dataclasses.replace(
        config, **{section: dataclasses.replace(getattr(config, section), **changes)}
    )
    assert input_key(changed, INPUTS) != input_key(config, INPUTS)


def test_the_key_changes_with_the_files_that_are_read(config):
    other = RunInputs((1,), INPUTS.example_gen | {"fingerprint": "f2"})
    assert input_key(config, other) != input_key(config, INPUTS)


def test_the_key_changes_with_the_code(config, monkeypatch):
    before = input_key(config, INPUTS)
    monkeypatch.setattr(vocabulary_state, "code_hash", lambda *modules: "+".join(modules))
    assert input_key(config, INPUTS) != before


def test_the_key_is_indifferent_to_training(config):
    longer = dataclasses.replace(config, train=dataclasses.replace(config.train, epochs=99))
    assert input_key(longer, INPUTS) == input_key(config, INPUTS)


def test_a_made_vocabulary_is_read_back_from_where_it_is(make):
    made = make("first", 2, "k1")
    assert pathlib.Path(base_vocabulary([made], "k2", "i"), "target.jsonl").exists()


def _edit(made, name, old, new):
    path = pathlib.Path(made.uri, name)
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


@pytest.mark.parametrize(
    ("name", "old", "new", "reason"),
    [
        ("target.jsonl", '"token": "1"', '"token": "x"', "permuted, truncated or edited"),
        ("target.jsonl", '"id": 5', '"id": 6', "permuted, truncated or edited"),
        ("vocabulary.json", '"hash"', '"hush"', "the vocabulary cannot be read"),
        ("vocabulary.json", "{", "", "the vocabulary cannot be read"),
    ],
)
def test_an_edited_vocabulary_is_refused_where_it_is_extended_or_cached(
    make, name, old, new, reason
):
    first = make("first", 3, "k1")
    second = make("second", 5, "k2", base=first.uri)
    check_intact([first, second], "k2", first.uri)
    for edited in (second, first):
        _edit(edited, name, old, new)
        with pytest.raises(InputError, match=reason) as caught:
            check_intact([first, second], "k2", first.uri)
        assert edited.uri in str(caught.value)
        assert "\n" not in str(caught.value)


def test_an_edited_vocabulary_that_the_run_does_not_use_stops_nothing(make):
    first, other = make("first", 3, "k1"), make("other", 3, "k9", base="elsewhere")
    _edit(other, "target.jsonl", '"token": "1"', '"token": "x"')
    check_intact([first, other], "k1", "")


def test_a_vocabulary_whose_hash_was_edited_too_is_not_the_one_that_was_made(make):
    made = dataclasses.replace(make("first", 3, "k1"), digest="0" * 64)
    with pytest.raises(InputError, match="expected 000000000000 as it was made: it was edited"):
        check_intact([made], "k1", "")
