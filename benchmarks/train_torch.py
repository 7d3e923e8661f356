"""PyTorch on padded batches with `ignore_index`; imports PyTorch and NumPy only, for another interpreter."""

import time
from collections.abc import Callable

import numpy as np
import torch

from benchmarks.train_cases import Case

LEARNING_RATE = 0.001
IGNORED, BOS = -100, 2


class LanguageModel(torch.nn.Module):
    """The same Transformer: normalisation first, learned positions, causal attention."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        self.tokens = torch.nn.Embedding(case.classes, case.units)
        self.positions = torch.nn.Embedding(case.length, case.units)
        layer = torch.nn.TransformerEncoderLayer(
            case.units,
            case.heads,
            case.feed_forward,
            dropout=0.0,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        norm = torch.nn.LayerNorm(case.units)
        self.stack = torch.nn.TransformerEncoder(
            layer, case.layers, norm, enable_nested_tensor=False
        )
        self.projection = torch.nn.Linear(case.units, case.classes)
        mask = torch.nn.Transformer.generate_square_subsequent_mask(case.length)
        self.register_buffer("mask", mask)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        values = self.tokens(ids) + self.positions.weight[: ids.shape[1]]
        return self.projection(self.stack(values, mask=self.mask, is_causal=True))


def make(name: str, case: Case) -> Callable[[int], tuple[float]]:
    """`torch <float32|bfloat16>`: a run answers useful tokens a second."""
    half = name.endswith("bfloat16")
    model = LanguageModel(case)
    optimizer = torch.optim.Adam(model.parameters(), LEARNING_RATE)
    lengths, targets = case.lengths(), torch.from_numpy(case.targets())
    inputs = torch.nn.functional.pad(targets[:, :-1], (1, 0), value=BOS)
    live = torch.from_numpy(np.arange(case.length) < lengths[:, None])
    wanted = torch.where(live, targets, torch.tensor(IGNORED))

    def step(rows: slice) -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            logits = model(inputs[rows])
        loss = torch.nn.functional.cross_entropy(
            logits.flatten(0, 1).float(), wanted[rows].flatten(), ignore_index=IGNORED
        )
        loss.backward()
        optimizer.step()

    def run(steps: int) -> tuple[float]:
        started = time.perf_counter()
        for index in range(steps):
            step(slice(index * case.rows, (index + 1) * case.rows))
        return (int(lengths[: steps * case.rows].sum()) / (time.perf_counter() - started),)

    run(1)
    return run
