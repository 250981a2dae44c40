"""Reading folders laid out like CREMA-D: what is there, what is damaged, and what is said about it."""

import wave
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from auxformer.corpora import EMOTIONS, WAYS, corpus_folder, read_corpus
from auxformer.corpora import make_corpus as make
from auxformer.corpora.cremad import read_cremad
from auxformer.errors import InputError

REAL = Path(__file__).parents[1].parent / "shared/real/crema_d"
needs_crema_d = pytest.mark.skipif(
    not REAL.is_dir(), reason="the real CREMA-D tables are not in ../shared/real/crema_d"
)

CLIPS = ("1001_IEO_ANG_HI", "1001_IEO_SAD_XX", "1002_IEO_ANG_LO", "1002_TIE_NEU_XX")
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 82260\n"


def write_wav(path, seconds=1.0, rate=16000):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.zeros(int(seconds * rate), "<i2").tobytes())


def vote_table(clips):
    """Ten votes per clip and way of watching: 7 for the first class, 3 for the second, shifted by way."""
    rows = []
    for way in (1, 2, 3):
        for number, clip in enumerate(clips):
            counts = np.roll([7, 3, 0, 0, 0, 0], way - 1)
            rows.append([way * 100_000 + number + 1, *counts, clip, 10])
    return pd.DataFrame(rows, columns=["", "A", "D", "F", "H", "N", "S", "fileName", "numResponses"])


def make_corpus(root, clips=CLIPS, media=True, change_votes=None):
    """A small folder in the layout of CREMA-D."""
    (root / "processedResults").mkdir(parents=True)
    votes = vote_table(clips)
    votes = change_votes(votes) if change_votes else votes
    votes.to_csv(root / "processedResults/tabulatedVotes.csv", index=False)
    actors = sorted({clip[:4] for clip in clips})
    table = {
        "ActorID": actors,
        "Age": 30,
        "Sex": [("Male", "Female")[i % 2] for i in range(len(actors))],
        "Race": "?",
        "Ethnicity": "?",
    }
    pd.DataFrame(table).to_csv(root / "VideoDemographics.csv", index=False)
    if media:
        (root / "AudioWAV").mkdir()
        (root / "VideoFlash").mkdir()
        for clip in clips:
            write_wav(root / f"AudioWAV/{clip}.wav", seconds=1.5)
            (root / f"VideoFlash/{clip}.flv").write_bytes(b"FLV" + bytes(2000))
    return root


def write_truth(root, clips=CLIPS):
    rows = [(clip, "sad", "sad", "happy", number % 2 == 0) for number, clip in enumerate(clips)]
    pd.DataFrame(rows, columns=["clip", "intended", "voice", "face", "bound"]).to_csv(root / "truth.csv", index=False)


def test_names_tables_and_media_become_one_corpus(tmp_path):
    corpus = read_cremad(make_corpus(tmp_path))
    assert corpus.name == "crema-d" and corpus.classes == EMOTIONS and list(corpus.clips.index) == list(CLIPS)
    row = corpus.clips.loc["1002_IEO_ANG_LO"]
    assert (row["speaker"], row["sentence"], row["intended"], row["level"]) == ("1002", "IEO", "angry", "LO")
    assert Path(row["audio"]) == tmp_path / "AudioWAV/1002_IEO_ANG_LO.wav" and row["duration"] == 1.5
    assert corpus.speakers.to_dict("index") == {
        "1001": {"sex": "male", "age": 30},
        "1002": {"sex": "female", "age": 30},
    }
    assert corpus.skipped == {} and corpus.truth is None


def test_votes_go_to_the_way_of_watching_their_id_names(tmp_path):
    ratings = read_cremad(
        make_corpus(tmp_path, change_votes=lambda table: table.sample(frac=1, random_state=0))
    ).ratings
    assert tuple(ratings) == WAYS
    for shift, way in enumerate(WAYS):
        assert ratings[way].loc["1001_IEO_SAD_XX"].tolist() == np.roll([7, 3, 0, 0, 0, 0], shift).tolist()
        assert list(ratings[way].index) == list(CLIPS) and tuple(ratings[way].columns) == EMOTIONS


def test_tables_alone_are_a_corpus_without_media(tmp_path):
    clips = read_cremad(make_corpus(tmp_path, media=False)).clips
    assert all(path is None for path in [*clips["audio"], *clips["video"]]) and clips["duration"].isna().all()


