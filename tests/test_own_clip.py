"""A film of one's own: decoded, brought to what the network knows, recognised; and what happens to files that will not do."""

import gc
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import torch

from auxformer import media
from auxformer.config import override, preset
from auxformer.course import lab
from auxformer.course.upload import choose_clip
from auxformer.errors import InputError, MediaError
from auxformer.features.hog import block_histograms
from auxformer.features.track import resize
from auxformer.recognise import (
    Film,
    Recogniser,
    decode,
    describe,
    exact_zeros,
    face_notes,
    far_out,
    feature_names,
    mean_over_time,
    recognise,
    sound_notes,
)
from auxformer.training.fit import fit
from auxformer.training.run import load

SMALL = {"width": 8, "heads": 2, "layers": 1, "aux_hidden": [12, 10]}


@pytest.fixture(scope="module")
def run(tiny_split, tmp_path_factory):
    """A small network, trained on them for an epoch and read from its folder."""
    config = override(preset("quick"), {"model": SMALL, "training": {"epochs": 1, "device": "cpu"}})
    folder = tmp_path_factory.mktemp("runs") / "small"
    fit(config, tiny_split, folder, progress=False)
    return load(folder)


@pytest.fixture(scope="module")
def recogniser(run):
    return run.recogniser()


@pytest.fixture(scope="module")
def film_of(tiny_split):
    """The media of one clip, by kind."""
    return tiny_split.task.corpus.clips.iloc[7]


def test_a_film_gives_the_very_features_that_the_store_holds(tiny_split, recogniser, film_of):
    train = tiny_split.train
    name = film_of.name if film_of.name in train.clips else train.clips[0]
    row = tiny_split.task.corpus.clips.loc[name]
    _, audio, video, *_ = train[train.clips.index(name)]
    film = decode(row.video)._replace(waveform=media.read_audio(row.audio))  # the film's own sound is AAC
    features = recogniser.features(film)
    assert np.array_equal(features.audio, audio) and np.array_equal(features.video, video)
    assert features.video_rate == pytest.approx(25) and 0 <= features.face.found <= 1


def test_the_posteriors_are_those_of_the_network_and_the_mean_is_that_of_the_logits(recogniser, film_of):
    found = recognise(film_of.video, recogniser)
    assert list(found.posteriors.index) == ["fusion", "audio", "video", "mean"]
    assert np.allclose(found.posteriors.sum(axis=1), 1, atol=1e-5)
    logs = np.log(found.posteriors.loc[["fusion", "audio", "video"]].to_numpy()).mean(0)
    assert np.allclose(found.posteriors.loc["mean"], np.exp(logs) / np.exp(logs).sum(), atol=1e-5)
    assert found.answer == found.posteriors.columns[logs.argmax()]


def test_a_run_recognises_without_corpus_and_features(run, recogniser, film_of):
    assert np.allclose(run.recognise(film_of.video).posteriors, recognise(film_of.video, recogniser).posteriors)
    with pytest.raises(InputError, match="no run here"):
        load(run.folder.parent)


def test_heads_of_an_absent_stream_say_nothing_and_its_content_changes_nothing(recogniser, film_of):
    features = recogniser.features(decode(film_of.video))
    deaf = recogniser.posteriors(features.without("audio"))
    assert deaf.loc["audio"].isna().all() and not deaf.loc[["fusion", "video", "mean"]].isna().any().any()
    louder = features._replace(audio=features.audio + 3)
    assert np.allclose(recogniser.posteriors(louder.without("audio")), deaf, equal_nan=True)
    with pytest.raises(InputError, match="both streams are absent"):
        recogniser.posteriors(features.without("audio").without("video"))
    with pytest.raises(InputError, match='no stream "sound"'):
        features.without("sound")


