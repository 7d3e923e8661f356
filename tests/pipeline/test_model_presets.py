"""model.preset: its sizes hold where the file says nothing, and the page's table shows them."""

import pathlib
import re
from typing import get_args, get_type_hints

import pytest

from components.errors import InputError
from pipeline.config import load_config
from pipeline.config.train import ModelConfig
from pipeline.model_presets import PRESETS

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "models.md"
START = "pipeline: {name: p}\ntask: lm\ndata: {path: rows}\n"


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows").mkdir()

    def load(section: str) -> ModelConfig:
        (tmp_path / "c.yaml").write_text(START + f"model: {{{section}}}\n", encoding="utf-8")
        return load_config("c.yaml").model

    return load


def test_a_preset_fills_in_what_is_not_given(model) -> None:
    assert model("") == ModelConfig()
    base = model("preset: base, family: transformer, layers: 3, dropout: null")
    assert (base.units, base.layers, base.heads, base.feed_forward) == (512, 3, 8, 2048)
    assert (base.family, base.dropout) == ("transformer", 0.1)
    medium = model("preset: ptb-medium, dropout: 0.0")
    assert (medium.family, medium.units, medium.layers, medium.dropout) == ("lstm", 650, 2, 0.0)
    # The preset gives heads, which a recurrent model does not read: that is no contradiction.
    assert model("preset: tiny").family == "gru"


def test_every_name_loads_with_its_own_sizes(model) -> None:
    names = list(get_args(get_args(get_type_hints(ModelConfig)["preset"])[0]))
    assert names == list(PRESETS)
    for name, sizes in PRESETS.items():
        found = model(f"preset: {name}")
        assert {key: getattr(found, key) for key in sizes} == sizes


def test_another_name_is_refused(model) -> None:
    with pytest.raises(
        InputError, match=r"c.yaml:4: model.preset: got 'big', expected one of tiny"
    ):
        model("preset: big")


def test_the_table_of_the_page() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \|(.*)\|$", PAGE.read_text(), flags=re.M)
    shown = {name: [cell.strip(" `") for cell in cells.split("|")] for name, cells in rows}
    keys = shown.pop("preset")
    assert keys == ["family", "units", "layers", "heads", "feed_forward", "dropout"]
    assert shown == {
        name: [str(sizes.get(key, "")) for key in keys] for name, sizes in PRESETS.items()
    }
