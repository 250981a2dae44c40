"""Attributes: Lin's CCC against its formula, as a loss that learns and a score that is computed from sums."""

import numpy as np
import pandas as pd
import pytest
import torch
from auxformer.reports.tables import markdown_table
from conftest import SpeakerSplit, make_task
from hypothesis import given, settings
from hypothesis import strategies as st

from auxformer.config import override
from auxformer.corpora.base import ATTRIBUTES
from auxformer.corpora.labels import scaled, unscaled
from auxformer.data.batch import collate
from auxformer.data.missing import apply_condition
from auxformer.data.split import make_split
from auxformer.data.task import Task
from auxformer.errors import InputError
from auxformer.evaluation.ccc import ccc, ccc_loss, ccc_of, moments
from auxformer.evaluation.intervals import score
from auxformer.evaluation.predictions import predict, prediction_table
from auxformer.evaluation.scores import headline
from auxformer.models import Logits, create_model
from auxformer.training.fit import dev_loss, fit


def lin(p, t):
    """Lin's coefficient of one attribute, from correlation, scale shift and location shift (Lin 1989, section 2)."""
    correlation = np.corrcoef(p, t)[0, 1]
    scale, location = p.std() / t.std(), (p.mean() - t.mean()) / np.sqrt(p.std() * t.std())
    return correlation * 2 / (scale + 1 / scale + location**2)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.1, 3), st.floats(-2, 2))
def test_loss_and_score_are_lins_coefficient(seed, spread, shift):
    rng = np.random.default_rng(seed)
    target = rng.normal(size=(17, 3))
    prediction = shift + spread * (0.5 * target + rng.normal(size=(17, 3)))
    expected = [lin(prediction[:, k], target[:, k]) for k in range(3)]
    np.testing.assert_allclose(ccc(torch.tensor(prediction), torch.tensor(target)), expected, atol=1e-6)
    np.testing.assert_allclose(ccc_of(moments(prediction, target)), expected, atol=1e-6)


def test_it_is_one_for_the_same_and_falls_with_another_mean_or_spread():
    t = torch.linspace(-1, 1, 9).double().unsqueeze(1)
    assert ccc(t, t).item() == pytest.approx(1, abs=1e-6) and ccc(-t, t).item() == pytest.approx(-1, abs=1e-6)
    for other in (t + 0.5, 0.5 * t, 2 * t):  # all of them correlate perfectly
        assert 0 < ccc(other, t).item() < 0.9


def test_where_nothing_varies_there_is_no_agreement_and_no_gradient():
    prediction = torch.full((4, 3), 0.3, requires_grad=True)
    value = ccc(prediction, torch.full((4, 3), 0.3))
    value.sum().backward()
    assert (value == 0).all() and torch.isfinite(prediction.grad).all()
    assert (ccc_of(moments(np.full((4, 1), 2.0), np.full((4, 1), 2.0))) == 0).all()
    assert torch.isfinite(ccc(torch.ones(1, 3), torch.zeros(1, 3))).all()  # a last batch of one clip


def test_clips_of_weight_zero_do_not_count():
    rng = torch.Generator().manual_seed(0)
    prediction, target = torch.randn(8, 3, generator=rng), torch.randn(8, 3, generator=rng)
    weight = torch.tensor([1.0] * 5 + [0.0] * 3)
    assert torch.allclose(ccc(prediction, target, weight), ccc(prediction[:5], target[:5]), atol=1e-6)


def test_sums_of_parts_add_up_to_the_score_of_the_whole():
    rng = np.random.default_rng(1)
    p, t = rng.normal(size=(20, 3)), rng.normal(size=(20, 3))
    np.testing.assert_allclose(ccc_of(moments(p[:7], t[:7]) + moments(p[7:], t[7:])), ccc_of(moments(p, t)))


def test_an_absent_streams_head_is_left_out_of_the_loss():
    rng = torch.Generator().manual_seed(0)
    av, a, v, target = (torch.randn(6, 3, generator=rng) for _ in range(4))
    here = Logits(av, a, v, torch.tensor([[1.0, 1.0, 0.0]] * 6))
    assert ccc_loss(here, target) == ccc_loss(here._replace(v=v + 9), target)
    expected = ((1 - ccc(av, target)).mean() + (1 - ccc(a, target)).mean()) / 3
    assert torch.allclose(ccc_loss(here, target), expected)
    alone = ccc_loss(Logits(target, target, target, torch.ones(6, 3)), target)
    assert alone.abs() < 1e-6  # three perfect heads


def test_scaling_goes_there_and_back():
    assert scaled(np.array([1.0, 3.0, 5.0])).tolist() == [-1, 0, 1]
    assert unscaled(scaled(np.array([1.5, 4.0]))).tolist() == [1.5, 4.0]


