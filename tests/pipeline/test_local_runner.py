"""What a failed node becomes, whatever Beam makes of its exception."""

import pytest

from pipeline import local_runner


@pytest.mark.parametrize("cause", [KeyboardInterrupt(), ValueError("the node's own words")])
def test_beams_wrapping_is_undone(monkeypatch: pytest.MonkeyPatch, cause: BaseException) -> None:
    def run(self: object, to_run: object) -> None:
        assert local_runner._watch is not None
        local_runner._watch.failure = local_runner.NodeFailure("Node", cause)
        raise RuntimeError(f"{cause!r} [while running 'Run[Node]']")

    monkeypatch.setattr(local_runner._Runner, "run", run)
    expected = (
        KeyboardInterrupt if isinstance(cause, KeyboardInterrupt) else local_runner.NodeFailure
    )
    with pytest.raises(expected) as raised:
        local_runner.run(None, lambda node: None)
    if expected is local_runner.NodeFailure:
        assert raised.value.cause is cause
        assert str(raised.value) == "Node: the node's own words"
    assert local_runner._watch is None


def test_a_failure_outside_any_node_keeps_its_type(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(self: object, to_run: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(local_runner._Runner, "run", run)
    with pytest.raises(OSError, match="no space left"):
        local_runner.run(None, lambda node: None)
