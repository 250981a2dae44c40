"""What a puppet looks like: forms, colours and habits that stay the same in all its clips."""

from dataclasses import dataclass

import numpy as np

from auxformer.puppets.axes import generator
from auxformer.puppets.drawing import Colour, brightness, colour, mix

SKINS = ("f6d5bd", "f0c3a0", "e8b48c", "dca47c", "cf9268", "b97d56", "a56c48", "8f5a3c", "784a33")
HAIRS = (
    "2b211e", "3b2a22", "57392a", "7a4b2c", "9c6a3c", "c9994f", "e0bd78", "a8442a", "c4613a", "8d8a88", "cfcac4",
    "34495a", "6d4a68", "2f6b66",
)  # fmt: skip
IRISES = ("3d2a1f", "5a3a22", "6b4f2a", "3f6152", "3e6480", "56707f", "4b4f63")
BACKDROPS = ("7d93a6", "a5907a", "8fa291", "a98a94", "8b86a8", "b3a27a", "6f9a9c", "b08372", "94a0b4", "9aa97f")
CLOTHES = ("b5483f", "2f5d73", "d79a3c", "4c6b4a", "6a4b74", "d8cbb6", "34405c", "a35c78", "3d7f7b", "8a5a3b")
HAIR_STYLES = {
    "female": ("bob", "long", "bun", "curls", "waves", "fringe", "crop", "scarf"),
    "male": ("crop", "parting", "quiff", "curls", "tufts", "bald", "crop", "parting"),
}
"""Hair styles to draw from; one that stands twice is worn twice as often."""


FORMS = {  # from, to; what a woman and a man have more
    "width": (30, 33.5, 0, 1),
    "crown": (40, 44, 0, 0),
    "chin": (38, 42, 0, 1.5),
    "jaw": (0.68, 0.8, 0, 0.05),
    "chin_width": (0.3, 0.4, 0, 0.08),
    "ears": (5.5, 7.5, 0, 0),
    "nose_length": (13, 17, 0, 0),
    "nose_width": (4.6, 6.2, 0, 0.6),
    "nose_size": (0.85, 1.2, 0, 0),
    "mouth_height": (22.5, 25, 0, 0),
    "mouth_width": (12, 14.5, 0, 0),
    "lip_thickness": (0.85, 1.25, 0.15, -0.15),
    "asymmetry": (-1, 1, 0, 0),
}
EYES = {
    "eye_distance": (14.2, 16.2, 0, 0),
    "eye_height": (-5, -2.5, 0, 0),
    "eye_width": (7.6, 9.2, 0, 0),
    "eye_opening": (5.0, 6.2, 0.5, 0),
    "eye_tilt": (-1.1, 0.7, 0, 0),
    "iris_size": (4.2, 4.9, 0, 0),
    "brow_height": (11.5, 13.5, 0, 0),
    "brow_length": (15, 18, 0, 0),
    "brow_thickness": (1.1, 1.6, 0, 0.5),
    "brow_arch": (1.5, 3.2, 0, 0),
    "brow_tilt": (0.0, 2.0, 0, 0),
}


@dataclass(frozen=True)
class Face:
    """The looks of one puppet. Lengths in pixels of a 128 x 128 picture, colours red, green, blue in 0..1."""

    width: float  # half the width of the head
    crown: float  # how far it reaches above its centre
    chin: float  # and below
    jaw: float  # half width, as a share of `width`
    chin_width: float  # half width, as a share of `width`
    ears: float
    skin: Colour
    hair: Colour
    iris: Colour
    lips: Colour
    backdrop: Colour
    clothes: Colour
    hair_style: str  # one of `HAIR_STYLES`
    hair_volume: float  # how far the hair stands off
    eye_distance: float  # half the distance of the eyes
    eye_height: float  # where they are, below the centre of the head
    eye_width: float  # half the width of an eye
    eye_opening: float  # height of its upper half
    eye_tilt: float  # outer corners down
    iris_size: float  # radius
    brow_height: float  # above the eye
    brow_length: float
    brow_thickness: float
    brow_arch: float
    brow_tilt: float  # outer ends down
    nose_length: float
    nose_width: float
    nose_size: float
    mouth_height: float
    mouth_width: float
    lip_thickness: float
    asymmetry: float  # -1..1, how much further the right half of the face moves than the left
    light: int  # -1 when the light comes from the left, 1 from the right
    freckles: bool
    earrings: bool
    collar: str  # "round", "open" or "high"

    @classmethod
    def of(cls, speaker: int, seed: int, sex: str) -> "Face":
        """The looks of one puppet; `sex` is "female" or "male". The same arguments give the same looks."""
        rng = generator(seed, "face", speaker)
        woman = sex == "female"
        forms = _lengths(FORMS, rng, woman) | {"light": int(rng.choice([-1, 1]))} | _lengths(EYES, rng, woman)
        return cls(**forms, **_colours(rng, woman), **_extras(rng, sex))


def _lengths(ranges: dict[str, tuple], rng: np.random.Generator, woman: bool) -> dict[str, float]:
    return {name: rng.uniform(low, high) + (hers if woman else his) for name, (low, high, hers, his) in ranges.items()}


def _colours(rng: np.random.Generator, woman: bool) -> dict:
    place = rng.uniform(0, len(SKINS) - 1.001)
    skin = mix(colour(SKINS[int(place)]), colour(SKINS[int(place) + 1]), place % 1)
    red = colour("c0504a") if brightness(skin) > 0.55 else colour("9c3f3f")
    hair = colour(rng.choice(HAIRS))
    if abs(brightness(hair) - brightness(skin)) < 0.12:  # hair that would melt into the skin
        hair = mix(hair, colour("241815"), 0.55)
    backdrops = [colour(name) for name in rng.permutation(BACKDROPS)[:3]]
    return {
        "skin": skin,
        "hair": hair,
        "iris": colour(rng.choice(IRISES)),
        "lips": mix(skin, red, rng.uniform(0.5, 0.7) + (0.1 if woman else -0.08)),
        "backdrop": max(backdrops[::-1], key=lambda back: abs(brightness(back) - brightness(skin))),
        "clothes": colour(rng.choice(CLOTHES)),
    }


def _extras(rng: np.random.Generator, sex: str) -> dict:
    return {
        "hair_style": str(rng.choice(HAIR_STYLES[sex])),
        "hair_volume": rng.uniform(0, 2.5),
        "freckles": bool(rng.random() < 0.2),
        "earrings": bool(rng.random() < (0.4 if sex == "female" else 0.08)),
        "collar": str(rng.choice(["round", "open", "high"])),
    }
