"""Suites: what a TOML file asks for is run, kept, gone on with, and reported in tables that hang together."""

import json
import re
import shutil
import sys
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

from auxformer.benchmark import run as benchmark
from auxformer.benchmark.bench import bench, people_table
from auxformer.benchmark.run import Work
from auxformer.benchmark.suite import Suite, list_suites
from auxformer.cli import app, main
from auxformer.corpora import read_corpus
from auxformer.corpora.labels import targets
from auxformer.data.missing import CONDITIONS, FRAME_CONDITIONS
from auxformer.data.task import Task
from auxformer.errors import InputError
from auxformer.evaluation.scores import RESULT_COLUMNS
from auxformer.features import EXTRACTORS, split_spec
from auxformer.models import list_models, list_references
from auxformer.reports import report
from auxformer.reports.literature import literature
from auxformer.reports.sections import command_of
from auxformer.training.run import load, read_metrics

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

BASIC = (
    SMALL.replace("seeds = 2", "seeds = 1")
    .replace("partitions = 2", "partitions = 1")
    .replace(', "audio-frames", "video-blur"', "")
    .split("[variant")[0]
)
"""The same in small, where what is run does not matter."""

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


def test_a_system_that_fails_is_named_and_left_out_and_tried_again(tiny_puppets, tmp_path, capsys):
    root, data = tiny_puppets
    (tmp_path / "mine.py").write_text(
        OWN_MODEL.replace("self.out(batch.audio.mean(1)", "self.nothing(batch.audio.mean(1)")
    )
    text = BASIC.replace('"functionals-lr", ', '"mine", ')
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


def test_what_a_kill_left_is_kept_and_the_rest_made_again_as_it_was(done, tiny_puppets, tmp_path):
    # kills at random moments are in test_kills.py; here: what was finished is not done again
    results, out, runs = done
    shutil.copytree(runs, tmp_path / "runs")
    shutil.copytree(out, tmp_path / "out")
    first, *_, last = sorted((tmp_path / "runs").glob("puppets-auxformer-*"))
    shutil.rmtree(first)
    (last / "predictions.parquet").unlink()
    (tmp_path / "out" / "results.csv").unlink()
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").glob("*/model.safetensors")}
    again = bench(suite_of(tmp_path), tmp_path / "out", *tiny_puppets, Work(tmp_path / "runs", 1))
    assert len(kept) > 4 and all(path.stat().st_mtime_ns == before for path, before in kept.items())
    assert (first / "model.safetensors").read_bytes() == (runs / first.name / "model.safetensors").read_bytes()
    pd.testing.assert_frame_equal(again, results)
    assert (tmp_path / "out" / "results.csv").read_bytes() == (out / "results.csv").read_bytes()


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
        (('change = {model = {absent = "zeros"}}', "change.training.missing_audio = 1.5"), "^tiny: variant.auxformer, zeros: training.missing_audio is 1.5"),
        (('change = {model = {absent = "zeros"}}', 'preset = "papre"'), '^tiny: variant.auxformer, zeros: unknown preset "papre"'),
        (("epochs = 2", "epochs = 0"), "^tiny: settings: training.epochs is 0"),
        (('"functionals-lr"', '"mult@papre"'), '^tiny: mult@papre: unknown preset "papre"'),
    ],
)
def test_what_a_suite_gets_wrong_is_said_before_any_work(change, message, tiny_puppets, tmp_path):
    root, data = tiny_puppets
    with pytest.raises(InputError, match=message):
        bench(suite_of(tmp_path, SMALL.replace(*change)), tmp_path / "out", root, data, Work(tmp_path / "runs", 2))
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "model, change, message",
    [
        ("mult", 'training.balance = "ogm-ge"', "compares the heads of the two streams; this model has none"),
        ("auxformer", "training.missing_audio = 1.0", "training.missing_audio is 1.0: no training clip would be left with audio"),
        ("functionals-lr", "training.missing_video = 1.0", "training.missing_video is 1.0: no training clip would be left with video"),
        ("auxformer", 'training = {balance = "ogm-ge", missing_audio = 0.5, missing_video = 0.5}', "no training clip has both"),
        ("auxformer", "training = {missing_audio = 0.5, missing_video = 0.5}\nchange.model.synchrony = true", "no training clip has both"),
        ("auxformer-published", "model.synchrony = true", "model.synchrony is true, but auxformer-published has no such task"),
        ("mult", "model.synchrony = true", "model.synchrony is true, but mult has no such task"),
        ("functionals-lr", "model.synchrony = true", "model.synchrony is for networks; functionals-lr is none"),
        ("ideal-observer", 'training.balance = "ogm-ge"', "training.balance is for networks; ideal-observer is none"),
    ],
)
def test_a_system_that_could_not_work_is_named_before_any_other_is_trained(model, change, message, tiny_puppets, tmp_path):
    root, data = tiny_puppets
    text = f'{BASIC}[variant."the odd, one"]\nmodel = "{model}"\nchange.{change}\n'
    with pytest.raises(InputError, match=f"^the odd, one: .*{message}"):
        bench(suite_of(tmp_path, text), tmp_path / "out", root, data, Work(tmp_path / "runs", 1))
    assert not (tmp_path / "runs").exists()


