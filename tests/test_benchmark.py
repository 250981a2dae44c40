import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from auxformer.benchmark import run as benchmark
from auxformer.benchmark.run import Work, evaluate, predictions_of, results_of
from auxformer.config import config_for, override, preset
from auxformer.corpora import read_corpus
from auxformer.corpora.labels import keep_classes
from auxformer.data.task import Task
from auxformer.errors import InputError
from auxformer.evaluation.calibration import CALIBRATION_METRICS
from auxformer.evaluation.scores import METRICS, RESULT_COLUMNS
from auxformer.training.fit import fit

SMALL = {
    "model": {"width": 16, "heads": 2, "layers": 1, "aux_hidden": [16, 16]},
    "training": {"epochs": 2, "device": "cpu"},
}
REAL = Path(__file__).parents[2] / "shared" / "real"


@pytest.fixture(scope="module")
def config():
    return override(preset("default"), SMALL)


@pytest.fixture(scope="module")
def task(tiny_puppets):
    root, features = tiny_puppets
    return Task(root, "lld", "hog", data=features)


@pytest.fixture(scope="module")
def parts(task):
    return task.partitions(2)


def run(task, systems, config, partitions, seeds=(0,), runs=Path("runs"), jobs=1):
    """The result table of some systems, with their usual settings in the shape of `config`."""
    configs = {name: config_for(name, config) for name in systems}
    return results_of(task, predictions_of(task, configs, partitions, seeds, work=Work(runs, jobs)))


def test_the_result_table_is_long_and_complete(task, parts, config, tmp_path):
    systems = ["functionals-lr", "auxformer", "ideal-observer"]
    table = run(task, systems, config, parts, seeds=(0, 1), runs=tmp_path)
    assert tuple(table.columns) == RESULT_COLUMNS and not table.duplicated(list(RESULT_COLUMNS[:8])).any()
    # 2 partitions and "all"; seeds count for networks only, and their mean has rows of its own
    assert len(table) == (1 + 2 + 1) * 3 * 3 * (len(METRICS) + len(CALIBRATION_METRICS)) + 3 * len(METRICS)
    means = table[(table.seed == "all") & (table.metric == "macro-f1")].set_index("condition").value
    seeds = table[(table.system == "auxformer") & table.seed.isin([0, 1]) & (table.partition == "all")]
    seeds = seeds[seeds.metric == "macro-f1"].groupby("condition").value.mean()
    assert means.to_dict() == pytest.approx(seeds.to_dict())
    assert table.value.between(0, 2).all() and not (table.low > table.high).any()
    ideal = table[(table.system == "ideal-observer") & (table.metric == "macro-f1")].groupby("condition").value.mean()
    assert ideal["complete"] > ideal["no-audio"] > ideal["no-video"]


def test_finished_work_is_read_back_and_parallel_work_gives_the_same(task, parts, config, tmp_path, monkeypatch):
    first = run(task, ["functionals-lr", "auxformer"], config, parts[:1], runs=tmp_path / "a")
    parallel = run(task, ["functionals-lr", "auxformer"], config, parts[:1], runs=tmp_path / "b", jobs=2)
    assert np.allclose(first.value, parallel.value, atol=0.02)
    monkeypatch.setattr(benchmark, "fit", None)
    monkeypatch.setattr(benchmark, "_predictor", None)
    pd.testing.assert_frame_equal(
        first, run(task, ["functionals-lr", "auxformer"], config, parts[:1], runs=tmp_path / "a")
    )


def test_a_run_folder_is_named_by_everything_that_changes_its_result(task, parts, config):
    names = {
        benchmark.run_name(task, "auxformer", config, parts[0]),
        benchmark.run_name(task, "auxformer", config, parts[1]),
        benchmark.run_name(task, "audio-only", config, parts[0]),
        benchmark.run_name(task, "auxformer", override(config, {"training": {"epochs": 3}}), parts[0]),
        benchmark.run_name(task.with_(target="face"), "auxformer", config, parts[0]),
        benchmark.run_name(task.with_(table=task.table.iloc[1:]), "auxformer", config, parts[0]),
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
    fit(config, task.split(parts[0]), tmp_path / "mine")
    predictions, scores = evaluate(tmp_path / "mine", ("complete", "no-video"))
    assert set(predictions.speaker) == set(parts[0].test) and set(scores.condition) == {"complete", "no-video"}
    kept = pd.read_parquet(tmp_path / "mine" / "predictions.parquet")
    pd.testing.assert_frame_equal(kept, predictions)
    with pytest.raises(InputError, match="no run here"):
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
    task = Task(small, "lld", "table:au.csv", data=tmp_path / "features")
    assert task.target == "intended" and len(task.table) == len(some) == 96
    parts = task.partitions()
    assert sorted(speaker for part in parts for speaker in part.test) == sorted(task.corpus.speakers.index)
    table = run(task, ["functionals-lr"], config, parts[:2], runs=tmp_path / "runs")
    assert (table[table.metric == "micro-f1"].value > 0.15).all()  # chance is an eighth


def test_a_result_table_is_what_json_and_csv_can_hold(task, parts, config, tmp_path):
    table = run(task, ["ideal-observer"], config, parts[:1], runs=tmp_path)
    table.to_csv(tmp_path / "results.csv", index=False)
    again = pd.read_csv(tmp_path / "results.csv")
    assert list(again) == list(RESULT_COLUMNS) and json.loads(again.to_json(orient="records"))[0]["corpus"] == "puppets"
