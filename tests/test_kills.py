"""What is killed at random moments, and what two processes do at once, ends with the bits of one run left alone."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import kills  # noqa: E402


@pytest.fixture(scope="module")
def place(tiny_puppets, tmp_path_factory):
    return kills.Bench(tiny_puppets[0], tmp_path_factory.mktemp("kills"), every=6)


@pytest.mark.parametrize("stage", kills.STAGES)
def test_killed_at_random_moments_it_ends_with_the_same_bits(place, stage):
    shares, files = np.random.default_rng(5).uniform(0.1, 0.8, 2), [-1]
    while max(files) <= 0 and shares[0] > 1e-3:  # a machine that is less busy than before is done before the kill
        digest, files = place.killed(stage, shares)
        assert digest == place.alone(stage)
        shares /= 2
    assert max(files) > 0, "no kill met work"


@pytest.mark.parametrize("stage", kills.STAGES)
def test_two_processes_at_once_give_one_result(place, stage):
    assert place.finish(stage, place.folder(), processes=2) == place.alone(stage)


PARENT = """
import os, sys, time
from auxformer.parallel import in_parallel

def work(item):
    open(os.path.join(sys.argv[1], str(os.getpid())), "w").close()
    time.sleep(600)

if __name__ == "__main__":
    list(in_parallel(work, range(2), 2))
"""


@pytest.mark.skipif(os.name != "posix", reason="elsewhere a process cannot see that its parent is gone")
def test_workers_end_with_their_parent(tmp_path):
    (tmp_path / "pids").mkdir()
    (tmp_path / "parent.py").write_text(PARENT)
    parent = subprocess.Popen([sys.executable, tmp_path / "parent.py", tmp_path / "pids"])
    try:
        workers = _until(lambda: [int(path.name) for path in (tmp_path / "pids").iterdir()], 2, 60)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    try:
        assert len(workers) == 2 and parent.pid not in workers
        assert not _until(lambda: [pid for pid in workers if _lives(pid)], 0, 10), "orphans"
    finally:
        for pid in filter(_lives, workers):
            os.kill(pid, signal.SIGKILL)


def _until(look, count: int, seconds: float) -> list:
    """What `look()` gives once it gives `count` things, or after some seconds."""
    end = time.monotonic() + seconds
    while len(found := look()) != count and time.monotonic() < end:
        time.sleep(0.1)
    return found


def _lives(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False
