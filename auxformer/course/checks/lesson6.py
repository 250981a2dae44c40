"""Checks of lesson 6: a bootstrap over speakers, a test that swaps them, many tests at once, a model that heeds flags."""

import numpy as np
import torch
from scipy.stats import false_discovery_control

from auxformer.course.checks import (
    expect,
    expect_array,
    expect_close,
    expect_number,
    expect_shape,
    expect_tensor,
    run_stages,
)
from auxformer.data.batch import Batch
from auxformer.evaluation.scores import scores_of
from auxformer.evaluation.tests import holm


def _macro_f1(counts: np.ndarray) -> np.ndarray:
    return scores_of(counts)[..., 0]


# Two speakers with different numbers of clips: one nearly all right, one mostly wrong.
TWO = np.array([[[9, 1], [0, 10]], [[1, 3], [4, 2]]])


def _counts(speakers: int = 5, classes: int = 3) -> np.ndarray:
    """Confusion counts `[S, C, C]` of speakers that differ in difficulty and in their number of clips."""
    rng = np.random.default_rng(6)
    counts = rng.integers(0, 4, (speakers, classes, classes))
    counts[:, range(classes), range(classes)] += rng.integers(0, 14, (speakers, 1))
    return counts


def speaker_bootstrap(answer) -> None:
    """Confusions `[S, C, C]`, number of resamples, random generator -> macro-F1 `[R]`."""

    def shape(answer):
        value = answer(_counts(), 7, np.random.default_rng(0))
        expect_array(value, "the scores", lists=True)
        expect_shape(value, (7,), "the scores of 7 resamples")

    def mechanism(answer):
        values = np.asarray(answer(TWO, 4000, np.random.default_rng(1)), float)
        expect_shape(values, (4000,), "the scores of 4000 resamples of two speakers")
        ways = scores_of(np.stack([2 * TWO[0], TWO.sum(0), 2 * TWO[1]]))  # [3 ways to draw, scores]
        alike, found = ways[::2, 0], np.unique(values.round(9))
        expect(
            len(found) > 1,
            "every resample has the same score: draw with replacement, so that a speaker may come twice or never.",
        )
        for size in (1, 3, 4, 5, 6):
            possible = scores_of(np.stack([some * TWO[0] + (size - some) * TWO[1] for some in range(size + 1)]))[:, 0]
            other = len(found) == size + 1 and np.isclose(found[:, None], possible, atol=1e-6).any(1).all()
            expect(not other, f"{size} speakers are drawn where there are two: draw as many as there are.")
        expect(
            len(found) <= 3,
            "two speakers can be drawn in three ways only, yet there are more scores: draw whole speakers, not clips.",
        )
        micro = len(found) == 3 and np.allclose(found, np.sort(ways[:, 1]), atol=1e-6)
        expect(not micro, "that is micro-F1, the share of right clips; `scores_of` gives macro-F1 first.")
        mixed = [value for value in found if not np.isclose(value, alike, atol=1e-6).any()]
        expect(
            not np.isclose(mixed[:1], alike.mean(), atol=1e-6).any(),
            "the mean of the speakers' own F1s; add up their confusions first, then score the sum once.",
        )
        expect(len(found) == 3, f"two speakers give {len(found)} different scores, expected 3.")
        expect_close(found, np.sort(ways[:, 0]), what="the three scores that two speakers can give")
        shares = [float(np.isclose(values, value, atol=1e-6).mean()) for value in ways[:, 0]]
        expect_close(shares, [0.25, 0.5, 0.25], what="the shares of the three ways", tolerance=0.05)

    def whole(answer):
        counts, rng = _counts(12, 4), np.random.default_rng(2)
        draws = rng.multinomial(12, np.full(12, 1 / 12), 4000)  # [R, S]
        right = _macro_f1(np.tensordot(draws, counts, axes=1))
        values = np.asarray(answer(counts, 4000, np.random.default_rng(3)), float)
        expect_shape(values, (4000,), "the scores of 4000 resamples of twelve speakers")
        ratio = values.std() / right.std()
        expect(ratio < 1.15, "the resamples vary too much: draw as many speakers as there are, not fewer.")
        expect(ratio > 0.87, "the resamples vary too little: draw as many speakers as there are, not more.")
        expect_close(values.mean(), right.mean(), what="the mean of the resampled scores", tolerance=0.02)
        drawn, again, other = (np.asarray(answer(counts, 20, np.random.default_rng(seed))) for seed in (4, 4, 5))
        expect(
            np.array_equal(drawn, again) and not np.array_equal(drawn, other),
            "the draws do not come from the generator you are given: use it, so that a seed fixes the interval.",
        )

    run_stages("speaker_bootstrap", answer, shape=shape, mechanism=mechanism, whole=whole)


