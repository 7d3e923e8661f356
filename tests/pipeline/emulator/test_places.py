"""gs:// on this machine."""

import pathlib

import pytest

from components.errors import InputError
from pipeline.emulator import places


def test_here_and_there_are_each_others_inverse(tmp_path: pathlib.Path) -> None:
    found = places.at(str(tmp_path / "r"))
    text = '{"uri": "gs://bucket/x", "also": "gs://other/y", "no": "s3://z"}'
    assert found.here("gs://bucket/x") == f"{tmp_path}/r/bucket/x"
    assert found.there(found.here(text)) == text


def test_a_root_that_would_break_the_steps_json_is_refused() -> None:
    with pytest.raises(InputError, match="--root"):
        places.at('a"b')
    with pytest.raises(InputError, match=r"^--root: got '', expected a folder$"):
        places.at("")


@pytest.mark.parametrize(
    "text",
    [
        "gs://b/data={0}/data",
        "gs://b/data/span-{{SPAN}}/*={0}/data/span-{{SPAN}}/*",
        "gs://b/data/={0}/data/",
    ],
)
def test_data_are_laid_where_the_pipeline_looks(tmp_path: pathlib.Path, text: str) -> None:
    (tmp_path / "data" / "span-1").mkdir(parents=True)
    (tmp_path / "data" / "span-1" / "a").write_text("x")
    found = places.at(str(tmp_path / "root"))
    for _ in range(2):
        places.lay(found, [text.format(tmp_path)])
    assert (tmp_path / "root" / "b" / "data" / "span-1" / "a").read_text() == "x"


def test_a_link_may_be_laid_anew_but_nothing_else_is_replaced(tmp_path: pathlib.Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    found = places.at(str(tmp_path / "root"))
    places.lay(found, [f"gs://b/x={tmp_path}/one"])
    places.lay(found, [f"gs://b/x={tmp_path}/two"])
    assert (tmp_path / "root/b/x").resolve() == tmp_path / "two"
    (tmp_path / "root/b/y").mkdir()
    with pytest.raises(InputError, match="is there already"):
        places.lay(found, [f"gs://b/y={tmp_path}/one"])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("gs://b/x", "expected gs://BUCKET/FOLDER=LOCAL_FOLDER"),
        ("b/x=y", "expected gs://BUCKET/FOLDER=LOCAL_FOLDER"),
        ("gs://b/../../x=absent", "--data: got gs://b/../../x, expected no '.' or '..' in it"),
        ("gs://b/x=absent", "absent: no such file or folder"),
        ("gs://b/span-{SPAN}=part-{SPAN}", "expected both sides to end in the same pattern"),
    ],
)
def test_bad_data_options(tmp_path: pathlib.Path, monkeypatch, text: str, says: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as raised:
        places.lay(places.at("root"), [text])
    assert says in str(raised.value)
    assert not (tmp_path / "root").exists()
