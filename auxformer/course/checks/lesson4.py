"""Checks of lesson 4: operations of a layer, batches of like length, a gradient in parts."""

import numpy as np
import torch

from auxformer.course.checks import expect, expect_close, expect_number, expect_something, run_stages


def layer_operations(answer) -> None:
    """Clips, frames, width and expansion -> operations of one layer."""

    def shape(answer):
        expect_number(answer(1, 2, 3))
        same = answer(2, 5, 3) == answer(2, 5, 3, 4)
        expect(same, "without an expansion the branch is four times as wide: keep `expansion=4` in the first line.")

    def mechanism(answer):
        frames, width = 10, 7
        square = frames * width**2
        linear, pairs = 4 * square + 2 * 3 * square, 2 * frames**2 * width
        expect_close(
            answer(1, frames, width, 3), 2 * (linear + pairs),
            {
                "a multiplication and its addition count as 2; here they count 1.": linear + pairs,
                "attention is missing: queries times keys, weights times values.": 2 * linear,
                "only one of the two products of attention is counted.": 2 * linear + pairs,
                "only the feed-forward branch; the four projections are missing.": 2 * (6 * square + pairs),
                "three projections; the output projection is the fourth.": 2 * (9 * square + pairs),
                "the feed-forward branch has two maps; one is counted.": 2 * (7 * square + pairs),
                "the feed-forward branch is missing.": 2 * (4 * square + pairs),
                "the expansion is not used; here the branch is three times as wide, not four times.":
                    2 * (12 * square + pairs),
                "attention is counted once per frame; every frame asks every frame.": 2 * (linear + 2 * frames * width),
            },
            "the operations of 1 clip, 10 frames, width 7, expansion 3",
        )  # fmt: skip

    def whole(answer):
        right = 2 * 3 * (11 * (4 * 5**2 + 2 * 2 * 5**2) + 2 * 11**2 * 5)
        long_clip = 2 * (33 * (4 * 5**2 + 2 * 2 * 5**2) + 2 * 33**2 * 5)
        expect_close(
            answer(3, 11, 5, 2), right,
            {
                "the clips are not counted.": right / 3,
                "three clips of 11 frames are not one of 33: frames ask only their own clip.": long_clip,
            },
            "the operations of 3 clips, 11 frames, width 5, expansion 2",
        )  # fmt: skip

    run_stages("layer_operations", answer, shape=shape, mechanism=mechanism, whole=whole)


def _is_row(batch) -> bool:
    """Whether it is an array `[n]`, or a list of numbers."""
    if isinstance(batch, (list, tuple)):
        return all(isinstance(place, (int, float, np.number)) for place in batch)
    return isinstance(batch, np.ndarray) and batch.ndim == 1


def bucket_batches(answer) -> None:
    """Lengths `[N]` and a size -> a list of arrays of places."""
    lengths = np.random.default_rng(4).integers(20, 400, 50)

    def padding_of(batches) -> int:
        return sum(len(batch) * batch.max() - batch.sum() for batch in batches)

    def batches_of(answer, size: int) -> list[np.ndarray]:
        batches = answer(lengths, size)
        expect_something(batches)
        listed = isinstance(batches, (list, tuple)) and len(batches) > 0
        expect(listed and all(map(_is_row, batches)), "expected a list of arrays `[n]`, one per batch.")
        batches = [np.asarray(batch) for batch in batches]
        expect(all(map(len, batches)), "a batch is empty; no clip is no batch.")
        kinds = {batch.dtype.kind for batch in batches}
        expect(kinds <= set("iu"), f"the places are {batches[0].dtype}, expected whole numbers, to index with.")
        return batches

    def shape(answer):
        most = max(map(len, batches_of(answer, 8)))
        expect(most <= 8, f"a batch holds {most} clips, expected at most 8.")

    def mechanism(answer):
        batches = batches_of(answer, 8)
        places = np.concatenate(batches)
        expect(places.max() < len(lengths), "these are lengths; expected the places of the clips in `lengths`.")
        expect(places.min() >= 0, "a place is negative; the first clip is 0.")
        missing = len(lengths) - len(np.unique(places))
        expect(missing == 0, f"{missing} clips are in no batch; the last, smaller batch counts as well.")
        expect(len(places) == len(lengths), "some clips are in two batches.")
        in_eights = range(8, 50, 8)
        padding = padding_of(lengths[batch] for batch in batches)
        least = padding_of(np.split(np.sort(lengths), in_eights))
        unsorted = padding_of(np.split(lengths, in_eights)[:-1])
        expect(padding < 0.8 * unsorted, "the clips are in the order they came in; put like lengths side by side.")
        expect(padding <= 1.2 * least, f"{padding} frames of padding, possible are {least}: are they sorted by length?")

    def whole(answer):
        batches = batches_of(answer, 50)
        expect(len(batches) == 1 and len(batches[0]) == 50, "50 clips in batches of 50: expected one batch.")
        sizes = sorted(map(len, batches_of(answer, 7)))
        expect(sizes[1:] == [7] * 7 and sizes[0] == 1, f"batches of {sizes}; only one may be smaller than 7.")

    run_stages("bucket_batches", answer, shape=shape, mechanism=mechanism, whole=whole)