def _pair() -> tuple[np.ndarray, np.ndarray]:
    """Confusions of two systems on the same clips of 6 speakers: a is a little better."""
    rng = np.random.default_rng(296)  # every mistake below gives another p
    clips = rng.integers(6, 14, (6, 3))  # [S, C]
    ease = rng.uniform(0.35, 0.75, (6, 1))

    def answers(gain):
        hit = np.clip(ease + gain, 0, 0.95)
        p = np.broadcast_to(((1 - hit) / 2)[:, :, None], (6, 3, 3)).copy()
        p[:, range(3), range(3)] = hit
        return rng.multinomial(clips, p)

    return answers(0.12), answers(0.0)


# Confusions of two systems on the clips of four speakers, in which four swaps give the difference that was found, but for the
# rounding of the last digit.
NEARLY = (
    np.array([
        [[1, 1, 2], [1, 1, 1], [0, 1, 2]], [[1, 0, 1], [1, 1, 0], [2, 1, 1]],
        [[3, 0, 0], [2, 3, 0], [1, 0, 1]], [[0, 1, 1], [0, 1, 1], [1, 0, 3]],
    ]),
    np.array([
        [[2, 0, 2], [0, 3, 0], [2, 0, 1]], [[2, 0, 0], [0, 2, 0], [2, 1, 1]],
        [[1, 0, 2], [1, 2, 2], [0, 0, 2]], [[2, 0, 0], [1, 1, 0], [2, 1, 1]],
    ]),
)  # fmt: skip


def _all_swaps(speakers: int) -> np.ndarray:
    return (np.arange(2**speakers)[:, None] >> np.arange(speakers)) % 2 == 1  # [2**S, S]


def _differences(a, b, swaps) -> np.ndarray:
    swaps = swaps[:, :, None, None]
    return _macro_f1(np.where(swaps, b, a).sum(1)) - _macro_f1(np.where(swaps, a, b).sum(1))


def _share_as_large(values, found) -> float:
    return (1 + int((values >= found - 1e-12).sum())) / (1 + len(values))


def swap_test(answer) -> None:
    """Confusions of two systems `[S, C, C]`, swaps `[P, S]` -> p, one number."""

    def shape(answer):
        expect_number(answer(*_pair(), _all_swaps(6)), "p")

    def mechanism(answer):
        a, b, swaps = *_pair(), _all_swaps(6)
        found, chance = float(_macro_f1(a.sum(0)) - _macro_f1(b.sum(0))), _differences(a, b, swaps)
        per_speaker = _macro_f1(a) - _macro_f1(b)  # [S]
        flipped = np.where(swaps, -1, 1) @ per_speaker / len(a)
        only_a = _macro_f1(np.where(swaps[:, :, None, None], b, a).sum(1)) - _macro_f1(b.sum(0))
        right = _share_as_large(np.abs(chance), abs(found))
        expect_close(
            answer(a, b, swaps), right,
            {
                "the labels as they came are not counted: p could be 0 so; take (1 + as large) / (1 + P).":
                    float((np.abs(chance) >= abs(found) - 1e-12).mean()),
                "only one side is counted: a difference as large in the other direction counts too.":
                    _share_as_large(chance, found),
                "a confusion of a is replaced, but that of b stays: swap both.":
                    _share_as_large(np.abs(only_a), abs(found)),
                "the signs of the speakers' own F1 differences are flipped; swap confusions, add them up, then score.":
                    _share_as_large(np.abs(flipped), abs(per_speaker.mean())),
                "differences as large as the one found count too: >=, not >.":
                    _share_as_large(np.abs(chance), abs(found) + 2e-12),
            },
            "p over all 64 swaps of six speakers",
        )  # fmt: skip

    def whole(answer):
        a, b, swaps = *NEARLY, _all_swaps(4)
        found, chance = abs(float(_macro_f1(a.sum(0)) - _macro_f1(b.sum(0)))), np.abs(_differences(a, b, swaps))
        expect_close(
            answer(a, b, swaps), _share_as_large(chance, found),
            {
                "differences that are as large up to rounding are not counted: take a hair off the one found, 1e-12.":
                    (1 + (chance >= found).sum()) / 17,
            },
            "p of four speakers with four swaps that are as large but for their last digit",
        )  # fmt: skip
        a, b = _counts(9, 4)[:6], _counts(9, 4)[:-7:-1]
        swaps = np.random.default_rng(9).random((300, 6)) < 0.5
        right = _share_as_large(
            np.abs(_differences(a, b, swaps)), abs(float(_macro_f1(a.sum(0)) - _macro_f1(b.sum(0))))
        )
        expect_close(answer(a, b, swaps), right, what="p over 300 drawn swaps")
        expect_close(answer(b, a, swaps), right, what="p when the systems change places")
        expect_close(answer(a, a, swaps), 1.0, what="p of a system against itself")

    run_stages("swap_test", answer, shape=shape, mechanism=mechanism, whole=whole)