def test_a_sound_file_and_a_silent_film_are_recognised_by_what_they_hold(recogniser, film_of, tmp_path):
    by_ear = recognise(film_of.audio, recogniser)
    assert by_ear.features.video is None and "video" in by_ear.film.problems[0]
    frames, _ = media.read_frames(film_of.video)
    media.write_video(tmp_path / "silent.mp4", frames, 25)
    by_eye = recognise(tmp_path / "silent.mp4", recogniser)
    assert by_eye.features.audio is None and by_eye.posteriors.loc["audio"].isna().all()
    assert recogniser.attention(by_eye.features) == {}


def test_a_clip_does_not_depend_on_its_batch_mates(recogniser, film_of):
    features = recogniser.features(decode(film_of.video))
    short = features._replace(audio=features.audio[:40], video=features.video[:10])
    together = recogniser.means([short, features, features.without("video")])
    assert np.allclose(together[1], recogniser.posteriors(features).loc["mean"], atol=1e-5)
    assert np.allclose(together[0], recogniser.posteriors(short).loc["mean"], atol=1e-5)


def test_a_watcher_sees_only_what_its_mask_allows(recogniser, film_of):
    features = recogniser.features(decode(film_of.video))
    watch = recogniser.watcher(features, "video", "happy")
    frames = len(features.video)
    everything, nothing = np.ones(frames, bool), np.zeros(frames, bool)
    column = recogniser.classes.index("happy")
    assert watch(everything) == pytest.approx(recogniser.posteriors(features).loc["mean"].iloc[column], abs=1e-6)
    without = recogniser.posteriors(features.without("video")).loc["mean"].iloc[column]
    assert watch(nothing) == pytest.approx(without, abs=1e-6)
    half = everything.copy()
    half[: frames // 2] = False
    spoilt = features.video.copy()
    spoilt[: frames // 2] += 5
    spoilt_watch = recogniser.watcher(features._replace(video=spoilt), "video", "happy")
    assert spoilt_watch(half) == pytest.approx(watch(half), abs=1e-6)
    assert spoilt_watch(everything) != pytest.approx(watch(everything), abs=1e-6)


def test_attention_over_time_has_the_mean_of_an_even_share(recogniser, film_of):
    asked = recogniser.attention(recogniser.features(decode(film_of.video)))
    assert set(asked) == {"audio", "video"}
    for weights in asked.values():
        assert weights.mean() == pytest.approx(1, abs=1e-5) and (weights >= 0).all() and weights.std() > 0


def test_what_a_file_says_of_itself(film_of):
    said = describe(film_of.video)
    assert said["audio"] == "aac, 16000 Hz, 1 channel" and said["video"].startswith("h264, 128 x 128, 25 fps")
    assert set(describe(film_of.audio)) == {"audio"}


def test_large_pictures_are_scaled_and_keep_their_shape(tmp_path):
    frames = np.random.default_rng(0).integers(0, 255, (5, 480, 640, 3)).astype(np.uint8)
    media.write_video(tmp_path / "large.mp4", frames, 25)
    film = decode(tmp_path / "large.mp4")
    assert film.frames.shape == (5, 240, 320, 3) and film.grey.shape == (5, 240, 320)
    assert film.waveform is None and "audio" in film.problems[0]


def test_files_that_will_not_do_get_a_sentence(tmp_path):
    media.write_wav(tmp_path / "long.wav", np.zeros(16000 * 31), 16000)
    with pytest.raises(InputError, match="lasts 31 s, expected at most 30"):
        decode(tmp_path / "long.wav")
    (tmp_path / "notes.mp4").write_text("no film at all")
    with pytest.raises(MediaError, match="notes.mp4"):
        decode(tmp_path / "notes.mp4")
    with pytest.raises(MediaError, match="no such file"):
        decode(tmp_path / "gone.mp4")


def test_features_that_cannot_be_taken_in_memory_or_are_of_other_settings_are_refused(run, tmp_path):
    table = tmp_path / "table.csv"
    table.write_text("clip,a\nx,1\n")
    model, features = torch.nn.Linear(1, 1), run.about["features"]
    with pytest.raises(InputError, match="is read from files"):
        Recogniser.of(model, run.classes, {**features, "video": {**features["video"], "spec": f"table:{table}"}}, run.normalizers)
    other = {**features, "video": {**features["video"], "digest": "00000000"}}
    with pytest.raises(InputError, match="other settings"):
        Recogniser.of(model, run.classes, other, run.normalizers)


def _film(frames: np.ndarray) -> Film:
    """Grey frames `[T, H, W]` as a film without sound."""
    colour = np.repeat(frames[..., None], 3, axis=3)
    return Film(None, colour, frames, np.arange(len(frames)) / 25)


def test_no_face_several_and_a_small_one_are_said(recogniser, film_of):
    grey, _ = media.read_frames(film_of.video, grey=True)  # [T, H, W]
    wanted = recogniser.video.size

    def notes(frames, size=wanted):
        film = _film(frames)
        return face_notes(film, recogniser.features(film).face, size)

    assert notes(grey) == ()
    assert "No face was found" in notes(np.full_like(grey, 90))[0]
    assert "2 faces were found" in notes(np.concatenate([grey, grey], axis=2))[0]
    gone = grey.copy()
    gone[: len(grey) // 2] = 90
    assert "of the frames only" in notes(gone)[0]
    height, width = grey.shape[1:]
    small = np.stack([resize(frame, (height // 3, width // 3)) for frame in grey])
    assert "was enlarged to" in notes(small)[-1]
    assert face_notes(Film(np.zeros(9), None, None, None), None) == ()


def test_recognising_says_what_makes_the_answer_doubtful(run, film_of, tmp_path):
    assert run.recognise(film_of.video).notes == ()
    media.write_video(tmp_path / "wall.mp4", np.full((20, 96, 96, 3), 90, np.uint8), 25)
    notes = run.recognise(tmp_path / "wall.mp4").notes
    assert len(notes) == 2 and "audio" in notes[0] and "No face" in notes[1]


def _sound(*parts: float) -> np.ndarray:
    """Noise and exact zeros by turns, of so many seconds each."""
    rng = np.random.default_rng(0)
    pieces = [rng.uniform(0.1, 0.2, round(16000 * s)) * (i % 2 == 0) for i, s in enumerate(parts)]
    return np.concatenate(pieces).astype(np.float32)


def test_exact_zeros_are_found_where_they_are_and_short_ones_are_none():
    assert exact_zeros(_sound(1, 0.3, 1)) == [pytest.approx((1, 1.3))]
    assert exact_zeros(_sound(0, 0.05, 1, 0.049, 1, 0.1)) == [pytest.approx((0, 0.05)), pytest.approx((2.099, 2.199))]
    assert exact_zeros(_sound(1)) == [] and exact_zeros(1e-5 * _sound(1)) == []


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ((0, 0.3, 1.2), "for 0.30 s at the beginning: 20% of it"),
        ((1.5, 0.5), "for 0.50 s at the end: 25% of it"),
        ((1, 0.5, 1), "for 0.50 s from 1.00 s: 20% of it"),
        ((0, 0.2, 0.6, 0.2), "for 0.20 s at the beginning, for 0.20 s at the end: 40% of it"),
        ((0.2, 0.1, 0.2, 0.1, 0.2, 0.1, 0.2, 0.1, 0.3, 0.1), "from 0.80 s, at 2 more places"),
        ((0, 1), "zero throughout"),
    ],
)
def test_exact_zeros_are_said_where_and_how_long(parts, words):
    (note,) = sound_notes(Film(_sound(*parts), None, None, None))
    assert words in note


def test_a_sound_of_a_room_and_a_silent_film_get_no_note_of_zeros():
    assert sound_notes(Film(_sound(1, 0.04, 1), None, None, None)) == () == sound_notes(Film(None, None, None, None))


def test_recognising_says_that_a_recording_begins_with_zeros(run, film_of, tmp_path):
    sound = np.concatenate([np.zeros(4800), media.read_audio(film_of.audio)])
    media.write_wav(tmp_path / "late.wav", sound, 16000)
    notes = run.recognise(tmp_path / "late.wav").notes
    assert len(notes) == 2 and "for 0.30 s at the beginning" in notes[1]  # the first: it has no pictures


def test_every_feature_has_a_name_and_that_of_hog_is_its_place_in_the_crop(recogniser):
    hog = recogniser.video
    names = feature_names(hog)
    assert len(set(names)) == len(names) == hog.dims == 288
    counts = np.zeros((1, 4, 4, 8), np.float32)
    counts[0, 2, 3, 1] = 1  # gradients in one direction, in one cell
    found = [names[i] for i in np.flatnonzero(block_histograms(counts, hog.block)[0])]
    place = "hog: row 3 and column 4 of 4, gradients at 34 degrees"
    assert found == [f"{place} (block 6)", f"{place} (block 9)"]
    lld = recogniser.audio
    assert feature_names(lld) == list(lld.names) and len(lld.names) == lld.dims


def test_the_features_that_are_farthest_out_come_first_by_name_with_their_deviations():
    known = np.random.default_rng(0).normal(size=(200, 4)) * (1, 10, 0.1, 0) + 5  # the last is constant
    clip = known.mean(0) + known.std(0) * (1, -3, 2, 0)
    distance, table = far_out(clip, known, ["a", "b", "c", "d"], count=3)
    assert table.feature.tolist() == ["b", "c", "a"] and np.allclose(table.z, [-3, 2, 1])
    assert distance == pytest.approx(np.sqrt(14 / 4))


def test_the_mean_over_time_is_that_of_the_valid_frames():
    frames = np.array([[1, 2], [np.nan, np.nan], [3, 6]], np.float32)
    assert mean_over_time(frames).tolist() == [2, 4] and np.isnan(mean_over_time(frames[1:2])).all()


def test_a_picture_that_stands_still_is_a_film_too(recogniser):
    frames = np.full((1, 64, 64, 3), 90, np.uint8)
    features = recogniser.features(Film(None, frames, frames[..., 0], np.zeros(1)))
    assert features.video.shape == (1, recogniser.video.dims) and features.face.found == 0
    assert np.isfinite(recogniser.posteriors(features).loc["mean"]).all()


def test_the_small_network_of_the_lessons_is_trained_once_and_read_back(tiny_split, tmp_path, monkeypatch):
    monkeypatch.setattr(lab, "run_root", lambda: tmp_path)
    first = lab.small_auxformer(tiny_split, width=8, epochs=1)
    assert first.config.model.width == 8 and first.config.training.epochs == 1
    monkeypatch.setattr("auxformer.training.fit._Trainer.run", lambda self: pytest.fail("trained again"))
    again = lab.small_auxformer(tiny_split, width=8, epochs=1)
    assert again.folder == first.folder
    assert all(torch.equal(a, b) for a, b in zip(first.model.state_dict().values(), again.model.state_dict().values()))


def test_an_upload_stands_for_the_default_until_a_file_is_chosen(monkeypatch, film_of):
    monkeypatch.setattr("IPython.display.display", lambda *_, **__: None)
    upload = choose_clip(film_of.video)
    assert upload.path == film_of.video and not upload.chosen
    size = f"{Path(film_of.video).stat().st_size / 1e6:.1f} MB, {media.duration(film_of.video):.1f} s"
    assert upload.what.startswith(f"the default clip: {Path(film_of.video).name}, {size}. No clip of yours is here")
    content = memoryview(Path(film_of.video).read_bytes())
    file = {"name": "../me & you.MP4", "type": "video/mp4", "size": len(content), "content": content}
    upload._widget.set_trait("value", ({**file, "last_modified": datetime(2024, 1, 1)},))
    assert upload.chosen and upload.path.endswith("clip.mp4")
    assert describe(upload.path) == describe(film_of.video)
    assert upload.what == f"your clip: ../me & you.MP4, {size}"
    upload._widget.set_trait("value", ({**file, "content": b"no film", "last_modified": datetime(2024, 1, 1)},))
    assert "no film or sound that can be read" in upload.what
    copy = Path(upload.path)
    del upload
    gc.collect()
    assert not copy.exists(), "somebody's film stays on the disk"
