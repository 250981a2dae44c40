"""Sequences that others extracted: arrays and OpenFace's files, what they say and what is refused."""

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch

from auxformer.corpora.base import EMOTIONS, Corpus
from auxformer.data.batch import collate
from auxformer.data.task import Task
from auxformer.errors import InputError, MediaError
from auxformer.features import create_extractor, reads_media
from auxformer.features.base import Clip
from auxformer.features.extract import extract


def clip(name):
    return Clip(name, None, None)


def corpus_of(root, clips):
    row = {"speaker": "s", "sentence": "t", "intended": "sad", "level": "x", "audio": None, "video": None, "duration": 1.0}
    table = pd.DataFrame.from_dict({name: row for name in clips}, orient="index")
    return Corpus("toys", root, EMOTIONS, table, pd.DataFrame({"sex": ["female"], "age": [30]}, index=["s"]))


NUMBERS = {"a": np.arange(12).reshape(4, 3), "b": np.arange(6).reshape(2, 3) / 2}


@pytest.fixture(params=["folder", "x.npz", "x.safetensors"])
def arrays(request, tmp_path):
    """The same arrays in each of the three forms."""
    path = tmp_path / request.param
    if request.param == "folder":
        path.mkdir()
        for name, array in NUMBERS.items():
            np.save(path / f"{name}.npy", array.astype(np.float16))
    elif request.param == "x.npz":
        np.savez(path, **{name: array.astype(np.float16) for name, array in NUMBERS.items()})
    else:
        save_file({name: array.astype(np.float16) for name, array in NUMBERS.items()}, path)
    return path


def test_arrays_come_from_a_folder_or_from_one_file_at_the_rate_that_is_said(arrays, tmp_path, capsys):
    extractor = create_extractor(f"arrays:{arrays}@21.5", modality="audio")
    assert (extractor.dims, extractor.frames_per_second, extractor.modality) == (3, 21.5, "audio")
    store = extract(corpus_of(tmp_path, ["a", "b", "zebra"]), extractor, tmp_path / "store", jobs=1)
    for name, array in NUMBERS.items():
        np.testing.assert_array_equal(store[name], array.astype(np.float32))
    assert store.frames_per_second("a") == 21.5
    assert "1 of 3 clips skipped (zebra)" in capsys.readouterr().out and list(store.skipped) == ["zebra"]


@pytest.mark.parametrize("kind", [np.int8, np.uint16, np.float64, bool])
def test_arrays_of_any_number_type(tmp_path, kind):
    save_file({"a": np.eye(3).astype(kind)}, tmp_path / "x.safetensors")
    features = create_extractor(f"arrays:{tmp_path / 'x.safetensors'}@5")(clip("a"))
    assert features.dtype == np.float32 and (features == np.eye(3)).all()


def test_arrays_of_a_type_that_numpy_lacks(tmp_path):
    save_torch({"a": torch.eye(3, dtype=torch.bfloat16)}, tmp_path / "x.safetensors")
    assert (create_extractor(f"arrays:{tmp_path / 'x.safetensors'}@5")(clip("a")) == np.eye(3)).all()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (np.zeros((4, 2)), "b has 2 numbers per frame, expected 3 as a has"),
        (np.array([[0, 1, np.nan]]), "b has nan in frame 0, column 2"),
        (np.array([[0, 1e300, 0]]), "b has inf in frame 0, column 1"),
        (np.zeros(3), "of shape [3], expected numbers [T, D]"),
        (np.zeros((0, 3)), "of shape [0, 3]"),
        (np.array([["x", "y", "z"]]), "b is <U1"),
    ],
)
def test_an_array_that_is_wrong_is_named_and_skipped(tmp_path, wrong, words):
    np.savez(tmp_path / "x.npz", a=np.ones((2, 3)), b=wrong)
    extractor = create_extractor(f"arrays:{tmp_path / 'x.npz'}@5")
    with pytest.raises(MediaError) as caught:
        extractor(clip("b"))
    assert words in str(caught.value)
    store = extract(corpus_of(tmp_path, ["a", "b"]), extractor, tmp_path / "store", jobs=1)
    assert store.clips == ["a"] and words in store.skipped["b"]


