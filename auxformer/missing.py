"""Streams that go missing: modality dropout for training, missing-data conditions for testing.

Pure functions `Batch -> Batch`: nothing is edited in place. An absent stream keeps its shape, its features are zero and its
presence flag is False; what a network makes of that is the switch `ModelConfig.absent`.
"""

import torch

from auxformer.config import suggest
from auxformer.dataset import Batch
from auxformer.errors import InputError

CONDITIONS = {
    "complete": "both streams, untouched",
    "no-audio": "the whole audio stream absent",
    "no-video": "the whole video stream absent",
}


def without(batch: Batch, audio: torch.Tensor, video: torch.Tensor) -> Batch:
    """The batch with some streams absent.

    Args:
        batch: Any batch.
        audio: `[B]` bool, True where the audio stream goes.
        video: `[B]` bool, True where the video stream goes.
    """
    return batch._replace(
        audio=batch.audio.masked_fill(audio[:, None, None], 0.0),  # [B, Ta, Da]
        video=batch.video.masked_fill(video[:, None, None], 0.0),  # [B, Tv, Dv]
        audio_present=batch.audio_present & ~audio,
        video_present=batch.video_present & ~video,
    )


def apply_condition(batch: Batch, condition: str) -> Batch:
    """The batch under a missing-data condition; "complete" returns it as it is.

    Raises:
        InputError: for a condition that does not exist.
    """
    if condition not in CONDITIONS:
        raise InputError(f'unknown condition "{condition}".{suggest(condition, CONDITIONS)}')
    if condition == "complete":
        return batch
    everything = torch.ones_like(batch.audio_present)
    nothing = torch.zeros_like(batch.audio_present)
    return without(batch, everything, nothing) if condition == "no-audio" else without(batch, nothing, everything)


def modality_dropout(
    batch: Batch, drop_audio: float, drop_video: float, unit: str = "clip", generator: torch.Generator | None = None
) -> Batch:
    """Remove the audio stream with probability `drop_audio`, else the video stream with `drop_video`; never both.

    Args:
        batch: A training batch.
        drop_audio: Probability in 0..1.
        drop_video: Probability in 0..1; `drop_audio + drop_video <= 1`.
        unit: "clip" draws for each clip, "batch" draws once for all of them (the authors' code).
        generator: Source of the draw, on the CPU.
    """
    count = len(batch.clips) if unit == "clip" else 1
    draw = torch.rand(count, generator=generator).to(batch.audio.device).expand(len(batch.clips))  # [B]
    lose_audio = draw < drop_audio
    lose_video = (draw >= drop_audio) & (draw < drop_audio + drop_video)
    # A clip that has only one stream keeps it: losing both would leave nothing to learn from.
    return without(batch, lose_audio & batch.video_present, lose_video & batch.audio_present)
