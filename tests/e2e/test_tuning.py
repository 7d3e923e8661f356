"""train.tune through the real command line: two trials, of which one diverges; then from the cache."""

import json
import re

import pytest

pytestmark = pytest.mark.pipeline

CONFIG = """
pipeline: {name: tuned, root: runs}
task: lm
data: {path: rows, columns: {text: text}, split: {train: 3, eval: 1}}
model: {units: 8}
serving: {check: {enabled: false}}
train:
  epochs: 2
  learning_rate: 0.5
  tune: {max_trials: 5, epochs: 1, space: {learning_rate: [0.02, 3.0e+38]}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tuned")
    (folder / "rows").mkdir()
    rows = [f'{{"text": "some words number {n}"}}\n' for n in range(200)]
    (folder / "rows" / "a.jsonl").write_text("".join(rows))
    (folder / "pipeline_config.yaml").write_text(CONFIG)
    return folder


def test_the_run_takes_the_best_values_and_is_cached_when_repeated(tokenline, folder) -> None:
    first = tokenline("run", cwd=folder)
    assert first.code == 0, first.out + first.err
    states = first.states()
    assert states["Tuner"] == states["SequenceTrainer"] == "done"
    assert re.search(
        r"Tuner: trial \d of 5: validation \d\.\d{4} with learning_rate 0\.02\n", first.out
    )
    assert re.search(r"trial \d of 5 failed with learning_rate 3e\+38: .*non-finite", first.out)
    assert "2 of 5 trials: the space has no other values" in first.out
    assert "tuned: learning_rate 0.02 (best of 2 trials, 1 failed)" in first.out

    history = first.record["history"]
    assert history["tuning"]["values"] == {"learning_rate": 0.02}
    assert {trial["loss"] is None for trial in history["tuning"]["trials"]} == {True, False}
    assert [point["learning_rate"] for point in history["points"]] == [pytest.approx(0.02)] * 2
    one_epoch = next(trial for trial in history["tuning"]["trials"] if trial["loss"] is not None)
    assert one_epoch["steps"] * 2 == history["steps"]
    results = next(folder.glob("runs/tuned/artifacts/Tuner/tuner_results/*/tuner_results.json"))
    assert [each["learning_rate"] for each in json.loads(results.read_text())] == [0.02]
    report = (folder / first.record["report"]).read_text()
    assert "<h2>Tuning</h2>" in report

    again = tokenline("run", cwd=folder)
    assert again.code == 0, again.out + again.err
    assert again.states()["Tuner"] == again.states()["SequenceTrainer"] == "cached"
    assert again.record["history"]["tuning"] == history["tuning"]


def test_a_bad_space_ends_the_run_before_it_starts(tokenline, folder) -> None:
    (folder / "pipeline_config.yaml").write_text(CONFIG.replace("[0.02, ", "[0.02, -1, "))
    refused = tokenline("run", cwd=folder)
    assert refused.code == 2
    expected = "10: train.tune.space.learning_rate[1]: got -1.0, expected a number > 0"
    assert refused.err.strip().endswith(expected)
    assert len(refused.err.strip().splitlines()) == 1
