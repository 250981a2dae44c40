"""A voice by source and filter: pulses and noise, shaped by the resonances of a vocal tract that moves between sounds.

Everything slow (pitch, loudness, resonances) is a track with one value per 8 ms frame. The source is made sample by
sample, its short-time spectrum is multiplied by the filter of each frame, and the result is added up again.
"""

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.fft import irfft, rfft
from scipy.ndimage import convolve1d

from auxformer.puppets.prosody import LEVELS, Manner, Timing, Voice, hann, manner_of, melody, schedule, smooth
from auxformer.puppets.sentences import SOUNDS, STOPS

SAMPLING_RATE = 16000
FRAMES_PER_SECOND = 25
"""Rate of the mouth track, that of the video."""

HOP = 128
WINDOW = hann(4 * HOP + 1)[:-1].astype(np.float32)
"""Frames of 32 ms, one every 8 ms (`TRACK_RATE`)."""
FREQUENCIES = np.fft.rfftfreq(len(WINDOW), 1 / SAMPLING_RATE).astype(np.float32)  # [bins] Hz
HIGH_FORMANTS = (3500, 4500)
SOURCE_SLOPE = 9.0
"""Fall of the neutral source spectrum in dB per octave, lips included."""
LEVEL = 0.09
"""Overall gain; the loudest anger just reaches full scale."""
BACKGROUND = 4e-4
"""Amplitude of the room's noise, against a full scale of 1."""


class Speech(NamedTuple):
    """`waveform` float32 `[samples]` at 16 kHz in -1..1 and `mouth` `[T]`, opening of the lips 0..1 at 25/s."""

    waveform: np.ndarray
    mouth: np.ndarray


class Tracks(NamedTuple):
    """What the voice does, one value per frame: `times` [N] s, `pitch` [N] Hz, and so on; `formants` [N, 5] Hz."""

    times: np.ndarray
    pitch: np.ndarray
    loudness: np.ndarray
    brightness: np.ndarray
    voiced: np.ndarray
    noise: np.ndarray
    noise_centre: np.ndarray
    formants: np.ndarray


def speak(
    voice: Voice,
    sentence: str,
    emotion: str,
    level: str,
    duration: float,
    rng: np.random.Generator,
    in_step: bool = True,
) -> Speech:
    """Say a sentence.

    Args:
        voice: Whose voice.
        sentence: CREMA-D code, e.g. "IEO".
        emotion: The class that the voice shows.
        level: "LO", "MD", "HI" or "XX".
        duration: Length of the clip in s, silence included.
        rng: Random numbers of this clip.
        in_step: False puts the lips more than 300 ms before or after the voice.
    """
    intensity = np.clip(LEVELS[level] * voice.expressiveness * rng.normal(1, 0.06), 0.6, 1.4)
    manner = manner_of(emotion, intensity)
    timing = schedule(sentence, manner, duration, in_step, rng)
    tracks = plan(voice, manner, timing, rng)
    samples = round(duration * SAMPLING_RATE)
    waveform = synthesise(voice, manner, tracks, samples, rng)
    return Speech(waveform, mouth_opening(timing))


def plan(voice: Voice, manner: Manner, timing: Timing, rng: np.random.Generator) -> Tracks:
    """The tracks of one utterance."""
    times = frame_times(round(timing.duration * SAMPLING_RATE))  # [N]
    place, speaking = timing.place(times), timing.speaking(times)
    sounds = [SOUNDS[spoken.symbol] for spoken in timing.sounds]
    stop = np.array([spoken.symbol in STOPS for spoken in timing.sounds])[place]
    within = (times - timing.starts[place]) / (timing.ends - timing.starts)[place]  # [N] 0..1 inside a sound
    released = ~stop | (within > 0.55)  # a stop is silent until its burst
    voiced = np.array([sound.voiced for sound in sounds])[place] * speaking
    noise = np.array([sound.noise for sound in sounds])[place] * speaking * released
    formants = np.array([sound.formants + HIGH_FORMANTS for sound in sounds])[place]  # [N, 5]
    formants = smooth(formants, 0.07) * voice.tract
    formants[:, 0] *= manner.first_formant
    formants[:, 1] *= manner.second_formant
    tune = melody(manner, timing, times, rng)
    return Tracks(
        times=times,
        pitch=voice.pitch * 2 ** (tune.pitch / 12),
        loudness=voice.loudness + tune.loudness,
        brightness=voice.brightness + tune.brightness,
        voiced=smooth(voiced, 0.03),
        noise=smooth(noise, 0.02),
        noise_centre=np.array([sound.noise_centre for sound in sounds])[place] * voice.tract,
        formants=formants,
    )


