"""Kill extraction, training and a benchmark at random moments, run them again, and compare with a run left alone.

    python benchmarks/kills.py                     twenty kills -9 on tiny puppets, a row each (some ten minutes on two cores)
    python benchmarks/kills.py --kills 6 --seed 1  fewer of them, at other moments

A row: what was killed, after how many seconds of how many, how many files lay there then, and whether the next run ended with the
same bits. The exit code is 1 where one did not.
"""

import argparse
import hashlib
import itertools
import json
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

# Children are copies of a process that has imported this and nothing else, so that a kill meets work and no imports.
CHILDREN = multiprocessing.get_context("forkserver")
CHILDREN.set_forkserver_preload(["auxformer.benchmark.bench", "auxformer.features.lld", "auxformer.features.hog", "sklearn"])

EPOCHS = 4
SHAPE = {"width": 16, "heads": 2, "layers": 1, "aux_hidden": [16, 16]}


def small_corpus(root: Path, out: Path, every: int = 4) -> Path:
    """A copy of a puppet corpus with the media of every n-th clip."""
    shutil.copytree(root, out)
    for number, wav in enumerate(sorted((out / "AudioWAV").iterdir())):
        if number % every:
            wav.unlink()
            (out / "VideoFlash" / f"{wav.stem}.mp4").unlink()
    return out


def _task(corpus: Path, data: Path, jobs: int):
    from auxformer.data.task import Task

    return Task(corpus, "lld", "hog", data=data, jobs=jobs)


def extraction(corpus: Path, data: Path, folder: Path, jobs: int) -> None:
    """Features of all clips, from nothing."""
    _task(corpus, folder, jobs)


def training(corpus: Path, data: Path, folder: Path, jobs: int) -> None:
    """A network of some epochs, on features that are there."""
    import torch

    from auxformer.config import override, preset
    from auxformer.training.fit import fit

    torch.set_num_threads(1)
    config = override(preset("quick"), {"model": SHAPE, "training": {"epochs": EPOCHS, "device": "cpu"}})
    fit(config, _task(corpus, data, jobs).split(0), folder / "run", progress=False)


def benchmark(corpus: Path, data: Path, folder: Path, jobs: int) -> None:
    """Two systems and a reference, their predictions and tables."""
    import torch

    from auxformer.benchmark.bench import bench
    from auxformer.benchmark.run import Work
    from auxformer.benchmark.suite import Suite

    torch.set_num_threads(1)
    settings = {"preset": "quick", "change": {"model": SHAPE, "training": {"epochs": 2, "device": "cpu"}}}
    suite = Suite("kills", "", ["auxformer", "functionals-lr", "ideal-observer"], settings=settings)
    bench(suite, folder / "out", corpus, data, Work(folder / "runs", jobs))


def _of_features(folder: Path) -> str:
    from auxformer.features.store import find_stores

    rows = [(store.name, clip, store[clip].tobytes()) for store in find_stores(folder) for clip in store.clips]
    return hashlib.sha256(repr(sorted(rows)).encode()).hexdigest()


def _of_run(folder: Path) -> str:
    lines = map(json.loads, (folder / "run" / "metrics.jsonl").read_text("utf-8").splitlines())
    losses = [(line["epoch"], line["train_loss"], line["dev_loss"]) for line in lines]
    return hashlib.sha256((folder / "run" / "model.safetensors").read_bytes() + repr(losses).encode()).hexdigest()


def _of_tables(folder: Path) -> str:
    import pandas as pd

    table = pd.read_parquet(folder / "out" / "predictions.parquet")
    table = table.sort_values(["system", "partition", "seed", "condition", "clip"])
    scores = (folder / "out" / "results.csv").read_bytes()
    return hashlib.sha256(scores + table.to_csv(index=False).encode()).hexdigest()


STAGES: dict[str, tuple[Callable, Callable]] = {
    "extraction": (extraction, _of_features),
    "training": (training, _of_run),
    "benchmark": (benchmark, _of_tables),
}
"""Name -> the work, called as `(corpus, data, folder, jobs)`, and what its result is told by, called as `(folder)`."""


def _nothing() -> None:
    """What takes no time."""


def _quietly(work: Callable, *arguments) -> None:
    os.setpgrp()
    sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, for the life of the process
    work(*arguments)


