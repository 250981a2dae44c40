"""Likely mistakes in the exercises of lesson 1: exercise -> {word of the diagnosis: wrong answer}."""

import numpy as np

WRONG: dict[str, dict] = {}


def _energy(waveform, rate, window, hop, start=None, statistic=lambda part: np.sqrt(np.mean(part**2))):
    window, hop = round(window * rate), round(hop * rate)
    starts = range(0, len(waveform) - window + 1, hop) if start is None else start(len(waveform), window, hop)
    return np.array([statistic(waveform[begin : begin + window]) for begin in starts])


def _split_clips(speakers, share, seed):
    test = np.random.default_rng(seed).random(len(speakers)) < share
    return ~test, test


def _split(speakers, share, seed, count=None, draw=True):
    names = np.unique(speakers)
    count = round(share * len(names)) if count is None else count
    chosen = np.random.default_rng(seed).permutation(names)[:count] if draw else names[:count]
    test = np.isin(speakers, chosen)
    return ~test, test


def _standardise(train, other):
    deviation = train.std(0)
    return (other - train.mean(0)) / np.where(deviation > 0, deviation, 1)


def _in_place(train, other):
    other -= train.mean(0)
    other /= np.where(train.std(0) > 0, train.std(0), 1)
    return other


WRONG["frame_energy"] = {
    "one frame per hop": lambda *a: _energy(*a, start=lambda n, window, hop: range(0, n, hop)),
    "do not overlap": lambda *a: _energy(*a, start=lambda n, window, hop: range(0, n - window + 1, window)),
    "one frame is missing": lambda *a: _energy(*a, start=lambda n, window, hop: range(0, n - window, hop))[:7],
    "square first": lambda *a: _energy(*a, statistic=np.mean),
    "square root": lambda *a: _energy(*a, statistic=lambda part: np.mean(part**2)),
    "before the root": lambda *a: _energy(*a, statistic=lambda part: np.sqrt(np.sum(part**2))),
    "to the nearest, 30": lambda waveform, rate, window, hop: _energy(waveform, 1, int(window * rate), int(hop * rate)),
    "silent": lambda *a: _energy(*a)[::-1] if len(a[0]) > 500 else _energy(*a),
}
WRONG["normalise"] = {
    "about itself": lambda train, other: (other - other.mean(0)) / np.maximum(other.std(0), 1e-9),
    "leaks": lambda train, other: _standardise(np.concatenate([train, other]), other),
    "scale of its own": lambda train, other: (other - train.mean()) / train.std(),
    "mean was not": lambda train, other: other / np.maximum(train.std(0), 1e-9),
    "variance": lambda train, other: (other - train.mean(0)) / np.maximum(train.var(0), 1e-9),
    "divide by 1": lambda train, other: np.where(train.std(0) > 0, _standardise(train, other), np.nan),
    "in place": lambda train, other: _in_place(train, other),
    "shape": lambda train, other: _standardise(train, train),
}
WRONG["split_by_speaker"] = {
    "both sides": _split_clips,
    "of 20 speakers": lambda speakers, share, seed: _split(speakers, share, seed, count=2),
    "nearest to 7": lambda speakers, share, seed: _split(speakers, share, seed, count=int(share * 20 + 1e-9)),
    "at random": lambda speakers, share, seed: _split(speakers, share, seed, draw=False),
    "in neither": lambda speakers, share, seed: (
        _split(speakers, share, seed)[0] & False,
        _split(speakers, share, seed)[1],
    ),
    "True or False": lambda speakers, share, seed: tuple(
        np.flatnonzero(mask) for mask in _split(speakers, share, seed)
    ),
    "a pair": lambda speakers, share, seed: _split(speakers, share, seed)[1],
}
