"""Suites: what a TOML file asks for is run, kept, gone on with, and reported in tables that hang together."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from auxformer.benchmark import run as benchmark
from auxformer.benchmark.bench import bench, people_table
from auxformer.benchmark.run import Work
from auxformer.benchmark.suite import Suite, list_suites
from auxformer.cli import main
from auxformer.data.missing import CONDITIONS, FRAME_CONDITIONS
from auxformer.data.task import Task
from auxformer.errors import InputError
from auxformer.evaluation.scores import RESULT_COLUMNS

SMALL = """
what = "tiny"
systems = ["auxformer", "functionals-lr", "ideal-observer"]
[corpus]
name = "puppets"
[protocol]
partitions = 2
seeds = 2
conditions = ["basic", "audio-frames", "video-blur"]
[settings]
preset = "quick"
[settings.change]
model = {width = 16, heads = 2, layers = 1, aux_hidden = [16, 16]}
training = {epochs = 2, device = "cpu"}
[variant."auxformer, zeros"]
model = "auxformer"
change = {model = {absent = "zeros"}}
"""

OWN_MODEL = """
import torch
from auxformer.models import Logits, register_model

@register_model("mine")
class Mine(torch.nn.Module):
    "Mean of the audio frames, then a linear layer."
    def __init__(self, config, audio_dims, video_dims, classes):
        super().__init__()
        self.out = torch.nn.Linear(audio_dims, classes)

    def forward(self, batch):
        logits = self.out(batch.audio.mean(1) * batch.audio_present[:, None])
        return Logits.single(logits)
