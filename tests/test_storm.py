"""One cause in both streams: nothing at severity 0, more harm the higher, and stalls and gusts at the same moments."""

import re
import shutil
import sys
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from auxformer import media
from auxformer.benchmark.run import Work, predictions_of
from auxformer.benchmark.suite import Suite
from auxformer.cli import main
from auxformer.config import config_for, override, preset
from auxformer.corpora import read_corpus
from auxformer.corruption import CAUSES, SEVERITIES, Storm, derive_corpus, parse_condition, pictures, streams_of
from auxformer.data.task import Task
from auxformer.errors import InputError
from auxformer.evaluation.scores import RESULT_COLUMNS
from auxformer.reports import report

HARMFUL = SEVERITIES[1:]


@pytest.fixture(scope="module")
def clip(tiny_corpus):
    """A puppet's film, its frame rate, its voice, and the voices of others."""
    table = read_corpus(tiny_corpus).clips
    others = [media.read_audio(path) for path in table[table.speaker != table.speaker.iloc[0]].audio.iloc[:4]]
    film, voice = table.video.iloc[0], table.audio.iloc[0]
    return media.read_frames(film)[0], media.frame_rate(film), media.read_audio(voice), others


def struck(clip, cause, severity, seed=1):
    frames, rate, voice, others = clip
    storm = Storm(cause, severity, seed, len(frames) / rate)
    return storm.on_pictures(frames, rate), storm.on_sound(voice, others)


def band(waveform, low, high):
    """RMS between two frequencies, Hz."""
    power, tones = np.abs(np.fft.rfft(waveform)) ** 2, np.fft.rfftfreq(len(waveform), 1 / 16000)
    return float(np.sqrt(power[(tones >= low) & (tones < high)].sum()) / len(waveform))


def detail(frames):
    """How much neighbouring pixels differ."""
    return float(np.abs(np.diff(frames.astype(float), axis=2)).mean())


@pytest.mark.parametrize("cause", CAUSES)
def test_severity_zero_is_the_identity_and_the_others_keep_shape_and_length(clip, cause):
    frames, _, voice, _ = clip
    same = struck(clip, cause, 0)
    assert np.array_equal(same[0], frames) and np.array_equal(same[1], voice)
    before = frames.copy(), voice.copy()
    for severity in HARMFUL:
        film, sound = struck(clip, cause, severity)
        assert film.shape == frames.shape and film.dtype == np.uint8 and not np.array_equal(film, frames), severity
        assert sound.shape == voice.shape and sound.dtype == np.float32 and not np.array_equal(sound, voice), severity
        assert np.isfinite(sound).all() and np.abs(sound).max() <= 1
    assert np.array_equal(frames, before[0]) and np.array_equal(voice, before[1]), "edited in place"


@pytest.mark.parametrize("cause", CAUSES)
def test_the_same_seed_gives_the_same_storm_and_another_one_another(clip, cause):
    one, again, other = struck(clip, cause, 3), struck(clip, cause, 3), struck(clip, cause, 3, seed=2)
    assert all(np.array_equal(*pair) for pair in zip(one, again))
    if cause == "compression":  # nothing in it is drawn
        assert all(np.array_equal(*pair) for pair in zip(one, other))
        return
    assert not np.array_equal(one[1], other[1])
    if cause != "walking-away":  # everybody walks at the same pace
        assert not np.array_equal(one[0], other[0])


def test_harm_grows_with_severity(clip):
    frames, _, voice, _ = clip
    films, sounds = ({cause: [struck(clip, cause, s)[stream] for s in SEVERITIES] for cause in CAUSES} for stream in (0, 1))
    falls = lambda values: all(a >= b for a, b in pairwise(values)) and values[0] > values[-1]
    error = lambda film: float(np.square(film.astype(float) - frames).mean())
    for cause in ("night", "crowd", "compression"):
        assert falls([-error(film) for film in films[cause]]), cause
    assert falls([film.mean() for film in films["night"]]) and films["night"][5].mean() > 15, "somebody could see something"
    stills = [float((np.abs(np.diff(film.astype(int), axis=0)).max((1, 2, 3)) == 0).mean()) for film in films["connection"]]
    assert falls([-share for share in stills]) and stills[1] > 0.05 and stills[5] < 0.9
    heights = [pictures.track_face(film, "clip").height[0] for film in films["walking-away"]]
    assert falls(heights) and heights[5] == pytest.approx(heights[0] / 4, rel=0.25)
    assert falls([detail(film) for film in films["walking-away"]][1:])
    moved = [float(np.abs(film.astype(int) - frames).mean()) for film in films["wind"]]
    assert falls([-value for value in moved])

    assert falls([sound.std() for sound in sounds["walking-away"]])
    dull = [band(sound, 3000, 7000) / band(sound, 200, 1000) for sound in sounds["walking-away"]]
    assert dull[5] < dull[1] < dull[0]
    assert falls([-band(sound, 3000, 7000) for sound in sounds["night"]])
    assert falls([-band(sound, 20, 150) / band(sound, 1000, 4000) for sound in sounds["wind"]])
    likeness = lambda sound: float(np.corrcoef(sound, voice)[0, 1])
    assert falls([likeness(sound) for sound in sounds["crowd"]])
    assert falls([likeness(sound) for sound in sounds["compression"][2:]]) and likeness(sounds["compression"][5]) > 0.5
    assert band(sounds["compression"][5], 5000, 8000) < 0.1 * band(voice, 5000, 8000)


