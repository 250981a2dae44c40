"""Checks of lesson 3: the shared loss, the prediction of the heads that are present, modality dropout."""

import torch

from auxformer.course.checks import expect, expect_close, expect_shape, expect_something, expect_tensor, run_stages
from auxformer.data.batch import Batch
from auxformer.models.auxformer import Logits

# 4 clips, 5 classes: no two sizes alike. Rows: which of the heads av, a, v counts.
COMPLETE = torch.ones(4, 3)
LOSING = torch.tensor([[1.0, 1, 1], [1, 0, 1], [1, 1, 0], [1, 0, 1]])
LOSS_WEIGHTS = (0.5, 0.3, 0.2)
# Shares of votes: not one-hot, so that taking the largest class shows.
TARGET = torch.randn(4, 5, generator=torch.Generator().manual_seed(4)).softmax(-1)


def _logits(weights: torch.Tensor) -> Logits:
    generator = torch.Generator().manual_seed(3)
    av, a, v = 2 * torch.randn(3, len(weights), 5, generator=generator)
    return Logits(av, a, v, weights)


def _losses(logits: Logits, target: torch.Tensor = TARGET) -> torch.Tensor:
    """Cross-entropy per clip and head, `[B, 3]`."""
    return torch.stack([-(target * head.log_softmax(-1)).sum(-1) for head in logits[:3]], 1)


def shared_loss(answer) -> None:
    """Logits, targets `[B, C]` and three loss weights -> one number."""
    weights = torch.tensor(LOSS_WEIGHTS)

    def shape(answer):
        expect_tensor(answer(_logits(COMPLETE), TARGET, LOSS_WEIGHTS), what="the loss")
        expect_shape(answer(_logits(COMPLETE), TARGET, LOSS_WEIGHTS), (), "the loss")

    def mechanism(answer):
        logits = _logits(COMPLETE)
        losses = _losses(logits)
        twice = _losses(Logits(*(head.softmax(-1) for head in logits[:3]), COMPLETE))
        hard = torch.nn.functional.one_hot(TARGET.argmax(1), 5).float()
        expect_close(
            answer(logits, TARGET, LOSS_WEIGHTS), (losses @ weights).mean(),
            {
                "the loss weights are not used: these are three equal thirds.": losses.mean(),
                "the loss weights are not used: the three losses are simply added.": losses.sum(1).mean(),
                "that is one cross-entropy, of the mean of the logits; each head needs a loss of its own.":
                    _losses(Logits(*[torch.stack(logits[:3]).mean(0)] * 3, COMPLETE))[:, 0].mean(),
                "the softmax is applied twice: cross-entropy takes logits and does it itself.": (twice @ weights).mean(),
                "the sum over the clips, expected their mean: the loss would grow with the batch.": (losses @ weights).sum(),
                "the weights are in another order; it is fusion, audio, video.": (losses @ weights[[0, 2, 1]]).mean(),
                "the targets are shares of votes; here only the largest class counted.": (_losses(logits, hard) @ weights).mean(),
                "only the loss of the fusion head came through.": losses[:, 0].mean(),
            },
            "the loss with weights (.5, .3, .2), all streams present",
        )  # fmt: skip

    def whole(answer):
        logits = _logits(LOSING)
        losses, counted = _losses(logits), LOSING * weights
        for name, head in zip(("fusion", "audio", "video"), logits._fields):
            learning = logits._replace(**{head: getattr(logits, head).clone().requires_grad_()})
            expect(
                answer(learning, TARGET, LOSS_WEIGHTS).requires_grad,
                f"the loss has lost its gradient for the {name} head, so that would not be trained: "
                "return a tensor, computed without no_grad(), detach() or item().",
            )
        expect_close(
            answer(logits, TARGET, LOSS_WEIGHTS), (losses * counted).sum(1).mean(),
            {
                "the head of an absent stream is still counted: look at `logits.weights`.": (losses @ weights).mean(),
                "the weights that are left were scaled up to 1; here a clip that lost a stream just counts less.":
                    ((losses * counted).sum(1) / counted.sum(1)).mean(),
                "a head is left out for the whole batch as soon as one clip lost its stream; decide per clip.":
                    (losses @ (weights * LOSING.min(0).values)).mean(),
                "each head's loss was divided by the clips that have it; divide by all clips.":
                    (losses * LOSING).sum(0) / LOSING.sum(0) @ weights,
            },
            "the loss of four clips of which three lost a stream",
        )  # fmt: skip
        large = torch.tensor([2.0, 0.5, 1.0])
        expect_close(
            answer(logits, TARGET, tuple(large.tolist())), (losses * LOSING * large).sum(1).mean(),
            {"the loss weights were divided by their sum; use them as they are.":
                (losses * LOSING * large).sum(1).mean() / large.sum()},
            "the loss with weights (2, .5, 1)",
        )  # fmt: skip

    run_stages("shared_loss", answer, shape=shape, mechanism=mechanism, whole=whole)


