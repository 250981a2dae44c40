"""Partitions: no speaker in two parts, ever; balanced, named by a seed, independent of the order of rows."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auxformer.corpora import EMOTIONS, Corpus, read_corpus
from auxformer.corpora.labels import targets
from auxformer.corpora.partitions import (
    PARTS,
    Partition,
    SpeakerLeak,
    read_partition_file,
    speaker_folds,
    speaker_partitions,
)
from auxformer.corpora.tables import clip_table
from auxformer.errors import InputError

REAL = Path(__file__).parents[1].parent / "shared/real/crema_d"
needs_crema_d = pytest.mark.skipif(
    not REAL.is_dir(), reason="the real CREMA-D tables are not in ../shared/real/crema_d"
)


def company(men, women, clips_each=4, seed=0):
    """Clips and speakers of an invented corpus."""
    rng = np.random.default_rng(seed)
    names = [f"m{i:02d}" for i in range(men)] + [f"w{i:02d}" for i in range(women)]
    speakers = pd.DataFrame({"sex": ["male"] * men + ["female"] * women}, index=pd.Index(names, name="speaker"))
    emotion = iter(rng.integers(0, 6, len(names) * clips_each))
    rows = {
        f"{name}-{i}": (name, "s", EMOTIONS[next(emotion)], "XX", None, None, 1.0)
        for name in names
        for i in range(clips_each)
    }
    return clip_table(rows), speakers


def parts(partition):
    return [set(getattr(partition, part)) for part in PARTS]


companies = st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 99)).filter(
    lambda size: size[0] + size[1] >= 4
)


@settings(max_examples=25, deadline=None)
@given(companies)
def test_no_speaker_is_in_two_parts_and_none_is_forgotten(size):
    clips, speakers = company(size[0], size[1])
    for partition in speaker_partitions(clips, speakers, seed=size[2]):
        train, dev, test = parts(partition)
        assert train and dev and test
        assert not (train & dev or train & test or dev & test)
        assert train | dev | test == set(speakers.index)


@settings(max_examples=25, deadline=None)
@given(companies, st.integers(3, 8))
def test_folds_test_every_speaker_once(size, folds):
    _, speakers = company(size[0], size[1])
    partitions = speaker_folds(speakers, min(folds, len(speakers)), seed=size[2])
    tested = [speaker for partition in partitions for speaker in partition.test]
    assert sorted(tested) == sorted(speakers.index)
    for number, partition in enumerate(partitions):
        assert partition.dev == partitions[(number + 1) % len(partitions)].test
        assert set().union(*parts(partition)) == set(speakers.index)
    for names in (tested, speakers.index[speakers["sex"] == "male"], speakers.index[speakers["sex"] == "female"]):
        sizes = [len(set(partition.test) & set(names)) for partition in partitions]
        assert max(sizes) - min(sizes) <= 1


def test_five_partitions_of_one_seed_are_different():
    for men, women in ((2, 1), (3, 3), (20, 20)):
        partitions = speaker_partitions(*company(men, women))
        assert len({partition.test + ("|",) + partition.dev for partition in partitions}) == 5


def test_asking_for_more_partitions_keeps_the_first():
    clips, speakers = company(6, 6)
    assert speaker_partitions(clips, speakers, count=2) == speaker_partitions(clips, speakers, count=5)[:2]


def test_test_sets_overlap_only_when_they_must():
    tested = [name for partition in speaker_partitions(*company(20, 20)) for name in partition.test]
    assert len(tested) == len(set(tested)) == 30


def test_the_same_seed_gives_the_same_partitions_whatever_the_order_of_rows():
    clips, speakers = company(9, 8)
    labels = pd.DataFrame(np.random.default_rng(1).dirichlet(np.ones(6), len(clips)), clips.index, EMOTIONS)
    mixed = [table.sample(frac=1, random_state=3) for table in (clips, speakers, labels)]
    assert speaker_partitions(clips, speakers, labels, seed=4) == speaker_partitions(*mixed, seed=4)
    assert speaker_partitions(clips, speakers, labels, seed=4) != speaker_partitions(clips, speakers, labels, seed=5)
    assert speaker_folds(speakers, 4, seed=2) == speaker_folds(mixed[1], 4, seed=2)


def test_making_partitions_leaves_global_randomness_alone():
    np.random.seed(0)
    before = np.random.get_state()[1].tolist()
    speaker_partitions(*company(4, 4))
    assert np.random.get_state()[1].tolist() == before


def test_shares_and_sexes_are_kept_as_far_as_whole_speakers_allow():
    clips, speakers = company(40, 20)
    for partition in speaker_partitions(clips, speakers):
        assert [len(getattr(partition, part)) for part in PARTS] == [42, 9, 9]
        for part in ("dev", "test"):
            assert speakers.loc[list(getattr(partition, part)), "sex"].eq("male").sum() == 6


def test_classes_are_spread_more_evenly_than_by_chance():
    clips, speakers = company(15, 15, clips_each=6)
    shares = pd.get_dummies(clips["intended"], dtype=float)
    rng = np.random.default_rng(0)

    def unevenness(names):
        return np.abs(shares[clips["speaker"].isin(names)].mean() - shares.mean()).sum()

    ours = [unevenness(partition.test) for partition in speaker_partitions(clips, speakers)]
    chance = [unevenness(rng.choice(speakers.index, 4, replace=False)) for _ in range(200)]
    assert np.mean(ours) < np.quantile(chance, 0.25)


def test_speakers_without_labelled_clips_are_in_no_part():
    clips, speakers = company(4, 4)
    labels = pd.get_dummies(clips["intended"], dtype=float)[clips["speaker"] != "m00"]
    assert all("m00" not in set().union(*parts(partition)) for partition in speaker_partitions(clips, speakers, labels))


def test_two_speakers_are_too_few():
    with pytest.raises(InputError, match="have 2; use more speakers"):
        speaker_partitions(*company(1, 1))


def test_more_partitions_than_divisions_are_refused():
    with pytest.raises(InputError, match="3 speakers cannot be divided in 7 different ways; ask for 6"):
        speaker_partitions(*company(2, 1), count=7)


@pytest.mark.parametrize("shares", [(0.7, 0.3), (0.8, 0.2, 0.2), (1.0, 0.0, 0.0)])
def test_impossible_shares_are_refused(shares):
    with pytest.raises(InputError, match="sum to 1"):
        speaker_partitions(*company(3, 3), shares=shares)


def test_a_speaker_without_a_row_is_named():
    clips, speakers = company(3, 3)
    with pytest.raises(InputError, match="m01"):
        speaker_partitions(clips, speakers.drop("m01"))


@pytest.mark.parametrize("folds", [2, 7])
def test_impossible_folds_are_refused(folds):
    with pytest.raises(InputError, match=f"folds is {folds}"):
        speaker_folds(company(3, 3)[1], folds)


def test_ravdess_folds_are_pairs_of_a_man_and_a_woman():
    actors = [f"{number:02d}" for number in range(1, 13)]
    speakers = pd.DataFrame({"sex": ["male", "female"] * 6}, index=actors)
    tests = [partition.test for partition in speaker_folds(speakers, 6)]
    assert tests == [("01", "02"), ("03", "04"), ("05", "06"), ("07", "08"), ("09", "10"), ("11", "12")]


def test_a_partition_that_shares_a_speaker_cannot_be_made():
    with pytest.raises(SpeakerLeak, match="1 speaker \\(b\\) in both dev and test"):
        Partition("p", ("a",), ("b",), ("b", "c"))
    with pytest.raises(InputError, match="no speaker in dev"):
        Partition("p", ("a",), (), ("b",))


def test_clips_of_a_part_keep_the_order_of_the_table():
    clips, _ = company(2, 2, clips_each=2)
    partition = Partition("p", ("w01", "m00"), ("m01",), ("w00",))
    assert list(partition.clips(clips, "train")) == ["m00-0", "m00-1", "w01-0", "w01-1"]
    with pytest.raises(InputError, match='"training"'):
        partition.clips(clips, "training")


def corpus_and_file(tmp_path, change=lambda table: table):
    """A corpus of four speakers and a partition file for it, in the layout of the published ones."""
    clips, speakers = company(2, 2, clips_each=2)
    rows = []
    for clip, row in clips.iterrows():
        shares = {emotion: 0.94 * (0.75 if emotion == row["intended"] else 0.05) + 0.01 for emotion in EMOTIONS}
        split = {"m00": "Train", "m01": "Train", "w00": "Development", "w01": "Test"}[row["speaker"]]
        rows.append(
            {"FileName": f"{clip}.wav", **shares, "SpkrID": row["speaker"], "Gender": "Male", "Split_Set": split}
        )
    change(pd.DataFrame(rows)).to_csv(tmp_path / "label_consensus_9.csv", index=False)
    return Corpus("toy", tmp_path, EMOTIONS, clips, speakers), tmp_path / "label_consensus_9.csv"


def test_a_partition_file_gives_speakers_and_labels(tmp_path):
    corpus, path = corpus_and_file(tmp_path)
    partition, labels = read_partition_file(path, corpus)
    assert partition == Partition("label_consensus_9", ("m00", "m01"), ("w00",), ("w01",))
    assert (labels.idxmax(axis=1) == corpus.clips["intended"]).all() and set(labels.to_numpy().ravel()) == {0.0, 1.0}


def test_the_shares_of_a_partition_file_are_undone_to_votes(tmp_path):
    corpus, path = corpus_and_file(tmp_path)
    labels = read_partition_file(path, corpus, rule="distributional")[1]
    assert np.allclose(labels.max(axis=1), 0.75) and np.allclose(labels.sum(axis=1), 1)


def shares_of_first(**shares):
    def change(table):
        table = table.astype(dict.fromkeys(EMOTIONS, float))
        table.loc[0, list(EMOTIONS)] = [round(0.94 * shares.get(name, 0) + 0.01, 3) for name in EMOTIONS]
        return table

    return change


@pytest.mark.parametrize(
    ("shares", "refused"),
    [
        ({"sad": 1 / 3, "fear": 1 / 3, "angry": 1 / 3}, {"majority", "plurality"}),
        ({"sad": 0.5, "fear": 0.5}, {"majority", "plurality"}),
        ({"sad": 0.5, "fear": 0.25, "angry": 0.25}, {"majority"}),
        ({"sad": 6 / 11, "fear": 5 / 11}, set()),
    ],
)
@pytest.mark.parametrize("rule", ["majority", "plurality", "distributional"])
def test_a_file_of_another_rule_is_refused_and_a_tie_is_nobodys(tmp_path, shares, refused, rule):
    corpus, path = corpus_and_file(tmp_path, shares_of_first(**shares))
    if rule in refused:
        with pytest.raises(InputError, match=f"1 of its 8 clips have no label by {rule} .m00-0, say.* another rule"):
            read_partition_file(path, corpus, rule)
        return
    labels = read_partition_file(path, corpus, rule)[1]
    right = shares if rule == "distributional" else {"sad": 1}
    assert labels.loc["m00-0"].to_dict() == pytest.approx({name: right.get(name, 0) for name in EMOTIONS}, abs=0.002)


def test_clips_the_corpus_lacks_are_reported(tmp_path):
    corpus, path = corpus_and_file(tmp_path)
    smaller = Corpus("toy", tmp_path, EMOTIONS, corpus.clips.drop("m00-1"), corpus.speakers)
    partition, labels = read_partition_file(path, smaller)
    assert partition.absent == ("m00-1",) and "m00-1" not in labels.index


def damage(column, value, row=0):
    def change(table):
        table = table.astype({column: object})
        table.loc[row, column] = value
        return table

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (damage("Split_Set", "Test"), "m00\\) in both train and test"),
        (damage("Split_Set", "Validation"), "m00-0 is in the split 'Validation'"),
        (damage("SpkrID", "m01"), "says that m01 speaks in m00-0"),
        (damage("FileName", "m00-1.wav"), "lists the clip m00-1 twice"),
        (damage("happy", "many"), "m00-0 are not shares"),
        (lambda table: table.drop(columns="sad"), "lacks the columns sad"),
        (lambda table: table.assign(FileName="x" + table["FileName"]), "none of its 8 clips"),
    ],
)
def test_a_damaged_partition_file_is_explained(tmp_path, change, message):
    corpus, path = corpus_and_file(tmp_path, change)
    with pytest.raises(InputError, match=message):
        read_partition_file(path, corpus)


@pytest.mark.parametrize("content", [None, "", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n"])
def test_a_partition_file_that_is_no_table_is_explained(tmp_path, content):
    corpus, path = corpus_and_file(tmp_path)
    path.unlink()
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match="label_consensus_9.csv: (cannot be read|is not a CSV|this is a Git-LFS)"):
        read_partition_file(path, corpus)


@needs_crema_d
@pytest.mark.parametrize("number", [1, 2, 3])
def test_the_published_partitions_agree_with_the_votes(number):
    corpus = read_corpus(REAL, "crema-d")
    partition, labels = read_partition_file(REAL / f"labels_consensus_6class_M/label_consensus_{number}.csv", corpus)
    ours = targets(corpus, "audiovisual", "majority")
    both = labels.index.intersection(ours.index)
    assert (len(labels), len(both), partition.absent) == (5820, 5795, ())
    pd.testing.assert_frame_equal(labels.loc[both], ours.loc[both])
    assert [len(getattr(partition, part)) for part in PARTS] == [63, 14, 14]
    train, dev, test = (len(partition.clips(corpus.clips.loc[labels.index], part)) for part in PARTS)
    assert 4017 <= train <= 4068 and 844 <= dev <= 896 and 878 <= test <= 934 and train + dev + test == 5820


@needs_crema_d
def test_our_partitions_of_crema_d_are_stratified():
    corpus = read_corpus(REAL, "crema-d")
    labels = targets(corpus)
    men = (corpus.speakers["sex"] == "male").mean()
    partitions = speaker_partitions(corpus.clips, corpus.speakers, labels)
    for partition in partitions:
        assert [len(getattr(partition, part)) for part in PARTS] == [63, 14, 14]
        assert abs((corpus.speakers.loc[list(partition.test), "sex"] == "male").mean() - men) < 0.5 / 14 + 0.04
        test = labels.loc[partition.clips(corpus.clips.loc[labels.index], "test")]
        assert (test.mean() - labels.mean()).abs().max() < 0.03
    assert len({name for partition in partitions for name in partition.test}) == 5 * 14