def test_what_is_checked_before_a_training_reads_no_features_and_draws_nothing(tiny_puppets, monkeypatch):
    root, data = tiny_puppets
    task = Task(root, data=data)
    suite = Suite.load("missing-training")
    systems = {**suite.configs(), **Suite.load("rivals").configs()}
    assert sum(config.training.missing_video > 0 for config in systems.values()) > 30
    monkeypatch.setattr("auxformer.features.store.FeatureStore.__getitem__", None)
    before = torch.random.get_rng_state()
    benchmark.check_systems(task, systems, task.partitions(2))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_settings_for_networks_alone_leave_the_references_of_a_plain_run_as_they_are(tiny_puppets, monkeypatch):
    root, data = tiny_puppets

    def until_trained(task, systems, partitions, *_, **__):
        benchmark.check_systems(task, systems, partitions)
        raise InputError(str({label: config.training.balance for label, config in systems.items()}))

    monkeypatch.setattr(benchmark, "predictions_of", until_trained)
    words = ["run", "--root", str(root), "--data", str(data), "--set=training.balance=ogm-ge", "--set=model.synchrony=true"]
    plain = {"functionals-lr": "none", "auxformer": "ogm-ge", "ideal-observer": "none"}
    with pytest.raises(InputError, match=re.escape(str(plain))):
        CliRunner().invoke(app, words, catch_exceptions=False)
    with pytest.raises(InputError, match="^functionals-lr: training.balance is for networks"):
        CliRunner().invoke(app, [*words, "--system", "functionals-lr"], catch_exceptions=False)


def test_the_suites_of_the_package_can_be_read_and_say_what_they_are(tiny_puppets):
    suites = list_suites()
    people = {"ravdess", "ravdess-voice", "ravdess-frames", "crema-d", "crema-d-voice", "msp-improv"}
    assert {"quick", "puppets", "binding", *people} <= set(suites) and all(suites.values())
    task = Task(tiny_puppets[0], data=tiny_puppets[1])
    for name in suites:
        suite = Suite.load(name)
        if suite.task.get("target") != "attributes" and not suite.absent:
            benchmark.check_systems(task, suite.configs(), task.partitions())
        assert suite.configs() and suite.conditions()[0] == "complete"
        assert {config.model.name for config in suite.configs().values()} <= {*list_models(), *list_references()}, name
        for stream in ("audio", "video"):
            kinds = {spec.partition(":")[0] for spec in split_spec(suite.corpus[stream])} - {""}
            assert kinds <= set(EXTRACTORS), name
    assert Suite.load("crema-d-voice").conditions() == ["complete"] == Suite.load("crema-d-voice").tests()
    assert command_of(asdict(Suite.load("crema-d-voice"))) == "auxformer bench crema-d-voice --root FOLDER"
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
    printed = capsys.readouterr().out
    assert end.value.code == 0 and "human-crowd" in printed and "face's share" in printed
    assert len(pd.read_csv(tmp_path / "people.csv")) == len(table)
    shares = table[table.metric == "share"].set_index(["system", "condition"]).value
    assert shares["human-rater"].sum() == pytest.approx(1) and shares["human-rater", "video"] > shares["human-rater", "audio"]


def test_what_was_meant_is_scored_where_it_is_known(tiny_puppets, monkeypatch):
    corpus = read_corpus(tiny_puppets[0])
    truth = targets(corpus).idxmax(axis=1)

    def share_right(intended) -> pd.Series:
        other = replace(corpus, clips=corpus.clips.assign(intended=intended))
        monkeypatch.setattr("auxformer.corpora.read_corpus", lambda *_, **__: other)
        table = people_table("puppets", corpus.root, resamples=0)
        return table[(table.system == "intended") & (table.metric == "micro-f1")].value

    known = corpus.clips.intended.where(corpus.clips.intended != "fear")  # of no clip that was meant as fear
    judged = known[truth.index].dropna()
    assert share_right(known).tolist() == pytest.approx([(judged == truth[judged.index]).mean()])
    assert share_right(None).empty


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
    (tmp_path / "tiny.toml").write_text(BASIC)
    words = ["bench", tmp_path / "tiny.toml", "--root", root, "--data", data, "--runs", tmp_path / "runs", "--out", tmp_path / "out",
             "--jobs", "1", "--models", tmp_path / "mine.py", "--system", "ideal-observer", "--add", "mine"]  # fmt: skip
    result = CliRunner().invoke(app, list(map(str, words)))
    assert result.exit_code == 1 and "failed and left out: mine" in result.output, result.output