def predict_with_present_heads(answer) -> None:
    """Logits -> the weighted mean of the heads, `[B, C]`."""

    def shape(answer):
        expect_tensor(answer(_logits(COMPLETE)), what="the prediction")
        expect_shape(answer(_logits(COMPLETE)), (4, 5), "the prediction")

    def mechanism(answer):
        logits = _logits(LOSING)
        heads, present = torch.stack(logits[:3], 1), LOSING.unsqueeze(-1)  # [B, 3, C], [B, 3, 1]
        counted = heads * present
        expect_close(
            answer(logits), counted.sum(1) / present.sum(1),
            {
                "a plain mean of three: the head of the absent stream still votes.": heads.mean(1),
                "divided by 3 although only two heads are present; divide by the sum of the weights.": counted.sum(1) / 3,
                "the sum of the present heads, expected their mean: divide by the sum of the weights.": counted.sum(1),
                "the weights went through a softmax, which gives the absent head a share; divide them by their sum.":
                    (heads * present.softmax(1)).sum(1),
                "only the fusion head came through.": logits.av,
                "the mean of probabilities, expected the mean of logits: leave the softmax for later.":
                    (heads.softmax(-1) * present).sum(1) / present.sum(1),
            },
            "the prediction of four clips of which three lost a stream",
        )  # fmt: skip

    def whole(answer):
        weights = torch.tensor([[1.0, 0, 0], [2, 1, 1], [1, 0.5, 0], [4, 4, 4]])
        logits = _logits(weights)
        heads, shares = torch.stack(logits[:3], 1), weights.unsqueeze(-1)  # [B, 3, C], [B, 3, 1]
        yes = (shares > 0).float()
        expect_close(
            answer(logits), (heads * shares).sum(1) / shares.sum(1),
            {"the weights are taken as yes or no; a weight of 2 counts twice as much as 1.": (heads * yes).sum(1) / yes.sum(1)},
            "the prediction with the weights (1, 0, 0), (2, 1, 1), (1, .5, 0), (4, 4, 4)",
        )  # fmt: skip

    run_stages("predict_with_present_heads", answer, shape=shape, mechanism=mechanism, whole=whole)


CLIPS = 5_000  # so many that a share of them is within .035 of its rate, and few enough for a loop


def _batch(clips: int) -> Batch:
    """Clips of 3 audio and 2 video frames whose features are never 0; all streams present."""
    generator = torch.Generator().manual_seed(5)
    audio, video = torch.rand(clips, 3, 4, generator=generator) + 1, torch.rand(clips, 2, 5, generator=generator) + 1
    yes = torch.ones(clips, dtype=torch.bool)
    masks = torch.ones(clips, 3, dtype=torch.bool), torch.ones(clips, 2, dtype=torch.bool)
    names = tuple(f"clip {number}" for number in range(clips))
    return Batch(audio, masks[0], video, masks[1], yes, yes.clone(), torch.full((clips, 6), 1 / 6), names)


