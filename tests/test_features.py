"""Extractors: the values of openSMILE, the invariances of gradient histograms, tables, and what is refused."""

import math
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data
from skimage.feature import hog as library_hog

from auxformer import media
from auxformer.errors import InputError, MediaError
from auxformer.features import Clip, Extractor, create_extractor, list_extractors
from auxformer.features.face import evenly
from auxformer.features.hog import GradientHistograms
from auxformer.features.lld import LowLevelDescriptors
from auxformer.features.logmel import LogMel
from auxformer.features.track import FaceTrack, level_crops, resize, track_face

RATE = 16000


def voice(seconds=1.5, seed=0):
    """A pulse train of gliding pitch, with noise and pauses: voiced, unvoiced and silent frames."""
    time = np.arange(round(seconds * RATE)) / RATE
    pulses = np.sign(np.sin(2 * np.pi * (140 + 30 * np.sin(5 * time)) * time))
    noise = np.random.default_rng([3, seed]).normal(size=len(time))
    return (0.3 * pulses * (np.sin(6 * time) > 0) + 0.01 * noise * (time > 0.2)).astype(np.float32)


def photograph():
    """Grey photograph of a woman looking into the camera, [320, 320]."""
    return (data.astronaut()[:320, 40:360] @ [0.299, 0.587, 0.114]).astype(np.uint8)


@pytest.fixture
def table(tmp_path):
    def write(text):
        path = tmp_path / "numbers.csv"
        path.write_text(text)
        return str(path)

    return write


def test_descriptors_equal_those_of_the_package_called_twice():
    import opensmile

    halves = []
    for level in ("LowLevelDescriptors", "LowLevelDescriptors_Deltas"):
        smile = opensmile.Smile(opensmile.FeatureSet.ComParE_2016, opensmile.FeatureLevel[level])
        halves.append((smile.feature_names, smile.process_signal(voice(), RATE).to_numpy()))
    ours = LowLevelDescriptors().of_waveform(voice())
    (names, descriptors), (delta_names, deltas) = halves
    assert LowLevelDescriptors().names == names + delta_names
    np.testing.assert_allclose(ours[:, :65], descriptors, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(ours[:, 65:], deltas[: len(ours)], rtol=1e-5, atol=1e-5)


def test_descriptors_follow_the_pitch():
    time = np.arange(RATE) / RATE
    low, high = (np.sign(np.sin(2 * np.pi * hertz * time)).astype(np.float32) * 0.3 for hertz in (120, 240))
    pitch = LowLevelDescriptors().names.index("F0final_sma")
    heard = [np.median(LowLevelDescriptors().of_waveform(sound)[20:-20, pitch]) for sound in (low, high)]
    np.testing.assert_allclose(heard, [120, 240], rtol=0.02)


def test_log_mel_band_follows_the_pitch_and_level_its_square():
    tone = np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE).astype(np.float32)
    loud, soft = (LogMel().of_waveform(level * tone)[10:-10] for level in (0.5, 0.05))
    assert abs(loud.mean(0).argmax() - 25) <= 2  # 1 kHz is 15 of 45.2 Slaney mels; 80 bands reach up to 8 kHz
    np.testing.assert_allclose((loud - soft).mean(0)[loud.mean(0).argmax()], 2 * math.log(10), rtol=1e-3)


@pytest.mark.parametrize("extractor", [LowLevelDescriptors(), LogMel()])
@pytest.mark.parametrize("samples", [1, 159, 160, 400, 959, 960, 16000])
def test_sound_of_any_length_gives_finite_frames_100_times_a_second(extractor, samples):
    features = extractor.of_waveform(voice()[:samples])
    assert features.dtype == np.float32 and features.shape[1] == extractor.dims
    assert np.isfinite(features).all()
    assert abs(len(features) - samples / 160) <= 6


@pytest.mark.parametrize("extractor", [LowLevelDescriptors(), LogMel()])
@pytest.mark.parametrize("level", [0.0, 1e-6, 1.0, -1.0])
def test_silence_and_constant_sound_give_finite_frames(extractor, level):
    assert np.isfinite(extractor.of_waveform(np.full(8000, level, np.float32))).all()