def synthesise(voice: Voice, manner: Manner, tracks: Tracks, samples: int, rng: np.random.Generator) -> np.ndarray:
    """The waveform `[samples]` float32 that the tracks ask for."""
    pulses = spectra(glottal_pulses(tracks, manner, samples))  # [N, bins]
    strength = np.sqrt(np.mean(np.abs(pulses) ** 2) / 2)
    hiss = strength * rng.standard_normal((2, *pulses.shape), dtype=np.float32)
    hiss = hiss[0] + np.complex64(1j) * hiss[1]  # [N, bins], on average as strong as the pulses
    tract = tract_filter(tracks.formants, bandwidth=1 + 2 * manner.breath)  # [N, bins]
    slope = octaves_above(300) * _column(tracks.brightness - SOURCE_SLOPE)  # [N, bins] dB
    gain = LEVEL * 10 ** (tracks.loudness / 20)  # [N]
    breath = 0.15 * (manner.breath + voice.breath) * gain * tracks.voiced
    friction = 0.12 * gain * tracks.noise
    spectrum = tract * (pulses * 10 ** (slope / 20) * _column(gain * tracks.voiced) + hiss * _column(breath))
    spectrum += friction_band(tracks.noise_centre) * hiss * _column(friction)
    waveform = overlap_add(spectrum)[:samples]
    waveform = waveform + BACKGROUND * rng.standard_normal(samples, dtype=np.float32)
    return np.tanh(waveform)  # a microphone that saturates softly


def _column(track: np.ndarray) -> np.ndarray:
    return track.astype(np.float32)[:, None]  # [N] -> [N, 1], to be spread over the bins


def frame_times(samples: int) -> np.ndarray:
    """Middles `[N]` in s of all frames that touch a signal of so many samples."""
    count = -(-samples // HOP) + 3
    return (np.arange(count) - 1) * HOP / SAMPLING_RATE


def spectra(signal: np.ndarray) -> np.ndarray:
    """Short-time spectra `[N, bins]` (complex64) of a signal `[samples]`, at `frame_times`."""
    count = -(-len(signal) // HOP) + 3
    padded = np.zeros((count + 3) * HOP, dtype=np.float32)
    padded[3 * HOP : 3 * HOP + len(signal)] = signal
    return rfft(sliding_window_view(padded, len(WINDOW))[::HOP] * WINDOW, axis=1)  # [N, 4 * HOP] -> [N, bins]


def overlap_add(spectrum: np.ndarray) -> np.ndarray:
    """The signal of short-time spectra `[N, bins]`: the inverse of `spectra`, and a little longer."""
    pieces = irfft(spectrum, axis=1) * WINDOW / 1.5  # [N, 4 * HOP]; squared windows add up to 1.5
    signal = np.zeros((len(pieces) + 3, HOP), dtype=np.float32)
    for quarter in range(4):
        signal[quarter : quarter + len(pieces)] += pieces[:, quarter * HOP : (quarter + 1) * HOP]
    return signal.reshape(-1)[3 * HOP :]


def glottal_pulses(tracks: Tracks, manner: Manner, samples: int) -> np.ndarray:
    """Pulses `[samples]` of even spectrum and unit power at the pitch of the tracks.

    A pulse train without aliases is the sum of cos(n phase) over the harmonics below the Nyquist frequency, and that
    sum has a closed form (the Dirichlet kernel).
    """
    pitch = np.interp(np.arange(samples) / SAMPLING_RATE, tracks.times, tracks.pitch)
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLING_RATE
    harmonics = np.floor(0.48 * SAMPLING_RATE / pitch)
    half = np.sin(phase / 2)
    half = np.where(np.abs(half) < 1e-4, 1e-4, half)
    pulses = (np.sin((harmonics + 0.5) * phase) / half - 1) / 2
    every_other = 1 - manner.rough * 0.5 * (1 + np.cos(phase / 2))
    return pulses * np.clip(every_other, 0, 1) * np.sqrt(2 / harmonics)


def tract_filter(formants: np.ndarray, bandwidth: float) -> np.ndarray:
    """Response `[N, bins]` (complex) of resonances `[N, 5]` Hz in a row; `bandwidth` widens them all."""
    damping = np.ones((len(formants), len(FREQUENCIES)), dtype=np.complex64)
    for place in range(formants.shape[1]):
        centre = _column(formants[:, place])
        width = bandwidth * (50 + 0.05 * centre)
        damping *= 1 - (FREQUENCIES / centre) ** 2 + 1j * (FREQUENCIES * width / centre**2)
    return 1 / damping


def friction_band(centre: np.ndarray) -> np.ndarray:
    """Spectrum `[N, bins]` of friction noise around `centre` [N] Hz, about an octave wide."""
    distance = np.log2((FREQUENCIES + 50) / _column(centre))
    return np.exp(-0.5 * (distance / 0.45) ** 2)


def octaves_above(frequency: float) -> np.ndarray:
    """`[bins]`, 0 well below `frequency` and bending softly into its octaves above."""
    return 0.5 * np.log2(1 + (FREQUENCIES / frequency) ** 2)


def mouth_opening(timing: Timing) -> np.ndarray:
    """Opening of the lips `[T]`, 0..1, at 25/s, following the sounds (closed in m, wide in a).

    It shows when something is said and nothing of how: a louder voice does not open the mouth further.
    """
    times = np.arange(round(timing.duration * 100)) / 100  # 100/s
    openings = [0.0, *(SOUNDS[spoken.symbol].opening for spoken in timing.sounds), 0.0]
    opening = np.array(openings)[np.searchsorted(timing.lips, times, side="right")]
    opening = convolve1d(opening, hann(9) / hann(9).sum(), mode="constant")
    return opening.reshape(-1, 100 // FRAMES_PER_SECOND).mean(axis=1)  # [4 T] -> [T]
