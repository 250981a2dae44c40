"""What lesson 4 asks of a machine: where a step's time goes, what it fetches from memory, and what a killed training leaves."""

import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import torch

from auxformer.benchmark.gpu import seconds, wait
from auxformer.course.lab import feature_root

GROUPS = {
    "products": ("mm", "attention"),
    "dropout": ("bernoulli", "Dropout", "dropout"),
    "softmax": ("softmax",),
    "multiply, add, copy": ("mul", "add", "copy", "div", "sum", "ge", "gt"),
}
"""Kind of operation -> what the names of PyTorch's operations have in them; the first kind that fits."""


def time_by_group(step: Callable) -> pd.Series:
    """Milliseconds of one step by kind of operation, from PyTorch's profiler."""
    from torch.profiler import ProfilerActivity, profile

    step()  # the first one warms up
    on_gpu = torch.cuda.is_available()
    with profile(activities=[ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * on_gpu) as found:
        step()
        wait()
    kind = "self_device_time_total" if on_gpu else "self_cpu_time_total"
    sums = dict.fromkeys([*GROUPS, "the rest"], 0.0)
    for entry in found.key_averages():
        name = entry.key.removeprefix("aten::").removeprefix("_")
        groups = [group for group, parts in GROUPS.items() if any(part in name for part in parts)]
        sums[groups[0] if groups else "the rest"] += getattr(entry, kind)
    return pd.Series(sums) / 1000  # the profiler counts microseconds


def times_as_fast(step: Callable, plain: Callable, turns: int = 3) -> float:
    """Speed of `step` against the `plain` one, in turns after one that warms up, so that both meet the same weather."""
    plain(), step()
    return statistics.median(seconds(plain) / seconds(step) for _ in range(turns))


def page_faults(step: Callable, steps: int = 3) -> tuple[float, float]:
    """Page faults of this process per step (NaN on Windows, which counts otherwise), and the seconds of one, after one that warms up."""
    step()
    before = _faults()
    taken = [seconds(step) for _ in range(steps)]
    return (_faults() - before) / steps, statistics.median(taken)


def _faults() -> float:
    try:
        import resource
    except ImportError:
        return math.nan
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


QUIET = {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
_DROPOUTS = {f"{name}_dropout": 0.0 for name in ("attn", "cross_attn", "relu", "res", "embed", "out")}
SMALL = {"model": {"width": 16, "heads": 2, "layers": 1, **_DROPOUTS}, "training": {"epochs": 2}}
"""A network that trains in seconds; without dropout, for each of several processes would toss its own coins."""


class Trainings:
    """Trainings of one small network without dropout, each by `auxformer train` in processes of its own.

    Args:
        corpus: What they are trained on; they are on disk as long as this object is there.
    """

    def __init__(self, corpus):
        import tomli_w

        self._folder = tempfile.TemporaryDirectory()
        self.folder, self.corpus = Path(self._folder.name), corpus
        (self.folder / "small.toml").write_text(tomli_w.dumps(SMALL))

    def train(self, name: str, processes: int = 1) -> None:
        """Train the run `name` to its end, from where it stands."""
        look = {"env": os.environ | QUIET, "capture_output": True, "text": True}
        done = subprocess.run(self._command(name, processes), check=False, **look)
        print(f"{name}: exit {done.returncode}", done.stderr[-500:] if done.returncode else "")

    def kill(self, name: str) -> tuple[int, int]:
        """Start the run `name` and kill it after its first checkpoint: its exit status and the number of checkpoints."""
        look = {"env": os.environ | QUIET, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        victim = subprocess.Popen(self._command(name), **look)
        while victim.poll() is None and not self._checkpoints(name):
            time.sleep(0.01)
        victim.kill()
        return victim.wait(), self._checkpoints(name)

    def weights(self, name: str) -> dict[str, torch.Tensor]:
        """The network that a run kept."""
        from safetensors.torch import load_file

        return load_file(self.folder / name / "model.safetensors")

    def losses(self, name: str) -> pd.Series:
        """The training loss of each epoch."""
        from auxformer.training.run import read_metrics

        return read_metrics(self.folder / name).train_loss

    def _checkpoints(self, name: str) -> int:
        return len(list(self.folder.glob(f"{name}/state/epoch-*")))

    def _command(self, name: str, processes: int = 1) -> list[str]:
        many = ["torch.distributed.run", "--standalone", "--nproc_per_node", str(processes), "-m"]
        train = ["auxformer", "train", "--corpus", "puppets", "--root", str(self.corpus.root), "--name", name]
        train += ["--config", str(self.folder / "small.toml"), "--runs", str(self.folder), "--device", "cpu"]
        return [sys.executable, "-m", *(many if processes > 1 else []), *train, "--data", str(feature_root())]
