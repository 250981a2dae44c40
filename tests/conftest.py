"""What several test files share: a tiny task in memory, with stores that need no disk."""

import os
import shutil

import numpy as np
import pandas as pd
import pytest

from auxformer.config import override, preset
from auxformer.data.split import Split, make_split
from auxformer.files import locked, make_folder


class MemoryStore:
    """Looks like a FeatureStore, holds arrays."""

    def __init__(self, name: str, arrays: dict[str, np.ndarray]):
        self.name, self.arrays = name, arrays
        self.dims = next(iter(arrays.values())).shape[1]
        self.digest = name

    def __contains__(self, clip):
        return clip in self.arrays

    def __getitem__(self, clip):
        return self.arrays[clip]

    @property
    def clips(self):
        return list(self.arrays)

    @property
    def lengths(self):
        return {clip: len(frames) for clip, frames in self.arrays.items()}


CLASSES = ("angry", "happy", "sad")


def make_task(speakers: int = 9, per_class: int = 4, seed: int = 0):
    """Stores, clips table, targets: class k raises feature k of both streams; lengths vary."""
    rng = np.random.default_rng(seed)
    audio, video, rows, labels = {}, {}, [], []
    for speaker in range(speakers):
        for k, name in enumerate(CLASSES):
            for take in range(per_class):
                clip = f"{speaker:02d}-{name}-{take}"
                audio[clip] = rng.normal(size=(rng.integers(9, 30), 5)).astype(np.float32)
                video[clip] = rng.normal(size=(rng.integers(5, 12), 4)).astype(np.float32)
                audio[clip][:, k] += 1.5
                video[clip][:, k] += 1.5
                rows.append((clip, f"{speaker:02d}"))
                labels.append(np.eye(len(CLASSES))[k])
    clips = pd.DataFrame(rows, columns=["clip", "speaker"]).set_index("clip")
    targets = pd.DataFrame(labels, index=clips.index, columns=list(CLASSES))
    return MemoryStore("audio", audio), MemoryStore("video", video), clips, targets


class SpeakerSplit:
    """The three speaker lists of a partition."""

    name = "toy"
    train = tuple(f"{i:02d}" for i in range(5))
    dev = ("05", "06")
    test = ("07", "08")


@pytest.fixture(scope="session")
def splits() -> Split:
    audio, video, clips, targets = make_task()
    return make_split(audio, video, targets, clips.speaker, SpeakerSplit)


@pytest.fixture
def small_config():
    """Our default preset, small enough for tests."""
    model = {"width": 8, "heads": 2, "layers": 1, "aux_hidden": [12, 10], "audio_pool": 2, "video_pool": 1}
    return override(preset("default"), {"model": model, "training": {"epochs": 2, "batch_size": 16, "device": "cpu"}})


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory):
    """A folder of this test session that the workers of pytest-xdist have in common."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # of this session; without workers the parent belongs to every session
    return make_folder(base / "shared")


@pytest.fixture(scope="session")
def tiny_corpus(shared_folder):
    """Folder of the tiny embedded corpus, made once for all workers."""
    from auxformer.puppets import generate

    root = shared_folder / "puppets"
    with locked(shared_folder):  # one worker makes it, the others wait
        return root if (root / "truth.csv").exists() else generate(root, size="tiny", seed=0)


@pytest.fixture(scope="session")
def few(tiny_corpus, tmp_path_factory):
    """A corpus of twelve clips of two puppets, not to be changed: for what takes its time with each clip."""
    root = tmp_path_factory.mktemp("few") / "corpus"
    shutil.copytree(tiny_corpus, root)
    for kind in ("AudioWAV", "VideoFlash"):
        for number, path in enumerate(sorted((root / kind).iterdir())):
            if number % 12:
                path.unlink()
    return root


@pytest.fixture(scope="session")
def tiny_puppets(shared_folder, tiny_corpus):
    """The tiny embedded corpus and its lld, logmel and hog features, made once for all workers: (root, features)."""
    from auxformer.data.task import Task

    features = shared_folder / "features"
    with locked(shared_folder):
        for audio in ("lld", "logmel"):
            Task(tiny_corpus, audio, "hog", data=features)
    return tiny_corpus, features


@pytest.fixture(scope="session")
def tiny_split(tiny_puppets):
    """The tiny puppets, divided by speaker."""
    from auxformer.data.task import Task

    root, features = tiny_puppets
    return Task(root, data=features, jobs=1).split(0)
