"""Checks of lesson 0: recall from votes, two cues combined, macro-F1."""

import numpy as np

from auxformer.course.checks import expect, expect_array, expect_close, expect_number, expect_shape, run_stages

# Counts that are not symmetric, with unequal rows and columns, so that a swapped axis shows; the second emotion is mostly
# taken for another, so that its largest entry is no hit; sums that no decimal fraction hits, so that rounding shows.
VOTES = np.array([[5, 3, 1], [4, 2, 1], [0, 3, 10]])


def recall_per_class(answer) -> None:
    """Votes `[C, C]` (rows intended, columns answered) -> recall `[C]`."""

    def shape(answer):
        expect_shape(answer(VOTES), (3,), "the recall")
        expect_array(answer(VOTES), "the recall", lists=True)

    def mechanism(answer):
        votes = np.array([[1, 3], [0, 4]])
        expect_close(
            answer(votes), [0.25, 1.0],
            {
                "these are precisions: hits were divided by the column sums (what was answered), not the row sums.": [1, 4 / 7],
                "hits were divided by all votes; recall looks at one intended emotion at a time.": [1 / 8, 4 / 8],
                "these are counts; divide the hits by the votes of their row.": [1, 4],
                "that is the share of the most frequent answer; a hit stands on the diagonal, wherever the most votes are.":
                    [0.75, 1],
            },
            "the recall of [[1, 3], [0, 4]]",
        )  # fmt: skip

    def whole(answer):
        expect_close(answer(VOTES), [5 / 9, 2 / 7, 10 / 13], what="the recall of three classes")

    run_stages("recall_per_class", answer, shape=shape, mechanism=mechanism, whole=whole)


def combine_cues(answer) -> None:
    """Two answer distributions `[C]` -> their fuzzy-logical combination `[C]`."""

    def shape(answer):
        value = answer(np.full(3, 1 / 3), np.full(3, 1 / 3))
        expect_shape(value, (3,), "the combination")
        expect_array(value, "the combination")

    def mechanism(answer):
        voice, face = np.array([0.8, 0.1, 0.1]), np.array([0.3, 0.3, 0.4])
        product, root = voice * face, np.sqrt(voice * face)
        expect_close(
            answer(voice, face), product / product.sum(),
            {
                "that is the average of the two: a cue that knows nothing would pull towards itself. Multiply.": (voice + face) / 2,
                "the product does not sum to 1 yet: divide it by its sum.": product,
                "the root of the product is a compromise between the cues; here each counts in full.": root / root.sum(),
                "the product was divided by its largest entry, expected by its sum.": product / product.max(),
                "only the voice came through.": voice,
                "only the face came through.": face,
            },
            "voice (.8, .1, .1) with face (.3, .3, .4)",
        )  # fmt: skip
        expect_close(answer(voice, np.full(3, 1 / 3)), voice, what="a voice with a face that says nothing")

    def whole(answer):
        voice, face = np.random.default_rng(0).dirichlet(np.ones(6), 2)
        expect_close(answer(voice, face), voice * face / (voice @ face), what="a combination of six classes")

    run_stages("combine_cues", answer, shape=shape, mechanism=mechanism, whole=whole)


def macro_f1(answer) -> None:
    """Confusion counts `[C, C]` (rows truth, columns prediction) -> mean F1 over classes."""

    def shape(answer):
        expect_number(answer(VOTES), "the score", ": average the classes")

    def mechanism(answer):
        votes = np.array([[8, 2], [3, 2]])
        expect_close(
            answer(votes), (16 / 21 + 4 / 9) / 2,
            {
                "that is accuracy (also called micro-F1): the share of clips on the diagonal.": 10 / 15,
                "that is mean recall: hits were divided by the row sums only.": (8 / 10 + 2 / 5) / 2,
                "that is mean precision: hits were divided by the column sums only.": (8 / 11 + 2 / 4) / 2,
                "a factor 2 is missing: 2 · hits / (row sum + column sum).": (8 / 21 + 2 / 9) / 2,
                "classes count by their size here; in macro-F1 a rare class weighs as much as a common one.":
                    (10 * 16 / 21 + 5 * 4 / 9) / 15,
                "the classes were added up, expected their mean.": 16 / 21 + 4 / 9,
                "the mean of precision and recall; F1 is 2 · hits / (row sum + column sum).":
                    np.mean([8 / 10 + 8 / 11, 2 / 5 + 2 / 4]) / 2,
                "that is the F1 of the mean precision and the mean recall; take F1 per class, then the mean.":
                    2 * 0.6 * (8 / 11 + 0.5) / 2 / (0.6 + (8 / 11 + 0.5) / 2),
            },
            "macro-F1 of [[8, 2], [3, 2]]",
        )  # fmt: skip

    def whole(answer):
        right = np.mean([10 / (9 + 9), 4 / (7 + 8), 20 / (13 + 12)])
        expect_close(answer(VOTES), right, what="macro-F1 of three classes")
        for what, votes, expected in (
            ("when the second class is never answered", [[5, 0], [5, 0]], 1 / 3),
            ("when the second class is never hit", [[6, 1], [2, 0]], 12 / 15 / 2),
        ):
            with np.errstate(all="ignore"):
                value = answer(np.array(votes))
            expect(np.isfinite(value), f"macro-F1 {what} is a division by zero; the F1 of that class is 0.")
            expect_close(value, expected, what=f"macro-F1 {what}")

    run_stages("macro_f1", answer, shape=shape, mechanism=mechanism, whole=whole)
