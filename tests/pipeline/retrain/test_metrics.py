"""What Prometheus reads: the numbers, and where they can be had."""

import pathlib
import socket
import urllib.error
import urllib.request

import pytest

from components.errors import InputError
from pipeline.retrain import metrics
from pipeline.retrain.metrics import Metrics, served
from pipeline.retrain.states import Run


def test_a_process_that_starts_knows_the_last_run() -> None:
    """`--once` from cron is a new process each time: what is alerted on must not go away."""
    metrics = {"perplexity": 2.5}
    run = Run(
        key="k",
        window="1",
        new=((1, 1, "a"),),
        state="pushed",
        started=10.0,
        ended=70.0,
        pid=1,
        pushed_version=4,
        metrics=metrics,
    )
    lines = Metrics("p", [run]).text().splitlines()
    assert 'tokenline_last_success_timestamp_seconds{pipeline="p"} 70.0' in lines
    assert 'tokenline_last_run_seconds{pipeline="p"} 60.0' in lines
    assert 'tokenline_pushed_version{pipeline="p"} 4.0' in lines
    assert 'tokenline_eval_perplexity{pipeline="p"} 2.5' in lines
    assert 'tokenline_runs_total{pipeline="p",state="pushed"} 0' in lines


def test_what_the_last_model_has_no_value_for_is_not_shown() -> None:
    measured = Metrics("p")
    facts = {"at": 1.0, "seconds": 2.0, "version": 3}
    measured("run_pushed", facts | {"metrics": {"masked_token_loss": 1.5, "token_count": 9.0}})
    # A model whose loss is NaN: `metrics.json` leaves such values out.
    measured("run_refused", facts | {"version": None, "metrics": {"token_count": 8.0}})
    text = measured.text()
    assert "eval_masked_token_loss" not in text
    assert 'tokenline_eval_token_count{pipeline="p"} 8.0' in text
    assert 'tokenline_pushed_version{pipeline="p"} 3.0' in text


def test_the_port_is_on_loopback_and_has_one_page() -> None:
    with served(lambda: "tokenline_x 1\n", 0) as port:
        place = f"http://127.0.0.1:{port}"
        with urllib.request.urlopen(f"{place}/metrics") as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            assert answer.read() == b"tokenline_x 1\n"
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{place}/other")
        assert listening(port) == {"0100007F"}
        said = r"retrain\.metrics_port: got .*, expected a free port"
        with pytest.raises(InputError, match=said), served(str, port, attempts=2):
            pass
    assert listening(port) == set()


def test_a_port_that_becomes_free_within_moments_is_taken(monkeypatch) -> None:
    """As that of a retrain that was killed, whose lock is free a little earlier."""
    with served(str, 0) as port, pytest.raises(InputError), served(str, port, attempts=1):
        pass
    other = socket.socket()
    other.bind(("127.0.0.1", port))
    other.listen()
    pauses = iter([lambda: None, other.close])
    monkeypatch.setattr(metrics, "_pause", lambda: next(pauses)())
    with served(str, port) as taken:
        assert taken == port


def listening(port: int) -> set[str]:
    """The addresses at which somebody listens at the port, as the system writes them (Linux)."""
    rows = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
    found = [row[1].split(":") for row in rows if row[3] == "0A"]
    return {address for address, number in found if int(number, 16) == port}
