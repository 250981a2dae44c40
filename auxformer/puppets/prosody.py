"""Six ways of speaking, the puppets' own voices, and when in a clip each sound is spoken.

Directions and sizes follow the reviews of Banse & Scherer (1996, JPSP 70), Juslin & Laukka (2003, Psychological
Bulletin 129), Murray & Arnott (1993, JASA 93) and the synthesis rules collected by Schroeder (2001, Eurospeech): anger
loud, fast, bright, with abrupt accents; fear and happiness high, lively and fast; sadness low, narrow, slow, quiet and
breathy; disgust low, slow, harsh, ending in a wide fall.

Fear and happiness are one way of speaking run in opposite directions: in the heart of the sentence pitch, loudness and
brightness climb in fear (its "rising tendency") and come down in happiness. Both begin and end at the same height, so
that averages over a clip are the same for both and only a listener who follows its course can tell them apart. That
happiness comes down is our choice, not a finding.
"""

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from scipy.ndimage import convolve1d

from auxformer.puppets.axes import generator
from auxformer.puppets.sentences import SOUNDS, VOWELS, spell

LEVELS = {"LO": 0.85, "MD": 1.0, "HI": 1.15, "XX": 1.0}
"""Level in a clip's name -> how far its manner is carried."""

TRACK_RATE = 125
"""Values per second of everything slow about a voice: one every 8 ms."""

TREMOR_RATE = 6.0
"""Hz."""

SHORTEST, LONGEST = 1.6, 3.2
"""Range of clip durations, s."""

MARGIN = 0.03
"""Silence kept at either end of a clip, s."""

PHRASES = 4
"""Phrases into which every sentence falls; pitch keeps its height within one and steps to the next between them."""

SPEECH_SHARE = 0.66
"""Share of a clip that is speech, on average; the same for every emotion, as the lips would show it."""

OUT_OF_STEP = (0.32, 0.5)
"""By how much voice and lips miss each other in a clip that is out of step, s."""


@dataclass(frozen=True)
class Manner:
    """A way of speaking. Pitch in semitones, loudness and brightness in dB, relative to the puppet's neutral voice.

    Attributes:
        pitch, loudness, brightness: Averages; brightness in dB per octave of the source spectrum.
        pitch_course, loudness_course: Change from the first to the last phrase.
        pitch_turn, loudness_turn, brightness_turn: Down by this much in the second phrase and up by it in the third (a
            negative one: up, then down); the first and the last phrase lie in between.
        accent, accent_loudness: Rise on stressed syllables.
        ending: Glide at the end of the last syllable, semitones.
        pauses: Share of the speech that is silence between its four phrases; the more, the faster the syllables.
        breath: Strength of breath noise relative to the voice.
        jitter, shimmer: Irregularity of pitch (semitones) and loudness (dB).
        rough: 0..1, how much every other pulse of the voice is weakened (a harsh, creaking voice).
        tremor: Wobble of the pitch, semitones.
        first_formant, second_formant: Factors on the resonances (a smile or tension raises them).
    """

    pitch: float = 0.0
    pitch_course: float = -2.0
    pitch_turn: float = 0.0
    loudness_turn: float = 0.0
    brightness_turn: float = 0.0
    accent: float = 2.0
    accent_loudness: float = 2.0
    ending: float = -1.5
    loudness: float = 0.0
    loudness_course: float = -1.0
    brightness: float = 0.0
    pauses: float = 0.03
    breath: float = 0.05
    jitter: float = 0.1
    shimmer: float = 0.5
    rough: float = 0.0
    tremor: float = 0.0
    first_formant: float = 1.0
    second_formant: float = 1.0


def _lively(direction: int) -> Manner:
    return Manner(
        pitch=6.5, pitch_course=0.0, pitch_turn=6.0 * direction, accent=2.5, ending=0.0,
        loudness=3.0, loudness_course=0.0, loudness_turn=1.2 * direction,
        brightness=1.5, brightness_turn=0.4 * direction,
        pauses=0.15, breath=0.12, jitter=0.25, tremor=0.25, first_formant=1.06, second_formant=1.06,
    )  # fmt: skip


