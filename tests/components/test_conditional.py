"""Compare and swap of one document, wherever it lies; on a bucket also through lost answers."""

import pathlib
import sys

import pytest

from components import conditional
from components.errors import InputError, Passing

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "pipeline" / "cloud"))
import fake_storage

OBJECT = "gs://bucket/folder/document.json"


@pytest.fixture
def store(monkeypatch):
    found = fake_storage.FakeStorage()
    with fake_storage.serving(found) as address:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", address)
        yield found


@pytest.fixture
def pauses():
    return []


@pytest.fixture(params=["bucket", "file", "ram"])
def address(request, tmp_path):
    if request.param == "bucket":
        request.getfixturevalue("store")
        return OBJECT
    if request.param == "ram":
        return f"ram://{tmp_path.name}/document.json"
    return str(tmp_path / "folder" / "document.json")


def test_what_is_not_there_is_made_once(address):
    assert conditional.read(address) == conditional.Document(None, conditional.ABSENT)
    token = conditional.write(address, b"one", conditional.ABSENT)
    assert conditional.read(address) == conditional.Document(b"one", token)
    assert conditional.write(address, b"two", conditional.ABSENT) is None
    assert conditional.read(address).content == b"one"


def test_only_who_has_seen_the_last_state_replaces_it(address):
    first = conditional.write(address, b"one", conditional.ABSENT)
    second = conditional.write(address, b"two", first)
    assert conditional.write(address, b"three", first) is None
    assert conditional.read(address) == conditional.Document(b"two", second)
    assert conditional.write(address, b"three", second)


def test_reading_a_file_makes_nothing(tmp_path):
    conditional.read(str(tmp_path / "folder" / "document.json"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fault", [503, 429, fake_storage.DROPPED])
@pytest.mark.parametrize("done", [False, True])
def test_a_lost_answer_is_neither_a_conflict_nor_a_second_write(store, pauses, fault, done):
    token = conditional.write(OBJECT, b"one", conditional.ABSENT)
    store.faults.append((fault, done))
    made = conditional.write(OBJECT, b"two", token, sleep=pauses.append)
    assert conditional.read(OBJECT) == conditional.Document(b"two", made)
    assert len(pauses) == 1
    assert conditional.write(OBJECT, b"three", made)


def test_a_lost_answer_on_which_others_have_gone_on_was_a_write(store, pauses):
    """Else who claims would believe that he has not, and claim again in what is his own claim."""
    token = conditional.write(OBJECT, b"one", conditional.ABSENT)
    store.faults.append((503, True))

    def others(seconds):
        found = conditional.read(OBJECT)
        assert found.content == b"mine"
        for number in range(3):
            token = conditional.read(OBJECT).token
            assert conditional.write(OBJECT, f"theirs {number}".encode(), token)

    made = conditional.write(OBJECT, b"mine", token, sleep=others)
    assert made is not None
    assert conditional.read(OBJECT).content == b"theirs 2"
    assert conditional.write(OBJECT, b"mine again", made) is None  # it is not the present one


def test_somebody_else_s_write_is_a_conflict_also_after_a_fault(store, pauses):
    token = conditional.write(OBJECT, b"one", conditional.ABSENT)
    store.faults.append((503, False))
    made = conditional.write(OBJECT, b"mine", token, sleep=lambda _: store.put(OBJECT, "theirs"))
    assert made is None
    assert store.get(OBJECT) == b"theirs"


def test_a_read_is_of_one_state(store, monkeypatch):
    """Token and content are asked for one after the other."""
    conditional.write(OBJECT, b"one", conditional.ABSENT)
    read, seen = store.read, []

    def slow(path, query):
        seen.extend([path] * ("/o/" in path))
        if len(seen) == 2:
            store.put(OBJECT, "two")
        return read(path, query)

    monkeypatch.setattr(store, "read", slow)
    assert conditional.read(OBJECT).content == b"two"
    assert len(seen) == 4


def test_a_store_that_stays_away_is_one_line(store, pauses):
    store.read_faults.extend([503] * 9)
    with pytest.raises(Passing, match=f"{OBJECT}: out of reach: 503") as refused:
        conditional.read(OBJECT, sleep=pauses.append)
    assert "\n" not in str(refused.value)
    assert pauses == sorted(pauses)
    assert len(pauses) == 5


@pytest.mark.parametrize(("code", "says"), [(403, "roles/storage.objectAdmin"), (404, "no such")])
def test_a_refusal_is_one_line_and_not_tried_again(store, pauses, code, says):
    store.faults.append((code, False))
    with pytest.raises(InputError, match=says) as refused:
        conditional.write(OBJECT, b"one", conditional.ABSENT, sleep=pauses.append)
    assert type(refused.value) is InputError
    assert pauses == []


def test_a_store_without_conditions_is_refused():
    with pytest.raises(InputError, match="s3://b/x: got s3://, expected gs://, where an object"):
        conditional.read("s3://b/x")
