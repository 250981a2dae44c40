from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auxformer.benchmark.run import RESULT_COLUMNS
from auxformer.corpora import read_corpus
from auxformer.corpora.base import CLIP_COLUMNS, OTHER, Corpus
from auxformer.corpora.labels import targets
from auxformer.errors import InputError
from auxformer.evaluation.intervals import score
from auxformer.evaluation.people import human_confusions, human_rows
from auxformer.evaluation.scores import METRICS, scores_of

REAL = Path(__file__).parents[1].parent / "shared/real/crema_d"
needs_crema_d = pytest.mark.skipif(
    not REAL.is_dir(), reason="the real CREMA-D tables are not in ../shared/real/crema_d"
)
CLASSES = ("a", "b", "c")


def corpus_of(speakers, classes=CLASSES, **ratings):
    """A corpus in memory: `speakers` of its clips k0, k1, ..., votes per way."""
    names = [f"k{i}" for i in range(len(speakers))]
    clips = pd.DataFrame({column: None for column in CLIP_COLUMNS}, index=names)
    clips["speaker"], clips["intended"] = list(speakers), classes[0]
    about = pd.DataFrame({"sex": "female", "age": 30.0}, index=sorted(set(speakers)))
    columns = [*classes, OTHER]
    tables = {way: pd.DataFrame(v, names, columns[: len(v[0])]) for way, v in ratings.items()}
    return Corpus("toy", Path("toy"), classes, clips, about, tables)


TOY = corpus_of("xxyy",
    audiovisual=[[6, 4, 0], [1, 8, 1], [5, 5, 0], [0, 2, 4]],
    voice=[[4, 4, 2], [1, 1, 0], [9, 0, 0], [2, 2, 2]],
    face=[[7, 3, 0], [0, 0, 5], [0, 9, 0], [0, 1, 3]],
)  # fmt: skip


# By hand


def test_the_crowd_shares_the_credit_of_tied_classes():
    """Labels a, b, none, c; the voices' leaders a|b, a|b, (a), a|b|c."""
    x, y = human_confusions(TOY, "human-crowd", "voice")
    assert x.tolist() == [[0.5, 0.5, 0], [0.5, 0.5, 0], [0, 0, 0]]
    assert y == pytest.approx(np.array([[0, 0, 0], [0, 0, 0], [1 / 3, 1 / 3, 1 / 3]]))


def test_a_rater_answers_by_the_shares_of_the_votes():
    x, y = human_confusions(TOY, "human-rater", "face")
    assert x == pytest.approx(np.array([[0.7, 0.3, 0], [0, 0, 1], [0, 0, 0]])) and y[2] == pytest.approx(
        [0, 0.25, 0.75]
    )


def test_a_rater_is_judged_by_the_majority_of_the_others():
    """k0: without one a 5:4 is still a majority, without one b 6:3. k1: 7, 8 and 8 of 9. k2: 5:4 for the other class,
    whichever goes. k3: b goes, 4:1; c goes, 3:2."""
    x, y = human_confusions(TOY, "human-rater-others", "audiovisual")
    assert x == pytest.approx(np.array([[0.6, 0.4, 0], [0.1, 0.8, 0.1], [0, 0, 0]]))
    assert y == pytest.approx(np.array([[0, 0.5, 0], [0.5, 0, 0], [0, 2 / 6, 4 / 6]]))
    lenient, strict = (
        human_confusions(TOY, name, "audiovisual").sum(0) for name in ("human-rater", "human-rater-others")
    )
    assert scores_of(strict)[1] < scores_of(lenient)[1]


def test_a_rater_whose_others_have_no_majority_does_not_count():
    """3 of 5: without one of the three it is 2 of 4; without one of the others 3 of 4."""
    corpus = corpus_of("x", audiovisual=[[3, 1, 1]])
    assert human_confusions(corpus, "human-rater-others", "audiovisual")[0, 0] == pytest.approx([0, 0.2, 0.2])
    plurality = human_confusions(corpus, "human-rater-others", "audiovisual", rule="plurality")
    assert plurality[0, 0] == pytest.approx([0.6, 0.2, 0.2])


