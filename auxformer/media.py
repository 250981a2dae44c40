"""From a media file to arrays and back: waveforms and frames, decoded and encoded by PyAV (FFmpeg inside).

Every function answers a file it cannot use with a `MediaError` of one sentence. Nothing else here opens media.
"""

import contextlib
import os
import wave
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from auxformer.errors import InputError, MediaError
from auxformer.files import LFS_POINTER, whole_file

# Only containers that hold media themselves: a playlist could make the decoder read other files.
CONTAINERS = "wav,w64,flac,mp3,mov,avi,flv,matroska,webm,ogg,aac,aiff,au,mpeg,mpegts,asf"
# Containers whose header states the length exactly, so that a file cut short can be told from a short one.
EXACT_LENGTH = {"wav", "flac", "mov,mp4,m4a,3gp,3g2,mj2"}
SHORTFALL = 0.1
"""Seconds that may be missing at the end of a stream before the file is called truncated (an AAC frame lasts 64 ms)."""
STREAMED = 0xFFFF_0000
"""Bytes from which a RIFF header says "unknown": the program that wrote it could not go back to fill it in."""
RATES = (1000, 768_000)
"""Hz of any sound there is; a damaged header can say 3, and resampling that would fill the memory."""
WAV_OPTIONS = {"probesize": "4096"}
"""A wav file says all about itself in its header: nothing to probe. Opening takes a tenth of the time."""

CHANNELS = 8
"""Most channels of a recording: the library cannot read the planes of more."""


def read_audio(path: str | os.PathLike, sampling_rate: int = 16000) -> np.ndarray:
    """Decode the first audio stream of a file (wav, flac, mp3, mp4, avi, flv).

    Args:
        path: File to read; a video file with sound will do.
        sampling_rate: Hz of the waveform returned; the file is resampled to it.

    Returns:
        Mono waveform `[samples]` float32 in -1..1; several channels are averaged.

    Raises:
        MediaError: The file is absent, damaged, cut short, or has no sound.
    """
    if sampling_rate < 1:
        raise InputError(f"sampling_rate is {sampling_rate}, expected a positive number of Hz")
    with opened(path) as container:
        stream = first_stream(container, "audio", path)
        if not RATES[0] <= stream.rate <= RATES[1]:
            raise MediaError(
                f"{path}: has {stream.rate} samples per second, expected {RATES[0]} to {RATES[1]}; convert it"
            )
        channels = getattr(stream, "channels", 0)  # a header may hold any number, or one that the library cannot place
        if not 1 <= channels <= CHANNELS:
            raise MediaError(f"{path}: has {channels} channels, expected 1 to {CHANNELS}; convert it")
        if stream.rate == sampling_rate and stream.format.name == "s16" and channels == 1:
            chunks = [frame.to_ndarray()[0] / np.float32(32768) for frame in container.decode(stream)]
        else:
            resampler = av.AudioResampler(format="fltp", rate=sampling_rate)
            frames = (piece for frame in container.decode(stream) for piece in resampler.resample(frame))
            chunks = [frame.to_ndarray().mean(axis=0) for frame in frames]
            if chunks:
                chunks += [frame.to_ndarray().mean(axis=0) for frame in resampler.resample(None)]
        exact = container.format.name in EXACT_LENGTH and stream.duration
        announced = float(stream.duration * stream.time_base) if exact else 0.0  # seconds
    waveform = np.concatenate([np.empty(0), *chunks]).astype(np.float32)  # [samples]
    if not len(waveform):
        raise MediaError(f"{path}: its audio stream holds no samples; record or download the file again")
    if announced:
        if len(waveform) / sampling_rate < announced - SHORTFALL:
            raise MediaError(
                f"{path}: holds {len(waveform) / sampling_rate:.2f} of the {announced:.2f} s its header announces (cut "
                "short); download it again"
            )
        waveform = waveform[: round(announced * sampling_rate)]  # AAC fills up its last frame with silence
    if not np.isfinite(waveform).all():
        raise MediaError(f"{path}: its waveform holds values that are not numbers; export the file again")
    return np.clip(waveform, -1, 1, out=waveform)


