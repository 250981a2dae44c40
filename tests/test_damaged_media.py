"""Sixty ways in which media go wrong: finite features, or one sentence that names the file; never a traceback, nothing lost."""

import shutil

import numpy as np
import pandas as pd
import pytest
from test_media import picture, tone, write_film, write_sound

from auxformer import media
from auxformer.corpora.base import Corpus
from auxformer.errors import MediaError
from auxformer.features import create_extractor
from auxformer.features.extract import extract

SOUND, SIGHT = create_extractor("logmel"), create_extractor("hog")


def _cut(source, share):
    return lambda path: path.write_bytes(source.read_bytes()[: int(share)])


def _boundaries(data: bytes, kind: str) -> list[int]:
    """Where the boxes of an mp4 file, or the parts of a wav header, begin and end."""
    if kind == "wav":
        return [1, 4, 8, 12, 16, 20, 22, 24, 28, 32, 34, 36, 40, 44, 45, 46, len(data) // 2, len(data) - 400]
    found, place = [], 0
    while place < len(data):
        size = int.from_bytes(data[place : place + 4], "big")
        found += [place + 4, place + 8, place + max(size, 8)]
        place += max(size, 8)
    return sorted({cut for cut in found if 0 < cut < len(data)} | {len(data) // 2, len(data) - 50})


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    """Name of a file -> its path. Names that begin with "good" have to be read."""
    folder = tmp_path_factory.mktemp("damaged")
    wav, mp4 = folder / "good.wav", folder / "good.mp4"
    media.write_wav(wav, tone(), 16000)
    media.write_video(mp4, picture(), 25, tone(0.8), 16000)
    makers = {f"wav-cut-{cut}.wav": _cut(wav, cut) for cut in _boundaries(wav.read_bytes(), "wav")}
    makers |= {f"mp4-cut-{cut}.mp4": _cut(mp4, cut) for cut in _boundaries(mp4.read_bytes(), "mp4")}
    makers |= {
        "empty.wav": lambda path: path.write_bytes(b""),
        "empty.mp4": lambda path: path.write_bytes(b""),
        "zeros.wav": lambda path: path.write_bytes(bytes(5000)),
        "zeros.mp4": lambda path: path.write_bytes(bytes(5000)),
        "noise.wav": lambda path: path.write_bytes(np.random.default_rng(0).bytes(5000)),
        "noise.mp4": lambda path: path.write_bytes(np.random.default_rng(1).bytes(5000)),
        "text.wav": lambda path: path.write_text("not a sound\n" * 50),
        "text.mp4": lambda path: path.write_text("<html>404</html>"),
        "pointer.wav": lambda path: path.write_text(
            "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
        ),
        "pointer.mp4": lambda path: path.write_text(
            "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
        ),
        "folder.wav": lambda path: path.mkdir(),
        "good-film-called.wav": lambda path: shutil.copy(mp4, path),
        "good-sound-called.mp4": lambda path: shutil.copy(wav, path),
        "no-samples.wav": _cut_to_nothing(wav),
        "good-silent.wav": lambda path: media.write_wav(path, np.zeros(16000), 16000),
        "good-one-sample.wav": lambda path: media.write_wav(path, np.ones(1) / 2, 16000),
        "good-8k.wav": lambda path: write_sound(path, 1, 8000, "pcm_s16le", "s16"),
        "good-192k.wav": lambda path: write_sound(path, 1, 192_000, "pcm_s16le", "s16"),
        "good-surround.wav": lambda path: write_sound(path, 6, 48_000, "pcm_s16le", "s16"),
        "good-float.wav": lambda path: write_sound(path, 2, 44_100, "pcm_f32le", "flt"),
        "good.flac": lambda path: write_sound(path, 1, 16_000, "flac", "s16"),
        "good.mp3": lambda path: write_sound(path, 1, 16_000, "libmp3lame", "s16p"),
        "good-sound-only.mp4": lambda path: write_sound(path, 1, 16_000, "aac", "fltp"),
        "good-no-sound.mp4": lambda path: media.write_video(path, picture(), 25),
        "good-one-frame.mp4": lambda path: media.write_video(path, picture(1), 25),
        "good-tiny-3x5.avi": lambda path: write_film(path, picture(8, 5, 3), "mjpeg", "yuvj444p"),
        "good-1x1.avi": lambda path: write_film(path, picture(8, 1, 1), "rawvideo", "bgr24"),
        "good-721-wide.avi": lambda path: write_film(path, picture(5, 405, 721), "mjpeg", "yuvj444p"),
        "good-grey.mp4": lambda path: media.write_video(path, np.full((9, 64, 64, 3), 77, np.uint8), 25),
        "good-uneven.mp4": lambda path: write_film(
            path, picture(6), "libx264", "yuv420p", [0, 40, 200, 210, 600, 1000]
        ),
        "good.flv": lambda path: write_film(path, picture(10), "flv1", "yuv420p"),
    }
    made = {"good.wav": wav, "good.mp4": mp4}
    for name, make in makers.items():
        make(folder / name)
        made[name] = folder / name
    return made


def _cut_to_nothing(wav):
    """A header that announces no samples."""

    def make(path):
        data = bytearray(wav.read_bytes()[:44])
        data[4:8], data[40:44] = (36).to_bytes(4, "little"), bytes(4)
        path.write_bytes(data)

    return make


def _answers(path) -> list:
    """What reading the sound and the pictures of a file gives: arrays, or sentences."""
    answers = []
    for extractor in (SOUND, SIGHT):
        clip = extract_clip_of(path)
        try:
            answers.append(extractor(clip))
        except MediaError as error:
            answers.append(str(error))
    return answers


def extract_clip_of(path):
    from auxformer.features.base import Clip

    return Clip(path.stem, str(path), str(path))


def test_there_are_more_than_forty_cases(cases):
    assert len(cases) >= 60


def test_each_is_answered_by_finite_features_or_by_one_sentence_that_names_the_file(cases):
    for name, path in cases.items():
        for answer in _answers(path):
            if isinstance(answer, str):
                assert str(path) in answer and "\n" not in answer and len(answer) < 400, name
            else:
                assert answer.dtype == np.float32 and len(answer) and np.isfinite(answer).all(), name


def test_what_can_be_read_is_read_and_what_cannot_is_refused(cases):
    sounds = {
        "good.mp3",
        "good.flac",
        "good.wav",
        "good.mp4",
        "good-sound-only.mp4",
        "good-film-called.wav",
        "good-sound-called.mp4",
    }
    for name, path in cases.items():
        sound, sight = _answers(path)
        if name in sounds or (name.startswith("good") and name.endswith(".wav")):
            assert not isinstance(sound, str), (name, sound)
        elif name.startswith("good"):
            assert not isinstance(sight, str), (name, sight)
        else:
            assert isinstance(sound, str) and isinstance(sight, str), f"{name} was read as if nothing were wrong"


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_corpus_of_them_loses_no_good_clip_and_counts_the_others(cases, tmp_path, jobs):
    paths = {name.replace(".", "-"): str(path) for name, path in cases.items()}
    clips = pd.DataFrame(
        {
            "speaker": "1",
            "sentence": "",
            "intended": "sad",
            "level": "",
            "duration": np.nan,
            "audio": paths,
            "video": paths,
        }
    )
    corpus = Corpus("damaged", tmp_path, ("sad", "happy"), clips, pd.DataFrame(index=["1"]))
    store = extract(corpus, SOUND, tmp_path / "store", jobs=jobs)
    read = {name.replace(".", "-") for name, path in cases.items() if not isinstance(_answers(path)[0], str)}
    assert set(store.clips) == read and set(store.skipped) == set(paths) - read
    assert all(
        cases_path in reason for cases_path, reason in ((paths[clip], reason) for clip, reason in store.skipped.items())
    )
    with pytest.raises(MediaError, match="damaged"):
        extract(corpus, SOUND, tmp_path / "strict", jobs=jobs, on_error="stop")