P_VALUES = np.array([0.04, 0.004, 0.15, 0.012, 0.013])  # adjusted: .08, .02, .15, .048, .048


def _stepped(factors) -> np.ndarray:
    """The p-values times `factors`, from the smallest p to the largest, none below the one before."""
    order, result = P_VALUES.argsort(), np.empty(len(P_VALUES))
    result[order] = np.maximum.accumulate(P_VALUES[order] * factors)
    return result


def holm_adjust(answer) -> None:
    """p-values `[m]` -> adjusted p-values `[m]`, in the same order."""

    def shape(answer):
        expect_array(answer(P_VALUES), "the adjusted p-values")
        expect_shape(answer(P_VALUES), (5,), "the adjusted p-values")

    def mechanism(answer):
        rank = P_VALUES.argsort().argsort()  # 0 for the smallest
        expect_close(
            answer(P_VALUES), holm(P_VALUES),
            {
                "every p is multiplied by m: that is Bonferroni; after the smallest there is one rival fewer each time.":
                    np.minimum(P_VALUES * 5, 1),
                "a larger p came out below a smaller one; none may fall below one that was smaller before.":
                    P_VALUES * (5 - rank),
                "the adjusted values stand in sorted order; give them back in the order in which they came.":
                    np.sort(holm(P_VALUES)),
                "that is the rule of Benjamini and Hochberg, which bounds the share of false finds, not the chance of one.":
                    false_discovery_control(P_VALUES),
                "the factors run the wrong way: the smallest p is multiplied by m, the largest by 1.":
                    _stepped([1, 2, 3, 4, 5]),
                "one factor too few: the smallest of m is multiplied by m, not by m - 1.": _stepped([4, 3, 2, 1, 1]),
            },
            "the adjusted p-values of .04, .004, .15, .012, .013",
        )  # fmt: skip

    def whole(answer):
        p = np.array([0.5, 0.9, 0.2, 0.6, 0.7, 0.001, 0.03])
        expect(float(np.max(answer(p))) <= 1, "a p-value above 1; none of them may exceed 1.")
        expect_close(answer(p), holm(p), what="the adjusted p-values of seven tests")
        ties = np.array([0.02, 0.3, 0.02, 0.02])
        expect_close(answer(ties), holm(ties), what="the adjusted p-values of .02, .3, .02, .02")
        expect_close(answer(np.array([0.03])), [0.03], what="one test alone, where there is nothing to adjust")

    run_stages("holm_adjust", answer, shape=shape, mechanism=mechanism, whole=whole)


