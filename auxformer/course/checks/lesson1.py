"""Checks of lesson 1: frames of a waveform, normalisation fitted on train, a partition by speaker."""

import numpy as np

from auxformer.course.checks import expect, expect_array, expect_close, expect_shape, expect_something, run_stages

RATE = 1000  # Hz; a round number, so that 25 ms are 25 samples


def _energy(waveform: np.ndarray, length: int, step: int) -> np.ndarray:
    """Root-mean-square energy of whole windows, length and step in samples."""
    windows = np.lib.stride_tricks.sliding_window_view(waveform, length)[::step]
    return np.sqrt((windows**2).mean(1))


def frame_energy(answer) -> None:
    """Waveform `[samples]`, Hz, window s, hop s -> root-mean-square energy of whole windows `[T]`."""

    def shape(answer):
        energy = answer(
            np.ones(95), RATE, 0.025, 0.010
        )  # windows start at 0, 10, ..., 70; the last ends with the samples
        expect_array(energy, "the energy", lists=True)
        suspects = {
            10: "that is one frame per hop, the last of which run over the end; take whole windows only.",
            3: "the windows do not overlap: the next starts one hop later, not one window later.",
            7: "the last frame is missing: a window that ends with the waveform is whole.",
        }
        found = len(energy)
        expect(found == 8, suspects.get(found, f"95 samples gave {found} frames, expected 8."))
        expect_shape(energy, (8,), "the energy")
        more = len(answer(np.ones(104), RATE, 0.025, 0.010))  # one sample short of a ninth window
        expect(more == 8, f"104 samples gave {more} frames, expected 8: the ninth window would lack a sample.")

    def mechanism(answer):
        waveform = np.array([4.0, -3.0, 2.0, 0.0, 0.0, 0.0])
        right = np.sqrt(29 / 3)
        expect_close(
            answer(waveform, 3, 1.0, 1.0), [right, 0],  # two windows of three samples
            {
                "that is the mean of the samples; a waveform swings around 0, so square first.": [1, 0],
                "that is the mean of the squares; take its square root.": [29 / 3, 0],
                "that is the root of the sum; divide by the number of samples before the root.": [np.sqrt(29), 0],
                "that is the mean of the absolute values; root-mean-square squares first.": [3, 0],
                "that is the standard deviation, from which the window's mean is taken off; square the samples as they are.":
                    [np.sqrt(29 / 3 - 1), 0],
                "the windows run backwards; the first frame is the first window.": [0, right],
            },
            "the energy of (4, -3, 2 | 0, 0, 0)",
        )  # fmt: skip

    def whole(answer):
        noise = np.random.default_rng(1).normal(0, 1, 200)
        for what, window, hop in (("a window", 0.0197, 0.0103), ("a hop", 0.0203, 0.0097)):
            energy = answer(noise, RATE, window, hop)
            up, down = (window, hop) if what == "a window" else (hop, window)
            suspects = {
                f"{1000 * up:.1f} ms at 1000 Hz are {1000 * up:.1f} samples: `int` cuts them; `round` to the nearest.":
                    _energy(noise, int(RATE * window), int(RATE * hop)),
                f"{1000 * down:.1f} ms at 1000 Hz are {1000 * down:.1f} samples: that was rounded up; `round` to the nearest.":
                    _energy(noise, -int(-RATE * window // 1), -int(-RATE * hop // 1)),
            }  # fmt: skip
            right = _energy(noise, round(RATE * window), round(RATE * hop))
            expect_close(
                energy, right, suspects, f"the energy of noise, {what} a little below a whole number of samples"
            )

    run_stages("frame_energy", answer, shape=shape, mechanism=mechanism, whole=whole)


def normalise(answer) -> None:
    """Training frames `[N, D]`, other frames `[T, D]` -> the other frames standardised by the training frames `[T, D]`."""
    rng = np.random.default_rng(1)
    scales = np.array([0.1, 10, 100])
    train = rng.normal(5, 2, (400, 3)) * scales
    other = rng.normal(9, 4, (50, 3)) * scales
    other[0] = 60 * scales  # far out: whoever cuts values off shows it here

    def shape(answer):
        expect_shape(answer(train, other), (50, 3), "the standardised frames")
        expect_array(answer(train, other), "the standardised frames")

    def mechanism(answer):
        both = np.concatenate([train, other])
        right = (other - train.mean(0)) / train.std(0)
        value = answer(train, other)
        expect_close(
            value, right,
            {
                "these are fitted on the frames to be scored: the test set tells about itself.": (other - other.mean(0)) / other.std(0),
                "these are fitted on train and test together: test leaks into training.": (other - both.mean(0)) / both.std(0),
                "one mean and one deviation for all features: each feature has a scale of its own.":
                    (other - train.mean()) / train.std(),
                "the mean was not taken off.": other / train.std(0),
                "that is divided by the variance; take the standard deviation.": (other - train.mean(0)) / train.var(0),
                "that is divided by the deviation with N - 1; `std()` as it comes divides by N.":
                    (other - train.mean(0)) / train.std(0, ddof=1),
                "only the mean was taken off; divide by the deviation.": other - train.mean(0),
                "values far out were cut off; leave them as they are.": np.clip(right, np.min(value), np.max(value)),
            },
            "frames with three scales",
        )  # fmt: skip

    def whole(answer):
        train_too = np.concatenate([train, np.full((400, 2), 7.0)], axis=1)  # [400, 5]
        moved = np.concatenate([other, np.full((50, 1), 7.0), np.full((50, 1), 7.5)], axis=1)
        with np.errstate(all="ignore"):
            result = np.asarray(answer(train_too, moved))
        expect_shape(np.nan_to_num(result), (50, 5), "the standardised frames")
        finite = bool(np.isfinite(result).all())
        expect(finite, "a feature that never changes has deviation 0: divide by 1 there, so that it stays 0.")
        expect_close(result[:, 3], np.zeros(50), what="a feature that never changes", tolerance=1e-3)
        found = float(result[0, 4])
        expect(
            abs(found) < 10,
            f"a feature that never changed in training changes by .5 and becomes {found:.3g}: a tiny number under the line "
            "blows it up, and so does `nan_to_num`; divide by 1 there.",
        )
        unscaled = np.full(50, 0.0 if found == 0 else 0.5)
        expect_close(result[:, 4], unscaled, what="a feature that never changed in training and changes by .5")
        expect_close(result[:, :3], answer(train, other), what="the other features beside two that never change")

    run_stages("normalise", answer, shape=shape, mechanism=mechanism, whole=whole)


class _Name(str):
    """A name whose place in a `set` is chosen by `salt`: as Python does it anew at each start."""

    __slots__ = ()
    salt = 0

    def __hash__(self) -> int:
        return (int(self[1:]) + 3) * (_Name.salt + 2) ** 3 % 97


def split_by_speaker(answer) -> None:
    """Speaker of each clip `[N]`, share for test, seed -> two boolean arrays `[N]`: train, test; no speaker in both."""
    speakers = np.repeat([f"s{i:02d}" for i in range(20)], np.arange(3, 23))  # 3 to 22 clips a speaker
    speakers = np.random.default_rng(1).permutation(speakers)

    def split(answer, seed=0, share=0.3, speakers=speakers):
        result = answer(speakers, share, seed)
        expect_something(result)
        expect(
            isinstance(result, (tuple, list, np.ndarray)) and len(result) == 2,
            "expected a pair (train, test) of boolean arrays.",
        )
        for name, mask in zip(("train", "test"), result):
            expect_array(mask, name)
        return result[0], result[1]

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
        count = len(set(speakers[test]))
        expect(count != 14, "14 of 20 speakers are in test, expected 6: train and test are exchanged.")
        expect(count == 6, f"{count} of 20 speakers are in test, expected .3 of them, 6.")

    def whole(answer):
        tested = [frozenset(speakers[split(answer, seed)[1]]) for seed in range(10)]
        for share, right in ((0.33, 7), (0.31, 6)):
            count = len(set(speakers[split(answer, 0, share)[1]]))
            near = f"{share:.2f} · 20 = {20 * share:.1f} is nearest to {right}: round."
            expect(count == right, f"{count} of 20 speakers for a share of {share:.2f}; {near}")
        counts = {len(chosen) for chosen in tested}
        expect(counts == {6}, f"other seeds test {sorted(counts)} of 20 speakers, expected 6 each time.")
        varied = len(set(tested)) > 5 and len(frozenset.union(*tested)) > 12
        expect(varied, "other seeds test the same speakers: draw them at random, with the seed.")
        again = np.array_equal(split(answer, 3)[1], split(answer, 3)[1])
        expect(again, "the same seed gave another split: use np.random.default_rng(seed).")
        named = np.array([_Name(name) for name in speakers], dtype=object)
        drawn = set()
        for salt in range(5):
            _Name.salt = salt
            drawn.add(frozenset(map(str, named[split(answer, 3, speakers=named)[1]])))
        expect(
            len(drawn) == 1,
            "the speakers come from a `set`, which has another order whenever Python starts: the same seed draws others "
            "tomorrow. Sort them first; `np.unique` does.",
        )

    run_stages("split_by_speaker", answer, shape=shape, mechanism=mechanism, whole=whole)