def read_frames(
    path: str | os.PathLike, size: tuple[int, int] | None = None, grey: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Decode the first video stream of a file, every frame, upright as the file says, in the order in which they are shown.

    Args:
        path: File to read.
        size: (height, width) in pixels to scale every upright frame to while decoding; None keeps the file's own.
        grey: Return brightness only; several times faster than colour.

    Returns:
        frames: uint8 `[T, height, width, 3]` (RGB), or `[T, height, width]` with `grey`.
        times: float64 `[T]`, seconds from the start of the file, increasing; uneven when the frame rate varies.

    Raises:
        MediaError: The file is absent, damaged, cut short, or has no picture.
    """
    pictures, stamps = [], []
    with opened(path) as container:
        stream = first_stream(container, "video", path)
        begin = (container.start_time or 0) / av.time_base
        convert = VideoReformatter()  # one for all frames: each frame's own would be set up anew
        for frame in container.decode(stream):
            turns = round(frame.rotation / 90) % 4  # a phone held upright stores the picture lying, and says so
            size = size or ((frame.width, frame.height) if turns % 2 else (frame.height, frame.width))
            height, width = size[::-1] if turns % 2 else size
            picture = convert.reformat(frame, width, height, "gray" if grey else "rgb24")
            pictures.append(np.rot90(picture.to_ndarray(), turns))
            stamps.append(frame.time)
        if not pictures:
            raise MediaError(f"{path}: its video stream holds no frames; record or download the file again")
        if None in stamps:  # some AVI files carry no timestamps
            rate = float(stream.average_rate or 25)
            stamps, begin = [i / rate for i in range(len(stamps))], 0.0
    times = np.array(stamps, dtype=np.float64) - begin  # [T]
    order = np.argsort(times, kind="stable")
    return np.stack([pictures[i] for i in order]), times[order]


def duration(path: str | os.PathLike) -> float:
    """Length of a media file in seconds, from its header where the header says so, else by decoding it."""
    with opened(path) as container:
        if container.duration:
            return container.duration / av.time_base
        has_audio = bool(container.streams.audio)
    if has_audio:
        return len(read_audio(path)) / 16000
    _, times = read_frames(path, grey=True)
    return float(times[-1] - times[0])


def frame_rate(path: str | os.PathLike) -> float:
    """Average frames per second of the first video stream, as its header says; 25 when it says nothing."""
    with opened(path) as container:
        return float(first_stream(container, "video", path).average_rate or 25)


def explain_damage(path: str | os.PathLike) -> str | None:
    """A sentence on why a file cannot hold media (absent, a folder, empty, a Git-LFS pointer), or None.

    Reads a few bytes only: a file that passes may still turn out to be damaged when it is decoded.
    """
    path = Path(path)
    if not path.exists():
        return f"{path}: there is no such file; check the path"
    if not path.is_file():
        kind = "a folder" if path.is_dir() else "no plain file"
        return f"{path}: expected a media file, but this is {kind}; give the path of one file"
    try:
        with path.open("rb") as file:
            start = file.read(len(LFS_POINTER))
            size = os.fstat(file.fileno()).st_size
            boxes = _end_of_boxes(file, size) if start[4:8] == b"ftyp" else size
    except OSError as error:
        return f"{path}: cannot be read ({error.strerror}); check its permissions"
    if not start:
        return f"{path}: the file is empty (0 bytes); download it again"
    if start == LFS_POINTER:
        return f"{path}: this is a Git-LFS pointer, not the media; run `git lfs pull` in the folder it came from"
    # wav and avi say how long they are; some writers forget the padding byte at the end
    announced = int.from_bytes(start[4:8], "little") + 8
    if start[:4] == b"RIFF" and announced < STREAMED and size < announced - 1:
        return f"{path}: holds {size} of the {announced} bytes its header announces (cut short); download it again"
    if boxes > size:  # mp4
        return f"{path}: holds {size} of the {boxes} bytes its boxes announce (cut short); download it again"
    return None


def _end_of_boxes(file, size: int) -> int:
    """Where the last box of an mp4 file ends, by the lengths that the boxes state themselves."""
    place = 0
    while place + 8 <= size:
        file.seek(place)
        head = file.read(16)
        length = int.from_bytes(head[:4], "big")
        if length == 1:  # the length did not fit and stands behind the name
            length = int.from_bytes(head[8:16], "big")
        if length < 8:  # 0 = to the end of the file; anything else is for the decoder to judge
            return size
        place += length
    return place


def write_wav(path: str | os.PathLike, waveform: np.ndarray, sampling_rate: int) -> None:
    """Write a mono waveform `[samples]` in -1..1 as 16-bit PCM; values beyond are clipped. Whole file or none."""
    waveform = _checked_waveform(waveform)
    with whole_file(path) as part, part.open("wb") as raw, wave.open(raw, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sampling_rate)
        file.writeframes(np.round(waveform * 32767).astype("<i2").tobytes())


def write_video(
    path: str | os.PathLike,
    frames: np.ndarray,
    frames_per_second: float,
    waveform: np.ndarray | None = None,
    sampling_rate: int = 16000,
) -> None:
    """Write frames, and sound if there is any, as an mp4 file (H.264, AAC mono). Atomic: whole file or none.

    The same input gives the same bytes: one encoder thread, no dates, no encoder names.

    Args:
        path: File to write; its folder must exist.
        frames: uint8 `[T, height, width, 3]` RGB; height and width even, as H.264 wants them.
        frames_per_second: Constant frame rate in Hz.
        waveform: float `[samples]` in -1..1, or None for a silent film.
        sampling_rate: Hz of the waveform.
    """
    frames = np.asarray(frames)
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8 or not len(frames):
        raise InputError(
            f"{path}: frames have shape {frames.shape} and type {frames.dtype}, expected uint8 [T, H, W, 3]"
        )
    if frames.shape[1] % 2 or frames.shape[2] % 2:
        raise InputError(
            f"{path}: frames are {frames.shape[1]} x {frames.shape[2]} pixels, expected even numbers for H.264"
        )
    if waveform is not None:
        waveform = _checked_waveform(waveform)
    with whole_file(path) as part, av.open(str(part), "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        rate = Fraction(frames_per_second).limit_denominator(1001)
        # without mbtree=0 libx264 gives other bytes every few runs, even in one thread
        settings = {"preset": "veryfast", "crf": "26", "x264-params": "mbtree=0"}
        video = container.add_stream("libx264", rate=rate, options=settings)
        video.height, video.width = frames.shape[1:3]
        video.pix_fmt = "yuv420p"
        video.codec_context.thread_count = 1  # callers run one process per core
        video.codec_context.flags |= av.codec.context.Flags.bitexact
        sound = None if waveform is None else _add_sound(container, sampling_rate)
        for picture in frames:
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(video.encode(None))
        if sound is not None:
            _encode_sound(container, sound, waveform, sampling_rate)


def _add_sound(container, sampling_rate: int):
    sound = container.add_stream("aac", rate=sampling_rate, layout="mono")
    sound.bit_rate = 64000
    sound.codec_context.flags |= av.codec.context.Flags.bitexact
    return sound


def _encode_sound(container, sound, waveform: np.ndarray, sampling_rate: int) -> None:
    frame = av.AudioFrame.from_ndarray(waveform[None].astype(np.float32), format="fltp", layout="mono")  # [1, samples]
    frame.sample_rate = sampling_rate
    frame.pts = 0
    frame.time_base = Fraction(1, sampling_rate)
    fifo = av.AudioFifo()  # the encoder takes frames of its own size
    fifo.write(frame)
    for piece in fifo.read_many(sound.codec_context.frame_size or 1024, partial=True):
        container.mux(sound.encode(piece))
    container.mux(sound.encode(None))


def _checked_waveform(waveform: np.ndarray) -> np.ndarray:
    waveform = np.asarray(waveform, dtype=np.float64)
    if waveform.ndim != 1 or not len(waveform) or not np.isfinite(waveform).all():
        raise InputError(f"the waveform has shape {waveform.shape}, expected finite numbers [samples] in -1..1")
    return np.clip(waveform, -1, 1)


@contextlib.contextmanager
def opened(path: str | os.PathLike) -> Iterator[av.container.InputContainer]:
    """The file, open for decoding; whatever goes wrong inside the block becomes a `MediaError`."""
    if reason := explain_damage(path):
        raise MediaError(reason)
    try:
        options = {"format_whitelist": CONTAINERS, "protocol_whitelist": "file"}
        if str(path).lower().endswith(".wav"):
            options |= WAV_OPTIONS
        with av.open(f"file:{os.fspath(path)}", options=options, metadata_errors="ignore") as container:
            yield container
    except MediaError:
        raise
    except (av.FFmpegError, OSError, EOFError, ValueError, IndexError, MemoryError) as error:  # PyAV raises them all
        raise MediaError(
            f"{path}: cannot be decoded ({getattr(error, 'strerror', None) or error}), expected a complete audio or "
            "video file; it is damaged or not media, so download it again"
        ) from error


def first_stream(container, kind: str, path):
    streams = getattr(container.streams, kind)
    if not streams:
        others = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        raise MediaError(
            f"{path}: has no {kind} stream (it holds {others}); use a file with {kind} or leave the modality out"
        )
    if streams[0].codec_context is None:
        raise MediaError(f"{path}: its {kind} is in a format that cannot be decoded; download it again or convert it")
    streams[0].codec_context.thread_count = 1  # extraction runs one process per core
    return streams[0]