def test_a_bad_connection_takes_the_picture_and_the_voice_at_the_same_moments(clip):
    frames, rate, voice, _ = clip
    frames = frames.copy()
    frames[:, 0, 0, 0] = np.arange(len(frames))  # every frame says its number
    voice = np.where(np.arange(len(voice)) % 2, 0.5, -0.5).astype(np.float32)
    voice[:1600] *= 0.01  # how quiet the room is
    for severity in HARMFUL:
        storm = Storm("connection", severity, 7, len(frames) / rate)
        shown = storm.on_pictures(frames, rate)[:, 0, 0, 0]
        held = np.append(False, np.diff(shown.astype(int)) == 0)
        quiet = np.abs(storm.on_sound(voice)) < 0.1
        middle = ((np.arange(1, len(frames)) + 0.5) / rate * 16000).astype(int)
        loud_enough = middle > 1600
        assert np.array_equal(held[1:][loud_enough], quiet[middle][loud_enough]) and held.any(), severity
    lost = [Storm("connection", severity, 7, 2.5).stalled(np.arange(250) / 100) for severity in SEVERITIES]
    assert all((more | ~less).all() for less, more in pairwise(lost)), "what is lost in a good line comes through in a bad one"
    assert [each.mean() for each in lost] == pytest.approx([0, 0.15, 0.3, 0.45, 0.6, 0.75], abs=0.05)


def test_the_camera_shakes_when_the_microphone_rumbles(clip):
    frames = clip[0]
    picture = np.tile(np.linspace(0, 255, frames.shape[2], dtype=np.uint8)[None, None, :, None], (100, frames.shape[1], 1, 3))
    storm = Storm("wind", 5, 3, 4.0)
    shaken = np.abs(storm.on_pictures(picture, 25.0)[:, 20:-20, 20:-20].astype(float) - picture[:, 20:-20, 20:-20])
    strength = shaken.mean((1, 2, 3)).reshape(10, 10).max(1)  # per .4 s
    rumble = storm.on_sound(1e-4 * np.random.default_rng(0).standard_normal(64000).astype(np.float32))
    loudness = np.sqrt(np.square(rumble).reshape(10, 6400).mean(1))
    assert np.corrcoef(strength, loudness)[0, 1] > 0.6
    assert loudness.max() > 2.5 * loudness.min(), "wind comes in gusts"


def test_somebody_passes_in_front_of_the_face_and_goes(clip):
    frames, rate, _, _ = clip
    face = pictures.track_face(frames, "clip").at(0)
    x, y = round(face.x), round(face.y)
    covered = []
    for severity in HARMFUL:
        film = Storm("crowd", severity, 4, len(frames) / rate).on_pictures(frames, rate)
        there = np.abs(film[:, y, x].astype(int) - frames[:, y, x]).max(-1) > 30
        covered.append(there.mean())
    assert 0 < covered[0] < 0.4 and covered[0] < covered[-1] < 0.95


def test_both_streams_of_a_corpus_are_derived_resumed_and_the_rest_is_left(few, tmp_path):
    source = read_corpus(few, on_error="skip")
    derived = derive_corpus(few, tmp_path / "bad", "connection-5", jobs=2)
    read = read_corpus(derived, on_error="skip")
    assert list(read.clips.index) == list(source.clips.index)
    files = sorted([*derived.rglob("*.wav"), *derived.rglob("*.mp4")])
    made = {path: path.read_bytes() for path in files}
    for clip in source.clips.index[:4]:
        voice, after = (media.read_audio(table.clips.audio[clip]) for table in (source, read))
        film, shown = (media.read_frames(table.clips.video[clip])[0] for table in (source, read))
        own = media.read_audio(read.clips.video[clip])  # of the film: it goes wrong with the file beside it
        assert len(voice) == len(after) and film.shape == shown.shape
        assert not np.allclose(voice, after, atol=0.01)
        assert np.corrcoef(after[: len(own)], own[: len(after)])[0, 1] > 0.9 > np.corrcoef(voice, after)[0, 1]
    stamps = {path: path.stat().st_mtime_ns for path in files}
    gone = [files[1], files[-2]]
    for path in gone:
        path.unlink()
    assert {path.suffix for path in gone} == {".wav", ".mp4"}
    derive_corpus(few, derived, "connection-5", jobs=1)
    assert {path: path.read_bytes() for path in files} == made and {path: path.stat().st_mtime_ns for path in files} == stamps
    other = derive_corpus(few, tmp_path / "other", "connection-5", seed=1, jobs=2)
    for path in files:
        assert (other / path.relative_to(derived)).read_bytes() != made[path]
    with pytest.raises(InputError, match="another corpus, condition or seed"):
        derive_corpus(few, derived, "connection-4")


