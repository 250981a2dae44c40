"""Hair styles of the puppets, painted in two layers: behind the head and over it."""

import numpy as np

from auxformer.puppets.drawing import INK, WHITE, Scene, curve, ellipse, mirrored, mix, points
from auxformer.puppets.looks import Face


def hair_behind(scene: Scene, face: Face) -> None:
    """What hangs or stands behind the head."""
    dark, v, w = mix(face.hair, INK, 0.3), face.hair_volume, face.width
    style = face.hair_style
    if style in ("long", "waves"):
        reach = 62 if style == "long" else 50
        half = points(
            (0, -50), (w + 2, -36), (w + 8 + v, -6), (w + 9 + v, 28), (w + 6 + v, reach), (w * 0.5, reach + 3), (0, reach)
        )  # fmt: skip
        scene.fill(_curly(curve(mirrored(half)), 1.4 if style == "waves" else 0, 26), dark)
    elif style in ("bob", "fringe"):
        half = points((0, -50), (w + 2, -36), (w + 8 + v, -6), (w + 10 + v, 22), (w + 3, 36), (w * 0.5, 34), (0, 30))
        scene.fill(curve(mirrored(half)), dark)
    elif style == "curls":
        reach = 12 + 6 * v
        half = points((0, -53 - v), (w, -42), (w + 9 + v, -14), (w + 8 + v, reach), (w * 0.5, reach), (0, reach))
        scene.fill(_curly(curve(mirrored(half)), 2.0, 34), dark)
    elif style == "bun":
        scene.fill(ellipse(0, -50 - 0.5 * v, 12 + v, 9.5), dark)
        scene.fill(ellipse(face.light * 1.5, -51 - 0.5 * v, 9 + v, 7), face.hair)
    elif style == "bald":
        half = points((0, -24), (w * 0.9, -22), (w + 3 + 0.5 * v, -13), (w + 2.5 + 0.5 * v, -5), (w - 2, 0), (0, 0))
        scene.fill(curve(mirrored(half)), dark)
    elif style == "scarf":
        half = points((0, -50), (w + 1, -38), (w + 7, -6), (w + 5, 22), (w + 2, 48), (w + 4, 74), (0, 76))
        scene.fill(curve(mirrored(half)), mix(_scarf(face), INK, 0.28))


def hair_over(scene: Scene, face: Face) -> None:
    """What lies over forehead and temples."""
    {"scarf": _wrap, "bald": _sideburns}.get(face.hair_style, _cap)(scene, face)


HAIRLINES = {  # from the right temple to the left, as shares of the head's width and height above its centre
    "crop": ((0.95, 0.1), (0.88, 0.4), (0.66, 0.58), (0.3, 0.7), (-0.2, 0.62), (-0.62, 0.66), (-0.88, 0.4), (-0.95, 0.1)),
    "parting": ((0.94, 0.05), (0.88, 0.45), (0.6, 0.72), (0.42, 0.84), (0.05, 0.68), (-0.5, 0.6), (-0.86, 0.4), (-0.94, 0.05)),
    "quiff": ((0.94, 0.05), (0.88, 0.46), (0.7, 0.7), (0.3, 0.74), (-0.2, 0.78), (-0.66, 0.68), (-0.88, 0.44), (-0.94, 0.05)),
    "fringe": ((1.0, -0.3), (0.93, 0.32), (0.6, 0.5), (0.25, 0.47), (-0.2, 0.5), (-0.6, 0.47), (-0.93, 0.32), (-1.0, -0.3)),
    "bob": ((1.0, -0.4), (0.9, 0.3), (0.62, 0.62), (0.38, 0.8), (0.0, 0.64), (-0.5, 0.52), (-0.88, 0.28), (-1.0, -0.4)),
    "long": ((1.0, -0.5), (0.9, 0.3), (0.5, 0.66), (0.05, 0.86), (-0.05, 0.86), (-0.5, 0.66), (-0.9, 0.3), (-1.0, -0.5)),
    "waves": ((1.0, -0.4), (0.86, 0.3), (0.7, 0.6), (0.4, 0.82), (-0.05, 0.66), (-0.55, 0.55), (-0.86, 0.25), (-1.0, -0.4)),
    "bun": ((0.95, 0.1), (0.9, 0.42), (0.66, 0.66), (0.25, 0.76), (-0.25, 0.76), (-0.66, 0.66), (-0.9, 0.42), (-0.95, 0.1)),
    "curls": ((0.98, 0.0), (0.9, 0.4), (0.66, 0.6), (0.25, 0.64), (-0.25, 0.64), (-0.66, 0.6), (-0.9, 0.4), (-0.98, 0.0)),
    "tufts": ((0.94, 0.05), (0.88, 0.46), (0.62, 0.66), (0.2, 0.6), (-0.2, 0.68), (-0.6, 0.6), (-0.88, 0.46), (-0.94, 0.05)),
}  # fmt: skip


