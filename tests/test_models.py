from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from auxformer.config import override, preset
from auxformer.data.batch import Batch
from auxformer.data.missing import apply_condition
from auxformer.errors import InputError
from auxformer.models import create_model, list_models, register_model, shared_loss
from auxformer.models.authors import build, convert, parity, read_checkpoint, read_vectors, to_theirs
from auxformer.models.layers import MultiheadAttention, pool_frames, sinusoidal_positions, summarise

VECTORS = sorted((Path(__file__).parent / "parity").glob("*.safetensors"))
OURS = [name for name in list_models() if name != "auxformer-published"]
TEMPORAL = [name for name in OURS if name != "duration-only"]  # which only counts frames
SHAPE = dict(audio_dims=5, video_dims=4, classes=3)


def small(name="auxformer", seed=0, **changes):
    changes = {"width": 8, "heads": 2, "layers": 2, "aux_hidden": [12, 10], "audio_pool": 2, "video_pool": 1, **changes}
    torch.manual_seed(seed)
    config = override(preset("default"), {"model": {"name": name, **changes}}).model
    return create_model(name, config, **SHAPE)


def batch(lengths=((9, 6), (14, 4), (5, 8)), seed=0, dtype=torch.float32) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    count, ta, tv = len(lengths), max(a for a, _ in lengths), max(v for _, v in lengths)
    audio, video = torch.zeros(count, ta, 5, dtype=dtype), torch.zeros(count, tv, 4, dtype=dtype)
    audio_mask, video_mask = torch.zeros(count, ta, dtype=torch.bool), torch.zeros(count, tv, dtype=torch.bool)
    for row, (a, v) in enumerate(lengths):
        audio[row, :a] = torch.randn(a, 5, generator=generator)
        video[row, :v] = torch.randn(v, 4, generator=generator)
        audio_mask[row, :a], video_mask[row, :v] = True, True
    present = torch.ones(count, dtype=torch.bool)
    target = torch.eye(3, dtype=dtype)[torch.arange(count) % 3]
    return Batch(audio, audio_mask, video, video_mask, present, present, target, tuple("abcdefgh"[:count]))


def rows(full: Batch, pick) -> Batch:
    """Some clips of a batch, cut to their own longest."""
    part = Batch(*(value[pick] if torch.is_tensor(value) else tuple(value[i] for i in pick) for value in full))
    ta, tv = part.audio_mask.sum(1).max(), part.video_mask.sum(1).max()
    return part._replace(
        audio=part.audio[:, :ta],
        audio_mask=part.audio_mask[:, :ta],
        video=part.video[:, :tv],
        video_mask=part.video_mask[:, :tv],
    )


def predictions(model, data: Batch) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(data).mean()


# -- parity with the authors' architecture --


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_the_published_form_reproduces_the_parity_vectors(path):
    differences = parity(path)
    assert differences.pop("grad_norm") < 1e-4
    assert len(differences) == 10 and max(differences.values()) < 1e-5, differences


def test_there_are_four_files_of_parity_vectors():
    assert [path.stem for path in VECTORS] == ["causal_paper", "causal_release", "full_paper", "full_release"]


def test_attention_equals_pytorchs_own_with_the_same_parameters():
    torch.manual_seed(0)
    ours, theirs = MultiheadAttention(12, 3, 0.0), nn.MultiheadAttention(12, 3, batch_first=True)
    ours.load_state_dict(theirs.state_dict())
    query, source = torch.randn(2, 5, 12), torch.randn(2, 7, 12)
    visible = torch.rand(5, 7) < 0.7
    visible[:, 0] = True
    expected, weights = theirs(query, source, source, attn_mask=~visible, average_attn_weights=False)
    torch.testing.assert_close(ours(query, source, visible), expected)
    torch.testing.assert_close(ours.weights(query, source, visible), weights)


