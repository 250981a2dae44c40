"""The parts of a puppet's face, each drawn where its action units put it.

Every function adds shapes to a scene. Coordinates are pixels of a 128 x 128 picture, from the centre of the head, x to
the right and y down. `au` maps a name such as "AU12" to its track `[T]`, 0..1.
"""

import numpy as np

from auxformer.puppets.drawing import (
    INK,
    WHITE,
    Scene,
    between,
    brightness,
    colour,
    curve,
    ellipse,
    mirrored,
    mix,
    points,
    ribbon,
)  # fmt: skip
from auxformer.puppets.looks import Face

MOUTH, TONGUE, ROSE = colour("4a1820"), colour("c0605f"), colour("d8524a")
ACROSS = np.linspace(-1, 1, 15)
"""Places across an eye or a mouth, from its left corner to its right."""


def shade(face: Face, depth: float = 0.5):
    """The skin in shadow."""
    return mix(face.skin, mix(colour("5a2430"), face.skin, 0.25), depth)


def gleam(face: Face, depth: float = 0.5):
    """The skin in light."""
    return mix(face.skin, colour("fff1dc"), depth)


def sides(face: Face):
    """Left and right: sign of x, and how far this half of the face moves."""
    return ((-1, 1 - 0.12 * face.asymmetry), (1, 1 + 0.12 * face.asymmetry))


def bust(scene: Scene, face: Face) -> None:
    """Shoulders, collar and neck."""
    cloth, dark = face.clothes, mix(face.clothes, INK, 0.35)
    neck = 0.5 * face.width
    half = points(
        (0, 50), (neck, 49), (neck + 9, 52), (face.width + 12, 57), (face.width + 24, 68), (face.width + 26, 84), (0, 84)
    )  # fmt: skip
    shoulders = mirrored(half)
    scene.fill(curve(shoulders), dark)
    scene.fill(curve(shoulders + (face.light * 1.6, 1.2)), cloth)
    throat = points((0, 20), (neck * 0.85, 22), (neck * 0.88, 42), (neck * 1.15, 51), (neck * 0.7, 57), (0, 60))
    scene.fill(curve(mirrored(throat)), shade(face, 0.22))
    scene.glow(0, face.chin + 1, neck * 1.1, 9, shade(face, 0.9), 0.6)
    if face.collar == "open":
        flap = points((2, 66), (neck + 1, 46), (neck + 9, 56), (9, 70))
        for side in (-1, 1):
            scene.fill(flap * (side, 1), mix(cloth, WHITE, 0.35))
    elif face.collar == "high":
        rim = curve(points((-neck, 45), (-neck * 0.5, 48.5), (0, 49.5), (neck * 0.5, 48.5), (neck, 45)), closed=False)
        hem = curve(points((neck * 1.2, 53), (0, 59), (-neck * 1.2, 53)), closed=False)
        scene.fill(np.concatenate([rim, hem], axis=1), mix(cloth, INK, 0.12))
        scene.line(rim, mix(cloth, WHITE, 0.28), 1.4)
        scene.line(hem, mix(cloth, INK, 0.3), 1.0, 0.7)
    else:
        scene.stroke(points((-neck * 1.12, 50), (0, 61.5), (neck * 1.12, 50)), mix(cloth, WHITE, 0.4), 2.4)


def outline(face: Face, au: dict) -> np.ndarray:
    """The head `[T, N, 2]`: the jaw drops, cheeks and stretched lips widen it."""
    w, drop = face.width, 4.0 * au["AU26"]
    cheek = 1.3 * np.maximum(au["AU12"], 0.7 * au["AU20"])
    half = points(
        (0, -face.crown), (0.58 * w, -face.crown * 0.91), (0.95 * w, -face.crown * 0.5), (w, -2),
        (0.95 * w + cheek, 14), (w * face.jaw + cheek, 0.7 * face.chin + 0.6 * drop),
        (w * face.chin_width, 0.97 * face.chin + drop - 0.8 * au["AU17"]), (0, face.chin + drop - 1.2 * au["AU17"]),
    )  # fmt: skip
    return curve(mirrored(half), steps=4)