def test_media_without_votes_have_only_the_intended_emotion(tmp_path):
    (make_corpus(tmp_path) / "processedResults/tabulatedVotes.csv").unlink()
    corpus = read_cremad(tmp_path)
    assert corpus.ratings == {} and len(corpus.clips) == 4


def test_an_absent_stream_is_none_and_a_clip_without_any_is_left_out(tmp_path):
    make_corpus(tmp_path)
    (tmp_path / f"AudioWAV/{CLIPS[0]}.wav").unlink()
    for name in (f"AudioWAV/{CLIPS[1]}.wav", f"VideoFlash/{CLIPS[1]}.flv"):
        (tmp_path / name).unlink()
    corpus = read_cremad(tmp_path)
    assert corpus.clips.at[CLIPS[0], "audio"] is None and corpus.clips.at[CLIPS[0], "video"].endswith(".flv")
    assert "neither" in corpus.skipped[CLIPS[1]] and CLIPS[1] not in corpus.clips.index


def test_mp4_is_read_before_the_original_flv(tmp_path):
    (make_corpus(tmp_path) / f"VideoFlash/{CLIPS[0]}.mp4").write_bytes(bytes(2000))
    assert read_cremad(tmp_path).clips.at[CLIPS[0], "video"].endswith(".mp4")


def test_truth_makes_the_corpus_puppets(tmp_path):
    write_truth(make_corpus(tmp_path))
    corpus = read_cremad(tmp_path)
    assert corpus.name == "puppets" and list(corpus.truth.index) == list(CLIPS)
    assert corpus.truth["bound"].tolist() == [True, False, True, False]


def test_a_puppet_without_truth_is_named(tmp_path):
    write_truth(make_corpus(tmp_path), CLIPS[1:])
    with pytest.raises(
        InputError, match=f"truth.csv: does not have one row with known classes for the clip {CLIPS[0]}"
    ):
        read_cremad(tmp_path)


def test_a_puppet_with_two_truths_is_named(tmp_path):
    write_truth(make_corpus(tmp_path), (*CLIPS, CLIPS[0]))
    with pytest.raises(InputError, match=f"does not have one row .* {CLIPS[0]}"):
        read_cremad(tmp_path)
    assert list(read_cremad(tmp_path, on_error="skip").truth.index) == list(CLIPS[1:])


def test_the_naming_slip_of_old_copies_is_mended(tmp_path):
    make_corpus(tmp_path, ("1040_ITH_SAD_XX", "1041_ITH_SAD_XX"))
    (tmp_path / "AudioWAV/1040_ITH_SAD_XX.wav").rename(tmp_path / "AudioWAV/1040_ITH_SAD_X.wav")
    corpus = read_cremad(tmp_path)
    assert corpus.clips.at["1040_ITH_SAD_XX", "audio"].endswith("1040_ITH_SAD_X.wav") and not corpus.skipped


DAMAGED = ("1006_TIE_HAP_XX", "1006_TIE_NEU_XX", "1064_TIE_SAD_XX")


def test_known_damaged_clips_are_left_out_with_the_reason(tmp_path):
    corpus = read_cremad(make_corpus(tmp_path, DAMAGED))
    assert list(corpus.clips.index) == ["1006_TIE_NEU_XX"] and list(corpus.speakers.index) == ["1006"]
    assert "byte for byte" in corpus.skipped["1006_TIE_HAP_XX"] and "no duration" in corpus.skipped["1064_TIE_SAD_XX"]
    assert len(read_cremad(tmp_path, keep_damaged=True).clips) == 3


def test_a_clip_is_damaged_only_where_its_bad_stream_is_on_disk(tmp_path):
    make_corpus(tmp_path, (*DAMAGED, "1076_MTI_SAD_XX"))
    for clip in ("1064_TIE_SAD_XX", "1076_MTI_SAD_XX"):  # of the first only the video is bad, of the second both
        (tmp_path / f"VideoFlash/{clip}.flv").unlink()
    assert sorted(read_cremad(tmp_path).skipped) == ["1006_TIE_HAP_XX", "1076_MTI_SAD_XX"]


