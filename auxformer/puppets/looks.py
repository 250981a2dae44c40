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


@dataclass(frozen=True)
class Face:
    """The looks of one puppet. Lengths in pixels of a 128 x 128 picture, colours red, green, blue in 0..1.

    Attributes:
        width: Half the width of the head. crown, chin: How far it reaches above and below its centre.
        jaw, chin_width: Half widths of jaw and chin as shares of `width`.
        ears: Size of the ears.
        skin, hair, iris, lips, backdrop, clothes: Colours.
        hair_style: One of `HAIR_STYLES`. hair_volume: How far the hair stands off.
        eye_distance: Half the distance of the eyes. eye_height: Where they are, below the centre of the head.
        eye_width, eye_opening: Half the width of an eye, and height of its upper half. eye_tilt: Outer corners down.
        iris_size: Radius.
        brow_height: Above the eye. brow_length, brow_thickness, brow_arch: Form. brow_tilt: Outer ends down.
        nose_length, nose_width, nose_size: Form of the nose.
        mouth_height, mouth_width, lip_thickness: Form of the mouth.
        asymmetry: -1..1, how much further the right half of the face moves than the left.
        light: -1 when the light comes from the left, 1 from the right.
        freckles, earrings, collar: What else there is to see; `collar` is "round", "open" or "high".
    """

    width: float
    crown: float
    chin: float
    jaw: float
    chin_width: float
    ears: float
    skin: Colour
    hair: Colour
    iris: Colour
    lips: Colour
    backdrop: Colour
    clothes: Colour
    hair_style: str
    hair_volume: float
    eye_distance: float
    eye_height: float
    eye_width: float
    eye_opening: float
    eye_tilt: float
    iris_size: float
    brow_height: float
    brow_length: float
    brow_thickness: float
    brow_arch: float
    brow_tilt: float
    nose_length: float
    nose_width: float
    nose_size: float
    mouth_height: float
    mouth_width: float
    lip_thickness: float
    asymmetry: float
    light: int
    freckles: bool
    earrings: bool
    collar: str

    @classmethod
    def of(cls, speaker: int, seed: int, sex: str) -> "Face":
        """The looks of one puppet; `sex` is "female" or "male". The same arguments give the same looks."""
        rng = generator(seed, "face", speaker)
        woman = sex == "female"
        return cls(**_forms(rng, woman), **_eyes(rng, woman), **_colours(rng, woman), **_extras(rng, sex))


def _forms(rng: np.random.Generator, woman: bool) -> dict:
    width = rng.uniform(30, 33.5) + (0 if woman else 1)
    return {
        "width": width,
        "crown": rng.uniform(40, 44),
        "chin": rng.uniform(38, 42) + (0 if woman else 1.5),
        "jaw": rng.uniform(0.68, 0.8) + (0 if woman else 0.05),
        "chin_width": rng.uniform(0.3, 0.4) + (0 if woman else 0.08),
        "ears": rng.uniform(5.5, 7.5),
        "nose_length": rng.uniform(13, 17),
        "nose_width": rng.uniform(4.6, 6.2) + (0 if woman else 0.6),
        "nose_size": rng.uniform(0.85, 1.2),
        "mouth_height": rng.uniform(22.5, 25),
        "mouth_width": rng.uniform(12, 14.5),
        "lip_thickness": rng.uniform(0.85, 1.25) + (0.15 if woman else -0.15),
        "asymmetry": rng.uniform(-1, 1),
        "light": int(rng.choice([-1, 1])),
    }


def _eyes(rng: np.random.Generator, woman: bool) -> dict:
    return {
        "eye_distance": rng.uniform(14.2, 16.2),
        "eye_height": rng.uniform(-5, -2.5),
        "eye_width": rng.uniform(7.6, 9.2),
        "eye_opening": rng.uniform(5.0, 6.2) + (0.5 if woman else 0),
        "eye_tilt": rng.uniform(-1.1, 0.7),
        "iris_size": rng.uniform(4.2, 4.9),
        "brow_height": rng.uniform(11.5, 13.5),
        "brow_length": rng.uniform(15, 18),
        "brow_thickness": rng.uniform(1.1, 1.6) + (0 if woman else 0.5),
        "brow_arch": rng.uniform(1.5, 3.2),
        "brow_tilt": rng.uniform(0.0, 2.0),
    }


def _colours(rng: np.random.Generator, woman: bool) -> dict:
    place = rng.uniform(0, len(SKINS) - 1.001)
    skin = mix(colour(SKINS[int(place)]), colour(SKINS[int(place) + 1]), place % 1)
    red = colour("c0504a") if brightness(skin) > 0.55 else colour("9c3f3f")
    hair = colour(rng.choice(HAIRS))
    if abs(brightness(hair) - brightness(skin)) < 0.12:  # hair that would melt into the skin
        hair = mix(hair, colour("241815"), 0.55)
    backdrops = sorted(
        map(colour, rng.permutation(BACKDROPS)[:3]), key=lambda back: abs(brightness(back) - brightness(skin))
    )
    return {
        "skin": skin,
        "hair": hair,
        "iris": colour(rng.choice(IRISES)),
        "lips": mix(skin, red, rng.uniform(0.5, 0.7) + (0.1 if woman else -0.08)),
        "backdrop": backdrops[-1],
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