def test_only_the_clips_asked_for_go_wrong_and_severity_zero_is_a_link(few, tmp_path):
    names = list(read_corpus(few, on_error="skip").clips.index[:3])
    some = derive_corpus(few, tmp_path / "some", "wind-2", jobs=1, clips=names)
    assert {path.stem for path in some.rglob("*.wav")} == {path.stem for path in some.rglob("*.mp4")} == set(names)
    calm = derive_corpus(few, tmp_path / "calm", "wind-0", jobs=1)
    for path in few.rglob("*"):
        if path.suffix in (".wav", ".mp4", ".csv"):
            assert (calm / path.relative_to(few)).read_bytes() == path.read_bytes()


def test_a_clip_that_lacks_a_stream_has_the_other_go_wrong_and_one_film_may_be_both(few, tmp_path):
    root = shutil.copytree(few, tmp_path / "few")
    voice, film = min((root / "AudioWAV").iterdir()), sorted((root / "VideoFlash").iterdir())[1]
    voice.unlink()
    film.unlink()
    derived = derive_corpus(root, tmp_path / "night", "night-3", jobs=1)
    for kept in (root / "VideoFlash" / f"{voice.stem}.mp4", root / "AudioWAV" / f"{film.stem}.wav"):
        assert (derived / kept.relative_to(root)).read_bytes() != kept.read_bytes()
    assert not (derived / voice.relative_to(root)).exists() and not (derived / film.relative_to(root)).exists()

    actors = tmp_path / "ravdess"
    for actor in ("01", "02"):
        (actors / f"Actor_{actor}").mkdir(parents=True)
        shutil.copy(next((few / "VideoFlash").iterdir()), actors / f"Actor_{actor}" / f"01-01-05-01-01-01-{actor}.mp4")
    before = read_corpus(actors).clips.iloc[0]
    after = read_corpus(derive_corpus(actors, tmp_path / "derived", "compression-5", jobs=1)).clips.iloc[0]
    assert after.audio == after.video and before.audio == before.video
    assert not np.allclose(media.read_audio(after.audio), media.read_audio(before.audio), atol=0.01)
    assert np.abs(media.read_frames(after.video)[0].astype(int) - media.read_frames(before.video)[0]).mean() > 3


def test_networks_are_scored_with_both_streams_struck(tiny_puppets, tmp_path):
    root, data = tiny_puppets
    shutil.copytree(data, tmp_path / "features")
    task = Task(root, data=tmp_path / "features", jobs=2)
    small = override(preset("quick"), {"training": {"epochs": 2, "device": "cpu"}, "model": {"width": 8, "heads": 2, "layers": 1}})
    names = ["auxformer", "functionals-lr", "ideal-observer"]
    systems = {name: config_for(name, small) for name in names}
    conditions, partitions = ["complete", "connection-0", "night-5"], task.partitions()[:1]
    found = predictions_of(task, systems, partitions, (0,), conditions, Work(tmp_path / "runs", 2))
    of = {key: part.sort_values("clip").reset_index(drop=True) for key, part in found.groupby(["system", "condition"])}
    for name in names:
        assert set(of[name, "night-5"]["clip"]) == set(of[name, "complete"]["clip"])
        posteriors = [of[name, condition][task.classes].to_numpy() for condition in conditions]
        assert np.array_equal(posteriors[0], posteriors[1]), f"{name}: a storm of severity 0"
        assert np.allclose(posteriors[0], posteriors[2], atol=1e-3) == (name == "ideal-observer"), name
    struck = task.under(["night-5"], partitions).corrupted["night-5"]
    tested = of["auxformer", "complete"]["clip"]
    assert list(struck) == ["audio", "video"] == list(streams_of("night-5"))
    for stream, store in struck.items():
        clean = getattr(task, stream)
        assert all(store[clip].shape == clean[clip].shape and not np.allclose(store[clip], clean[clip]) for clip in tested)
    again = predictions_of(task, systems, partitions, (0,), conditions, Work(tmp_path / "runs", 2))
    pd.testing.assert_frame_equal(again, found)


