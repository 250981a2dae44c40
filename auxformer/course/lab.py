"""What a lesson begins and ends with, and where it gets its data.

Lessons share one corpus and its feature stores, made once under `data/` and reused: `make course` does it before the first
lesson runs. `AUXFORMER_DATA` names another folder.
"""

import atexit
import contextlib
import functools
import io
import os
import platform
import shutil
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from auxformer.course.lessons import project_root
from auxformer.course.widgets import explorer, guess_clips, predict, show
from auxformer.errors import InputError

__all__ = ["explorer", "guess_clips", "predict", "show"]  # the controls of a lesson, beside what stands here

_started = time.perf_counter()


def begin(threads: int | None = 1) -> None:
    """Start a lesson's clock, set the style of its figures, and keep NumPy and PyTorch to few threads.

    The matrices of a lesson are small: on an idle machine a second thread gains little, on a busy one the two wait for each
    other, and a minute of training was seen to take seven.

    Args:
        threads: Of PyTorch; None leaves them as they are.
    """
    global _started
    import torch
    from threadpoolctl import threadpool_limits

    from auxformer.plots import style

    _started = time.perf_counter()
    threadpool_limits(1, user_api="blas")
    if threads:
        torch.set_num_threads(threads)
    style()


def fact(statement: str, holds) -> None:
    """Print that a statement holds, for what is true on every machine while its digits differ.

    Where it does not, with other settings or an odd training, the lesson goes on and says so.
    """
    print(f"yes: {statement}" if holds else f"not so here: {statement} (it was so where this lesson was written)")


def versions(seed: int = 0) -> None:
    """Print what a result may depend on: versions, seed, device, threads, and the seconds since `begin`."""
    import torch

    device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "CPU"
    names = ("auxformer", "torch", "numpy", "pandas", "scikit-learn", "opensmile")
    print(f"Python {platform.python_version()}, " + ", ".join(f"{name} {version(name)}" for name in names))
    print(f"seed {seed}, {device}, {torch.get_num_threads()} threads, {time.perf_counter() - _started:.0f} s")


def data_root() -> Path:
    """The folder of corpora and feature stores: `AUXFORMER_DATA`, or `data/` of the project, or else of the current folder."""
    return Path(os.environ.get("AUXFORMER_DATA") or _here("data"))


def run_root() -> Path:
    """The folder of trained networks: `runs/` of the project, or else of the current folder."""
    return _here("runs")


def _here(name: str) -> Path:
    try:
        return project_root() / name
    except InputError:  # a lesson alone, as in Colab
        return Path(name).absolute()


def result_table(name: str):
    """A result table of the project, `data/results/NAME.csv`, as its command left it (`make results`).

    Raises:
        InputError: there is no project around this notebook.
    """
    import pandas as pd

    return pd.read_csv(project_root() / "data" / "results" / f"{name}.csv")


def feature_root() -> Path:
    """The folder that the command line's `--data` names by default, so that lessons and commands share their stores."""
    return data_root() / "features"


def open_corpus(size: str = "course", seed: int = 0, binding: float = 0.0, jobs: int = 2):
    """The puppets, generated when they are not there yet.

    Args:
        size: "tiny" (tests), "course" or "full".
        seed: Another seed, other puppets.
        binding: Share of clips whose voice and face are out of step.
        jobs: Processes for generating.
    """
    from auxformer.corpora import read_corpus
    from auxformer.corpora.registry import corpus_folder, make_corpus

    folder = corpus_folder("puppets", size, seed, binding, data_root() / "corpora")
    if not (folder / "truth.csv").exists():  # written last
        with _quietly():
            make_corpus("puppets", folder, size, seed, binding, jobs)
    return read_corpus(folder, "puppets")


def open_store(corpus, spec: str, jobs: int = 2):
    """The feature store of a corpus for an extractor ("lld", "hog", "lld+voice"), extracted when it is not there yet."""
    from auxformer.features import create_extractor
    from auxformer.features.extract import features_of

    with _quietly():
        return features_of(corpus, create_extractor(spec), feature_root(), jobs)


def open_task(corpus, **what):
    """`Task(corpus, ...)` with the feature stores that the lessons share; `what` are its other arguments."""
    from auxformer.data.task import Task

    with _quietly():
        return Task(corpus, data=feature_root(), **what)


def open_splits(size: str = "course", seed: int = 0, **what):
    """The first division of the puppets by speaker, with everything that hangs on it.

    Returns:
        A `Split`: `.train`, `.dev`, `.test`, `.partition`, and `.task` with its `.corpus`.
    """
    return open_task(open_corpus(size, seed), **what).split(0)


