"""The feature store: what is read back, what survives damage and other processes, what is refused."""

import json
import multiprocessing
import os
import pickle
import sys
from dataclasses import dataclass

import numpy as np
import pytest
from safetensors import safe_open

from auxformer.errors import InputError, MediaError
from auxformer.features import store as store_module
from auxformer.features.store import Extracted, FeatureStore, Source, find_stores
from auxformer.files import fingerprint_of_file


@dataclass(frozen=True)
class Toy:
    """An extractor as far as a store knows it."""

    dims: int = 3
    name = "toy"
    modality = "audio"
    frames_per_second = 10.0

    def digest(self):
        return f"{self.dims:08x}"


def item(clip, length=4, value=None, content="a"):
    draw = np.random.default_rng([5, length, sum(map(ord, clip))])
    features = draw.normal(size=(length, 3)) if value is None else np.full((length, 3), value)
    return Extracted(clip, features.astype(np.float32), 10.0, Source(f"{clip}.wav", 100, 200, content))


@pytest.fixture
def store(tmp_path):
    made = FeatureStore.prepare(tmp_path / "store", Toy())
    made.append([item("a", 4), item("b", 7)])
    made.append([item("c", 1)])
    return made


def test_features_come_back_as_they_went_in(store):
    again = FeatureStore.open(store.folder)
    assert again.clips == ["a", "b", "c"] and "a" in again and "d" not in again and len(again) == 3
    for clip, length in {"a": 4, "b": 7, "c": 1}.items():
        np.testing.assert_array_equal(again[clip], item(clip, length).features)
        assert again[clip].dtype == np.float32 and again.lengths[clip] == length
    assert (again.name, again.modality, again.dims, again.digest) == ("toy", "audio", 3, "00000003")
    assert again.frames_per_second("a") == 10.0
    assert again.verify() == []


def test_features_are_a_read_only_view_of_the_file(store):
    first, second = store["a"], store["b"]
    assert first.base is not None and np.shares_memory(second, store["b"])
    with pytest.raises(ValueError, match="read-only"):
        first[0] = 1


def test_opening_reads_no_features(store, monkeypatch):
    def forbidden(*_):
        raise AssertionError("a shard was opened")

    monkeypatch.setattr(store_module, "_map_shard", forbidden)
    again = FeatureStore.open(store.folder)
    assert again.clips == ["a", "b", "c"]
    with pytest.raises(AssertionError):
        again["a"]


def test_shards_are_safetensors_and_the_index_a_plain_table(store):
    with safe_open(store.folder / "shard-00000.safetensors", "np") as shard:
        np.testing.assert_array_equal(shard.get_tensor("frames")[4:], store["b"])
    assert (store.folder / "index.csv").read_text().splitlines()[2].startswith("b,0,4,7,10.0,")
    assert (store.folder / "index.csv").read_text().splitlines()[2].endswith(",b.wav,100,200,a,nan")
    described = json.loads((store.folder / "store.json").read_text())
    assert described["settings"] == "Toy(dims=3)" and "numpy" in described["libraries"]


def test_another_process_maps_the_shards_itself(store):
    store["a"]
    copy = pickle.loads(pickle.dumps(store))
    assert not copy._shards
    np.testing.assert_array_equal(copy["a"], store["a"])


def test_a_changed_clip_replaces_the_old_one_and_no_other(store):
    before = store["b"].copy()
    store.append([item("a", 2, 1.0, content="changed"), item("b", 5, 2.0)])
    assert store["a"].shape == (2, 3)
    np.testing.assert_array_equal(store["b"], before)  # same source: what is there stays
    assert store.clips == ["a", "b", "c"] and store.verify() == []


def test_currency_is_told_by_content_when_size_or_time_differ(tmp_path, store):
    path = tmp_path / "x.wav"
    path.write_bytes(b"one")
    store.append([item("x")._replace(source=Source.of(path))])
    assert store.is_current("x", str(path))
    path.write_bytes(b"one")
    assert store.is_current("x", str(path))  # touched, but the same
    path.write_bytes(b"two")
    assert not store.is_current("x", str(path))
    path.write_bytes(b"three")
    assert not store.is_current("x", str(path))
    path.unlink()
    assert store.is_current("x", str(path))  # media may be thrown away afterwards
    assert not store.is_current("y", None)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_refused_by_the_clips_name(store, value):
    with pytest.raises(MediaError, match="clip d: 12 of its features are not finite"):
        store.append([item("e"), item("d", 4, value)])
    assert FeatureStore.open(store.folder).clips == ["a", "b", "c"]


