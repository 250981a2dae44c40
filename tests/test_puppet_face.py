"""The puppets' faces: which action units an emotion moves and when, and what can be seen of them."""

import dataclasses
import functools

import numpy as np
import pytest

from auxformer.errors import InputError
from auxformer.features.hog import GradientHistograms
from auxformer.features.track import track_face
from auxformer.puppets.drawing import curve, points
from auxformer.puppets.expression import ACTION_UNITS, COLUMN, PROTOTYPES, express
from auxformer.puppets.face import SIZE, draw
from auxformer.puppets.looks import HAIR_STYLES, Face

EMOTIONS = tuple(PROTOTYPES)
SPEECH = ("AU25", "AU26", "AU45")
"""Units that speech and blinks move in every emotion."""

LENGTH = 60


def course(emotion, clip=0, mouth=None, level="MD", expressiveness=0.9):
    """Action units `[60, K]` of one clip; silent unless `mouth` is given."""
    mouth = np.zeros(LENGTH) if mouth is None else mouth
    return express(emotion, level, LENGTH / 25, mouth, expressiveness, np.random.default_rng([clip, 7]))


def syllables(clip=0):
    """An opening of the lips `[60]`, 0..1, that comes and goes four times a second."""
    moments = np.arange(LENGTH) / 25
    return np.clip(np.sin(2 * np.pi * 4 * moments + clip), 0, 1) * ((moments > 0.4) & (moments < 2.0))


def expressive(units):
    """The channels that neither speech nor blinks move, by short name."""
    return {name: units[:, column] for name, column in COLUMN.items() if name not in SPEECH}


def grey(pictures):
    return pictures @ np.array([0.299, 0.587, 0.114])  # [T, H, W, 3] -> [T, H, W]


@functools.cache
def puppet(speaker, seed=0):
    return Face.of(speaker, seed, "female" if speaker % 2 else "male")


@functools.cache
def shown(speaker, emotion, clip=0):
    """Pictures `[20, 128, 128, 3]` of every third frame of a clip in which the puppet speaks."""
    units = course(emotion, 100 * speaker + clip, syllables(clip))
    return draw(puppet(speaker), units[::3], np.random.default_rng([speaker, clip]))


# Action units


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_an_emotion_moves_its_own_action_units_and_no_others(emotion):
    peaks = {name: track.max() for name, track in expressive(course(emotion)).items()}
    expected = {name for name in PROTOTYPES[emotion] if name not in SPEECH}
    assert {name for name, peak in peaks.items() if peak > 0.2} == expected
    assert all(peaks[name] == 0 for name in set(peaks) - expected)


