"""metrics.jsonl to the points of a chart."""

import json

import pytest

from pipeline.curves import thinned


def _write(path, norms: list[float | None]) -> str:
    lines = [{"kind": "validation", "step": 1, "loss": 1.0}, {"kind": "bad_batch", "step": 1}]
    lines += [
        {"kind": "train", "step": step, "gradient_norm": norm, "learning_rate": 1 / step}
        for step, norm in enumerate(norms, 1)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(path)


def test_updates_are_gathered_into_points(tmp_path) -> None:
    norms = [2.0, 0.5, 1.0] + [0.25] * 198  # 201 updates: three to a point
    found = thinned(_write(tmp_path / "m.jsonl", norms), clip_norm=0.75)
    assert len(found) == 67
    assert found[0] == {
        "step": 3,
        "updates": 3,
        "gradient_norm": pytest.approx(3.5 / 3),
        "largest_norm": 2.0,
        "learning_rate": 1 / 3,
        "clipped": 2,
    }
    assert (found[-1]["step"], found[-1]["updates"]) == (201, 3)
    assert sum(point["updates"] for point in found) == 201


def test_without_a_limit_nothing_is_clipped_and_without_a_file_there_are_no_points(
    tmp_path,
) -> None:
    found = thinned(_write(tmp_path / "m.jsonl", [9.0, None]), clip_norm=0.0)
    assert [(point["step"], point["clipped"]) for point in found] == [(1, 0)]
    assert thinned(str(tmp_path / "none.jsonl"), clip_norm=1.0) == []