def test_full_scale_sound_does_not_wrap_around():
    square = np.sign(np.sin(2 * np.pi * 100 * np.arange(8000) / RATE) + 1e-9).astype(np.float32)
    whole, nearly = (LowLevelDescriptors().of_waveform(level * square) for level in (1.0, 0.999))
    energy = LowLevelDescriptors().names.index("pcm_RMSenergy_sma")
    np.testing.assert_allclose(whole[:, energy], nearly[:, energy], rtol=0.01)


def test_sound_is_taken_from_the_film_where_there_is_no_audio_file(tmp_path):
    media.write_video(tmp_path / "a.mp4", np.zeros((20, 16, 16, 3), np.uint8), 20, voice(1.0), RATE)
    features = create_extractor("lld")(Clip("a", None, str(tmp_path / "a.mp4")))
    assert abs(len(features) - 96) <= 1


def test_face_is_found_and_framed():
    film = np.stack([np.roll(photograph(), (2 * t, -t), (0, 1)) for t in range(9)])
    face = track_face(film)
    assert face.found == 1.0 and (90 < 1.15 * face.height).all() and (1.15 * face.height < 140).all()
    away = np.stack([face.y - 112 - 2 * np.arange(9), face.x - 187 + np.arange(9)])
    assert np.abs(away).max() < 12, "it is followed"
    half = track_face(np.stack([resize(frame, (160, 160)) for frame in film]))
    np.testing.assert_allclose(2 * np.array(half[:3]), face[:3], atol=10)


def test_no_face_gives_the_centre_of_the_picture():
    draw = np.random.default_rng([4, 2])
    for frames in (draw.integers(0, 255, (5, 60, 100), dtype=np.uint8), np.zeros((1, 101, 60), np.uint8)):
        face = track_face(frames).at(-1)
        assert face == (frames.shape[2] / 2, frames.shape[1] / 2, 48, 0) and track_face(frames).found == 0
    assert track_face(np.zeros((3, 16, 2), np.uint8)).found == 0


def boxed(top, left, side, count=1):
    """The path of a face that the square of a crop is around."""
    one = np.ones(count)
    return FaceTrack((left + side / 2) * one, (top + side / 2) * one, side / 1.15 * one, 0 * one, 1.0)


def test_histograms_are_those_of_each_frame_alone():
    film = np.stack([np.roll(photograph(), 3 * t, 1) for t in range(4)])
    hog = GradientHistograms()
    crops = level_crops(film, boxed(60, 120, 110, len(film)), hog.size)
    np.testing.assert_array_equal(hog.of_crops(crops)[2], hog.of_crops(crops[2:3])[0])


@st.composite
def hog_settings(draw):
    """Settings that fit each other, small enough for a property."""
    cells, cell = draw(st.integers(1, 6)), draw(st.integers(1, 9))
    block, orientations = draw(st.integers(1, cells)), draw(st.integers(1, 20))
    return {"size": cells * cell, "cell": cell, "block": block, "orientations": orientations}


@settings(max_examples=60, deadline=None)
@given(hog_settings(), st.sampled_from(["noise", "few greys", "slopes", "flat"]), st.integers(0, 2**32 - 1))
def test_histograms_of_a_clip_are_those_of_scikit_image_frame_by_frame(options, kind, seed):
    shape, draw = (3, options["size"], options["size"]), np.random.default_rng(seed)
    crops = {
        "noise": draw.uniform(0, 255, shape),
        "few greys": draw.integers(0, 3, shape),  # many gradients of exactly 0, 45 and 90 degrees
        "slopes": np.cumsum(np.cumsum(draw.normal(size=shape), 1), 2),
        "flat": np.full(shape, draw.uniform(0, 255)),
    }[kind].astype(np.float32)
    cell, block = (options["cell"],) * 2, (options["block"],) * 2
    theirs = [library_hog(crop, options["orientations"], cell, block, block_norm="L2-Hys") for crop in crops]
    ours = GradientHistograms(**options).of_crops(crops)
    np.testing.assert_allclose(ours, np.stack(theirs), rtol=0, atol=1e-5)
    assert (ours == np.stack(theirs)).mean() > 0.999, "bit for bit but for gradients on the edge of a bin"


