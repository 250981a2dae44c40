"""Checks of lesson 2: attention with a mask, one layer of a stack, the last valid frame."""

import math

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from auxformer.config import override, preset
from auxformer.course.checks import expect, expect_close, expect_shape, expect_tensor, run_stages
from auxformer.models.layers import Layer


def _attend(scores: torch.Tensor, value: torch.Tensor, visible: torch.Tensor, fill: float = -math.inf) -> torch.Tensor:
    return scores.masked_fill(~visible[:, None], fill).softmax(-1) @ value


class _ByHand(TorchFunctionMode):
    """Refuses PyTorch's own attention while it is on, by whatever name it was imported."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        name = getattr(function, "__name__", "")
        ready = name in ("scaled_dot_product_attention", "multi_head_attention_forward")
        expect(not ready, f"`{name}` is the ready function; write attention with `@` and softmax.")
        return function(*args, **(kwargs or {}))


def attention(answer) -> None:
    """Query `[B, Tq, d]`, key `[B, Tk, d]`, value `[B, Tk, dv]`, mask `[B, Tk]` -> `[B, Tq, dv]`."""
    generator = torch.Generator().manual_seed(2)
    query, key = torch.randn(3, 4, 6, generator=generator), torch.randn(3, 5, 6, generator=generator)
    value = torch.randn(3, 5, 2, generator=generator)
    scores = query @ key.transpose(1, 2) / math.sqrt(6)  # [B, Tq, Tk]
    everything = torch.ones(3, 5, dtype=torch.bool)

    def ask(answer, *given):
        with _ByHand():
            return answer(*given)

    def shape(answer):
        found = ask(answer, query, key, value, everything)
        expect_tensor(found, query.dtype, "the answer")
        asked = not found.isnan().all()
        expect(asked, "no key is asked although all are visible: the mask is the wrong way round; True means visible.")
        expect_shape(found, (3, 4, 2), "the answer")

    def mechanism(answer):
        expect_close(
            ask(answer, query, key, value, everything), scores.softmax(-1) @ value,
            {
                "the scores are not divided by √d, the root of the width of the query.":
                    (math.sqrt(6) * scores).softmax(-1) @ value,
                "the scores are divided by d, expected its square root.": (scores / math.sqrt(6)).softmax(-1) @ value,
                "divided by the root of the number of keys; it is the width of the query that counts.":
                    (scores * math.sqrt(6 / 5)).softmax(-1) @ value,
                "divided by the root of the width of the values; it is the width of the query that counts.":
                    (scores * math.sqrt(6 / 2)).softmax(-1) @ value,
                "the softmax runs along the queries; each query's weights over the keys have to sum to 1.":
                    scores.softmax(1) @ value,
                "the softmax runs along the clips of the batch; it belongs on the last axis.": scores.softmax(0) @ value,
                "every key counts the same although all are visible: the mask is the wrong way round; True means visible.":
                    value.mean(1, keepdim=True).expand(3, 4, 2),
                "the softmax is missing: these are raw scores times values.": scores @ value,
                "the weights are divided after the softmax; divide the scores before it.":
                    (math.sqrt(6) * scores).softmax(-1) / math.sqrt(6) @ value,
            },
            "the answers with every key visible",
        )  # fmt: skip

    def whole(answer):
        visible = torch.tensor([[1, 1, 1, 0, 0], [1, 0, 1, 1, 1], [1, 1, 1, 1, 0]]).bool()
        loud = value.masked_fill(~visible[..., None], 1e4)  # whoever hears a whisper of it hears it here
        weights = scores.softmax(-1) * visible[:, None]
        expect_close(
            ask(answer, query, key, loud, visible), _attend(scores, loud, visible),
            {
                "the mask is not used: invisible keys are asked.": scores.softmax(-1) @ loud,
                "masked scores are 0, and e⁰ = 1 is a good score; they have to be -∞.":
                    _attend(scores, loud, visible, 0.0),
                "the weights were masked after the softmax and no longer sum to 1; mask the scores before it.":
                    weights @ loud,
            },
            "the answers with some keys invisible, whose values are 10000",
        )  # fmt: skip

    run_stages("attention", answer, shape=shape, mechanism=mechanism, whole=whole)


def _layer() -> Layer:
    """A layer whose LayerNorms are not the identity and whose biases are not 0, so that leaving one out shows."""
    config = override(preset("default"), {"model": {"width": 6, "heads": 2}}).model
    with torch.random.fork_rng():
        torch.manual_seed(2)
        layer = Layer(6, config, attn_dropout=0.0, mixed=False).eval()
        for norm in layer.layer_norms:
            torch.nn.init.uniform_(norm.weight, 0.5, 2)
        for name, parameter in layer.named_parameters():
            if name.endswith("bias"):
                torch.nn.init.uniform_(parameter, -1, 1)
    return layer.requires_grad_(False)


def _step(layer, x, source, alphas=(None, None), norms=(0, 0, 1)):
    """The step itself, with the mistakes that people make as arguments; norm None = identity."""

    def norm(index, value):
        return value if index is None else layer.layer_norms[index](value)

    def join(residual, branch, alpha):
        return residual + branch if alpha is None else alpha * residual + (1 - alpha) * branch

    asked = join(x, layer.self_attn(norm(norms[0], x), norm(norms[1], source)), alphas[0])
    thought = layer.fc2(F.relu(layer.fc1(norm(norms[2], asked))))
    return join(asked, thought, alphas[1])


def layer_step(answer) -> None:
    """A layer, x `[B, Tq, d]`, source `[B, Tk, d]`, α or None -> the new x `[B, Tq, d]`."""
    layer = _layer()
    generator = torch.Generator().manual_seed(3)
    x, source = 2 * torch.randn(3, 4, 6, generator=generator), 2 * torch.randn(3, 5, 6, generator=generator) + 1

    def shape(answer):
        expect_tensor(answer(layer, x, source), x.dtype, "the new x")
        expect_shape(answer(layer, x, source), (3, 4, 6), "the new x (it has the length of the stream that asks)")

    def mechanism(answer):
        norm, attend = layer.layer_norms, layer.self_attn
        asked = attend(norm[0](x), norm[0](source))

        def think(value):
            return layer.fc2(F.relu(layer.fc1(value)))

        expect_close(
            answer(layer, x, source), _step(layer, x, source),
            {
                "x asks itself; the keys and values come from the source.": _step(layer, x, x),
                "the first residual is missing: add x to what attention says.": asked + think(norm[1](asked)),
                "the second residual is missing: add x to what fc2 says.": think(norm[1](x + asked)),
                "only attention, no thinking: fc1, ReLU and fc2 are missing.": x + asked,
                "the normalised x was used as the residual; the residual stays as it is.":
                    norm[0](x) + asked + think(norm[1](norm[0](x) + asked)),
                "the source is not normalised; both streams go through layer_norms[0].":
                    _step(layer, x, source, norms=(0, None, 1)),
                "the source goes through layer_norms[1]; both streams share layer_norms[0].":
                    _step(layer, x, source, norms=(0, 1, 1)),
                "x is not normalised before it asks.": _step(layer, x, source, norms=(None, 0, 1)),
                "nothing is normalised before fc1: layer_norms[1] belongs there.":
                    _step(layer, x, source, norms=(0, 0, None)),
                "layer_norms[0] stands before fc1; it is layer_norms[1].": _step(layer, x, source, norms=(0, 0, 0)),
                "the ReLU between fc1 and fc2 is missing.":
                    x + asked + layer.fc2(layer.fc1(norm[1](x + asked))),
                "the biases of fc1 and fc2 are missing: call them as they are, `layer.fc1(...)`.":
                    x + asked + F.relu(norm[1](x + asked) @ layer.fc1.weight.T) @ layer.fc2.weight.T,
                "the second branch starts from the old x; it starts from what attention left.":
                    x + asked + think(norm[1](x)),
            },
            "the new x with plain sums",
        )  # fmt: skip

    def whole(answer):
        expect_close(
            answer(layer, x, source, 0.3), _step(layer, x, source, (0.3, 0.3)),
            {
                "α is not used.": _step(layer, x, source),
                "α and 1 − α are the wrong way round: α weighs the residual.": _step(layer, x, source, (0.7, 0.7)),
                "α blends the first branch only; the same α blends the second.": _step(layer, x, source, (0.3, None)),
                "α blends the second branch only; the same α blends the first.": _step(layer, x, source, (None, 0.3)),
            },
            "the new x with α = .3",
        )  # fmt: skip
        expect_close(answer(layer, x, source, 1.0), x, what="the new x with α = 1 (it has to be the old one)")
        expect_close(
            answer(layer, x, source, 0.0), _step(layer, x, source, (0.0, 0.0)),
            {"α = 0 is taken for None; ask `alpha is None`.": _step(layer, x, source)},
            "the new x with α = 0",
        )  # fmt: skip

    run_stages("layer_step", answer, shape=shape, mechanism=mechanism, whole=whole)


def summarise_last_valid(answer) -> None:
    """Frames `[B, T, d]`, mask `[B, T]` -> the last valid frame of each clip `[B, d]`."""
    x = torch.randn(4, 5, 3, generator=torch.Generator().manual_seed(4))

    def shape(answer):
        value = answer(x, torch.ones(4, 5, dtype=torch.bool))
        expect_tensor(value, what="the summary")
        expect_shape(value, (4, 3), "the summary")

    def mechanism(answer):
        counts = torch.tensor([5, 3, 2, 4])
        mask = torch.arange(5) < counts[:, None]
        clips = torch.arange(4)
        weight = mask.unsqueeze(-1).float()
        expect_close(
            answer(x, mask), x[clips, counts - 1],
            {
                "that is the last frame of the batch row, which may be padding.": x[:, -1],
                "one frame too far: indices start at 0.": x[clips, counts.clamp(max=4)],
                "that is the mean of the valid frames, expected the last of them.": (x * weight).sum(1) / weight.sum(1),
                "that is the first frame.": x[:, 0],
                "one index for the whole batch; each clip has its own length.": x[:, counts.min() - 1],
            },
            "the summary of clips of 5, 3, 2 and 4 frames",
        )  # fmt: skip

    def whole(answer):
        mask = torch.tensor([[1, 0, 1, 0, 0], [0, 0, 0, 0, 1], [1, 1, 0, 1, 0], [0, 1, 0, 0, 0]]).bool()
        clips = torch.arange(4)
        first = torch.arange(5) < 1  # [T], for clips of a single frame
        expect_close(
            answer(x, mask), x[clips, torch.tensor([2, 4, 3, 1])],
            {
                "with holes in the mask the number of valid frames is not the place of the last one.":
                    x[clips, mask.sum(1) - 1],
                "the frame before the first hole; frames after a hole count as well.":
                    x[clips, (mask.long().cumprod(1).sum(1) - 1).clamp(min=0)],
            },
            "the summary of clips with lost frames",
        )  # fmt: skip
        expect_close(answer(x, first.expand(4, 5).clone()), x[:, 0], what="the summary of clips of one frame")

    run_stages("summarise_last_valid", answer, shape=shape, mechanism=mechanism, whole=whole)