@pytest.fixture(scope="module")
def attribute_splits():
    """Each attribute rises with one feature of both streams, on 1..5."""
    audio, video, clips, _ = make_task(per_class=8)
    rng = np.random.default_rng(3)
    ratings = pd.DataFrame(rng.uniform(1, 5, (len(clips), 3)), index=clips.index, columns=list(ATTRIBUTES))
    for clip, row in ratings.iterrows():
        for store in (audio, video):
            store.arrays[clip] = rng.normal(scale=0.3, size=store[clip].shape).astype(np.float32)
            store.arrays[clip][:, :3] += row.to_numpy(np.float32)
    return make_split(audio, video, ratings, clips.speaker, SpeakerSplit)


@pytest.fixture
def config(small_config):
    training = {"epochs": 25, "learning_rate": 1e-2}
    return override(small_config, {"model": {"relative": False}, "training": training})


def test_training_learns_attributes_and_scores_each_under_every_condition(attribute_splits, config, tmp_path):
    run = fit(config, attribute_splits, tmp_path)
    assert run.metrics.train_loss.iloc[-1] < 0.5 * run.metrics.train_loss.iloc[0]
    assert run.metrics.dev_ccc_complete.iloc[-1] > 0.5
    predictions = predict(run.model, attribute_splits.test)
    assert predictions[[f"true-{name}" for name in ATTRIBUTES]].stack().between(1, 5).all()
    speaker = predictions["clip"].str[:2]
    scores = score(predictions.assign(speaker=speaker), ATTRIBUTES, resamples=100)
    assert set(scores.metric) == {"ccc-valence", "ccc-arousal", "ccc-dominance", "ccc"}
    assert set(scores.condition) == {"complete", "no-audio", "no-video"}
    assert (scores.value > 0.4).all(), scores
    complete = predictions[predictions.condition == "complete"]
    by_hand = lin(complete["arousal"].to_numpy(float), complete["true-arousal"].to_numpy(float))
    assert scores.query("condition == 'complete' and metric == 'ccc-arousal'").value.item() == pytest.approx(
        by_hand, abs=1e-6
    )


def test_what_learns_from_classes_is_refused_before_anything_is_trained(attribute_splits, config, tmp_path):
    with pytest.raises(InputError, match="model.synchrony knows classes only"):
        fit(override(config, {"model": {"synchrony": True}}), attribute_splits, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_dev_loss_is_that_of_all_clips_together(attribute_splits, config):
    dev = attribute_splits.dev
    model = create_model("auxformer", config.model, dev.audio.dims, dev.video.dims, 3).eval()
    batch = collate([dev[index] for index in range(len(dev))])
    with torch.no_grad():
        assert dev_loss(model, dev, config.training, "cpu") == pytest.approx(
            ccc_loss(model(batch), batch.target).item(), abs=1e-5
        )


def test_gradients_reach_every_parameter(attribute_splits, config):
    train = attribute_splits.train
    model = create_model("auxformer", config.model, train.audio.dims, train.video.dims, 3)
    batch = collate([train[index] for index in range(12)])
    ccc_loss(model(batch), batch.target).backward()
    assert all(parameter.grad is not None and torch.isfinite(parameter.grad).all() for parameter in model.parameters())
    assert torch.isfinite(ccc_loss(model(apply_condition(batch, "no-audio")), batch.target))


def test_a_prediction_that_is_not_a_number_raises_and_names_the_clip():
    output = np.array([[0.0, 0, 0], [np.nan, 0, 0]])
    with pytest.raises(InputError, match="clip two: the posterior under no-audio"):
        prediction_table(["one", "two"], ["x", "x"], "no-audio", np.zeros((2, 3)), output, ATTRIBUTES)


def test_settings_that_mean_nothing_for_attributes_are_refused(attribute_splits, config, tmp_path):
    with pytest.raises(InputError, match="training.label_smoothing, with attributes, is 0.1"):
        fit(override(config, {"training": {"label_smoothing": 0.1}}), attribute_splits, tmp_path)
    with pytest.raises(InputError, match="classes names classes"):
        Task("anywhere", target="attributes", classes=["angry", "sad"])


def test_a_report_shows_the_mean_ccc():
    rows = [("complete", metric, value, 0.1, 0.9) for metric, value in (("ccc-valence", 0.2), ("ccc", 0.4))]
    table = pd.DataFrame(rows, columns=["condition", "metric", "value", "low", "high"]).assign(
        system="x", partition="p", seed=0
    )
    assert headline(table.metric) == "ccc" and ".400 [.100, .900]" in markdown_table(table)
