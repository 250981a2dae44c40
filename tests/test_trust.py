"""What a result depends on, when it changes, makes another run; what it does not depend on leaves the run alone.

A run's folder is named by all that it was made from, so that a name says whether finished work may be read back.
"""

import contextlib
import importlib.metadata
import os
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from auxformer import fingerprints, media
from auxformer.benchmark.run import Work, predictions_of, run_name
from auxformer.benchmark.runs import list_runs
from auxformer.config import override, preset
from auxformer.corpora import read_corpus
from auxformer.data.task import Task
from auxformer.errors import InputError
from auxformer.features import create_extractor
from auxformer.features.extract import extract, store_folder
from auxformer.models import registry
from auxformer.training.fit import fit

QUICK = override(preset("quick"), {"training": {"epochs": 1, "device": "cpu"}})


class Place:
    """A corpus and its features in a folder of their own, which tests change and put right again."""

    def __init__(self, corpus, folder):
        self.root, self.data = folder / "corpus", folder / "features"
        shutil.copytree(corpus, self.root)
        for number, wav in enumerate(sorted((self.root / "AudioWAV").iterdir())):
            if number % 4:  # a quarter of the clips will do
                wav.unlink()
                (self.root / "VideoFlash" / f"{wav.stem}.mp4").unlink()
        self.votes = self.root / "processedResults" / "tabulatedVotes.csv"
        self.wav = sorted((self.root / "AudioWAV").iterdir())[0]
        self.film = self.root / "VideoFlash" / f"{self.wav.stem}.mp4"
        self.partition = self.task().partitions()[0]

    def task(self, **what) -> Task:
        return Task(read_corpus(self.root), data=self.data, jobs=1, **what)

    def name(self, system="auxformer", config=QUICK, partition=None, **what) -> str:
        config = replace(config, model=replace(config.model, name=system))
        return run_name(self.task(**what), "label", config, partition or self.partition)

    @contextlib.contextmanager
    def changed(self, file, write):
        """`file` as `write(file)` makes it, for the block; then as it was."""
        content = file.read_bytes()
        write(file)
        try:
            yield
        finally:
            file.write_bytes(content)


@pytest.fixture(scope="module")
def place(tiny_corpus, tmp_path_factory):
    return Place(tiny_corpus, tmp_path_factory.mktemp("trust"))


@pytest.fixture(scope="module")
def first(place):
    return place.name()


def all_votes_for(emotion):
    def write(file):
        table = pd.read_csv(file, index_col=0)
        votes = ["A", "D", "F", "H", "N", "S"]
        table.loc[table.fileName == table.fileName.iloc[0], votes] = [10 * (name == emotion) for name in votes]
        table.to_csv(file)

    return write


def quieter(file):
    media.write_wav(file, 0.5 * media.read_audio(file), 16000)


def mirrored(file):
    media.write_video(
        file, media.read_frames(file)[0][:, :, ::-1], media.frame_rate(file), media.read_audio(file), 16000
    )


@pytest.mark.parametrize(
    "file, write",
    [("votes", all_votes_for("D")), ("wav", quieter), ("film", mirrored)],
    ids=["vote", "sound", "pixels"],
)
def test_another_content_of_a_file_is_another_run(place, first, file, write):
    with place.changed(getattr(place, file), write):
        assert place.name() != first
    assert place.name() == first, "put right again, the finished run counts again"


def test_a_recording_that_is_gone_is_another_run(place, first):
    aside = place.wav.with_suffix(".aside")
    place.wav.rename(aside)
    film = place.film.rename(place.film.with_suffix(".aside"))
    try:
        assert place.name() != first
    finally:
        aside.rename(place.wav)
        film.rename(place.film)
    assert place.name() == first


@pytest.mark.parametrize(
    "what",
    [
        {"target": "voice"}, {"target": "intended"}, {"rule": "plurality"}, {"rule": "distributional"},
        {"classes": ("angry", "sad")}, {"audio": "logmel"},
        {"config": override(QUICK, {"training": {"learning_rate": 1e-4}})},
        {"config": override(QUICK, {"training": {"loss_weights": [1.0, 0.0, 0.0]}})},
        {"config": override(QUICK, {"training": {"seed": 1}})},
        {"config": override(QUICK, {"model": {"width": 16, "heads": 2}})},
        {"system": "late-fusion"}, {"system": "functionals-lr"},
    ],
    ids=str,
)  # fmt: skip
def test_another_question_is_another_run(place, first, what):
    assert place.name(**what) != first


