from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, precision_recall_fscore_support

from auxformer.data.missing import SHARES
from auxformer.errors import InputError
from auxformer.evaluation.calibration import (
    by_group,
    calibration_of,
    calibration_per_speaker,
    calibration_scores,
    per_class,
    reliability,
)
from auxformer.evaluation.intervals import interval, resampled, score
from auxformer.evaluation.robustness import curve_area, divergence, relative_robustness, rising_confidence
from auxformer.evaluation.scores import METRICS, confusion_per_speaker, scores_of
from auxformer.evaluation.tests import compare, holm, max_t, paired_test, permutation_test, tied_with_best

CLASSES = ("a", "b", "c")


def predictions(speakers=8, clips=12, skill=0.7, seed=0, condition="complete", **columns):
    """Random predictions: right with probability `skill`; the clips and truths depend on the counts only."""
    truth = np.arange(speakers * clips) % 3
    rng = np.random.default_rng(seed)
    right = rng.random(len(truth)) < skill
    predicted = np.where(right, truth, (truth + rng.integers(1, 3, len(truth))) % 3)
    confidence = rng.uniform(0.4, 1, len(truth))
    posterior = np.tile((1 - confidence)[:, None] / 2, 3)  # [clips, 3]
    posterior[np.arange(len(truth)), predicted] = confidence
    names = np.array(CLASSES)
    table = pd.DataFrame({
        "clip": [f"clip{i:04d}" for i in range(len(truth))],
        "speaker": np.repeat([f"s{i:02d}" for i in range(speakers)], clips),
        "condition": condition, "truth": names[truth], "predicted": names[predicted],
    })  # fmt: skip
    table[list(CLASSES)] = posterior
    return table.assign(**columns)


def hand_made(rows, condition="complete"):
    """Rows (speaker, truth, posterior)."""
    table = pd.DataFrame({"clip": range(len(rows)), "speaker": [row[0] for row in rows], "condition": condition})
    posterior = np.array([row[2] for row in rows])
    table["truth"], table["predicted"] = [row[1] for row in rows], np.array(CLASSES)[posterior.argmax(1)]
    table[list(CLASSES)] = posterior
    return table


def macro_f1(counts):
    return scores_of(counts)[..., 0]


# Draws and intervals


def test_the_intervals_are_those_of_evaluation():
    table = predictions()
    theirs = score(table, CLASSES, resamples=200, seed=3)
    sums = confusion_per_speaker(table, CLASSES)
    low, high = interval(resampled(sums, scores_of, 200, 3), len(sums))
    np.testing.assert_allclose(theirs.low, low, rtol=1e-12)
    np.testing.assert_allclose(theirs.high, high, rtol=1e-12)


# Calibration

BY_HAND = [
    ("x", "a", [0.9, 0.1, 0.0]),
    ("x", "b", [0.9, 0.0, 0.1]),
    ("y", "c", [0.2, 0.2, 0.6]),
    ("y", "c", [0.5, 0.3, 0.2]),
]


def test_calibration_by_hand():
    """Bins of the four: .9 .9 | .6 | .5; gaps |1.8 - 1|, |.6 - 1|, |.5 - 0| over four clips. Brier by pencil."""
    result = calibration_of(hand_made(BY_HAND), CLASSES, resamples=50).set_index("metric")
    assert result.value["ece"] == pytest.approx((0.8 + 0.4 + 0.5) / 4)
    assert result.value["brier"] == pytest.approx((0.02 + (0.81 + 1 + 0.01) + 0.24 + (0.25 + 0.09 + 0.64)) / 4)
    assert result[["low", "high"]].isna().all(axis=None), "two speakers give no interval"


def test_the_brier_score_equals_that_of_scikit_learn():
    table = predictions()
    value = calibration_of(table, CLASSES, resamples=10).set_index("metric").value["brier"]
    reference = brier_score_loss(table.truth, table[list(CLASSES)], labels=list(CLASSES), scale_by_half=False)
    assert value == pytest.approx(reference)


def test_an_edge_belongs_to_the_bin_that_ends_there():
    for k in range(5, 16):
        rest = (1 - k / 15) / 2
        sums = calibration_per_speaker(hand_made([("x", "a", [k / 15, rest, rest])]), CLASSES)
        assert sums[0, :, 0].nonzero()[0].tolist() == [k - 1]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0.34, 1), min_size=1, max_size=30), st.integers(2, 20))
