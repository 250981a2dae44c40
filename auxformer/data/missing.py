"""Streams that go missing: modality dropout for training, missing-data conditions for testing.

Pure functions `Batch -> Batch`: nothing is edited in place. An absent stream keeps its shape, its features are zero and its
presence flag is False; what a network makes of that is the switch `ModelConfig.absent`.
"""

from collections.abc import Iterable

import numpy as np
import torch

from auxformer.data.batch import Batch
from auxformer.errors import InputError, check_choice, suggest
from auxformer.seeds import seed_of

CONDITIONS = {
    "complete": "both streams, untouched",
    "no-audio": "the whole audio stream absent",
    "no-video": "the whole video stream absent",
}
"""What is scored unless more is asked for."""

SHARES = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Shares of frames lost in the protocol."""

LOSSES = {
    "single": ("", "each on its own"),
    "gap": ("-gap", "in one gap cut out"),
    "window": ("-window", "all but one window"),
}
"""How frames are lost -> the ending of the condition's name, and in words. What a gap spares lies at both ends of the clip."""


def frame_conditions(stream: str, kind: str = "single") -> dict[float, str]:
    """Share of the frames lost -> name of the condition: one curve, of "audio", "video" or "both" and one of `LOSSES`."""
    return {share: f"{stream}-frames-{share}{LOSSES[kind][0]}" for share in SHARES}


FRAME_CONDITIONS = {
    name: f"{share:.0%} of the frames of {streams} lost, {LOSSES[kind][1]}"
    for stream, streams in (("audio", "audio"), ("video", "video"), ("both", "both streams"))
    for kind in LOSSES
    for share, name in frame_conditions(stream, kind).items()
}
"""Conditions at the level of frames."""

PROTOCOL = CONDITIONS | FRAME_CONDITIONS
"""Every condition that works on features (the media-level ones are corpora of their own)."""

GROUPS = {"basic": list(CONDITIONS), "frames": list(FRAME_CONDITIONS), "all": list(PROTOCOL)} | {
    f"{stream}-frames": list(frame_conditions(stream).values()) for stream in ("audio", "video", "both")
}
"""Words that stand for several conditions."""


