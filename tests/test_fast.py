"""The fast paths give what PyTorch's own operations give: values, gradients, drop rates, scaling."""

import contextlib
import math
import platform
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from auxformer.config import override, preset
from auxformer.data.batch import collate
from auxformer.models import create_model, fast, shared_loss
from auxformer.models.layers import Stack

DOUBLE = {"dtype": torch.double}


def _masks(shape, p, draws=1):
    return torch.stack([fast.kept(*fast.draw(shape, p)) for _ in range(draws)])


@pytest.mark.parametrize("p", [0.1, 0.25, 0.5])
def test_masks_keep_the_right_share_everywhere_and_draw_anew(p):
    torch.manual_seed(0)
    masks = _masks((40, 1000), p, draws=1000)
    # A draw's own rate is one of two neighbouring 256ths; over the draws it is p, in every place and every byte of a word.
    assert abs(masks.mean().item() - (1 - p)) < 5 * (1 / 256 / 2 / math.sqrt(1000))
    error = 5 * math.sqrt(p * (1 - p) / 1000 / 100) + 1e-3
    assert ((masks.mean(0).view(400, 100).mean(1) - (1 - p)).abs() < error).all()
    assert ((masks.view(-1, 8).mean(0) - (1 - p)).abs() < 1e-3).all(), "one of the eight cuts of a word is biased"
    assert {fast.draw((1,), p)[1] for _ in range(99)} <= {math.floor(256 * p), math.ceil(256 * p)}
    torch.manual_seed(0)
    again = _masks((40, 1000), p, draws=2)
    assert torch.equal(again, masks[:2]), "torch.manual_seed does not name the draw"
    assert not torch.equal(again[0], again[1])


def test_neighbouring_elements_are_dropped_independently():
    torch.manual_seed(1)
    dropped = 1 - _masks((1_000_000,), 0.25)[0]  # 0.25 is a 256th: one rate for all
    for lag in (1, 2, 3, 4, 8, 64):
        together = (dropped[lag:] * dropped[:-lag]).mean().item()
        assert abs(together - 0.0625) < 0.0015, lag


def test_dropout_keeps_the_mean_and_passes_gradients_where_it_keeps():
    torch.manual_seed(2)
    x = torch.ones(500, 400, requires_grad=True)
    y = fast.dropout(x, 0.25, training=True)
    assert sorted(y.detach().unique().tolist()) == pytest.approx([0, 1 / 0.75])
    assert y.mean().item() == pytest.approx(1, abs=0.01)
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())
    assert fast.dropout(x, 0.25, training=False) is x


def _streams(queries, keys):
    generator = torch.Generator().manual_seed(3)
    make = lambda frames: torch.randn(3, frames, 10, generator=generator, **DOUBLE).requires_grad_()
    return make(queries), make(keys), make(keys)


def _pytorchs(q, k, v, visible=None):
    q, k, v = (x.unflatten(-1, (2, 5)).transpose(1, 2) for x in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v, attn_mask=visible).transpose(1, 2).flatten(2)


