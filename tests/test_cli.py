"""The command line: help, options by other names, tables that fit, plain terminals."""

import importlib.util
import inspect
import json
import os
import re
import subprocess
import sys
import tomllib
from dataclasses import fields, is_dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import auxformer
from auxformer import _moved
from auxformer.benchmark.suite import list_suites
from auxformer.cli import app, main, tables
from auxformer.cli.options import SettingsOptions, TaskOptions, WorkOptions, class_names
from auxformer.cli.settings import AUTHORS, MOVED, in_our_words, parse_value, read_settings
from auxformer.config import Config, preset
from auxformer.errors import InputError


def commands(group=None, words=()):
    """(words, click command) of every command and group."""
    group = group or typer.main.get_command(app)
    yield words, group
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, (*words, name))


COMMANDS = {" ".join(words) or "(none)": (words, command) for words, command in commands()}


def functions(typer_app=app):
    for command in typer_app.registered_commands:
        yield command.callback
    for group in typer_app.registered_groups:
        yield from functions(group.typer_instance)


# -- help --


@pytest.mark.parametrize("words", [words for words, _ in COMMANDS.values()], ids=list(COMMANDS))
def test_every_help_has_an_example_and_fits_80_columns(words):
    result = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "80"})
    assert result.exit_code == 0
    assert re.search(r"auxformer " + " ".join(words), " ".join(re.findall(r"Examples?:.*", result.output, re.DOTALL)))
    assert max(map(len, result.output.splitlines())) <= 80 and "…" not in result.output


def test_no_command_has_more_than_twelve_parameters_of_its_own():
    shared = (TaskOptions, SettingsOptions, WorkOptions)
    for function in functions():
        own = 0
        for parameter in inspect.signature(inspect.unwrap(function)).parameters.values():
            group = parameter.annotation
            own += 0 if group in shared else len(fields(group)) if is_dataclass(group) else 1
        assert own <= 12, f"{function.__name__} has {own}"


def test_help_names_every_argument_of_the_authors():
    output = " ".join(CliRunner().invoke(app, ["train", "--help"], env={"COLUMNS": "300"}).output.split())
    assert all(f"--{name}" in output for name in AUTHORS)


def test_the_command_line_starts_without_torch_and_pandas():
    code = "import sys, auxformer.cli; sys.exit(any(name in sys.modules for name in ('torch', 'pandas', 'numpy')))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


# -- settings --


def test_a_setting_is_read_as_toml_reads_it_else_as_text():
    pairs = [
        "model.layers=3",
        "model.aux_hidden=[12, 10]",
        "training.optimizer=sgd",
        "training.clip=1",
        "training.label=7",
    ]
    config = read_settings("default", None, [*pairs, "model.attn_mask=true", "model.out_dropout=.5", "model.layers=4"])
    assert (config.model.layers, config.model.aux_hidden, config.model.attn_mask) == (4, (12, 10), True)
    assert (config.training.optimizer, config.training.clip, config.training.label) == ("sgd", 1.0, "7")
    assert config.model.out_dropout == 0.5


def test_a_file_goes_over_the_preset_and_a_setting_over_the_file(tmp_path):
    (tmp_path / "own.toml").write_text("[model]\nlayers = 6\nwidth = 16\nheads = 4\n")
    config = read_settings("paper", tmp_path / "own.toml", ["model.width=20"], {"label": "mine"})
    assert (config.model.layers, config.model.width, config.model.heads) == (6, 20, 4)
    assert config.model.aux_passes == preset("paper").model.aux_passes
    assert config.training.label == "mine"


@pytest.mark.parametrize(
    "pair, message",
    [
        ("model.layer=3", 'Did you mean "model.layers"'),
        ("layers=3", 'Did you mean "model.layers"'),
        ("modle.layers=3", 'Did you mean "model.layers"'),
        ("training.learning-rate=3", 'Did you mean "training.learning_rate"'),
        ("model=3", "unknown setting"),
        ("model.layers", "expected SECTION.KEY=VALUE"),
        ("", "expected SECTION.KEY=VALUE"),
        ("model.layers=", "expected int"),
        ("model.layers=three", "expected int"),
        ("model.layers=0", "expected a number from 1"),
        ("model.attn_mask=yes", "expected bool"),
    ],
)
def test_a_wrong_setting_gets_the_nearest_name_or_what_was_expected(pair, message):
    with pytest.raises(InputError, match=re.escape(message)):
        read_settings("default", None, [pair])


