"""The front door: what the README shows first, run as it stands there on the tiny puppets, and what `help` says of it."""

import inspect
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

import auxformer as af
from auxformer import config

README = Path(__file__).parents[1] / "README.md"


def first_code() -> str:
    """The first Python of the README."""
    return re.search(r"```python\n(.*?)```", README.read_text("utf-8"), flags=re.S)[1]


def test_the_first_code_of_the_readme_runs_on_the_tiny_puppets(tiny_puppets, tmp_path, monkeypatch):
    root, features = tiny_puppets
    corpus = af.read_corpus(root)
    clip = corpus.clips.video.iloc[0]
    code = first_code()
    for shown, here in {
        '"CREMA-D"': repr(str(root)), '"clip.mp4"': repr(clip), '"runs/mine"': repr(str(tmp_path / "mine")),
        '"runs/other"': repr(str(tmp_path / "other")), '"quick"': repr(str(tmp_path / "small.toml")),
        '"build/bench/quick"': repr(str(tmp_path / "build/bench/small")),
    }.items():  # fmt: skip
        assert shown in code, f"the README no longer shows {shown}"
        code = code.replace(shown, here)
    (tmp_path / "small.toml").write_text(
        f'systems = ["duration-only", "ideal-observer"]\n[corpus]\nroot = "{root}"\n[settings]\npreset = "quick"\n'
        "[settings.change.training]\nepochs = 1\n"
    )
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "features").symlink_to(features)
    monkeypatch.chdir(tmp_path)
    presets = shutil.copytree(config.PRESETS, tmp_path / "presets")
    with (presets / "default.toml").open("a") as file:
        file.write("[training]\nepochs = 2\n")
    monkeypatch.setattr(config, "PRESETS", presets)  # the same code, sooner
    names = {}
    exec(compile(code, "README", "exec"), names)  # noqa: S102 (our own README)
    table = names["table"]
    assert {"clip", "speaker", "condition", "truth", "predicted", *corpus.classes} == set(table)
    assert set(table.condition) == {"complete", "no-audio", "no-video"}
    assert set(table.speaker) == set(names["split"].partition.test)
    scores = af.score(table)
    f1 = scores[(scores.metric == "macro-f1") & (scores.condition == "complete")]
    assert f1.value.between(0, 1).all() and not (f1.low > f1.high).any()
    assert (tmp_path / "build/bench/small/report.html").is_file()
    assert isinstance(af.load(tmp_path / "mine").recognise(clip).posteriors, pd.DataFrame)


def test_a_run_needs_neither_corpus_nor_features(tiny_puppets, tmp_path):
    root, features = tiny_puppets
    shutil.copytree(root, tmp_path / "gone")
    corpus = af.read_corpus(tmp_path / "gone")
    few = corpus.clips.groupby("speaker").head(6)  # another folder, so features are extracted anew
    task = af.Task(replace(corpus, clips=few), data=features, jobs=1)
    settings = {"model": {"width": 8, "heads": 2, "layers": 1, "aux_hidden": [8, 8]}, "training": {"epochs": 1}}
    split = task.split(0)
    before = af.fit(af.override(af.preset("quick"), settings), split, tmp_path / "mine", progress=False)
    clip = tmp_path / "clip.mp4"
    shutil.copy(task.corpus.clips.video[split.test.clips[0]], clip)
    expected = before.recognise(clip).posteriors
    shutil.rmtree(tmp_path / "gone")
    pd.testing.assert_frame_equal(af.load(tmp_path / "mine").recognise(clip).posteriors, expected)


@pytest.mark.parametrize("name", af.__all__)
def test_every_name_says_what_it_is(name):
    found = getattr(af, name)
    text = inspect.getdoc(found)
    assert text and len(text.splitlines()[0]) > 15, f"af.{name} has no docstring of its own"
    if inspect.isfunction(found):
        assert "Raises" in text or name in ("register_model", "list_models"), f"af.{name} does not say what goes wrong"
        for argument in inspect.signature(found).parameters:
            assert argument in text, f"af.{name} does not explain {argument}"


def test_help_reads_like_a_table_of_contents():
    text = af.__doc__
    for name in af.__all__:
        assert re.search(rf"\b{name}\b", text), f"help(auxformer) does not name {name}"
    assert set(af.__all__) <= set(dir(af))
    with pytest.raises(AttributeError, match="it has .*read_corpus"):
        af.nothing  # noqa: B018


def test_the_door_opens_without_torch():
    code = "import sys, auxformer; auxformer.InputError; sys.exit(bool({'torch', 'pandas', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
