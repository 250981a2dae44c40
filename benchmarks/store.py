"""A feature store of the size of CREMA-D: opening it, and an epoch over it against one from memory.

    python benchmarks/store.py [--clips 7442] [--folder FOLDER] [--out store.json]

Writes two stores of random features (130 at 100 Hz, 50 at 25 Hz, clips of 1.5 to 4 s) into a folder that is removed again.
An epoch draws bucketed batches of 32 and collates them. The two contestants alternate; medians over the rounds.
"""

import argparse
import json
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from auxformer.data.batch import BucketSampler, collate
from auxformer.data.split import ClipDataset
from auxformer.data.normalise import Normalizer
from auxformer.features.store import Extracted, FeatureStore, Source

SIZES = {"audio": (130, 100), "video": (50, 25)}


class Described:
    """What a store wants to know of an extractor."""

    def __init__(self, modality: str):
        self.name, self.modality = f"random-{modality}", modality
        self.dims, self.frames_per_second = SIZES[modality]

    def digest(self) -> str:
        return "00000000"


class InMemory(dict):
    """A store whose features are arrays of their own."""

    def __init__(self, store: FeatureStore):
        super().__init__({clip: np.array(store[clip]) for clip in store.clips})
        self.dims, self.name, self.digest = store.dims, store.name, store.digest


def write(folder: Path, modality: str, seconds: np.ndarray) -> Path:
    """A store of random features."""
    extractor, rng = Described(modality), np.random.default_rng(0)
    store = FeatureStore.prepare(folder / modality, extractor)
    hand = []
    for number, length in enumerate(seconds):
        frames = rng.standard_normal((round(length * extractor.frames_per_second), extractor.dims)).astype(np.float32)
        hand.append(Extracted(f"clip{number:05d}", frames, extractor.frames_per_second, Source("", 0, 0, "")))
        if len(hand) == 512 or number == len(seconds) - 1:
            store.append(hand)
            hand = []
    return folder / modality


def epoch(stores, targets: pd.DataFrame) -> float:
    """Seconds that an epoch of bucketed batches takes."""
    normalizers = [Normalizer(np.zeros(store.dims, np.float32), np.ones(store.dims, np.float32)) for store in stores]
    dataset = ClipDataset(*stores, targets, *normalizers)
    sampler = BucketSampler(dataset.lengths, 32, 0)
    started = time.perf_counter()
    for indices in sampler:
        collate([dataset[index] for index in indices])
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=7442)
    parser.add_argument(
        "--folder", help="where the stores are written for a while (2.5 GB for 7,442 clips is not exceeded)"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", help="JSON file to write")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(dir=arguments.folder))
    try:
        seconds = np.random.default_rng(1).uniform(1.5, 4, arguments.clips)
        paths = [write(folder, modality, seconds) for modality in SIZES]
        opening = []
        for _ in range(arguments.rounds):
            started = time.perf_counter()
            mapped = [FeatureStore.open(path) for path in paths]
            opening.append(time.perf_counter() - started)
        memory = [InMemory(store) for store in mapped]
        targets = pd.DataFrame({"a": 1.0, "b": 0.0}, index=mapped[0].clips)
        times = {"mapped": [], "memory": []}
        for _ in range(arguments.rounds + 1):
            for name, stores in (("mapped", mapped), ("memory", memory)):
                times[name].append(epoch(stores, targets))
        medians = {name: statistics.median(values[1:]) for name, values in times.items()}  # the first round warms up
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        result = {
            "clips": arguments.clips,
            "gigabytes": round(size / 1e9, 2),
            "opening_two_stores_ms": round(1000 * statistics.median(opening), 1),
            "epoch_mapped_s": round(medians["mapped"], 2),
            "epoch_mapped_over_memory": round(medians["mapped"] / medians["memory"], 3),
        }
    finally:
        shutil.rmtree(folder)
    print("\n".join(f"{key:<28}{value}" for key, value in result.items()))
    if arguments.out:
        Path(arguments.out).write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
