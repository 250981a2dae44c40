"""Training clips that really lack a stream: not for a batch, as modality dropout has it, but in every epoch."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from auxformer.config import TrainingConfig
from auxformer.errors import InputError
from auxformer.seeds import seed_of

STREAMS = ("audio", "video")


class StoreWithout:
    """A feature store read as if some clips were not in it; what it is made from (`contents`, `digest`) stays the store's."""

    def __init__(self, store, lost: Iterable[str]):
        self.store, self.lost = store, frozenset(lost)

    @property
    def clips(self) -> list[str]:
        """The clips that are left."""
        return [clip for clip in self.store.clips if clip not in self.lost]

    @property
    def lengths(self) -> dict[str, int]:
        """Frames of each clip that is left."""
        return {clip: frames for clip, frames in self.store.lengths.items() if clip not in self.lost}

    def __len__(self) -> int:
        return len(self.clips)

    def __contains__(self, clip: str) -> bool:
        return clip not in self.lost and clip in self.store

    def __getitem__(self, clip: str) -> np.ndarray:
        """Features `[T, D]` of a clip. Raises `InputError` for one that lacks them."""
        if clip in self.lost:
            raise InputError(f"{clip}: lacks this stream in training; its {self.name} features must not be read.")
        return self.store[clip]

    def __getattr__(self, name: str):
        """Everything else is the store's."""
        if name == "store":  # while it is being unpickled
            raise AttributeError(name)
        return getattr(self.store, name)


def lost_clips(clips: Sequence[str], audio: float, video: float, seed: int) -> dict[str, list[str]]:
    """Stream -> the clips that lack it: these shares of the clips, to the nearest clip, and never both of one clip.

    The seed and the clips' names put the clips in an order, from whose ends the audio and the video are taken. So the order in
    which they come changes nothing, and who lacks a stream at a small share lacks it at every larger one.

    >>> lost_clips(["a", "b", "c", "d"], 0.25, 0.5, seed=0)
    {'audio': ['a'], 'video': ['c', 'b']}
    """
    order = sorted(clips, key=lambda clip: seed_of("lacking", seed, clip))
    first = round(audio * len(order))
    last = min(round(video * len(order)), len(order) - first)
    return {"audio": order[:first], "video": order[len(order) - last :]}


def as_trained(split, settings: TrainingConfig):
    """The split as training with these settings has it: video frames in their order, training clips that lack a stream.

    Dev and test keep the streams that they have. Features are standardised by what training has: a clip that lacks its video
    tells nothing of what faces look like. Of a split that is so already nothing more is taken away.

    Args:
        split: A `data.split.Split`.
        settings: Of which video_order, missing_audio, missing_video (shares of the training clips with both streams) and seed
            count.

    Raises:
        InputError: no training clip would be left with a stream, or none has both.
    """
    train, changes = split.train, {"video_order": settings.video_order}
    whole = {stream: _whole(getattr(train, stream)) for stream in STREAMS}
    both = [clip for clip in train.clips if all(clip in store for store in whole.values())]
    lost = lost_clips(both, settings.missing_audio, settings.missing_video, settings.seed)
    stores = {}
    for stream in STREAMS:
        share = getattr(settings, f"missing_{stream}")
        if share:
            stores[stream] = StoreWithout(whole[stream], lost[stream])
            left = [clip for clip in train.clips if clip in stores[stream]]
            if not both or not left:
                few = f"no training clip would be left with {stream}" if both else "no training clip has both streams"
                raise InputError(f"training.missing_{stream} is {share}: {few}.")
            changes[f"{stream}_normalizer"] = getattr(train, f"{stream}_normalizer").fit(stores[stream], left)
    parts = {"dev": split.dev.with_(**changes), "test": split.test.with_(**changes)}
    return replace(split, train=train.with_(**stores, **changes), **parts)


def _whole(store):
    return store.store if isinstance(store, StoreWithout) else store
