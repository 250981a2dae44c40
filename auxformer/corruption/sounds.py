"""What goes wrong with a voice: noise of several kinds, gaps, delay, distance. Waveforms are `[samples]` in -1..1."""

import numpy as np
import scipy  # scipy.signal takes a second to load and is loaded when it is asked for

from auxformer.features.base import SAMPLING_RATE

REVERBERATION = 0.4
"""Seconds in which the sound of a room falls by 60 dB: a furnished living room."""
ROOM = 0.25
"""Level of that sound beside the voice from nearby, 12 dB lower; it stays when the voice goes away."""
FLOOR = 0.025
"""Level of the noise of a quiet room beside the voice from nearby, 32 dB lower."""
NEARBY = 7000.0
"""Hz up to which a voice from nearby is heard; from n times as far, an n-th of it."""


def add_noise(waveform: np.ndarray, noise: np.ndarray, snr: float) -> np.ndarray:
    """Voice and noise `[samples]` at a signal-to-noise ratio of `snr` dB over the whole clip; turned down where it would clip."""
    power = float(np.mean(np.square(waveform)))
    scaled = noise * np.sqrt(power / max(float(np.mean(np.square(noise))), 1e-20) / 10 ** (snr / 10))
    mixed = waveform + scaled
    return (mixed / max(1.0, float(np.abs(mixed).max()) / 0.99)).astype(np.float32)


def white_noise(samples: int, rng: np.random.Generator) -> np.ndarray:
    """`[samples]`, unit deviation."""
    return rng.standard_normal(samples)


def babble(others: list[np.ndarray], samples: int, rng: np.random.Generator) -> np.ndarray:
    """Other voices `[any length]`, each repeated to `[samples]` from a random place, equally loud, added up."""
    rows = []
    for other in others:
        start = rng.integers(len(other))
        looped = np.resize(np.roll(other, -start), samples)
        rows.append(looped / max(float(np.sqrt(np.mean(np.square(looped)))), 1e-6))
    return np.sum(rows, axis=0)


def gaps(
    waveform: np.ndarray, share: float, rng: np.random.Generator, sampling_rate: int = SAMPLING_RATE
) -> np.ndarray:
    """Silence in `share` of the stretches of 100 ms of `[samples]`, rounded to whole ones."""
    stretches = np.array_split(np.arange(len(waveform)), max(1, round(10 * len(waveform) / sampling_rate)))
    lost = rng.permutation(len(stretches))[: round(share * len(stretches))]
    silent = waveform.copy()
    for stretch in lost:
        silent[stretches[stretch]] = 0
    return silent


def delay(
    waveform: np.ndarray,
    milliseconds: float,
    rng: np.random.Generator | None = None,
    sampling_rate: int = SAMPLING_RATE,
) -> np.ndarray:
    """The sound later (earlier when negative) at the same length: what comes in is quiet, what does not fit goes.

    With `rng` the new stretch is noise as loud as the clip's quietest tenth of a second, as a microphone would have heard.
    Without, it is exact zeros, which no microphone gives and which features take for more than silence.
    """
    shift = round(milliseconds / 1000 * sampling_rate)
    moved = np.zeros_like(waveform)
    if rng is not None and len(waveform):
        moved = _hush(waveform, rng, sampling_rate)
    if abs(shift) < len(waveform):
        moved[max(0, shift) : len(waveform) + min(0, shift)] = waveform[max(0, -shift) : len(waveform) - max(0, shift)]
    return moved


def silence(
    waveform: np.ndarray, lost: np.ndarray, rng: np.random.Generator, sampling_rate: int = SAMPLING_RATE
) -> np.ndarray:
    """`[samples]` where those that are `lost`, bool `[samples]`, are noise as loud as the quietest tenth of a second.

    So a telephone fills what never came in; exact zeros would say to features that something is odd.
    """
    return np.where(lost, _hush(waveform, rng, sampling_rate), waveform)


def go_away(
    waveform: np.ndarray, distance: np.ndarray, rng: np.random.Generator, sampling_rate: int = SAMPLING_RATE
) -> np.ndarray:
    """A voice `[samples]` heard from `distance` `[samples]` times as far as it was recorded: quieter, duller, in a room.

    The voice itself falls with the distance; the sound of the room, which is everywhere, and the noise of its air do not.
    """
    highest = min(NEARBY / float(distance.mean()), 0.45 * sampling_rate)
    direct = scipy.signal.sosfilt(scipy.signal.butter(2, highest, "low", fs=sampling_rate, output="sos"), waveform / distance)
    times = np.arange(round(REVERBERATION * sampling_rate)) / sampling_rate
    answer = white_noise(len(times), rng) * 10 ** (-3 * times / REVERBERATION)  # of the room to a clap
    reverberation = scipy.signal.fftconvolve(waveform, answer / np.linalg.norm(answer))[: len(waveform)]
    dull = scipy.signal.butter(1, min(2000, 0.45 * sampling_rate), "low", fs=sampling_rate, output="sos")
    air = white_noise(len(waveform), rng) * np.sqrt(np.mean(np.square(waveform)))
    return (direct + scipy.signal.sosfilt(dull, ROOM * reverberation + FLOOR * air)).astype(np.float32)


def hiss(samples: int, rng: np.random.Generator, sampling_rate: int = SAMPLING_RATE) -> np.ndarray:
    """`[samples]` of an amplifier turned up high: noise above 1 kHz."""
    high = scipy.signal.butter(1, min(1000, 0.4 * sampling_rate), "high", fs=sampling_rate, output="sos")
    return scipy.signal.sosfilt(high, white_noise(samples, rng))


def rumble(gusts: np.ndarray, rng: np.random.Generator, sampling_rate: int = SAMPLING_RATE) -> np.ndarray:
    """`[samples]` of wind on a microphone: noise below some 200 Hz, as strong as `gusts` `[samples]`, 0 to 1, say."""
    low = scipy.signal.butter(2, 200, "low", fs=sampling_rate, output="sos")
    return scipy.signal.sosfilt(low, white_noise(len(gusts), rng)) * gusts


def _hush(waveform: np.ndarray, rng: np.random.Generator, sampling_rate: int) -> np.ndarray:
    """Noise `[samples]` as loud as the quietest tenth of a second of a waveform."""
    stretches = np.array_split(waveform, max(1, round(10 * len(waveform) / sampling_rate)))
    quietest = min(float(np.sqrt(np.mean(np.square(part)))) for part in stretches)
    return (quietest * white_noise(len(waveform), rng)).astype(waveform.dtype)