def test_a_lone_rater_has_nobody_to_be_judged_by():
    with pytest.raises(InputError, match="no clip has votes"):
        human_confusions(corpus_of("x", audiovisual=[[1, 0, 0]]), "human-rater-others", "audiovisual")


def test_votes_for_something_else_are_no_answers_but_count_in_the_label():
    corpus = corpus_of("xy", audiovisual=[[4, 0, 0, 3], [4, 0, 0, 4]], voice=[[2, 1, 0, 5], [1, 0, 0, 0]])
    for system, answers in (("human-crowd", [1, 0, 0]), ("human-rater", [2 / 3, 1 / 3, 0])):
        counts = human_confusions(corpus, system, "voice")
        assert counts.shape == (1, 3, 3) and counts[0, 0] == pytest.approx(answers)
    # k0: without an a 3:3; k1: without an a 3:4, whose majority is no class.
    with pytest.raises(InputError, match="no clip"):
        human_confusions(corpus, "human-rater-others", "audiovisual")


def test_some_classes_only():
    counts = human_confusions(TOY, "human-rater", "voice", classes=["b", "a"])
    assert counts.tolist() == [[[0.5, 0.5], [0.5, 0.5]]]  # k0 and k1; k3 is a c, and y has no other
    with pytest.raises(InputError, match='unknown class "d"'):
        human_confusions(TOY, "human-rater", "voice", classes=["a", "d"])


def test_the_intended_emotion_needs_no_raters_of_its_own():
    assert human_confusions(TOY, "human-crowd", "face", target="intended").sum((0, 2)).tolist() == [4, 0, 0]
    rows = human_rows(TOY, target="intended", resamples=20)
    assert set(rows.condition[rows.system == "human-crowd"]) == {"complete", "no-audio", "no-video"}
    assert "human-rater-others" not in set(rows.system)


# Properties

votes = st.lists(st.lists(st.integers(0, 5), min_size=3, max_size=3).filter(any), min_size=2, max_size=8)


@settings(max_examples=40, deadline=None)
@given(votes)
def test_judged_by_the_others_is_what_a_loop_over_the_raters_finds(table):
    corpus = corpus_of(["x"] * len(table), audiovisual=table)
    expected = np.zeros((3, 3))
    for counts in table:
        raters = np.repeat(np.arange(3), counts)
        for i, answer in enumerate(raters):
            others = np.bincount(np.delete(raters, i), minlength=3)
            if others.max() * 2 > others.sum():
                expected[others.argmax(), answer] += 1 / len(raters)
    if expected.any():
        assert human_confusions(corpus, "human-rater-others", "audiovisual")[0] == pytest.approx(expected)


@settings(max_examples=40, deadline=None)
@given(votes)
def test_every_labelled_clip_is_one_answer(table):
    corpus = corpus_of(["x"] * len(table), audiovisual=table, face=table[::-1])
    labels = targets(corpus)
    if len(labels):
        for system in ("human-crowd", "human-rater"):
            assert human_confusions(corpus, system, "face").sum((0, 2)) == pytest.approx(labels.sum().to_numpy())


# Rows


def test_rows_are_those_of_a_result_table():
    rows = human_rows(TOY, resamples=50)
    assert tuple(rows.columns) == RESULT_COLUMNS and set(rows.metric) == set(METRICS)
    assert rows[["corpus", "target", "features", "partition", "seed"]].drop_duplicates().to_numpy().tolist() == [
        ["toy", "audiovisual", "people", "all", 0]
    ]
    assert set(zip(rows.system, rows.condition)) == {
        ("human-crowd", "no-audio"), ("human-crowd", "no-video"), ("human-rater", "complete"),
        ("human-rater", "no-audio"), ("human-rater", "no-video"), ("human-rater-others", "complete"),
    }  # fmt: skip
    assert rows.value.notna().all() and rows[["low", "high"]].isna().all(axis=None)  # of two speakers


