import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from auxformer.dataset import collate
from auxformer.errors import InputError
from auxformer.missing import CONDITIONS, apply_condition, modality_dropout


@pytest.fixture
def batch(splits):
    return collate([splits.train[i] for i in range(12)])


def test_complete_is_the_identity(batch):
    assert apply_condition(batch, "complete") is batch


@pytest.mark.parametrize("condition, gone, kept", [("no-audio", "audio", "video"), ("no-video", "video", "audio")])
def test_a_condition_removes_one_stream_and_leaves_the_other(batch, condition, gone, kept):
    before = [value.clone() if torch.is_tensor(value) else value for value in batch]
    after = apply_condition(batch, condition)
    assert not getattr(after, gone).any() and not getattr(after, f"{gone}_present").any()
    assert getattr(after, kept) is getattr(batch, kept) or torch.equal(getattr(after, kept), getattr(batch, kept))
    assert getattr(after, f"{kept}_present").all() and after.clips == batch.clips
    assert getattr(after, gone).shape == getattr(batch, gone).shape
    assert all(torch.equal(old, new) for old, new in zip(before, batch) if torch.is_tensor(old)), "edited in place"


def test_an_unknown_condition_raises(batch):
    with pytest.raises(InputError, match='Did you mean "no-audio"'):
        apply_condition(batch, "no-adio")
    assert list(CONDITIONS)[0] == "complete"


@settings(max_examples=20, deadline=None)
@given(audio=st.floats(0, 0.5), video=st.floats(0, 0.5), seed=st.integers(0, 2**31))
def test_dropout_keeps_its_rates_and_never_takes_both(audio, video, seed):
    count = 4000
    ones = torch.ones(count, 1, 1)
    present, mask = torch.ones(count, dtype=torch.bool), torch.ones(count, 1, dtype=torch.bool)
    from auxformer.dataset import Batch

    batch = Batch(ones, mask, ones, mask, present, present, torch.ones(count, 1), tuple(map(str, range(count))))
    after = modality_dropout(batch, audio, video, "clip", torch.Generator().manual_seed(seed))
    assert (after.audio_present | after.video_present).all()
    for rate, stream, flag in ((audio, after.audio, after.audio_present), (video, after.video, after.video_present)):
        lost = 1 - flag.float().mean().item()
        assert abs(lost - rate) < 5 * (rate * (1 - rate) / count) ** 0.5 + 1e-9
        assert torch.equal(stream.flatten() == 0, ~flag)


def test_the_published_coin_falls_once_for_the_whole_batch(batch):
    outcomes = set()
    for seed in range(60):
        after = modality_dropout(batch, 0.2, 0.2, "batch", torch.Generator().manual_seed(seed))
        outcomes.add((after.audio_present.float().mean().item(), after.video_present.float().mean().item()))
    assert outcomes == {(1.0, 1.0), (0.0, 1.0), (1.0, 0.0)}


def test_a_clip_with_one_stream_keeps_it(batch):
    only_video = apply_condition(batch, "no-audio")
    after = modality_dropout(only_video, 0.0, 1.0)
    assert after.video_present.all()
