"""Names of what can go wrong with media, and what a name says."""

import re

from auxformer.corruption.storm import CAUSES, SEVERITIES
from auxformer.errors import InputError

CONDITIONS = {
    "audio-noise-snr-DB": "white noise, its power DB decibels below that of the voice (20, 10, 0)",
    "audio-babble-snr-DB": "four other speakers of the corpus at once, as loud together as DB says",
    "audio-gaps-SHARE": "silence in place of a share of all stretches of a tenth of a second",
    "video-blur": "out of focus: a Gaussian of 1/25 of the height of the picture",
    "video-dark": "an eighth of the light, with the noise of a sensor that has too little of it",
    "video-occlude": "a grey bar over the lower half of the face",
    "video-drop-SHARE": "a share of the frames lost; the one before stays on the screen",
    "desync-MS": "the sound MS milliseconds late (100, 300, 500)",
} | {f"{cause}-SEVERITY": what for cause, what in CAUSES.items()}
"""Name with its number -> what happens."""


def parse_condition(condition: str) -> tuple[str, float]:
    """ "audio-noise-snr-10" -> ("audio-noise-snr", 10.0), "night-3" -> ("night", 3.0); without a number the level is 1.

    Raises:
        InputError: no such condition, a cause without its severity, or a number out of range.
    """
    for name in CONDITIONS:
        kind, _, unit = name.rpartition("-")
        if not unit.isupper():
            if condition == name:
                return name, 1.0
        elif found := re.fullmatch(rf"{kind}-([-+]?\d*\.?\d+)", condition):
            level = float(found[1])
            if unit == "SHARE" and not 0 <= level <= 1:
                raise InputError(f'condition "{condition}": the share is {level}, expected 0 to 1.')
            if unit == "SEVERITY" and found[1] not in map(str, SEVERITIES):
                last = SEVERITIES[-1]
                raise InputError(
                    f'condition "{condition}": the severity is {found[1]}, expected a whole number from 0 to {last}.'
                )
            return kind, level
    if condition in CAUSES:
        few, most = f"{condition}-{SEVERITIES[1]}", f"{condition}-{SEVERITIES[-1]}"
        raise InputError(f'condition "{condition}": the severity is missing, expected {few} to {most}.')
    raise InputError(f'unknown condition "{condition}", expected one of {", ".join(CONDITIONS)}.')


def streams_of(condition: str) -> tuple[str, ...]:
    """The streams that a condition changes, "audio", "video" or both; a delay changes the sound.

    Raises:
        InputError: see `parse_condition`.
    """
    kind, _ = parse_condition(condition)
    if kind in CAUSES:
        return "audio", "video"
    return ("video",) if kind.startswith("video") else ("audio",)