def head(scene: Scene, face: Face, au: dict) -> None:
    """Ears and head, lit from one side."""
    for side in (-1, 1):
        x = side * (face.width + 0.5)
        scene.fill(ellipse(x, 1, face.ears * 0.72, face.ears * 1.25), shade(face, 0.3 if side == face.light else 0.45))
        scene.fill(ellipse(x - side * 0.4, 1, face.ears * 0.4, face.ears * 0.85, 16), shade(face, 0.62))
        if face.earrings:
            scene.fill(ellipse(x, 1 + face.ears * 1.45, 1.9, 1.9, 12), colour("e3b04b"))
    edge = outline(face, au)
    steps = 7
    for step in range(steps):  # ever smaller and lighter, towards the light
        share = step / (steps - 1)
        moved = edge * (1 - 0.2 * share) + (face.light * 5.5 * share, -3.5 * share)
        scene.fill(moved, mix(shade(face, 0.38), face.skin, share**0.8))
    scene.glow(face.light * 9, -26, 15, 10, gleam(face, 0.8), 0.3)
    brow_lines(scene, face, au)


def cheeks(scene: Scene, face: Face, au: dict) -> None:
    """Rosy cheeks that rise, the fold under the eye, the folds from nose to mouth, freckles."""
    blush = mix(face.skin, ROSE, 0.55)
    for side, gain in sides(face):
        rise = 3.0 * au["AU6"] * gain
        x, y = side * (face.eye_distance + 5), face.eye_height + 16 - rise
        scene.glow(x, y, 9, 7, blush, 0.42 + 0.2 * au["AU6"])
        if face.freckles:
            for dx, dy in ((-3, 0), (0.5, -2), (3.5, 0.5), (0, 2.5)):
                scene.fill(ellipse(x + dx, y + dy, 0.7, 0.6, 8), shade(face, 0.55), 0.6)
        scene.glow(x - side, y - 3, 6, 3.6, gleam(face, 0.6), 0.5 * au["AU6"], rings=3)
        under = points((x - side * 9, y - 6.5), (x - side * 2, y - 5), (x + side * 5, y - 7.5))
        scene.stroke(under, shade(face, 0.75), 1.1, 0.75 * au["AU6"])
        for spread in (-2.2, 0.8):
            corner, high = side * (face.eye_distance + face.eye_width + 2), face.eye_height
            crow = points((corner, high + spread * 0.5), (corner + side * 3.6, high + spread * 1.6))
            scene.line(crow, shade(face, 0.7), 0.9, 0.7 * au["AU6"])
        depth = 0.12 + 0.7 * au["AU12"] + 0.65 * au["AU9"] + 0.65 * au["AU10"] + 0.2 * au["AU15"] + 0.3 * au["AU20"]
        wide = 1.5 * au["AU12"] + 1.5 * au["AU20"]
        start = face.eye_height + face.nose_length - 2 - 1.5 * au["AU9"]
        fold = points(
            (side * (face.nose_width + 1.8), start),
            (side * (face.mouth_width - 0.5 + wide), start + 4.5),
            (side * (face.mouth_width + 2.5 + wide), face.mouth_height - 1.5 - 2 * au["AU12"]),
        )
        scene.stroke(fold, shade(face, 0.8), 1.2, np.clip(depth, 0, 0.85))


