"""Features of each speaker on that speaker's own scale: what is left is how somebody differs from how they usually are."""

import hashlib
from collections.abc import Callable, Mapping

import numpy as np

from auxformer.features.base import settings_digest

FEWEST = 10
"""Clips of a speaker below which their own scale is not known well enough to be used."""


class SpeakerStore:
    """A feature store read so that every speaker's clips are standardised by all of that speaker's clips, without labels.

    This uses other clips of the test speakers, which a system that meets somebody for the first time does not have; so its
    name says so, and with it the report and every row of results.

    Args:
        store: A feature store.
        speakers: Clip -> speaker.
        fit: From a store and clips to a function that standardises frames `[T, D]`: `Normalizer.fit`.
    """

    def __init__(self, store, speakers: Mapping[str, str], fit: Callable):
        self.store, self._speakers, self._fit = store, speakers, fit
        self.name = f"{store.name}-by-speaker" if store.name else ""  # a stream that no clip has stays nameless
        self.modality, self.dims = store.modality, store.dims
        self.digest = by_speaker_digest(store.digest)
        self._clips_of: dict[str, list[str]] = {}
        for clip in store.clips:
            self._clips_of.setdefault(speakers[clip], []).append(clip)
        self._scales: dict[str, Callable] = {}

    @property
    def contents(self) -> dict[str, str]:
        """Fingerprint of each clip's features: of the clip's own and of all that set the scale."""
        contents = self.store.contents
        of_speaker = {
            speaker: hashlib.sha256(" ".join(contents[clip] for clip in clips).encode()).hexdigest()[:10]
            for speaker, clips in self._clips_of.items()
        }
        return {clip: f"{content}-{of_speaker[self._speakers[clip]]}" for clip, content in contents.items()}

    def __len__(self) -> int:
        return len(self.store)

    def __contains__(self, clip: str) -> bool:
        return clip in self.store

    def __getitem__(self, clip: str) -> np.ndarray:
        """Features `[T, D]` float32 of a clip on its speaker's scale. Raises `InputError` when there are none."""
        speaker = self._speakers[clip]
        if speaker not in self._scales:
            self._scales[speaker] = self._fit(self.store, self._clips_of.get(speaker, ()))
        return self._scales[speaker](self.store[clip])

    def __getattr__(self, name: str):
        """Everything else is the store's: clips, lengths, rates, shares of faces, what was skipped."""
        if name == "store":  # while it is being unpickled
            raise AttributeError(name)
        return getattr(self.store, name)

    def __repr__(self) -> str:
        return f"SpeakerStore({self.store!r}, {len(self._clips_of)} speakers)"


def by_speaker_digest(digest: str) -> str:
    """The digest of a store of another digest, read by speaker."""
    return settings_digest("by speaker", digest)