@pytest.mark.parametrize("name", ["night-6", "night--1", "night-2.5", "night-3.0", "walking-away-03"])
def test_a_severity_that_there_is_not_is_a_sentence_before_any_work(tiny_puppets, few, tmp_path, name, capsys, monkeypatch):
    with pytest.raises(InputError, match=rf'condition "{name}": the severity is .*, expected a whole number from 0 to 5\.$'):
        parse_condition(name)
    task = Task(tiny_puppets[0], data=tiny_puppets[1])
    with pytest.raises(InputError, match="whole number from 0 to 5"):  # the good one before it is not made either
        predictions_of(task, {}, task.partitions(), (0,), ["crowd-1", name], Work(tmp_path / "runs"))
    assert not list(tiny_puppets[1].parent.glob("derived/*crowd-1"))
    command = ["auxformer", "corpus", "corrupt", str(few), str(tmp_path / "out"), "--condition", name]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit, match="2"):
        main()
    assert "whole number from 0 to 5" in " ".join(capsys.readouterr().err.split()) and not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["night", "walking-away"])
def test_a_cause_without_its_severity_is_told_which_there_are(name):
    message = f'condition "{name}": the severity is missing, expected {name}-1 to {name}-5.$'
    with pytest.raises(InputError, match=message):
        parse_condition(name)
    with pytest.raises(InputError, match=f"^storm: {message}"):
        Suite.load("storm").with_(conditions=[name]).conditions()


@pytest.mark.parametrize("name", ["night-", "night-three", "day-3", "Night-3"])
def test_a_cause_that_there_is_not_is_a_sentence_that_names_those_there_are(name):
    with pytest.raises(InputError, match=f'unknown condition "{name}", expected one of .*night-SEVERITY'):
        parse_condition(name)
    with pytest.raises(InputError, match=f'storm: unknown condition "{name}"'):
        Suite.load("storm").with_(conditions=[name]).conditions()


def test_what_a_storm_is_given_is_checked():
    with pytest.raises(InputError, match='cause is "day", expected one of connection'):
        Storm("day", 3, 0, 2.0)
    for severity in (6, -1, 2.5, True, "3"):
        with pytest.raises(InputError, match="severity is .*, expected a whole number from 0 to 5"):
            Storm("night", severity, 0, 2.0)
    with pytest.raises(InputError, match="a crowd needs voices of other speakers"):
        Storm("crowd", 3, 0, 2.0).on_sound(np.zeros(3200, np.float32))


def test_a_suite_of_voices_alone_is_struck_in_the_voice():
    suite = Suite("voices", systems=["audio-only"], corpus={"video": ""}, protocol={"conditions": ["basic", "night-3"]})
    assert suite.conditions() == ["complete", "night-3"]


def test_the_suite_has_the_six_causes_at_three_severities():
    wanted = {f"{cause}-{severity}" for cause in CAUSES for severity in (1, 3, 5)}
    suite = Suite.load("storm")
    assert set(suite.conditions()) == {"complete", "no-audio", "no-video", *wanted}
    assert len(suite.systems) == 8 and suite.configs()


def test_the_report_draws_a_curve_per_cause_and_none_without(tmp_path):
    scores = {"complete": 0.9, "video-dark": 0.5} | {f"{cause}-{s}": 0.9 - s / 10 for cause in ("night", "wind") for s in (0, 1, 5)}
    scores["crowd-0"] = 0.9  # a curve of one point is none
    rows = [
        ("puppets", "audiovisual", "lld+hog", system, "partition-1", 0, condition, "macro-f1", value * skill, value - 0.2, 1.0)
        for system, skill in (("auxformer", 1.0), ("vavl", 0.5), ("ideal-observer", 1.1))
        for condition, value in scores.items()
    ]
    table = pd.DataFrame(rows, columns=RESULT_COLUMNS)
    table.to_csv(tmp_path / "results.csv", index=False)
    page = next(path for path in report(tmp_path) if path.suffix == ".html").read_text()
    section = page.split('<section id="storm"')[1].split("</section>")[0]
    assert 'id="figure-storm"' in section and "<details>" not in section, "what such a suite is made for is seen at once"
    told = re.search(r'alt="([^"]*)"', section)[1]
    assert "night: from severity 0 to 5, auxformer from .900 to .400; vavl from .450 to .200." in told
    assert "wind: from" in told and "crowd" not in told and "Level lines are references" in section
    worst = page.split('<section id="media"')[1].split("</section>")[0]
    assert "auxformer scores lowest under video-dark" in worst, "of one stream, as ever"
    table[~table.condition.str.contains(r"-\d$")].to_csv(tmp_path / "results.csv", index=False)
    page = next(path for path in report(tmp_path) if path.suffix == ".html").read_text()
    assert 'id="storm"' not in page and 'id="media"' in page
