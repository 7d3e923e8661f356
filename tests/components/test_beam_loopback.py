"""Whose servers listen on loopback: those of our own workers, and nobody else's in the same process."""

import types

import grpc
import pytest
from apache_beam.runners.portability.fn_api_runner import fn_runner, worker_handlers

from components import beam_loopback, beam_processes


def test_it_is_kept_while_the_block_runs_however_it_ends() -> None:
    module = types.ModuleType("of_beam")
    module.grpc = grpc
    with beam_loopback.kept(module):
        assert module.grpc is not grpc
        assert module.grpc.StatusCode is grpc.StatusCode
    assert module.grpc is grpc
    with pytest.raises(OSError, match="no port"), beam_loopback.kept(module):
        raise OSError("no port")
    assert module.grpc is grpc


def test_servers_for_the_workers_of_others_are_made_as_beam_makes_them(monkeypatch) -> None:
    made = []
    monkeypatch.setattr(
        beam_processes._Server.__base__,
        "__init__",
        lambda *arguments: made.append(worker_handlers.grpc is grpc),
    )
    for workers in (fn_runner.ExtendedProvisionInfo(), beam_processes._Workers()):
        worker_handlers.GrpcServer(None, workers, None)
    assert made == [True, False]
    assert worker_handlers.grpc is grpc
