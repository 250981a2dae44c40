"""Six expressions as action units of the Facial Action Coding System, and how they come and go in a clip.

Which units belong to which emotion follows EMFACS and Du, Tao & Martinez (2014, PNAS 111, table 1). Anger and disgust
overlap there in units 4, 10, 17 and 24. Our two faces share all their units, and differ in order only: an angry face
frowns first and then bares its teeth, a disgusted face wrinkles its nose first and then frowns. The one is the other
run backwards, so averages over a clip are the same for both and only an observer who follows the order can tell them
apart. That order is our choice, not a finding.
"""

import numpy as np

from auxformer.errors import InputError
from auxformer.puppets.prosody import LEVELS

FRAMES_PER_SECOND = 25

ACTION_UNITS = (
    "AU1 inner brow raiser",
    "AU2 outer brow raiser",
    "AU4 brow lowerer",
    "AU5 upper lid raiser",
    "AU6 cheek raiser",
    "AU7 lid tightener",
    "AU9 nose wrinkler",
    "AU10 upper lip raiser",
    "AU12 lip corner puller",
    "AU15 lip corner depressor",
    "AU17 chin raiser",
    "AU20 lip stretcher",
    "AU23 lip tightener",
    "AU24 lip pressor",
    "AU25 lips part",
    "AU26 jaw drop",
    "AU45 blink",
)
"""Names of the channels of an expression, in order."""

COLUMN = {name.split()[0]: place for place, name in enumerate(ACTION_UNITS)}
"""Short name such as "AU12" -> channel."""

FROWN = {"AU4": 1.0, "AU7": 0.9}
SNARL = {"AU9": 0.9, "AU10": 1.0, "AU17": 0.6, "AU24": 0.6}

PROTOTYPES = {
    "neutral": {},
    "happy": {"AU6": 0.9, "AU12": 1.0, "AU25": 0.35},
    "sad": {"AU1": 1.0, "AU4": 0.5, "AU15": 1.0, "AU17": 0.6},
    "fear": {"AU1": 0.9, "AU2": 0.9, "AU4": 0.45, "AU5": 1.0, "AU20": 1.0, "AU25": 0.45, "AU26": 0.3},
    "angry": FROWN | SNARL,
    "disgust": FROWN | SNARL,
}
"""Strength of every action unit at the apex of each emotion, 0..1; units not named are at rest."""

EARLY, LATE = 0.28, 0.72
"""Apex of the first and the second half of an angry or disgusted face, as shares of the clip."""

HALF_LENGTH = 0.27
"""Time from onset to apex, and from apex to offset, of each of these halves, as a share of the clip."""

BLINK = np.array([0.35, 1.0, 0.9, 0.35])
"""Closure of the lids in the four frames of a blink (160 ms)."""


def express(
    emotion: str, level: str, duration: float, mouth: np.ndarray, expressiveness: float, rng: np.random.Generator
) -> np.ndarray:
    """The course of an expression in one clip.

    Args:
        emotion: "angry", "disgust", "fear", "happy", "neutral" or "sad".
        level: "LO", "MD", "HI" or "XX".
        duration: Length of the clip in s.
        mouth: Opening of the lips by speech `[T]`, 0..1, at 25 frames per second.
        expressiveness: How far this puppet carries its expressions, about 0.65..1.
        rng: Random numbers of this clip.

    Returns:
        Action units `[T, K]` in 0..1, channels as in `ACTION_UNITS`. Speech moves AU25 and AU26 in every emotion, and
        blinks move AU45; a neutral face moves nothing else.

    Raises:
        InputError: An emotion or a level that does not exist.
    """
    _check("emotion", emotion, PROTOTYPES)
    _check("level", level, LEVELS)
    strength = np.clip(expressiveness * LEVELS[level] * rng.normal(1, 0.05), 0.6, 1.0)
    moments = (np.arange(len(mouth)) + 0.5) / len(mouth)  # [T] shares of the clip
    if emotion in ("angry", "disgust"):
        units = _in_two_steps(emotion, moments, rng)
    else:
        units = _at_once(emotion, moments, rng)
    units *= strength
    speak_and_blink(units, np.asarray(mouth), duration, rng)
    return np.clip(units, 0, 1)


def _check(what: str, value: str, known) -> None:
    if value not in known:
        raise InputError(f"A face has no {what} {value!r}; expected one of {', '.join(known)}.")


def _at_once(emotion: str, moments: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """All units together: onset, a long apex, offset. `[T, K]`."""
    onset, offset = 0.22 + rng.uniform(-0.1, 0.1), 0.78 + rng.uniform(-0.1, 0.1)
    course = np.clip((moments - onset) / 0.2 + 0.5, 0, 1) * np.clip((offset - moments) / 0.2 + 0.5, 0, 1)
    return soft(course)[:, None] * prototype(PROTOTYPES[emotion])


def _in_two_steps(emotion: str, moments: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Frown, then snarl; backwards for disgust. `[T, K]`.

    Both halves have the same form, even in time, and their apexes the same scatter: nothing but the order is left.
    """
    early, late = np.array([EARLY, LATE]) + rng.uniform(-0.04, 0.04, 2)
    frown = soft(1.25 * (1 - np.abs(moments - early) / HALF_LENGTH))
    snarl = soft(1.25 * (1 - np.abs(moments - late) / HALF_LENGTH))
    units = frown[:, None] * prototype(FROWN) + snarl[:, None] * prototype(SNARL)
    return units[::-1].copy() if emotion == "disgust" else units


def prototype(strengths: dict[str, float]) -> np.ndarray:
    """Action units `[K]` from a table such as {"AU12": 1.0}."""
    units = np.zeros(len(ACTION_UNITS))
    for name, strength in strengths.items():
        units[COLUMN[name]] = strength
    return units


def soft(course: np.ndarray) -> np.ndarray:
    """A course without corners, in 0..1."""
    inside = np.clip(course, 0, 1)
    return inside**2 * (3 - 2 * inside)


def speak_and_blink(units: np.ndarray, mouth: np.ndarray, duration: float, rng: np.random.Generator) -> None:
    """Add the lips of speech and one to three blinks to action units `[T, K]`, in place."""
    units[:, COLUMN["AU25"]] += 0.75 * mouth
    units[:, COLUMN["AU26"]] += 0.7 * mouth
    closure = np.zeros(len(units) + len(BLINK))
    start = rng.integers(0, max(len(units) // 2, 1))
    while start < len(units):
        closure[start : start + len(BLINK)] = BLINK
        start += round(rng.uniform(0.9, 2.2) * len(units) / duration)
    closure = closure[: len(units)]
    units[:, COLUMN["AU45"]] = closure if rng.random() < 0.5 else closure[::-1]  # no more blinks early than late