def conditions_of(names: str | Iterable[str], others: Iterable[str] = ()) -> list[str]:
    """Names of conditions, each once, with groups written out: "basic" -> complete, no-audio, no-video.

    Raises:
        InputError: for a name that is neither a condition, nor one of `GROUPS`, nor among the `others`.
    """
    found = []
    for name in [names] if isinstance(names, str) else names:
        if name not in PROTOCOL and name not in GROUPS and name not in others:
            raise InputError(f'unknown condition "{name}".{suggest(name, [*PROTOCOL, *GROUPS])}')
        found += GROUPS.get(name, [name])
    return list(dict.fromkeys(found))


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

    What a clip loses depends on its name and on the condition, never on the system that is tested, on the other clips of the
    batch or on the order of calls.

    Raises:
        InputError: for a condition that does not exist.
    """
    if condition not in PROTOCOL:
        raise InputError(f'unknown condition "{condition}".{suggest(condition, PROTOCOL)}')
    if condition == "complete":
        return batch
    if condition in FRAME_CONDITIONS:
        stream, _, share, *kind = condition.split("-")
        for name in ("audio", "video") if stream == "both" else (stream,):
            batch = lose_frames(batch, name, float(share), *kind or ["single"], key=condition)
        return batch
    every = torch.ones_like(batch.audio_present)
    return without(batch, audio=every & (condition == "no-audio"), video=every & (condition == "no-video"))


def lose_frames(batch: Batch, stream: str, share: float, kind: str = "single", key: str = "") -> Batch:
    """The batch with frames of one stream lost: zero, and no longer valid in its mask.

    A clip loses each frame with probability `share`; or one gap of that share at a random place; or all but one window of the
    other frames at a random place. A stream that loses all its frames is absent.

    Args:
        batch: Any batch.
        stream: "audio" or "video".
        share: 0 (the batch as it is) to 1.
        kind: One of `LOSSES`.
        key: Named with the clip and the stream in the seed of the draw, so that different conditions draw differently.

    Raises:
        InputError: a share outside 0..1, another stream or kind.
    """
    check_choice("kind", kind, LOSSES)
    if not 0 <= share <= 1 or stream not in ("audio", "video"):
        raise InputError(f'{share} of the frames of "{stream}": expected a share in 0..1 of "audio" or "video".')
    if share == 0:
        return batch
    mask = getattr(batch, f"{stream}_mask").cpu().numpy()  # [B, T]
    kept = mask.copy()
    for row, clip in enumerate(batch.clips):
        rng = np.random.default_rng(seed_of("condition", key, stream, clip))
        places = np.flatnonzero(mask[row])
        if kind == "single":
            lost = rng.random(len(places)) < share
        else:
            length = round((share if kind == "gap" else 1 - share) * len(places))
            start = rng.integers(len(places) - length + 1)
            lost = np.full(len(places), kind == "window")
            lost[start : start + length] = kind == "gap"
        kept[row, places[lost]] = False
    kept = torch.from_numpy(kept).to(batch.audio.device)
    present = getattr(batch, f"{stream}_present") & kept.any(1)
    features = getattr(batch, stream).masked_fill(~kept.unsqueeze(-1), 0.0)  # [B, T, D]
    return batch._replace(**{stream: features, f"{stream}_mask": kept, f"{stream}_present": present})


DROP_LAWS = {
    "either": "the audio stream with one probability, else the video stream with another, never both (AuxFormer)",
    "uniform": "both streams, audio alone or video alone, a third each (MMIN's patterns and the complete clip)",
    "soft": "complete, no audio, no video or c·audio beside (1 − c)·video, c in 0, .01 … .99, a quarter each (SFAV)",
    "frames": "every frame on its own, with one probability for audio and another for video (TFR-Net)",
}
"""What modality dropout takes away in training."""


def modality_dropout(
    batch: Batch, drop_audio: float, drop_video: float, unit: str = "clip", generator: torch.Generator | None = None,
    law: str = "either", fill: str = "absent",
) -> Batch:  # fmt: skip
    """A training batch from which streams were taken away at random. A clip keeps the only stream it has.

    Args:
        batch: A training batch.
        drop_audio, drop_video: Probabilities in 0..1, whose sum is at most 1; without effect on "uniform" and "soft".
        unit: "clip" draws for each clip, "batch" draws once for all of them (the authors' code).
        generator: Source of the draw, on the CPU.
        law: One of `DROP_LAWS`.
        fill: "absent", and the network is told so; or "noise" of the features' deviation, and it is not.
    """
    if law == "frames":
        return _drop_frames(batch, drop_audio, drop_video, generator, fill)
    count = len(batch.clips) if unit == "clip" else 1
    draw = torch.rand(count, generator=generator).to(batch.audio.device).expand(len(batch.clips))  # [B]
    if law == "soft":
        share = torch.randint(100, (count,), generator=generator).to(draw.device) / 100  # [B] or [1]
        mixed = (draw >= 0.75)[:, None, None]
        batch = batch._replace(
            audio=torch.where(mixed, batch.audio * share[:, None, None], batch.audio),
            video=torch.where(mixed, batch.video * (1 - share)[:, None, None], batch.video),
        )
    rates = {"either": (drop_audio, drop_video), "uniform": (1 / 3, 1 / 3), "soft": (0.25, 0.25)}[law]
    # A clip that has only one stream keeps it: losing both would leave nothing to learn from.
    lose_audio = (draw < rates[0]) & batch.video_present
    lose_video = (draw >= rates[0]) & (draw < sum(rates)) & batch.audio_present
    if fill == "absent":
        return without(batch, lose_audio, lose_video)
    return batch._replace(
        audio=_noise_where(lose_audio[:, None, None], batch.audio, generator),
        video=_noise_where(lose_video[:, None, None], batch.video, generator),
    )


def _drop_frames(batch: Batch, drop_audio: float, drop_video: float, generator, fill: str) -> Batch:
    changes = {}
    for stream, p in (("audio", drop_audio), ("video", drop_video)):
        features, mask = getattr(batch, stream), getattr(batch, f"{stream}_mask")
        lost = (torch.rand(mask.shape, generator=generator).to(mask.device) < p) & mask  # [B, T]
        lost &= (mask & ~lost).any(1, keepdim=True)  # a clip that would lose every frame loses none
        if fill == "noise":
            changes[stream] = _noise_where(lost.unsqueeze(-1), features, generator)
        else:
            changes[stream] = features.masked_fill(lost.unsqueeze(-1), 0.0)
            changes[f"{stream}_mask"] = mask & ~lost
    return batch._replace(**changes)


def _noise_where(lost: torch.Tensor, features: torch.Tensor, generator) -> torch.Tensor:
    noise = torch.randn(features.shape, generator=generator).to(features.device)
    return torch.where(lost, noise, features)