def test_an_array_that_holds_code_is_not_run(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((2, 3)))
    np.save(tmp_path / "b.npy", np.array([{"x": 1}], dtype=object))
    with pytest.raises(MediaError, match="b cannot be read"):
        create_extractor(f"arrays:{tmp_path}@5")(clip("b"))


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("arrays:{}", "how many frames a second"),
        ("arrays:{}@fast", '"@fast" is no number of frames per second'),
        ("arrays:{}@0", "expected a number from 0.1"),
        ("arrays:{}/none@5", "no such file or folder"),
        ("arrays:@5", 'expected "arrays:PATH@RATE"'),
        ("arrays:{}/x.txt@5", "expected a folder of .npy files"),
        ("arrays:{}/cut.npz@5", "cannot be read as .npz"),
        ("arrays:{}/cut.safetensors@5", "cannot be read as .safetensors"),
        ("arrays:{}@5", "holds no arrays"),
        ("openface:{}", "is no folder of CSV files"),
    ],
)
def test_what_cannot_be_read_is_a_sentence(tmp_path, spec, words):
    (tmp_path / "x.txt").write_text("x")
    for name in ("cut.npz", "cut.safetensors"):
        (tmp_path / name).write_bytes(b"PK\3\4 and no more")
    with pytest.raises(InputError) as caught:
        create_extractor(spec.format(tmp_path))
    assert words in str(caught.value)


def test_thousands_of_clips_of_one_file_read_it_once(tmp_path, monkeypatch):
    from auxformer.features import store as store_module

    np.savez(tmp_path / "x.npz", **{f"{i:03d}": np.ones((2, 3)) for i in range(20)})
    read, whole = [], store_module.fingerprint_of_file
    monkeypatch.setattr(store_module, "fingerprint_of_file", lambda path: read.append(path) or whole(path))
    extractor = create_extractor(f"arrays:{tmp_path / 'x.npz'}@5")
    assert len(extract(corpus_of(tmp_path, [f"{i:03d}" for i in range(20)]), extractor, tmp_path / "s", jobs=1)) == 20
    assert len(read) == 1


def test_no_noise_reaches_what_others_extracted():
    assert reads_media("lld+voice") and reads_media("hog")
    assert not reads_media("lld+arrays:x@5") and not reads_media("openface:x") and not reads_media("table:x.csv")


def openface(path, frames=6, failed=(), rate=30.0, **columns):
    """A file as FeatureExtraction of OpenFace writes it, spaces behind the commas."""
    index = np.arange(frames)
    table = {"frame": index + 1, "face_id": 0, "timestamp": index / rate, "confidence": 0.98, "success": 1}
    table |= {"gaze_0_x": 0.1, "gaze_angle_y": 0.2, "pose_Tx": 3.0, "pose_Rz": 0.4, "AU01_r": index / 10, "AU12_c": 1.0}
    table = pd.DataFrame({**table, **columns}, index=index)
    table.loc[list(failed), ["confidence", "success", "AU01_r"]] = 0
    path.write_text(table.to_csv(index=False).replace(",", ", "))
    return table


def test_openface_gives_action_units_at_the_rate_of_its_timestamps(tmp_path):
    openface(tmp_path / "a.csv", failed=[2], rate=29.97)
    extractor = create_extractor(f"openface:{tmp_path}")
    assert extractor.names == ("AU01_r", "AU12_c")
    store = extract(corpus_of(tmp_path, ["a", "b"]), extractor, tmp_path / "store", jobs=1)
    valid = ~np.isnan(store["a"]).all(1)
    assert valid.tolist() == [True, True, False, True, True, True]
    np.testing.assert_allclose(store["a"][valid], np.stack([[0, 0.1, 0.3, 0.4, 0.5], np.ones(5)], 1), rtol=1e-6)
    assert store.frames_per_second("a") == pytest.approx(29.97) and store.faces["a"] == pytest.approx(5 / 6)
    assert "no such file" in store.skipped["b"]


