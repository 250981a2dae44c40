import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import SpeakerSplit, make_task
from safetensors.torch import load_file

from auxformer.benchmark.runs import list_runs
from auxformer.config import override, preset
from auxformer.data.split import make_split
from auxformer.errors import InputError, TrainingError
from auxformer.evaluation.predictions import predict
from auxformer.models import create_model
from auxformer.training import fit as training
from auxformer.training import state as checkpoints
from auxformer.training.fit import dev_loss, fit, learning_rate, make_optimizer
from auxformer.training.run import load, read_metrics


def weights(folder):
    return load_file(folder / "model.safetensors")


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_training_learns_what_can_be_learned(splits, small_config, tmp_path):
    config = override(small_config, {"training": {"epochs": 25, "learning_rate": 5e-3}})
    run = fit(config, splits, tmp_path)
    predictions = predict(run.model, splits.test)
    right = (predictions.truth == predictions.predicted).groupby(predictions.condition).mean()
    assert (right > 0.7).all(), right  # chance is a third
    assert run.metrics.train_loss.iloc[-1] < run.metrics.train_loss.iloc[0]


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(splits, small_config, tmp_path):
    for name in ("a", "b"):
        fit(small_config, splits, tmp_path / name)
    fit(override(small_config, {"training": {"seed": 1}}), splits, tmp_path / "c")
    assert same(weights(tmp_path / "a"), weights(tmp_path / "b"))
    assert not same(weights(tmp_path / "a"), weights(tmp_path / "c"))


def test_fitting_leaves_global_random_state_alone(splits, small_config, tmp_path):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    fit(small_config, splits, tmp_path)
    assert torch.equal(before, torch.get_rng_state())


def test_a_finished_run_is_read_back_not_run_again(splits, small_config, tmp_path, monkeypatch):
    first = fit(small_config, splits, tmp_path)
    monkeypatch.setattr(training, "_Trainer", None)
    again = fit(small_config, splits, tmp_path)
    assert same(first.model.state_dict(), again.model.state_dict())
    assert predict(first.model, splits.dev).equals(predict(again.model, splits.dev))


def test_a_folder_of_another_config_is_refused(splits, small_config, tmp_path):
    fit(small_config, splits, tmp_path)
    with pytest.raises(InputError, match="another config"):
        fit(override(small_config, {"training": {"epochs": 3}}), splits, tmp_path)


def test_stopped_between_epochs_and_continued_equals_uninterrupted(splits, small_config, tmp_path, monkeypatch):
    config = override(small_config, {"training": {"epochs": 5}})
    fit(config, splits, tmp_path / "whole")

    class Stop(Exception):
        pass

    original = training._Trainer._epoch

    def stopping(self, epoch):
        if epoch == 3:
            raise Stop
        return original(self, epoch)

    monkeypatch.setattr(training._Trainer, "_epoch", stopping)
    with pytest.raises(Stop):
        fit(config, splits, tmp_path / "halves")
    monkeypatch.setattr(training._Trainer, "_epoch", original)
    fit(config, splits, tmp_path / "halves")
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "halves"))
    lines = [(tmp_path / name / "metrics.jsonl").read_text().splitlines() for name in ("whole", "halves")]
    losses = [[json.loads(line)["train_loss"] for line in part] for part in lines]
    assert losses[0] == losses[1] and len(losses[0]) == 5


SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from conftest import SpeakerSplit, make_task
from auxformer.config import Config
from auxformer.data.split import make_split
from auxformer.training.fit import fit
audio, video, clips, targets = make_task()
print("ready", flush=True)
fit(Config.load({config!r}), make_split(audio, video, targets, clips.speaker, SpeakerSplit), Path(sys.argv[1]))
"""

NO_DROPOUT = {"attn_dropout": 0.0, "cross_attn_dropout": 0.0, "relu_dropout": 0.0, "res_dropout": 0.0, "embed_dropout": 0.0, "out_dropout": 0.0}  # fmt: skip


def close(one, other, tolerance=1e-5):
    return one.keys() == other.keys() and all(torch.allclose(one[name], other[name], atol=tolerance) for name in one)


def test_a_batch_in_parts_is_the_same_batch(splits, small_config, tmp_path):
    whole = override(small_config, {"model": NO_DROPOUT, "training": {"batch_size": 14, "optimizer": "sgd"}})
    parts = override(whole, {"training": {"accumulate": 4}})  # 14 clips in parts of 4, 4, 3 and 3
    first, second = fit(whole, splits, tmp_path / "whole"), fit(parts, splits, tmp_path / "parts")
    assert np.allclose(first.metrics.train_loss, second.metrics.train_loss, atol=1e-6)
    assert close(weights(tmp_path / "whole"), weights(tmp_path / "parts"))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_two_processes_give_the_curve_of_one(splits, small_config, tmp_path):
    config = override(small_config, {"model": NO_DROPOUT, "training": {"batch_size": 13, "optimizer": "sgd"}})
    config.save(tmp_path / "config.toml")
    script = tmp_path / "train.py"
    script.write_text(SCRIPT.format(tests=str(Path(__file__).parent), config=str(tmp_path / "config.toml")))
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", str(free_port())]
    done = subprocess.run(
        [*launch, str(script), str(tmp_path / "two")],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("ready") == 2, "two processes were asked for"
    one = fit(config, splits, tmp_path / "one")
    two = read_metrics(tmp_path / "two")
    assert np.allclose(one.metrics.train_loss, two.train_loss, atol=1e-5)
    assert np.allclose(one.metrics.dev_loss, two.dev_loss, atol=1e-5)
    assert close(weights(tmp_path / "one"), weights(tmp_path / "two"))


def test_half_the_bits_train_nearly_as_well_and_weights_stay_float32(splits, small_config, tmp_path):
    config = override(small_config, {"training": {"epochs": 15, "learning_rate": 5e-3, "precision": "bf16"}})
    run = fit(config, splits, tmp_path)
    assert {value.dtype for value in weights(tmp_path).values()} == {torch.float32}
    predictions = predict(run.model, splits.test, ["complete"])
    assert (predictions.truth == predictions.predicted).mean() > 0.7


def test_the_last_checkpoints_are_kept_when_asked_for(splits, small_config, tmp_path):
    fit(override(small_config, {"training": {"epochs": 4, "keep": 2}}), splits, tmp_path)
    assert sorted(path.name for path in (tmp_path / "state").iterdir()) == ["epoch-00003", "epoch-00004"]
    fit(override(small_config, {"training": {"epochs": 2}}), splits, tmp_path / "one")
    assert not (tmp_path / "one" / "state").exists() and (tmp_path / "one" / "model.safetensors").exists()


def test_runs_are_listed_with_their_state(splits, small_config, tmp_path, monkeypatch):
    fit(small_config, splits, tmp_path / "done")
    monkeypatch.setattr(training._Trainer, "_save", _stop_after_saving(training._Trainer._save))
    with pytest.raises(KeyboardInterrupt):
        fit(small_config, splits, tmp_path / "half")
    table = list_runs(tmp_path).set_index("run")
    assert table.state.to_dict() == {"done": "finished", "half": "stopped"}
    assert table.epochs.to_dict() == {"done": "2/2", "half": "1/2"}
    assert table.config["done"] == small_config.digest() and 0 < table.dev["done"] <= 1
    assert list_runs(tmp_path / "nowhere").empty


def _stop_after_saving(save):
    def stop(trainer, epoch):
        save(trainer, epoch)
        raise KeyboardInterrupt

    return stop


def test_deterministic_algorithms_are_on_during_a_run_only(splits, small_config, tmp_path, monkeypatch):
    seen = []
    original = training.collate
    monkeypatch.setattr(
        training,
        "collate",
        lambda items: (seen.append(torch.are_deterministic_algorithms_enabled()), original(items))[1],
    )
    fit(override(small_config, {"training": {"deterministic": True, "epochs": 1}}), splits, tmp_path)
    assert seen and all(seen) and not torch.are_deterministic_algorithms_enabled()


def test_a_loss_that_is_not_a_number_stops_with_the_step_and_the_clips(small_config, tmp_path):
    audio, video, clips, targets = make_task()
    audio.arrays["01-sad-2"][3, 1] = np.nan
    with pytest.raises(TrainingError, match=r"epoch 1, step 1: the loss is nan, with the clips 0\d-"):
        fit(small_config, make_split(audio, video, targets, clips.speaker, SpeakerSplit), tmp_path)


def test_losses_are_not_read_in_a_step(splits, small_config, tmp_path, monkeypatch):
    """A reading makes a GPU wait for all that it was given; they are read once an epoch."""
    read, of_step = [], training._Trainer._step

    def step(self, batch):
        with pytest.MonkeyPatch.context() as patch:
            for name in ("item", "tolist", "__float__", "__bool__"):
                method = getattr(torch.Tensor, name)
                patch.setattr(torch.Tensor, name, lambda x, method=method: (read.append(method), method(x))[1])
            return of_step(self, batch)

    monkeypatch.setattr(training._Trainer, "_step", step)
    run = fit(override(small_config, {"training": {"batch_size": 7}}), splits, tmp_path)
    assert not read and np.isfinite(run.metrics.train_loss).all()


def test_the_mean_loss_of_an_epoch_is_that_of_its_steps(splits, small_config, tmp_path, monkeypatch):
    losses, of_step = [], training._Trainer._step
    monkeypatch.setattr(
        training._Trainer, "_step", lambda self, batch: (losses.append(of_step(self, batch)), losses[-1])[1]
    )
    run = fit(override(small_config, {"training": {"epochs": 1, "batch_size": 7}}), splits, tmp_path)
    assert len(losses) > 1 and run.metrics.train_loss[0] == pytest.approx(np.mean([float(x) for x in losses]))


def test_a_later_fit_chooses_its_device_anew(splits, small_config, tmp_path):
    """Accelerate keeps its first device for the whole process."""
    from accelerate.state import PartialState

    fit(small_config, splits, tmp_path / "first")
    PartialState._shared_state["device"] = torch.device("meta")
    run = fit(small_config, splits, tmp_path / "second")
    assert same(weights(tmp_path / "first"), weights(tmp_path / "second")) and len(run.metrics) == 2


@pytest.mark.parametrize(
    ("told", "asked", "gpu", "used"),
    [
        ("auto", "auto", True, "cuda"), ("auto", "auto", False, "cpu"), ("cuda", "auto", False, "cpu"),
        ("cpu", "auto", True, "cpu"), ("cpu", "cuda", True, "cuda"), ("auto", "cpu", True, "cpu"),
    ],
)  # fmt: skip
def test_a_run_predicts_on_the_gpu_where_there_is_one(splits, small_config, tmp_path, monkeypatch, told, asked, gpu, used):
    from auxformer.training import run as runs

    found = []
    run = fit(small_config, splits, tmp_path)
    run = replace(run, config=override(run.config, {"training": {"device": told}}))
    moved = run.model.to
    monkeypatch.setattr(run.model, "to", lambda device: (found.append(str(device)), moved("cpu"))[1])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    monkeypatch.setattr(runs, "predict", lambda model, data, conditions, device, **how: str(device))
    assert run.predict(splits.test, device=asked) == used
    assert found == [used, "cpu"], "and goes back to where the recogniser has it"


def test_a_gpu_that_is_not_there_is_a_sentence(splits, small_config, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    run = fit(small_config, splits, tmp_path)
    with pytest.raises(InputError, match="no GPU that torch can use"):
        run.predict(splits.test, device="cuda")


def test_training_that_diverges_stops_in_a_sentence(splits, small_config, tmp_path):
    wild = {"learning_rate": 10.0, "optimizer": "sgd", "clip": 0.0, "schedule": "constant", "epochs": 50}
    with pytest.raises(TrainingError, match=r"epoch \d+.*(loss is (nan|inf)|not a number)"):
        fit(override(small_config, {"training": wild}), splits, tmp_path)


def network(config, train):
    return create_model(config.model.name, config.model, train.audio.dims, train.video.dims, len(train.classes))


def test_dev_is_scored_without_luck_unless_the_published_switch_says_so(splits, small_config):
    torch.manual_seed(0)
    model = network(small_config, splits.train).eval()
    ours, published = small_config.training, override(small_config, {"training": {"drop_on_dev": True}}).training
    assert dev_loss(model, splits.dev, ours, "cpu", 0) == dev_loss(model, splits.dev, ours, "cpu", 1)
    assert dev_loss(model, splits.dev, published, "cpu", 0) != dev_loss(model, splits.dev, published, "cpu", 1)


@pytest.mark.parametrize(
    "change",
    [
        {"batch_size": 7}, {"learning_rate": 1e-2}, {"optimizer": "adam", "weight_decay": 0.5}, {"optimizer": "sgd"},
        {"weight_decay": 0.5}, {"clip": 0.01}, {"schedule": "constant"}, {"warmup": 0.6}, {"loss_weights": [1.0, 0.0, 0.0]},
        {"label_smoothing": 0.3}, {"drop_audio": 0.6}, {"drop_video": 0.6}, {"drop_unit": "batch"}, {"bucket": False},
        {"seed": 9}, {"schedule": "plateau"}, {"select": "loss", "epochs": 3},
    ],
    ids=str,
)  # fmt: skip
def test_each_training_setting_changes_the_weights(splits, small_config, tmp_path, change):
    base = override(small_config, {"training": {"epochs": change.get("epochs", 2), "clip": 0.3}})
    fit(base, splits, tmp_path / "base")
    run = fit(override(base, {"training": change}), splits, tmp_path / "changed")
    if change.get("select"):  # may well choose the same epoch: then it must at least be the one of the lowest loss
        kept = json.loads((tmp_path / "changed" / "finished.json").read_text())["epoch"]
        assert kept == run.metrics.dev_loss.argmin() + 1
    else:
        assert not same(weights(tmp_path / "base"), weights(tmp_path / "changed"))


def test_the_plateau_schedule_follows_its_patience(splits, small_config, tmp_path):
    still = {
        "schedule": "plateau",
        "learning_rate": 1e-6,
        "epochs": 6,
        "optimizer": "sgd",
        "drop_audio": 0.0,
        "drop_video": 0.0,
    }
    for decay, expected in ((1, 1e-8), (50, 1e-6)):
        run = fit(override(small_config, {"training": {**still, "decay": decay}}), splits, tmp_path / str(decay))
        assert abs(run.metrics.learning_rate.iloc[-1] / expected - 1) < 0.01


def test_the_cosine_schedule_warms_up_and_ends_at_a_hundredth():
    settings = preset("default").training
    rates = [learning_rate(settings, step, 100) for step in range(100)]
    assert np.argmax(rates) in (9, 10) and max(rates) <= settings.learning_rate
    assert rates[0] < settings.learning_rate / 5 and rates[-1] < settings.learning_rate / 50
    assert all(a <= b for a, b in zip(rates[:10], rates[1:10])) and all(a >= b for a, b in zip(rates[10:], rates[11:]))


def test_weight_decay_spares_vectors(splits, small_config):
    model = network(small_config, splits.train)
    optimizer = make_optimizer(model, small_config.training)
    matrices, vectors = optimizer.param_groups
    assert all(p.ndim > 1 for p in matrices["params"]) and all(p.ndim <= 1 for p in vectors["params"])
    assert matrices["weight_decay"] > 0 == vectors["weight_decay"]
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(list(model.parameters()))


def test_a_run_folder_of_other_features_is_refused(splits, small_config, tmp_path):
    fit(small_config, splits, tmp_path)

    other = splits.train.with_(audio=splits.train.video)
    with pytest.raises(InputError, match="other features"):
        fit(small_config, replace(splits, train=other), tmp_path)
    with pytest.raises(InputError, match="was trained on 5-d audio.*not on 4-d video"):
        load(tmp_path).predict(other)
    with pytest.raises(InputError, match="no run here"):
        load(tmp_path / "nowhere")


def test_a_run_folder_of_other_labels_or_speakers_is_refused(splits, small_config, tmp_path):
    fit(small_config, splits, tmp_path)
    audio, video, clips, targets = make_task()
    changed = targets.copy()
    changed.iloc[0] = changed.iloc[0].to_numpy()[[1, 2, 0]]

    class Swapped(SpeakerSplit):
        dev, test = SpeakerSplit.test, SpeakerSplit.dev

    for other in (
        make_split(audio, video, changed, clips.speaker, SpeakerSplit),
        make_split(audio, video, targets, clips.speaker, Swapped),
    ):
        with pytest.raises(InputError, match="other speakers, clips or labels"):
            fit(small_config, other, tmp_path)


def test_a_run_predicts_on_its_own_after_it_was_read_back(splits, small_config, tmp_path):
    run = fit(small_config, splits, tmp_path)
    table = load(tmp_path).predict(splits.test)
    assert table.equals(run.predict(splits.test))
    assert set(table.speaker) == set(SpeakerSplit.test)
    assert load(tmp_path).normalizers["audio"].mean.tolist() == splits.train.audio_normalizer.mean.tolist()


def test_a_run_of_the_old_layout_is_named_and_left_alone(splits, small_config, tmp_path):
    old = tmp_path / "old"
    old.mkdir()
    small_config.save(old / "config.toml")
    (old / "environment.json").write_text("{}")
    for reading in (lambda: load(old), lambda: fit(small_config, splits, old)):
        with pytest.raises(InputError, match="auxformer 0.1.*train it again in another folder. Nothing was deleted"):
            reading()
    assert (old / "config.toml").is_file() and list_runs(tmp_path).state.tolist() == ["old"]


def test_a_gpu_that_is_not_there_is_said_to_be_missing(splits, small_config, tmp_path):
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(InputError, match="no GPU"):
        fit(override(small_config, {"training": {"device": "cuda"}}), splits, tmp_path)


def test_a_full_disk_while_saving_leaves_the_last_good_state(splits, small_config, tmp_path, monkeypatch):
    config = override(small_config, {"training": {"epochs": 4}})
    fit(config, splits, tmp_path / "whole")
    original, calls = checkpoints.save_file, []

    def full(tensors, path, *rest):
        calls.append(path)
        if len(calls) == 5:  # in the middle of the second checkpoint
            Path(path).write_bytes(b"half")
            raise OSError(28, "No space left on device")
        return original(tensors, path, *rest)

    monkeypatch.setattr(checkpoints, "save_file", full)
    with pytest.raises(InputError, match="No space left on device.*it goes on after the last epoch"):
        fit(config, splits, tmp_path / "full")
    assert [path.name for path in (tmp_path / "full" / "state").iterdir()] == ["epoch-00001"]
    monkeypatch.setattr(checkpoints, "save_file", original)
    fit(config, splits, tmp_path / "full")
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "full"))
