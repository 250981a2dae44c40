"""Is one system better than another? Permutation tests that swap whole speakers, corrected for how many are made."""

from collections.abc import Callable, Iterable, Sequence
from itertools import combinations
from math import lcm

import numpy as np
import pandas as pd

from auxformer.corpora.labels import are_attributes
from auxformer.errors import InputError, suggest
from auxformer.evaluation.calibration import check_one, scorer
from auxformer.evaluation.scores import Scorer, classes_of, headline
from auxformer.seeds import seed_of


def paired_test(
    a: pd.DataFrame,
    b: pd.DataFrame,
    classes: Sequence[str],
    metric: str = "macro-f1",
    permutations: int = 10_000,
    seed: int = 0,
) -> tuple[float, float]:
    """Do two systems differ under a condition? A permutation test that swaps whole speakers.

    If the systems were alike, a coin could decide which of them gave which answers to the clips of a speaker. All
    that a system said about a speaker, over its seeds and partitions, is swapped as one: clips of one speaker are not
    independent, nor are seeds. A system with more seeds counts no more than the other. The speakers are what varies
    in this test: with one seed each it says nothing of what another seed would have done.

    Args:
        a, b: Predictions of two systems under one condition, on the same clips; any number of seeds each.
        classes: C names.
        metric: One of `evaluation.METRICS`; of attributes "ccc" or "ccc-NAME".
        permutations: All 2**S swaps are tried when they are no more than this, else so many are drawn.
        seed: Of the draw.

    Returns:
        (score of a minus score of b, two-sided p). With S speakers p is at least 2**(1 - S).

    Raises:
        InputError: the clips, their speakers or their truths differ, or one table holds several systems or conditions.
    """
    (sums_a, sums_b), score_of = _sums_of([a, b], classes, metric)
    return permutation_test(sums_a, sums_b, score_of, permutations, seed)


