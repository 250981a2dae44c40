"""Checks of lesson 0: recall from votes, two cues combined, macro-F1."""

import numpy as np

from auxformer.course.checks import expect, expect_close, expect_shape, run_stages

# Counts that are not symmetric, with unequal rows and columns, so that a swapped axis shows.
VOTES = np.array([[6, 3, 1], [2, 2, 0], [0, 5, 15]])


def recall_per_class(answer) -> None:
    """Votes `[C, C]` (rows intended, columns answered) -> recall `[C]`."""

    def shape(answer):
        expect_shape(answer(VOTES), (3,), "the recall")

    def mechanism(answer):
        votes = np.array([[3, 1], [0, 4]])
        expect_close(
            answer(votes), [0.75, 1.0],
            {
                "these are precisions: hits were divided by the column sums (what was answered), not the row sums.": [1, 0.8],
                "hits were divided by all votes; recall looks at one intended emotion at a time.": [3 / 8, 4 / 8],
                "these are counts; divide the hits by the votes of their row.": [3, 4],
            },
            "the recall of [[3, 1], [0, 4]]",
        )  # fmt: skip

    def whole(answer):
        expect_close(answer(VOTES), [0.6, 0.5, 0.75], what="the recall of three classes")
        expect_close(answer(VOTES * 10), answer(VOTES), what="the recall when every vote is counted ten times")

    run_stages("recall_per_class", answer, shape=shape, mechanism=mechanism, whole=whole)


def combine_cues(answer) -> None:
    """Two answer distributions `[C]` -> their fuzzy-logical combination `[C]`."""

    def shape(answer):
        expect_shape(answer(np.full(3, 1 / 3), np.full(3, 1 / 3)), (3,), "the combination")

    def mechanism(answer):
        voice, face = np.array([0.8, 0.1, 0.1]), np.array([0.3, 0.3, 0.4])
        product, root = voice * face, np.sqrt(voice * face)
        expect_close(
            answer(voice, face), product / product.sum(),
            {
                "that is the average of the two: a cue that knows nothing would pull towards itself. Multiply.": (voice + face) / 2,
                "the product does not sum to 1 yet: divide it by its sum.": product,
                "the root of the product is a compromise between the cues; here each counts in full.": root / root.sum(),
                "only the voice came through.": voice,
                "only the face came through.": face,
            },
            "voice (.8, .1, .1) with face (.3, .3, .4)",
        )  # fmt: skip
        expect_close(answer(voice, np.full(3, 1 / 3)), voice, what="a voice with a face that says nothing")

    def whole(answer):
        voice, face = np.random.default_rng(0).dirichlet(np.ones(6), 2)
        expect_close(answer(voice, face), answer(face, voice), what="voice and face exchanged")
        expect_close(answer(voice, face), voice * face / (voice @ face), what="a combination of six classes")

    run_stages("combine_cues", answer, shape=shape, mechanism=mechanism, whole=whole)


def macro_f1(answer) -> None:
    """Confusion counts `[C, C]` (rows truth, columns prediction) -> mean F1 over classes."""

    def shape(answer):
        dims = np.ndim(answer(VOTES))
        expect(dims == 0, f"the score has {dims} dimensions, expected one number: average the classes.")

    def mechanism(answer):
        votes = np.array([[8, 2], [3, 2]])
        expect_close(
            answer(votes), (16 / 21 + 4 / 9) / 2,
            {
                "that is accuracy (also called micro-F1): the share of clips on the diagonal.": 10 / 15,
                "that is mean recall: hits were divided by the row sums only.": (8 / 10 + 2 / 5) / 2,
                "that is mean precision: hits were divided by the column sums only.": (8 / 11 + 2 / 4) / 2,
                "a factor 2 is missing: 2 · hits / (row sum + column sum).": (8 / 21 + 2 / 9) / 2,
            },
            "macro-F1 of [[8, 2], [3, 2]]",
        )  # fmt: skip

    def whole(answer):
        right = np.mean([12 / (10 + 8), 4 / (4 + 10), 30 / (20 + 16)])
        weighted = (10 * 12 / 18 + 4 * 4 / 14 + 20 * 30 / 36) / 34
        suspects = {
            "classes count by their size here; in macro-F1 a rare class weighs as much as a common one.": weighted
        }
        expect_close(answer(VOTES), right, suspects, "macro-F1 of three classes of unequal size")
        never = answer(np.array([[5, 0], [5, 0]]))
        expect(np.isfinite(never), "a class that is never answered gives a division by zero; its F1 is 0.")
        expect_close(never, 1 / 3, what="macro-F1 when the second class is never answered")

    run_stages("macro_f1", answer, shape=shape, mechanism=mechanism, whole=whole)
