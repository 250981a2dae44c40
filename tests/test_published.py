"""Published partition files as they are: their speakers, their labels, from `run` and again from `evaluate`."""

import pandas as pd
import pytest

from auxformer.benchmark.bench import _people
from auxformer.benchmark.run import evaluate
from auxformer.config import override, preset
from auxformer.corpora import read_corpus
from auxformer.corpora.labels import targets
from auxformer.data.task import Task
from auxformer.errors import InputError
from auxformer.evaluation.people import human_confusions
from auxformer.training.fit import fit


@pytest.fixture(scope="module")
def files(tiny_puppets, tmp_path_factory):
    """Two partition files of the tiny puppets, in the authors' format."""
    corpus = read_corpus(tiny_puppets[0], "puppets")
    shares = targets(corpus, "audiovisual", "distributional")
    majority = targets(corpus, "audiovisual", "majority").index
    speakers = sorted(corpus.speakers.index)
    folder = tmp_path_factory.mktemp("published")
    for number, order in enumerate((speakers, speakers[::-1]), start=1):
        parts = dict(zip(order, ["Train"] * 3 + ["Development"] + ["Test"] * 2))
        table = (0.94 * shares.loc[majority] + 0.01).round(3)
        table.insert(0, "FileName", [f"{clip}.wav" for clip in table.index])
        who = corpus.clips.speaker[majority]
        table.assign(SpkrID=who, Split_Set=who.map(parts)).to_csv(folder / f"label_consensus_{number}.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def task(tiny_puppets):
    return Task(tiny_puppets[0], "logmel", "hog", data=tiny_puppets[1])


def test_speakers_and_labels_are_those_of_the_files(task, files):
    published, partitions = task.official(files)
    assert [p.name for p in partitions] == ["label_consensus_1", "label_consensus_2"]
    assert partitions[0].test == tuple(sorted(partitions[0].test)) and len(partitions[0].train) == 3
    assert set(partitions[0].test) != set(partitions[1].test)
    own = targets(task.corpus, "audiovisual", "majority")
    assert published.table.sort_index().equals(own.loc[sorted(published.table.index), list(published.table)])
    one, (only,) = task.official(files / "label_consensus_2.csv")
    assert only.name == "label_consensus_2" and len(one.table) == len(published.table)


def test_four_classes_leave_the_other_clips_out(task, files, tiny_puppets):
    classes = ["angry", "happy", "neutral", "sad"]
    four, _ = Task(tiny_puppets[0], "logmel", "hog", classes=classes, data=tiny_puppets[1]).official(files)
    assert list(four.table) == ["angry", "happy", "neutral", "sad"] and 0 < len(four.table) < len(task.table)


def test_files_that_disagree_on_a_clip_are_refused(task, files, tmp_path):
    table = pd.read_csv(files / "label_consensus_1.csv")
    table.to_csv(tmp_path / "a.csv", index=False)
    swapped = table.rename(columns={"angry": "happy", "happy": "angry"})
    swapped.to_csv(tmp_path / "b.csv", index=False)
    with pytest.raises(InputError, match=r"b.csv: labels \S+ and \d+ more clips otherwise"):
        task.official(tmp_path)
    with pytest.raises(InputError, match="holds no partition files"):
        task.official(tmp_path / "..")


def test_a_run_on_them_is_evaluated_on_them_again(task, files, tmp_path):
    model = {"width": 8, "heads": 2, "layers": 1, "aux_hidden": [8, 8]}
    config = override(preset("quick"), {"model": model, "training": {"epochs": 1, "device": "cpu"}})
    published, partitions = task.official(files)
    fit(config, published.split(partitions[0]), tmp_path / "run", progress=False)
    predictions, scores = evaluate(tmp_path / "run", ["complete"])
    assert set(predictions.speaker) <= set(partitions[0].test) and set(scores.partition) == {"label_consensus_1"}
    expected = partitions[0].clips(task.corpus.clips.loc[published.table.index], "test")
    assert sorted(predictions["clip"]) == sorted(expected)


def test_people_are_judged_on_the_clips_and_by_the_labels_of_the_systems(task, files, tiny_puppets, tmp_path):
    table = pd.read_csv(files / "label_consensus_1.csv")
    tested = table.index[table.Split_Set == "Test"]
    table = table.drop(tested[0])  # a clip that the file does not list, though the corpus has votes of it
    table[["angry", "happy"]] = table[["happy", "angry"]].to_numpy()  # and labels that are not the corpus's own
    table.to_csv(tmp_path / "label_consensus_1.csv", index=False)
    published, partitions = task.official(tmp_path)
    rows, shares = _people(published, partitions)
    split = published.split(partitions[0])
    counts = human_confusions(
        task.corpus, "human-rater", "face", clips=split.test.clips, classes=published.classes, labels=published.table
    )
    assert counts.sum() == pytest.approx(len(split.test)) == pytest.approx(len(tested) - 1)
    truth = split.test.targets.idxmax(axis=1).value_counts().reindex(published.classes, fill_value=0)
    assert counts.sum((0, 2)) == pytest.approx(truth.to_numpy())
    seen = rows.query("system == 'human-rater' and condition == 'no-audio' and metric == 'micro-f1'").value.item()
    assert seen == pytest.approx(counts.trace(axis1=1, axis2=2).sum() / len(split.test))
    own, _ = _people(*task.official(files / "label_consensus_1.csv"))
    assert seen < own.query("system == 'human-rater' and condition == 'no-audio' and metric == 'micro-f1'").value.item()
