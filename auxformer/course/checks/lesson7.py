"""Checks of lesson 7: what hiding a window costs, whether a clip is of the known kind, who is missed."""

import numpy as np

from auxformer.course.checks import (
    expect,
    expect_array,
    expect_close,
    expect_number,
    expect_shape,
    expect_something,
    run_stages,
)

# 11 frames, of which the last two are padding: no multiple of the widths asked for.
WEIGHTS = np.array([0.1, 0.7, 0.2, 0.9, 0.4, 0.8, 0.3, 0.6, 0.5, 5.0, 5.0])
VALID = np.arange(11) < 9


def _mean_of(mask) -> float:
    """A black box: the mean weight of the frames that may be used."""
    mask = np.asarray(mask, bool)
    return float(WEIGHTS[mask].mean()) if mask.any() else 0.0


def _kept(width: int) -> np.ndarray:
    """A mask `[windows, 11]` per window, which hides it and nothing else."""
    window = np.arange(len(VALID)) // width
    return window != np.unique(window)[:, None]


def _means_of(masks) -> np.ndarray:
    return np.array([_mean_of(mask) for mask in masks])


def occlusion(answer) -> None:
    """A function from masks to a probability, a mask `[T]`, a width -> how much each window's loss costs."""
    first = _mean_of(VALID)

    def shape(answer):
        drops = answer(_mean_of, VALID, 4)
        expect_array(drops, "the drops")
        suspects = {2: "the last window is missing: it is shorter than the others and counts as well."}
        found = drops.shape
        expect(
            found == (3,),
            suspects.get(
                len(drops) if drops.ndim else 0, f"11 frames in windows of 4 gave {found} drops, expected (3,)."
            ),
        )

    def mechanism(answer):
        kept = _kept(3)
        left = _means_of(VALID & kept)
        expect_close(
            answer(_mean_of, VALID, 3), first - left,
            {
                "the sign is reversed: a window that is needed has a positive drop, probability before minus after.": left - first,
                "these are probabilities, not drops: subtract them from the probability of the whole clip.": left,
                "only the window was left and all else hidden; hide the window and leave the rest.":
                    first - _means_of(VALID & ~kept),
                "windows that were hidden stay hidden: start from a fresh copy of the mask for each.":
                    first - _means_of(VALID & np.logical_and.accumulate(kept)),
                "padding came back: start from the mask, not from ones.": first - _means_of(kept),
                "padding is counted throughout: the mask was not used.": WEIGHTS.mean() - _means_of(kept),
            },
            "the drops of 11 frames, the last two padding, in windows of 3",
        )  # fmt: skip

    def whole(answer):
        expect_close(answer(_mean_of, VALID, 5), first - _means_of(VALID & _kept(5)), what="windows of 5")
        expect_close(answer(_mean_of, VALID, 20), [first], what="one window that hides everything")

    run_stages("occlusion", answer, shape=shape, mechanism=mechanism, whole=whole)


def _distance(values, fitted, scaled: bool = True) -> np.ndarray:
    deviation = fitted.std(0) if scaled else 1.0
    return np.sqrt((((values - fitted.mean(0)) / deviation) ** 2).mean(-1))


