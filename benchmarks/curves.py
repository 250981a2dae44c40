"""Time per clip of a training step against length, batch size and width, and the memory a step takes.

Used by `training.py`. A slope of 1 is a cost in proportion; attention alone would have 2 in the length.
"""

import statistics
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from contestants import make_contestant
from shapes import make_batch, our_step

from auxformer.config import preset
from auxformer.models.memory import keep_freed_memory

LENGTHS = (50, 100, 200, 400, 800, 1600)
BATCHES = (1, 2, 4, 8, 16, 32, 64)
WIDTHS = (32, 64, 128, 256)


def curves(repeats: int = 3) -> dict:
    """Milliseconds per clip of a training step, and the slope on two logarithmic axes over the upper half of each range."""
    keep_freed_memory()
    result = {}
    for name in ("paper", "default"):
        config = preset(name)
        clips = 4 if name == "paper" else 32
        times = {t: per_clip(make_batch(clips, t, max(1, t * 3 // 10)), config, repeats) for t in LENGTHS}
        result[f"{name}_against_audio_frames"] = with_slope(times)
    times = {b: per_clip(make_batch(b), preset("default"), repeats) for b in BATCHES}
    result["default_against_batch"] = with_slope(times)
    times = {w: per_clip(make_batch(), widened(preset("default"), w), repeats) for w in WIDTHS}
    result["default_against_width"] = with_slope(times)
    return result


def widened(config, width: int):
    return replace(config, model=replace(config.model, width=width))


def per_clip(batch, config, repeats: int) -> float:
    """Median milliseconds per clip of a training step, after one that warms up."""
    step, *_ = our_step(batch, config)
    times = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        step()
        times.append(time.perf_counter() - started)
    return round(1000 * statistics.median(times[1:]) / len(batch.clips), 3)


def with_slope(times: dict[int, float]) -> dict:
    upper = list(times)[len(times) // 2 :]
    slope = np.polyfit(np.log(upper), np.log([times[x] for x in upper]), 1)[0]
    return {"milliseconds_per_clip": times, "slope": round(float(slope), 2)}


def peak_memory(name: str) -> float:
    """MiB that two training steps of "plain", "published" or "recommended" add to a process of their own."""
    program = [sys.executable, str(Path(__file__)), name]
    return float(subprocess.run(program, capture_output=True, text=True, check=True).stdout)


def _added_memory(name: str) -> float:
    step, *_ = make_contestant(name)
    before = _most_held()
    for _ in range(2):
        step()
    return (_most_held() - before) / 1024


def _most_held() -> int:
    """KiB this process has held at most. `getrusage` would count what the parent held when it started us."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1])


if __name__ == "__main__":
    print(round(_added_memory(sys.argv[1])))
