"""What every training run shares: seeding, the optimiser, its schedule, the progress line."""

import math
import random
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import numpy as np
import torch

Batch = TypeVar("Batch")


def seed_everything(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def train(
    parameters: Iterable[torch.nn.Parameter] | list[dict],
    batches: Iterator[Batch],
    loss_of: Callable[[Batch], torch.Tensor],
    *,
    steps: int,
    peak_lr: float,
    warmup_frac: float = 0.1,
    weight_decay: float = 1e-2,
    betas: tuple[float, float] = (0.9, 0.999),
    clip_norm: float = 1.0,
    straight_from: float | None = None,
    report_every: int = 100,
    evaluate: Callable[[], str] | None = None,
    evaluate_every: int = 1000,
) -> None:
    """AdamW with linear warm-up and cosine decay over `steps` batches; prints a line now and then to stderr.

    With `straight_from`, a share of the steps, the rate stays at its peak until then and goes down in a straight line.
    """
    optimizer = torch.optim.AdamW(parameters, lr=peak_lr, betas=betas, weight_decay=weight_decay)
    trained = [p for group in optimizer.param_groups for p in group["params"]]
    warmup = max(1, round(warmup_frac * steps))

    def rate(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        if straight_from is not None:
            return min(1.0, (1 - step / steps) / (1 - straight_from))
        return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    started, running = time.monotonic(), 0.0
    for step in range(1, steps + 1):
        loss = loss_of(next(batches))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, clip_norm)
        optimizer.step()
        schedule.step()
        running += loss.item()
        if step % report_every == 0 or step == steps:
            done = (step - 1) % report_every + 1
            minutes = (time.monotonic() - started) / 60
            print(f"step {step}/{steps}  loss {running / done:.4f}  {minutes:.1f} min", file=sys.stderr, flush=True)
            running = 0.0
        if evaluate and (step % evaluate_every == 0 or step == steps):
            print(f"step {step}/{steps}  {evaluate()}", file=sys.stderr, flush=True)
