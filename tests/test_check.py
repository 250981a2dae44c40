"""The check of a corpus: it finds what is wrong, and a leak makes it fail."""

from pathlib import Path

import pandas as pd
import pytest
from test_cremad import make_corpus, write_wav

from auxformer.corpora import EMOTIONS, read_corpus
from auxformer.corpora.check import check_corpus
from auxformer.errors import InputError

REAL = Path(__file__).parents[1].parent / "shared/real/crema_d"
needs_crema_d = pytest.mark.skipif(
    not REAL.is_dir(), reason="the real CREMA-D tables are not in ../shared/real/crema_d"
)

CLIPS = tuple(f"{actor}_IEO_{code}_XX" for actor in (1001, 1002, 1003, 1004) for code in ("ANG", "SAD"))


@pytest.fixture
def root(tmp_path):
    make_corpus(tmp_path, CLIPS)
    for number, clip in enumerate(CLIPS):  # no two alike
        write_wav(tmp_path / f"AudioWAV/{clip}.wav", seconds=1 + number / 10)
        (tmp_path / f"VideoFlash/{clip}.flv").write_bytes(b"FLV" + bytes(2000 + number))
    return tmp_path


def write_partition(root, splits=("Train", "Train", "Development", "Test"), name="label_consensus_1.csv"):
    rows = []
    for number, clip in enumerate(CLIPS):
        shares = {emotion: 0.95 if emotion == "angry" else 0.01 for emotion in EMOTIONS}
        rows.append({"FileName": f"{clip}.wav", **shares, "SpkrID": clip[:4], "Split_Set": splits[number // 2]})
    pd.DataFrame(rows).to_csv(root / name, index=False)
    return root / name


def check(root, *files):
    return check_corpus(read_corpus(root, on_error="skip"), files)


def fact(report, heading):
    return dict(report.facts())[heading]


def test_a_sound_corpus_has_nothing_to_report(root):
    report = check(root, write_partition(root))
    assert report.ok and not report.damaged and not report.duplicates
    assert report.streams["with voice and face"] == 8
    assert [fact(report, name) for name in ("left out", "damaged", "duplicated", "leaks")] == ["none"] * 4
    assert fact(report, "clips") == "8 of 4 speakers (2 female, 2 male)"
    assert report.partitions.loc["label_consensus_1", ["train", "dev", "test", "clips"]].tolist() == [2, 1, 1, 8]


def test_missing_damaged_and_left_out_clips_are_counted(root):
    (root / f"AudioWAV/{CLIPS[0]}.wav").unlink()
    (root / f"AudioWAV/{CLIPS[1]}.wav").write_bytes(b"")
    whole = (root / f"AudioWAV/{CLIPS[2]}.wav").read_bytes()
    (root / f"AudioWAV/{CLIPS[2]}.wav").write_bytes(whole[:5000])
    (root / f"AudioWAV/{CLIPS[3]}.wav").write_text("version https://git-lfs.github.com/spec/v1\n")
    report = check(root)
    assert report.streams == {
        "with voice and face": 6, "with the voice only": 0, "with the face only": 1, "without media files": 0,
    }  # fmt: skip
    assert set(report.damaged) == {CLIPS[1], CLIPS[2]} and "empty" in report.damaged[CLIPS[1]]
    assert fact(report, "left out").startswith("1: ") and "Git-LFS" in fact(report, "left out")


def test_clips_kept_are_counted_per_rule_and_class(root):
    kept = check(root).kept
    assert kept.loc["voice majority", ["angry", "disgust", "all", "dropped"]].tolist() == [8, 0, 8, 0]
    assert kept.loc["face plurality", ["angry", "disgust"]].tolist() == [0, 8]
    assert kept.loc["intended", ["angry", "sad"]].tolist() == [4, 4]


def test_a_speaker_in_two_parts_fails_the_check(root):
    table = pd.read_csv(write_partition(root))
    table.loc[0, "Split_Set"] = "Test"
    table.to_csv(root / "leaky.csv", index=False)
    report = check(root, write_partition(root), root / "leaky.csv")
    assert not report.ok and len(report.leaks) == 1 and "1001" in report.leaks[0]
    assert any("1001" in line for line in report.lines())


def test_one_recording_in_two_parts_fails_the_check(root):
    (root / f"AudioWAV/{CLIPS[-1]}.wav").write_bytes((root / f"AudioWAV/{CLIPS[0]}.wav").read_bytes())
    report = check(root, write_partition(root))
    assert report.duplicates == [(CLIPS[0], CLIPS[-1])]
    assert not report.ok and "the same recording, in test and train" in report.leaks[0]


def test_copies_inside_one_part_are_reported_but_do_not_fail(root):
    (root / f"AudioWAV/{CLIPS[1]}.wav").write_bytes((root / f"AudioWAV/{CLIPS[0]}.wav").read_bytes())
    report = check(root, write_partition(root))
    assert report.duplicates == [(CLIPS[0], CLIPS[1])] and report.ok


def test_overlapping_test_sets_are_told(root):
    files = [write_partition(root), write_partition(root, ("Test", "Train", "Development", "Test"), "second.csv")]
    assert check(root, *files).tested == (2, 1)


def test_a_file_that_is_no_partition_stops_the_check(root):
    with pytest.raises(InputError, match="VideoDemographics.csv: lacks the columns"):
        check(root, root / "VideoDemographics.csv")


def test_the_report_fits_a_screen(root):
    lines = check(root, write_partition(root)).lines()
    shown = "\n".join(lines)
    assert len(lines) < 40
    assert "audiovisual majority" in shown and "label_consensus_1" in shown


@needs_crema_d
def test_the_published_partitions_do_not_leak():
    report = check(REAL, *sorted(REAL.glob("labels_consensus_6class_M/*.csv")))
    assert report.ok and len(report.partitions) == 3
    assert report.kept.loc["audiovisual majority", "all"] == 5913
    assert report.tested == (36, 6)