def brow_lines(scene: Scene, face: Face, au: dict) -> None:
    """Wrinkles of the forehead: across when the brows rise, upright between them when they are drawn together."""
    top = face.eye_height - face.brow_height
    rise = np.maximum(au["AU1"], au["AU2"])
    for above, reach in ((8.5, 0.85), (12.5, 0.7)):
        inner = 1 + 0.35 * au["AU1"]
        low, high = top - above + 2 * (1 - au["AU2"]), top - above * inner
        half = points((-15 * reach, low), (-6 * reach, high), (0, high + 1))
        line = np.concatenate([half, (half * (-1, 1))[:, -2::-1]], axis=1)
        scene.stroke(line, shade(face, 0.7), 1.0, 0.55 * rise)
    for side in (-1, 1):
        x = side * (2.6 - 0.6 * au["AU4"])
        furrow = points((x + side * 0.8, top - 1.5), (x, top + 2), (x + side * 0.5, top + 6.5))
        scene.stroke(furrow, shade(face, 0.85), 1.3, 0.85 * au["AU4"])


def nose(scene: Scene, face: Face, au: dict) -> None:
    """Bridge, tip and nostrils; AU9 draws them up and wrinkles the bridge."""
    up = 3.0 * au["AU9"] + 0.6 * au["AU10"]
    tip = face.eye_height + face.nose_length - up
    w = face.nose_width * (1 + 0.14 * au["AU9"] + 0.06 * au["AU12"])
    top = face.eye_height
    bridge = points((1.6, top - 5), (2.6, top + 3), (w * 0.95, tip), (w * 0.4, tip + 2), (0.8, top + 4))
    scene.fill(curve(bridge * (-face.light, 1)), shade(face, 0.55), 0.4)
    ball = mix(face.skin, ROSE, 0.2)
    scene.fill(ellipse(0, tip, w * 1.02, 4.2 * face.nose_size), shade(face, 0.42))
    scene.fill(ellipse(face.light * 0.5, tip - 0.9, w * 0.92, 3.9 * face.nose_size), ball)
    scene.glow(face.light * w * 0.3, tip - 2, w * 0.45, 1.8, gleam(face, 0.9), 0.6, rings=3)
    for side in (-1, 1):
        scene.fill(ellipse(side * w * 0.5, tip + 2.3 * face.nose_size, w * 0.24, 1.05, 12), INK, 0.62)
        for step in range(3):
            y = face.eye_height - 1 + 3.2 * step
            wrinkle = points((0.6, y), (2.6 + 0.8 * step, y - 1.6), (4.2 + 1.2 * step, y - 3.4))
            scene.stroke(wrinkle * (side, 1), shade(face, 0.85), 1.1, 0.8 * au["AU9"])


def eyes(scene: Scene, face: Face, au: dict, gaze: np.ndarray) -> None:
    """Both eyes; `gaze` `[T, 2]` is where they look, in pixels."""
    for side, gain in sides(face):
        blink = au["AU45"]
        upper = face.eye_opening * (1 + gain * (0.6 * au["AU5"] - 0.42 * au["AU7"] - 0.15 * au["AU6"]))
        lower = 0.66 * face.eye_opening * (1 + gain * (0.2 * au["AU5"] - 0.5 * au["AU7"] - 0.7 * au["AU6"]))
        upper = upper * (1 - blink) - 0.75 * lower * blink
        _eye(scene, face, side, upper, lower, gaze)


