"""Standardisation of features, fitted on the training clips only."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from auxformer.features.store import FeatureStore


@dataclass(frozen=True)
class Normalizer:
    """Per-dimension standardisation, `(x - mean) / deviation`, cut at +-`limit`.

    Fitted on the training clips only. Attributes mean and deviation are `[D]` float32.
    """

    mean: np.ndarray
    deviation: np.ndarray
    limit: float = 8.0

    @classmethod
    def fit(cls, store: FeatureStore, clips: Sequence[str]) -> "Normalizer":
        """Mean and standard deviation over all valid frames of the given (training) clips; without any, 0 and 1."""
        count, total, squares = 0, np.zeros(store.dims), np.zeros(store.dims)
        shift = np.nanmean(store[clips[0]], 0, dtype=np.float64) if clips else total  # keeps the sum of squares small, hence exact
        for clip in clips:
            frames = store[clip].astype(np.float64) - shift  # [T, D]
            frames = frames[~np.isnan(frames[:, 0])]
            count += len(frames)
            total = total + frames.sum(0)
            squares = squares + (frames**2).sum(0)
        mean = total / max(count, 1)
        variance = np.maximum(squares / max(count, 1) - mean**2, 0)
        deviation = np.where(variance > 1e-12, np.sqrt(variance), 1.0)  # a constant feature stays zero
        return cls((mean + shift).astype(np.float32), deviation.astype(np.float32))

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """Normalised frames `[T, D]` float32; one that is not valid stays NaN."""
        return np.clip((frames - self.mean) / self.deviation, -self.limit, self.limit).astype(np.float32)