def test_calibration_adds_up_over_speakers_and_stays_in_range(confidences, bins):
    rows = [(f"s{i % 3}", CLASSES[i % 2], [c, (1 - c) / 2, (1 - c) / 2]) for i, c in enumerate(confidences)]
    apart = calibration_per_speaker(hand_made(rows), CLASSES, bins).sum(0)
    together = calibration_per_speaker(hand_made(rows).assign(speaker="x"), CLASSES, bins)[0]
    np.testing.assert_allclose(apart, together)
    ece, brier = calibration_scores(together)
    assert 0 <= ece <= 1 and 0 <= brier <= 2 and together[:, 0].sum() == len(rows)


def test_reliability_leaves_empty_bins_empty():
    table = reliability(hand_made(BY_HAND), CLASSES, bins=10)
    assert table.clips.tolist() == [0, 0, 0, 0, 1, 1, 0, 0, 2, 0]
    assert table.accuracy[8] == 0.5 and table.confidence[8] == pytest.approx(0.9) and np.isnan(table.accuracy[0])
    assert (table.confidence.dropna() <= table.high[table.clips > 0] + 1e-9).all()


def test_reliability_refuses_two_conditions_and_calibration_two_systems():
    both = pd.concat([predictions(system="one"), predictions(system="two", condition="no-audio")])
    with pytest.raises(InputError, match="2 systems"):
        calibration_of(both, CLASSES)
    with pytest.raises(InputError, match="2 conditions"):
        reliability(both.drop(columns="system"), CLASSES)
    with pytest.raises(InputError, match="empty"):
        calibration_of(both[:0], CLASSES)
    with pytest.raises(InputError, match='truth is "c", expected one of a, b'):
        calibration_of(predictions(), ("a", "b"))


# The paired test


def test_the_exact_test_enumerates_every_swap():
    a, b = predictions(6, skill=0.8, seed=1), predictions(6, skill=0.6, seed=2)
    difference, p = paired_test(a, b, CLASSES)
    one, two = confusion_per_speaker(a, CLASSES), confusion_per_speaker(b, CLASSES)
    differences = []
    for signs in product([False, True], repeat=6):
        swap = np.array(signs)[:, None, None]
        differences.append(macro_f1(np.where(swap, two, one).sum(0)) - macro_f1(np.where(swap, one, two).sum(0)))
    assert difference == pytest.approx(differences[0]) and difference > 0
    assert p == pytest.approx(np.mean(np.abs(differences) >= abs(differences[0]) - 1e-12))


def test_by_hand_five_speakers_of_whom_one_system_is_always_right():
    rows = [(f"s{i}", "ab"[i % 2]) for i in range(5)]
    right = hand_made([(s, t, [0.9, 0.1, 0] if t == "a" else [0.1, 0.9, 0]) for s, t in rows])
    wrong = hand_made([(s, t, [0.1, 0.9, 0] if t == "a" else [0.9, 0.1, 0]) for s, t in rows])
    assert paired_test(right, wrong, CLASSES) == (1.0, 2 / 2**5)  # only all or none swapped is as large
    assert paired_test(wrong, right, CLASSES) == (-1.0, 2 / 2**5)
    assert paired_test(right, right, CLASSES) == (0.0, 1.0)


def test_drawn_permutations_come_near_the_exact_ones_and_are_never_zero():
    a, b = predictions(10, skill=0.72, seed=1), predictions(10, skill=0.6, seed=2)
    exact, drawn = paired_test(a, b, CLASSES)[1], paired_test(a, b, CLASSES, permutations=1000)[1]
    assert 0.001 < exact < 0.9 and abs(exact - drawn) < 0.06 and exact != drawn
    clear = paired_test(predictions(30, skill=0.95), predictions(30, skill=0.4), CLASSES, permutations=500)[1]
    assert clear == 1 / 501
    assert paired_test(a, b, CLASSES, permutations=100, seed=1) == paired_test(a, b, CLASSES, permutations=100, seed=1)


def test_clips_repeated_within_speakers_change_nothing():
    """The speaker is the unit: every clip five times over is no more evidence."""
    a, b = predictions(7, seed=1), predictions(7, skill=0.6, seed=2)
    five = [pd.concat([table.assign(clip=table["clip"] + f"-{i}") for i in range(5)]) for table in (a, b)]
    assert paired_test(a, b, CLASSES) == pytest.approx(paired_test(*five, CLASSES))


