"""Spans through retrain of which one is in another language: it is parked, and the next goes on."""

import json
import pathlib

import pytest
from retrain_project import CONFIG, Project

pytestmark = pytest.mark.pipeline


@pytest.fixture
def drifting(tmp_path: pathlib.Path) -> Project:
    """A pipeline that nothing has run of, which compares words."""
    found = Project(tmp_path / "project", tmp_path / "kept")
    found.folder.mkdir()
    limits = "data: {drift: {words: 0.2, lengths: 1, min_rows: 10}, path"
    text = CONFIG.replace("data: {path", limits).replace("epochs: 6", "epochs: 1")
    (found.folder / "pipeline_config.yaml").write_text(text)
    return found


def test_a_span_in_another_language_is_parked_and_the_next_is_held_against_the_last_good_one(
    drifting: Project,
) -> None:
    for number in (1, 2, 3):
        drifting.span(number)
    rows = drifting.folder / "data/span-2/rows.jsonl"
    rows.write_text(
        "".join(json.dumps({"text": "der Hund sieht Katzen"}) + "\n" for _ in range(80))
    )
    (drifting.folder / "data/span-2/_SUCCESS").touch()
    done = drifting.retrain()
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    runs = drifting.ledger()
    told = [(run["new"][0][0], run["window"], run["state"]) for run in runs]
    assert told == [(1, "1", "pushed"), (2, "1-2", "failed"), (3, "1, 3", "pushed")]
    assert runs[1]["reason"].startswith("span 2, train split, column 'text': words differ by ")
    assert "from span 1" in runs[1]["reason"]
    assert "  span 2: parked: span 2, train split" in done.stdout
    assert drifting.versions() == ["1", "2"]
    newest = max((drifting.pipeline / "runs").iterdir())
    findings = json.loads((newest / "run.json").read_text())["drift"]["findings"]
    assert {each["against"] for each in findings} == {"span 1"}
