"""What a lesson begins and ends with, and where it gets its data.

Lessons share one corpus and its feature stores, made once under `data/` and reused: `make course` does it before the first
lesson runs. `AUXFORMER_DATA` names another folder.
"""

import contextlib
import io
import os
import platform
import time
from importlib.metadata import version
from pathlib import Path

from auxformer.course.lessons import project_root
from auxformer.errors import InputError

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
    """Print whether a statement holds, for what is true on every machine while its digits differ."""
    print(f"{'yes' if holds else 'no'}: {statement}")


def versions(seed: int = 0) -> None:
    """Print what a result may depend on: versions, seed, device, threads, and the seconds since `begin`."""
    import torch

    device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "CPU"
    names = ("auxformer", "torch", "numpy", "pandas", "scikit-learn", "opensmile")
    print(f"Python {platform.python_version()}, " + ", ".join(f"{name} {version(name)}" for name in names))
    print(f"seed {seed}, {device}, {torch.get_num_threads()} threads, {time.perf_counter() - _started:.0f} s")


def data_root() -> Path:
    """The folder of corpora and feature stores: `AUXFORMER_DATA`, or `data/` of the project, or else of the current folder."""
    if os.environ.get("AUXFORMER_DATA"):
        return Path(os.environ["AUXFORMER_DATA"])
    try:
        return project_root() / "data"
    except InputError:  # a lesson alone, as in Colab
        return Path("data").absolute()


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


def corpus_folder(size: str = "course", seed: int = 0, binding: float = 0.0) -> Path:
    """Where the puppets of this size, seed and binding lie: `corpora/puppets-course-0`, or `...-bound30` for .3."""
    from auxformer.corpora import registry

    return registry.corpus_folder("puppets", size, seed, binding, data_root() / "corpora")


def open_corpus(size: str = "course", seed: int = 0, binding: float = 0.0, jobs: int = 2):
    """The puppets, generated when they are not there yet.

    Args:
        size: "tiny" (tests), "course" or "full".
        seed: Another seed, other puppets.
        binding: Share of clips whose voice and face are out of step.
        jobs: Processes for generating.
    """
    from auxformer.corpora import make_corpus, read_corpus

    folder = corpus_folder(size, seed, binding)
    if not (folder / "truth.csv").exists():  # written last
        with _quietly():
            make_corpus("puppets", folder, size, seed, binding, jobs)
    return read_corpus(folder, "puppets")


def open_store(corpus, spec: str, jobs: int = 2):
    """The feature store of a corpus for an extractor ("lld", "logmel", "hog"), extracted when it is not there yet."""
    from auxformer.features import create_extractor
    from auxformer.features.extract import extract, store_folder

    extractor = create_extractor(spec)
    with _quietly():
        return extract(corpus, extractor, store_folder(feature_root(), corpus, extractor), jobs=jobs)


def open_task(corpus, audio: str = "lld", video: str = "hog", target: str = "audiovisual", rule: str = "majority"):
    """A corpus with its feature stores and its targets, ready to be split (`auxformer.benchmark.run.Task`)."""
    from auxformer.benchmark import run as benchmark
    from auxformer.config import override, preset

    config = override(preset("default"), {"data": {"target": target, "rule": rule}})
    with _quietly():
        return benchmark.prepare(corpus.name, corpus.root, audio, video, config, feature_root())


def prepare(size: str = "course", seed: int = 0, jobs: int = 2) -> None:
    """Make the corpus and the feature stores that the lessons share; what stands and is up to date is kept."""
    from auxformer.corpora import make_corpus, read_corpus
    from auxformer.features import create_extractor
    from auxformer.features.extract import extract, store_folder

    folder = make_corpus("puppets", corpus_folder(size, seed), size, seed, jobs=jobs)
    corpus = read_corpus(folder, "puppets")
    for spec in ("lld", "hog"):
        extractor = create_extractor(spec)
        extract(corpus, extractor, store_folder(feature_root(), corpus, extractor), jobs=jobs)


def _quietly():
    """Swallows lines that report seconds: the outputs of lessons are compared."""
    return contextlib.redirect_stdout(io.StringIO())