def _cap(scene: Scene, face: Face) -> None:
    """The hair on top of the head, and a few lighter and darker lines that follow it."""
    cap = cap_of(face)
    scene.fill(cap, mix(face.hair, INK, 0.12))
    middle = cap.mean(axis=1, keepdims=True)
    scene.fill(middle + (cap - middle) * (0.9, 0.84) + (face.light * 1.6, -0.8), face.hair, 0.75)
    if face.hair_style == "curls":
        return
    w, top = face.width, -face.crown
    bright, dark = mix(face.hair, WHITE, 0.28), mix(face.hair, INK, 0.35)
    for share, tint in ((-0.55, dark), (-0.25, bright), (0.1, bright), (0.4, dark), (0.68, bright)):
        x = share * w * face.light
        strand = points((x * 0.5, top - 2), (x * 0.95 + 1.2, top + 4), (x * 1.3 + 2.5 * np.sign(x), top + 12))
        scene.stroke(strand, tint, 1.1, 0.4)


def cap_of(face: Face) -> np.ndarray:
    """Outline `[1, N, 2]` of the hair on top of the head."""
    style, w, v = face.hair_style, face.width, face.hair_volume
    if style in ("crop", "parting", "bun"):
        v = 0.4 * v - 1
    crown = -face.crown - 4.5 - v
    lean = {"quiff": 9, "parting": -3, "bob": -3, "waves": -3}.get(style, 0)
    tall = {"quiff": 4, "tufts": 2, "curls": 2.5}.get(style, 0)
    side = -HAIRLINES[style][0][1] * face.crown
    edge = points(
        (-w - 2, side), (-w - 3 - v, -14), (-w * 0.93 - v, -33), (-w * 0.55 + lean, crown + 2.5), (lean, crown - tall),
        (w * 0.6 + 0.5 * lean, crown + 2.5), (w * 0.93 + v, -33), (w + 3 + v, -14), (w + 2, side),
    )  # fmt: skip
    edge = curve(edge, closed=False)
    line = [(share * w * -face.light, -height * face.crown) for share, height in HAIRLINES[style]]
    if face.light > 0:  # the hairline was mirrored, so it runs from left to right
        line = line[::-1]
    lower = curve(points(*line), closed=False)
    if style == "curls":
        edge, lower = _curly(edge, 1.9, 22), _curly(lower, 1.2, 16)
    elif style == "tufts":
        edge = _curly(edge, 2.6, 15)
    return np.concatenate([edge, lower], axis=1)


def _curly(outline: np.ndarray, size: float, count: int) -> np.ndarray:
    """An outline with `count` curls of `size` pixels."""
    fine = np.linspace(0, outline.shape[1] - 1, 6 * count)
    x, y = (np.interp(fine, np.arange(outline.shape[1]), outline[0, :, axis]) for axis in (0, 1))
    wave = size * (np.abs(np.sin(np.linspace(0, np.pi * count, len(fine)))) - 0.5)
    centre = outline.mean(axis=1)[0]
    away = np.stack([x, y], axis=-1) - centre
    away /= np.linalg.norm(away, axis=-1, keepdims=True)
    return (np.stack([x, y], axis=-1) + away * wave[:, None])[None]


def _sideburns(scene: Scene, face: Face) -> None:
    """The temples of a bald head."""
    w = face.width
    for side in (-1, 1):
        patch = points((w + 1, -20), (w - 1.5, -17), (w - 3.5, -10), (w - 2, -5), (w + 0.5, -4), (w + 2, -8))
        scene.fill(curve(patch * (side, 1)), face.hair)


def _scarf(face: Face):
    return mix(face.clothes, WHITE, 0.25)


def _wrap(scene: Scene, face: Face) -> None:
    """A headscarf around the face."""
    w, cloth = face.width, _scarf(face)
    top, low = -face.crown, face.chin + 4
    rim = points((0, top - 6), (w * 0.66, top - 1), (w + 5, -22), (w + 6, 6), (w + 2, 32), (0, 52))
    edge = points((0, 0.72 * top), (w * 0.6, 0.62 * top), (w * 0.93, -10), (w * 0.95, 10), (w * 0.72, 33), (0, low))
    rim, edge = curve(mirrored(rim)), curve(mirrored(edge))
    band = np.concatenate([rim, rim[:, :1], edge[:, :1], edge[:, ::-1]], axis=1)
    scene.fill(band, cloth)
    scene.line(np.concatenate([edge, edge[:, :1]], axis=1), mix(cloth, INK, 0.3), 1.1, 0.6)
    for share in (0.35, 0.7):
        fold = points((-w * share, -face.crown - 1), (-w * (share + 0.32), -26), (-w - 3, -2))
        scene.stroke(fold * (face.light, 1), mix(cloth, INK, 0.35), 1.0, 0.35)
