"""Reading RAVDESS: one clip per take, whatever files of it there are."""

from pathlib import Path

import pandas as pd
import pytest

from auxformer.corpora import read_corpus
from auxformer.corpora.ravdess import CLASSES, read_ravdess
from auxformer.errors import InputError

REAL = Path(__file__).parents[1].parent / "shared/real/ravdess"
needs_ravdess = pytest.mark.skipif(
    not REAL.is_dir(), reason="the real RAVDESS recordings are not in ../shared/real/ravdess"
)


def add(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(bytes(2000))
    return root


def test_the_three_files_of_a_take_are_one_clip(tmp_path):
    take = "01-06-02-01-02-12"
    add(tmp_path, f"sound/Actor_12/03-{take}.wav", f"film/Actor_12/01-{take}.mp4", f"film/Actor_12/02-{take}.mp4")
    clips = read_ravdess(tmp_path).clips
    row = clips.loc[f"01-{take}"]
    assert len(clips) == 1
    assert (row["speaker"], row["intended"], row["level"], row["sentence"]) == ("12", "fearful", "strong", "kids")
    assert Path(row["audio"]) == tmp_path / f"sound/Actor_12/03-{take}.wav"
    assert Path(row["video"]) == tmp_path / f"film/Actor_12/01-{take}.mp4"


def test_an_audiovisual_file_serves_both_streams(tmp_path):
    row = read_ravdess(add(tmp_path, "Actor_01/01-01-03-01-01-01-01.mp4")).clips.iloc[0]
    assert row["audio"] == row["video"] and row["audio"].endswith(".mp4")


def test_sound_alone_has_no_video_and_pictures_alone_no_audio(tmp_path):
    clips = read_ravdess(add(tmp_path, "Actor_01/03-01-03-01-01-01-01.wav", "Actor_01/02-01-03-01-01-02-01.mp4")).clips
    assert clips["video"].iloc[0] is None and clips["audio"].iloc[1] is None


def test_odd_actors_are_men(tmp_path):
    corpus = read_ravdess(add(tmp_path, "Actor_09/03-01-01-01-01-01-09.wav", "Actor_10/03-01-08-01-01-01-10.wav"))
    assert corpus.speakers["sex"].to_dict() == {"09": "male", "10": "female"}
    assert corpus.clips["intended"].tolist() == ["neutral", "surprised"] and corpus.classes == CLASSES


def test_song_is_read_only_when_asked_for(tmp_path):
    add(tmp_path, "Actor_01/03-01-03-01-01-01-01.wav", "Actor_01/03-02-03-01-01-01-01.wav")
    assert list(read_ravdess(tmp_path).clips.index) == ["01-01-03-01-01-01-01"]
    assert len(read_corpus(tmp_path, "ravdess", song=True).clips) == 2


def test_a_second_copy_is_counted_and_not_read(tmp_path):
    name = "Actor_01/03-01-03-01-01-01-01"
    add(tmp_path, f"a/{name}.wav", f"b/{name}.wav", f"a/{name}.flac")
    corpus = read_ravdess(tmp_path)
    assert Path(corpus.clips["audio"].iloc[0]) == tmp_path / f"a/{name}.wav"
    assert set(corpus.skipped) == {f"b/{name}.wav", f"a/{name}.flac"}
    assert "second copy" in corpus.skipped[f"b/{name}.wav"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Actor_01/03-01-09-01-01-01-01.wav", "emotion 01-08"),
        ("Actor_01/notes.wav", "not seven RAVDESS numbers"),
        ("Actor_01/03-01-03-01-01-01-02.wav", "actor 02 in the folder Actor_01; move it to Actor_02"),
    ],
)
def test_a_file_that_is_no_take_stops_or_is_skipped(tmp_path, name, message):
    add(tmp_path, name, "Actor_02/03-01-03-01-01-01-02.wav")
    with pytest.raises(InputError, match=message):
        read_ravdess(tmp_path)
    corpus = read_ravdess(tmp_path, on_error="skip")
    assert list(corpus.skipped) == [name] and len(corpus.clips) == 1


def test_a_git_lfs_pointer_is_explained(tmp_path):
    add(tmp_path, "Actor_02/03-01-03-01-01-01-02.wav")
    (tmp_path / "Actor_02/03-01-03-01-01-02-02.wav").write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(InputError, match="01-02-02.wav: this is a Git-LFS pointer"):
        read_ravdess(tmp_path)
    assert len(read_ravdess(tmp_path, on_error="skip").clips) == 1


def test_files_of_other_kinds_are_not_looked_at(tmp_path):
    add(tmp_path, "Actor_02/03-01-03-01-01-01-02.wav", "Actor_02/._03-01-03-01-01-01-02.wav", "Actor_02/readme.txt")
    corpus = read_ravdess(tmp_path)
    assert len(corpus.clips) == 1 and not corpus.skipped


def test_a_single_actors_folder_is_a_corpus(tmp_path):
    assert len(read_corpus(add(tmp_path, "Actor_02/03-01-03-01-01-01-02.wav") / "Actor_02").clips) == 1


def test_a_folder_without_actors_says_what_was_expected(tmp_path):
    with pytest.raises(InputError, match="holds no RAVDESS clip of speech, expected folders Actor_01"):
        read_ravdess(tmp_path)


@needs_ravdess
def test_the_real_recordings_are_complete_and_have_action_units():
    corpus = read_corpus(REAL)
    assert corpus.name == "ravdess" and len(corpus.clips) == 720 and not corpus.skipped
    counts = corpus.clips["intended"].value_counts()
    assert counts["neutral"] == 48 and (counts.drop("neutral") == 96).all()
    assert corpus.speakers["sex"].value_counts().to_dict() == {"male": 6, "female": 6}
    action_units = pd.read_csv(REAL / "action_units_mean.csv", index_col="clip")
    assert set(corpus.clips.index) == set(action_units.index)
