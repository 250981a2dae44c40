"""Checks of lesson 1: frames of a waveform, normalisation fitted on train, a partition by speaker."""

import numpy as np

from auxformer.course.checks import expect, expect_close, expect_shape, run_stages

RATE = 1000  # Hz; a round number, so that 25 ms are 25 samples


def frame_energy(answer) -> None:
    """Waveform `[samples]`, Hz, window s, hop s -> root-mean-square energy of whole windows `[T]`."""

    def shape(answer):
        energy = answer(np.ones(100), RATE, 0.025, 0.010)  # windows start at 0, 10, ..., 70
        suspects = {
            10: "that is one frame per hop, the last of which run over the end; take whole windows only.",
            4: "the windows do not overlap: the next starts one hop later, not one window later.",
            7: "one frame is missing: 1 + (samples - window) // hop of them fit.",
        }
        found = np.shape(energy)
        expect(len(found) == 1, f"the energy has shape {found}, expected one number per frame, [8].")
        expect(found[0] == 8, suspects.get(found[0], f"100 samples gave {found[0]} frames, expected 8."))
        expect_shape(energy, (8,), "the energy")

    def mechanism(answer):
        waveform = np.array([3.0, -4.0, 0.0, 0.0])
        energy = answer(waveform, 2, 1.0, 1.0)  # two windows of two samples: (3, -4) and (0, 0)
        expect_close(
            energy, [np.sqrt(12.5), 0],
            {
                "that is the mean of the samples; a waveform swings around 0, so square first.": [-0.5, 0],
                "that is the mean of the squares; take its square root.": [12.5, 0],
                "that is the root of the sum; divide by the number of samples before the root.": [5, 0],
                "that is the mean of the absolute values; root-mean-square squares first.": [3.5, 0],
            },
            "the energy of (3, -4 | 0, 0)",
        )  # fmt: skip

    def whole(answer):
        waveform = np.zeros(1000)
        waveform[500:] = np.sin(2 * np.pi * 50 * np.arange(500) / RATE)
        energy = answer(waveform, RATE, 0.040, 0.010)
        expect_shape(energy, (97,), "the energy of a second")
        odd = answer(np.arange(60.0), RATE, 0.0297, 0.0297)
        expect(
            np.shape(odd) == (2,) and np.isclose(odd[1], np.sqrt(np.mean(np.arange(30, 60) ** 2))),
            "29.7 ms at 1000 Hz are 29.7 samples; `int` cuts them to 29: `round` to the nearest, 30.",
        )
        silent = not np.any(np.asarray(energy)[:46])
        expect(silent, "the first half second is silent, so are its frames: where do they start?")
        expect_close(energy[50:], np.full(47, np.sqrt(0.5)), what="the energy of a sine of amplitude 1", tolerance=1e-6)

    run_stages("frame_energy", answer, shape=shape, mechanism=mechanism, whole=whole)


def normalise(answer) -> None:
    """Training frames `[N, D]`, other frames `[T, D]` -> the other frames standardised by the training frames `[T, D]`."""
    rng = np.random.default_rng(1)
    train = rng.normal(5, 2, (400, 3)) * [1, 10, 100]
    other = rng.normal(9, 4, (50, 3)) * [1, 10, 100]

    def shape(answer):
        expect_shape(answer(train, other), (50, 3), "the standardised frames")

    def mechanism(answer):
        both = np.concatenate([train, other])
        expect_close(
            answer(train, other), (other - train.mean(0)) / train.std(0),
            {
                "these are fitted on the frames to be scored: the test set tells about itself.": (other - other.mean(0)) / other.std(0),
                "these are fitted on train and test together: test leaks into training.": (other - both.mean(0)) / both.std(0),
                "one mean and one deviation for all features: each feature has a scale of its own.":
                    (other - train.mean()) / train.std(),
                "the mean was not taken off.": other / train.std(0),
                "that is divided by the variance; take the standard deviation.": (other - train.mean(0)) / train.var(0),
            },
            "frames with three scales",
        )  # fmt: skip

    def whole(answer):
        constant = np.concatenate([train, np.full((400, 1), 7.0)], axis=1)  # [400, 4]
        silent = np.concatenate([other, np.full((50, 1), 7.0)], axis=1)
        result = np.asarray(answer(constant, silent))
        finite = bool(np.isfinite(result).all())
        expect(finite, "a feature that never changes has deviation 0: divide by 1 there, so that it stays 0.")
        expect_close(result[:, 3], np.zeros(50), what="a feature that never changes", tolerance=1e-3)

    run_stages("normalise", answer, shape=shape, mechanism=mechanism, whole=whole)


def split_by_speaker(answer) -> None:
    """Speaker of each clip `[N]`, share for test, seed -> two boolean arrays `[N]`: train, test; no speaker in both."""
    speakers = np.repeat([f"s{i:02d}" for i in range(20)], np.arange(3, 23))  # 3 to 22 clips a speaker

    def split(answer, seed=0):
        result = answer(speakers, 0.3, seed)
        expect(isinstance(result, tuple) and len(result) == 2, "expected a pair (train, test) of boolean arrays.")
        return np.asarray(result[0]), np.asarray(result[1])

    def shape(answer):
        for name, mask in zip(("train", "test"), split(answer)):
            expect(mask.dtype == bool, f"{name} is of type {mask.dtype}, expected one True or False per clip.")
            expect_shape(mask, speakers.shape, name)

    def mechanism(answer):
        train, test = split(answer)
        expect(not (train & test).any(), "a clip is in train and in test.")
        expect((train | test).all(), "a clip is in neither.")
        shared = set(speakers[train]) & set(speakers[test])
        expect(not shared, f"{len(shared)} speakers are on both sides: draw speakers, then take all their clips.")

    def whole(answer):
        tested = set()
        for seed in range(10):
            test = split(answer, seed)[1]
            count = len(set(speakers[test]))
            expect(count == 6, f"{count} of 20 speakers are in test, expected .3 of them, 6.")
            tested |= set(speakers[test])
        count = len(set(speakers[np.asarray(answer(speakers, 0.33, 0)[1])]))
        expect(count == 7, f"{count} of 20 speakers for a share of .33; .33 · 20 = 6.6 is nearest to 7: round.")
        expect(len(tested) > 12, "other seeds test the same speakers: draw them at random, with the seed.")
        again = np.array_equal(split(answer, 3)[1], split(answer, 3)[1])
        expect(again, "the same seed gave another split: use np.random.default_rng(seed).")

    run_stages("split_by_speaker", answer, shape=shape, mechanism=mechanism, whole=whole)
