import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from auxformer.benchmark.run import RESULT_COLUMNS, evaluate, keep_classes, partitions_of, prepare, run, train
from auxformer.benchmark import run as benchmark
from auxformer.config import override, preset
from auxformer.corpora import read_corpus
from auxformer.errors import InputError
from auxformer.evaluation.calibration import CALIBRATION_METRICS
from auxformer.evaluation.scores import METRICS

SMALL = {
    "model": {"width": 16, "heads": 2, "layers": 1, "aux_hidden": [16, 16]},
    "training": {"epochs": 2, "device": "cpu"},
}
REAL = Path(__file__).parents[2] / "shared" / "real"


@pytest.fixture(scope="module")
def config():
    return override(preset("default"), SMALL)


@pytest.fixture(scope="module")
def task(tiny_puppets, config):
    root, features = tiny_puppets
    return prepare("puppets", root, "lld", "hog", config, features)


@pytest.fixture(scope="module")
def parts(task):
    return partitions_of(task.corpus, task.table, None, count=2)


def test_the_result_table_is_long_and_complete(task, parts, config, tmp_path):
    systems = ["functionals-lr", "auxformer", "ideal-observer"]
    table = run(task, systems, config, parts, seeds=(0, 1), runs=tmp_path)
    assert tuple(table.columns) == RESULT_COLUMNS and not table.duplicated(list(RESULT_COLUMNS[:8])).any()
    # 2 partitions and "all"; seeds count for networks only
    assert len(table) == (1 + 2 + 1) * 3 * 3 * (len(METRICS) + len(CALIBRATION_METRICS))
    assert table.value.between(0, 2).all() and (table.low <= table.high).all()
    ideal = table[(table.system == "ideal-observer") & (table.metric == "macro-f1")].groupby("condition").value.mean()
    assert ideal["complete"] > ideal["no-audio"] > ideal["no-video"]


def test_finished_work_is_read_back_and_parallel_work_gives_the_same(task, parts, config, tmp_path, monkeypatch):
    first = run(task, ["functionals-lr", "auxformer"], config, parts[:1], runs=tmp_path / "a")
    parallel = run(task, ["functionals-lr", "auxformer"], config, parts[:1], runs=tmp_path / "b", jobs=2)
    assert np.allclose(first.value, parallel.value, atol=0.02)
    monkeypatch.setattr(benchmark, "fit", None)
    monkeypatch.setattr(benchmark, "_scorer", None)
    pd.testing.assert_frame_equal(
        first, run(task, ["functionals-lr", "auxformer"], config, parts[:1], runs=tmp_path / "a")
    )


def test_a_run_folder_is_named_by_everything_that_changes_its_result(task, parts, config):
    names = {
        benchmark.run_name(task, "auxformer", config, parts[0]),
        benchmark.run_name(task, "auxformer", config, parts[1]),
        benchmark.run_name(task, "audio-only", config, parts[0]),
        benchmark.run_name(task, "auxformer", override(config, {"training": {"epochs": 3}}), parts[0]),
        benchmark.run_name(replace(task, target="face"), "auxformer", config, parts[0]),
        benchmark.run_name(replace(task, table=task.table.iloc[1:]), "auxformer", config, parts[0]),
    }
    assert len(names) == 6


def test_every_registered_network_trains_on_puppets(task, parts, config, tmp_path):
    table = run(
        task, ["audio-only", "video-only", "decision-fusion", "auxformer-published"], config, parts[:1], runs=tmp_path
    )
    assert set(table.system) == {"audio-only", "video-only", "decision-fusion", "auxformer-published"}


def test_unknown_systems_and_classes_raise_before_any_work(task, parts, config, tmp_path):
    with pytest.raises(InputError, match='Did you mean "functionals-lr"'):
        run(task, ["auxformer", "functional-lr"], config, parts, runs=tmp_path)
    assert not any(tmp_path.iterdir())
    with pytest.raises(InputError, match='Did you mean "angry"'):
        keep_classes(task.table, ["angyr", "sad"])
    with pytest.raises(InputError, match="at least two"):
        keep_classes(task.table, ["sad"])


def test_keeping_some_classes_drops_the_others(task):
    part = keep_classes(task.table, ["sad", "angry"])
    assert list(part) == ["sad", "angry"] and np.allclose(part.sum(axis=1), 1) and 0 < len(part) < len(task.table)


def test_a_trained_run_remembers_its_data_and_can_be_evaluated(task, parts, config, tmp_path):
    train(task, config, parts[0], tmp_path / "mine")
    predictions, scores = evaluate(tmp_path / "mine", ("complete", "no-video"))
    assert set(predictions.speaker) == set(parts[0].test) and set(scores.condition) == {"complete", "no-video"}
    kept = pd.read_parquet(tmp_path / "mine" / "predictions.parquet")
    pd.testing.assert_frame_equal(kept, predictions)
    with pytest.raises(InputError, match="no trained run"):
        evaluate(tmp_path / "nothing")


def test_ravdess_goes_from_recordings_to_scores(config, tmp_path):
    root = REAL / "ravdess"
    if not root.is_dir():
        pytest.skip("the real RAVDESS recordings are not beside the project")
    corpus = read_corpus(root, "ravdess")
    some = corpus.clips[corpus.clips.sentence == corpus.clips.sentence.iloc[0]].groupby(["speaker", "intended"]).head(1)
    small = tmp_path / "ravdess"
    for clip, row in some.iterrows():
        target = small / f"Actor_{row.speaker}" / Path(row.audio).name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(row.audio)
    (small / "au.csv").symlink_to(root / "action_units_mean.csv")
    task = prepare("ravdess", small, "lld", "table:au.csv", config, tmp_path / "features", jobs=2)
    assert task.target == "intended" and len(task.table) == len(some) == 96
    parts = partitions_of(task.corpus, task.table, 6)
    assert sorted(speaker for part in parts for speaker in part.test) == sorted(task.corpus.speakers.index)
    table = run(task, ["functionals-lr"], config, parts[:2], runs=tmp_path / "runs")
    assert (table[table.metric == "micro-f1"].value > 0.15).all()  # chance is an eighth


