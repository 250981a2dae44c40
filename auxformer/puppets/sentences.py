"""CREMA-D's twelve sentences as syllables of speech sounds, and what each sound needs from the vocal tract.

Notation: syllables separated by spaces, a stressed one begins with '. One character per sound, after SAMPA where it has
one: S (she), C (chair), T (think), D (this), N (sing), @ (about), V (up), 3 (first), a (cat), A (hot), O (all).
"""

from typing import NamedTuple

SENTENCES = {
    "IEO": "Its I 'lE v@n @ 'klAk",
    "TIE": "Dats Ig 'zakt lI 'wVt 'hap @nd",
    "IOM": "aIm An maI 'weI tu D@ 'mi tIN",
    "IWW": "aI 'wVn d3 'wVt DIs Iz @ 'baUt",
    "TAI": "DI '3 pleIn Iz 'Ol moUst 'fUl",
    "MTI": "'meI bi t@ 'mO roU It wIl bi 'koUld",
    "IWL": "aI wUd 'laIk @ 'nu @ 'lAm 'klAk",
    "ITH": "aI TINk aI hav @ 'dAk t3z @ 'pOInt m@nt",
    "DFA": "'doUnt f3 'gEt @ 'Ca kIt",
    "ITS": "aI 'TINk aIv 'sin DIs b@ 'fO",
    "TSI": "D@ 's3 fIs Iz 'slIk",
    "WSI": "wIl 'stAp In @ 'kVp @l @v 'mI nIts",
}
"""Code of the sentence in CREMA-D's file names -> its sounds ("It's eleven o'clock", ...)."""


class Sound(NamedTuple):
    """What one speech sound asks for.

    Attributes:
        formants: First three resonances of a man's vocal tract, Hz.
        length: Length relative to a vowel before stress is added.
        voiced: Strength of the voice, 0..1.
        noise: Strength of friction or burst noise, 0..1.
        noise_centre: Frequency of that noise, Hz.
        opening: How far the mouth opens, 0..1.
    """

    formants: tuple[int, int, int]
    length: float
    voiced: float
    noise: float
    noise_centre: int
    opening: float


def _vowel(first: int, second: int, third: int, opening: float) -> Sound:
    return Sound((first, second, third), 1.0, 1.0, 0.0, 1000, opening)


# Vowel formants: averages of 33 men, Peterson & Barney 1952, JASA 24 (e, o, @: between their neighbours).
SOUNDS = {
    "i": _vowel(270, 2290, 3010, 0.35),
    "I": _vowel(390, 1990, 2550, 0.45),
    "e": _vowel(450, 2100, 2600, 0.5),
    "E": _vowel(530, 1840, 2480, 0.65),
    "a": _vowel(660, 1720, 2410, 0.9),
    "A": _vowel(730, 1090, 2440, 1.0),
    "O": _vowel(570, 840, 2410, 0.8),
    "o": _vowel(480, 900, 2400, 0.5),
    "U": _vowel(440, 1020, 2240, 0.4),
    "u": _vowel(300, 870, 2240, 0.25),
    "V": _vowel(640, 1190, 2390, 0.8),
    "3": _vowel(490, 1350, 1690, 0.45),
    "@": _vowel(500, 1500, 2500, 0.45),
    "m": Sound((280, 1000, 2200), 0.6, 0.45, 0.0, 1000, 0.0),
    "n": Sound((280, 1600, 2600), 0.5, 0.45, 0.0, 1000, 0.2),
    "N": Sound((280, 2000, 2700), 0.6, 0.45, 0.0, 1000, 0.3),
    "l": Sound((360, 1100, 2700), 0.5, 0.6, 0.0, 1000, 0.35),
    "r": Sound((330, 1200, 1650), 0.5, 0.6, 0.0, 1000, 0.3),
    "w": Sound((300, 750, 2200), 0.5, 0.6, 0.0, 1000, 0.1),
    "v": Sound((300, 1200, 2300), 0.5, 0.4, 0.15, 5500, 0.1),
    "D": Sound((300, 1500, 2500), 0.5, 0.4, 0.12, 5500, 0.2),
    "z": Sound((300, 1700, 2600), 0.7, 0.35, 0.4, 6000, 0.2),
    "b": Sound((250, 900, 2200), 0.6, 0.2, 0.0, 900, 0.0),
    "d": Sound((250, 1700, 2600), 0.5, 0.2, 0.25, 4000, 0.2),
    "g": Sound((250, 1900, 2300), 0.6, 0.2, 0.2, 2000, 0.25),
    "p": Sound((300, 900, 2200), 0.8, 0.0, 0.35, 1000, 0.0),
    "t": Sound((300, 1700, 2600), 0.8, 0.0, 0.5, 4500, 0.2),
    "k": Sound((300, 1900, 2300), 0.8, 0.0, 0.45, 2200, 0.25),
    "C": Sound((300, 1800, 2500), 0.9, 0.0, 0.6, 3200, 0.25),
    "s": Sound((300, 1700, 2600), 0.9, 0.0, 0.6, 6200, 0.2),
    "f": Sound((300, 1100, 2300), 0.8, 0.0, 0.25, 5500, 0.1),
    "T": Sound((300, 1400, 2500), 0.7, 0.0, 0.2, 5800, 0.2),
    "h": Sound((500, 1500, 2500), 0.5, 0.0, 0.3, 1700, 0.5),
}
VOWELS = frozenset("iIeEaAOoUuV3@")
STOPS = frozenset("bdgptkC")
"""Sounds that begin with the tract shut: silence first, their noise at the end."""


class Spoken(NamedTuple):
    """One sound in its place: the sound's symbol, the index of its syllable, whether that is stressed."""

    symbol: str
    syllable: int
    stressed: bool


def spell(sentence: str) -> list[Spoken]:
    """The sounds of a sentence, e.g. of "TSI", in order."""
    sounds = []
    for index, syllable in enumerate(SENTENCES[sentence].split()):
        stressed = syllable.startswith("'")
        sounds += [Spoken(symbol, index, stressed) for symbol in syllable.removeprefix("'")]
    return sounds