def test_settings_that_belong_together_are_checked_together():
    assert read_settings("default", None, ["model.width=30", "model.heads=5"]).model.width == 30


def test_a_config_file_that_says_what_is_learned_is_told_the_options(tmp_path):
    (tmp_path / "old.toml").write_text('[data]\ntarget = "face"\n')
    with pytest.raises(InputError, match="--target, --rule and --classes"):
        read_settings("default", tmp_path / "old.toml")


def test_every_argument_of_the_authors_is_a_setting_that_exists():
    known = Config().to_dict()
    for name in AUTHORS.values():
        section, key = name.split(".")
        assert key in known[section]


def test_the_authors_arguments_work_with_their_own_spelling():
    words = ["--attn_dropout", ".2", "--num_epochs=3", "--no-attn-mask", "--lr", "5e-4", "--out", "x", "--jobs=1", "y"]
    ours = in_our_words(words)
    assert ours[-4:] == ["--out", "x", "--jobs=1", "y"]
    config = read_settings("paper", None, ours[1:-4:2])
    assert (config.model.attn_dropout, config.model.attn_mask) == (0.2, False)
    assert (config.training.epochs, config.training.learning_rate) == (3, 5e-4)


@pytest.fixture
def said(monkeypatch, capsys):
    """Words of a command line -> exit code and what came on stderr."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["auxformer", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
        return end.value.code, capsys.readouterr().err

    return run


@pytest.mark.parametrize("name", MOVED)
@pytest.mark.parametrize("verb", [["train"], ["bench", "quick"]], ids=" ".join)
def test_a_removed_option_gets_its_new_name_in_one_sentence(name, verb, said):
    code, error = said(*verb, f"--{name}", "3")
    assert code == 2 and len(error.splitlines()) == 1 and f"is now {MOVED[name]}" in error


@pytest.mark.parametrize(
    "words, message",
    [
        (["train", "--layer", "3"], 'Did you mean "--layers"'),
        (["run", "--presett", "paper"], 'Did you mean "--preset"'),
        (["bench", "quick", "--seed", "3"], 'Did you mean "--seeds"'),
        (["train", "--lr"], "its value is missing"),
    ],
)
def test_an_unknown_option_gets_the_nearest_one(words, message, said):
    code, error = said(*words)
    assert code == 2 and message in error


@given(
    st.one_of(
        st.integers(-(10**9), 10**9),
        st.booleans(),
        st.text("abcxyz", min_size=1).filter(lambda t: t not in ("inf", "nan")),
    )
)
def test_what_is_written_is_read_back(value):
    text = str(value).lower() if isinstance(value, bool) else str(value)
    assert parse_value(text) == value


def test_classes_are_separated_by_commas_and_four_has_a_short_name():
    assert class_names("happy, sad,") == ("happy", "sad") and class_names(None) == ()
    assert len(class_names("4")) == 4


# -- tables --


def long_results(systems, conditions, seeds=(0, 1), metrics=("macro-f1",)):
    rows = [
        ("puppets", "audiovisual", "lld+hog", system, "all", seed, condition, metric, 0.61234, 0.5512, 0.6799)
        for system in systems
        for seed in seeds
        for condition in conditions
        for metric in metrics
    ]
    names = "corpus target features system partition seed condition metric value low high".split()
    return pd.DataFrame(rows, columns=names)


def printed(capsys) -> list[str]:
    return capsys.readouterr().out.splitlines()


@pytest.fixture
def eighty(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


SYSTEMS = ["early-concat-transformer", "late-fusion-transformer", "auxformer"]


def test_a_table_of_results_fits_80_columns_and_wide_shows_every_condition(eighty, capsys):
    conditions = ["complete", "no-audio", "no-video", "audio-frames-0.5", "video-blur"]
    results = long_results(SYSTEMS, conditions)
    tables.show_results(results)
    lines = printed(capsys)
    assert max(map(len, lines)) <= 80 and sum(".612 [.55,.68]" in line for line in lines) == 6
    assert all(len(re.findall(r"\.612 \[\.55,\.68\]", line)) == 3 for line in lines if "[.55" in line)
    tables.show_results(results, wide=True)
    lines = printed(capsys)
    assert all(len(re.findall(r"\.612 \[\.551, \.680\]", line)) == 5 for line in lines if "[.551" in line)


def test_attributes_are_shown_one_by_one(eighty, capsys):
    metrics = ("ccc", "ccc-valence", "ccc-arousal", "ccc-dominance")
    tables.show_results(long_results(["auxformer"], ["complete", "no-audio", "no-video"], (0,), metrics))
    lines = printed(capsys)
    assert max(map(len, lines)) <= 80 and all(any(metric in line for line in lines) for metric in metrics)


def test_a_table_of_one_runs_scores_fits_80_columns(eighty, capsys):
    metrics = ("macro-f1", "micro-f1", "macro-precision", "micro-precision", "macro-recall", "ece", "brier")
    scores = long_results(["auxformer"], ["complete", "no-audio", "no-video"], (0,), metrics)
    tables.show_scores(scores, "runs/a: test speakers")
    lines = printed(capsys)
    assert max(map(len, lines)) <= 80 and "macro-f1" in lines[1] and "macro-recall" in lines[1]
    tables.show_scores(scores, "runs/a: test speakers", wide=True)
    heading = printed(capsys)[1]
    assert all(metric in heading for metric in metrics)


@given(
    st.lists(st.lists(st.text("ab1. ", max_size=30), min_size=4, max_size=4), max_size=4),
    st.integers(20, 120),
)
def test_a_number_is_never_broken_and_no_column_goes_unmentioned(rows, room):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", str(room))
        lines: list[str] = []
        patch.setattr("builtins.print", lambda text: lines.extend(text.splitlines()))
        rows = [["0.123456", "0.25 [.2, .3]", *row] for row in rows]
        tables.show(rows, ["one", "two", "three", "four", "five", "text"], text="text")
    assert sum("0.123456" in line for line in lines) == len(rows)
    assert all(name in " ".join(lines) for name in ("one", "two", "three", "four", "five", "text"))


def test_numbers_have_no_leading_zero_and_nan_is_nothing():
    assert [tables.number(value) for value in (0.7123, -0.05, 1.0, np.nan)] == [".712", "-.050", "1.000", ""]
    assert tables.number(10.5) == "10.500" and tables.with_interval(np.nan, np.nan, np.nan) == ""


def command(*words, cwd=None, **environment):
    environment = {**os.environ, "COLUMNS": "80", **environment}
    line = [sys.executable, "-m", "auxformer", *map(str, words)]
    return subprocess.run(line, capture_output=True, text=True, env=environment, cwd=cwd, check=False)


@pytest.mark.parametrize(
    "words", [["models"], ["models", "mmin"], ["models", "ogm-ge"], ["cost"], ["cost", "--preset", "paper"]], ids=" ".join
)
def test_what_is_printed_about_networks_fits_80_columns(words):
    result = CliRunner().invoke(app, words, env={"COLUMNS": "80"})
    assert result.exit_code == 0 and max(map(len, result.output.splitlines())) <= 80, result.output
    wide = CliRunner().invoke(app, [*words, "--wide"], env={"COLUMNS": "80"}).output
    assert "not shown" not in wide and len(wide.splitlines()) <= len(result.output.splitlines())


def test_runs_and_feature_stores_fit_80_columns(tmp_path, monkeypatch):
    run = tmp_path / "runs" / "msp-improv-early-concat-transformer-partition-1-s0-0123456789"
    run.mkdir(parents=True)
    Config().save(run / "config.toml")
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(app, ["features", "ls"]).exit_code == 0
    result = CliRunner().invoke(app, ["runs"], env={"COLUMNS": "80"})
    lines = result.output.splitlines()
    assert result.exit_code == 0 and max(map(len, lines)) <= 80 and any(line.startswith(run.name) for line in lines)
    wide = CliRunner().invoke(app, ["runs", "--wide"]).output
    assert Config().digest() in wide


# -- terminals that know ASCII only --


@pytest.mark.parametrize(
    "words", [["--help"], ["bench", "--help"], ["train", "--help"], ["models"], ["course", "ls"]], ids=" ".join
)
def test_an_ascii_terminal_gets_what_it_can_show(words):
    result = command(*words, PYTHONIOENCODING="ascii")
    assert result.returncode == 0 and result.stdout.isascii() and "Traceback" not in result.stderr, result.stderr


def test_signs_have_plain_replacements():
    code = "from auxformer.cli.tables import speak_plainly_where_needed as f; f(); print('…★²×é')"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert result.stdout == "...*2x?\n", result.stderr


def test_the_help_of_bench_names_every_suite():
    said = CliRunner().invoke(app, ["bench", "--help"], env={"COLUMNS": "200"}).output
    assert not [name for name in list_suites() if not re.search(rf"(?<![\w-]){name}(?![\w-])", said)]


# -- old import paths --


@pytest.mark.parametrize("old, new", _moved.MOVED.items())
def test_an_old_module_is_answered_with_its_new_name(old, new):
    assert importlib.util.find_spec(f"auxformer.{new}"), "the table names a module that is not there"
    with pytest.raises(
        ModuleNotFoundError, match=rf"auxformer\.{old} is now auxformer\.{new} \(the old name goes in 0\.3\)"
    ):
        importlib.import_module(f"auxformer.{old}")


def test_no_module_that_is_there_is_called_moved():
    package = Path(auxformer.__file__).parent
    there = {".".join(path.relative_to(package).with_suffix("").parts) for path in package.rglob("*.py")}
    assert not there & set(_moved.MOVED)


# -- whole commands --


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
    kept = tomllib.loads((tmp_path / "runs" / "mine" / "config.toml").read_text())
    model, training = kept["model"], kept["training"]
    given = [model[f"{key}_dropout"] for key in ("attn", "relu", "res", "embed", "out")] + [
        model["layers"],
        model["heads"],
    ]
    assert given == [0.11, 0.12, 0.13, 0.14, 0.15, 2, 4] and model["attn_mask"] is True
    assert [training[key] for key in ("batch_size", "clip", "learning_rate", "optimizer", "epochs", "decay", "device", "label")] == [8, 0.5, 0.002, "adam", 1, 3, "cpu", "mine"]  # fmt: skip
    about = json.loads((tmp_path / "runs" / "mine" / "run.json").read_text())
    assert about["classes"] == about["task"]["classes"] == ["happy", "sad", "neutral"]
    result = command("evaluate", tmp_path / "runs" / "mine", "--out", tmp_path / "scores.csv")
    assert result.returncode == 0, result.stderr
    assert max(map(len, result.stdout.splitlines()[1:])) <= 80 and "macro-recall" in result.stdout
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
    table = [line for line in result.stdout.splitlines() if " [" in line]
    assert len(table) == 4 and max(map(len, table)) <= 80  # the title and a row per system


def test_corpus_check_and_features_verify_answer_on_the_tiny_corpus(tiny_puppets):
    root, features = tiny_puppets
    assert command("features", "extract", root, "--data", features).returncode == 0
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
        (["evaluate", "nothing"], "no run here"),
        (["parity", "pyproject.toml"], "not a readable safetensors"),
        (["convert", "none.pt", "out.safetensors"], "no such checkpoint"),
        (["show", "none.mp4"], "none.mp4"),
        (["course", "run", "77"], "77"),
        (["course", "run", "-p", "epochs"], "NAME=VALUE"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_bad_input_gets_one_sentence_and_exit_code_two(words, sentence, said, monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[1])
    code, error = said(*words)
    assert code == 2 and sentence in error and len(error.strip().splitlines()) == 1


def test_parity_exits_with_zero_within_and_one_above_the_tolerance(tmp_path):
    from safetensors.torch import save_file

    from auxformer.models.authors import read_vectors

    path = Path(__file__).parent / "parity" / "full_paper.safetensors"
    assert command("parity", path).returncode == 0
    tensors, metadata = read_vectors(path)
    tensors["full.logits_a"] = tensors["full.logits_a"] + 1e-3
    save_file(tensors, tmp_path / "off.safetensors", metadata)
    assert command("parity", tmp_path / "off.safetensors").returncode == 1