# -- the command line --


def command(*words, **options):
    return subprocess.run(
        [sys.executable, "-m", "auxformer", *map(str, words)], capture_output=True, text=True, **options
    )


def test_the_command_line_trains_and_evaluates_with_every_published_option(tiny_puppets, tmp_path):
    root, features = tiny_puppets
    small = tmp_path / "small.toml"
    small.write_text("[model]\nwidth = 16\nheads = 2\nlayers = 1\naux_hidden = [16, 16]\n[training]\nepochs = 1\n")
    common = ("--root", root, "--data", features, "--runs", tmp_path / "runs", "--config", small)
    options = {
        "--attn-dropout": 0.11, "--relu-dropout": 0.12, "--res-dropout": 0.13, "--embed-dropout": 0.14, "--out-dropout": 0.15,
        "--layers": 2, "--heads": 4, "--batch-size": 8, "--clip": 0.5, "--lr": 0.002, "--optim": "adam", "--epochs": 1,
        "--decay": 3, "--device": "cpu", "--name": "mine", "--classes": "happy,sad,neutral",
    }  # fmt: skip
    words = [word for pair in options.items() for word in pair]
    result = command("train", *common, *words, "--attn-mask")
    assert result.returncode == 0, result.stderr
    import tomllib

    kept = tomllib.loads((tmp_path / "runs" / "mine" / "config.toml").read_text())
    model, training = kept["model"], kept["training"]
    given = [model[f"{key}_dropout"] for key in ("attn", "relu", "res", "embed", "out")] + [
        model["layers"],
        model["heads"],
    ]
    assert given == [0.11, 0.12, 0.13, 0.14, 0.15, 2, 4] and model["attn_mask"] is True
    assert [training[key] for key in ("batch_size", "clip", "learning_rate", "optimizer", "epochs", "decay", "device", "label")] == [8, 0.5, 0.002, "adam", 1, 3, "cpu", "mine"]  # fmt: skip
    assert kept["data"]["classes"] == ["happy", "sad", "neutral"]
    result = command("evaluate", tmp_path / "runs" / "mine", "--out", tmp_path / "scores.csv")
    assert result.returncode == 0, result.stderr
    assert set(pd.read_csv(tmp_path / "scores.csv").condition) == {"complete", "no-audio", "no-video"}


def test_the_command_line_runs_with_its_defaults_on_the_tiny_corpus(tiny_puppets, tmp_path):
    root, features = tiny_puppets
    small = tmp_path / "small.toml"
    small.write_text("[training]\nepochs = 1\n")
    result = command(
        "run", "--root", root, "--data", features, "--runs", "runs", "--config", small, "--out", "out.csv", cwd=tmp_path
    )
    assert result.returncode == 0, result.stderr
    assert "ideal-observer" in result.stdout and set(pd.read_csv(tmp_path / "out.csv").system) == {
        "functionals-lr",
        "auxformer",
        "ideal-observer",
    }


def test_corpus_check_and_features_verify_answer_on_the_tiny_corpus(tiny_puppets, task):
    root, features = tiny_puppets
    result = command("corpus", "check", root)
    assert result.returncode == 0 and "144" in result.stdout, result.stdout + result.stderr
    assert command("features", "verify", "--data", features).returncode == 0
    assert "hog" in command("features", "ls", "--data", features).stdout


@pytest.mark.parametrize(
    "words, sentence",
    [
        (["run", "--root", "nowhere"], "nowhere"),
        (["run", "--corpus", "ravdess"], "--root is missing"),
        (["run", "--preset", "defualt", "--root", "x"], 'Did you mean "default"'),
        (["evaluate", "nothing"], "no trained run"),
        (["parity", "pyproject.toml"], "not a readable safetensors"),
        (["convert", "none.pt", "out.safetensors"], "no such checkpoint"),
        (["show", "none.mp4"], "none.mp4"),
        (["course", "run", "77"], "77"),
        (["course", "run", "-p", "epochs"], "NAME=VALUE"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_bad_input_gets_one_sentence_and_exit_code_two(words, sentence):
    result = command(*words, cwd=Path(__file__).parents[1])
    assert result.returncode == 2 and sentence in result.stderr, result
    assert "Traceback" not in result.stderr and len(result.stderr.strip().splitlines()) == 1


def test_parity_exits_with_zero_within_and_one_above_the_tolerance(tmp_path):
    from safetensors.torch import save_file

    from auxformer.models.authors import read_vectors

    path = Path(__file__).parent / "parity" / "full_paper.safetensors"
    assert command("parity", path).returncode == 0
    tensors, metadata = read_vectors(path)
    tensors["full.logits_a"] = tensors["full.logits_a"] + 1e-3
    save_file(tensors, tmp_path / "off.safetensors", metadata)
    assert command("parity", tmp_path / "off.safetensors").returncode == 1


def test_a_result_table_is_what_json_and_csv_can_hold(task, parts, config, tmp_path):
    table = run(task, ["ideal-observer"], config, parts[:1], runs=tmp_path)
    table.to_csv(tmp_path / "results.csv", index=False)
    again = pd.read_csv(tmp_path / "results.csv")
    assert list(again) == list(RESULT_COLUMNS) and json.loads(again.to_json(orient="records"))[0]["corpus"] == "puppets"