def test_openface_columns_are_chosen_and_its_rate_can_be_said(tmp_path):
    openface(tmp_path / "a.csv")
    extractor = create_extractor(f"openface:{tmp_path}@pose,gaze,25")
    assert extractor.names == ("pose_Tx", "pose_Rz", "gaze_0_x", "gaze_angle_y") and extractor.frames_per_second == 25
    with pytest.raises(InputError, match='holds "units!", expected units, gaze, pose or frames per second'):
        create_extractor(f"openface:{tmp_path}@units!")


def test_of_two_faces_the_one_that_is_followed_best_counts(tmp_path):
    table = openface(tmp_path / "a.csv")
    other = table.assign(face_id=1, confidence=0.6, AU01_r=9.0)
    pd.concat([table, other]).sort_values(["frame", "face_id"]).to_csv(tmp_path / "a.csv", index=False)
    assert create_extractor(f"openface:{tmp_path}")(clip("a"))[:, 0].max() == np.float32(0.5)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("1, 0, 0.0, 0.98, 1, 0.5\n2, 0, 0.1, 0.98, 1, 0.5\n", "has no header with a column named frame"),
        ("frame, timestamp, success, confidence, AU12_c\n1, 0, 1, 0.9, 1\n", "has no column AU01_r"),
        ("frame, success, confidence, AU01_r, AU12_c\n1, 1, 0, 1, 1\n2, 1, 0, 1, 1\n", "no face in any frame of b"),
        ("frame, success, confidence, AU01_r, AU12_c\n1, 1, 0.9, oops, 1\n", "no finite number in row 2, column AU01_r"),
        ("frame, success, confidence, AU01_r, AU12_c\n", "no face in any frame of b"),
        ("", "cannot be read as a CSV file"),
    ],
)
def test_a_file_of_openface_that_is_wrong_is_named_and_skipped(tmp_path, content, words):
    openface(tmp_path / "a.csv")
    (tmp_path / "b.csv").write_text(content)
    extractor = create_extractor(f"openface:{tmp_path}")
    with pytest.raises(MediaError) as caught:
        extractor(clip("b"))
    assert words in str(caught.value)
    assert extract(corpus_of(tmp_path, ["a", "b"]), extractor, tmp_path / "store", jobs=1).clips == ["a"]


def test_frames_that_are_not_valid_are_masked_and_no_part_of_what_normal_is(tmp_path):
    openface(tmp_path / "a.csv", failed=[2])
    store = extract(corpus_of(tmp_path, ["a"]), create_extractor(f"openface:{tmp_path}"), tmp_path / "store", jobs=1)
    from auxformer.data.normalise import Normalizer

    normalizer = Normalizer.fit(store, ["a"])
    assert normalizer.mean[0] == pytest.approx(np.mean([0, 0.1, 0.3, 0.4, 0.5]))
    video = normalizer(store["a"])
    batch = collate([("a", np.ones((3, 1), np.float32), video, True, True, np.ones(2, np.float32))])
    assert batch.video_mask[0].tolist() == [True, True, False, True, True, True]
    assert torch.isfinite(batch.video).all() and (batch.video[0, 2] == 0).all() and batch.video_present.all()
    gone = collate([("a", np.ones((3, 1), np.float32), np.full_like(video, np.nan), True, True, np.ones(2, np.float32))])
    assert not gone.video_present.any()


def test_arrays_are_learned_from_like_any_other_features(tiny_puppets, tmp_path):
    root, features = tiny_puppets
    known = Task(root, "lld", "hog", data=features)
    np.savez(tmp_path / "half.npz", **{name: known.audio[name][::2] for name in known.audio.clips})
    task = Task(root, f"arrays:{tmp_path / 'half.npz'}@50", "hog", data=tmp_path / "features")
    assert task.audio.dims == 130 and task.audio.frames_per_second(task.audio.clips[0]) == 50
    with pytest.raises(InputError, match="the audio features come from a file, which shows nothing of it"):
        task.under(["audio-babble-snr-10"], task.partitions())
