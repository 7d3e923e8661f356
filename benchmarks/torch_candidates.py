"""PyTorch's losses; imports PyTorch and NumPy only, so that another interpreter may run it."""

from collections.abc import Callable
from typing import Any

import torch

from benchmarks.cases import Case


def make(name: str, case: Case) -> Callable[[], list[Any]]:
    """`torch ignore_index` on all logits, or `torch gathered` on the real rows only."""
    data = {key: torch.from_numpy(value) for key, value in case.arrays().items()}
    inputs = [data[key].requires_grad_() for key in ("hidden", "kernel", "bias")]
    live = data["weights"] > 0
    ignored = torch.where(live, data["targets"], torch.tensor(-100))

    def loss(hidden: torch.Tensor, kernel: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        if name == "torch gathered":
            logits = hidden[live] @ kernel + bias
            return torch.nn.functional.cross_entropy(logits, data["targets"][live])
        logits = hidden @ kernel + bias
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), ignored.flatten())

    def run() -> list[Any]:
        value = loss(*inputs)
        return [value.detach(), *torch.autograd.grad(value, inputs)]

    return run