@pytest.mark.parametrize("queries, keys", [(300, 300), (300, 90), (90, 300)])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("padded", [False, True])
def test_attention_without_dropout_is_pytorchs(queries, keys, causal, padded):
    q, k, v = _streams(queries, keys)
    offset = abs(keys - queries)
    visible = ~torch.ones(queries, keys, dtype=torch.bool).triu(1 + offset) if causal else None
    if padded:
        mask = torch.arange(keys) < torch.tensor([keys, keys // 2, 40])[:, None]
        visible = mask[:, None, None] if visible is None else mask[:, None, None] & visible
    right = _pytorchs(q, k, v, visible)
    found = fast.attention(q, k, v, 2, visible, 0.0)
    assert torch.allclose(found, right, atol=1e-12)
    grad = torch.randn_like(right)
    for ours, theirs in zip(torch.autograd.grad(found, (q, k, v), grad), torch.autograd.grad(right, (q, k, v), grad)):
        assert torch.allclose(ours, theirs, atol=1e-11)


@pytest.mark.parametrize("reach", [None, 1])
def test_the_gradient_of_attention_with_dropout_is_that_of_the_same_draw(reach):
    q, k, v = (x[:2, :6].detach().requires_grad_() for x in _streams(6, 7))
    visible = None if reach is None else ~torch.ones(6, k.shape[1], dtype=torch.bool).triu(1 + reach)

    def drawn(*streams):
        torch.manual_seed(4)
        return fast.attention(*streams, 2, visible, 0.4)

    assert torch.autograd.gradcheck(drawn, (q, k, v))
    assert not torch.allclose(drawn(q, k, v), fast.attention(q, k, v, 2, visible, 0.0))


def test_dropped_attention_is_right_on_average():
    q, k, v = (x[:1, :20].detach() for x in _streams(20, 20))
    torch.manual_seed(5)
    mean = torch.stack([fast.attention(q, k, v, 2, None, 0.3) for _ in range(3000)]).mean(0)
    assert (mean - _pytorchs(q, k, v)).abs().max() < 0.06


def _layer(norm, fc1, fc2, alpha, p):
    return SimpleNamespace(
        layer_norms=(None, norm), fc1=fc1, fc2=fc2, alpha=alpha, relu_dropout=p, res_dropout=p, training=True
    )


@pytest.mark.parametrize("alpha", [None, 0.3])
@pytest.mark.parametrize("p", [0.0, 0.3])
def test_the_feed_forward_branch_and_its_gradients(alpha, p):
    torch.manual_seed(6)
    norm, fc1, fc2 = torch.nn.LayerNorm(6).double(), torch.nn.Linear(6, 24).double(), torch.nn.Linear(24, 6).double()
    blend = None if alpha is None else torch.tensor([alpha], requires_grad=True, **DOUBLE)
    x = torch.randn(2, 3, 6, requires_grad=True, **DOUBLE)
    parameters = [*norm.parameters(), *fc1.parameters(), *fc2.parameters(), *([] if blend is None else [blend])]

    def branch(x, *_parameters):
        torch.manual_seed(7)
        return fast.feed_forward(x, _layer(norm, fc1, fc2, blend, p))

    assert torch.autograd.gradcheck(branch, (x, *parameters))
    if p == 0:
        thought = fc2(F.relu(fc1(norm(x))))
        right = x + thought if alpha is None else alpha * x + (1 - alpha) * thought
        assert torch.allclose(branch(x), right, atol=1e-12)
        with torch.no_grad():
            assert torch.allclose(branch(x), right, atol=1e-12)


def test_more_frames_than_fit_a_piece_change_nothing(monkeypatch):
    torch.manual_seed(8)
    norm, fc1, fc2 = torch.nn.LayerNorm(4), torch.nn.Linear(4, 16), torch.nn.Linear(16, 4)
    x = torch.randn(7, 30, 4)
    whole = fast.feed_forward(x, _layer(norm, fc1, fc2, None, 0.0))
    monkeypatch.setattr(fast, "FRAMES", 32)
    assert torch.allclose(fast.feed_forward(x, _layer(norm, fc1, fc2, None, 0.0)), whole, atol=1e-6)


@pytest.mark.parametrize("name", ["paper", "default"])
def test_a_stack_asked_for_one_frame_gives_that_frame(name):
    config = override(preset(name), {"model": {"width": 20, "layers": 2, "heads": 2}}).model
    torch.manual_seed(9)
    stack = Stack(20, config, mixed=True).eval()
    x, mask = torch.randn(4, 9, 20), torch.arange(9) < torch.tensor([9, 5, 1, 7])[:, None]
    for given in (None, mask):
        only = torch.tensor([8, 4, 0, 6])
        whole = stack(x, given)[torch.arange(4), only]
        assert torch.allclose(fast.output_at(stack, x, given, only), whole, atol=1e-6)


def on_both_paths(model, batch) -> list[tuple]:
    """Logits of a network and the gradients of its loss, with the fast paths and without."""
    results = []
    for switch in (contextlib.nullcontext, fast.switched_off):
        model.zero_grad()
        with switch():
            logits = model(batch)
            shared_loss(logits, batch.target).backward()
        results.append((logits, [p.grad for p in model.parameters() if p.grad is not None]))
    return results


@pytest.mark.parametrize("name", ["paper", "default"])
def test_a_network_says_the_same_with_and_without(splits, name):
    shape = {"width": 10, "heads": 2, "layers": 2, "aux_hidden": [12, 10]}
    config = override(preset(name), {"model": shape}).model
    torch.manual_seed(10)
    model = create_model("auxformer", config, splits.train.audio.dims, splits.train.video.dims, 3).eval()
    batch = collate([splits.train[index] for index in range(6)])
    (fast_logits, fast_grads), (plain_logits, plain_grads) = on_both_paths(model, batch)
    assert torch.allclose(fast_logits.mean(), plain_logits.mean(), atol=1e-5)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(fast_grads, plain_grads, strict=True))


@pytest.mark.parametrize("training", [False, True])
def test_with_a_causal_mask_a_clip_that_lost_its_leading_frames_is_as_on_the_plain_path(splits, training):
    """The first queries then have no earlier frame left to see; a softmax over nothing is not a number."""
    shape = {"width": 10, "heads": 2, "layers": 2, "aux_hidden": [12, 10], "attn_mask": True}
    drops = ("attn_dropout", "cross_attn_dropout", "relu_dropout", "res_dropout", "embed_dropout", "out_dropout")
    config = override(preset("default"), {"model": {**shape, **dict.fromkeys(drops, 0.0)}}).model
    torch.manual_seed(11)
    model = create_model("auxformer", config, splits.train.audio.dims, splits.train.video.dims, 3).train(training)
    batch = collate([splits.train[index] for index in range(6)])
    for stream in ("audio", "video"):
        mask = getattr(batch, f"{stream}_mask").clone()
        mask[0, :4] = False  # the gap of a burst
        mask[1] = False  # nothing left at all
        batch = batch._replace(**{f"{stream}_mask": mask})
    batch = batch._replace(audio_present=batch.audio_mask.any(1))
    results = ([*logits[:3], *grads] for logits, grads in on_both_paths(model, batch))
    for ours, plain in zip(*results, strict=True):
        assert ours.isfinite().all() and torch.allclose(ours, plain, atol=1e-5)
    with torch.enable_grad():  # with dropout of the weights it is the fast path that is taken
        dropped = create_model("auxformer", replace(config, attn_dropout=0.3, cross_attn_dropout=0.3), 5, 4, 3).train()
        shared_loss(dropped(batch), batch.target).backward()
    assert all(p.grad.isfinite().all() for p in dropped.parameters() if p.grad is not None)


def test_autocast_and_other_types_take_pytorchs_path():
    with fast.switched_off():
        assert not fast.usable(torch.zeros(1))
    assert fast.usable(torch.zeros(1)) and not fast.usable(torch.zeros(1, dtype=torch.bfloat16))
    with torch.autocast("cpu", torch.bfloat16):
        assert not fast.usable(torch.zeros(1))


def test_a_compiled_network_trains_without_the_fast_paths(splits):
    """Traced by the compiler, with its slow last stage (writing machine code) left out."""
    config = override(preset("default"), {"model": {"width": 8, "heads": 2, "layers": 1}}).model
    torch.manual_seed(9)
    model = create_model("auxformer", config, splits.train.audio.dims, splits.train.video.dims, 3)
    compiled = torch.compile(model, backend="aot_eager")
    batch = collate([splits.train[index] for index in range(6)])
    with torch.no_grad():
        for ours, theirs in zip(model.eval()(batch)[:3], compiled(batch)[:3]):
            torch.testing.assert_close(theirs, ours, atol=1e-5, rtol=1e-5)
    shared_loss(compiled.train()(batch), batch.target).backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in model.parameters())


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's allocator can be told to keep memory")
def test_freed_memory_is_kept_for_the_next_step():
    """In a process of its own: the setting lasts as long as a process does."""
    code = """
import resource, torch
from auxformer.models.memory import keep_freed_memory
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        torch.ones(40_000_000).mul(2)  # larger than anything the allocator keeps of itself
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
before = faults()
assert keep_freed_memory()
faults()
after = faults()
assert after < before / 10, (before, after)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
