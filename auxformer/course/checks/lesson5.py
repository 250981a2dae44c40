"""Checks of lesson 5: frames that go missing, the area under a curve, rising confidence, a vote by those who are silent."""

import numpy as np
import torch

from auxformer.course.checks import (
    expect,
    expect_array,
    expect_close,
    expect_number,
    expect_shape,
    expect_something,
    expect_tensor,
    run_stages,
)
from auxformer.models.auxformer import Logits

SHARE = 0.5
# 4 clips of up to 5 frames. Losing half takes frames 0 and 3 of the first clip (the coin of frame 1 is the share itself, so it
# stays), all three of the second, none of the third, and of the fourth the second, which leaves a frame that is all zero. A
# frame of the third is all zero as well, though it is there. What is behind the mask is padding.
MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 1, 1, 1, 0], [1, 1, 0, 0, 0]], dtype=torch.bool)
COINS = torch.tensor(
    [[0.1, 0.5, 0.7, 0.2, 0.9], [0.45, 0.4, 0.05, 0.8, 0.9], [0.95, 0.65, 0.8, 0.7, 0.01], [0.6, 0.3, 0.7, 0.1, 0.2]]
)
FEATURES = torch.arange(1.0, 41.0).reshape(4, 5, 2) * MASK.unsqueeze(-1)
FEATURES[2, 1] = FEATURES[3, 0] = 0


def lose_frames(answer) -> None:
    """Features `[B, T, D]`, mask and coins `[B, T]`, a share -> features, mask and presence `[B]` of what is left."""

    def shape(answer):
        left = answer(FEATURES, MASK, COINS, SHARE)
        expect_something(left)
        parts = len(left) if isinstance(left, (tuple, list)) else 1
        expect(parts == 3, f"the answer has {parts} part{'s' * (parts > 1)}, expected features, mask, presence.")
        for value, dtype, size, what in zip(
            left, (FEATURES.dtype, torch.bool, torch.bool), ((4, 5, 2), (4, 5), (4,)), ("features", "mask", "presence")
        ):
            expect_tensor(value, dtype, f"the {what}")
            expect_shape(value, size, f"the {what}")

    def mechanism(answer):
        left, kept, _ = answer(FEATURES, MASK, COINS, SHARE)
        right = MASK & (COINS >= SHARE)
        expect_close(
            kept, right,
            {
                "the mask still calls the lost frames valid: nobody is told of the loss.": MASK,
                "these are the frames that are lost, not those that are left: a frame goes where its coin is *below* the share.":
                    MASK & ~right,
                "padding has come back: a frame is valid if it was valid before *and* is not lost.": COINS >= SHARE,
                "the mask was guessed from zeros: a frame may be all zero and yet be there.":
                    right & (FEATURES != 0).any(-1),
                "one coin for all clips: each clip has a row of its own.": MASK & (COINS[:1] >= SHARE),
                "a frame whose coin is the share itself is lost; it goes where its coin is *below* the share.":
                    MASK & (COINS > SHARE),
            },
            "the mask of four clips that lose half of their frames",
        )  # fmt: skip
        expect_close(
            left, FEATURES * right.unsqueeze(-1),
            {
                "the lost frames still hold their features; make them zero.": FEATURES,
                "the frames that are left were changed; only the lost ones become zero.":
                    FEATURES * right.unsqueeze(-1) / (1 - SHARE),
            },
            "the features of four clips that lose half of their frames",
        )  # fmt: skip

    def whole(answer):
        _, _, present = answer(FEATURES, MASK, COINS, SHARE)
        kept = MASK & (COINS >= SHARE)
        everyone, nobody = torch.ones(4, dtype=torch.bool), torch.zeros(4, dtype=torch.bool)
        expect_close(
            present, torch.tensor([True, False, True, True]),
            {
                "the second clip lost every frame, but its stream is called present.": everyone,
                "a stream is present as long as *one* frame is left; here it must have them all.": kept.sum(1) == MASK.sum(1),
                "that is turned round: True where something is left.": torch.tensor([False, True, False, False]),
                "no stream is present although three clips have frames left.": nobody,
                "presence hangs on the first frame alone; the first clip lost that one and has others.": kept[:, 0],
                "presence hangs on the last frame alone; any frame will do.": kept[:, -1],
                "presence was guessed from zeros: the frame that the fourth clip has left is all zero, and yet it is there.":
                    (FEATURES * kept.unsqueeze(-1) != 0).any(-1).any(1),
            },
            "the presence of four clips of which the second lost all its frames",
        )  # fmt: skip
        left, kept, present = answer(FEATURES, MASK, COINS, 0.0)
        same = torch.equal(left, FEATURES) and torch.equal(kept, MASK) and bool(present.all())
        expect(same, "a share of 0 must leave everything as it is.")
        left, kept, present = answer(FEATURES, MASK, COINS, 1.0)
        expect(not (left.any() or kept.any() or present.any()), "a share of 1 must leave nothing.")

    run_stages("lose_frames", answer, shape=shape, mechanism=mechanism, whole=whole)


