"""Corrupted corpora: the level that was asked for, the same for everybody, nothing else touched."""

import json
import os
import shutil

import numpy as np
import pytest

from auxformer import media
from auxformer.corpora import read_corpus
from auxformer.corruption import (
    CONDITIONS,
    add_noise,
    babble,
    delay,
    derive_corpus,
    drop_frames,
    gaps,
    occlude,
    parse_condition,
    white_noise,
)
from auxformer.errors import InputError


@pytest.fixture(scope="module")
def few(tiny_puppets, tmp_path_factory):
    """A corpus of twelve clips of two puppets."""
    root = tmp_path_factory.mktemp("few") / "corpus"
    shutil.copytree(tiny_puppets[0], root)
    for kind in ("AudioWAV", "VideoFlash"):
        for number, path in enumerate(sorted((root / kind).iterdir())):
            if number % 12:
                path.unlink()
    return root


@pytest.mark.parametrize("snr", [20, 10, 0])
@pytest.mark.parametrize("kind", ["noise", "babble"])
def test_the_signal_to_noise_ratio_measured_on_the_file_is_the_one_asked_for(few, tmp_path, snr, kind):
    derived = derive_corpus(few, tmp_path / "noisy", f"audio-{kind}-snr-{snr}", jobs=1)
    clean, noisy = read_corpus(few, on_error="skip"), read_corpus(derived, on_error="skip")
    assert list(noisy.clips.index) == list(clean.clips.index)
    for clip in clean.clips.index[:4]:
        voice, mixed = media.read_audio(clean.clips.audio[clip]), media.read_audio(noisy.clips.audio[clip])
        share = (voice @ mixed) / (voice @ voice)  # the mixture may have been turned down
        noise = mixed - share * voice
        measured = 10 * np.log10(np.mean((share * voice) ** 2) / np.mean(noise**2))
        assert measured == pytest.approx(snr, abs=0.3)
        assert np.abs(mixed).max() < 1


def test_the_same_seed_gives_the_same_files_in_any_order_and_another_seed_others(few, tmp_path):
    bytes_of = lambda root: {p.name: p.read_bytes() for p in sorted((root / "AudioWAV").iterdir())}
    one = bytes_of(derive_corpus(few, tmp_path / "a", "audio-noise-snr-10", jobs=1))
    assert one == bytes_of(derive_corpus(few, tmp_path / "b", "audio-noise-snr-10", jobs=2))
    assert one != bytes_of(derive_corpus(few, tmp_path / "c", "audio-noise-snr-10", seed=1, jobs=1))
    assert len({*one.values()}) == len(one)


