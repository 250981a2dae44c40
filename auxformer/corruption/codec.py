"""Through a codec and back, in memory: what a film and a voice are after they were stored or sent with few bits."""

import io
import math
from fractions import Fraction

import av
import numpy as np

ENCODER = {"preset": "veryfast", "x264-params": "mbtree=0"}
"""As in `media.write_video`: the same pictures give the same bytes."""


def recode_pictures(frames: np.ndarray, frames_per_second: float, crf: int) -> np.ndarray:
    """uint8 `[T, H, W, 3]`, height and width even, after H.264 at a constant rate factor of `crf` (0 lossless to 51 worst)."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        rate = Fraction(frames_per_second).limit_denominator(1001)
        stream = container.add_stream("libx264", rate=rate, options={**ENCODER, "crf": str(crf)})
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        for picture in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    with av.open(io.BytesIO(file.getvalue())) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def recode_sound(waveform: np.ndarray, sampling_rate: int, bit_rate: int, coded_rate: int | None = None) -> np.ndarray:
    """`[samples]` after AAC at `bit_rate` bits per second, at the same length and place in time; turned down where it would clip.

    Args:
        waveform: In -1..1.
        sampling_rate: Hz.
        bit_rate: The encoder does what it can below 8,000.
        coded_rate: Hz at which the sound is stored, as the waveform when None; half of it is the highest tone left.
    """
    coded_rate = coded_rate or sampling_rate
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=coded_rate, layout="mono")
        stream.bit_rate = bit_rate
        plain = _at_rate(waveform, sampling_rate, coded_rate)
        frame = av.AudioFrame.from_ndarray(plain[None], format="fltp", layout="mono")  # [1, samples]
        frame.sample_rate, frame.pts, frame.time_base = coded_rate, 0, Fraction(1, coded_rate)
        pieces = av.AudioFifo()  # the encoder takes frames of its own size
        pieces.write(frame)
        for piece in pieces.read_many(stream.codec_context.frame_size or 1024, partial=True):
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    with av.open(io.BytesIO(file.getvalue())) as container:
        decoded = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    decoded = _at_rate(decoded, coded_rate, sampling_rate)[: len(waveform)]  # the last frame is filled up with silence
    decoded = np.pad(decoded, (0, len(waveform) - len(decoded)))
    return decoded / max(1.0, float(np.abs(decoded).max()) / 0.99)


def _at_rate(waveform: np.ndarray, rate: int, other: int) -> np.ndarray:
    from scipy.signal import resample_poly

    if rate == other:
        return waveform.astype(np.float32)
    common = math.gcd(rate, other)
    return resample_poly(waveform, other // common, rate // common, window=("kaiser", 9.0)).astype(np.float32)
