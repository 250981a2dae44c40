"""OGM-GE: who leads, what is taken from whom, and who is refused."""

import math

import pytest
import torch
from test_models import SHAPE, batch, small

from auxformer.config import override, preset
from auxformer.data.missing import apply_condition
from auxformer.errors import InputError
from auxformer.models import Logits, list_models, shared_loss
from auxformer.models.balance import Balance, OgmGe, coefficients, create_balance, stream_parameters
from auxformer.training.fit import fit

WITH_HEADS = {"auxformer", "auxformer-published", "decision-fusion", "momke", "vavl"} & set(list_models())


class Alone:
    """An accelerator of one process."""

    @staticmethod
    def reduce(values, how):
        assert how == "sum"
        return values


def logits_of(audio: list, video: list, rows: int) -> Logits:
    """Heads that give class 0 these probabilities, of three classes."""
    heads = [torch.tensor([[p, (1 - p) / 2, (1 - p) / 2] for p in shares]).log() for shares in (audio, video)]
    return Logits(torch.zeros(rows, 3), *heads, torch.ones(rows, 3))


def test_the_coefficient_is_that_of_the_paper():
    assert coefficients(0.9, 0.6, 0.5) == pytest.approx((1 - math.tanh(0.75), 1.0))
    assert coefficients(0.6, 0.9, 0.5) == pytest.approx((1.0, 1 - math.tanh(0.75)))
    assert coefficients(0.7, 0.7, 0.5) == (1.0, 1.0), "neither leads"
    assert coefficients(0.9, 0.6, 0.0) == (1.0, 1.0)
    assert coefficients(0.5, 0.0, 0.1) == pytest.approx((0.0, 1.0)), "a score of 0 is no division by 0"


def test_scores_are_probabilities_of_the_truth_over_clips_with_both_streams():
    target = torch.tensor([[1.0, 0, 0]] * 3)
    data = batch()._replace(target=target, video_present=torch.tensor([True, True, False]))
    law = OgmGe(0.5, {"audio": [], "video": []})
    law.start(0, "cpu")
    law.see(logits_of([0.8, 0.4, 0.9], [0.2, 0.3, 0.9], 3), data)
    torch.testing.assert_close(law.scores, torch.tensor([1.2, 0.5]))
    law.see(logits_of([0.1, 0.1, 0.9], [0.1, 0.3, 0.9], 3), data)  # another part of the same batch
    torch.testing.assert_close(law.scores, torch.tensor([1.4, 0.9]))


def gradients_after(leader: str, alpha: float = 0.5, seed: int = 0, epoch: int = 0):
    """Gradients of a small AuxFormer before and after a step in which a stream leads, three times as sure."""
    model = small(width=12).train()  # neither stream has this width: both are projected
    shared_loss(model(batch()), batch().target).backward()
    before = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    law = OgmGe(alpha, stream_parameters(small(width=12), **SHAPE), seed)
    law.start(epoch, "cpu")
    sure, unsure = [0.9] * 3, [0.3] * 3
    one, other = (sure, unsure) if leader == "audio" else (unsure, sure)
    law.see(logits_of(one, other, 3), batch()._replace(target=torch.tensor([[1.0, 0, 0]] * 3)))
    law.scale(model, Alone)
    assert law.scores.tolist() == [0, 0], "the next batch begins anew"
    return before, {name: parameter.grad for name, parameter in model.named_parameters()}


@pytest.mark.parametrize("leader, own", [("audio", {"conv_1d_a", "a_mem"}), ("video", {"conv_1d_v", "v_mem"})])
def test_only_the_gradient_of_the_stream_that_leads_is_changed(leader, own):
    before, after = gradients_after(leader)
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed == own, "neither the fusion network, nor the shared head, nor the other stream"


def test_it_is_multiplied_and_gets_noise_as_wide_as_itself():
    before, after = gradients_after("audio")
    large = max((name for name in before if name.startswith("a_mem")), key=lambda name: before[name].numel())
    noise = after[large] - (1 - math.tanh(1.5)) * before[large]
    assert float(noise.std() / before[large].std()) == pytest.approx(1.0, abs=0.2)
    assert abs(float(noise.mean() / before[large].std())) < 0.2
    assert torch.equal(gradients_after("audio")[1][large], after[large]), "the noise follows the seed and the epoch"
    assert not torch.equal(gradients_after("audio", epoch=1)[1][large], after[large])
    assert not torch.equal(gradients_after("audio", seed=1)[1][large], after[large])


@pytest.mark.parametrize("alpha, condition", [(0.0, "complete"), (0.5, "no-video")])
def test_where_nobody_leads_nothing_is_changed(alpha, condition):
    model, law = small().train(), OgmGe(alpha, stream_parameters(small(), **SHAPE))
    data = apply_condition(batch(), condition)
    logits = model(data)
    shared_loss(logits, data.target).backward()
    before = [parameter.grad.clone() for parameter in model.parameters()]
    law.start(0, "cpu")
    law.see(logits, data)
    law.scale(model, Alone)
    assert all(torch.equal(one, parameter.grad) for one, parameter in zip(before, model.parameters()))


@pytest.mark.parametrize("name", list_models())
def test_a_model_has_stream_heads_or_is_refused(name):
    if name in WITH_HEADS:
        audio, video = stream_parameters(small(name), **SHAPE).values()
        assert audio and video and not set(audio) & set(video)
    else:
        with pytest.raises(InputError, match="compares the heads of the two streams"):
            stream_parameters(small(name), **SHAPE)


