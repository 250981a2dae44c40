import math
from dataclasses import replace

import pytest
import torch
from test_models import SHAPE, batch, predictions, rows, small
from torch import nn
from typer.testing import CliRunner

from auxformer.benchmark.cost import count_parameters
from auxformer.cli import app
from auxformer.config import list_presets, override, preset
from auxformer.data.missing import apply_condition, without
from auxformer.errors import InputError
from auxformer.evaluation.predictions import predict
from auxformer.models import Logits, card_of, create_model, list_models, shared_loss
from auxformer.models.rivals.concat import side_by_side
from auxformer.models.rivals.mmin import Mmin
from auxformer.models.rivals.prmf import certainty, divergence
from auxformer.models.rivals.sfav import Importance
from auxformer.models.rivals.shaspec import ALIGNMENT, DOMAIN, alignment_loss, generated
from auxformer.models.rivals.streams import FrameNorm, Stream, max_over_time, streams_of
from auxformer.models.rivals.tfrnet import rebuilding_loss
from auxformer.training.fit import fit

FAMILIES = {
    "early-concat": ["early-concat"],
    "early-concat-transformer": ["early-concat-transformer"],
    "late-fusion": ["late-fusion"],
    "late-fusion-transformer": ["late-fusion-transformer"],
    "mult": ["mult"],
    "sfav": ["sfav-ia", "sfav-it", "sfav-lt"],
    "vavl": ["vavl"],
    "mmin": ["mmin"],
    "tfr-net": ["tfr-net"],
}
RECENT = ["shaspec", "momke", "p-rmf"]  # whose sources have other streams, hence no published settings for these
RIVALS = [name for family in FAMILIES.values() for name in family] + RECENT
SMALL = {"width": 8, "heads": 2, "layers": 2, "aux_hidden": [12, 10], "audio_pool": 2, "video_pool": 1}


def stream(lengths=(3, 1, 0), dims=4, frames=5, seed=0) -> Stream:
    mask = torch.arange(frames) < torch.tensor(lengths)[:, None]
    x = torch.randn(len(lengths), frames, dims, generator=torch.Generator().manual_seed(seed))
    return Stream(x * mask.unsqueeze(-1), mask, mask.any(1, keepdim=True).float())


# -- every rival --


@pytest.mark.parametrize("name", [*RIVALS, "auxformer-published"])
def test_it_learns_what_can_be_learned_and_lives_without_a_stream(name, splits, tmp_path):
    training = {"epochs": 20, "learning_rate": 1e-2, "batch_size": 16, "device": "cpu"}
    config = override(preset("default"), {"model": {**SMALL, "name": name, "layers": 1}, "training": training})
    predictions = predict(fit(config, splits, tmp_path, progress=False).model, splits.test)
    right = (predictions.truth == predictions.predicted).groupby(predictions.condition).mean()
    assert (right > 0.5).all(), right  # chance is a third


@pytest.mark.parametrize("name", [*RIVALS, "duration-only"])
def test_the_same_seed_gives_the_same_bits(name, splits, tmp_path):
    config = override(preset("default"), {"model": {**SMALL, "name": name}, "training": {"epochs": 1, "device": "cpu"}})
    one, two = (fit(config, splits, tmp_path / folder, progress=False).model.state_dict() for folder in "ab")
    assert all(torch.equal(one[key], two[key]) for key in one)


