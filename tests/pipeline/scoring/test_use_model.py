"""The JSON of `tokenline predict`: sums and means as the signature gives them."""

import numpy as np

from pipeline.scoring.model_rows import predicted


def test_predictions_as_json():
    """Sums and means as the signature gives them; a prompt that leaves no room has no mean."""
    outputs = {
        "lengths": np.array([4, 2]),
        "generated": np.array([3, 0]),
        "log_probability": np.array([-1.5, 0.0], np.float32),
        "log_probability_per_token": np.array([-0.5, 0.0], np.float32),
        "truncated": np.array([False, True]),
    }
    assert predicted(outputs, 0, "12", "one two") == {
        "input": "12",
        "output": "one two",
        "log_probability": -1.5,
        "log_probability_per_token": -0.5,
        "tokens": 3,
        "truncated": False,
    }
    cut = predicted(outputs, 1, "12", "")
    assert (cut["log_probability_per_token"], cut["tokens"], cut["truncated"]) == (None, 0, True)
    tagged = {
        "lengths": np.array([2]),
        "confidence": np.array([[0.5, 0.25, 0.0]], np.float32),
        "truncated": np.array([False]),
    }
    found = predicted(tagged, 0, "a b", "a/X b/Y")
    assert (found["output"], found["confidence"]) == ("a/X b/Y", [0.5, 0.25])
