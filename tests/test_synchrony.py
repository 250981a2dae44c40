"""The third auxiliary task: it finds lags that nobody told it of, and what it finds is told."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from auxformer.benchmark.gpu import random_batch
from auxformer.config import config_for, list_presets, override, preset
from auxformer.course.lab import learn_synchrony
from auxformer.data.batch import collate
from auxformer.errors import InputError
from auxformer.evaluation.predictions import predict
from auxformer.models import create_model, shared_loss
from auxformer.models.synchrony import LAGS, TOLERANCE, InStep, Synchrony, same_pace
from auxformer.recognise import Step, recognise, step_notes
from auxformer.training.fit import fit

SMALL = replace(preset("default").model, width=16, heads=2, layers=1, aux_hidden=(16, 16), synchrony=True, audio_pool=2, video_pool=2)


def moved(rng, lag: int, clips: int, frames: int = 60, dims: int = 6):
    """Voices and faces `[clips, frames, dims]` that show one hidden movement, the face `lag` frames later, with noise and a
    level of their own."""
    hidden = rng.normal(size=(clips, frames + 2 * LAGS, 3))
    hidden = (hidden + np.roll(hidden, 1, 1) + np.roll(hidden, 2, 1)) / 1.7
    mix = np.random.default_rng(0).normal(size=(2, 3, dims))
    voice = hidden[:, LAGS : LAGS + frames] @ mix[0]
    face = hidden[:, LAGS - lag : LAGS - lag + frames] @ mix[1]
    streams = (x + 0.5 * rng.normal(size=x.shape) + rng.normal(size=(clips, 1, dims)) for x in (voice, face))
    return [torch.tensor(x, dtype=torch.float32) for x in streams]


@pytest.fixture(scope="module")
def trained():
    """The task alone, taught for a moment on clips that are all in step."""
    torch.manual_seed(0)
    task, rng = Synchrony(SMALL, 6, 6), np.random.default_rng(1)
    optimizer = torch.optim.Adam(task.parameters(), 3e-3)
    for _ in range(120):
        optimizer.zero_grad()
        task.pretext(*moved(rng, 0, 32), torch.full((32,), 60)).backward()
        optimizer.step()
    return task.eval()


@pytest.mark.parametrize("lag", [-12, -5, 0, 3, 10])
def test_it_finds_a_lag_that_it_was_never_taught(trained, lag):
    mask = torch.ones(40, 60, dtype=torch.bool)
    with torch.no_grad():
        found = trained.scores(*moved(np.random.default_rng(2), lag, 40), mask).argmax(1) - LAGS
    assert (found - lag).abs().median() <= 1 and ((found - lag).abs() <= 2).float().mean() > 0.8


def test_the_ends_of_a_clip_give_nothing_away(trained):
    # two clips that have nothing to do with each other, cut at the same place: no lag is likelier than the others on average
    rng, mask = np.random.default_rng(3), torch.ones(200, 60, dtype=torch.bool)
    voice, face = moved(rng, 0, 200)[0], moved(rng, 0, 200)[1]
    with torch.no_grad():
        lags = trained.scores(voice, face, mask).softmax(1).mean(0)
    near = lags[LAGS - TOLERANCE : LAGS + TOLERANCE + 1].mean()
    assert 0.3 < near / lags.mean() < 3


def test_in_step_is_told_from_out_of_step(trained):
    rng, truth, said = np.random.default_rng(4), [], []
    for lag in [0] * 4 + [-10, -7, 6, 9]:
        voice, face = moved(rng, lag, 20)
        with torch.no_grad():
            lags = trained.scores(voice, face, torch.ones(20, 60, dtype=torch.bool)).softmax(1)
        said += InStep(lags, torch.ones(20), None).probability().tolist()
        truth += [lag == 0] * 20
    assert roc_auc_score(truth, said) > 0.95
    assert ((np.array(said) > 0.5) == truth).mean() > 0.9


def test_before_anything_is_seen_in_step_and_out_of_step_are_equally_likely():
    count = 2 * LAGS + 1
    step = InStep(torch.full((1, count), 1 / count), torch.ones(1), None)
    assert step.probability().item() == pytest.approx(0.5)
    sure = torch.zeros(2, count)
    sure[0, LAGS + 1], sure[1, LAGS - 8] = 1, 1
    step = InStep(sure, torch.tensor([1.0, 0.0]), None)
    assert step.probability()[0] == 1 and step.lag()[0] == 1
    assert step.probability()[1].isnan() and step.lag()[1].isnan() and step.told()[1].tolist() == [0, 0]


def test_streams_of_other_frame_rates_are_laid_beside_each_other():
    ramp = torch.arange(10.0).reshape(1, 10, 1)
    mask = torch.ones(1, 10, dtype=torch.bool)
    assert torch.equal(same_pace(ramp, mask, mask), ramp)
    like = torch.zeros(1, 24, dtype=torch.bool)
    like[:, :20] = True
    twice = same_pace(ramp, mask, like)[0, :20, 0]
    assert torch.allclose(twice[1:-1], torch.arange(1, 19) / 2 - 0.25) and twice[0] == 0 and twice[-1] == 9


def test_every_lag_is_drawn_equally_often_and_the_windows_stay_inside(monkeypatch):
    drawn = []
    task = Synchrony(SMALL, 2, 2)

    def scores(audio, video, mask):
        # frames carry their own place, so that the lag can be read from what was cut
        drawn.extend((audio[:, 0, 0] - video[:, 0, 0]).long().tolist())
        assert mask.sum(1).tolist() == [42] * len(mask)
        assert min(audio[..., 0].min(), video[..., 0].min()) >= 0 and max(audio[..., 0].max(), video[..., 0].max()) <= 59
        return torch.zeros(len(audio), 2 * LAGS + 1, requires_grad=True)

    monkeypatch.setattr(task, "scores", scores)
    places = torch.arange(60.0).reshape(1, 60, 1).expand(2000, 60, 2)
    task.pretext(places, places, torch.full((2000,), 60))
    counts = np.bincount(np.array(drawn) + 18, minlength=37)
    assert len(counts) == 37 and counts.min() > 25 and counts.max() < 90  # 54 on average


def test_published_forms_have_no_such_task_and_digests_of_older_runs_stay():
    assert not any(preset(name).model.synchrony for name in list_presets())
    on = override(preset("default"), {"model": {"synchrony": True}})
    assert on.digest() != preset("default").digest()
    assert config_for("auxformer-published", on).model.synchrony
    network = create_model("auxformer-published", replace(SMALL, synchrony=True), 5, 7, 4)
    assert network.synchrony is None


def test_it_says_nothing_where_a_stream_is_absent_and_everything_else_stays_finite():
    torch.manual_seed(0)
    network = create_model("auxformer", SMALL, 5, 7, 6)
    batch = random_batch(6, 80, 5, 64, 7)._replace(audio_present=torch.tensor([True, True, False, False, True, True]))
    batch = batch._replace(video_present=torch.tensor([True, False, True, False, True, True]))
    logits = network.train()(batch)
    assert logits.in_step.isnan().tolist() == [False, True, True, True, False, False]
    shared_loss(logits, batch.target).backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)
    nobody = batch._replace(audio_present=torch.zeros(6, dtype=torch.bool))
    assert torch.isfinite(shared_loss(network(nobody), batch.target))


def test_it_learns_without_the_labels_and_they_do_not_teach_it():
    torch.manual_seed(0)
    network = create_model("auxformer", SMALL, 5, 7, 6).train()
    batch = random_batch(6, 80, 5, 64, 7)
    with torch.no_grad():
        for name in ("scale", "shift", "voices"):
            getattr(network.synchrony, name).normal_()
    logits = network(batch)
    torch.nn.functional.cross_entropy(logits.mean(), batch.target).backward()
    assert all(p.grad is None or not p.grad.any() for p in network.synchrony.audio.parameters())
    assert network.synchrony.scale.grad.any()
    network.zero_grad()
    network(batch).extra.backward()
    assert all(p.grad.any() for p in network.synchrony.audio.parameters())
    assert network.synchrony.voices.grad.any() and network.out_layer.weight.grad is None


def test_its_answer_stands_in_the_predictions(tiny_split):
    dataset = tiny_split.test
    table = predict(network_for(dataset, replace(SMALL, audio_pool=8)), dataset, "basic")
    complete, without = table[table.condition == "complete"], table[table.condition == "no-audio"]
    assert complete.in_step.between(0, 1).all() and complete.lag.abs().le(LAGS).all()
    assert without.in_step.isna().all() and without.lag.isna().all()
    assert not {"in_step", "lag"} & set(predict(network_for(dataset, replace(SMALL, synchrony=False)), dataset))


def network_for(dataset, config):
    torch.manual_seed(0)
    return create_model("auxformer", config, dataset.audio.dims, dataset.video.dims, len(dataset.classes))


def test_a_film_of_ones_own_is_asked_too_and_the_lag_is_in_seconds(tiny_split, tmp_path):
    shape = {"width": 8, "heads": 2, "layers": 1, "aux_hidden": [8, 8], "synchrony": True}
    run = fit(override(preset("quick"), {"model": shape, "training": {"epochs": 1, "device": "cpu"}}), tiny_split, tmp_path / "run", False)
    recogniser = run.recogniser()
    found = recognise(tiny_split.task.corpus.clips.video.iloc[0], recogniser)
    assert 0 <= found.step.in_step <= 1 and abs(found.step.lag) <= LAGS * 0.04 + 1e-6
    assert round(found.step.lag / 0.04, 3).is_integer()
    assert recogniser.step(found.features.without("video")) is None
    plain = replace(recogniser, model=network_for(tiny_split.test, replace(SMALL, synchrony=False)))
    assert plain.step(found.features) is None


def test_out_of_step_is_said_in_a_sentence():
    assert step_notes(None) == step_notes(Step(0.9, 0.4)) == ()
    assert "the face comes 0.32 s later" in step_notes(Step(0.1, 0.32))[0]
    assert "the voice comes 0.40 s later" in step_notes(Step(0.1, -0.4))[0]


def test_a_lesson_teaches_the_task_alone_on_puppets_that_it_is_then_asked_about(tiny_split):
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    task = learn_synchrony(tiny_split, epochs=25)
    assert torch.rand(1) == expected and not task.training, "the caller's draws are left alone"
    test = tiny_split.test
    batch = collate([test[index] for index in range(len(test))])
    with torch.no_grad():
        said = task(batch)
    assert (said.lag().abs() <= TOLERANCE).float().mean() > 0.7  # chance: 7 of 49
    again = learn_synchrony(tiny_split, epochs=1).state_dict()
    assert all(torch.equal(value, again[name]) for name, value in learn_synchrony(tiny_split, epochs=1).state_dict().items())


def test_where_it_would_do_nothing_it_is_refused_before_there_is_a_folder(tiny_split, tmp_path):
    wanted = override(preset("quick"), {"model": {"synchrony": True}})
    with pytest.raises(InputError, match="mult has no such task"):
        fit(config_for("mult", wanted), tiny_split, tmp_path / "mult")
    with pytest.raises(InputError, match="auxformer-published has no such task"):
        fit(config_for("auxformer-published", wanted), tiny_split, tmp_path / "published")
    apart = override(wanted, {"training": {"missing_audio": 0.5, "missing_video": 0.5}})
    with pytest.raises(InputError, match="no training clip has both"):
        fit(config_for("auxformer", apart), tiny_split, tmp_path / "apart")
    assert not list(tmp_path.iterdir())