def area_under_curve(answer) -> None:
    """Shares `[K]`, scores `[K, ...]` -> the mean height of the curve, `[...]`."""
    shares = np.array([0.0, 0.1, 0.4, 0.8])
    scores = np.array([0.9, 0.8, 0.6, 0.1])

    def right(shares, scores):
        return np.trapezoid(scores, shares, axis=0) / (shares[-1] - shares[0])

    def shape(answer):
        expect_number(answer(shares, scores), "the area under one curve")
        draws = np.stack([scores, scores + 0.1, scores / 2], 1)  # [4, 3]
        expect_array(answer(shares, draws), "4 shares, scores [4, 3]: the answer")
        expect_shape(answer(shares, draws), (3,), "4 shares, scores [4, 3]: the answer")

    def mechanism(answer):
        steps = np.diff(shares)
        middle = (scores[1:] + scores[:-1]) / 2
        expect_close(
            answer(shares, scores), right(shares, scores),
            {
                "the area is not divided by the width of the range: divide by the last share less the first.":
                    (steps * middle).sum(),
                "that is the mean of the scores; the shares are not equally far apart, so weigh by the steps.": scores.mean(),
                "that is the mean of the trapezia's heights; weigh each by its width.": middle.mean(),
                "each step takes its left score, as if the curve fell in stairs; take the mean of both ends.":
                    (steps * scores[:-1]).sum() / steps.sum(),
                "each step takes its right score, as if the curve fell in stairs; take the mean of both ends.":
                    (steps * scores[1:]).sum() / steps.sum(),
                "that is the area *above* the curve, what is lost.": scores[0] - right(shares, scores),
                "divided by the first score: a share of the complete score is another number.":
                    right(shares, scores) / scores[0],
                "both ends are added but not halved.": 2 * right(shares, scores),
                "the sign is turned round: a step is the later share less the earlier.": -right(shares, scores),
            },
            "the area under (0, .9), (.1, .8), (.4, .6), (.8, .1)",
        )  # fmt: skip

    def whole(answer):
        flat = np.full(4, 0.7)
        expect_close(answer(shares, flat), 0.7, what="a curve that never falls from .7")
        later = shares + 0.1
        expect_close(
            answer(later, scores), right(shares, scores),
            {
                "divided by the last share: from .1 to .9 the range is .8 wide.":
                    np.trapezoid(scores, later) / later[-1],
            },
            "the same curve from .1 to .9",
        )  # fmt: skip
        draws = np.stack([scores, scores**2], 1)  # [4, 2]
        expect_close(answer(shares, draws), right(shares, draws), what="two curves at once")

    run_stages("area_under_curve", answer, shape=shape, mechanism=mechanism, whole=whole)


# Complete and reduced posteriors of eleven clips, `[11, 3]` each. The largest rises in six, is the same
# in one and, up to the rounding of float32, in another, and falls in three. No mistake below gives the share 6/11.
COMPLETE = np.array([
    [0.26, 0.11, 0.63], [0.02, 0.30, 0.68], [0.23, 0.22, 0.55], [0.34, 0.61, 0.05], [0.86, 0.12, 0.02], [0.11, 0.30, 0.59],
    [0.23, 0.54, 0.23], [0.02, 0.47, 0.51], [0.16, 0.01, 0.83], [0.60, 0.20, 0.20], [0.70, 0.20, 0.10],
])  # fmt: skip
REDUCED = np.array([
    [0.03, 0.65, 0.32], [0.70, 0.26, 0.04], [0.35, 0.25, 0.40], [0.03, 0.34, 0.63], [0.16, 0.51, 0.33], [0.07, 0.62, 0.31],
    [0.21, 0.21, 0.58], [0.05, 0.59, 0.36], [0.07, 0.67, 0.26], [0.20, 0.60, 0.20], [0.70000004, 0.19999996, 0.10],
])  # fmt: skip