def _eye(scene: Scene, face: Face, side: int, upper: np.ndarray, lower: np.ndarray, gaze: np.ndarray) -> None:
    cx, cy = side * face.eye_distance, face.eye_height
    across = np.broadcast_to(ACROSS, (scene.length, len(ACROSS)))  # [T, 15]

    def lid(height, x):
        return cy + height[:, None] * (1 - np.abs(x) ** 2.3) + face.eye_tilt * side * x

    def inside(shape):  # the part of a shape between the lids
        x = np.clip((shape[..., 0] - cx) / face.eye_width, -1, 1)
        y = np.clip(shape[..., 1], lid(-upper, x), lid(lower, x))
        return np.stack([cx + x * face.eye_width, y], axis=-1)

    x = cx + across * face.eye_width
    top = np.stack([x, lid(-upper, across)], axis=-1)  # [T, 15, 2]
    bottom = np.stack([x, lid(lower, across)], axis=-1)
    scene.glow(cx, cy - 2, face.eye_width + 4, face.eye_opening + 4.5, shade(face, 0.6), 0.3, rings=3)
    scene.fill(between(top, bottom), WHITE)
    gx, gy, r = cx + gaze[:, 0], cy - 0.4 + gaze[:, 1], face.iris_size
    scene.fill(inside(ellipse(gx, gy, r, r, 20)), mix(face.iris, INK, 0.45))
    scene.fill(inside(ellipse(gx, gy + 0.5, r * 0.8, r * 0.78, 18)), mix(face.iris, WHITE, 0.12))
    scene.fill(inside(ellipse(gx, gy, r * 0.5, r * 0.5, 16)), colour("120b0c"))
    scene.fill(inside(ellipse(gx + face.light * 1.5, gy - 1.6, 1.25, 1.25, 12)), WHITE, 0.95)
    shadow = top + (0, 1.6)
    shadow[..., 1] = np.minimum(shadow[..., 1], bottom[..., 1])
    scene.fill(between(top, shadow), INK, 0.22)
    scene.line(bottom[:, 2:-2], shade(face, 0.75), 0.9, 0.7)
    reach, height = 0.8 * face.eye_width, cy - 0.45 * upper - 0.62 * face.eye_opening - 1
    crease = points((cx - reach, cy - 4), (cx, height), (cx + reach, cy - 4))
    scene.stroke(crease, shade(face, 0.75), 0.9, 0.55)
    scene.line(top, INK, 1.9)


def brows(scene: Scene, face: Face, au: dict) -> None:
    """Both eyebrows: tapering bands through an inner, a middle and an outer point."""
    hair = mix(face.hair, INK, 0.45)
    if abs(brightness(hair) - brightness(face.skin)) < 0.22:  # brows that would melt into the skin
        hair = mix(face.hair, INK, 0.8)
    place = np.linspace(0, 1, 16)
    half_width = face.brow_thickness * np.interp(place, [0, 0.3, 1], [0.85, 1.15, 0.35])
    for side, gain in sides(face):
        au1, au2, au4 = au["AU1"] * gain, au["AU2"] * gain, au["AU4"]
        y = face.eye_height - face.brow_height
        inner = y + 1 - 7.5 * au1 + 6.5 * au4 * (1 - 0.85 * au1)
        middle = y - face.brow_arch * (1 - 0.6 * au1) - 2.6 * au1 - 3.0 * au2 + 4.4 * au4 * (1 - 0.8 * au1)
        outer = y + face.brow_tilt + 2.4 * au1 * (1 - au2) - 5.0 * au2 + 1.2 * au4 * (1 - 0.5 * au2)
        start = 5.6 - 2.2 * au4
        end = face.eye_distance - 8.5 + face.brow_length
        corners = points((side * start, inner), (side * (0.5 * (start + end) + 1), middle), (side * end, outer))
        scene.fill(ribbon(curve(corners, closed=False, steps=8)[:, :16], half_width), hair)