VOICE = (
    SMALL.replace('["auxformer", "functionals-lr",', '["auxformer", "audio-only", "functionals-lr",')
    .replace('name = "puppets"', 'name = "puppets"\nvideo = ""')
    .replace("seeds = 2", "seeds = 1")
    .replace(', "video-blur"', "")
    .split("[variant")[0]
)


@pytest.fixture(scope="module")
def voices(tiny_puppets, tmp_path_factory):
    """A suite of the voice alone that has run: (results, folder of tables, folder of runs)."""
    root, data = tiny_puppets
    folder = tmp_path_factory.mktemp("voices")
    results = bench(suite_of(folder, VOICE), folder / "out", root, data, Work(folder / "runs", 1))
    return results, folder / "out", folder / "runs"


def test_without_video_in_the_corpus_complete_is_what_is_elsewhere_called_no_video(done, voices):
    results, out, _ = voices
    asked = {"complete", *(f"audio-frames-{share}" for share in (0.1, 0.3, 0.5, 0.7, 0.9))}
    assert set(results[results.metric != "area"].condition) == asked
    assert set(results[results.features != "people"].features) == {"lld"}
    alike = ["functionals-lr", "ideal-observer", "human-crowd", "human-rater"]  # they know of a clip what the voice says

    def scores_of(table: pd.DataFrame, condition: str) -> pd.DataFrame:
        known = table.metric.isin(["macro-f1", "micro-f1"]) & (table.partition == "all") & (table.condition == condition)
        scores = table[known & table.system.isin(alike)].set_index(["system", "metric"])[["value", "low", "high"]]
        assert scores.index.is_unique and len(scores) == 8
        return scores

    pd.testing.assert_frame_equal(scores_of(results, "complete"), scores_of(done[0], "no-video"), check_like=True)
    assert "human-rater-others" not in set(results.system), "they heard and saw"
    people = pd.read_csv(out / "people.csv")
    assert set(people.condition) == {"complete"}
    heard = pd.read_csv(done[1] / "people.csv").query("condition == 'no-video'")
    np.testing.assert_allclose(people.select_dtypes("number"), heard.select_dtypes("number"))


def test_without_video_in_the_corpus_the_checkpoint_is_chosen_by_the_voice_alone(voices):
    _, _, runs = voices
    folders = sorted(path.parent for path in runs.glob("*/finished.json"))
    assert len(folders) == 4
    for folder in folders:
        metrics = read_metrics(folder)
        assert [name for name in metrics if name.startswith("dev_macro")] == ["dev_macro_f1_complete"]
        assert json.loads((folder / "finished.json").read_text())["score"] == pytest.approx(metrics.dev_macro_f1_complete.max())


def test_without_video_in_the_corpus_no_command_scores_what_would_be_left_without_the_voice(voices, tiny_puppets, tmp_path):
    root, data = tiny_puppets
    where = ["--root", str(root), "--data", str(data), "--video", "", "--runs", str(tmp_path / "runs")]
    assert CliRunner().invoke(app, ["run", *where, "--system", "functionals-lr", "--out", str(tmp_path / "out.csv")]).exit_code == 0
    assert set(pd.read_csv(tmp_path / "out.csv").condition) == {"complete"}
    trained = next(path for path in voices[2].glob("puppets-auxformer-*") if path.is_dir())
    mine = shutil.copytree(trained, tmp_path / "mine")
    assert CliRunner().invoke(app, ["evaluate", str(mine), "--out", str(tmp_path / "one.csv")]).exit_code == 0
    assert set(pd.read_csv(tmp_path / "one.csv").condition) == {"complete"}