def _entropy(p: np.ndarray) -> np.ndarray:
    return -(p * np.log(p)).sum(1)


def _margin(p: np.ndarray) -> np.ndarray:
    """Largest less second largest, per clip."""
    second, first = np.sort(p, 1)[:, -2:].T
    return first - second


def rising_share(answer) -> None:
    """Posteriors `[N, C]` complete and with something taken away -> share of clips of which the system is surer."""

    def shape(answer):
        expect_number(answer(COMPLETE, REDUCED), "the share")

    def mechanism(answer):
        before, after = COMPLETE.max(1), REDUCED.max(1)
        chosen, rows = COMPLETE.argmax(1), np.arange(11)
        expect_close(
            answer(COMPLETE, REDUCED), 6 / 11,
            {
                "clips whose confidence is the same up to rounding are counted; ask for more than 1e-6.": 7 / 11,
                "clips whose confidence stays the same are counted: rising means *larger*.": 8 / 11,
                "only the class that was chosen before is followed; confidence is the largest posterior, whichever class has it.":
                    (REDUCED[rows, chosen] - COMPLETE[rows, chosen] > 1e-6).mean(),
                "that is the share whose confidence *falls*; which way round do you subtract?": (before - after > 1e-6).mean(),
                "that is how much confidence rises on average, not for how many clips.": (after - before).mean(),
                "that is a number of clips, expected their share.": 6.0,
                "the entropy is compared; confidence is the largest posterior.": (_entropy(COMPLETE) - _entropy(REDUCED) > 1e-6).mean(),
                "the margin to the second class is compared, or the sum of squares; confidence is the largest posterior alone.":
                    (_margin(REDUCED) - _margin(COMPLETE) > 1e-6).mean(),
                "every posterior is compared, not the largest of each clip.": (REDUCED - COMPLETE > 1e-6).mean(),
                "that is the share of clips whose answer changes, not of those that grow surer.":
                    (chosen != REDUCED.argmax(1)).mean(),
            },
            "the share of eleven clips, of which six rise",
        )  # fmt: skip

    def whole(answer):
        expect_close(answer(COMPLETE, COMPLETE), 0.0, what="the share when nothing was taken away")
        expect_close(
            answer(np.array([[0.5, 0.3, 0.2]]), np.array([[0.299, 0.2, 0.501]])), 1.0,
            {"a clip that rises by .001 is not counted; anything above 1e-6 is a rise.": 0.0},
            "the share of one clip that rises by .001",
        )  # fmt: skip

    run_stages("rising_share", answer, shape=shape, mechanism=mechanism, whole=whole)


def vote_of_three(answer) -> None:
    """Logits -> the mean of three heads in which an absent one votes for nothing, `[B, C]`."""
    weights = torch.tensor([[1.0, 1, 1], [1, 0, 1], [1, 1, 0], [1, 0, 1]])
    heads = 2 * torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(5)) + 1
    logits = Logits(*heads, weights)

    def shape(answer):
        expect_tensor(answer(logits), what="the prediction")
        expect_shape(answer(logits), (4, 5), "the prediction")

    def mechanism(answer):
        present = weights.bool().T.unsqueeze(-1)  # [3, B, 1]
        counted = heads * present  # [3, B, C]
        expect_close(
            answer(logits), counted.mean(0),
            {
                "divided by the heads that are present, as before; an absent head shall count in the denominator.":
                    counted.sum(0) / present.sum(0),
                "a plain mean of three: the head of the absent stream still votes with what it made of zeros.": heads.mean(0),
                "the sum of the votes, expected their mean: divide by 3.": counted.sum(0),
                "that is a posterior; return logits and leave the softmax for later.": counted.mean(0).softmax(-1),
                "probabilities are averaged, with 1/C for the absent head; average logits, with 0.":
                    torch.where(present, heads.softmax(-1), 0.2).mean(0),
                "the absent head votes 1 for every class; it shall be 0.": torch.where(present, heads, 1.0).mean(0),
                "only the fusion head came through.": logits.av,
            },
            "the prediction of four clips of which three lost a stream",
        )  # fmt: skip

    def whole(answer):
        few = Logits(*(head[:2] for head in heads), weights[2:])  # other clips lose other streams
        counted = heads[:, :2] * weights[2:].T.unsqueeze(-1)
        expect_close(answer(few), counted.mean(0), what="the prediction of two clips that lost one stream each")

    run_stages("vote_of_three", answer, shape=shape, mechanism=mechanism, whole=whole)
