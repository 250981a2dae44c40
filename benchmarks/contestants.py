"""Contestants of `training.py`: each waits in a process of its own until it is told to make a step.

A process of its own, for what one does to the allocator must not help or harm another.
"""

import multiprocessing
import statistics
import time

import torch
from shapes import make_batch, our_step, plain_step

from auxformer.config import preset
from auxformer.models.memory import keep_freed_memory

KINDS = ("plain", "published", "recommended")
PRESETS = {"published": "paper", "recommended": "default"}


def median_seconds(work: str, names, repeats: int) -> dict[str, float]:
    """Median seconds of a step of each contestant, taken in turn so that a drifting machine treats them alike.

    Each turn is two steps, the second of which is timed: in a training loop, too, a step follows another, while memory that
    lay idle during the turns of the others may have been taken away by the system.

    Args:
        work: "training" (forward, backward, optimiser), "inference", or "bf16" (inference under autocast).
        names: Of `KINDS`.
        repeats: Timed rounds after one more that warms up.
    """
    context = multiprocessing.get_context("spawn")
    pipes, processes = {}, []
    for name in names:
        pipes[name], end = context.Pipe()
        processes.append(context.Process(target=_contestant, args=(name, work, end), daemon=True))
        processes[-1].start()
    times = {name: [] for name in names}
    for _ in range(repeats + 1):
        for name, pipe in pipes.items():
            pipe.send("step")
            times[name].append(pipe.recv())
    for pipe, process in zip(pipes.values(), processes):
        pipe.send("stop")
        process.join()
    return {name: statistics.median(values[1:]) for name, values in times.items()}


def make_contestant(name: str):
    """Training step, forward pass and model of a contestant, on a batch at the paper's shapes."""
    batch = make_batch()
    if name == "plain":
        return plain_step(batch)
    keep_freed_memory()  # as `fit` and `predict` do
    return our_step(batch, preset(PRESETS[name]))


def _contestant(name: str, work: str, pipe) -> None:
    step, forward, model = make_contestant(name)
    if work != "training":
        model.eval()

    def turn():
        if work == "training":
            return step()
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=work == "bf16"):
            return forward()

    while pipe.recv() == "step":
        turn()
        started = time.perf_counter()
        turn()
        pipe.send(time.perf_counter() - started)