class _Model(torch.nn.Module):
    """A linear model that counts the clips it is given at a time, and the parts that wait for their `backward`."""

    def __init__(self):
        super().__init__()
        self.linear, self.most, self.waiting, self.kept = torch.nn.Linear(3, 1), 0, 0, 0
        with torch.no_grad():
            self.linear.weight.copy_(torch.tensor([[0.5, -1.0, 2.0]]))
            self.linear.bias.fill_(0.3)

    def forward(self, x):
        self.most = max(self.most, len(x))
        answer = self.linear(x).squeeze(-1)
        if answer.requires_grad:  # not so under `no_grad`, where nothing is kept
            self.waiting += 1
            self.kept = max(self.kept, self.waiting)
            answer.register_hook(self._done)
        return answer

    def _done(self, gradient):
        self.waiting -= 1
        return gradient


def gradient_in_parts(answer) -> None:
    """A model, inputs `[B, d]`, targets `[B]`, largest part -> mean loss; gradients in the parameters."""
    generator = torch.Generator().manual_seed(4)
    x, y = torch.randn(7, 3, generator=generator), torch.randn(7, generator=generator)

    def losses(model):
        return (model.linear(x).squeeze(-1) - y) ** 2  # [B]

    def gradient(value, model):
        """Of weights and bias, `[4]`."""
        parts = torch.autograd.grad(value, list(model.linear.parameters()), retain_graph=True)
        return torch.cat([part.flatten() for part in parts])

    def left_in(model):
        missing = any(parameter.grad is None for parameter in model.parameters())
        expect(not missing, "there is no gradient; call `backward()` for each part.")
        return torch.cat([parameter.grad.flatten() for parameter in model.parameters()])

    def shape(answer):
        value = answer(_Model(), x, y, 7)
        expect(value is not None, "the mean loss, one number, is not returned.")
        if isinstance(value, torch.Tensor):
            hangs = value.requires_grad
            expect(
                not hangs, "the returned loss still hangs on the parts that made it, and keeps them: add up `.item()`."
            )
            value = value.detach().numpy()
        expect_number(value, "the mean loss")

    def mechanism(answer):
        model = _Model()
        answer(model, x, y, 3)
        found = left_in(model)
        expect(model.most <= 3, f"the model was given {model.most} clips at once, expected at most 3.")
        expect(
            model.kept == 1,
            f"{model.kept} parts were kept until one `backward()` at the end: that saves no memory; call it for each part.",
        )
        means = torch.stack([part.mean() for part in losses(model).split(3)])
        last = losses(model)[6:].mean()
        expect_close(
            found, gradient(losses(model).mean(), model),
            {
                "the parts' mean losses are added; weigh each by its share of the clips.": gradient(means.sum(), model),
                "a plain mean over parts: the last part has one clip and counts like three.": gradient(means.mean(), model),
                "only the last part is in the gradient: it was set to zero before each part.": gradient(last / 7, model),
                "only the last part is in the gradient, and unweighed.": gradient(last, model),
                "the sum over the clips, expected their mean.": gradient(losses(model).sum(), model),
            },
            "the gradient of 7 clips in parts of 3",
        )  # fmt: skip

    def whole(answer):
        model = _Model()
        model(x).sum().backward()  # something from before
        value = answer(model, x, y, 2)
        right, means = losses(model).mean(), torch.stack([part.mean() for part in losses(model).split(2)])
        stale = gradient(model(x).sum(), model) + gradient(losses(model).mean(), model)
        expect_close(
            left_in(model), gradient(losses(model).mean(), model),
            {"gradients from before are still in there; remove them first.": stale},
            "the gradient after another backward()",
        )  # fmt: skip
        expect_close(
            value, right.item(),
            {
                "the returned loss is that of the last part.": means[-1].item(),
                "the returned loss is the last part's share.": means[-1].item() / 7,
                "the returned loss is the plain mean over parts.": means.mean().item(),
                "the returned loss is the sum of the parts' means.": means.sum().item(),
            },
            "the returned loss",
        )  # fmt: skip

    run_stages("gradient_in_parts", answer, shape=shape, mechanism=mechanism, whole=whole)