def test_the_order_of_classes_is_part_of_the_run(place):
    assert place.name(classes=("angry", "sad")) != place.name(classes=("sad", "angry"))


def test_a_speaker_in_another_part_is_another_run_and_their_order_is_not(place, first):
    part = place.partition
    moved = replace(part, train=part.train[1:], dev=(*part.dev, part.train[0]))
    swapped = replace(part, dev=part.test, test=part.dev)
    names = [place.name(partition=one) for one in (part, moved, swapped)]
    assert names[0] == first and len(set(names)) == 3
    assert place.name(partition=replace(part, train=part.train[::-1])) == first


def edited(monkeypatch, marker: str, more: str) -> None:
    """As if the files that hold `marker` ended in `more`."""
    of_text = fingerprints._code_of_text
    monkeypatch.setattr(fingerprints, "_code_of_text", lambda text: of_text(text + more if marker in text else text))
    fingerprints._made_by.cache_clear()


@pytest.fixture
def code(monkeypatch):
    yield lambda marker, more="\nx = 1\n": edited(monkeypatch, marker, more)
    monkeypatch.undo()
    fingerprints._made_by.cache_clear()


@pytest.mark.parametrize(
    "marker",
    [
        "class AuxFormer(", "class Layer(", "class BucketSampler", "def lose_frames(", "class Normalizer",
        "class _Trainer", "def posterior_table(", "def scores_of(", "def seed_of(",
    ],
)  # fmt: skip
def test_other_code_behind_a_training_is_another_run(place, first, code, marker):
    code(marker)
    assert place.name() != first


@pytest.mark.parametrize("marker", ["class MulT(", "def report(", "def read_partition_file("])
def test_code_that_a_training_never_runs_changes_nothing(place, first, code, marker):
    code(marker)
    assert place.name() == first


def test_comments_docstrings_and_layout_change_nothing(place, first, code, monkeypatch):
    code("class AuxFormer(", "\n# a thought\n\n\n")
    assert place.name() == first
    text = 'def f(x):\n    """One."""\n    return x + 1\n'
    same = "def f(x):\n    '''Two.'''\n\n    return (x + 1)  # three\n"
    assert fingerprints._code_of_text(text) == fingerprints._code_of_text(same)
    assert fingerprints._code_of_text(text) != fingerprints._code_of_text(text.replace("1", "2"))
    value = 'LIMIT = 5.0\n"""Largest number of deviations."""\n'
    assert fingerprints._code_of_text(value) == fingerprints._code_of_text(value.replace("Largest", "Highest"))
    assert fingerprints._code_of_text(value) != fingerprints._code_of_text('LIMIT = """Largest number of deviations."""\n')


def test_another_version_of_a_library_is_another_run(place, first, code, monkeypatch):
    version = importlib.metadata.version
    fingerprints._made_by.cache_clear()
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "99" if name == "torch" else version(name))
    assert place.name() != first
    fingerprints._made_by.cache_clear()
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "99" if name == "jupyterlab" else version(name))
    assert place.name() == first


def test_other_code_of_an_extractor_takes_its_features_again_and_the_same_features_train_nothing(
    place, first, code, capsys
):
    code("class LowLevelDescriptors")
    assert place.name() == first
    assert "lld: its code changed since; its features are taken again" in capsys.readouterr().out
    assert place.name() == first and not capsys.readouterr().out


def test_what_changes_nothing_trains_nothing(place, first, tmp_path):
    os.utime(place.wav)
    os.utime(place.votes)
    assert place.name() == first, "touched files"
    with place.changed(place.votes, lambda file: pd.read_csv(file, index_col=0).iloc[::-1].to_csv(file)):
        assert place.name() == first, "another order of rows"
    for setting in ({"device": "auto"}, {"label": "mine"}, {"keep": 3}):
        assert place.name(config=override(QUICK, {"training": setting})) == first, setting
    corpus = read_corpus(place.root)
    extractor = create_extractor("lld", root=corpus.root, modality="audio")
    folder = store_folder(place.data, corpus, extractor)
    shutil.rmtree(folder)
    extract(replace(corpus, clips=corpus.clips.iloc[::-1]), extractor, folder, 2)
    assert place.name() == first, "features taken in another order by other processes"
    shutil.copytree(place.root, tmp_path / "moved")
    task = Task(read_corpus(tmp_path / "moved"), data=tmp_path / "elsewhere", jobs=2)
    assert run_name(task, "label", QUICK, place.partition) == first


