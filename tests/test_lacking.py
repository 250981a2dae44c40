"""Training clips that really lack a stream: how many, always the same ones, nobody else, and nothing changes without."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from conftest import SpeakerSplit, make_task
from hypothesis import given
from hypothesis import strategies as st

from auxformer.config import TrainingConfig, override
from auxformer.data.batch import BucketSampler, collate
from auxformer.data.missing import modality_dropout
from auxformer.data.normalise import Normalizer
from auxformer.data.split import make_split
from auxformer.errors import InputError
from auxformer.features.lacking import StoreWithout, as_trained, lost_clips
from auxformer.models import code
from auxformer.models.rivals.functionals import FunctionalsLR
from auxformer.training.fit import fit
from auxformer.training.run import load


def settings(audio=0.0, video=0.0, **more) -> TrainingConfig:
    return TrainingConfig(missing_audio=audio, missing_video=video, **more)


def streams_of(dataset, indices=None) -> dict[str, tuple[bool, bool]]:
    """Clip -> whether its audio and its video are there, as the network is told."""
    batch = collate([dataset[index] for index in (range(len(dataset)) if indices is None else indices)])
    return dict(zip(batch.clips, zip(batch.audio_present.tolist(), batch.video_present.tolist())))


@pytest.mark.parametrize("audio, video", [(0.15, 0.15), (0.25, 0.25), (0.35, 0.35), (0.1, 0.7), (0.7, 0.1), (0, 0.9)])
def test_as_many_clips_lack_a_stream_as_were_asked_for(splits, audio, video):
    found = Counter(streams_of(as_trained(splits, settings(audio, video)).train).values())
    clips = len(splits.train)
    assert found[False, True] == round(audio * clips) and found[True, False] == round(video * clips)
    assert found[False, False] == 0 and found.total() == clips


@given(st.integers(1, 60), st.floats(0, 1), st.floats(0, 1), st.integers(0, 3))
def test_no_clip_loses_both_and_more_lost_clips_are_the_same_ones_and_more(count, share, part, seed):
    clips = [f"c{i}" for i in range(count)]
    audio, video = share * part, share * (1 - part)
    lost = lost_clips(clips, audio, video, seed)
    assert not set(lost["audio"]) & set(lost["video"])
    assert abs(len(lost["audio"]) - audio * count) <= 0.5 and abs(len(lost["video"]) - video * count) <= 1
    half = lost_clips(clips, audio / 2, video / 2, seed)
    assert all(set(half[stream]) <= set(lost[stream]) for stream in lost)


def test_the_same_clips_lack_it_in_every_epoch_order_and_size_of_batch(splits):
    train = as_trained(splits, settings(0.3, 0.3)).train
    told = streams_of(train)
    for size in (4, 16):
        sampler = BucketSampler(train.lengths, size, seed=1)
        for epoch in (0, 1):
            sampler.set_epoch(epoch)
            for indices in sampler:
                assert all(told[clip] == there for clip, there in streams_of(train, indices).items())
    assert told == streams_of(as_trained(splits, settings(0.3, 0.3, batch_size=4, epochs=1)).train)
    assert lost_clips(splits.train.clips, 0.3, 0.3, 0) == lost_clips(splits.train.clips[::-1], 0.3, 0.3, 0)
    assert told != streams_of(as_trained(splits, settings(0.3, 0.3, seed=1)).train)


def test_dev_and_test_keep_their_streams(splits):
    found = as_trained(splits, settings(0.3, 0.5))
    for part in (found.dev, found.test):
        assert set(streams_of(part).values()) == {(True, True)}
    assert found.dev.clips == splits.dev.clips and found.test.clips == splits.test.clips


def test_what_is_lacking_is_not_seen_by_the_normalisers_either(splits):
    found = as_trained(splits, settings(0, 0.5))
    left = [clip for clip, (_, video) in streams_of(found.train).items() if video]
    expected = Normalizer.fit(splits.train.video, left)
    for part in (found.train, found.dev, found.test):
        assert np.array_equal(part.video_normalizer.mean, expected.mean)
        assert part.audio_normalizer is splits.train.audio_normalizer
    assert not np.array_equal(expected.mean, splits.train.video_normalizer.mean)
    gone = (set(splits.train.clips) - set(left)).pop()
    with pytest.raises(InputError, match="lacks this stream in training"):
        found.train.video[gone]


def test_a_split_as_trained_loses_nothing_more(splits):
    once = as_trained(splits, settings(0.3, 0.3))
    assert streams_of(as_trained(once, settings(0.3, 0.3)).train) == streams_of(once.train)


def test_modality_dropout_comes_on_top_and_leaves_the_only_stream(splits):
    train = as_trained(splits, settings(0.4, 0.4)).train
    batch = modality_dropout(collate([train[index] for index in range(len(train))]), 0.5, 0.5)
    lacking = np.array([there != (True, True) for there in streams_of(train).values()])
    assert (batch.audio_present | batch.video_present).all()
    assert dict(zip(batch.clips, zip(batch.audio_present.tolist(), batch.video_present.tolist()))) != streams_of(train)
    assert lacking.sum() == 2 * round(0.4 * len(train))


@pytest.mark.parametrize(
    "audio, video, message",
    [
        (0.6, 0.6, "training.missing_audio . training.missing_video is 1.2"),
        (-0.1, 0, "training.missing_audio is -0.1"),
        (1.5, 0, "training.missing_audio is 1.5"),
    ],
)
def test_impossible_shares_are_refused(audio, video, message):
    with pytest.raises(InputError, match=message):
        settings(audio, video)


@pytest.mark.parametrize("audio, video, stream", [(1.0, 0, "audio"), (0, 0.999, "video")])
def test_a_share_that_leaves_nothing_to_learn_from_is_refused_before_a_folder_is_made(splits, small_config, tmp_path, audio, video, stream):
    config = override(small_config, {"training": {"missing_audio": audio, "missing_video": video}})
    with pytest.raises(InputError, match=f"no training clip would be left with {stream}"):
        fit(config, splits, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_clips_of_one_stream_have_none_to_lose():
    audio, video, clips, targets = make_task()
    only_voice = [clip for clip in clips.index if clip not in list(clips.index)[::2]]
    for clip in only_voice:
        del video.arrays[clip]
    split = make_split(audio, video, targets, clips.speaker, SpeakerSplit)
    found = streams_of(as_trained(split, settings(0.5, 0)).train)
    assert all(found[clip] == (True, False) for clip in found if clip in only_voice)
    for clip in clips.index.difference(only_voice):
        del video.arrays[clip]
    split = make_split(audio, video, targets, clips.speaker, SpeakerSplit)
    with pytest.raises(InputError, match="no training clip has both streams"):
        as_trained(split, settings(0.5, 0))


def test_without_missing_streams_a_run_is_what_it_was(splits, small_config):
    assert override(small_config, {"training": {"missing_audio": 0.0}}).digest() == small_config.digest()
    assert override(small_config, {"training": {"missing_audio": 0.1}}).digest() != small_config.digest()
    found = as_trained(splits, small_config.training)
    assert found.train.audio is splits.train.audio and found.train.video_normalizer is splits.train.video_normalizer


def test_a_run_with_missing_streams_trains_resumes_and_predicts_by_its_own_scale(splits, small_config, tmp_path):
    config = override(small_config, {"training": {"missing_audio": 0.2, "missing_video": 0.6}})
    run = fit(config, splits, tmp_path)
    pd.testing.assert_frame_equal(fit(config, splits, tmp_path).metrics, run.metrics)
    own = as_trained(splits, config.training)
    pd.testing.assert_frame_equal(load(tmp_path).predict(splits.test), run.predict(own.test))
    complete = fit(small_config, splits, tmp_path.parent / f"{tmp_path.name}-complete")
    assert not complete.metrics.train_loss.equals(run.metrics.train_loss)
    with pytest.raises(InputError, match="another config"):
        fit(override(config, {"training": {"missing_audio": 0.1}}), splits, tmp_path)


def test_the_classical_system_learns_from_the_clips_that_have_its_streams(splits):
    """What stands in place of an absent stream must not reach the regressions, of whatever kind it is."""
    lacking = as_trained(splits, settings(0.3, 0.3))
    answers = FunctionalsLR().fit(lacking.train, lacking.dev).posteriors(lacking.test, ["complete", "no-audio", "no-video"])
    for condition, needed in {"complete": (True, True), "no-video": (True, None), "no-audio": (None, True)}.items():
        rows = [
            clip for clip, there in streams_of(lacking.train).items()
            if all(want is None or want == has for want, has in zip(needed, there))
        ]  # fmt: skip
        few = lacking.train.targets.loc[rows]
        train = type(lacking.train)(
            splits.train.audio, splits.train.video, few, lacking.train.audio_normalizer, lacking.train.video_normalizer
        )
        expected = FunctionalsLR().fit(train, lacking.dev).posterior(lacking.test, condition)
        assert np.allclose(answers[condition], expected)
    alone = replace(lacking, train=as_trained(splits, settings(0.5, 0.5)).train)
    with pytest.raises(InputError, match="functionals-lr: no clip has audio and video to learn"):
        FunctionalsLR().fit(alone.train, alone.dev)


def test_a_store_without_some_clips_says_the_rest_as_the_store_does(splits):
    store = splits.train.audio
    less = StoreWithout(store, [store.clips[0]])
    assert len(less) == len(store.clips) - 1 and store.clips[0] not in less and store.clips[0] not in less.lengths
    assert less.dims == store.dims and less.digest == store.digest
    assert np.array_equal(less[store.clips[1]], store[store.clips[1]])


@pytest.mark.parametrize("system", ["auxformer", "functionals-lr"])
def test_the_code_that_chooses_the_clips_counts_among_what_a_result_was_computed_with(system, monkeypatch):
    counted = code.computed_by(system)["code"]
    monkeypatch.setattr(code, "DECIDES", tuple(name for name in code.DECIDES if name != "auxformer.features.lacking"))
    assert code.computed_by(system)["code"] != counted
