"""Who contributes what: games by hand, streams that add nothing or harm, people, and where nothing can be divided."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_humans import REAL, corpus_of, needs_crema_d

from auxformer.corpora import read_corpus
from auxformer.errors import InputError
from auxformer.evaluation.contributions import (
    QUANTITIES,
    best_constant,
    contributions,
    human_contributions,
    shapley,
)
from auxformer.evaluation.intervals import score
from auxformer.evaluation.people import human_rows
from auxformer.evaluation.scores import scores_of

CLASSES = ["a", "b"]
QUALITY = {"complete": 0.9, "no-video": 0.7, "no-audio": 0.8}


def table_of(right: dict[str, float], speakers: int = 8, clips: int = 40, seed: int = 0) -> pd.DataFrame:
    """Predictions under three conditions; `right` is the share of right answers under each."""
    rng, parts = np.random.default_rng(seed), []
    truth = np.tile(CLASSES, speakers * clips // 2)
    for condition, share in right.items():
        hit = rng.random(len(truth)) < share
        answer = np.where(hit, truth, np.where(truth == "a", "b", "a"))
        names = [f"k{i:03d}" for i in range(len(truth))]
        speaker = [f"s{i // clips}" for i in range(len(truth))]
        part = pd.DataFrame(
            {"clip": names, "speaker": speaker, "condition": condition, "truth": truth, "predicted": answer}
        )
        parts.append(part.assign(a=(answer == "a") * 1.0, b=(answer == "b") * 1.0))
    return pd.concat(parts, ignore_index=True)


def answers(**of_condition: str) -> pd.DataFrame:
    """Four clips a, a, a, b of as many speakers, and what was said to them under each condition."""
    parts = []
    for condition, said in of_condition.items():
        part = pd.DataFrame({"clip": list("wxyz"), "speaker": list("1234"), "condition": condition.replace("_", "-")})
        part["truth"], part["predicted"] = list("aaab"), list(said)
        parts.append(part.assign(a=(part.predicted == "a") * 1.0, b=(part.predicted == "b") * 1.0))
    return pd.concat(parts, ignore_index=True)


def values(table: pd.DataFrame) -> dict[tuple[str, str], float]:
    return {(row.metric, row.streams): row.value for row in table.itertuples()}


# Games


def test_streams_that_can_do_the_same_share_equally():
    assert shapley(0.1, 0.4, 0.4, 0.6).tolist() == pytest.approx([0.25, 0.25, 0.5, 0.5, 1])


def test_a_stream_that_adds_nothing_gets_nothing():
    assert shapley(0.2, 0.2, 0.7, 0.7).tolist() == pytest.approx([0, 0.5, 0, 1, 0])


def test_a_stream_that_harms_is_said_to():
    contribution, other, share, rest, equity = shapley(0.1, 0.05, 0.8, 0.6)
    assert contribution < 0 and share < 0 and rest > 1 and equity < 0
    assert share + rest == pytest.approx(1) and contribution + other == pytest.approx(0.5)


@given(st.lists(st.floats(0, 1), min_size=4, max_size=4))
def test_contributions_sum_to_what_there_is_to_divide(scores):
    none, audio, video, both = scores
    found = shapley(none, audio, video, both)
    assert found[:2].sum() == pytest.approx(both - none, abs=1e-12)
    if both - none > 1e-9:
        assert found[2:4].sum() == pytest.approx(1) and found[4] <= 1
    else:
        assert np.isnan(found[2:]).all()
    assert found[[1, 0, 3, 2, 4]] == pytest.approx(shapley(none, video, audio, both), nan_ok=True)


# Predictions


def test_by_hand_from_a_table():
    """Accuracies: voice 2/4, face 3/4, both 4/4, nothing 3/4 (always "a")."""
    found = values(contributions(answers(complete="aaab", no_video="abaa", no_audio="abab"), metric="micro-f1"))
    voice, face = 0.5 * ((0.5 - 0.75) + (1 - 0.75)), 0.5 * ((0.75 - 0.75) + (1 - 0.5))
    assert found["contribution", "audio"] == pytest.approx(voice) and found["contribution", "video"] == pytest.approx(
        face
    )
    assert found["share", "video"] == pytest.approx(1) and found["equity", "both"] == pytest.approx(0)


def test_nothing_known_is_worth_the_best_constant_answer():
    counts = np.array([[[5, 1, 0], [2, 2, 2], [0, 0, 1]]])
    of_six = np.stack([scores_of(np.outer([6, 6, 1], row)) for row in np.eye(3)])  # [answers, 6]
    for column in range(6):
        assert best_constant(counts, lambda c, i=column: scores_of(c)[..., i]) == pytest.approx(of_six[:, column].max())


def test_the_scores_are_those_of_evaluation():
    table = table_of(QUALITY)
    scores = score(table).set_index(["condition", "metric"]).value
    none = 2 * 0.5 / 1.5 / 2  # half of the clips are "a": F1 2/3 of one class, 0 of the other
    game = none, scores["no-video", "macro-f1"], scores["no-audio", "macro-f1"], scores["complete", "macro-f1"]
    found = contributions(table)
    assert list(zip(found.metric, found.streams)) == QUANTITIES
    assert found.value.to_numpy() == pytest.approx(shapley(*game))
    assert (found.low < found.value).all() and (found.value < found.high).all() and (found.note == "").all()


def test_intervals_come_again_and_hang_on_the_seed_alone():
    table = table_of(QUALITY)
    mixed = table.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(contributions(table), contributions(mixed))
    assert not contributions(table, seed=1).low.equals(contributions(table).low)


def test_the_interval_of_a_share_is_of_speakers_drawn_together():
    """Speakers who differ much, all of them by the same factor in all conditions: the share hardly moves."""
    parts = []
    for place, ease in enumerate(np.linspace(0.2, 1, 8)):
        of_condition = {name: 0.5 + 0.5 * ease * (2 * right - 1) for name, right in QUALITY.items()}
        part = table_of(of_condition, speakers=1, clips=2000, seed=place)
        parts.append(part.assign(speaker=f"s{place}", clip=part["clip"] + f"-{place}"))
    found = contributions(pd.concat(parts)).set_index(["metric", "streams"])
    relative = (found.high - found.low) / found.value
    assert relative["share", "video"] < relative["contribution", "video"] / 2


def test_fewer_than_five_speakers_have_shares_without_an_interval():
    found = contributions(table_of(QUALITY, speakers=4))
    assert found.value.notna().all() and found[["low", "high"]].isna().all(axis=None)


def test_where_nothing_is_gained_there_is_nothing_to_divide_and_the_table_says_so():
    found = contributions(answers(complete="aaaa", no_video="aaab", no_audio="aaaa")).set_index(["metric", "streams"])
    assert found.value["share"].isna().all() and np.isnan(found.value["equity", "both"])
    assert found.value["contribution", "audio"] == -found.value["contribution", "video"] > 0
    assert (
        found.note["equity", "both"]
        == "with both streams the score is 0.429, not above the 0.429 of the best constant answer"
    )
    assert (found.note["contribution"] == "").all()


def test_a_gain_that_may_be_none_has_no_interval_of_its_shares():
    found = contributions(table_of({"complete": 0.58, "no-video": 0.5, "no-audio": 0.5}), metric="micro-f1")
    shares = found[found.metric != "contribution"]
    assert shares.low.isna().all() and shares.note.str.contains("of the resamples").all()
    assert found[found.metric == "contribution"].low.notna().all()


def test_attributes_are_divided_by_their_ccc():
    rng, parts = np.random.default_rng(0), []
    truth = rng.uniform(1, 5, 60)
    for condition, noise in {"complete": 0.3, "no-video": 0.6, "no-audio": 3.0}.items():
        part = pd.DataFrame({"clip": [f"k{i}" for i in range(60)], "speaker": np.repeat(list("123456"), 10)})
        parts.append(
            part.assign(condition=condition, **{"true-arousal": truth, "arousal": truth + rng.normal(size=60) * noise})
        )
    table = pd.concat(parts, ignore_index=True)
    scores = score(table).query("metric == 'ccc'").set_index("condition").value
    found = contributions(table)
    assert found.value.to_numpy() == pytest.approx(
        shapley(0, scores["no-video"], scores["no-audio"], scores["complete"])
    )


def test_other_clips_and_missing_conditions_are_refused():
    table = table_of(QUALITY)
    with pytest.raises(InputError, match='no predictions under "no-audio"; expected complete, no-audio and no-video.$'):
        contributions(table[table.condition != "no-audio"])
    with pytest.raises(InputError, match="predicted for different clips"):
        contributions(table.drop(table.index[-1]))
    with pytest.raises(InputError, match="predictions of 2 systems"):
        contributions(pd.concat([table.assign(system="x"), table.assign(system="y")]))
    with pytest.raises(InputError, match='unknown metric "macro-f2"'):
        contributions(table, metric="macro-f2")


# People

TOY = corpus_of(
    "xxyy",
    audiovisual=[[8, 2, 0], [1, 8, 1], [9, 1, 0], [0, 2, 8]],
    voice=[[4, 4, 2], [1, 1, 0], [9, 0, 0], [2, 2, 6]],
    face=[[7, 3, 0], [0, 5, 5], [0, 9, 0], [0, 1, 3]],
)


def test_people_are_a_game_of_three_groups_of_raters():
    rows = human_contributions(TOY)
    people = human_rows(TOY).query("metric == 'macro-f1'").set_index(["system", "condition"]).value
    none = scores_of(np.array([[2, 0, 0], [1, 0, 0], [1, 0, 0]]))[0]
    for system in ("human-rater", "human-rater-others"):
        game = none, people["human-rater", "no-video"], people["human-rater", "no-audio"], people[system, "complete"]
        found = rows[rows.system == system].set_index(["metric", "condition"]).value
        assert found.loc[QUANTITIES].to_numpy() == pytest.approx(shapley(*game))
    assert rows[["low", "high"]].isna().all(axis=None) and set(rows.features) == {"people"}


def test_people_are_counted_on_clips_that_all_three_groups_saw():
    voice = TOY.ratings["voice"].drop("k0")
    without = corpus_of("xxyy", **{way: votes.to_numpy().tolist() for way, votes in TOY.ratings.items()})
    without.ratings["voice"] = voice
    pd.testing.assert_frame_equal(human_contributions(without), human_contributions(TOY, clips=["k1", "k2", "k3"]))


def test_a_corpus_without_a_way_of_watching_has_no_such_people():
    corpus = corpus_of("xxyy", audiovisual=[[8, 2, 0]] * 4, face=[[7, 3, 0]] * 4)
    assert human_contributions(corpus).empty


@needs_crema_d
def test_on_crema_d_the_face_contributes_about_twice_as_much_as_the_voice():
    rows = human_contributions(read_corpus(REAL, "crema-d", on_error="skip"))
    found = rows.set_index(["system", "metric", "condition"])
    share = found.loc["human-rater", "share", "video"]
    assert 0.5 < share.low < share.value < share.high < 0.8