def test_seeds_are_pooled_and_a_system_with_more_of_them_counts_no_more():
    seeds = pd.concat([predictions(6, seed=i).assign(seed=i) for i in range(3)])
    other = predictions(6, skill=0.5, seed=9).assign(seed=0)
    once = paired_test(seeds, other, CLASSES)
    same = paired_test(seeds, pd.concat([other.assign(seed=i) for i in range(3)]), CLASSES)
    assert once == pytest.approx(same)
    assert paired_test(other, pd.concat([other] * 3), CLASSES) == (0.0, 1.0)


def test_a_class_predicted_by_nobody_after_a_swap_leaves_no_crumbs():
    """Unequal numbers of seeds once left 1e-17 of a clip behind, whose precision was anything."""
    a = hand_made([("x", "a", [1, 0, 0]), ("y", "a", [0, 0, 1.0]), ("z", "b", [0, 1, 0])])
    b = hand_made([("x", "a", [1, 0, 0]), ("y", "a", [1, 0, 0]), ("z", "b", [0, 1, 0.0])])
    for metric in METRICS:
        assert paired_test(pd.concat([a] * 7), b, CLASSES, metric) == pytest.approx(paired_test(a, b, CLASSES, metric))


def test_other_clips_truths_or_speakers_are_refused():
    a = predictions()
    with pytest.raises(InputError, match="clip0003 is missing"):
        paired_test(a, a.drop(index=3), CLASSES)
    with pytest.raises(InputError, match="seed is incomplete"):
        paired_test(a, pd.concat([a, a.iloc[:5]]), CLASSES)
    with pytest.raises(InputError, match="different truths"):
        paired_test(a, a.assign(truth=a.predicted), CLASSES)
    with pytest.raises(InputError, match="speakers of the same clips"):
        paired_test(a, a.assign(speaker=a.speaker.to_numpy()[::-1]), CLASSES)
    with pytest.raises(InputError, match='unknown metric "macro-f2". Did you mean "macro-f1"'):
        paired_test(a, a, CLASSES, metric="macro-f2")
    with pytest.raises(InputError, match="conditions"):
        paired_test(pd.concat([a, a.assign(condition="no-audio")]), a, CLASSES)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 7), st.integers(0, 1000))
def test_p_is_symmetric_and_no_smaller_than_the_swaps_allow(speakers, seed):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 5, (2, speakers, 3, 3)) + np.eye(3, dtype=int)
    difference, p = permutation_test(a, b, macro_f1)
    assert permutation_test(b, a, macro_f1) == pytest.approx((-difference, p))
    assert 2 ** (1 - speakers) <= p <= 1


def test_attributes_are_compared_by_their_ccc():
    rng = np.random.default_rng(0)
    names = ("valence", "arousal", "dominance")
    truth = rng.uniform(1, 5, (60, 3))
    tables = []
    for noise in (0.2, 1.5):
        table = pd.DataFrame({"clip": range(60), "speaker": np.repeat(list("uvwxyz"), 10), "condition": "complete"})
        table[[f"true-{name}" for name in names]] = truth
        table[list(names)] = truth + rng.normal(0, noise, truth.shape)
        tables.append(table)
    difference, p = paired_test(*tables, names, metric="ccc")
    assert difference > 0.1 and p == 2 / 2**6


# Many comparisons


def test_holm_by_hand():
    assert holm([0.01, 0.02, 0.03]) == pytest.approx([0.03, 0.04, 0.04])
    assert holm([0.5, 0.9]).tolist() == [1.0, 1.0] and holm([]).size == 0
    with pytest.raises(InputError):
        holm([0.5, np.nan])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_keeps_the_order_and_lies_between_nothing_and_bonferroni(p):
    adjusted = holm(p)
    assert (adjusted >= p).all() and (adjusted <= np.minimum(np.array(p) * len(p), 1) + 1e-12).all()
    assert (np.diff(adjusted[np.argsort(p)]) >= 0).all()
    assert adjusted.min() == pytest.approx(min(min(p) * len(p), 1))