def small_auxformer(split, width: int = 32, epochs: int = 4, seed: int = 0, device: str = "cpu", **changes):
    """A small AuxFormer, trained for a few epochs, or read back where it was trained before (a minute against a second).

    Args:
        split: Train, dev and test clips of a task.
        width, epochs, seed: Of the network and its training.
        device: Where it is trained.
        changes: Other settings by their names: `absent="zeros"`, `drop_audio=0`.

    Returns:
        The `Run`; its folder under `runs/` is named by everything that changes it.
    """
    from dataclasses import fields

    from auxformer.benchmark.run import run_name
    from auxformer.config import ModelConfig, override, preset
    from auxformer.training.fit import fit

    of_model = {item.name for item in fields(ModelConfig)}
    model = {"width": width, "aux_hidden": (2 * width, width)} | {k: v for k, v in changes.items() if k in of_model}
    training = {"epochs": epochs, "seed": seed, "device": device}
    training |= {name: value for name, value in changes.items() if name not in of_model}
    config = override(preset("quick"), {"model": model, "training": training})
    folder = run_root() / run_name(split.task, "auxformer", config, split.partition)
    return fit(config, split, folder, progress=False)


def learn_synchrony(split, epochs: int = 3, seed: int = 0):
    """The task of synchrony alone, taught on `split.train` which lag lies between voice and face (some five seconds an epoch).

    Args:
        split: Train, dev and test clips of a task, with both streams.
        epochs, seed: Of the training.

    Returns:
        A `models.synchrony.Synchrony` that is ready to be asked: `task(batch)` gives an `InStep`.
    """
    import torch

    from auxformer.config import preset
    from auxformer.data.batch import BucketSampler, collate
    from auxformer.models.synchrony import Synchrony
    from auxformer.seeds import seed_of
    from auxformer.training.fit import make_optimizer

    config, train = preset("quick"), split.train
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of("synchrony", seed))
        task = Synchrony(config.model, train.audio.dims, train.video.dims).train()
        optimizer = make_optimizer(task, config.training)
        sampler = BucketSampler(train.lengths, config.training.batch_size, seed)
        for epoch in range(epochs):
            sampler.set_epoch(epoch)
            for indices in sampler:
                optimizer.zero_grad()
                task(collate([train[index] for index in indices])).loss.backward()
                optimizer.step()
    return task.eval()


def reference(name: str, split, conditions="basic"):
    """Predictions of a reference system ("functionals-lr", "ideal-observer") on the test clips, kept with the runs."""
    from auxformer.benchmark.run import predict_one, run_name
    from auxformer.config import config_for, preset

    config = config_for(name, preset("quick"))
    folder = run_root() / run_name(split.task, name, config, split.partition)
    return predict_one(split.task, name, config, split.partition, folder, conditions, show=False)


def scores(table, metric: str = "macro-f1"):
    """One score of a predictions table by condition, with its 95 % interval over speakers: columns value, low, high."""
    from auxformer.evaluation.intervals import score

    rows = score(table)
    return rows[rows.metric == metric].set_index("condition")[["value", "low", "high"]]


def score_votes(run, dataset, votes: dict):
    """Macro-F1 of several ways to let the heads of a network vote.

    Args:
        run: The network.
        dataset: Clips of a split.
        votes: Name -> `Logits -> [B, C]`.

    Returns:
        A table of votes by conditions.
    """
    import pandas as pd

    return pd.DataFrame({name: scores(run.predict(dataset, vote=vote)).value for name, vote in votes.items()}).T


def run_suite(suite, corpus, out: str = "first", jobs: int = 2):
    """Run a suite without a word; what was trained before, today or another day, is read back.

    Args:
        suite: A `benchmark.suite.Suite`.
        corpus: Instead of the suite's own.
        out: Name of the folder of its tables.
        jobs: Processes.

    Returns:
        The long result table, and the folder of all tables (`benchmark.bench`), which lasts as long as the lesson.
    """
    from auxformer.benchmark.bench import bench
    from auxformer.benchmark.run import Work

    folder = _scratch() / out
    with _quietly():
        return bench(suite, folder, corpus.root, feature_root(), Work(run_root() / suite.name, jobs)), folder


def forget(suite, system: str) -> None:
    """Throw away what `run_suite` trained of a system of this suite."""
    from auxformer.benchmark.runs import discard

    for folder in (run_root() / suite.name).glob(f"*-{system}-*"):
        discard(folder)


def leaderboard(results, folder):
    """Macro-F1 of all folds together, mean over seeds, with what one training costs.

    Args:
        results, folder: As `run_suite` gives them.
    """
    import pandas as pd

    rows = results[(results.metric == "macro-f1") & (results.partition == "all")]
    table = rows.pivot_table(index="system", columns="condition", values="value")
    table = table[["complete", "no-audio", "no-video"]].sort_values("complete", ascending=False)
    cost = pd.read_csv(folder / "cost.csv").set_index("system")
    return table.assign(parameters=cost.parameters.astype("Int64"), seconds=cost.training_seconds)


@functools.cache
def _scratch() -> Path:
    """A folder that is there until the kernel ends."""
    folder = tempfile.mkdtemp(prefix="lesson-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def _quietly():
    """Swallows lines that report seconds: the outputs of lessons are compared."""
    return contextlib.redirect_stdout(io.StringIO())