def test_a_network_of_the_voice_alone_hears_a_film_and_does_not_look(voices, tiny_puppets):
    _, _, runs = voices
    run = load(next(path for path in runs.glob("puppets-auxformer-*") if path.is_dir()))
    clip = next(iter(sorted((tiny_puppets[0] / "VideoFlash").iterdir())))
    seen = run.recognise(clip)
    assert seen.film.frames is not None and seen.posteriors.loc["video"].isna().all()
    heard = run.recogniser().posteriors(seen.features.without("video"))
    pd.testing.assert_frame_equal(seen.posteriors, heard)


def test_a_report_of_the_voice_alone_says_so_and_shows_what_others_report_of_voices(voices, tmp_path):
    out = shutil.copytree(voices[1], tmp_path / "out")
    results = pd.read_csv(out / "results.csv").assign(corpus="crema-d")
    results.to_csv(out / "results.csv", index=False)
    text = next(path for path in report(out) if path.suffix == ".md").read_text()
    assert 'No clip has video here: "complete" is the voice alone' in text and "One rater, voice" in text
    assert "both streams" not in text and "One rater, audiovisual" not in text
    rows = [line for line in text.splitlines() if line.startswith("|") and "second hand" in line]
    ours = results.query("system == 'auxformer' and condition == 'complete' and metric == 'macro-f1'").set_index("partition").value["all"]
    assert [row.split("|")[4].strip() for row in rows] == [".574", ".591"]
    assert all(row.split("|")[5].strip().startswith(f"{ours:.3f}"[1:]) for row in rows)
    known = literature("crema-d")
    heard = known.condition == "no-video"
    assert not any(f"| {name} |" in text for name in set(known.system[~heard]) - set(known.system[heard]))


@pytest.mark.parametrize("name", ["no-video", "no-audio", "video-frames-0.5", "both-frames-0.5", "video-dark", "desync-300"])
def test_a_condition_about_a_stream_that_no_clip_has_is_refused(tmp_path, name):
    suite = suite_of(tmp_path, VOICE.replace('"basic"', f'"basic", "{name}"'))
    with pytest.raises(InputError, match=f"{name} is about the video stream, which no clip of it has"):
        suite.conditions()


def test_a_suite_needs_one_stream_at_least(tmp_path):
    with pytest.raises(InputError, match="corpus.audio and corpus.video are empty"):
        suite_of(tmp_path, VOICE.replace('video = ""', 'video = ""\naudio = ""'))


def test_ratings_without_media_and_a_file_of_arrays_are_a_corpus(tiny_puppets, tmp_path):
    """As what lies beside the tables of CREMA-D where nobody has the recordings."""
    for name in ("tabulatedVotes.csv", "VideoDemographics.csv"):
        shutil.copy(next(tiny_puppets[0].rglob(name)), tmp_path / name)
    corpus = read_corpus(tmp_path, on_error="skip")
    names, rng = list(corpus.clips.index), np.random.default_rng(0)
    np.savez(tmp_path / "voices.npz", **{name: rng.normal(size=(9, 4)) for name in names[1:]})
    task = Task(corpus, "arrays:voices.npz@20", "", data=tmp_path / "features")
    assert corpus.name == "crema-d" and corpus.clips.audio.isna().all() and not corpus.skipped
    assert set(task.audio.skipped) == {names[0]} and names[0] not in task.table.index and len(task.table) > 9
    own_scale = Task(corpus, "arrays:voices.npz@20", "", data=tmp_path / "features", normalise="speaker")
    assert (task.features, own_scale.features) == ("arrays:voices.npz", "arrays:voices.npz-by-speaker")
    split = task.split(0)
    *_, has_audio, has_video, _ = split.train[0]
    assert has_audio and not has_video
    with pytest.raises(InputError, match=f"none of its {len(names)} clips has a file to take lld from; add the media"):
        Task(corpus, "lld", "", data=tmp_path / "features")


def test_official_partitions_are_looked_for_in_the_corpus_folder_first(tiny_puppets, tmp_path, monkeypatch):
    asked = []

    class Asked:
        def __init__(self, corpus, *features, **how):
            self.corpus = corpus

        def official(self, path):
            asked.append(str(path))
            return self, []

    monkeypatch.setattr("auxformer.benchmark.suite.Task", Asked)
    (tmp_path / "labels").mkdir()
    for name in ("tabulatedVotes.csv", "VideoDemographics.csv"):
        shutil.copy(next(tiny_puppets[0].rglob(name)), tmp_path / name)
    text = VOICE.replace('name = "puppets"', 'name = "crema-d"')
    for place in ("labels", "elsewhere"):
        suite_of(tmp_path, text.replace("partitions = 2", f'official = "{place}"')).prepare(tmp_path, tmp_path, 1)
    assert asked == [str(tmp_path / "labels"), "elsewhere"]