def _batch() -> Batch:
    """4 clips, 6 audio frames of 3 features, 5 video frames of 2; lengths differ, padding and absent streams hold rubbish."""
    generator = torch.Generator().manual_seed(5)
    audio = torch.randn(4, 6, 3, generator=generator) + 1
    video = torch.randn(4, 5, 2, generator=generator) - 1
    audio_mask = torch.arange(6) < torch.tensor([[6], [4], [2], [5]])
    video_mask = torch.arange(5) < torch.tensor([[3], [5], [4], [1]])
    audio_present = torch.tensor([True, False, True, True])
    video_present = torch.tensor([True, True, False, True])
    target = torch.eye(4)
    return Batch(audio, audio_mask, video, video_mask, audio_present, video_present, target, ("1", "2", "3", "4"))


def _means(x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    mask = mask.unsqueeze(-1).to(x.dtype)
    return (x * mask).sum(1) / mask.sum(1).clamp(min=1)


def _flags(batch: Batch) -> torch.Tensor:
    return torch.stack([batch.audio_present, batch.video_present], 1).float()


def _pooled(batch: Batch, pool=_means) -> tuple[torch.Tensor, torch.Tensor]:
    return pool(batch.audio, batch.audio_mask), pool(batch.video, batch.video_mask)


def _vector(batch: Batch) -> torch.Tensor:
    a, v = _pooled(batch)
    flags = _flags(batch)
    return torch.cat([a * flags[:, :1], v * flags[:, 1:], flags], 1)


def clip_vector(answer) -> None:
    """Batch -> one vector per clip, `[B, Da + Dv + 2]`: means of both streams, then the two flags."""

    def shape(answer):
        value = answer(_batch())
        expect_tensor(value, torch.float32, "the vectors")
        flagged = tuple(getattr(value, "shape", ())) != (4, 5)
        expect(flagged, "the two flags are missing: without them a clip without voice looks like an average voice.")
        expect_shape(value, (4, 7), "the vectors of four clips (3 audio and 2 video features, 2 flags)")

    def mechanism(answer):
        yes, ones = torch.ones(4, dtype=torch.bool), torch.ones(4, 2)
        batch = _batch()._replace(audio_present=yes, video_present=yes.clone())
        a, v = _pooled(batch)

        def of(pool) -> torch.Tensor:
            return torch.cat([*_pooled(batch, pool), ones], 1)

        expect_close(
            answer(batch), _vector(batch),
            {
                "padding is averaged in: a frame counts where the mask is True.": of(lambda x, mask: x.mean(1)),
                "padding is set to zero but still counted: divide by the clip's own number of frames.":
                    of(lambda x, mask: (x * mask[..., None]).mean(1)),
                "the sum over the frames, expected their mean.": of(lambda x, mask: (x * mask[..., None]).sum(1)),
                "the video stands before the audio.": torch.cat([v, a, ones], 1),
                "the flags stand first, expected last.": torch.cat([ones, a, v], 1),
                "the flags are turned round: 1 means present.": torch.cat([a, v, 1 - ones], 1),
                "that is the last valid frame, expected the mean of all valid ones.":
                    of(lambda x, mask: x[torch.arange(4), mask.sum(1) - 1]),
            },
            "the vectors of four complete clips",
        )  # fmt: skip

    def whole(answer):
        batch = _batch()
        (a, v), flags = _pooled(batch), _flags(batch)
        expect_close(
            answer(batch), _vector(batch),
            {
                "the content of an absent stream comes through: multiply its mean by its flag.": torch.cat([a, v, flags], 1),
                "the flags say 'present' of streams that are absent: take them from the batch, do not write ones.":
                    torch.cat([a * flags[:, :1], v * flags[:, 1:], torch.ones(4, 2)], 1),
                "a clip that lost one stream lost both; each flag is for its own stream.":
                    torch.cat([a * flags.prod(1, True), v * flags.prod(1, True), flags], 1),
            },
            "the vectors of four clips, two of which lost a stream",
        )  # fmt: skip
        empty = batch._replace(audio_mask=batch.audio_mask & batch.audio_present[:, None])
        finite = bool(answer(empty).isfinite().all())
        expect(finite, "not a number where a stream has no valid frame: divide by at least 1 (`clamp(min=1)`).")

    run_stages("clip_vector", answer, shape=shape, mechanism=mechanism, whole=whole)
