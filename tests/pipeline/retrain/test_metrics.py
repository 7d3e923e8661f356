"""What Prometheus reads: the numbers, and where they can be had."""

import urllib.error
import urllib.request

import pytest

from components.errors import InputError
from pipeline.retrain.metrics import Metrics, serve
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


def test_the_port_is_on_loopback_and_has_one_page() -> None:
    server = serve(lambda: "tokenline_x 1\n", 0)
    try:
        assert server.server_address[0] == "127.0.0.1"
        place = f"http://127.0.0.1:{server.server_port}"
        with urllib.request.urlopen(f"{place}/metrics") as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            assert answer.read() == b"tokenline_x 1\n"
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{place}/other")
        with pytest.raises(
            InputError, match=r"retrain\.metrics_port: got .*, expected a free port"
        ):
            serve(str, server.server_port)
    finally:
        server.shutdown()
        server.server_close()