def test_histograms_do_not_see_brightness_or_contrast_but_see_a_smile():
    hog = GradientHistograms()
    face = level_crops(photograph()[None], boxed(60, 120, 110), hog.size)
    dimmed = hog.of_crops(0.5 * face + 20)
    np.testing.assert_allclose(dimmed, hog.of_crops(face), atol=1e-3)
    upside_down = hog.of_crops(face[:, ::-1])
    assert np.linalg.norm(upside_down - hog.of_crops(face)) > 0.2


@pytest.mark.parametrize("options", [{}, {"size": 64, "cell": 16, "block": 2}, {"orientations": 9, "block": 1}])
def test_width_of_histograms_follows_from_the_settings(options):
    hog = create_extractor("hog", **options)
    features = hog.of_crops(np.zeros((2, hog.size, hog.size), np.float32))
    assert features.shape == (2, hog.dims) and np.isfinite(features).all()


@pytest.mark.parametrize("options", [{"size": 50}, {"block": 7}, {"orientations": 0}, {"margin": 0}, {"boxes": "every"}, {"cell": 0}])
def test_settings_that_do_not_fit_are_refused(options):
    with pytest.raises(InputError, match="hog|margin|boxes"):
        create_extractor("hog", **options)


def test_histograms_have_a_vector_per_frame(tmp_path):
    film = np.repeat(np.stack([np.roll(photograph(), t, 0) for t in range(12)])[..., None], 3, axis=-1)
    media.write_video(tmp_path / "a.mp4", film, 25)
    features = create_extractor("hog")(Clip("a", None, str(tmp_path / "a.mp4")))
    assert features.shape == (12, 288) and features.dtype == np.float32 and np.isfinite(features).all()


def test_shrinking_averages_and_enlarging_interpolates():
    picture = np.arange(64, dtype=np.float32).reshape(8, 8)
    assert resize(picture, (1, 1)).item() == pytest.approx(picture.mean())
    np.testing.assert_allclose(resize(picture, (8, 8)), picture, atol=1e-4)
    np.testing.assert_allclose(np.diff(resize(picture, (8, 16))[3])[2:-2], 0.5, atol=1e-4)


def test_frames_of_varying_rate_are_spread_evenly():
    np.testing.assert_array_equal(evenly(np.arange(10) / 29.97), np.arange(10))
    np.testing.assert_array_equal(evenly(np.round(np.arange(50) / 29.97, 3)), np.arange(50))
    np.testing.assert_array_equal(evenly(np.array([0, 0.1, 0.2, 0.8, 0.9, 1.0])), [0, 2, 2, 3, 3, 5])
    np.testing.assert_array_equal(evenly(np.array([0.0])), [0])


def test_table_gives_a_row_per_clip(table):
    extractor = create_extractor("table:" + table("clip,a,b\nx,1,2\ny,-3.5,1e3\n"))
    assert (extractor.dims, extractor.names, extractor.frames_per_second) == (2, ["a", "b"], 0)
    np.testing.assert_array_equal(extractor(Clip("y", None, None)), np.array([[-3.5, 1000]], np.float32))
    with pytest.raises(MediaError, match="no row for the clip z"):
        extractor(Clip("z", None, None))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("clip,a\nx,1\nx,2\n", "lists the clip x twice"),
        ("clip,a,b\nx,1,2\ny,1,\n", 'row y has "" in the column b'),
        ("clip,a\nx,nan\n", 'row x has "nan"'),
        ("clip,a\nx,1e300\n", 'row x has "1e300"'),
        ("clip,a\nx,high\n", 'row x has "high" in the column a'),
        ("clip\nx\n", "expected clip names and numbers"),
        ("clip,a\n", "expected clip names and numbers"),
        ("", "cannot be read as a CSV file"),
        ('clip,a\n"x,1\n', "cannot be read|expected"),
    ],
)
def test_damaged_table_is_a_sentence(table, text, words):
    with pytest.raises(InputError, match=words):
        create_extractor("table:" + table(text))