def three_systems():
    parts = [
        predictions(10, skill=s, seed=i, system=n)
        for i, (n, s) in enumerate([("low", 0.4), ("top", 0.9), ("high", 0.88)])
    ]
    return pd.concat(parts + [part.assign(condition="no-audio") for part in parts[:2]])


def test_every_pair_under_every_condition():
    table = three_systems()
    result = compare(table, CLASSES)
    assert list(zip(result.condition, result.system_a, result.system_b)) == [
        ("complete", "low", "top"), ("complete", "low", "high"), ("complete", "top", "high"),
        ("no-audio", "low", "top"),
    ]  # fmt: skip
    assert (result.p_corrected >= result.p).all() and result.p_corrected[3] == result.p[3]
    of = {name: part for name, part in table[table.condition == "complete"].groupby("system")}
    assert tuple(result.loc[0, ["difference", "p"]]) == pytest.approx(paired_test(of["low"], of["top"], CLASSES))
    assert tied_with_best(result) == {"complete": ["top", "high"], "no-audio": ["top"]}
    assert tied_with_best(result, level=0)["complete"] == ["top", "high", "low"]
    assert compare(table, CLASSES, conditions=["no-audio"]).condition.tolist() == ["no-audio"]
    with pytest.raises(InputError, match='"no-adio". Did you mean "no-audio"'):
        compare(table, CLASSES, conditions=["no-adio"])
    with pytest.raises(InputError, match="no column system"):
        compare(predictions(), CLASSES)


def test_the_largest_difference_by_hand():
    """Three speakers, scores that add up: the leads of x over y and z are (3, 2, 1) and (1, 1, 1), of z over y (2, 1, 0)."""
    x, y, z = (np.array(values, float)[:, None] for values in ([6, 6, 6], [3, 4, 5], [5, 5, 5]))
    rows = max_t([x, y, z], lambda sums: sums[..., 0])
    assert [row[:3] for row in rows] == [(0, 1, 6.0), (0, 2, 3.0), (1, 2, -3.0)]
    # Of eight swaps two are as large as 6 of (6, 4, 2, 0); as 3 of (3, 1); four as 3 of (3, 1): the last speaker is a tie.
    assert [row[3] for row in rows] == [2 / 8, 2 / 8, 4 / 8]
    # t is 6 / sqrt(14), 3 / sqrt(3) and 3 / sqrt(5); only all or none swapped reach the largest of them.
    assert [row[4] for row in rows] == [2 / 8, 2 / 8, 4 / 8]
    alike = max_t([x, x, y], lambda sums: sums[..., 0])
    assert alike[0][2:] == (0.0, 1.0, 1.0) and alike[1][4] == alike[2][4] == 2 / 8


@pytest.mark.parametrize("systems", [3, 10])
def test_looking_for_the_best_of_equals_sets_nobody_apart_more_often_than_promised(systems):
    rng, wrong = np.random.default_rng(systems), []
    for number in range(400):
        sums = list(rng.normal(size=(systems, 12, 1)) + rng.normal(size=(12, 1)))
        wrong.append(min(row[4] for row in max_t(sums, lambda sums: sums[..., 0], 500, number)) < 0.05)
    assert 0.01 < np.mean(wrong) < 0.05 + 3 * 0.011


def test_the_interval_of_several_seeds_is_that_of_their_mean():
    """Two seeds whose faults lie with different speakers: each has a wide interval, their mean has none."""
    truth, speakers = list("ab") * 30, np.repeat(list("uvwxyz"), 10)
    seeds = []
    for seed in range(2):
        wrong = [{"a": "b", "b": "a"}[name] for name in truth]
        said = np.where(np.isin(speakers, list("uvw") if seed else list("xyz")), wrong, truth)
        table = pd.DataFrame({"clip": range(60), "speaker": speakers, "condition": "complete", "truth": truth})
        seeds.append(table.assign(predicted=said, a=0.5, b=0.5, seed=seed))
    each = [score(one).set_index("metric").loc["micro-f1"] for one in seeds]
    both = score(pd.concat(seeds)).set_index("metric").loc["micro-f1"]
    assert both.value == pytest.approx(0.5) and (both.low, both.high) == pytest.approx((0.5, 0.5))
    assert min(one.high - one.low for one in each) > 0.5
    with pytest.raises(InputError, match="different speakers"):
        score(pd.concat([seeds[0], seeds[1][seeds[1].speaker != "u"]]))