def test_level_zero_is_the_identity_and_what_is_not_touched_is_the_same_file(few, tmp_path):
    for condition in ("desync-0", "video-drop-0", "audio-gaps-0"):
        derived = derive_corpus(few, tmp_path / condition, condition, jobs=1)
        for path in few.rglob("*"):
            if path.is_file() and path.suffix in (".wav", ".mp4", ".csv"):
                assert (derived / path.relative_to(few)).read_bytes() == path.read_bytes(), path
    noisy = derive_corpus(few, tmp_path / "noisy", "audio-gaps-0.5", jobs=1)
    for path in (few / "VideoFlash").iterdir():
        assert (noisy / "VideoFlash" / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("condition", ["video-blur", "video-dark", "video-occlude", "video-drop-0.5"])
def test_films_keep_their_frames_their_rate_and_their_sound(few, tmp_path, condition):
    derived = read_corpus(derive_corpus(few, tmp_path / "out", condition, jobs=2), on_error="skip")
    source = read_corpus(few, on_error="skip")
    for clip in source.clips.index[:3]:
        before, times = media.read_frames(source.clips.video[clip])
        after, new_times = media.read_frames(derived.clips.video[clip])
        assert before.shape == after.shape and np.allclose(times, new_times, atol=0.002)
        assert np.abs(before.astype(int) - after).mean() > 1
        voice, still = media.read_audio(source.clips.video[clip]), media.read_audio(derived.clips.video[clip])
        assert np.corrcoef(voice[: len(still)], still[: len(voice)])[0, 1] > 0.9
        if condition == "video-dark":
            assert after.mean() < before.mean() / 4
        if condition == "video-blur":
            assert (
                np.abs(np.diff(after.astype(int), axis=1)).mean()
                < 0.7 * np.abs(np.diff(before.astype(int), axis=1)).mean()
            )


def test_a_killed_derivation_goes_on_and_another_condition_is_refused(few, tmp_path):
    whole = derive_corpus(few, tmp_path / "whole", "desync-300", jobs=1)
    files = sorted((whole / "AudioWAV").iterdir())
    kept = {path.name: path.read_bytes() for path in files}
    files[2].unlink()
    stamp = files[0].stat().st_mtime_ns
    derive_corpus(few, whole, "desync-300", jobs=1)
    assert {path.name: path.read_bytes() for path in files} == kept and files[0].stat().st_mtime_ns == stamp
    with pytest.raises(InputError, match="another corpus, condition or seed"):
        derive_corpus(few, whole, "desync-100", jobs=1)
    with pytest.raises(InputError, match="over itself"):
        derive_corpus(few, few, "desync-100")
    assert json.loads((whole / "corruption.json").read_text())["condition"] == "desync-300"


def test_a_changed_original_and_other_code_are_derived_again_and_a_touched_one_stays_the_same(few, tmp_path, monkeypatch):
    root = shutil.copytree(few, tmp_path / "few")
    whole = derive_corpus(root, tmp_path / "whole", "audio-gaps-0.5", jobs=1)
    first, other = sorted((root / "AudioWAV").iterdir())[:2]
    made = {path.name: path.read_bytes() for path in (whole / "AudioWAV").iterdir()}
    os.utime(first)
    derive_corpus(root, whole, "audio-gaps-0.5", jobs=1)
    assert (whole / "AudioWAV" / first.name).read_bytes() == made[first.name]
    media.write_wav(first, 0.5 * media.read_audio(first), 16000)
    film = sorted((root / "VideoFlash").iterdir())[0]
    media.write_video(film, media.read_frames(film)[0][:, ::-1], media.frame_rate(film), media.read_audio(film), 16000)
    derive_corpus(root, whole, "audio-gaps-0.5", jobs=1)
    assert (whole / "AudioWAV" / first.name).read_bytes() != made[first.name]
    assert (whole / "AudioWAV" / other.name).read_bytes() == made[other.name]
    assert (whole / "VideoFlash" / film.name).read_bytes() == film.read_bytes(), "what is only linked follows its original"
    monkeypatch.setattr("auxformer.corruption.derive.made_by", lambda *_: {"code": "another", "libraries": {}})
    monkeypatch.setattr("auxformer.corruption.sounds.gaps", lambda waveform, share, rng: 0 * waveform)
    derive_corpus(root, whole, "audio-gaps-0.5", jobs=1)
    assert not media.read_audio(whole / "AudioWAV" / other.name).any()


def test_the_parts_by_hand():
    rng = np.random.default_rng(0)
    tone = np.sin(np.arange(16000) / 10).astype(np.float32)
    assert np.array_equal(delay(tone, 100)[1600:], tone[:-1600]) and not delay(tone, 100)[:1600].any()
    assert np.array_equal(delay(tone, -100)[:-1600], tone[1600:]) and not delay(tone, 2000).any()
    rng = np.random.default_rng(0)
    hushed = np.concatenate([np.float32(0.01) * rng.standard_normal(1600).astype(np.float32), tone])
    late = delay(hushed, 100, rng)
    assert np.array_equal(late[1600:], hushed[:-1600])
    assert late[:1600].std() == pytest.approx(hushed[:1600].std(), rel=0.1), "the room went quiet before the voice came"
    assert (gaps(tone, 0.3, rng) == 0).mean() == pytest.approx(0.3, abs=0.01)
    frames = np.arange(20, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    dropped = drop_frames(frames, 0.5, rng)[:, 0, 0, 0].astype(int)
    assert dropped[0] == 0 and (np.diff(dropped) >= 0).all() and (np.diff(dropped) == 0).sum() == 10
    assert np.abs(add_noise(tone, white_noise(16000, rng), -20)).max() <= 0.991
    assert babble([tone[:100], tone], 500, rng).shape == (500,)
    grey = occlude(np.zeros((3, 64, 64, 3), np.uint8))
    assert (grey == 128).any() and not (grey[:, :32] == 128).all()


@pytest.mark.parametrize(
    "name", ["audio-noise", "audio-noise-snr-loud", "video-drop-1.5", "blur", "desync", "desync-nan"]
)
def test_a_condition_that_does_not_exist_is_refused_in_a_sentence(name):
    with pytest.raises(InputError, match="condition"):
        parse_condition(name)
    assert parse_condition("audio-noise-snr-10") == ("audio-noise-snr", 10.0) and parse_condition("video-blur") == (
        "video-blur",
        1.0,
    )
    assert len(CONDITIONS) == 14
