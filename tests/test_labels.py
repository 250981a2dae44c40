"""Label rules: what every rule keeps, and that only the proportions of the votes matter."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auxformer.corpora import EMOTIONS, Corpus, read_corpus
from auxformer.corpora.labels import RULES, consensus, targets
from auxformer.corpora.tables import clip_table
from auxformer.errors import InputError

REAL = Path(__file__).parents[1].parent / "shared/real/crema_d"
needs_crema_d = pytest.mark.skipif(
    not REAL.is_dir(), reason="the real CREMA-D tables are not in ../shared/real/crema_d"
)

cells = st.integers(0, 12)
tables = st.lists(st.tuples(cells, cells, cells, cells), min_size=1, max_size=12).map(
    lambda rows: pd.DataFrame(rows, index=[f"clip{i}" for i in range(len(rows))], columns=list("adhs"))
)
rules = st.sampled_from(RULES)


def votes(*rows, classes="ahs"):
    return pd.DataFrame(rows, index=[f"clip{i}" for i in range(len(rows))], columns=list(classes))


def chosen(labels):
    return dict(zip(labels.index, labels.idxmax(axis=1)))


def test_plurality_takes_the_largest_and_drops_ties():
    assert chosen(consensus(votes([4, 3, 3], [4, 4, 2], [0, 0, 1]), "plurality")) == {"clip0": "a", "clip2": "s"}


def test_majority_needs_more_than_half():
    assert chosen(consensus(votes([5, 3, 2], [6, 2, 2], [2, 2, 5]), "majority")) == {"clip1": "a", "clip2": "s"}


def test_distributional_keeps_ties_as_shares():
    assert consensus(votes([5, 5, 0]), "distributional").loc["clip0"].tolist() == [0.5, 0.5, 0.0]


@pytest.mark.parametrize("rule", RULES)
def test_a_clip_without_votes_has_no_label(rule):
    assert list(consensus(votes([0, 0, 0], [3, 0, 0]), rule).index) == ["clip1"]


def test_a_tie_is_not_broken_by_rounding():
    tied = votes([0.1 * 3, 0.3, 0.0])  # 0.30000000000000004 against 0.3
    assert consensus(tied, "plurality").empty and consensus(tied, "majority").empty


def test_half_of_the_votes_in_thirds_is_no_majority():
    third = 1 / 3
    assert consensus(votes([third + third + third, 0.5, 0.5]), "majority").empty


@settings(deadline=None, max_examples=50)
@given(tables, rules, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(table, rule, random):
    order = list(table.index)
    random.shuffle(order)
    shuffled = consensus(table.loc[order], rule)
    pd.testing.assert_frame_equal(shuffled.sort_index(), consensus(table, rule).sort_index())


@settings(deadline=None, max_examples=50)
@given(tables, rules)
def test_labels_sum_to_one_and_stay_in_order(table, rule):
    labels = consensus(table, rule)
    assert np.allclose(labels.sum(axis=1), 1) and (labels >= 0).all(axis=None)
    assert list(labels.index) == [clip for clip in table.index if clip in labels.index]


@settings(deadline=None, max_examples=50)
@given(tables)
def test_a_majority_is_a_plurality(table):
    majority, plurality = consensus(table, "majority"), consensus(table, "plurality")
    pd.testing.assert_frame_equal(majority, plurality.loc[majority.index])


@settings(deadline=None, max_examples=50)
@given(tables, rules, st.floats(0.01, 1000))
def test_scaling_the_votes_leaves_the_labels(table, rule, factor):
    pd.testing.assert_frame_equal(consensus(table * factor, rule), consensus(table, rule))


@pytest.mark.parametrize("bad", [-1, float("nan"), float("inf")])
def test_impossible_votes_are_refused_by_clip(bad):
    with pytest.raises(InputError, match="clip1 has .* votes for h"):
        consensus(votes([1, 0, 0], [1, bad, 0]), "plurality")


def test_an_unknown_rule_is_refused():
    with pytest.raises(InputError, match='"mode".*plurality, majority, distributional'):
        consensus(votes([1, 0, 0]), "mode")


def small_corpus(**fields):
    clips = clip_table({name: ("1", "s", "sad", "XX", None, None, 1.0) for name in ("b", "a")})
    return Corpus("toy", Path("toy"), ("happy", "sad"), clips, pd.DataFrame({"sex": ["male"]}, index=["1"]), **fields)


def test_the_intended_emotion_needs_no_raters():
    labels = targets(small_corpus(), "intended")
    assert list(labels.index) == ["b", "a"] and labels.loc["a"].to_dict() == {"happy": 0.0, "sad": 1.0}


def test_a_perceived_target_without_raters_is_refused():
    with pytest.raises(InputError, match="no votes of voice-only raters.*intended"):
        targets(small_corpus(), "voice")


def test_an_unknown_target_is_refused():
    with pytest.raises(InputError, match='"smell".*audiovisual'):
        targets(small_corpus(), "smell")


def test_targets_follow_the_clips_table():
    counts = pd.DataFrame({"sad": [3, 1], "happy": [1, 3]}, index=["a", "b"])
    labels = targets(small_corpus(ratings={"face": counts}), "face")
    assert list(labels.index) == ["b", "a"] and list(labels.columns) == ["happy", "sad"]
    assert chosen(labels) == {"b": "happy", "a": "sad"}


@needs_crema_d
@pytest.mark.parametrize(("way", "kept"), [("voice", 5012), ("face", 5523), ("audiovisual", 5913)])
def test_the_majority_of_crema_d_keeps_what_was_published(way, kept):
    corpus = read_corpus(REAL, "crema-d")
    labels = targets(corpus, way, "majority")
    assert len(labels) == kept and tuple(labels.columns) == EMOTIONS
    assert len(targets(corpus, way, "distributional")) == 7442
    assert kept < len(targets(corpus, way, "plurality")) < 7442