def test_fewer_than_five_speakers_give_no_interval():
    truth = list("ab") * 10
    for speakers, known in ((4, False), (5, True)):
        names = np.repeat(list("uvwxy")[:speakers], 20 // speakers)
        table = pd.DataFrame({"clip": range(20), "speaker": names, "condition": "complete", "truth": truth})
        scores = score(table.assign(predicted=["a", "b", "a", "a"] * 5, a=0.5, b=0.5))
        assert scores[["low", "high"]].notna().all(axis=None) == known and scores.value.notna().all()


def test_the_best_system_ties_with_itself_when_it_stands_alone():
    assert tied_with_best(compare(predictions(system="one"), CLASSES)) == {}


# Degradation


def degraded(skills, stream="audio", ending=""):
    """One table: complete, then the shares of frames lost, with the given skill at each; the same luck in each."""
    names = ["complete", *(f"{stream}-frames-{share}{ending}" for share in SHARES)]
    return pd.concat([predictions(skill=skill, condition=name) for name, skill in zip(names, skills, strict=True)])


def test_a_system_that_loses_nothing_has_its_complete_score_as_area():
    table = degraded([0.7] * 6)
    area = curve_area(table, CLASSES).iloc[0]
    expected = score(table[table.condition == "complete"], CLASSES).set_index("metric").loc["macro-f1"]
    assert tuple(area[["value", "low", "high"]]) == pytest.approx(tuple(expected[["value", "low", "high"]]))


def test_the_area_by_hand():
    """Right everywhere but wrong from a half on: 1 up to .3, falling to 0 at .5, 0 after: (.3 + .1) / .9."""
    area = curve_area(degraded([1, 1, 1, 0, 0, 0], "both", "-gap"), CLASSES)
    assert area[["stream", "kind"]].to_numpy().tolist() == [["both", "gap"]]
    assert area[["value", "low", "high"]].to_numpy() == pytest.approx(np.full((1, 3), 0.4 / 0.9))


def test_curves_that_are_not_there_or_have_holes_are_left_out():
    both = pd.concat([degraded([0.8] * 6), degraded([0.7] * 6, "video", "-window").query("condition != 'complete'")])
    assert curve_area(both, CLASSES)[["stream", "kind"]].to_numpy().tolist() == [
        ["audio", "single"],
        ["video", "window"],
    ]
    holes = both[both.condition != "audio-frames-0.5"]
    assert curve_area(holes, CLASSES)[["stream", "kind"]].to_numpy().tolist() == [["video", "window"]]
    with pytest.raises(InputError, match="no whole curve"):
        curve_area(predictions(), CLASSES)


def test_relative_robustness_is_a_ratio_of_the_same_speakers():
    table = pd.concat(
        [predictions(skill=0.9), predictions(skill=0.6, condition="no-audio"), predictions(skill=0.9, condition="x")]
    )
    result = relative_robustness(table, CLASSES).set_index("condition")
    scores = score(table, CLASSES).query("metric == 'macro-f1'").set_index("condition").value
    assert result.value["no-audio"] == pytest.approx(scores["no-audio"] / scores["complete"])
    assert result.low["no-audio"] < result.value["no-audio"] < result.high["no-audio"] < 1
    assert result.loc["x"].tolist() == [1, 1, 1]  # the same answers, hence the same in every resample
    with pytest.raises(InputError, match="different speakers"):
        relative_robustness(table[(table.condition != "no-audio") | (table.speaker != "s00")], CLASSES)
    with pytest.raises(InputError, match="complete macro-f1 is 0.000"):
        relative_robustness(pd.concat([predictions(skill=0), predictions(condition="x")]), CLASSES)
    with pytest.raises(InputError, match='no predictions under "complete"'):
        relative_robustness(predictions(condition="no-audio"), CLASSES)


def test_rising_confidence_by_hand():
    complete = hand_made(BY_HAND)
    without = complete.assign(
        condition="no-audio", a=[0.95, 0.5, 0.2, 0.5 + 1e-8]
    )  # up, down, the same, up by rounding
    shuffled = pd.concat([complete, without.sample(frac=1, random_state=0)])
    assert rising_confidence(shuffled, CLASSES, "no-audio").value == 0.25  # speaker x 1 of 2, speaker y 0 of 2
    assert rising_confidence(complete, CLASSES, "complete").value == 0
    with pytest.raises(InputError, match="once each for the same clips"):
        rising_confidence(shuffled[(shuffled["clip"] != 0) | (shuffled.condition == "complete")], CLASSES, "no-audio")
    with pytest.raises(InputError, match="no-vide"):
        rising_confidence(shuffled, CLASSES, "no-video")


def test_rising_confidence_compares_a_seed_with_itself():
    complete = pd.concat([predictions(seed=i).assign(seed=i) for i in range(2)])
    both = pd.concat([complete, complete.assign(condition="no-video")])
    assert rising_confidence(both, CLASSES, "no-video").value == 0


# Groups and classes


def test_divergence_by_hand():
    assert divergence(np.eye(3) * 4, np.eye(3)) == 0
    assert divergence(np.eye(2), np.eye(2)[::-1]) == 1
    even, sure = [[1, 1], [0, 0]], [[1, 0], [3, 1]]  # only the first row has clips in both
    entropy_of_the_middle = -(0.75 * np.log2(0.75) + 0.25 * np.log2(0.25))
    assert divergence(even, sure) == pytest.approx(entropy_of_the_middle - (1 + 0) / 2)
    with pytest.raises(InputError, match="no class"):
        divergence([[1, 0], [0, 0]], [[0, 0], [0, 1]])
    with pytest.raises(InputError, match="shapes"):
        divergence(np.eye(2), np.eye(3))


@given(st.lists(st.integers(0, 9), min_size=18, max_size=18))
def test_divergence_is_symmetric_and_blind_to_the_number_of_clips(counts):
    a, b = np.array(counts).reshape(2, 3, 3) + np.eye(3)
    assert 0 <= divergence(a, b) <= 1 and divergence(a, b) == pytest.approx(divergence(b * 7, a), abs=1e-12)


def test_groups_are_scored_on_their_own_speakers():
    table = predictions(6)
    speakers = pd.DataFrame(
        {"sex": ["female", "male"] * 3, "age": [29, 30, 49, 50, 74, np.nan]}, index=sorted(table.speaker.unique())
    )
    by_sex = by_group(table, speakers, CLASSES, "sex")
    assert by_sex.group.unique().tolist() == ["female", "male"] and (by_sex.speakers == 3).all()
    women = score(table[table.speaker.isin(["s00", "s02", "s04"])], CLASSES)
    np.testing.assert_allclose(
        by_sex[by_sex.group == "female"][["value", "low", "high"]], women[["value", "low", "high"]]
    )
    by_age = by_group(table, speakers, CLASSES, "age").drop_duplicates("group")
    assert dict(zip(by_age.group, by_age.speakers)) == {"under 30": 1, "30-49": 2, "50 and over": 2}
    with pytest.raises(InputError, match='no column "aeg". Did you mean "age"'):
        by_group(table, speakers, CLASSES, "aeg")
    with pytest.raises(InputError, match="lacks the speaker s00"):
        by_group(table, speakers.drop(index="s00"), CLASSES, "sex")
    with pytest.raises(InputError, match='no speaker of the predictions has a value in "age"'):
        by_group(table, speakers.assign(age=np.nan), CLASSES, "age")


def test_scores_per_class_equal_those_of_scikit_learn():
    table = predictions()
    result = per_class(table, CLASSES)
    reference = precision_recall_fscore_support(table.truth, table.predicted, labels=list(CLASSES))
    for metric, values in zip(("precision", "recall", "f1"), reference):
        part = result[result.metric == metric]
        assert part["class"].tolist() == list(CLASSES) and part.value.tolist() == pytest.approx(list(values))
        assert (
            part.clips.tolist() == reference[3].tolist()
            and (part.low <= part.value).all()
            and (part.value <= part.high).all()
        )


def test_a_class_without_clips_has_no_recall_and_one_never_predicted_no_precision():
    table = hand_made([("x", "a", [1, 0, 0]), ("y", "b", [1, 0, 0.0])])
    values = per_class(table, CLASSES).pivot(index="class", columns="metric", values="value")
    assert values.loc["b"].tolist() == [0, 0, 0] and values.loc["c"].isna().all()
    assert values.loc["a", ["precision", "recall"]].tolist() == [0.5, 1]