@pytest.mark.parametrize("emotion", ["happy", "sad", "fear"])
def test_units_stand_at_their_apex_together_in_proportion_to_the_prototype(emotion):
    units = course(emotion)
    apex = units[:, [COLUMN[name] for name in PROTOTYPES[emotion]]][LENGTH // 2]
    prescribed = np.array(list(PROTOTYPES[emotion].values()))
    np.testing.assert_allclose(apex / apex.max(), prescribed / prescribed.max(), atol=1e-9)


def test_prototypes_are_those_of_the_coding_system():
    named = {emotion: {int(name[2:]) for name in units} for emotion, units in PROTOTYPES.items()}
    assert named["neutral"] == set()
    assert {6, 12} <= named["happy"]
    assert {1, 4, 15} <= named["sad"]
    assert {1, 2, 4, 5, 20, 25} <= named["fear"]
    assert named["angry"] == named["disgust"] == {4, 7, 9, 10, 17, 24}


@pytest.mark.parametrize("emotion", EMOTIONS)
@pytest.mark.parametrize("level", ["LO", "HI"])
def test_units_stay_between_0_and_1_and_begin_and_end_near_rest(emotion, level):
    for clip in range(20):
        units = course(emotion, clip, np.ones(LENGTH), level, expressiveness=1.0)
        assert units.shape == (LENGTH, len(ACTION_UNITS))
        assert units.min() >= 0 and units.max() <= 1
        ends = np.array(list(expressive(units).values()))[:, [0, -1]]
        assert ends.max() < 0.25


def test_a_more_expressive_puppet_and_a_higher_level_move_further():
    low, high = course("happy", level="LO"), course("happy", level="HI")
    shy, lively = course("happy", expressiveness=0.7), course("happy", expressiveness=1.0)
    assert high[:, COLUMN["AU12"]].max() > low[:, COLUMN["AU12"]].max()
    assert lively[:, COLUMN["AU12"]].max() > shy[:, COLUMN["AU12"]].max()


# Anger and disgust


def test_disgust_is_anger_run_backwards():
    angry, disgust = expressive(course("angry", 3)), expressive(course("disgust", 3))
    for name in angry:
        np.testing.assert_allclose(disgust[name], angry[name][::-1], atol=1e-12)


def test_averages_percentiles_and_correlations_of_anger_and_disgust_are_the_same():
    angry, disgust = (np.array(list(expressive(course(emotion, 5)).values())) for emotion in ("angry", "disgust"))
    np.testing.assert_allclose(angry.mean(axis=1), disgust.mean(axis=1), atol=1e-12)
    np.testing.assert_allclose(np.percentile(angry, [5, 50, 95], axis=1), np.percentile(disgust, [5, 50, 95], axis=1))
    np.testing.assert_allclose(angry @ angry.T, disgust @ disgust.T, atol=1e-9)


@pytest.mark.parametrize("expressiveness", [0.65, 1.0])
def test_anger_frowns_first_and_disgust_last_by_a_quarter_of_the_clip_or_more(expressiveness):
    for clip in range(30):
        for emotion, direction in (("angry", 1), ("disgust", -1)):
            units = course(emotion, clip, expressiveness=expressiveness)
            frown, snarl = units[:, COLUMN["AU4"]], units[:, COLUMN["AU10"]]
            moments = np.arange(LENGTH)
            apart = np.average(moments, weights=snarl) - np.average(moments, weights=frown)
            assert direction * apart > 0.25 * LENGTH
            assert min(frown.max(), snarl.max()) > 0.5


# Speech and blinks


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_lips_and_jaw_follow_the_voice_in_every_emotion(emotion):
    mouth = syllables()
    opening = course(emotion, mouth=mouth) - course(emotion)
    for name in ("AU25", "AU26"):
        assert np.corrcoef(opening[:, COLUMN[name]], mouth)[0, 1] > 0.95


def test_blinks_occur_in_every_clip_and_last_as_long_as_blinks_do():
    for clip in range(30):
        closed = course("neutral", clip)[:, COLUMN["AU45"]]
        assert closed.max() > 0.3 and closed.mean() < 0.35


def test_blinks_come_as_often_early_as_late():
    closed = np.mean([course("sad", clip)[:, COLUMN["AU45"]] for clip in range(600)], axis=0)
    assert closed[: LENGTH // 2].mean() == pytest.approx(closed[LENGTH // 2 :].mean(), rel=0.15)


@pytest.mark.parametrize("given", [("joy", "MD"), ("happy", "XL")])
def test_an_unknown_emotion_or_level_is_named_with_the_known_ones(given):
    with pytest.raises(InputError, match="expected one of") as caught:
        course(given[0], level=given[1])
    assert "joy" in str(caught.value) or "XL" in str(caught.value)


def test_an_expression_may_be_one_frame_long():
    assert express("angry", "XX", 0.04, np.zeros(1), 0.8, np.random.default_rng(0)).shape == (1, len(ACTION_UNITS))


# Looks


def test_the_same_speaker_looks_the_same_and_others_differ():
    assert Face.of(5, 0, "female") == Face.of(5, 0, "female")
    looks = [Face.of(speaker, seed, "male") for speaker in range(6) for seed in range(2)]
    assert len({(face.width, face.skin, face.eye_distance) for face in looks}) == len(looks)


@pytest.mark.parametrize("style", sorted({*HAIR_STYLES["female"], *HAIR_STYLES["male"]}))
def test_every_hair_style_and_collar_can_be_drawn(style):
    for collar in ("round", "open", "high"):
        face = dataclasses.replace(puppet(1), hair_style=style, collar=collar, freckles=True, earrings=True)
        pictures = draw(face, np.zeros((1, len(ACTION_UNITS))), np.random.default_rng(0))
        assert pictures.std() > 20


# Pictures


def test_pictures_are_colour_bytes_of_the_stated_size():
    pictures = shown(1, "happy")
    assert pictures.shape == (20, SIZE, SIZE, 3) and pictures.dtype == np.uint8
    assert pictures.min() < 60 and pictures.max() > 190


def test_the_same_seed_gives_the_same_pixels():
    units = course("fear", mouth=syllables())[20:24]
    again = [draw(puppet(2), units, np.random.default_rng(4)) for _ in range(2)]
    np.testing.assert_array_equal(*again)
    assert np.any(again[0] != draw(puppet(2), units, np.random.default_rng(5)))


def test_different_speakers_have_different_faces():
    assert np.abs(shown(1, "neutral").astype(int).mean(axis=0) - shown(3, "neutral").mean(axis=0)).mean() > 5


def test_drawing_leaves_the_action_units_and_global_randomness_alone():
    units = course("sad", mouth=syllables())[:3]
    before, state = units.copy(), np.random.get_state()[1].copy()
    draw(puppet(1), units, np.random.default_rng(0))
    np.testing.assert_array_equal(units, before)
    np.testing.assert_array_equal(np.random.get_state()[1], state)


@pytest.mark.parametrize("unit", [name.split()[0] for name in ACTION_UNITS])
def test_every_action_unit_can_be_seen(unit):
    units = np.zeros((1, len(ACTION_UNITS)))
    rest = draw(puppet(4), units, np.random.default_rng(1))
    units[:, COLUMN[unit]] = 1
    moved = draw(puppet(4), units, np.random.default_rng(1))  # the same noise and pose
    assert (np.abs(moved.astype(int) - rest).max(axis=-1) > 20).sum() > 20


def test_what_is_seen_of_the_mouth_follows_the_opening():
    units = np.zeros((LENGTH, len(ACTION_UNITS)))
    mouth = syllables()
    units[:, COLUMN["AU25"]], units[:, COLUMN["AU26"]] = mouth, mouth
    pictures = grey(draw(puppet(1), units, np.random.default_rng(2)))[:, 78:98, 50:78]
    change = np.abs(pictures - pictures[mouth == 0].mean(axis=0)).mean(axis=(1, 2))
    assert np.corrcoef(change, mouth)[0, 1] > 0.9


def test_a_head_in_a_clip_moves_a_little_and_never_out_of_the_picture():
    still = np.zeros((LENGTH, len(ACTION_UNITS)))
    pictures = grey(draw(puppet(1), still, np.random.default_rng(3)))
    assert 1 < pictures.std(axis=0).mean() < 12


def test_curves_pass_through_their_corners():
    corners = points((0, 0), (10, 5), (20, -5), (30, 0))
    np.testing.assert_allclose(curve(corners, closed=False, steps=5)[:, ::5], corners, atol=1e-12)
    np.testing.assert_allclose(curve(corners, closed=True, steps=5)[:, ::5], corners, atol=1e-12)


# What an observer can tell


@functools.cache
def histograms(speaker, emotion, clip):
    crops = grey(shown(speaker, emotion, clip))[:, 22:106:2, 22:106:2]  # [20, 42, 42]
    return GradientHistograms(size=42, cell=7).of_crops(crops / 255)  # [20, D]


def test_still_expressions_of_unseen_puppets_are_told_apart_by_their_averages():
    emotions = ("happy", "sad", "fear", "neutral")
    own = {s: np.mean([histograms(s, e, 0).mean(axis=0) for e in emotions], axis=0) for s in range(1, 13)}
    averages = {(s, e): histograms(s, e, 0)[6:14].mean(axis=0) - own[s] for s in own for e in emotions}
    centroids = {e: np.mean([averages[s, e] for s in range(1, 9)], axis=0) for e in emotions}
    unseen = [(s, e) for s in range(9, 13) for e in emotions]
    answers = [min(emotions, key=lambda e: np.linalg.norm(averages[clip] - centroids[e])) for clip in unseen]
    assert np.mean([answer == emotion for answer, (_, emotion) in zip(answers, unseen, strict=True)]) >= 0.9


def test_anger_and_disgust_of_unseen_puppets_are_told_apart_by_the_order_of_their_halves():
    def course_seen(speaker, emotion):  # how the second half of the clip differs from the first
        seen = histograms(speaker, emotion, 0)
        return seen[10:].mean(axis=0) - seen[:10].mean(axis=0)

    centroid = {e: np.mean([course_seen(s, e) for s in range(1, 9)], axis=0) for e in ("angry", "disgust")}
    for speaker in range(9, 13):
        for emotion in centroid:
            distances = {e: np.linalg.norm(course_seen(speaker, emotion) - centroid[e]) for e in centroid}
            assert min(distances, key=distances.get) == emotion


def test_the_face_detector_finds_every_puppet():
    assert all(track_face(grey(shown(s, "neutral")).astype(np.uint8)).found == 1 for s in range(1, 13))