@pytest.mark.parametrize("shape", [(0, 3), (4, 2), (3,)])
def test_features_of_the_wrong_shape_are_refused(store, shape):
    with pytest.raises(MediaError, match="clip d"):
        store.append([item("d")._replace(features=np.zeros(shape, np.float32))])


def test_absent_clip_is_a_sentence_with_the_reason(store):
    store.record_skipped({"d": "d.wav: the file is empty"})
    with pytest.raises(InputError, match="no features of the clip d .d.wav: the file is empty"):
        FeatureStore.open(store.folder)["d"]
    with pytest.raises(InputError, match="was not extracted"):
        store["e"]


def test_skipped_clip_loses_outdated_features_and_returns_when_it_works(store):
    store.record_skipped({"a": "a.wav: damaged by now"})
    assert "a" not in store and store.skipped == {"a": "a.wav: damaged by now"}
    store.append([item("a", 2, 1.0, content="mended")])
    store.record_skipped({})
    assert "a" in FeatureStore.open(store.folder) and FeatureStore.open(store.folder).skipped == {}


def test_killed_between_shard_and_index_the_shard_is_as_if_never_written(store, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(FeatureStore, "_write_index", killed)
    with pytest.raises(KeyboardInterrupt):
        store.append([item("d")])
    monkeypatch.undo()
    again = FeatureStore.prepare(store.folder, Toy())
    assert again.clips == ["a", "b", "c"] and again.verify() == []
    again.append([item("e", 9)])
    np.testing.assert_array_equal(again["e"], item("e", 9).features)
    assert again.verify() == []


def test_half_written_files_are_swept_up(store):
    (store.folder / ".shard-00002.safetensors.1.part").write_bytes(b"half")
    FeatureStore.prepare(store.folder, Toy())
    assert not list(store.folder.glob(".*.part"))


@pytest.mark.parametrize("damage", ["cut", "header", "length", "gone", "empty"])
def test_damaged_shard_is_named_and_its_clips_forgotten_when_writing(store, damage):
    path = store.folder / "shard-00000.safetensors"
    content = path.read_bytes()
    path.write_bytes(
        {"cut": content[:-4], "header": content[:8] + b"x" + content[9:], "length": b"\xff" * 8 + content[8:]}.get(
            damage, b""
        )
    )
    if damage == "gone":
        path.unlink()
    again = FeatureStore.open(store.folder)
    with pytest.raises(InputError, match="shard-00000.safetensors"):
        again["a"]
    assert len(again.verify()) == 1 and "shard-00000" in again.verify()[0]
    assert FeatureStore.prepare(store.folder, Toy()).clips == ["c"]


def test_verify_names_numbers_that_went_bad_and_rows_that_are_not_there(store):
    path = store.folder / "shard-00000.safetensors"
    content = bytearray(path.read_bytes())
    content[-4:] = np.float32(np.nan).tobytes()
    path.write_bytes(content)
    with pytest.raises(InputError, match="clip b are not those that were written"):
        FeatureStore.open(store.folder)["b"]
    assert any("not those that were written" in problem for problem in FeatureStore.open(store.folder).verify())
    index = (store.folder / "index.csv").read_text().replace("c,1,0,1,", "c,1,0,2,")
    (store.folder / "index.csv").write_text(index)
    problems = FeatureStore.open(store.folder).verify()
    assert len(problems) == 2 and "clip b are not those that were written" in problems[0]
    assert "clip c are not all in it" in problems[1]


def test_verify_sees_another_file_of_the_same_size_and_time(tmp_path):
    wav = tmp_path / "a.wav"
    wav.write_bytes(b"the voice of one")
    status = wav.stat()
    source = Source(str(wav), status.st_size, status.st_mtime_ns, fingerprint_of_file(wav))
    made = FeatureStore.prepare(tmp_path / "store", Toy())
    made.append([item("a")._replace(source=source)])
    assert made.verify() == [] and made.is_current("a", str(wav))
    wav.write_bytes(b"that of somebody")
    os.utime(wav, ns=(status.st_atime_ns, status.st_mtime_ns))
    store_module._content.cache_clear()  # as in a process of its own
    (problem,) = FeatureStore.open(tmp_path / "store").verify()
    assert "a.wav: is another file than the one" in problem


def test_verify_sees_a_single_flipped_bit_and_a_lost_index(store):
    path = store.folder / "shard-00000.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert ["not those that were written" in problem for problem in FeatureStore.open(store.folder).verify()] == [True]
    content[-1] ^= 1
    path.write_bytes(content)
    assert not FeatureStore.open(store.folder).verify()
    (store.folder / "index.csv").unlink()
    assert "names no clip although" in FeatureStore.open(store.folder).verify()[0]


@pytest.mark.parametrize("text", ["", "clip,shard\na,0\n", "nonsense"])
def test_damaged_index_is_a_sentence(store, text):
    (store.folder / "index.csv").write_text(text)
    with pytest.raises(InputError, match="index.csv: is damaged"):
        FeatureStore.open(store.folder)


def test_damaged_description_is_a_sentence(store):
    for text, words in (("{", "cannot be read"), ("{}", "lacks"), ("[]", "lacks")):
        (store.folder / "store.json").write_text(text)
        with pytest.raises(InputError, match=words):
            FeatureStore.open(store.folder)


def test_folder_that_is_no_store_is_a_sentence(tmp_path):
    with pytest.raises(InputError, match="not a feature store"):
        FeatureStore.open(tmp_path)


def test_other_settings_need_another_folder(store):
    with pytest.raises(InputError, match="toy with 00000004"):
        FeatureStore.prepare(store.folder, Toy(4))


def test_folder_that_cannot_be_written_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot be made"):
        FeatureStore.prepare(tmp_path / "file" / "store", Toy())


def test_a_store_that_is_whole_is_read_where_nothing_can_be_written(store, tmp_path, monkeypatch):
    def refused(folder, *_):
        raise InputError(f"{folder}: cannot be written (Read-only file system)")

    monkeypatch.setattr(store_module, "locked", refused)
    assert FeatureStore.prepare(store.folder, Toy()).clips == ["a", "b", "c"]
    with pytest.raises(InputError, match="cannot be written"):
        FeatureStore.prepare(store.folder, Toy(4))
    with pytest.raises(InputError, match="cannot be written"):
        FeatureStore.prepare(tmp_path / "none", Toy())
    (store.folder / "shard-00000.safetensors").write_bytes(b"half")
    with pytest.raises(InputError, match="cannot be written"):
        FeatureStore.prepare(store.folder, Toy())


def test_full_disk_keeps_what_is_finished(store, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store_module.Path, "write_bytes", full)
    with pytest.raises(InputError, match="No space left"):
        store.append([item("d")])
    monkeypatch.undo()
    again = FeatureStore.open(store.folder)
    assert again.clips == ["a", "b", "c"] and again.verify() == []


def test_stores_below_a_folder_are_found_and_removed(tmp_path, store):
    FeatureStore.prepare(tmp_path / "other", Toy())
    assert [found.folder.name for found in find_stores(tmp_path)] == ["other", "store"]
    store.remove()
    assert [found.folder.name for found in find_stores(tmp_path)] == ["other"]


def _append_many(folder, writer):
    store = FeatureStore.prepare(folder, Toy())
    for i in range(15):
        store.append([item(f"{writer}{i}", 3, 100 * writer + i), item(f"shared{i}", 2, i)])


@pytest.mark.skipif(sys.platform == "win32", reason="processes are forked")
def test_writers_at_the_same_time_lose_nothing(tmp_path):
    FeatureStore.prepare(tmp_path, Toy())
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_append_many, args=(tmp_path, writer)) for writer in (1, 2)]
    for process in writers:
        process.start()
    for process in writers:
        process.join()
    assert [process.exitcode for process in writers] == [0, 0]
    store = FeatureStore.open(tmp_path)
    assert len(store) == 45 and store.verify() == []
    assert all((store[f"{writer}{i}"] == 100 * writer + i).all() for writer in (1, 2) for i in range(15))
    assert all((store[f"shared{i}"] == i).all() for i in range(15))


def test_a_store_of_an_earlier_version_is_filled_again(store, capsys):
    path = store.folder / "store.json"
    path.write_text(path.read_text().replace('"format": 2', '"format": 1'))
    with pytest.raises(InputError, match="is of format 1, expected 2"):
        FeatureStore.open(store.folder)
    assert not FeatureStore.prepare(store.folder, Toy()).clips
    assert "is of an earlier version; its features are taken again" in capsys.readouterr().out