def test_the_paper_form_has_the_published_number_of_parameters():
    config = preset("paper").model
    model = create_model(config.name, config, 130, 4096, 6)
    assert sum(parameter.numel() for parameter in model.parameters()) == 7_038_632  # FACTS, section 5
    config = preset("release").model
    model = create_model(config.name, config, 1024, 50, 6)
    assert sum(parameter.numel() for parameter in model.parameters()) == 1_162_712


# -- the contract every model keeps --


@pytest.mark.parametrize("name", OURS)
def test_batch_mates_do_not_change_a_prediction(name):
    model, data = small(name), batch()
    together = predictions(model, data)
    for row in range(3):
        torch.testing.assert_close(predictions(model, rows(data, [row]))[0], together[row], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("name", OURS)
def test_extra_padding_does_not_change_a_prediction(name):
    model, data = small(name), batch()
    pad = nn.functional.pad
    longer = data._replace(
        audio=pad(data.audio, (0, 0, 0, 7)), audio_mask=pad(data.audio_mask, (0, 7)),
        video=pad(data.video, (0, 0, 0, 3)), video_mask=pad(data.video_mask, (0, 3)),
    )  # fmt: skip
    torch.testing.assert_close(predictions(model, longer), predictions(model, data), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("name", TEMPORAL)
def test_the_order_of_frames_matters(name):
    model, data = small(name), batch()
    shuffled = data._replace(audio=data.audio.clone(), video=data.video.clone())
    for row in range(3):
        a, v = data.audio_mask[row].sum(), data.video_mask[row].sum()
        shuffled.audio[row, :a], shuffled.video[row, :v] = data.audio[row, :a].flip(0), data.video[row, :v].flip(0)
    assert (predictions(model, shuffled) - predictions(model, data)).abs().max() > 1e-4


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("stream", ["audio", "video"])
def test_the_content_of_an_absent_modality_does_not_matter(name, stream):
    model, data = small(name), batch()
    absent = {f"{stream}_present": torch.zeros(3, dtype=torch.bool)}
    noise = torch.randn_like(getattr(data, stream)) * 5
    one, other = data._replace(**absent), data._replace(**absent, **{stream: noise})
    shorter = other._replace(**{stream: noise[:, :1], f"{stream}_mask": torch.ones(3, 1, dtype=torch.bool)})
    torch.testing.assert_close(predictions(model, one), predictions(model, other), atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(predictions(model, one), predictions(model, shorter), atol=1e-6, rtol=1e-5)
    assert torch.isfinite(predictions(model, one)).all()


@pytest.mark.parametrize("name", list_models())
def test_every_parameter_gets_a_gradient(name):
    published = name == "auxformer-published"
    model = small(
        name, **({"padding": "attended", "absent": "zeros", "summary": "last", "aux_passes": 3} if published else {})
    )
    shared_loss(model.train()(batch()), batch().target).backward()
    without = [key for key, value in model.named_parameters() if value.grad is None or not value.grad.abs().sum() > 0]
    assert not without


@pytest.mark.parametrize("name", list_models())
def test_double_precision_agrees_to_rounding(name):
    model = small(name)
    single = predictions(model, batch())
    double = predictions(
        model.double(), Batch(*(x.double() if torch.is_tensor(x) and x.is_floating_point() else x for x in batch()))
    )
    torch.testing.assert_close(single.double(), double, atol=2e-5, rtol=1e-4)


def test_the_published_form_is_changed_by_its_batch_mates():
    """The defect that our masks mend; should it vanish, lesson 3 tells a wrong story."""
    model = small(
        "auxformer-published", padding="attended", absent="zeros", summary="last", attn_mask=True, positions="cross"
    )
    together = predictions(model, batch())
    alone = predictions(model, rows(batch(), [2]))[0]
    assert (together[2] - alone).abs().max() > 1e-2


# -- pieces --


def test_a_learned_token_stands_for_an_absent_stream_and_learns():
    model, data = small(absent="token"), batch()
    gone = data._replace(audio_present=torch.tensor([True, False, True]))
    noise = gone._replace(audio=gone.audio + 100 * (~gone.audio_present)[:, None, None])
    assert torch.equal(predictions(model, gone), predictions(model, noise)), "the content of an absent stream matters"
    shared_loss(model.train()(gone), gone.target).backward()
    assert model.audio_token.grad.abs().sum() > 0 and model.video_token.grad is None or not model.video_token.grad.any()
    before = predictions(model, gone)
    with torch.no_grad():
        model.audio_token += 3
    changed = (predictions(model, gone) - before).abs().sum(1) > 1e-4
    assert changed.tolist() == [False, True, False], (
        "the token reaches clips that have the stream, or not those that lack it"
    )


def test_the_fusion_head_may_answer_alone_while_all_three_are_trained():
    data, alone, together = batch(), small(answer="fusion"), small()
    alone.load_state_dict(together.state_dict())
    logits = alone.eval()(data)
    assert torch.equal(logits.mean(), logits.av) and not torch.equal(together.eval()(data).mean(), logits.av)
    assert torch.equal(alone.train()(data).weights, together.train()(data).weights), "its auxiliary heads are not trained"


def test_an_absent_stream_leaves_its_head_out_of_the_average():
    data = batch()
    logits = small().eval()(apply_condition(data, "no-audio"))
    torch.testing.assert_close(logits.mean(), (logits.av + logits.v) / 2)
    logits = small(absent="zeros").eval()(apply_condition(data, "no-audio"))
    torch.testing.assert_close(logits.mean(), (logits.av + logits.a + logits.v) / 3)


def test_the_shared_loss_is_the_weighted_sum_of_three_cross_entropies():
    logits, target = small().eval()(batch()), batch().target
    by_hand = [-(target * head.log_softmax(-1)).sum(1).mean() for head in logits[:3]]
    torch.testing.assert_close(shared_loss(logits, target), sum(by_hand) / 3)
    torch.testing.assert_close(shared_loss(logits, target, (0.0, 1.0, 0.0)), by_hand[1])


def test_positions_start_at_one_and_skip_frames_whose_first_feature_is_zero():
    x = torch.ones(1, 3, 4)
    x[0, 1, 0] = 0
    table = sinusoidal_positions(x)[0]
    torch.testing.assert_close(table[0], torch.tensor([1.0, 1e-4, 1.0, 1e-4]).where(torch.tensor([False] * 4), torch.cat([torch.tensor([1.0, 1e-4]).sin(), torch.tensor([1.0, 1e-4]).cos()])))  # fmt: skip
    assert table[1].abs().sum() == 0
    torch.testing.assert_close(table[2], torch.cat([torch.tensor([3.0, 3e-4]).sin(), torch.tensor([3.0, 3e-4]).cos()]))


def test_pooling_averages_valid_frames_only():
    x = torch.tensor([[[1.0], [3.0], [5.0], [100.0]]])
    pooled, mask = pool_frames(x, torch.tensor([[True, True, True, False]]), 2)
    assert pooled.flatten().tolist() == [2.0, 5.0] and mask.tolist() == [[True, True]]
    pooled, mask = pool_frames(x, torch.tensor([[True, True, False, False]]), 2)
    assert mask.tolist() == [[True, False]]


def test_summaries_read_valid_frames_only():
    x, mask = torch.arange(8.0).reshape(2, 4, 1), torch.tensor([[True, True, False, False], [True] * 4])
    assert summarise(x, mask, "last").flatten().tolist() == [1.0, 7.0]
    assert summarise(x, mask, "mean").flatten().tolist() == [0.5, 5.5]
    assert summarise(x, None, "last").flatten().tolist() == [3.0, 7.0]


@pytest.mark.parametrize("key", ["attn", "cross_attn", "relu", "res", "embed", "out"])
def test_each_dropout_changes_training_and_only_training(key):
    quiet = {f"{other}_dropout": 0.0 for other in ("attn", "cross_attn", "relu", "res", "embed", "out")}
    model, plain = small(**{**quiet, f"{key}_dropout": 0.5}), small(**quiet)
    torch.testing.assert_close(predictions(model, batch()), predictions(plain, batch()))
    one, two = model.train()(batch()).mean(), model.train()(batch()).mean()
    assert (one - two).abs().max() > 1e-4
    torch.testing.assert_close(plain.train()(batch()).mean(), plain.eval()(batch()).mean())


@pytest.mark.parametrize(
    "change",
    [{"relative": False}, {"attn_mask": True}, {"scale_input": True}, {"positions": "cross"}, {"padding": "attended"}, {"summary": "last"}, {"aux_passes": 3}, {"audio_pool": 1}, {"video_pool": 2}],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_each_switch_changes_the_prediction(change):
    assert (predictions(small(**change), batch()) - predictions(small(), batch())).abs().max() > 1e-5


def test_an_unknown_model_raises_and_names_the_nearest():
    with pytest.raises(InputError, match='Did you mean "auxformer"'):
        create_model("auxfromer", preset("default").model, **SHAPE)


def test_a_model_of_ones_own_is_registered_in_a_line():
    @register_model("mine")
    def mine(config, audio_dims, video_dims, classes):
        """My model."""
        return nn.Identity()

    assert list_models("min*") == {"mine": "My model."}
    assert isinstance(create_model("mine", preset("default").model, **SHAPE), nn.Identity)
    from auxformer.models import registry

    del registry._MODELS["mine"]


# -- the authors' checkpoints --


def theirs(path):
    return {
        name.removeprefix("weights."): value
        for name, value in read_vectors(path)[0].items()
        if name.startswith("weights.")
    }


def test_a_checkpoint_converts_and_gives_the_same_logits(tmp_path):
    path = VECTORS[0]
    torch.save({"state_dict": theirs(path)}, tmp_path / "theirs.pt")
    model = convert(tmp_path / "theirs.pt", tmp_path / "ours.safetensors", heads=4)
    tensors = read_vectors(path)[0]
    data = batch(((17, 9),) * 4)._replace(audio=tensors["audio"], video=tensors["video"])
    torch.testing.assert_close(model(data).av.detach(), tensors["full.logits_av"], atol=1e-5, rtol=0)
    again = build(theirs(path), {"num_heads": "4"})
    state, metadata = read_vectors(tmp_path / "ours.safetensors")
    again.load_state_dict(state)
    assert metadata["num_heads"] == "4"


def test_names_map_both_ways():
    model = build(theirs(VECTORS[0]), {"num_heads": "4"})
    back = {to_theirs(name) for name in model.state_dict()}
    assert back == {name for name in theirs(VECTORS[0]) if not name.endswith((".version", "._float_tensor"))}


class Malicious:
    def __reduce__(self):
        return (open, ("pwned", "w"))


def test_a_checkpoint_that_holds_code_is_refused_and_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": Malicious()}, tmp_path / "evil.pt")
    with pytest.raises(InputError, match="evil.pt: holds more than tensors"):
        read_checkpoint(tmp_path / "evil.pt")
    assert not (tmp_path / "pwned").exists()


def test_wrong_weights_are_refused_in_a_sentence(tmp_path):
    with pytest.raises(InputError, match="no such checkpoint"):
        read_checkpoint(tmp_path / "none.pt")
    (tmp_path / "text.safetensors").write_text("hello")
    with pytest.raises(InputError, match="not a readable safetensors"):
        read_checkpoint(tmp_path / "text.safetensors")
    with pytest.raises(InputError, match="not an AuxFormer"):
        build({"layer.weight": torch.zeros(2)})
    broken = theirs(VECTORS[0])
    del broken["a_mem.layers.0.fc1.bias"]
    with pytest.raises(InputError, match="do not fit"):
        build(broken, {"num_heads": "4"})


def test_replacing_one_setting_leaves_the_others():
    config = preset("default").model
    assert replace(config, layers=3).width == config.width
