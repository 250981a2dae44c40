"""Augmentation: what may change in a training clip, and what may not."""

import numpy as np
import pytest
import torch

from auxformer.config import TrainingConfig, override
from auxformer.data.batch import collate
from auxformer.data.missing import without
from auxformer.features.augment import FEATURES, FRAMES, MASKS, SPEED, at_speed, augmented, mixed
from auxformer.training.fit import fit
from auxformer.training.run import read_metrics

ON = TrainingConfig(augment=True)


def a_clip(name="clip", audio=100, video=25, dims=(40, 20)):
    rng = np.random.default_rng(0)
    streams = [rng.normal(3, 1, (frames, size)).astype(np.float32) for frames, size in zip((audio, video), dims)]
    return name, *streams, True, True, np.eye(3, dtype=np.float32)[1]


def test_off_it_is_the_clip_itself():
    clip = a_clip()
    assert augmented(clip, TrainingConfig(), 0) is clip


def test_the_draw_belongs_to_seed_epoch_and_clip():
    def audio(name="clip", epoch=0, seed=0):
        return augmented(a_clip(name), TrainingConfig(augment=True, seed=seed), epoch)[1]

    np.testing.assert_array_equal(audio(), audio())
    for other in (audio("other"), audio(epoch=1), audio(seed=1)):
        assert other.shape != audio().shape or not np.array_equal(other, audio(), equal_nan=True)


@pytest.mark.parametrize("epoch", range(20))
def test_streams_stay_in_step_and_keep_most_of_what_they_hold(epoch):
    clip = a_clip()
    name, audio, video, *rest = augmented(clip, ON, epoch)
    assert name == "clip" and rest[:2] == [True, True] and rest[2] is clip[5]
    for before, after in ((clip[1], audio), (clip[2], video)):
        assert after.dtype == np.float32
        assert 1 / (1 + SPEED) - 0.05 <= len(after) / len(before) <= 1 / (1 - SPEED) + 0.05
        lost = np.isnan(after).all(1)
        assert (np.isnan(after).any(1) == lost).all() and lost.mean() <= MASKS * FRAMES
        assert (after[~lost] == 0).all(0).mean() <= MASKS * FEATURES
    assert len(audio) / len(video) == pytest.approx(len(clip[1]) / len(clip[2]), rel=0.05)
    np.testing.assert_array_equal(clip[1], a_clip()[1])  # what it was given is as it was


def test_a_frame_that_is_not_valid_stays_so_and_a_stream_of_one_frame_keeps_it():
    _, audio, video, *rest = a_clip(video=1)
    audio[:] = np.nan
    for epoch in range(20):
        clip = augmented(("clip", audio, video, *rest), ON, epoch)
        batch = collate([clip])
        assert not batch.audio_mask.any() and not batch.audio_present.any()
        assert batch.video_mask.tolist() == [[True]]


def test_another_speed_is_the_same_path():
    ramp = np.linspace(0, 1, 101, dtype=np.float32)[:, None]
    for speed in (0.8, 1.0, 1.25):
        played = at_speed(ramp, speed)
        assert len(played) == round(101 / speed)
        np.testing.assert_allclose(played[:, 0], np.linspace(0, 1, len(played)), atol=1e-5)


def test_it_trains_the_same_way_twice_and_otherwise_than_without(splits, small_config, tmp_path):
    config = override(small_config, {"training": {"augment": True}})
    losses = []
    for name, settings in (("first", config), ("second", config), ("without", small_config)):
        fit(settings, splits, tmp_path / name, progress=False)
        losses.append(read_metrics(tmp_path / name).train_loss.tolist())
    assert losses[0] == losses[1] != losses[2]
    assert config.digest() != small_config.digest()


def test_a_mixed_clip_is_a_share_of_two_and_so_is_its_target():
    batch = collate([a_clip(str(i), audio=20 + i, video=9) for i in range(6)])
    batch = batch._replace(target=torch.eye(6), audio=batch.audio * torch.arange(1, 7)[:, None, None])
    assert mixed(batch, TrainingConfig(), (0, 0)) is batch
    found = mixed(batch, ON, (0, 3))
    np.testing.assert_allclose(found.target.sum(1), 1, atol=1e-6)
    assert (found.target.argmax(1) == torch.arange(6)).all() and (found.target > 0).sum(1).max() == 2
    expected = torch.einsum("bc,ctd->btd", found.target, batch.audio)  # the targets tell which clips, and how much of them
    np.testing.assert_allclose(found.audio, expected, atol=1e-5)
    assert (found.audio_mask.sum(1) >= batch.audio_mask.sum(1)).all()
    assert not torch.equal(mixed(batch, ON, (0, 4)).audio, found.audio)


def test_a_clip_without_a_stream_is_mixed_with_none_that_has_it():
    batch = collate([a_clip(str(i)) for i in range(8)])
    lost = torch.arange(8) % 2 == 0
    batch = without(batch, audio=lost, video=~lost & False)._replace(target=torch.eye(8))
    for step in range(10):
        found = mixed(batch, ON, (0, step))
        assert (found.target[lost][:, ~lost] == 0).all() and (found.target[~lost][:, lost] == 0).all()
        assert (found.audio[lost] == 0).all() and torch.equal(found.audio_present, batch.audio_present)
