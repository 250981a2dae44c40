"""Extraction: parallel, resumable, killed at any moment, and a bad clip that does not take the others with it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from auxformer import media
from auxformer.corpora.base import EMOTIONS, Corpus
from auxformer.errors import InputError, MediaError
from auxformer.features import create_extractor
from auxformer.features import extract as extract_module
from auxformer.features.extract import extract, list_clips, store_folder
from auxformer.features.store import FeatureStore

RATE = 16000


def make_corpus(root, count=6, seconds=0.3):
    root.mkdir(exist_ok=True)
    rows = {}
    for i in range(count):
        path = root / f"clip{i:02d}.wav"
        if not path.exists():
            draw = np.random.default_rng([6, i])
            media.write_wav(path, 0.1 * draw.normal(size=round((seconds + 0.01 * i) * RATE)), RATE)
        said = {"speaker": "s", "sentence": "t", "intended": "sad", "level": "x"}
        rows[path.stem] = {**said, "audio": str(path), "video": None, "duration": 1.0}
    speakers = pd.DataFrame({"sex": ["female"], "age": [30]}, index=["s"])
    return Corpus("toys", root, EMOTIONS, pd.DataFrame.from_dict(rows, orient="index"), speakers)


@pytest.fixture
def corpus(tmp_path):
    return make_corpus(tmp_path / "corpus")


def same(first, second):
    assert first.clips == second.clips
    for clip in first.clips:
        np.testing.assert_array_equal(first[clip], second[clip])


def test_two_jobs_give_what_one_gives(corpus, tmp_path, capsys):
    one = extract(corpus, create_extractor("lld"), tmp_path / "one", jobs=1)
    two = extract(corpus, create_extractor("lld"), tmp_path / "two", jobs=2)
    same(one, two)
    assert two.verify() == [] and len(two) == 6
    assert capsys.readouterr().out.count("extracting lld: 6 clips in") == 2


def test_a_second_run_extracts_nothing(corpus, tmp_path, monkeypatch):
    store = extract(corpus, create_extractor("lld"), tmp_path / "s", jobs=1)

    def forbidden(*_):
        raise AssertionError("extracted again")

    monkeypatch.setattr(extract_module, "extract_clip", forbidden)
    same(extract(corpus, create_extractor("lld"), tmp_path / "s", jobs=1), store)


def test_a_changed_file_is_extracted_again_and_no_other(corpus, tmp_path, capsys):
    before = extract(corpus, create_extractor("logmel"), tmp_path / "s", jobs=1)
    old = {clip: before[clip].copy() for clip in before.clips}
    media.write_wav(corpus.clips.loc["clip02", "audio"], np.zeros(RATE), RATE)
    capsys.readouterr()
    after = extract(corpus, create_extractor("logmel"), tmp_path / "s", jobs=1)
    assert "extracting logmel: 1 clip in" in capsys.readouterr().out
    assert after["clip02"].shape == (101, 80) and (after["clip02"] == np.log(np.float32(1e-10))).all()
    for clip in set(old) - {"clip02"}:
        np.testing.assert_array_equal(after[clip], old[clip])


def test_of_many_bad_clips_a_few_are_named_and_all_are_kept_with_their_reason(corpus, tmp_path, capsys, caplog, monkeypatch):
    monkeypatch.setattr("auxformer.features.extract.LISTED", 2)
    bad = [Path(corpus.clips.audio.iloc[number]) for number in range(4)]
    good = [path.read_bytes() for path in bad]
    for path in bad:
        path.write_bytes(b"")
    store = extract(corpus, create_extractor("lld"), tmp_path / "s", jobs=1)
    for path, content in zip(bad, good):
        path.write_bytes(content)
    assert len(store.skipped) == 4 and caplog.text.count("skipped") == 2
    assert "lld: 4 of 6 clips skipped" in capsys.readouterr().out


def test_a_bad_clip_is_skipped_counted_and_tried_again(corpus, tmp_path, capsys, caplog):
    bad = Path(corpus.clips.loc["clip03", "audio"])
    good = bad.read_bytes()
    bad.write_bytes(b"")
    store = extract(corpus, create_extractor("lld"), tmp_path / "s", jobs=2)
    assert len(store) == 5 and "clip03" not in store
    assert "clip03.wav: the file is empty" in store.skipped["clip03"]
    assert "lld: 1 of 6 clips skipped" in capsys.readouterr().out
    assert "clip clip03 skipped" in caplog.text
    assert FeatureStore.open(tmp_path / "s").skipped == store.skipped
    bad.write_bytes(good)
    mended = extract(corpus, create_extractor("lld"), tmp_path / "s", jobs=1)
    assert len(mended) == 6 and mended.skipped == {}


def test_a_clip_that_went_bad_loses_its_old_features(corpus, tmp_path):
    extract(corpus, create_extractor("lld"), tmp_path / "s", jobs=1)
    Path(corpus.clips.loc["clip03", "audio"]).write_bytes(b"RIFF")
    store = extract(corpus, create_extractor("lld"), tmp_path / "s", jobs=1)
    assert "clip03" not in store and "clip03" in store.skipped


def test_stopping_at_a_bad_clip_keeps_finished_work(corpus, tmp_path):
    Path(corpus.clips.loc["clip05", "audio"]).write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(MediaError, match="clip clip05: .*Git-LFS pointer"):
        extract(corpus, create_extractor("lld"), tmp_path / "s", jobs=1, on_error="stop")
    assert FeatureStore.open(tmp_path / "s").clips == [f"clip0{i}" for i in range(5)]


def test_stopping_with_two_jobs_keeps_what_was_in_work(tmp_path):
    corpus = make_corpus(tmp_path / "corpus", 60, 0.1)
    Path(corpus.clips.loc["clip00", "audio"]).unlink()
    with pytest.raises(MediaError, match="clip clip00: .*no such file"):
        extract(corpus, create_extractor("lld"), tmp_path / "s", jobs=2, on_error="stop")
    stopped = FeatureStore.open(tmp_path / "s")
    assert len(stopped) < 59 and stopped.verify() == []
    assert len(extract(corpus, create_extractor("lld"), tmp_path / "s", jobs=2)) == 59


def test_features_that_are_not_finite_are_skipped(corpus, tmp_path, monkeypatch):
    extractor = create_extractor("logmel")
    monkeypatch.setattr(
        type(extractor), "of_waveform", lambda self, sound: np.full((2 + (len(sound) > 5000), 80), np.nan)
    )
    with pytest.raises(InputError, match="none of its 6 clips gave logmel features; the first because .*not finite"):
        extract(corpus, extractor, tmp_path / "s", jobs=1)


def test_corpus_without_the_media_is_a_sentence(corpus, tmp_path):
    with pytest.raises(InputError, match="none of its 6 clips has a file to take hog from"):
        extract(corpus, create_extractor("hog"), tmp_path / "s")
    assert not (tmp_path / "s").exists()


def test_wrong_options_are_a_sentence(corpus, tmp_path):
    with pytest.raises(InputError, match="on_error"):
        extract(corpus, create_extractor("lld"), tmp_path / "s", on_error="ignore")
    with pytest.raises(InputError, match="jobs"):
        extract(corpus, create_extractor("lld"), tmp_path / "s", jobs=0)


def test_a_folder_in_the_way_is_a_sentence(corpus, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be made"):
        extract(corpus, create_extractor("lld"), tmp_path / "file" / "s", jobs=1)


def test_table_features_skip_clips_without_a_row(corpus, tmp_path):
    (tmp_path / "corpus" / "t.csv").write_text("clip,a,b\nclip00,1,2\nclip01,3,4\n")
    store = extract(corpus, create_extractor("table:t.csv", corpus.root), tmp_path / "s")
    assert store.clips == ["clip00", "clip01"] and len(store.skipped) == 4
    np.testing.assert_array_equal(store["clip01"], [[3, 4]])
    assert (store.modality, store.frames_per_second("clip01"), store.dims) == ("video", 0, 2)


def test_rate_of_video_features_is_that_of_the_file(tmp_path):
    corpus = make_corpus(tmp_path / "corpus", 1)
    media.write_video(tmp_path / "a.mp4", np.zeros((9, 32, 32, 3), np.uint8), 12.5)
    corpus.clips["video"] = str(tmp_path / "a.mp4")
    store = extract(corpus, create_extractor("hog"), tmp_path / "s", jobs=1)
    assert store.frames_per_second("clip00") == pytest.approx(12.5) and store["clip00"].shape == (9, 288)


def test_folder_names_corpus_clips_and_settings(corpus, tmp_path):
    folders = [store_folder(tmp_path, corpus, create_extractor(name)) for name in ("lld", "logmel", "hog")]
    folders.append(store_folder(tmp_path, corpus, create_extractor("hog", boxes="clip")))
    folders.append(store_folder(tmp_path, make_corpus(tmp_path / "corpus", 7), create_extractor("lld")))
    folders.append(store_folder(tmp_path, make_corpus(tmp_path / "other"), create_extractor("lld")))
    assert len(set(folders)) == 6
    assert folders[0].parent.parent == tmp_path and folders[0].name.startswith("lld-")
    (tmp_path / "a b.csv").write_text("clip,a\nx,1\n")
    table = store_folder(tmp_path, corpus, create_extractor(f"table:{tmp_path}/a b.csv"))
    assert table.name.startswith("table-a-b.csv-")


def test_missing_paths_reach_extractors_as_none(corpus):
    corpus.clips.loc["clip01", "audio"] = np.nan
    clips = list_clips(corpus)
    assert clips[0].audio.endswith("clip00.wav") and clips[0].video is None
    assert clips[1].audio is None


PROGRAM = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_extract import make_corpus
from auxformer.features import create_extractor
from auxformer.features import extract
extract.SHARD_CLIPS = 2
extract.extract(make_corpus(Path({root!r}), {count}), create_extractor("lld"), {folder!r}, jobs={jobs})
"""


