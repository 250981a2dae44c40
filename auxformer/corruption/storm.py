"""Causes that strike the picture and the voice at once: a bad connection, distance, night, a crowd, wind, few bits.

Six causes at severities 1 to 5, and 0, which changes nothing. What happens in time, gaps and gusts, is drawn once for a clip, in
seconds, so that both streams have it at the same moments. A higher severity has all that a lower one has: more of the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from auxformer.corruption import pictures, sounds
from auxformer.corruption.codec import recode_pictures, recode_sound
from auxformer.errors import InputError, check_choice
from auxformer.features.base import SAMPLING_RATE

CAUSES = {
    "connection": "a bad connection: the picture stands still and the voice is gone at the same moments",
    "walking-away": "the speaker walks away: a smaller face, a quieter and duller voice in a room",
    "night": "too little light: a dark and grainy picture, and the hiss of a recorder turned up high",
    "crowd": "other people: heads that pass in front, four other voices at once",
    "wind": "wind: a camera that shakes and a microphone that rumbles, in the same gusts",
    "compression": "few bits: both streams through low-rate codecs, H.264 and AAC",
}
"""Name -> what happens."""
SEVERITIES = tuple(range(6))
"""0 changes nothing."""

STALLED = (0.15, 0.3, 0.45, 0.6, 0.75)
"""connection: share of the stretches of `STALL` seconds that never arrive, per severity from 1."""
STALL = 0.2
DISTANCE = (1.3, 1.7, 2.2, 3.0, 4.0)
"""walking-away: how many times as far as before, on the average; the clip begins nearer and ends further away."""
LIGHT = (0.75, 0.58, 0.46, 0.38, 0.32)
"""night: part of the brightness left."""
GRAIN = (8, 12, 16, 20, 24)
"""night: deviation of the noise of the brightest pixels, of 255 steps."""
COLOUR = (0.8, 0.65, 0.5, 0.35, 0.2)
"""night: part of the colours left."""
HISS = (20, 14, 8, 3, -2)
"""night: dB of the voice over the hiss."""
PASSERS = (0.5, 0.9, 1.3, 1.8, 2.4)
"""crowd: people who pass in a second; one at least in a clip."""
BABBLE = (15, 10, 5, 0, -5)
"""crowd: dB of the voice over the others."""
SWAY = (0.015, 0.03, 0.05, 0.08, 0.12)
"""wind: how far the camera is moved in the strongest gust, in heights of the picture."""
RUMBLE = (10, 4, -2, -7, -12)
"""wind: dB of the voice over the rumble, which lies below most of it."""
CRF = (32, 37, 42, 46, 51)
"""compression: rate factor of H.264, of which 51 is the worst."""
BITS = ((20_000, 16_000), (14_000, 16_000), (10_000, 8_000), (8_000, 8_000), (4_000, 8_000))
"""compression: bits per second of AAC, and Hz at which the voice is stored."""


@dataclass(frozen=True)
class Storm:
    """One cause that strikes one clip.

    Attributes:
        cause: One of `CAUSES`.
        severity: One of `SEVERITIES`.
        seed: Names the draw (`seeds.seed_of`): a clip has its own.
        seconds: Length of the clip, over which what happens is spread.

    Raises:
        InputError: another cause or severity.
    """

    cause: str
    severity: int
    seed: int
    seconds: float

    def __post_init__(self):
        check_choice("cause", self.cause, CAUSES)
        if isinstance(self.severity, bool) or self.severity not in SEVERITIES:
            raise InputError(f"severity is {self.severity!r}, expected a whole number from 0 to {SEVERITIES[-1]}.")

    def on_pictures(self, frames: np.ndarray, frames_per_second: float) -> np.ndarray:
        """The film uint8 `[T, H, W, 3]` after the storm: same shape, height and width even."""
        if self.severity == 0:
            return frames
        level, rng = int(self.severity) - 1, self._draw("picture")
        times = np.arange(len(frames)) / frames_per_second  # [T]
        if self.cause == "connection":
            return pictures.hold(frames, self.stalled(times))
        if self.cause == "walking-away":
            return pictures.go_away(frames, self.distance(times))
        if self.cause == "night":
            return pictures.by_night(frames, LIGHT[level], GRAIN[level], COLOUR[level], rng)
        if self.cause == "crowd":
            return pictures.pass_by(frames, self.passers(), frames_per_second)
        if self.cause == "wind":
            return pictures.shake(frames, self.sway(times, pictures.EXPOSURE / frames_per_second))
        return recode_pictures(frames, frames_per_second, CRF[level])

    def on_sound(
        self, waveform: np.ndarray, others: Sequence[np.ndarray] = (), sampling_rate: int = SAMPLING_RATE
    ) -> np.ndarray:
        """The sound float32 `[samples]` after the storm, at the same length.

        Args:
            waveform: In -1..1.
            others: Voices of other people, of any length, for "crowd".
            sampling_rate: Hz.

        Raises:
            InputError: a crowd without others.
        """
        if self.severity == 0:
            return waveform
        level, rng, samples = int(self.severity) - 1, self._draw("sound"), len(waveform)
        times = np.arange(samples) / sampling_rate
        if self.cause == "connection":
            return sounds.silence(waveform, self.stalled(times), rng, sampling_rate)
        if self.cause == "walking-away":
            return sounds.go_away(waveform, self.distance(times), rng, sampling_rate)
        if self.cause == "night":
            return sounds.add_noise(waveform, sounds.hiss(samples, rng, sampling_rate), HISS[level])
        if self.cause == "crowd":
            if not others:
                raise InputError("a crowd needs voices of other speakers, and there are none.")
            return sounds.add_noise(waveform, sounds.babble(list(others), samples, rng), BABBLE[level])
        if self.cause == "wind":
            return sounds.add_noise(waveform, sounds.rumble(self.gusts(times), rng, sampling_rate), RUMBLE[level])
        return recode_sound(waveform, sampling_rate, *BITS[level])

    def stalled(self, times: np.ndarray) -> np.ndarray:
        """Whether nothing arrives at `times`, s: bool, of the same shape."""
        count = max(1, int(np.ceil(self.seconds / STALL - 1e-6)))
        lost = np.zeros(count, bool)
        if self.severity:
            lost[self._draw("stalls").permutation(count)[: max(1, round(STALLED[self.severity - 1] * count))]] = True
        return lost[np.clip((times / STALL + 1e-6).astype(int), 0, count - 1)]

    def distance(self, times: np.ndarray) -> np.ndarray:
        """How many times as far the speaker is at `times`, s; it grows from the beginning of the clip to its end."""
        further = DISTANCE[self.severity - 1] - 1 if self.severity else 0.0
        return 1 + further * (0.6 + 0.8 * np.clip(times / max(self.seconds, 1e-6), 0, 1))

    def gusts(self, times: np.ndarray) -> np.ndarray:
        """Strength of the wind at `times`, s, 0 to 1: a gust in every second or so, the same at every severity."""
        rng, count = self._draw("gusts"), max(1, round(self.seconds))
        centres = (np.arange(count) + rng.uniform(0.2, 0.8, count)) / count * self.seconds
        widths, heights = rng.uniform(0.12, 0.3, count), rng.uniform(0.6, 1, count)
        gusts = heights * np.exp(-0.5 * ((times[..., None] - centres) / widths) ** 2)
        return np.maximum(0.1, gusts.max(axis=-1))

    def sway(self, times: np.ndarray, exposure: float) -> np.ndarray:
        """Where the camera is at `times`, s, `[T]`, at instants of an `exposure` of so many seconds: see `pictures.shake`."""
        rng = self._draw("sway")
        instants = times[:, None] + np.linspace(0, exposure, pictures.INSTANTS)  # [T, n]
        rates, phases = rng.uniform([[2], [5]], [[4], [8]], (2, 3)), rng.uniform(0, 2 * np.pi, (2, 3))
        waves = np.sin(2 * np.pi * rates * instants[..., None, None] + phases)  # [T, n, slow and quick, 3]
        path = waves[..., 0, :] * 0.65 + waves[..., 1, :] * 0.35
        reach = SWAY[self.severity - 1] if self.severity else 0.0
        # where it sways by a tenth of the height it leans by a tenth of a radian
        return reach * self.gusts(instants)[..., None] * path

    def passers(self) -> list[pictures.Passer]:
        """Who passes in front of the face, and when."""
        rng, severity = self._draw("passers"), self.severity
        count = max(1, round(PASSERS[severity - 1] * self.seconds)) if severity else 0
        start, people = rng.uniform(), []
        for number in range(count):  # by the golden section: few or many, they are spread over the clip
            time = (start + number * 0.618) % 1 * self.seconds
            speed = rng.choice([-1, 1]) * rng.uniform(2, 3.5)
            hair, coat = np.array([58, 42, 32]) * rng.uniform(0.4, 1.6), rng.integers(30, 130, 3)
            size = rng.uniform(0.95, 1.15) + 0.05 * severity
            people.append(pictures.Passer(time, speed, size, *(tuple(map(int, colour)) for colour in (hair, coat))))
        return people

    def _draw(self, what: str) -> np.random.Generator:
        return np.random.default_rng([self.seed, *what.encode()])