@pytest.mark.parametrize("name", [*RIVALS, "duration-only"])
def test_a_stream_of_one_frame_and_a_batch_of_one_clip_will_do(name):
    model = small(name, audio_pool=1).train()
    for lengths in (((1, 1), (9, 1), (1, 6)), ((14, 1),), ((1, 1),)):
        loss = shared_loss(model(batch(lengths)), batch(lengths).target)
        loss.backward()
        assert torch.isfinite(loss)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    together = predictions(model, batch(((1, 1), (9, 1), (1, 6))))
    alone = predictions(model, rows(batch(((1, 1), (9, 1), (1, 6))), [0]))
    torch.testing.assert_close(alone[0], together[0], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("name", [*RIVALS, "duration-only"])
def test_clips_without_any_stream_get_finite_scores_and_gradients(name):
    nothing = torch.tensor([True, False, False])
    data = without(batch(), nothing, nothing)
    assert torch.isfinite(predictions(small(name), data)).all()
    model = small(name).train()
    shared_loss(model(data), data.target).backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


# mmin is left out: whether an LSTM can be trained in bf16 depends on the CPU.
@pytest.mark.parametrize("name", sorted({*RIVALS, "duration-only"} - {"mmin"}))
def test_a_step_at_half_the_bits_comes_close(name):
    model, data = small(name).train(), batch()
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(data)
    shared_loss(Logits(*(part.float() if torch.is_tensor(part) else part for part in logits)), data.target).backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    model.eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        half = model(data).mean().float()
    torch.testing.assert_close(half, predictions(model, data), atol=0.1, rtol=0.1)


@pytest.mark.parametrize("name", RIVALS)
def test_padding_does_not_change_what_is_learned(name):
    """The loss of a training step: batch statistics must not count padding."""
    quiet = {f"{part}_dropout": 0.0 for part in ("relu", "res", "embed", "out")}
    data, pad = batch(), nn.functional.pad
    longer = data._replace(audio=pad(data.audio, (0, 0, 0, 6)), audio_mask=pad(data.audio_mask, (0, 6)))
    losses = []
    for one in (data, longer):
        model = small(name, **quiet).train()
        if name == "tfr-net":  # which frames it loses is drawn per frame, padding included
            model._lost = lambda stream: torch.zeros_like(stream.mask)
        torch.manual_seed(1)
        losses.append(shared_loss(model(one), one.target))
    torch.testing.assert_close(*losses, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_published_switches_keep_the_contract_too(family):
    """Batch-mates, padding and the content of an absent stream, under the rival's own preset at a small width."""
    for name in FAMILIES[family]:
        config = replace(preset(f"{family}-published").model, name=name, width=120, aux_hidden=(12, 10), layers=2)
        torch.manual_seed(0)
        model, data = create_model(name, config, **SHAPE), batch()
        together = predictions(model, data)
        for row in range(3):
            torch.testing.assert_close(predictions(model, rows(data, [row]))[0], together[row], atol=1e-6, rtol=1e-5)
        for condition in ("no-audio", "no-video"):
            assert torch.isfinite(predictions(model, apply_condition(data, condition))).all()


# -- cards and presets --


@pytest.mark.parametrize("name", list_models())
def test_every_model_has_a_card_and_its_published_preset_builds_it(name):
    card = card_of(name)
    assert card.source and card.missing and card.deviations
    if card.published:
        assert preset(card.published).model.name in (name, "sfav-ia", "auxformer-published")
        assert count_parameters(name, preset(card.published).model, 130, 4096, 6) > 0


def test_every_published_preset_is_some_models():
    used = {card_of(name).published for name in list_models()}
    assert {name for name in list_presets() if name.endswith("-published")} <= used
    assert {f"{name}-published" for name in FAMILIES} == {name for name in list_presets() if name.endswith("-published")}


def test_published_hyper_parameters_are_those_of_the_sources():
    mult, vavl, mmin, sfav = (preset(f"{name}-published") for name in ("mult", "vavl", "mmin", "sfav"))
    assert (mult.model.width, mult.model.heads, mult.model.layers, mult.training.batch_size) == (30, 5, 5, 24)
    assert (vavl.model.width, vavl.training.learning_rate, vavl.training.epochs) == (512, 5e-5, 20)
    assert (mmin.model.width, mmin.training.learning_rate, mmin.training.batch_size) == (128, 2e-4, 128)
    encoder = create_model("vavl", vavl.model, 1024, 1408, 6).own[0]
    assert sum(p.numel() for p in encoder.parameters()) == pytest.approx(
        21.4e6, rel=0.05
    )  # as counted in the authors' code
    assert sfav.training.learning_rate * 10 == pytest.approx(0.04)  # dampening .9 comes to a tenth


def test_a_sixth_model_needs_no_card_until_somebody_asks():
    from auxformer.models import register_model, registry

    register_model("bare")(lambda *_: nn.Identity())
    with pytest.raises(InputError, match='"bare" was registered without a card'):
        card_of("bare")
    del registry._MODELS["bare"]
    with pytest.raises(InputError, match='Did you mean "mult"'):
        card_of("mutl")


def test_the_command_lists_models_and_prints_a_card():
    listed = CliRunner().invoke(app, ["models"])
    assert listed.exit_code == 0 and all(name in listed.output for name in list_models())
    card = CliRunner().invoke(app, ["models", "vavl", "--audio-dims", "1024", "--video-dims", "1408"])
    assert card.exit_code == 0 and "Attention over time" in card.output and "preset vavl-published" in card.output


def test_the_published_system_has_its_switches_whatever_the_config_says():
    ours, theirs = small("auxformer"), small("auxformer-published")
    assert (ours.config.padding, theirs.config.padding) == ("masked", "attended")
    assert theirs.config.width == ours.config.width
    without_audio = apply_condition(batch(), "no-audio")
    assert theirs(without_audio).weights.tolist() == [[1, 1, 1]] * 3  # the absent head still votes


# -- pieces --


def test_a_models_own_loss_is_added_to_that_of_its_fusion_head():
    scores, target = torch.randn(3, 3), batch().target
    plain = shared_loss(Logits.single(scores), target, (0.5, 0.25, 0.25))
    more = shared_loss(Logits.single(scores, torch.tensor(2.0)), target, (0.5, 0.25, 0.25))
    torch.testing.assert_close(more, plain + 1.0)


def test_frame_norm_is_batch_norm_over_the_valid_frames():
    data = stream((5, 2, 0))
    ours, theirs = FrameNorm(4), nn.BatchNorm1d(4)
    for _ in range(2):
        out, expected = ours(data.x, data.mask)[data.mask], theirs(data.x[data.mask])
        torch.testing.assert_close(out, expected)
    torch.testing.assert_close(ours.running_mean, theirs.running_mean)
    torch.testing.assert_close(ours.running_var, theirs.running_var)
    torch.testing.assert_close(ours.eval()(data.x, data.mask)[data.mask], theirs.eval()(data.x[data.mask]))


def test_frame_norm_learns_nothing_from_a_batch_without_the_stream():
    norm, data = FrameNorm(4), stream((0, 0, 0))
    norm(data.x, data.mask)
    assert norm.running_mean.abs().sum() == 0 and norm.running_var.tolist() == [1.0] * 4


def test_the_maximum_over_time_reads_valid_frames_only():
    data = stream((3, 1, 0))
    largest = max_over_time(data.x - 10, data.mask)  # padding would be -10, or 0 before the shift
    torch.testing.assert_close(largest[0], (data.x[0, :3] - 10).amax(0))
    assert largest[2].tolist() == [0.0] * 4


def test_the_shorter_stream_is_stretched_to_the_longer_clip_by_clip():
    audio = Stream(torch.arange(1.0, 7).reshape(1, 6, 1), torch.ones(1, 6, dtype=torch.bool), torch.ones(1, 1))
    video = Stream(torch.tensor([[[10.0], [20.0], [0.0]]]), torch.tensor([[True, True, False]]), torch.ones(1, 1))
    x, mask = side_by_side(audio, video)
    assert x[0, :, 1].tolist() == [10, 10, 10, 20, 20, 20] and x[0, :, 0].tolist() == [1, 2, 3, 4, 5, 6]
    assert mask.all() and (x[..., 2:] == 1).all()
    gone = audio._replace(x=audio.x * 0, mask=~audio.mask, present=torch.zeros(1, 1))
    x, mask = side_by_side(gone, video)
    assert mask.tolist() == [[True, True, False, False, False, False]]
    assert x[0, :2].tolist() == [[0, 10, 0, 1], [0, 20, 0, 1]]


def test_importance_shares_out_one_unit_of_attention_per_asking_frame():
    torch.manual_seed(0)
    asking, asked = stream((3, 5, 0)), stream((2, 5, 4), seed=1)
    weighed = Importance(4, 4, 6, 2)(asking, asked._replace(x=torch.ones_like(asked.x)))
    sums = (weighed.x[..., 0] * asked.mask).sum(1)
    torch.testing.assert_close(sums, torch.tensor([3.0, 5.0, 4.0]))  # nobody asks in the last clip: weight 1 per frame


def test_vavl_answers_with_the_head_that_fits_and_its_fusion_teaches_no_encoder():
    model, data = small("vavl").eval(), batch()
    for condition, head in (("complete", "av"), ("no-audio", "v"), ("no-video", "a")):
        logits = model(apply_condition(data, condition))
        torch.testing.assert_close(logits.mean(), getattr(logits, head))
    model.train()(data).av.sum().backward()
    assert {name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None} == {"fusion"}


def test_mmin_takes_each_pattern_a_third_of_the_time_and_never_the_last_stream():
    torch.manual_seed(0)
    drawn = Mmin._pattern(torch.ones(6000, 2))
    for pattern in ([1, 1], [1, 0], [0, 1]):
        share = (drawn == torch.tensor(pattern)).all(1).float().mean()
        assert 0.3 < share < 0.37
    assert (Mmin._pattern(torch.tensor([[1.0, 0.0], [0.0, 1.0]] * 50)) == 1).all()


def test_mmin_holds_what_it_imagines_against_what_the_teacher_knew():
    model, data = small("mmin").train(), batch()
    one_stream = apply_condition(data, "no-audio")
    logits = model(one_stream)
    assert logits.weights[:, 1].tolist() == [0.0] * 3  # the teacher sees complete clips only
    model._pattern = lambda has: torch.ones_like(has)
    model.zero_grad()
    model(data).extra.backward()  # nothing is missing: only the way back is taught
    assert model.back.out[0].weight.grad.abs().sum() > 0
    assert model.audio.lstm.weight_ih_l0.grad.abs().sum() > 0  # through what was given, not through the target


def test_frames_are_rebuilt_where_they_were_lost_and_nowhere_else():
    truth, where = torch.randn(2, 5, 3), torch.zeros(2, 5, dtype=torch.bool)
    where[0, 1:4] = True
    assert rebuilding_loss(truth, truth, where) < 1e-4
    elsewhere = truth + 3 * ~where.unsqueeze(-1)
    assert rebuilding_loss(elsewhere, truth, where) < 1e-4
    off = rebuilding_loss(truth + where.unsqueeze(-1) * 2.0, truth, where)
    torch.testing.assert_close(
        off, torch.tensor(1.5 + 2 / 16), atol=1e-3, rtol=0
    )  # smooth L1 of 2; means 2 apart of 16
    assert torch.isfinite(rebuilding_loss(truth, truth + 1, torch.zeros_like(where)))


def test_tfr_net_loses_frames_in_training_only():
    model = small("tfr-net")
    data = streams_of(batch(((40, 40),) * 30), model.config)[0]
    assert not model.eval()._lost(data).any()
    torch.manual_seed(0)
    assert 0.15 < model.train()._lost(data).float().mean() < 0.25


def seen_by(module, model, data) -> torch.Tensor:
    """What a part of a model is given, in evaluation."""
    seen = []
    hook = module.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    predictions(model, data)
    hook.remove()
    return seen[0]


def test_shaspec_generates_an_absent_streams_feature_as_the_mean_of_what_the_others_share():
    shared, present = torch.tensor([[[1.0, 3.0], [5.0, 7.0]]] * 4), torch.tensor([[1.0, 1], [1, 0], [0, 1], [0, 0]])
    assert generated(shared, present.unsqueeze(-1)).squeeze(1).tolist() == [[3, 5], [1, 3], [5, 7], [0, 0]]
    model = small("shaspec").eval()
    for condition, gone, left in (("no-audio", 0, 1), ("no-video", 1, 0)):
        data = apply_condition(batch(), condition)
        fused = seen_by(model.head, model, data).unflatten(1, (2, -1))  # [B, 2, d]
        shared, specific, _ = model.features(data)
        torch.testing.assert_close(fused[:, gone], shared[:, left])
        residual = model.fuse(torch.cat([shared[:, left], specific[:, left]], 1))
        torch.testing.assert_close(fused[:, left], shared[:, left] + residual)


def test_shaspec_aligns_what_is_shared_of_clips_with_both_streams():
    shared = torch.tensor([[[1.0, 3.0], [5.0, 7.0]], [[2.0, 2.0], [2.0, 2.0]], [[0.0, 0.0], [9.0, 9.0]]])
    present = torch.tensor([[1.0, 1], [1, 1], [1, 0]]).unsqueeze(-1)
    assert alignment_loss(shared, present) == 2.0, "mean of 4 and 0; the clip without video takes no part"
    assert alignment_loss(shared[1:], present[1:]) == 0.0 == alignment_loss(shared[2:], present[2:])


def test_shaspecs_own_losses_are_in_extra_and_fall():
    model, data = small("shaspec", **{f"{part}_dropout": 0.0 for part in ("relu", "res", "embed", "out")}), batch()
    optimizer, seen = torch.optim.Adam(model.parameters(), 1e-2), []
    for _ in range(30):
        shared, specific, present = model.features(data)
        losses = alignment_loss(shared, present), model.domain_loss(specific, present)
        extra = model.train()(data).extra
        torch.testing.assert_close(extra, ALIGNMENT * losses[0] + DOMAIN * losses[1])
        seen.append([loss.item() for loss in losses])
        optimizer.zero_grad()
        extra.backward()
        optimizer.step()
    assert all(last < first / 2 for first, last in zip(seen[0], seen[-1])), (seen[0], seen[-1])
    assert model.eval()(data).extra is None
    nothing = torch.ones(3, dtype=torch.bool)
    assert model.train()(without(data, nothing, nothing)).extra == 0.0


def test_momkes_router_shares_each_frame_out_among_the_experts():
    model = small("momke").eval()
    for number, one in enumerate(streams_of(batch(), model.config)):
        read, weights = model.readings(number, one)
        torch.testing.assert_close(weights.sum(-1), torch.ones(one.mask.shape))
        assert weights.std() > 0, "every frame is shared out alike"
        x = model.project[number](one.x)
        for expert in (0, 1):
            torch.testing.assert_close(read[:, :, expert], model.experts[expert](x, one.mask))
    with torch.no_grad():  # a router that is sure of the second expert lets nothing of the first one through
        for router in model.routers:
            router[-1].weight.zero_()
            router[-1].bias.copy_(torch.tensor([-1e4, 1e4]))
    before = predictions(model, batch())
    with torch.no_grad():
        model.experts[0].layers[0].fc1.weight += 1
    assert torch.equal(predictions(model, batch()), before)


@pytest.mark.parametrize("condition, gone, left", [("no-audio", 0, 1), ("no-video", 1, 0)])
def test_momke_takes_nothing_from_an_absent_stream_and_reads_the_other_with_both_experts(condition, gone, left):
    model, data = small("momke").train(), apply_condition(batch(), condition)
    logits = model(data)
    assert logits.weights[0].tolist() == [1.0, float(gone == 1), float(gone == 0)]
    shared_loss(logits, data.target).backward()

    def learns(part):
        return any(p.grad is not None and p.grad.abs().sum() > 0 for p in part.parameters())

    for parts in (model.project, model.routers, model.heads):
        assert learns(parts[left]) and not learns(parts[gone])
    assert learns(model.experts[gone]), "the expert of the absent stream reads the other one"
    joint = seen_by(model.joint, model.eval(), data).unflatten(1, (2, -1))
    assert joint[:, gone].abs().sum() == 0 < joint[:, left].abs().sum()
    assert model(data).weights.tolist() == [[1, 0, 0]] * 3, "in use the joint head answers alone"


def test_p_rmf_trusts_the_stream_that_is_surer():
    deviation = torch.tensor([[[1.0, 0.5], [0.5, 0.5]]] * 3)
    present = torch.tensor([[1.0, 1], [0, 1], [0, 0]]).unsqueeze(-1)
    weights = certainty(2 * deviation.log(), present)
    surer = 1 / (1 + math.exp(1 / 1.0 - 1 / 0.5))
    torch.testing.assert_close(weights[0], torch.tensor([[1 - surer, 0.5], [surer, 0.5]]))
    assert weights[1].tolist() == [[0, 0], [1, 1]] and weights[2].abs().sum() == 0


def test_p_rmfs_divergence_is_that_of_torch():
    generator = torch.Generator().manual_seed(0)
    mean, spread, other_mean, other_spread = torch.randn(4, 5, 3, generator=generator)
    ours = divergence(mean, spread, other_mean, other_spread)
    one, other = (torch.distributions.Normal(m, (s / 2).exp()) for m, s in ((mean, spread), (other_mean, other_spread)))
    torch.testing.assert_close(ours, torch.distributions.kl_divergence(one, other).mean(-1))


def test_p_rmf_takes_no_loss_from_an_absent_stream():
    model, data = small("p-rmf").train(), apply_condition(batch(), "no-video")
    model(data).extra.backward()
    assert model.rebuild[1][0].weight.grad.abs().sum() == 0 < model.rebuild[0][0].weight.grad.abs().sum()
    assert model.gaussian[1].weight.grad.abs().sum() == 0 < model.gaussian[0].weight.grad.abs().sum()
    nothing = torch.ones(3, dtype=torch.bool)
    assert model(without(batch(), nothing, nothing)).extra == 0.0 and model.eval()(data).extra is None


def test_duration_alone_tells_clips_apart_by_their_length_only():
    model, data = small("duration-only"), batch()
    noise = data._replace(audio=torch.randn_like(data.audio), video=torch.randn_like(data.video))
    torch.testing.assert_close(predictions(model, noise), predictions(model, data))
    same = batch(((9, 6), (9, 6)))
    torch.testing.assert_close(*predictions(model, same))
    assert (predictions(model, data)[0] - predictions(model, data)[1]).abs().max() > 1e-4
