"""Checks of lesson 5: frames that go missing, the area under a curve, rising confidence, a vote by those who are silent."""

import numpy as np
import torch

from auxformer.course.checks import expect, expect_close, expect_shape, run_stages
from auxformer.models.auxformer import Logits

SHARE = 0.6
# 3 clips of up to 5 frames. Losing .6 takes frames 1, 3, 4 of the first clip, all three frames of the second and none of
# the third, whose middle frame is all zero though it is there. What is behind the mask is padding.
MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 1, 1, 1, 0]], dtype=torch.bool)
COINS = torch.tensor([[0.9, 0.1, 0.7, 0.2, 0.3], [0.5, 0.4, 0.05, 0.8, 0.9], [0.95, 0.65, 0.8, 0.7, 0.01]])
FEATURES = torch.arange(1.0, 31.0).reshape(3, 5, 2) * MASK.unsqueeze(-1)
FEATURES[2, 1] = 0


def lose_frames(answer) -> None:
    """Features `[B, T, D]`, mask and coins `[B, T]`, a share -> features, mask and presence `[B]` of what is left."""

    def shape(answer):
        left = answer(FEATURES, MASK, COINS, SHARE)
        expect(left is not None, "the function returns None; did you forget `return`?")
        expect(len(left) == 3, f"the answer has {len(left)} parts, expected features, mask, presence.")
        expect_shape(left[0], (3, 5, 2), "the features")
        expect_shape(left[1], (3, 5), "the mask")
        expect_shape(left[2], (3,), "the presence")
        expect(left[1].dtype == torch.bool, f"the mask is of {left[1].dtype}, expected bool.")
        expect(left[2].dtype == torch.bool, f"the presence is of {left[2].dtype}, expected bool.")

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
            },
            "the mask of three clips that lose .6 of their frames",
        )  # fmt: skip
        expect_close(
            left, FEATURES * right.unsqueeze(-1),
            {
                "the lost frames still hold their features; make them zero.": FEATURES,
                "the frames that are left were changed; only the lost ones become zero.":
                    FEATURES * right.unsqueeze(-1) / (1 - SHARE),
            },
            "the features of three clips that lose .6 of their frames",
        )  # fmt: skip

    def whole(answer):
        _, _, present = answer(FEATURES, MASK, COINS, SHARE)
        everyone, nobody = torch.ones(3, dtype=torch.bool), torch.zeros(3, dtype=torch.bool)
        complete = (MASK & (COINS >= SHARE)).sum(1) == MASK.sum(1)
        expect_close(
            present, torch.tensor([True, False, True]),
            {
                "the second clip lost every frame, but its stream is called present.": everyone,
                "a stream is present as long as *one* frame is left; here it must have them all.": complete,
                "that is turned round: True where something is left.": torch.tensor([False, True, False]),
                "no stream is present although two clips have frames left.": nobody,
            },
            "the presence of three clips of which the second lost all its frames",
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
        expect_shape(answer(shares, scores), (), "the area under one curve")
        draws = np.stack([scores, scores + 0.1, scores / 2], 1)  # [4, 3]
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
        expect_close(
            answer(shares, draws), right(shares, draws),
            {"the sum runs over the draws as well; keep their axis.": right(shares, draws).sum()},
            "two curves at once",
        )  # fmt: skip

    run_stages("area_under_curve", answer, shape=shape, mechanism=mechanism, whole=whole)


# Complete and reduced posteriors `[9, 3]`. The largest rises in clips 0 and 1 (in clip 1 another class has become the largest),
# is the same in 2 and, up to the rounding of float32, in 4, and falls in the others. So no two mistakes give the same share.
COMPLETE, REDUCED = np.array([
    [[0.5, 0.3, 0.2], [0.7, 0.2, 0.1]],
    [[0.5, 0.4, 0.1], [0.1, 0.3, 0.6]],
    [[0.6, 0.2, 0.2], [0.2, 0.6, 0.2]],
    [[0.9, 0.06, 0.04], [0.2, 0.5, 0.3]],
    [[0.7, 0.2, 0.1], [0.70000004, 0.19999996, 0.1]],
    [[0.8, 0.1, 0.1], [0.3, 0.5, 0.2]],
    [[0.1, 0.8, 0.1], [0.4, 0.3, 0.3]],
    [[0.1, 0.2, 0.7], [0.5, 0.3, 0.2]],
    [[0.9, 0.1, 0.0], [0.6, 0.2, 0.2]],
]).transpose(1, 0, 2)  # fmt: skip


def rising_share(answer) -> None:
    """Posteriors `[N, C]` complete and with something taken away -> share of clips of which the system is surer."""

    def shape(answer):
        expect_shape(answer(COMPLETE, REDUCED), (), "the share")

    def mechanism(answer):
        before, after = COMPLETE.max(1), REDUCED.max(1)
        chosen, rows = COMPLETE.argmax(1), np.arange(9)
        expect_close(
            answer(COMPLETE, REDUCED), 2 / 9,
            {
                "clips whose confidence is the same up to rounding are counted; ask for more than 1e-6.": 3 / 9,
                "clips whose confidence stays the same are counted: rising means *larger*.": 4 / 9,
                "only the class that was chosen before is followed; confidence is the largest posterior, whichever class has it.":
                    (REDUCED[rows, chosen] - COMPLETE[rows, chosen] > 1e-6).mean(),
                "that is the share whose confidence *falls*; which way round do you subtract?": (before - after > 1e-6).mean(),
                "that is how much confidence rises on average, not for how many clips.": (after - before).mean(),
                "that is a number of clips, expected their share.": 2.0,
                "every posterior is compared, not the largest of each clip.": (REDUCED - COMPLETE > 1e-6).mean(),
                "that is the share of clips whose answer changes, not of those that grow surer.":
                    (chosen != REDUCED.argmax(1)).mean(),
            },
            "the share of nine clips, of which two rise",
        )  # fmt: skip

    def whole(answer):
        expect_close(answer(COMPLETE, COMPLETE), 0.0, what="the share when nothing was taken away")
        expect_close(
            answer(REDUCED[[1, 0]], COMPLETE[[1, 0]]), 0.0, {"the sign is ignored: a fall is no rise.": 1.0},
            "the share of two clips whose confidence falls",
        )  # fmt: skip

    run_stages("rising_share", answer, shape=shape, mechanism=mechanism, whole=whole)


def vote_of_three(answer) -> None:
    """Logits -> the mean of three heads in which an absent one votes for nothing, `[B, C]`."""
    weights = torch.tensor([[1.0, 1, 1], [1, 0, 1], [1, 1, 0], [1, 0, 1]])
    heads = 2 * torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(5)) + 1
    logits = Logits(*heads, weights)

    def shape(answer):
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
        mine, usual = answer(logits), logits.mean()
        expect_close(mine[0], usual[0], what="the prediction of the complete clip")
        same = torch.equal(mine.argmax(1), usual.argmax(1))
        expect(same, "a predicted class has changed; dividing by another number cannot do that.")

    run_stages("vote_of_three", answer, shape=shape, mechanism=mechanism, whole=whole)