def mouth(scene: Scene, face: Face, au: dict) -> None:
    """Lips, teeth, tongue, and the dent of the chin."""
    upper_edge, lower_edge = _inner_lips(face, au)  # [T, 15, 2] each
    thin = 1 - 0.55 * au["AU24"] - 0.4 * au["AU23"] - 0.15 * au["AU12"] - 0.3 * au["AU20"]
    rim = (1 - ACROSS**2) ** 0.6
    bow = 1 - 0.28 * np.exp(-((ACROSS / 0.2) ** 2))
    upper_rim = upper_edge - _down(2.5 * face.lip_thickness * thin[:, None] * rim * bow)
    lower_rim = lower_edge + _down(3.6 * face.lip_thickness * (thin * (1 + 0.25 * au["AU17"]))[:, None] * rim)
    below = 0.35 + 0.3 * au["AU17"]
    scene.glow(0, face.mouth_height + 8.5, face.mouth_width * 0.75, 3, shade(face, 0.6), below, rings=3)
    scene.fill(between(upper_edge, lower_edge), MOUTH)
    gap = (lower_edge - upper_edge)[..., 1]  # [T, 15]
    tongue = lower_edge - _down(np.clip(gap - 5, 0, 3.5) * (1 - ACROSS**2))
    scene.fill(between(tongue, lower_edge), TONGUE)
    teeth = upper_edge + _down(np.clip(0.7 * gap, 0, 3.2) * (np.abs(ACROSS) < 0.86))
    scene.fill(between(upper_edge, teeth), WHITE)
    scene.fill(between(upper_rim, upper_edge), mix(face.lips, INK, 0.16))
    scene.fill(between(lower_edge, lower_rim), face.lips)
    middle = slice(4, 11)
    scene.line((0.5 * (lower_edge + lower_rim))[:, middle], mix(face.lips, WHITE, 0.5), 1.0, 0.5)
    scene.line(upper_edge, mix(MOUTH, INK, 0.3), 1.2, 0.9)
    for corner in (0, -1):
        x, y = upper_edge[:, corner, 0], upper_edge[:, corner, 1]
        pull = np.maximum.reduce([au["AU12"], au["AU15"], au["AU20"]])
        scene.glow(x * 1.05, y, 2.4, 2.4, shade(face, 0.9), 0.25 + 0.35 * pull, rings=2)
    _chin(scene, face, au)


def _inner_lips(face: Face, au: dict) -> tuple[np.ndarray, np.ndarray]:
    """Lower edge of the upper lip and upper edge of the lower lip, each `[T, 15, 2]`."""
    wide = 1 + 0.3 * au["AU12"] + 0.38 * au["AU20"] - 0.05 * au["AU15"]
    wide = wide - 0.1 * au["AU24"] - 0.08 * au["AU23"] - 0.06 * au["AU17"]
    x = face.mouth_width * wide[:, None] * ACROSS * (1 - 0.18 * au["AU26"])[:, None]  # [T, 15]
    gains = np.where(ACROSS < 0, sides(face)[0][1], sides(face)[1][1])
    corner = (-0.9 - 6.0 * au["AU12"] + 5.5 * au["AU15"] + 2.0 * au["AU20"])[:, None] * gains  # [T, 15]
    upper = 1.2 * au["AU12"] - 2.8 * au["AU17"] - 1.5 * au["AU15"] - 4.2 * au["AU10"]
    upper = upper - 0.8 * au["AU25"] + 0.5 * au["AU20"]
    gap = 2.4 * au["AU25"] + 8.0 * au["AU26"] + 3.2 * au["AU10"] + 1.5 * au["AU12"] * au["AU25"]
    bend = ACROSS**2
    square = np.abs(ACROSS) ** (2 + 2.5 * au["AU10"] + 1.5 * au["AU20"])[:, None]  # bared teeth make the mouth square
    upper_y = corner * bend + upper[:, None] * (1 - square)
    lower_y = corner * bend + (upper + gap)[:, None] * (1 - square)
    y = face.mouth_height
    return np.stack([x, y + upper_y], axis=-1), np.stack([x, y + lower_y], axis=-1)


def _chin(scene: Scene, face: Face, au: dict) -> None:
    """AU17 pushes the chin up: a bow and dimples under the lower lip."""
    y = face.mouth_height + 9 + 4 * au["AU26"] - au["AU17"]
    bow = points((-6.5, y + 2.2), (0, y - 1.6), (6.5, y + 2.2))
    scene.stroke(bow, shade(face, 0.85), 1.3, 0.8 * au["AU17"])
    for x, down in ((-2.6, 3.2), (2.4, 3.0), (0, 4.6)):
        scene.fill(ellipse(x, y + down, 0.9, 0.7, 8), shade(face, 0.8), 0.55 * au["AU17"])


def _down(distance: np.ndarray) -> np.ndarray:
    """`[T, N]` -> `[T, N, 2]`, a way straight down."""
    return np.stack([np.zeros_like(distance), distance], axis=-1)