def start(root, folder, count, jobs):
    text = PROGRAM.format(tests=str(Path(__file__).parent), root=str(root), folder=str(folder), count=count, jobs=jobs)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", text], env=environment, stdout=subprocess.DEVNULL, start_new_session=True
    )


def wait_for(condition, process, seconds=60):
    end = time.monotonic() + seconds
    while not condition() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.005)


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
@pytest.mark.parametrize("jobs", [1, 2])
def test_killed_and_started_again_equals_uninterrupted(tmp_path, jobs):
    count = 24
    corpus = make_corpus(tmp_path / "corpus", count, seconds=1.5)
    process = start(corpus.root, tmp_path / "killed", count, jobs)
    wait_for(lambda: (tmp_path / "killed" / "shard-00001.safetensors").exists(), process)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    survived = FeatureStore.open(tmp_path / "killed")
    assert survived.verify() == [] and 2 <= len(survived) < count
    again = extract(corpus, create_extractor("lld"), tmp_path / "killed", jobs=1)
    same(again, extract(corpus, create_extractor("lld"), tmp_path / "whole", jobs=1))
    assert again.verify() == [] and not list((tmp_path / "killed").glob(".*.part"))


@pytest.mark.skipif(sys.platform == "win32", reason="process groups")
def test_two_processes_on_one_store_do_each_other_no_harm(tmp_path):
    corpus = make_corpus(tmp_path / "corpus", 8)
    processes = [start(corpus.root, tmp_path / "s", 8, 1) for _ in range(2)]
    assert [process.wait(timeout=60) for process in processes] == [0, 0]
    store = FeatureStore.open(tmp_path / "s")
    assert store.verify() == [] and len(store) == 8
    same(store, extract(corpus, create_extractor("lld"), tmp_path / "alone", jobs=1))