def test_features_that_are_not_those_that_were_written_are_refused(place):
    task = place.task()
    shard = sorted(task.audio.folder.glob("shard-*"))[0]
    content = bytearray(shard.read_bytes())
    content[-1] ^= 0x80  # the sign of the last number
    with place.changed(shard, lambda file: file.write_bytes(content)):
        with pytest.raises(InputError, match="are not those that were written"):
            [task.audio[clip] for clip in place.task().audio.clips]


PLUGIN = """
import numpy as np
from auxformer.models import register_reference

@register_reference("always")
def always(split):
    "one class, always"
    def answer(dataset, conditions):
        return {name: np.tile(np.eye(len(dataset.classes))[NUMBER], (len(dataset), 1)) for name in conditions}
    return answer
"""


def test_an_edited_plugin_runs_as_edited_in_reused_workers_too(place, tmp_path, monkeypatch):
    registry.list_references()
    monkeypatch.setattr(registry, "_REFERENCES", dict(registry._REFERENCES))
    file, task, parts = tmp_path / "always.py", place.task(), place.task().partitions(2)
    work = Work(tmp_path / "runs", 2, plugins=(file,))
    for number in (0, 1, 0):
        file.write_text(PLUGIN.replace("NUMBER", str(number)))
        always = {"always": replace(QUICK, model=replace(QUICK.model, name="always"))}
        table = predictions_of(task, always, parts, conditions=["complete"], work=work)
        assert set(table.predicted) == {task.classes[number]}
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("*.parquet")}
    predictions_of(task, always, parts, conditions=["complete"], work=work)
    assert kept == {path: path.stat().st_mtime_ns for path in kept}, "finished work is read back"
    predictions_of(task, always, parts, conditions=["complete"], work=replace(work, fresh=True))
    assert kept != {path: path.stat().st_mtime_ns for path in kept}, "unless it is to be done again"
    assert len(list((tmp_path / "runs").iterdir())) == 4, "two partitions, two versions; the third is the first again"


def test_a_stale_run_is_named_with_what_has_changed_and_is_not_continued(place, code, tmp_path):
    folder = tmp_path / "runs" / "mine"
    fit(QUICK, place.task().split(0), folder, progress=False)
    assert list_runs(folder.parent).state.tolist() == ["finished"]
    with place.changed(place.votes, all_votes_for("D")):
        assert list_runs(folder.parent).state.tolist() == ["stale: other speakers, clips or labels"]
        with pytest.raises(InputError, match="holds a run of other speakers, clips or labels"):
            fit(QUICK, place.task().split(0), folder, progress=False)
    code("class _Trainer")
    assert list_runs(folder.parent).state.tolist() == ["stale: other code or libraries: its code"]
    with pytest.raises(InputError, match="holds a run of other code or libraries"):
        fit(QUICK, place.task().split(0), folder, progress=False)
    assert np.isfinite(list_runs(folder.parent).dev).all()


def test_predictions_that_were_cut_or_damaged_are_made_again(place, tmp_path):
    task, parts, work = place.task(), place.task().partitions(1), Work(tmp_path / "runs", 1)
    system = {"functionals-lr": replace(QUICK, model=replace(QUICK.model, name="functionals-lr"))}
    whole = predictions_of(task, system, parts, conditions=["complete", "no-audio"], work=work)
    (file,) = (tmp_path / "runs").rglob("*.parquet")
    kept = pd.read_parquet(file)
    for damage in (kept[kept.condition == "complete"].head(5), kept.head(0), pd.concat([kept, kept.head(1)])):
        damage.to_parquet(file)
        again = predictions_of(task, system, parts, conditions=["complete", "no-audio"], work=work)
        pd.testing.assert_frame_equal(again, whole)
    file.write_bytes(b"PAR1 and no more")
    pd.testing.assert_frame_equal(predictions_of(task, system, parts, conditions=["complete", "no-audio"], work=work), whole)


def test_a_class_named_twice_is_refused(place):
    with pytest.raises(InputError, match="names angry twice"):
        place.task(classes=("angry", "angry", "sad"))
