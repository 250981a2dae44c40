import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from auxformer.data.batch import collate
from auxformer.data.missing import CONDITIONS, FRAME_CONDITIONS, LOSSES, apply_condition, lose_frames, modality_dropout
from auxformer.errors import InputError


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
    from auxformer.data.batch import Batch

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


def long_batch(clips=200, frames=100):
    """Clips of 100 audio and 100 video frames, the last 20 audio frames of every other clip padding."""
    from auxformer.data.batch import Batch

    ones = torch.ones(clips, frames, 2)
    mask = torch.ones(clips, frames, dtype=torch.bool)
    short = mask.clone()
    short[::2, 80:] = False
    present = torch.ones(clips, dtype=torch.bool)
    audio = ones * short.unsqueeze(-1)
    return Batch(audio, short, ones, mask, present, present, torch.ones(clips, 1), tuple(map(str, range(clips))))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("kind", LOSSES)
def test_the_share_of_lost_frames_is_that_of_the_condition_and_padding_does_not_count(share, kind):
    batch = long_batch()
    after = lose_frames(batch, "audio", share, kind)
    lost = (batch.audio_mask & ~after.audio_mask).sum(1) / batch.audio_mask.sum(1)  # [B]
    assert abs(lost.mean().item() - share) < (0.02 if kind == "single" else 0.01)
    assert not (after.audio_mask & ~batch.audio_mask).any(), "padding became valid"
    assert torch.equal(after.audio[..., 0] != 0, after.audio_mask), "features and mask tell different stories"
    assert after.video is batch.video and after.video_mask is batch.video_mask


@pytest.mark.parametrize(("kind", "at_the_ends"), [("gap", False), ("window", True)])
def test_a_gap_is_cut_out_and_a_window_is_kept(kind, at_the_ends):
    after = lose_frames(long_batch(), "video", 0.3, kind)
    lost = torch.nn.functional.pad(~after.video_mask, (1, 1), value=at_the_ends)
    assert ((lost[:, 1:] != lost[:, :-1]).sum(1) == 2).all(), "not one piece"
    places = after.video_mask.float().argmax(1) if kind == "window" else (~after.video_mask).float().argmax(1)
    assert places.float().std() > 5, "always at the same place"
    single = lose_frames(long_batch(), "video", 0.3)
    assert (single.video_mask[:, 1:] != single.video_mask[:, :-1]).sum(1).float().mean() > 20


def test_level_zero_is_the_identity_and_level_one_an_absent_stream():
    batch = long_batch()
    assert lose_frames(batch, "audio", 0.0) is batch
    gone = lose_frames(batch, "video", 1.0)
    assert not gone.video_present.any() and not gone.video.any() and gone.audio_present.all()


@pytest.mark.parametrize("condition", ["both-frames-0.5", "audio-frames-0.3-gap", "audio-frames-0.3-window"])
def test_a_clip_loses_the_same_frames_in_any_company_and_others_under_another_condition(condition):
    batch = long_batch()
    whole, alone = apply_condition(batch, condition), apply_condition(some_clips(batch, slice(7, 9)), condition)
    assert torch.equal(whole.audio_mask[7:9], alone.audio_mask) and torch.equal(whole.video_mask[7:9], alone.video_mask)
    other = apply_condition(batch, "both-frames-0.7" if condition.startswith("both") else "audio-frames-0.5-gap")
    assert not torch.equal(other.audio_mask, whole.audio_mask)
    assert not torch.equal(whole.audio_mask[1], whole.audio_mask[3]), "two clips lose the same frames"
    assert len(FRAME_CONDITIONS) == 45


def some_clips(batch, rows):
    return type(batch)(*(value[rows] for value in batch))


def counted(law, fill="absent", audio=0.2, video=0.3, clips=6000, frames=10):
    """What modality dropout makes of many clips of ones, one frame in ten of them padding."""
    batch = long_batch(clips, frames)
    keep = torch.ones(clips, frames, dtype=torch.bool)
    keep[:, -1] = False
    ones = torch.ones(clips, frames, 2) * keep.unsqueeze(-1)
    batch = batch._replace(audio=ones, video=ones, audio_mask=keep, video_mask=keep)
    return batch, modality_dropout(batch, audio, video, "clip", torch.Generator().manual_seed(1), law, fill)


def test_uniform_patterns_are_a_third_each():
    _, after = counted("uniform")
    for part in (after.audio_present & after.video_present, ~after.audio_present, ~after.video_present):
        assert abs(part.float().mean().item() - 1 / 3) < 0.025


def test_soft_mixing_shares_one_clip_between_its_streams():
    before, after = counted("soft")
    audio, video = after.audio[:, 0, 0], after.video[:, 0, 0]
    mixed = (audio > 0) & (video > 0) & (audio + video < 1.5)
    assert abs(mixed.float().mean().item() - 0.25 * 0.99) < 0.025
    assert torch.allclose((audio + video)[mixed], torch.ones(mixed.sum())), "the two shares do not sum to one"
    assert abs(audio[mixed].mean().item() - 0.5) < 0.03
    assert abs((~after.audio_present).float().mean().item() - 0.25) < 0.025
    assert torch.equal(before.audio, counted("soft")[0].audio), "edited in place"


@pytest.mark.parametrize("fill", ["absent", "noise"])
def test_frames_are_lost_at_their_rates_and_never_all_of_them(fill):
    before, after = counted("frames", fill)
    for stream, rate in (("audio", 0.2), ("video", 0.3)):
        changed = (getattr(after, stream) != getattr(before, stream)).any(-1)  # [B, T]
        assert not changed[:, -1].any(), "padding was touched"
        assert abs(changed[:, :-1].float().mean().item() - rate) < 0.01
        mask = getattr(after, f"{stream}_mask")
        assert mask.any(1).all() and getattr(after, f"{stream}_present").all()
        assert torch.equal(
            mask, getattr(before, f"{stream}_mask") & ~changed if fill == "absent" else before.audio_mask
        )


def test_noise_stands_in_for_a_stream_and_the_network_is_not_told():
    before, after = counted("either", "noise", clips=2000)
    assert after.audio_present.all() and after.video_present.all()
    lost = (after.audio[:, :-1] != 1).any(-1).all(1)
    assert abs(lost.float().mean().item() - 0.2) < 0.04
    noise = after.audio[lost]
    assert abs(noise.mean().item()) < 0.05 and abs(noise.std().item() - 1) < 0.05