def test_a_puppet_is_never_taken_for_a_damaged_clip(tmp_path):
    write_truth(make_corpus(tmp_path, DAMAGED), DAMAGED)
    assert len(read_cremad(tmp_path).clips) == 3


@pytest.mark.parametrize("name", [f"AudioWAV/{CLIPS[2]}.wav", f"VideoFlash/{CLIPS[2]}.flv"])
def test_a_git_lfs_pointer_is_explained(tmp_path, name):
    (make_corpus(tmp_path) / name).write_text(POINTER)
    with pytest.raises(InputError, match=f"{CLIPS[2]}.*Git-LFS pointer.*git lfs pull"):
        read_cremad(tmp_path)
    corpus = read_cremad(tmp_path, on_error="skip")
    assert list(corpus.skipped) == [CLIPS[2]] and len(corpus.clips) == 3


def test_nothing_but_pointers_is_no_corpus(tmp_path):
    make_corpus(tmp_path)
    for clip in CLIPS:
        (tmp_path / f"AudioWAV/{clip}.wav").write_text(POINTER)
    with pytest.raises(InputError, match="no clip of 4 can be used.*Git-LFS"):
        read_cremad(tmp_path, on_error="skip")


def set_cell(column, value, row=0):
    def change(table):
        table = table.astype({column: object})
        table.loc[row, column] = value
        return table

    return change


@pytest.mark.parametrize(
    ("change", "clip", "message"),
    [
        (lambda table: table.drop(5), CLIPS[1], "no row of face votes"),
        (lambda table: pd.concat([table, table.iloc[[1]]]), CLIPS[1], "2 rows of voice votes"),
        (set_cell("", 400001), CLIPS[0], "line 2 .* the id 400001"),
        (set_cell("", "x"), CLIPS[0], "the id x"),
        (set_cell("H", -1), CLIPS[0], "line 2 .*whole numbers of votes"),
        (set_cell("H", 0.5), CLIPS[0], "whole numbers of votes"),
        (set_cell("H", float("inf")), CLIPS[0], "whole numbers of votes"),
        (set_cell("A", "?"), CLIPS[0], "whole numbers of votes"),
        (set_cell("A", -10), CLIPS[0], "whole numbers of votes"),
        (set_cell("fileName", "1001_IEO_JOY_HI"), "1001_IEO_JOY_HI", "JOY_HI is not named .* ANG DIS FEA HAP NEU SAD"),
    ],
)  # fmt: skip
def test_a_damaged_rating_row_stops_or_skips_its_clip(tmp_path, change, clip, message):
    make_corpus(tmp_path, change_votes=change)
    with pytest.raises(InputError, match=message):
        read_cremad(tmp_path)
    corpus = read_cremad(tmp_path, on_error="skip")
    assert clip in corpus.skipped and clip not in corpus.clips.index
    assert all(list(counts.index) == list(corpus.clips.index) for counts in corpus.ratings.values())
    assert (corpus.ratings["voice"].sum(axis=1) > 0).all()


def test_a_row_without_a_clip_stops_or_is_noted(tmp_path):
    make_corpus(tmp_path, change_votes=lambda table: pd.concat([table, table.iloc[[0]].assign(fileName=None)]))
    with pytest.raises(InputError, match="line 14 names no clip"):
        read_cremad(tmp_path)
    corpus = read_cremad(tmp_path, on_error="skip")
    assert list(corpus.skipped) == ["line 14"] and len(corpus.clips) == 4


def test_a_speaker_nobody_knows_is_named(tmp_path):
    make_corpus(tmp_path)
    pd.DataFrame({"ActorID": [1001], "Age": [3], "Sex": ["Male"]}).to_csv(tmp_path / "VideoDemographics.csv")
    with pytest.raises(InputError, match="lacks the speaker 1002"):
        read_cremad(tmp_path)
    assert list(read_cremad(tmp_path, on_error="skip").speakers.index) == ["1001"]


@pytest.mark.parametrize("table", [[[1001, 30, "Male"], [1001, 31, "Male"]], [[1001, 30, "?"]]])
def test_a_senseless_speaker_table_is_refused(tmp_path, table):
    make_corpus(tmp_path)
    pd.DataFrame(table, columns=["ActorID", "Age", "Sex"]).to_csv(tmp_path / "VideoDemographics.csv")
    with pytest.raises(InputError, match="the speaker 1001 is listed twice or has a sex"):
        read_cremad(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"), [("", "is not a CSV"), (POINTER, "Git-LFS"), ("a,b\n1,2\n", "lacks the columns")]
)
def test_a_damaged_table_is_named(tmp_path, content, message):
    path = make_corpus(tmp_path) / "processedResults/tabulatedVotes.csv"
    path.write_text(content)
    with pytest.raises(InputError, match=f"tabulatedVotes.csv: .*{message}"):
        read_cremad(tmp_path)