MANNERS = {
    "neutral": Manner(),
    "angry": Manner(
        pitch=4.0, pitch_course=-1.0, accent=5.5, accent_loudness=5.0, ending=-2.0, loudness=6.0, brightness=3.0,
        pauses=0.08, breath=0.02, jitter=0.2, shimmer=1.5, rough=0.25, first_formant=1.1,
    ),
    "disgust": Manner(
        pitch=-3.0, pitch_course=-2.0, accent=2.5, ending=-6.0, loudness=-1.0, brightness=-1.0,
        breath=0.06, jitter=0.6, shimmer=2.5, rough=0.7, first_formant=0.88, second_formant=0.94,
    ),
    "fear": _lively(+1),
    "happy": _lively(-1),
    "sad": Manner(
        pitch=-1.5, pitch_course=-3.5, accent=0.5, accent_loudness=0.5, ending=-2.0,
        loudness=-5.0, loudness_course=-3.0, brightness=-3.0, pauses=0.12, breath=0.3, jitter=0.2, shimmer=1.0,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Voice:
    """What a puppet's voice is like in everything it says.

    Attributes:
        pitch: Average fundamental frequency when neutral, Hz.
        tract: Factor on all resonances; above 1 for a short vocal tract.
        tempo: Factor on clip durations; above 1 for a slow speaker.
        expressiveness: How far the puppet carries every manner; 1 on average.
        loudness: dB. brightness: dB per octave. breath: relative to the voice.
    """

    pitch: float
    tract: float
    tempo: float
    expressiveness: float
    loudness: float
    brightness: float
    breath: float

    @classmethod
    def of(cls, speaker: int, seed: int, sex: str) -> "Voice":
        """The voice of one puppet; `sex` is "female" or "male". The same arguments give the same voice."""
        rng = generator(seed, "voice", speaker)
        pitch, tract = (200.0, 1.17) if sex == "female" else (115.0, 1.0)
        return cls(
            pitch=pitch * 2 ** (np.clip(rng.normal(0, 1.8), -3.5, 3.5) / 12),
            tract=tract * np.exp(rng.normal(0, 0.035)),
            tempo=np.exp(rng.normal(0, 0.08)),
            expressiveness=np.clip(rng.normal(1.0, 0.09), 0.8, 1.2),
            loudness=np.clip(rng.normal(0, 1.0), -1.8, 1.8),
            brightness=np.clip(rng.normal(0, 0.5), -0.9, 0.9),
            breath=rng.uniform(0.0, 0.06),
        )


def manner_of(emotion: str, intensity: float) -> Manner:
    """The manner of an emotion, carried `intensity` times as far from neutral as its full form (1.0)."""
    neutral, full = MANNERS["neutral"], MANNERS[emotion]
    mixed = {}
    for item in fields(Manner):
        start, end = getattr(neutral, item.name), getattr(full, item.name)
        mixed[item.name] = start + intensity * (end - start)
    return Manner(**mixed)


class Timing(NamedTuple):
    """When what is spoken.

    Attributes:
        duration: Of the clip, s.
        sounds: What is spoken, and the `phrase` that each sound is in `[sounds]`.
        starts, ends: When the voice makes each sound `[sounds]`, s.
        lips: When the lips go over from each sound to the next `[sounds + 1]`, s.
    """

    duration: float
    sounds: list
    phrase: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    lips: np.ndarray

    def place(self, times: np.ndarray) -> np.ndarray:
        """Index `[N]` of the sound at (or last before) each of `times` [N]; 0 before the first."""
        return np.clip(np.searchsorted(self.starts, times, side="right") - 1, 0, None)

    def speaking(self, times: np.ndarray) -> np.ndarray:
        """Bool `[N]`: False in the silence around the speech and in its pauses."""
        return (times >= self.starts[0]) & (times < self.ends[self.place(times)])


def clip_duration(voice: Voice, sentence: str, rng: np.random.Generator) -> float:
    """Duration of a clip in s, a whole number of video frames (25/s). It does not depend on any emotion."""
    syllables = spell(sentence)[-1].syllable + 1
    seconds = (0.9 + 0.18 * syllables) * voice.tempo * np.exp(rng.normal(0, 0.07))
    return round(np.clip(seconds, SHORTEST, LONGEST) * 25) / 25


def schedule(sentence: str, manner: Manner, duration: float, in_step: bool, rng: np.random.Generator) -> Timing:
    """Lay the sounds of a sentence into a clip: silence, speech, silence.

    Voice and lips start together, or, when not `in_step`, one of the two more than 300 ms after the other. The lips glide
    over the pauses of the voice: their timing depends on the words alone, or a silent film would give away the manner.
    """
    sounds = spell(sentence)
    lengths = np.array([SOUNDS[s.symbol].length * (1.35 if s.stressed else 1.0) for s in sounds])
    lengths *= np.exp(rng.normal(0, 0.08, len(lengths)))
    lengths /= lengths.sum()
    spoken = duration * np.clip(rng.normal(SPEECH_SHARE, 0.04), 0.55, 0.72)
    room = duration - spoken - 2 * MARGIN
    shift = 0.0 if in_step else min(rng.uniform(*OUT_OF_STEP), room)
    first = MARGIN + rng.beta(3, 3) * (room - shift)
    leads = [first, first + shift]
    voice, lips = leads if rng.random() < 0.5 else leads[::-1]
    phrase = phrases(sounds, rng)
    gaps = np.diff(phrase, prepend=0) * manner.pauses / (PHRASES - 1)
    ends = voice + spoken * np.cumsum(gaps + lengths * (1 - gaps.sum()))
    starts = ends - spoken * lengths * (1 - gaps.sum())
    return Timing(duration, sounds, phrase, starts, ends, lips + spoken * np.cumsum([0, *lengths]))


def phrases(sounds, rng: np.random.Generator) -> np.ndarray:
    """Which of the four phrases each sound of a sentence falls into, `[sounds]` 0..3; syllables stay whole.

    The borders vary from clip to clip, so that no word is always the high one.
    """
    syllable = np.array([sound.syllable for sound in sounds])
    borders = np.array([0.17, 0.5, 0.83]) + rng.uniform(-1, 1, PHRASES - 1) * (0.07, 0.13, 0.07)
    return np.searchsorted(borders, (syllable + 0.5) / (syllable[-1] + 1))


class Melody(NamedTuple):
    """Pitch (semitones), loudness (dB) and brightness (dB per octave) relative to the puppet's own, `[N]` each."""

    pitch: np.ndarray
    loudness: np.ndarray
    brightness: np.ndarray


def melody(manner: Manner, timing: Timing, times: np.ndarray, rng: np.random.Generator) -> Melody:
    """How an utterance goes up and down, at `times` [N] in s.

    Pitch keeps its height within a phrase and steps to the next one in the pause between them; inside a syllable it
    rises and falls evenly. So a turn run the other way has the same averages and the same slopes.
    """
    place = timing.place(times)  # [N] index of the sound
    vowel = np.array([spoken.symbol in VOWELS for spoken in timing.sounds])[place] * timing.speaking(times)
    stress = np.array([spoken.stressed for spoken in timing.sounds])[place] * _bumps(timing, times)
    phrase = timing.phrase[place]
    course = phrase / (PHRASES - 1)
    course = course - np.average(course, weights=vowel)  # about -.5 to .5
    turn = np.array([0, -1, 1, 0])[phrase]
    turn = turn - np.average(turn, weights=vowel)
    gone = np.cumsum(vowel) / vowel.sum()  # 0..1, share of the vowels gone by
    pitch = (
        manner.pitch
        + manner.pitch_course * course
        + manner.pitch_turn * turn
        + manner.accent * stress
        + 0.7 * _bumps(timing, times)
        + manner.ending * np.clip((gone - 0.85) / 0.15, 0, 1)
        + manner.tremor * np.sin(2 * np.pi * (TREMOR_RATE * times + rng.random()))
        + manner.jitter * rng.normal(0, 1, len(times))
        + smooth(rng.normal(0, 1.5, len(times)), 0.3)
    )
    loudness = (
        manner.loudness
        + manner.loudness_course * course
        + manner.loudness_turn * turn
        + manner.accent_loudness * stress
        + manner.shimmer * rng.normal(0, 1, len(times))
    )
    return Melody(pitch, loudness, manner.brightness + manner.brightness_turn * turn)


def _bumps(timing: Timing, times: np.ndarray) -> np.ndarray:
    """`[N]`: 0 at the borders of every syllable, 1 in its middle."""
    syllable = np.array([spoken.syllable for spoken in timing.sounds])  # [sounds]
    first = np.searchsorted(syllable, syllable)  # [sounds] index of the first sound of the same syllable
    last = np.searchsorted(syllable, syllable, side="right") - 1
    place = timing.place(times)
    start, end = timing.starts[first][place], timing.ends[last][place]
    return np.sin(np.pi * np.clip((times - start) / (end - start), 0, 1)) ** 2


def hann(length: int) -> np.ndarray:
    """A raised cosine `[length]`, 0 at both ends (SciPy's, whose `signal` takes a second to import)."""
    return 0.5 + 0.5 * np.cos(np.linspace(-np.pi, np.pi, length))


def smooth(track: np.ndarray, seconds: float) -> np.ndarray:
    """A track `[N]` or `[N, K]` at `TRACK_RATE` averaged over about `seconds`, its ends held."""
    width = round(seconds * TRACK_RATE) // 2 * 2 + 3  # odd, so that nothing moves in time
    kernel = hann(width)
    return convolve1d(track.astype(float), kernel / kernel.sum(), axis=0, mode="nearest")