def test_the_interval_is_that_of_a_system_with_the_same_answers():
    """A crowd that never ties answers like a system; it must get the system's interval too."""
    rng = np.random.default_rng(0)
    sure = np.eye(3, dtype=int)
    truth, answer = rng.integers(0, 3, (2, 40))
    speakers = [f"s{i % 6}" for i in range(40)]
    corpus = corpus_of(speakers, audiovisual=sure[truth] * 5, face=sure[answer] * 5)
    names = np.array(CLASSES)
    system = pd.DataFrame(
        {"speaker": speakers, "condition": "no-audio", "truth": names[truth], "predicted": names[answer]}
    )
    crowd = human_rows(corpus).query("system == 'human-crowd'")
    np.testing.assert_allclose(crowd[["value", "low", "high"]], score(system, CLASSES)[["value", "low", "high"]])


def test_only_some_speakers_or_clips():
    whole = human_confusions(TOY, "human-rater", "face")
    micro = human_rows(TOY, speakers=["y"], resamples=10).set_index(["system", "condition", "metric"]).value
    assert micro["human-rater", "no-audio", "micro-f1"] == pytest.approx(np.trace(whole[1]) / whole[1].sum())
    one = human_rows(TOY, clips=["k0", "k2"], resamples=10).set_index(["system", "condition", "metric"]).value
    assert one["human-rater", "no-audio", "micro-f1"] == pytest.approx(0.7)  # k2 has no label
    with pytest.raises(InputError, match="no speaker z"):
        human_rows(TOY, speakers=["z"])
    with pytest.raises(InputError, match="no clip k9"):
        human_rows(TOY, clips=["k9"])


def test_what_cannot_be_asked_of_a_corpus():
    with pytest.raises(InputError, match="no ratings"):
        human_rows(replace(TOY, ratings={}))
    with pytest.raises(InputError, match="no votes of voice raters"):
        human_confusions(replace(TOY, ratings={"audiovisual": TOY.ratings["audiovisual"]}), "human-crowd", "voice")
    with pytest.raises(InputError, match='"human-croud". Did you mean "human-crowd"'):
        human_confusions(TOY, "human-croud", "voice")
    with pytest.raises(InputError, match="voice raters take no part in the audiovisual target"):
        human_confusions(TOY, "human-rater-others", "voice")


def test_a_corpus_with_one_way_of_watching_has_the_rows_of_that_way():
    rows = human_rows(replace(TOY, ratings={"audiovisual": TOY.ratings["audiovisual"]}), resamples=10)
    assert set(zip(rows.system, rows.condition)) == {("human-rater", "complete"), ("human-rater-others", "complete")}


# Corpora


def test_puppets_are_perceived_by_their_raters(tiny_puppets):
    rows = human_rows(read_corpus(tiny_puppets[0], "puppets"), resamples=100)
    macro = rows[rows.metric == "macro-f1"].set_index(["system", "condition"]).value
    assert macro["human-crowd", "no-audio"] > macro["human-crowd", "no-video"]
    assert macro["human-rater", "complete"] > macro["human-rater-others", "complete"] > macro["human-rater", "no-audio"]


@needs_crema_d
def test_people_on_crema_d():
    """The figures of the design, to .001, and the clips they are about."""
    corpus = read_corpus(REAL, "crema-d")
    rows = human_rows(corpus, resamples=200)
    found = rows.set_index(["system", "condition", "metric"]).value
    for (system, condition), macro, micro in [
        (("human-crowd", "no-video"), 0.563, 0.601),
        (("human-crowd", "no-audio"), 0.810, 0.843),
        (("human-rater", "complete"), 0.779, 0.800),
        (("human-rater-others", "complete"), 0.719, 0.746),
    ]:
        assert found[system, condition, "macro-f1"] == pytest.approx(macro, abs=0.001)
        assert found[system, condition, "micro-f1"] == pytest.approx(micro, abs=0.001)
    counts = human_confusions(corpus, "human-crowd", "voice")
    assert counts.shape == (91, 6, 6) and counts.sum() == pytest.approx(5913)