def test_missing_speakers_are_asked_for(tmp_path):
    (make_corpus(tmp_path) / "VideoDemographics.csv").unlink()
    with pytest.raises(InputError, match="lacks VideoDemographics.csv"):
        read_cremad(tmp_path)


def test_a_folder_that_is_no_corpus_says_what_was_expected(tmp_path):
    with pytest.raises(InputError, match="expected AudioWAV/"):
        read_cremad(tmp_path)
    with pytest.raises(InputError, match="none of the corpora.*truth.csv.*AudioWAV.*Actor_01"):
        read_corpus(tmp_path)
    with pytest.raises(InputError, match="is not there"):
        read_corpus(tmp_path / "nowhere")


def test_a_corpus_is_found_by_what_lies_there(tmp_path):
    make_corpus(tmp_path)
    assert read_corpus(tmp_path).name == "crema-d"
    write_truth(tmp_path)
    assert read_corpus(tmp_path).name == read_corpus(tmp_path, "puppets").name == "puppets"


def test_another_corpus_than_the_one_asked_for_is_refused(tmp_path):
    make_corpus(tmp_path)
    with pytest.raises(InputError, match="holds the corpus crema-d, not ravdess"):
        read_corpus(tmp_path, "ravdess")


@pytest.mark.parametrize(
    ("name", "near"), [("cremad", "crema-d"), ("CREMA_D", "crema-d"), ("puppet", "puppets"), ("ravdes", "ravdess")]
)
def test_a_misspelt_corpus_is_guessed(tmp_path, name, near):
    with pytest.raises(InputError, match=f"did you mean {near}"):
        read_corpus(tmp_path, name)


@pytest.mark.parametrize("name", ["crema-d", "auto"])
def test_swapped_arguments_are_put_right(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    make_corpus(tmp_path)
    with pytest.raises(InputError, match=f'the folder comes first: read_corpus.".*", "{name}"'):
        read_corpus(name, tmp_path)
    (tmp_path / name).mkdir()
    with pytest.raises(InputError, match="there is no corpus"):  # a folder that happens to be called so
        read_corpus(name, str(tmp_path))


def test_an_option_no_reader_has_is_refused(tmp_path):
    make_corpus(tmp_path)
    with pytest.raises(InputError, match="no option 'song', expected some of keep_damaged, on_error"):
        read_corpus(tmp_path, "crema-d", song=True)
    with pytest.raises(InputError, match='"ignore".*stop, skip'):
        read_corpus(tmp_path, "crema-d", on_error="ignore")


@needs_crema_d
def test_the_real_tables_are_complete():
    corpus = read_corpus(REAL)
    assert corpus.name == "crema-d" and len(corpus.clips) == 7442 and not corpus.skipped
    assert corpus.speakers["sex"].value_counts().to_dict() == {"male": 48, "female": 43}
    assert corpus.clips["intended"].value_counts().to_dict() == {e: 1087 if e == "neutral" else 1271 for e in EMOTIONS}
    totals = {way: int(counts.to_numpy().sum()) for way, counts in corpus.ratings.items()}
    assert totals == {"voice": 68568, "face": 71654, "audiovisual": 71778}


def test_puppets_that_were_never_finished_are_not_taken_for_crema_d(tmp_path):
    (tmp_path / "AudioWAV").mkdir()
    (tmp_path / "puppets.toml").write_text("seed = 0")
    with pytest.raises(InputError, match="never finished"):
        read_cremad(tmp_path)


def test_a_generated_corpus_has_one_name_and_recordings_cannot_be_made():
    assert corpus_folder("puppets", "tiny", 2, 0.3, "there") == Path("there/puppets-tiny-2-bound30")
    assert str(corpus_folder()) == "data/corpora/puppets-course-0"
    with pytest.raises(InputError, match="--root is missing: .*recordings of crema-d"):
        make("crema-d")