def modality_dropout(answer) -> None:
    """Batch, two probabilities, a generator -> batch in which some clips have lost one stream."""

    def drop(answer, batch, drop_audio, drop_video, seed=6):
        return answer(batch, drop_audio, drop_video, torch.Generator().manual_seed(seed))

    def shape(answer):
        batch = _batch(7)
        dropped = drop(answer, batch, 0.3, 0.3)
        expect_something(dropped)
        expect(isinstance(dropped, Batch), f"the answer is {type(dropped).__name__}, expected a Batch.")
        for name in ("audio", "video", "audio_present", "video_present"):
            expect_tensor(getattr(dropped, name), getattr(batch, name).dtype, name)
            expect_shape(getattr(dropped, name), tuple(getattr(batch, name).shape), name)

    def mechanism(answer):
        batch = _batch(CLIPS)
        dropped = drop(answer, batch, 0.3, 0.4)
        for name in ("audio", "video"):
            present = getattr(dropped, f"{name}_present")
            zeroed = (getattr(dropped, name) == 0).all(-1).all(-1)  # [B]
            expect(
                not (zeroed & present).any(),
                f"the {name} is zero but its flag says it is present; set the flag {name}_present as well.",
            )
            left = ~zeroed & ~present
            expect(not left.any(), f"{name}_present is False but the features are still there; make them zero.")
        neither = ~dropped.audio_present & ~dropped.video_present
        expect(
            not neither.any(),
            f"{int(neither.sum())} of {CLIPS} clips lost both streams; one draw per clip decides between three fates.",
        )
        for name in ("audio", "video"):
            kept = getattr(dropped, f"{name}_present")
            same = torch.equal(getattr(dropped, name)[kept], getattr(batch, name)[kept])
            expect(
                same,
                f"the {name} of clips that keep it has changed; streams are dropped whole, the rest stays as it is.",
            )
        others = ("audio_mask", "video_mask", "target")
        same = all(torch.equal(getattr(dropped, name), getattr(batch, name)) for name in others)
        expect(same and dropped.clips == batch.clips, "masks, targets or names have changed; only streams go missing.")
        lost = _lost(dropped)
        varied = max(lost) < 1 and sum(lost) > 0
        expect(varied, "one coin for the whole batch: all clips share a fate; draw for each clip.")

    def whole(answer):
        many, batch = _batch(CLIPS), _batch(50)
        for rates in ((0.3, 0.4), (0.05, 0.2), (0.5, 0.5), (0.0, 0.0), (1.0, 0.0), (0.0, 1.0)):
            for name, share, rate in zip(("audio", "video"), _lost(drop(answer, many, *rates)), rates):
                expect(
                    abs(share - rate) < (0.035 if 0 < rate < 1 else 1e-6),  # five deviations of a share of 5,000
                    f"{share:.2f} of the clips lose their {name} at the rates {rates}, expected {rate}: "
                    "both rates are shares of all clips.",
                )
        first, again, other = (drop(answer, batch, 0.3, 0.3, seed).audio_present for seed in (6, 6, 7))
        expect(
            torch.equal(first, again) and not torch.equal(first, other),
            "the draws do not come from the generator you are given: two of one seed have to give one result, "
            "and two seeds two.",
        )
        alone = torch.arange(50) % 2 == 0
        for lacking, kept in (("audio", "video"), ("video", "audio")):
            gone = getattr(batch, lacking).masked_fill(alone[:, None, None], 0.0)
            silent = batch._replace(**{lacking: gone, f"{lacking}_present": ~alone})
            half = drop(answer, silent, 0.5, 0.5)
            back = bool(getattr(half, f"{lacking}_present")[alone].any())
            expect(not back, f"a stream that was absent before has come back: {lacking}.")
            expect(
                bool(getattr(half, f"{kept}_present")[alone].all()),
                f"a clip that came without {lacking} lost its {kept} as well: it keeps the only stream it has.",
            )

    run_stages("modality_dropout", answer, shape=shape, mechanism=mechanism, whole=whole)


def _lost(batch: Batch) -> tuple[float, float]:
    """Shares of clips without audio and without video."""
    return (~batch.audio_present).double().mean().item(), (~batch.video_present).double().mean().item()