"""


def suite_of(tmp_path, text=SMALL) -> Suite:
    path = tmp_path / "tiny.toml"
    path.write_text(text)
    return Suite.load(path)


@pytest.fixture(scope="module")
def done(tiny_puppets, tmp_path_factory):
    """A suite that has run: (results, folder of tables, folder of runs)."""
    root, data = tiny_puppets
    folder = tmp_path_factory.mktemp("suite")
    results = bench(suite_of(folder), folder / "out", root, data, Work(folder / "runs", 2))
    return results, folder / "out", folder / "runs"


def test_every_system_is_scored_under_every_condition_with_people_beside(done):
    results, out, _ = done
    assert tuple(results.columns) == RESULT_COLUMNS
    expected = {"auxformer", "auxformer, zeros", "functionals-lr", "ideal-observer", "human-crowd", "human-rater"}
    assert expected <= set(results.system)
    f1 = results[(results.metric == "macro-f1") & (results.partition == "all")]
    asked = {*CONDITIONS, *(f"audio-frames-{share}" for share in (0.1, 0.3, 0.5, 0.7, 0.9)), "video-blur"}
    for system in ("auxformer", "auxformer, zeros", "functionals-lr", "ideal-observer"):
        assert set(f1[f1.system == system].condition) == asked, system
    assert {"ece", "brier", "kept", "area", "rising", "divergence"} <= set(results.metric)
    ideal = f1[f1.system == "ideal-observer"].set_index("condition").value
    assert ideal["video-blur"] == ideal["complete"] > ideal["no-audio"] > ideal["no-video"]
    read = pd.read_csv(out / "results.csv")
    assert len(read) == len(results) and np.allclose(read.value, results.value, atol=1e-4)
    assert not read.duplicated(list(RESULT_COLUMNS[:8])).any()


def test_the_tables_beside_the_results_tell_the_same_story(done):
    results, out, _ = done
    predictions = pd.read_parquet(out / "predictions.parquet")
    assert set(predictions.system) == {"auxformer", "auxformer, zeros", "functionals-lr", "ideal-observer"}
    tests = pd.read_csv(out / "comparisons.csv")
    assert len(tests) == 3 * 6 and tests.p.between(0, 1).all() and (tests.p_corrected >= tests.p).all()
    f1 = results[(results.metric == "macro-f1") & (results.partition == "all") & (results.condition == "complete")]
    pair = tests[
        (tests.system_a == "functionals-lr") & (tests.system_b == "ideal-observer") & (tests.condition == "complete")
    ]
    by = f1.set_index("system").value
    assert pair.difference.item() == pytest.approx(by["functionals-lr"] - by["ideal-observer"], abs=2e-4)
    cost = pd.read_csv(out / "cost.csv").set_index("system")
    assert (cost.parameters > 1000).all() and (cost.training_seconds > 0).all() and "functionals-lr" not in cost.index
    groups = pd.read_csv(out / "groups.csv")
    assert set(groups[groups.column == "sex"].group) <= {"female", "male"}
    people = pd.read_csv(out / "people.csv")
    assert np.allclose(people.drop(columns=["truth", "condition"]).sum(axis=1), 1, atol=1e-3)
    about = json.loads((out / "suite.json").read_text())
    assert about["failed"] == {} and about["protocol"]["seeds"] == 2


def test_a_second_run_computes_nothing_and_one_more_condition_trains_nothing(done, tiny_puppets, tmp_path, monkeypatch):
    results, _, runs = done
    root, data = tiny_puppets
    monkeypatch.setattr(benchmark, "_predictor", None)
    again = bench(suite_of(tmp_path), tmp_path / "again", root, data, Work(runs, 1))
    pd.testing.assert_frame_equal(again, results)
    monkeypatch.undo()
    monkeypatch.setattr("auxformer.training.fit._Trainer", None)
    more = SMALL.replace('"video-blur"]', '"video-blur", "video-frames-0.5"]')
    wider = bench(suite_of(tmp_path, more), tmp_path / "wider", root, data, Work(runs, 1))
    assert set(wider.condition) - set(results.condition) == {"video-frames-0.5"}


def test_a_system_that_fails_is_named_and_left_out_and_tried_again(done, tiny_puppets, tmp_path, capsys):
    root, data = tiny_puppets
    (tmp_path / "mine.py").write_text(
        OWN_MODEL.replace("self.out(batch.audio.mean(1)", "self.nothing(batch.audio.mean(1)")
    )
    text = (
        SMALL.replace('"functionals-lr", ', '"mine", ')
        .replace("seeds = 2", "seeds = 1")
        .replace("partitions = 2", "partitions = 1")
    )
    plugin = (tmp_path / "mine.py",)
    results = bench(suite_of(tmp_path, text), tmp_path / "out", root, data, Work(tmp_path / "runs", 1, plugins=plugin))
    assert "mine" not in set(results.system) and "auxformer" in set(results.system)
    assert "nothing" in json.loads((tmp_path / "out" / "suite.json").read_text())["failed"]["mine"]
    assert "mine, partition-1, seed 0: FAILED" in capsys.readouterr().out
    (tmp_path / "mended.py").write_text(OWN_MODEL)
    plugin = (tmp_path / "mended.py",)
    results = bench(suite_of(tmp_path, text), tmp_path / "out", root, data, Work(tmp_path / "runs", 2, plugins=plugin))
    assert "mine" in set(results.system), "a model of one's own does not reach the worker processes"


def test_a_model_of_ones_own_is_trained_anew_when_its_file_was_edited(tiny_puppets, tmp_path, monkeypatch):
    from auxformer.config import override, preset
    from auxformer.models import registry

    registry.list_models()  # what the package has is registered before the registry is copied
    monkeypatch.setattr(registry, "_MODELS", dict(registry._MODELS))
    root, data = tiny_puppets
    task = Task(root, data=data)
    (partition,) = task.partitions()
    settings = override(preset("quick"), {"model": {"name": "mine"}})

    def name_of(text: str, helper: str = "x = 1") -> str:
        (tmp_path / "beside.py").write_text(helper)
        (tmp_path / "edited.py").write_text("import sys\nsys.path.insert(0, __file__[:-10])\nimport beside\n" + text)
        benchmark.load_plugins([tmp_path / "edited.py"])
        return benchmark.run_name(task, "mine", settings, partition)

    first = name_of(OWN_MODEL)
    assert name_of(OWN_MODEL) == first == name_of(OWN_MODEL + "\n# another thought\n")
    other = name_of(OWN_MODEL + "\nz = 1\n")
    assert len({first, other, name_of(OWN_MODEL, "x = 2")}) == 3 and sys.modules["beside"].x == 2

    def typed(answer):  # as a class of a notebook, which has no file
        text = f"class Typed:\n    def forward(self, batch):\n        return {answer}\n"
        exec(text, space := {"__name__": "a_notebook"})
        registry.register_model("mine")(space["Typed"])
        return benchmark.run_name(task, "mine", settings, partition)

    assert typed(1) == typed(1) != typed(2)


def test_a_killed_benchmark_goes_on_where_it_stopped(tiny_puppets, tmp_path):
    root, data = tiny_puppets
    text = SMALL.replace("epochs = 2", "epochs = 6").replace(', "video-blur"', "")
    (tmp_path / "tiny.toml").write_text(text)
    command = [sys.executable, "-m", "auxformer", "bench", str(tmp_path / "tiny.toml"), "--root", str(root), "--data", str(data),
               "--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "out"), "--jobs", "1", "--system", "auxformer"]  # fmt: skip
    killed = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    deadline = time.time() + 240
    while not list((tmp_path / "runs").glob("*/finished.json")) and time.time() < deadline:
        time.sleep(0.1)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").glob("*/model.safetensors")}
    assert 1 <= len(kept) < 4, "killed too late to show anything"
    finished = subprocess.run(command, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    assert all(path.stat().st_mtime_ns == before for path, before in kept.items()), "finished work was done again"
    whole = [*command]
    whole[whole.index(str(tmp_path / "runs"))] = str(tmp_path / "fresh")
    whole[whole.index(str(tmp_path / "out"))] = str(tmp_path / "uninterrupted")
    assert subprocess.run(whole, capture_output=True).returncode == 0
    tables = [pd.read_csv(tmp_path / name / "results.csv") for name in ("out", "uninterrupted")]
    pd.testing.assert_frame_equal(*tables)


@pytest.mark.parametrize(
    "change, message",
    [
        (('"auxformer", ', '"auxfromer", '), 'Did you mean "auxformer"'),
        (('"video-blur"', '"video-blurr"'), 'Did you mean "video-blur"'),
        (("partitions = 2", "partition = 2"), 'partition: unknown key. Did you mean "partitions"'),
        (('what = "tiny"', 'waht = "tiny"'), 'waht: unknown key. Did you mean "what"'),
        (("width = 16", "widht = 16"), 'Did you mean "model.width"|Did you mean "width"'),
        (('"quick"', '"quikc"'), 'Did you mean "quick"'),
        (("[corpus]", "[corpus"), "tiny.toml: cannot be read as TOML"),
        (("systems = [", "systems = [3, "), r"tiny: systems is .*, expected a list of texts"),
        (("partitions = 2", "partitions = true"), "protocol.partitions is True, expected a whole number"),
        (("partitions = 2", 'partitions = "2"'), "protocol.partitions is '2', expected a whole number"),
        (("partitions = 2", "partitions = 0"), "protocol.partitions is 0, expected a number from 1"),
        (("seeds = 2", "seeds = 1.5"), "protocol.seeds is 1.5, expected a whole number"),
        (('conditions = ["basic", "audio-frames", "video-blur"]', 'conditions = "basic"'), "conditions is 'basic', expected a list"),
        (("seeds = 2", 'tests = ["no-sound"]'), 'protocol.tests is "no-sound", expected one of complete'),
        (("seeds = 2", 'tests = ["audio-noise-snr-10"]'), "protocol.tests is"),
        (("[corpus]", "[task]\ntarget = 1\n[corpus]"), "task.target is 1, expected a text"),
        (("[corpus]", '[task]\nrule = "most"\n[corpus]'), 'task.rule is "most", expected one of majority'),
        (('name = "puppets"', 'name = "puppets"\nbinding = 2'), "corpus.binding is 2, expected a number from 0 to 1"),
        (('name = "puppets"', 'name = ["puppets"]'), "corpus.name is .*, expected a text"),
        (('[settings]\npreset = "quick"', "[settings]\npreset = 3"), "settings.preset is 3, expected a text"),
        (('model = "auxformer"\nchange', "model = 1\nchange"), "zeros.model is 1, expected a text"),
        (('[variant."auxformer, zeros"]', "[variant.human-rater]"), "human-rater is what the rows of people are called"),
        (('[variant."auxformer, zeros"]', '[variant."a|b"]'), "expected a name without"),
        (('[variant."auxformer, zeros"]', "[variant.auxformer]"), "auxformer is a system and a variant"),
        (('[corpus]\nname = "puppets"', "corpus = 3"), "tiny: corpus is 3, expected a section"),
        (('what = "tiny"', "what = 3"), "what is 3, expected a text"),
        (('what = "tiny"', "name = 3"), "name is 3, expected a text"),
    ],
)
def test_what_a_suite_gets_wrong_is_said_before_any_work(change, message, tiny_puppets, tmp_path):
    root, data = tiny_puppets
    with pytest.raises(InputError, match=message):
        bench(suite_of(tmp_path, SMALL.replace(*change)), tmp_path / "out", root, data, Work(tmp_path / "runs", 2))
    assert not (tmp_path / "runs").exists()


def test_the_suites_of_the_package_can_be_read_and_say_what_they_are():
    suites = list_suites()
    assert {"quick", "puppets", "binding", "ravdess", "crema-d", "msp-improv"} <= set(suites) and all(suites.values())
    for name in suites:
        suite = Suite.load(name)
        assert suite.configs() and suite.conditions()[0] == "complete"
    quick = Suite.load("quick")
    assert len(quick.systems) >= 8 and len(quick.conditions()) >= 12 and quick.protocol["seeds"] >= 2
    assert set(FRAME_CONDITIONS) < set(Suite.load("puppets").conditions())
    with pytest.raises(InputError, match='Did you mean "quick"'):
        Suite.load("quikc")


def test_people_alone(tiny_puppets, tmp_path, monkeypatch, capsys):
    root, _ = tiny_puppets
    table = people_table("puppets", root)
    f1 = table[table.metric == "macro-f1"].set_index(["system", "condition"]).value
    assert f1["human-rater", "complete"] > f1["human-rater-others", "complete"]
    monkeypatch.setattr(
        sys, "argv", ["auxformer", "bench", "humans", "--root", str(root), "--out", str(tmp_path / "people.csv")]
    )
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 0 and "human-crowd" in capsys.readouterr().out
    assert len(pd.read_csv(tmp_path / "people.csv")) == len(table)


def test_the_command_keeps_the_main_scores_and_the_tests(done, tiny_puppets, tmp_path, monkeypatch):
    (root, data), (results, out, runs) = tiny_puppets, done
    suite_of(tmp_path)
    command = ["auxformer", "bench", tmp_path / "tiny.toml", "--root", root, "--data", data, "--runs", runs]
    command += ["--out", tmp_path / "out", "--table", tmp_path / "kept" / "tiny.csv"]
    monkeypatch.setattr(sys, "argv", [str(word) for word in command])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 0
    kept = pd.read_csv(tmp_path / "kept" / "tiny.csv")
    assert set(kept.partition) == {"all"} and set(kept.system) == set(results.system) and len(kept) < len(results)
    assert (tmp_path / "kept" / "tiny-tests.csv").read_text() == (out / "comparisons.csv").read_text()


def test_the_command_says_by_its_exit_code_that_a_system_failed(tiny_puppets, tmp_path, monkeypatch):
    from typer.testing import CliRunner

    from auxformer.cli import app

    root, data = tiny_puppets
    (tmp_path / "mine.py").write_text(OWN_MODEL.replace("self.out(", "self.nothing("))
    (tmp_path / "tiny.toml").write_text(SMALL.replace(', "video-blur"', ""))
    words = ["bench", tmp_path / "tiny.toml", "--root", root, "--data", data, "--runs", tmp_path / "runs", "--out", tmp_path / "out",
             "--jobs", "1", "--models", tmp_path / "mine.py", "--add", "mine"]  # fmt: skip
    result = CliRunner().invoke(app, list(map(str, words)))
    assert result.exit_code == 1 and "failed and left out: mine" in result.output, result.output