def _first_file(folder: Path, process) -> None:
    """Wait until a process has written something, or has ended."""
    while process.exitcode is None and not any(path.is_file() for path in folder.rglob("*")):
        process.join(0.005)


class Bench:
    """A place in which stages are run, killed, and run to their ends."""

    def __init__(self, root: Path, under: Path, jobs: int = 1, every: int = 4):
        self.under, self.jobs, self._numbers = Path(under), jobs, itertools.count()
        self.corpus, self.data = small_corpus(root, self.under / "corpus", every), self.under / "features"
        self.seconds: dict[str, float] = {}
        self.whole: dict[str, str] = {}
        first = CHILDREN.Process(target=_quietly, args=(_nothing,))  # the imports are its to wait for
        first.start()
        first.join()

    def folder(self) -> Path:
        """A new one."""
        path = self.under / f"work-{next(self._numbers)}"
        path.mkdir()
        return path

    def start(self, stage: str, folder: Path):
        """A process at work on a stage."""
        arguments = STAGES[stage][0], self.corpus, self.data, folder, self.jobs
        process = CHILDREN.Process(target=_quietly, args=arguments)
        process.start()
        return process

    def finish(self, stage: str, folder: Path, processes: int = 1) -> str:
        """Run a stage to its end, in one process or in several at once; the digest of what it made."""
        return self._end(stage, folder, [self.start(stage, folder) for _ in range(processes)])

    def _end(self, stage: str, folder: Path, begun: list) -> str:
        for process in begun:
            process.join()
            if process.exitcode:
                raise RuntimeError(f"{stage}: a process ended with {process.exitcode}")
        return STAGES[stage][1](folder)

    def alone(self, stage: str) -> str:
        """The digest of a run that nobody killed; how long it took from its first file is kept in `seconds`."""
        if stage not in self.whole:
            if stage != "extraction" and not self.data.is_dir():
                self.finish("extraction", self.data)
            folder = self.folder()
            process = self.start(stage, folder)
            _first_file(folder, process)
            began = time.perf_counter()
            self.whole[stage] = self._end(stage, folder, [process])
            self.seconds[stage] = time.perf_counter() - began
        return self.whole[stage]

    def killed(self, stage: str, shares: Sequence[float]) -> tuple[str, list[int]]:
        """A stage killed after each of these shares of its time in turn, then run to its end.

        The time counts from the first file, so that a kill meets work. Returns the digest, and the number of files that lay
        there after each kill (-1 where the work was done before it).
        """
        self.alone(stage)
        folder, files = self.folder(), []
        for share in shares:
            process = self.start(stage, folder)
            _first_file(folder, process)
            began = time.perf_counter()
            process.join(share * self.seconds[stage])
            done = process.exitcode is not None
            if done:  # the machine is less busy than it was
                self.seconds[stage] = min(self.seconds[stage], time.perf_counter() - began)
            else:
                os.kill(process.pid, signal.SIGKILL)
                process.join()
            files.append(-1 if done else sum(path.is_file() for path in folder.rglob("*")))
        return self.finish(stage, folder), files


def main() -> int:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--corpus", type=Path, help="a folder of tiny puppets; made when left out")
    chosen = parser.parse_args()
    from auxformer.puppets import generate

    rng, differ, count = np.random.default_rng(chosen.seed), 0, 0
    with tempfile.TemporaryDirectory() as under:
        corpus = chosen.corpus or generate(Path(under) / "puppets", "tiny", jobs=chosen.jobs)
        place = Bench(corpus, Path(under), chosen.jobs)
        print(f"{'what':<12} {'killed after':>14} {'files there':>12}  end")
        for stage in itertools.islice(itertools.cycle(STAGES), 4 * chosen.kills):
            if count == chosen.kills:
                break
            share, right = rng.uniform(0.02, 0.98), place.alone(stage)
            moment = f"{share * place.seconds[stage]:.1f} of {place.seconds[stage]:.1f} s"
            digest, (files,) = place.killed(stage, [share])
            if files < 0:  # it was done before the kill, which counts for nothing
                continue
            same = digest == right
            differ, count = differ + (not same), count + 1
            print(f"{stage:<12} {moment:>14} {files:>12}  {'the same bits' if same else 'OTHER BITS'}", flush=True)
    print(f"{count} kills met a process at work; {differ} ended otherwise than without a kill.")
    return int(differ > 0)


if __name__ == "__main__":
    sys.exit(main())