def test_clip_names_of_a_table_stay_text(table):
    extractor = create_extractor("table:" + table("clip,a\n0012,1\nNA,2\n"))
    assert list(extractor.values.index) == ["0012", "NA"]


def test_table_is_looked_for_in_the_corpus_first(tmp_path, monkeypatch):
    (tmp_path / "corpus").mkdir()
    (tmp_path / "t.csv").write_text("clip,a\nx,1\n")
    (tmp_path / "corpus" / "t.csv").write_text("clip,a\nx,2\n")
    monkeypatch.chdir(tmp_path)
    assert create_extractor("table:t.csv", tmp_path / "corpus")(Clip("x", None, None)) == 2
    assert create_extractor("table:t.csv")(Clip("x", None, None)) == 1
    with pytest.raises(InputError, match="no such file"):
        create_extractor("table:u.csv", tmp_path / "corpus")


def test_extractors_keep_their_promises(table):
    specs = ["lld", "logmel", "hog", "table:" + table("clip,a\nx,1\n")]
    networks = ["wav2vec2", "vggface", "emoca", "hf-vision"]  # in test_network_features
    networks += ["voice", "blendshapes", "openface", "arrays"]  # in tests of their own
    assert sorted([*networks, *(spec.partition(":")[0] for spec in specs)]) == sorted(list_extractors())
    for spec in specs:
        extractor = create_extractor(spec)
        assert isinstance(extractor, Extractor)
        assert extractor.modality == {"lld": "audio", "logmel": "audio"}.get(spec, "video")
        assert pickle.loads(pickle.dumps(extractor)).digest() == extractor.digest()


def test_digest_names_every_setting_and_the_content_of_a_table(table):
    path = table("clip,a\nx,1\n")
    extractors = [create_extractor("hog"), create_extractor("hog", boxes="clip"), create_extractor("table:" + path)]
    extractors.append(create_extractor("table:" + path, modality="audio"))
    digests = [extractor.digest() for extractor in extractors]
    digests.append(create_extractor("table:" + table("clip,a\nx,2\n")).digest())
    assert len(set(digests)) == 5 and all(len(digest) == 8 for digest in digests)


@pytest.mark.parametrize(
    ("spec", "options", "words"),
    [
        ("llds", {}, 'unknown features "llds". Did you mean "lld"'),
        ("table", {}, "table:FILE.csv"),
        ("hog:file", {}, "without a file"),
        ("lld", {"modality": "video"}, "describe the audio stream"),
        ("hog", {"orientation": 8}, "no such settings: orientation"),
    ],
)
def test_wrong_names_and_settings_are_a_sentence(spec, options, words):
    with pytest.raises(InputError) as caught:
        create_extractor(spec, **options)
    assert words in str(caught.value)


REAL = Path(__file__).parents[1].parent / "shared" / "real" / "ravdess"


@pytest.mark.skipif(not REAL.is_dir(), reason=f"no RAVDESS recordings in {REAL}")
def test_real_recordings_have_a_pitch_and_action_units():
    paths = sorted(REAL.glob("audio/Actor_0[12]/*-01-01.flac")) or sorted(REAL.glob("audio/Actor_01/*.flac"))
    lld, table = create_extractor("lld"), create_extractor("table:action_units_mean.csv", REAL)
    pitch = lld.names.index("F0final_sma")
    for path in paths[:3]:
        clip = Clip("01" + path.stem[2:], str(path), None)
        features = lld(clip)
        voiced = features[features[:, pitch] > 0, pitch]
        assert np.isfinite(features).all() and abs(len(features) - 100 * media.duration(path)) < 6
        assert 60 < np.median(voiced) < 500
        assert table(clip).shape == (1, 35)
