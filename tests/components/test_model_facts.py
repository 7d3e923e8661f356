"""What a model says of itself, read without TensorFlow."""

import pytest

from components import model_facts
from components.errors import InputError
from transform.settings import Settings, Side


@pytest.fixture
def model(tmp_path):
    def write(text):
        path = tmp_path / model_facts.FILE
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return str(tmp_path)

    return write


def test_facts_are_read(model, tmp_path):
    assert model_facts.read_or_nothing(str(tmp_path)) == {}
    settings = Settings("lm", Side("text", "whitespace", 4))
    folder = model(f'{{"settings": {settings.to_json()}, "model": {{"vocabulary_size": 9}}}}')
    facts = model_facts.read(folder)
    assert model_facts.read_or_nothing(folder) == facts
    assert model_facts.settings(facts, folder) == settings
    assert model_facts.target_ids(facts) == 9
    assert model_facts.target_ids({}) == 0


@pytest.mark.parametrize("text", ["{", "3", "", "\ufeff{}"])
def test_what_is_no_object_is_refused(model, text):
    folder = model(text)
    for read in (model_facts.read, model_facts.read_or_nothing):
        with pytest.raises(InputError, match=r"tokenline.json: got "):
            read(folder)


def test_settings_of_another_version_are_refused(model):
    folder = model('{"settings": {"task": "lm", "target": {"columns": 3}, "source": null}}')
    with pytest.raises(InputError, match=r"tokenline.json: got no settings of this version"):
        model_facts.settings(model_facts.read(folder), folder)