def _sums_of(tables: Sequence[pd.DataFrame], classes: Sequence[str], metric: str) -> tuple[list[np.ndarray], Callable]:
    """Sums per speaker of several systems' predictions of the same clips, on one scale, and what scores them."""
    sums_of, score_of = scorer(classes, metric)
    for table in tables:
        check_one(["system", "condition"], table, classes)
    for table in tables[1:]:
        _check_same_clips(tables[0], table, classes)
    # Three seeds of one against one of another swap like for like; whole numbers stay whole, so that an empty cell stays empty.
    whole = lcm(*map(len, tables))
    return [sums_of(table, classes) * (whole // len(table)) for table in tables], score_of


def _check_same_clips(a: pd.DataFrame, b: pd.DataFrame, classes: Sequence[str]) -> None:
    keys = ["clip", "partition"] if "partition" in a and "partition" in b else ["clip"]
    counts = [predictions.groupby(keys).size() for predictions in (a, b)]
    if not counts[0].index.equals(counts[1].index):
        missing = counts[0].index.symmetric_difference(counts[1].index)
        raise InputError(f"the systems were not tested on the same clips: {missing[0]} is missing from one of them.")
    uneven = counts[0] * len(b) != counts[1] * len(a)
    if uneven.any():
        raise InputError(f"a seed is incomplete: {counts[0].index[uneven][0]} is there more or less often than others.")
    said = ["clip", "speaker", *([f"true-{name}" for name in classes] if are_attributes(classes) else ["truth"])]
    facts = [set(predictions[said].itertuples(index=False, name=None)) for predictions in (a, b)]
    if facts[0] != facts[1]:
        raise InputError("the systems were tested on different truths or speakers of the same clips.")


def permutation_test(
    sums_a: np.ndarray, sums_b: np.ndarray, score_of: Callable, permutations: int = 10_000, seed: int = 0
) -> tuple[float, float]:
    """`paired_test` on sums per speaker.

    Args:
        sums_a, sums_b: `[S, ...]`, the same speakers in the same order, on the same scale.
        score_of: Maps sums `[..., *]` to scores `[...]`.
        permutations, seed: As in `paired_test`.

    Returns:
        (difference, p). Of drawn permutations p is (1 + those as large) / (1 + all), so that it is never 0 (Phipson &
        Smyth 2010, Statistical Applications in Genetics and Molecular Biology 9(1)).
    """
    swapped, exact = _swaps(len(sums_a), permutations, seed)
    difference, by_chance = _differences(sums_a, sums_b, score_of, swapped)
    return difference, _share_as_large(np.abs(by_chance), abs(difference), exact)


def _swaps(speakers: int, permutations: int, seed: int) -> tuple[np.ndarray, bool]:
    """Who changes sides, `[P, S]` of 0 and 1, and whether these are all the ways there are."""
    if 2**speakers <= permutations:
        return ((np.arange(2**speakers)[:, None] >> np.arange(speakers)) & 1).astype(float), True
    rng = np.random.default_rng(seed_of("permutation", seed))
    return rng.integers(0, 2, (permutations, speakers)).astype(float), False


def _differences(sums_a: np.ndarray, sums_b: np.ndarray, score_of: Callable, swapped: np.ndarray) -> tuple:
    """The difference of two scores, and those `[P]` after each way to swap speakers."""
    moved = np.tensordot(swapped, sums_b - sums_a, axes=1)  # [P, ...], what a gains and b loses
    total_a, total_b = sums_a.sum(0), sums_b.sum(0)
    return float(score_of(total_a) - score_of(total_b)), score_of(total_a + moved) - score_of(total_b - moved)


def _share_as_large(by_chance: np.ndarray, found: float, exact: bool) -> float:
    as_large, count = int((by_chance >= found - 1e-12).sum()), len(by_chance)
    return as_large / count if exact else (1 + as_large) / (1 + count)


def max_t(
    sums: Sequence[np.ndarray], score_of: Callable, permutations: int = 10_000, seed: int = 0
) -> list[tuple[int, int, float, float, float]]:
    """Every two of several systems compared, corrected for all of it by what the largest difference would be by chance.

    All pairs swap the same speakers, so that it counts how far the pairs hang together. A difference is measured by its
    deviation under swaps, t. The largest t of all pairs under each swap is what the largest found is held against; the second
    largest against the largest of the rest, and so on (Westfall & Young 1993, *Resampling-based multiple testing*, algorithm
    2.8). Whoever looks for the best system and holds the others against it has looked at no more than this.

    Args:
        sums: Of each system `[S, ...]`, as in `permutation_test`.
        score_of, permutations, seed: As in `permutation_test`.

    Returns:
        (place of a, place of b, difference, p, corrected p) of each pair.
    """
    pairs = list(combinations(range(len(sums)), 2))
    if not pairs:
        return []
    swapped, exact = _swaps(len(sums[0]), permutations, seed)
    found = [_differences(sums[a], sums[b], score_of, swapped) for a, b in pairs]
    sizes = np.array([abs(difference) for difference, _ in found])
    by_chance = np.array([np.abs(values) for _, values in found])  # [pairs, P]
    single = [_share_as_large(values, size, exact) for values, size in zip(by_chance, sizes)]
    deviation = np.sqrt((by_chance**2).mean(1))
    deviation[deviation == 0] = 1  # two systems that never differ
    t, by_chance = sizes / deviation, by_chance / deviation[:, None]
    corrected, largest, smallest_first = np.ones(len(pairs)), 0.0, np.argsort(t, kind="stable")
    for place in smallest_first:
        largest = np.maximum(largest, by_chance[place])  # [P], of this pair and those with a smaller t
        corrected[place] = _share_as_large(largest, t[place], exact)
    for place, after in zip(smallest_first[-2::-1], smallest_first[:0:-1]):
        corrected[place] = max(corrected[place], corrected[after])
    return [(*pair, found[i][0], single[i], corrected[i]) for i, pair in enumerate(pairs)]


def holm(p_values: Iterable[float]) -> np.ndarray:
    """p-values adjusted for how many there are, in the order given.

    Holm 1979, Scandinavian Journal of Statistics 6(2). The smallest of m is multiplied by m, the next by m - 1 and so
    on; none is below one that was smaller, none above 1.

    Raises:
        InputError: a value outside 0..1.

    >>> holm([0.04, 0.01, 0.03]).round(3).tolist()
    [0.06, 0.03, 0.06]
    """
    p = np.asarray(list(p_values), float)
    if not ((p >= 0) & (p <= 1)).all():
        raise InputError(f"p-values {p.tolist()}: expected numbers in 0..1.")
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1)
    return adjusted


def compare(
    predictions: pd.DataFrame,
    classes: Sequence[str],
    metric: str = "macro-f1",
    conditions: Iterable[str] | None = None,
    permutations: int = 10_000,
    seed: int = 0,
) -> pd.DataFrame:
    """`paired_test` of every two systems under every condition.

    Args:
        predictions: Of several systems on the same clips, with a column system.
        classes, metric, permutations, seed: As in `paired_test`.
        conditions: Which; None for all that are there.

    Returns:
        Columns system_a, system_b, condition, difference (a - b), p, p_corrected (`max_t` over the pairs of the condition).

    Raises:
        InputError: as `paired_test`, and for a condition that is not there or a table without systems.
    """
    if "system" not in predictions:
        raise InputError("the predictions have no column system that says whose they are.")
    known = list(predictions.condition.unique())
    tables = []
    for condition in known if conditions is None else conditions:
        if condition not in known:
            raise InputError(f'no predictions under "{condition}".{suggest(condition, known)}')
        part = predictions[predictions.condition == condition]
        names = list(part.system.unique())
        sums, score_of = _sums_of([part[part.system == name] for name in names], classes, metric)
        rows = [
            (names[a], names[b], condition, *tested) for a, b, *tested in max_t(sums, score_of, permutations, seed)
        ]
        columns = ["system_a", "system_b", "condition", "difference", "p", "p_corrected"]
        tables.append(pd.DataFrame(rows, columns=columns))
    return pd.concat(tables, ignore_index=True)


def compare_two(
    a: pd.DataFrame, b: pd.DataFrame, metric: str | None = None, permutations: int = 10_000, seed: int = 0
) -> pd.DataFrame:
    """Two systems under every condition that both were tested under: the difference of their scores, and its p.

    Two lines: `table, other = (run.predict(split.test) for run in runs)`, then `compare_two(table, other)`.

    Args:
        a, b: Predictions tables on the same clips.
        metric, permutations, seed: As in `paired_test`; the metric is macro-F1 or, of attributes, the mean CCC unless told.

    Returns:
        Columns condition, difference (a - b), p, p_corrected (by Holm, for the number of conditions).

    Raises:
        InputError: as `paired_test`, and for tables that share no condition.
    """
    classes = classes_of(a)
    metric = metric or headline(Scorer.of(classes).names)
    conditions = [name for name in a.condition.unique() if name in set(b.condition)]
    if not conditions:
        raise InputError("the two tables share no condition, so nothing can be compared.")
    for predictions in (a, b):
        check_one(["system"], predictions, classes)
    both = pd.concat([a.assign(system="a"), b.assign(system="b")], join="inner")
    table = compare(both, classes, metric, conditions, permutations, seed)
    return table.assign(p_corrected=holm(table.p))[["condition", "difference", "p", "p_corrected"]]


def tied_with_best(comparisons: pd.DataFrame, level: float = 0.05) -> dict[str, list[str]]:
    """Condition -> the best system, and after it those that are not significantly worse, from best to worst.

    "Not significantly worse" is no proof of being as good: with few speakers many tie.

    Args:
        comparisons: The result of `compare`, or some of its rows. Tables of before 0.2 have no column p_corrected; there each
            other system is held against the best by Holm's rule, which forgets that the best was looked for.
        level: A system whose corrected p is below it is worse.
    """
    tied = {}
    for condition, part in comparisons.groupby("condition", sort=False):
        systems = list(dict.fromkeys([*part.system_a, *part.system_b]))
        # Differences are score_a - score_b, so their signed sum ranks the systems as their scores do.
        lead = {
            name: part.difference[part.system_a == name].sum() - part.difference[part.system_b == name].sum()
            for name in systems
        }
        ranked = sorted(systems, key=lead.get, reverse=True)
        with_best = part[(part.system_a == ranked[0]) | (part.system_b == ranked[0])]
        p = with_best.p_corrected if "p_corrected" in with_best else pd.Series(holm(with_best.p), with_best.index)
        worse = with_best[p < level]
        beaten = {*worse.system_a, *worse.system_b} - {ranked[0]}
        tied[condition] = [name for name in ranked if name not in beaten]
    return tied