def typicality(answer) -> None:
    """A clip `[D]`, training clips `[N, D]`, other known clips `[M, D]` -> the share of those at least as far out."""
    rng = np.random.default_rng(7)
    unit = np.array([1.0, 50.0, 0.2, 8.0])
    train = rng.normal(0, 1, (40, 4)) * unit + 3 * unit
    others = rng.normal(0, 1.6, (19, 4)) * unit + 3.3 * unit
    clip = (np.array([1.0, -0.3, 1.9, 1.4]) + 3) * unit

    def distance(values):
        return _distance(values, train)

    def share(distance, known=others, clip=clip) -> float:
        return (1 + (distance(known) >= distance(clip)).sum()) / (1 + len(known))

    def shape(answer):
        expect_number(answer(clip, train, others), "the typicality")

    def mechanism(answer):
        far, known = distance(clip), distance(others)
        expect_close(
            answer(clip, train, others), share(distance),
            {
                "the other way round: count the known clips at least as far out as this one, not those nearer.":
                    ((known < far).sum() + 1) / 20,
                "a 1 is missing above and below the line: the clip itself is one of M + 1, and the share is never 0.":
                    (known >= far).mean(),
                "a 1 is missing below the line: with the clip itself there are M + 1.": (1 + (known >= far).sum()) / 19,
                "not divided by the deviations: the dimension with the largest unit decides alone.":
                    share(lambda values: _distance(values, train, scaled=False)),
                "mean and deviation were taken from the other clips; the training clips say what is known.":
                    share(lambda values: _distance(values, others)),
                "deviations of opposite sign cancel: square them before the mean.":
                    share(lambda values: ((values - train.mean(0)) / train.std(0)).mean(-1)),
                "that is the distance, expected the share of known clips that are at least as far out.": far,
                "compared with the training clips, which the mean and deviation were fitted to; compare with the others.":
                    share(distance, train),
            },
            "the typicality of a clip against 19 others",
        )  # fmt: skip

    def whole(answer):
        expect_close(answer(train.mean(0), train, others), 1.0, what="the typicality of a clip at the very mean")
        expect_close(
            answer(1e6 * unit, train, others), 1 / 20, what="the typicality of a clip that is far out of everything",
        )  # fmt: skip
        # Deviations of exactly 1 and means of exactly 0, so that whoever adds in another order finds the same distance.
        plain = np.array([[1.0, -1, 1, -1], [-1, 1, -1, 1]])
        known = np.array([[2.0, 0, 0, 0], [0, 0, 0, -2], [1, 1, 1, 1], [0, 0, 1, 0], [3, 0, 1, 0], [1.999, 0, 0, 0]])
        expect_close(
            answer(np.array([0.0, 2, 0, 0]), plain, known), 5 / 7,
            {"known clips that are exactly as far out count: use >=, not >.": 2 / 7},
            "the typicality of a clip that is as far out as three of six known ones",
        )  # fmt: skip

    run_stages("typicality", answer, shape=shape, mechanism=mechanism, whole=whole)


# Speakers of unequal numbers of clips, so that a mean over clips is another than a mean over speakers.
SPEAKER = np.array(["a"] * 8 + ["b"] * 2 + ["c"] * 3 + ["d"] * 5 + ["e"] * 2)
GROUP = np.array(["dark"] * 10 + ["light"] * 8 + ["none missed"] * 2)
MISSED = np.array([1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0], bool)


def miss_rates(answer) -> None:
    """Missed or not `[N]`, group `[N]`, speaker `[N]` -> rate per group, each speaker counting the same."""

    def rates(answer, *arguments) -> list[float]:
        found = answer(*arguments)
        expect_something(found)
        expect(hasattr(found, "keys"), f"got {type(found).__name__}, expected a dictionary group -> rate.")
        names = sorted(set(arguments[1]))
        for name in names:
            expect(name in found, f'the group "{name}" has no rate; a group in which nobody is missed has 0.')
            expect_number(found[name], f'the rate of "{name}"')
        return [float(found[name]) for name in names]

    def shape(answer):
        expect_shape(np.array(rates(answer, MISSED, GROUP, SPEAKER)), (3,), "the rates")

    def mechanism(answer):
        keep = GROUP != "none missed"
        missed, group, speaker = MISSED[keep], GROUP[keep], SPEAKER[keep]
        right = [(1 / 8 + 1) / 2, (1 / 3 + 0) / 2]
        expect_close(
            rates(answer, missed, group, speaker), right,
            {
                "a mean over clips: a speaker with many clips outweighs the others. First a rate per speaker, then their mean.":
                    [3 / 10, 1 / 8],
                "the share of all misses that fall into the group; divide by the group's own clips.": [3 / 4, 1 / 4],
                "the share that was found, expected the share that was missed.": [1 - rate for rate in right],
                "the speakers' rates were added up, expected their mean.": [2 * rate for rate in right],
                "the share of speakers missed at least once; how often they are missed is asked.": [1.0, 0.5],
            },
            "the rates of two groups of two speakers",
        )  # fmt: skip

    def whole(answer):
        order = np.random.default_rng(0).permutation(len(MISSED))
        shuffled = rates(answer, MISSED[order], GROUP[order], SPEAKER[order])
        expect_close(shuffled, [(1 / 8 + 1) / 2, 1 / 6, 0], what="the rates when the clips come in another order")
        three = np.array(["x"] * 4 + ["y"] * 2 + ["z"])  # rates 1/4, 0 and 1
        missed = np.array([1, 0, 0, 0, 0, 0, 1], bool)
        expect_close(
            rates(answer, missed, np.full(7, "all"), three), [(1 / 4 + 0 + 1) / 3],
            {"the median of the speakers' rates, expected their mean.": [1 / 4]},
            "the rate of a group of three speakers",
        )  # fmt: skip

    run_stages("miss_rates", answer, shape=shape, mechanism=mechanism, whole=whole)
