import numpy as np
import pandas as pd
import pytest
import torch
from conftest import SpeakerSplit, make_task

from auxformer.data.batch import BucketSampler, collate, eval_batches
from auxformer.data.normalise import Normalizer
from auxformer.data.split import ClipDataset, make_split
from auxformer.errors import InputError
from auxformer.seeds import seed_of


def test_the_normalizer_is_fitted_on_train_and_on_nothing_else(splits):
    frames = np.concatenate([splits.train.audio[clip] for clip in splits.train.clips])
    np.testing.assert_allclose(splits.train.audio_normalizer.mean, frames.mean(0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(splits.train.audio_normalizer.deviation, frames.std(0), rtol=1e-4)
    assert splits.test.audio_normalizer is splits.train.audio_normalizer


def test_a_constant_feature_and_huge_values_stay_finite():
    class Store(dict):
        dims = 2

    store = Store(a=np.array([[1e8, 3.0], [1e8 + 2, 3.0]], np.float32))
    normalizer = Normalizer.fit(store, ["a"])
    assert np.isfinite(normalizer(store["a"])).all() and np.abs(normalizer(store["a"][:, 1:].repeat(2, 1))).max() <= 8


def test_batches_hold_what_the_store_holds_and_mask_the_rest(splits):
    items = [splits.train[i] for i in range(5)]
    batch = collate(items)
    for row, (clip, audio, video, *_, target) in enumerate(items):
        assert batch.clips[row] == clip and batch.audio_mask[row].sum() == len(audio)
        np.testing.assert_array_equal(batch.audio[row, : len(audio)], audio)
        assert not batch.audio[row, len(audio) :].any() and not batch.video[row, len(video) :].any()
        np.testing.assert_array_equal(batch.target[row], target)


def test_train_dev_and_test_share_no_speaker(splits):
    speakers = [{clip[:2] for clip in part.clips} for part in (splits.train, splits.dev, splits.test)]
    assert speakers == [set(SpeakerSplit.train), set(SpeakerSplit.dev), set(SpeakerSplit.test)]


def test_a_partition_without_labelled_clips_raises():
    audio, video, clips, targets = make_task(speakers=3, per_class=1)

    class Nobody(SpeakerSplit):
        train, dev, test = ("00",), ("01",), ("77",)

    with pytest.raises(InputError, match="no labelled clip of its test speakers"):
        make_split(audio, video, targets, clips.speaker, Nobody)


def test_a_clip_that_one_store_lacks_has_that_stream_absent():
    audio, video, clips, targets = make_task(speakers=9, per_class=1)
    del video.arrays["00-angry-0"]
    dataset = make_split(audio, video, targets, clips.speaker, SpeakerSplit).train
    batch = collate([dataset[dataset.clips.index("00-angry-0")], dataset[1]])
    assert batch.video_present.tolist() == [False, True] and batch.audio_present.all()
    with pytest.raises(InputError, match="no clip with a target has features"):
        ClipDataset(audio, video, pd.DataFrame({"a": [1.0]}, index=["nobody"]), None, None)


def test_directory_order_permutes_frames_the_same_way_each_time():
    audio, video, clips, targets = make_task()
    time, folder = (
        make_split(audio, video, targets, clips.speaker, SpeakerSplit).train.with_(video_order=order)
        for order in ("time", "directory")
    )
    assert not np.array_equal(time[0][2], folder[0][2])
    np.testing.assert_array_equal(np.sort(time[0][2], 0), np.sort(folder[0][2], 0))
    np.testing.assert_array_equal(folder[0][2], folder[0][2])


@pytest.mark.parametrize("bucket", [True, False])
def test_an_epoch_visits_every_clip_once_in_an_order_named_by_seed_and_epoch(bucket):
    lengths = np.random.default_rng(0).integers(10, 400, 203)
    sampler = BucketSampler(lengths, 16, seed=3, bucket=bucket)
    first, again = list(sampler), list(sampler)
    assert first == again and len(first) == len(sampler)
    assert sorted(index for batch in first for index in batch) == list(range(203))
    sampler.set_epoch(1)
    assert list(sampler) != first
    assert list(BucketSampler(lengths, 16, seed=4, bucket=bucket)) != first


def test_buckets_cut_padding():
    lengths = np.random.default_rng(0).integers(10, 400, 512)

    def padding(bucket):
        return sum(len(b) * lengths[b].max() - lengths[b].sum() for b in BucketSampler(lengths, 16, 0, bucket))

    assert padding(True) < padding(False) / 4


def test_evaluation_visits_every_clip_once(splits):
    seen = [clip for batch in eval_batches(splits.test, 7) for clip in batch.clips]
    assert sorted(seen) == sorted(splits.test.clips)


def test_building_datasets_leaves_global_random_state_alone():
    np.random.seed(1), torch.manual_seed(1)
    before = np.random.get_state()[1].copy(), torch.get_rng_state()
    audio, video, clips, targets = make_task()
    make_split(audio, video, targets, clips.speaker, SpeakerSplit).train.with_(video_order="directory")[0]
    list(BucketSampler(np.arange(50), 8, 0))
    assert np.array_equal(before[0], np.random.get_state()[1]) and torch.equal(before[1], torch.get_rng_state())


def test_seeds_are_named_by_their_axes():
    assert seed_of("order", 0, 1) == seed_of("order", 0, 1) != seed_of("order", 1, 0)