def test_of_vavl_the_shared_layers_belong_to_nobody():
    names = stream_parameters(small("vavl"), **SHAPE)
    for number, stream in enumerate(("audio", "video")):
        parts = {".".join(name.split(".")[:2]) for name in names[stream]}
        assert parts == {f"project.{number}", f"own.{number}", f"heads.{number}"}


def ogm_ge(config, **training):
    return override(config, {"training": {"balance": "ogm-ge", "balance_alpha": 0.5, **training}})


def test_a_refused_run_leaves_nothing_behind(splits, small_config, tmp_path):
    config = ogm_ge(override(small_config, {"model": {"name": "mult"}}))
    with pytest.raises(InputError, match=r"this model has none: take one that has them \(auxformer"):
        fit(config, splits, tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_attributes_and_clips_of_one_stream_are_refused(splits, small_config, monkeypatch):
    monkeypatch.setattr(splits.train, "kind", "attributes")
    with pytest.raises(InputError, match="attributes have none"):
        create_balance(ogm_ge(small_config), splits.train)
    monkeypatch.undo()
    mute = splits.train.with_(audio=type(splits.train.audio)("none", {"elsewhere": splits.train.audio[splits.train.clips[0]]}))
    with pytest.raises(InputError, match="no training clip has both"):
        create_balance(ogm_ge(small_config), mute)


def test_a_law_leaves_the_random_state_alone(splits, small_config):
    assert type(create_balance(small_config, splits.train)) is Balance
    for config in (small_config, ogm_ge(small_config)):
        torch.manual_seed(3)
        expected = torch.rand(2)
        torch.manual_seed(3)
        create_balance(config, splits.train)
        assert torch.equal(torch.rand(2), expected)


def test_it_trains_the_same_way_twice_otherwise_than_without_and_whole_after_a_kill(splits, small_config, tmp_path, monkeypatch):
    config = ogm_ge(small_config)
    one = fit(config, splits, tmp_path / "one", progress=False)
    plain = fit(small_config, splits, tmp_path / "plain", progress=False)
    from auxformer.training import fit as module

    whole, done = module._Trainer._epoch, []

    def killed(self, epoch):
        if epoch == 1 and not done:
            done.append(epoch)
            raise KeyboardInterrupt
        return whole(self, epoch)

    monkeypatch.setattr(module._Trainer, "_epoch", killed)
    with pytest.raises(KeyboardInterrupt):
        fit(config, splits, tmp_path / "two", progress=False)
    two = fit(config, splits, tmp_path / "two", progress=False)
    weights = one.model.state_dict()
    assert all(torch.equal(weights[key], value) for key, value in two.model.state_dict().items())
    assert not torch.equal(weights["conv_1d_a.weight"], plain.model.state_dict()["conv_1d_a.weight"])


def test_the_batch_may_be_divided(splits, small_config, tmp_path):
    """Scores are of the whole batch, so that who leads does not depend on its parts."""
    quiet = {f"{part}_dropout": 0.0 for part in ("relu", "res", "embed", "out")}
    config = override(ogm_ge(small_config, epochs=1), {"model": quiet})
    one = fit(config, splits, tmp_path / "one", progress=False).model.state_dict()
    two = fit(ogm_ge(config, accumulate=3), splits, tmp_path / "two", progress=False).model.state_dict()
    for name in one:
        torch.testing.assert_close(one[name], two[name], atol=2e-4, rtol=1e-2)


def test_the_length_of_each_streams_gradient_is_that_of_the_parameters_it_owns():
    model, names = small(width=12).train(), stream_parameters(small(width=12), **SHAPE)
    law, expected = Balance(names), []
    law.start(0, "cpu")
    for condition in ("complete", "no-video"):
        model.zero_grad()
        data = apply_condition(batch(), condition)
        shared_loss(model(data), data.target).backward()
        law.scale(model, Alone)
        of = dict(model.named_parameters())
        expected.append([math.sqrt(sum(float((of[name].grad ** 2).sum()) for name in own)) for own in names.values()])
    assert expected[1][1] == 0 < min(expected[0])  # a face that no clip has teaches nothing
    audio, video = ((one + two) / 2 for one, two in zip(*expected))
    assert law.norms() == pytest.approx({"gradient_audio": audio, "gradient_video": video}, rel=1e-5)
    law.start(1, "cpu")
    assert law.norms() == {}


def test_the_metrics_of_a_run_have_a_length_per_stream_where_streams_have_heads(splits, small_config, tmp_path):
    run = fit(small_config, splits, tmp_path / "two", progress=False)
    assert (run.metrics[["gradient_audio", "gradient_video"]] > 0).all().all() and len(run.metrics) == 2
    alone = fit(override(small_config, {"model": {"name": "mult"}}), splits, tmp_path / "one", progress=False)
    assert not [name for name in alone.metrics if "gradient" in name]


def test_of_a_finished_run_nothing_is_asked_about_gradients_again(splits, small_config, tmp_path, monkeypatch):
    fit(small_config, splits, tmp_path, progress=False)
    monkeypatch.setattr("auxformer.training.fit.create_balance", None)
    assert len(fit(small_config, splits, tmp_path, progress=False).metrics) == 2


def test_its_settings_are_checked_and_count_once_they_are_used():
    with pytest.raises(InputError, match=r"training\.balance"):
        override(preset("default"), {"training": {"balance": "ogm"}})
    with pytest.raises(InputError, match=r"training\.balance_alpha"):
        override(preset("default"), {"training": {"balance_alpha": -1.0}})
    assert ogm_ge(preset("default")).digest() not in (
        preset("default").digest(), ogm_ge(preset("default"), balance_alpha=0.1).digest(),
    )  # fmt: skip
