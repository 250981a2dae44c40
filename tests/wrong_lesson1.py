"""Likely mistakes in the exercises of lesson 1: exercise -> {word of the diagnosis: wrong answer}."""

import math

import numpy as np

WRONG: dict[str, dict] = {}


def _energy(waveform, rate, window, hop, start=None, statistic=lambda part: np.sqrt(np.mean(part**2)), rounding=round):
    window, hop = rounding(window * rate), rounding(hop * rate)
    starts = range(0, len(waveform) - window + 1, hop) if start is None else start(len(waveform), window, hop)
    return np.array([statistic(waveform[begin : begin + window]) for begin in starts])


def _split_clips(speakers, share, seed):
    test = np.random.default_rng(seed).random(len(speakers)) < share
    return ~test, test


def _split(speakers, share, seed, rounding=round, draw=True):
    names = np.unique(speakers)
    count = rounding(share * len(names))
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
    "last frame is missing": lambda *a: _energy(*a, start=lambda n, window, hop: range(0, n - window, hop)),
    "lack a sample": lambda *a: _energy(*a, start=lambda n, window, hop: range(0, n - window + 2, hop)),
    "square first": lambda *a: _energy(*a, statistic=np.mean),
    "square root": lambda *a: _energy(*a, statistic=lambda part: np.mean(part**2)),
    "before the root": lambda *a: _energy(*a, statistic=lambda part: np.sqrt(np.sum(part**2))),
    "`int` cuts": lambda *a: _energy(*a, rounding=int),
    "absolute values": lambda *a: _energy(*a, statistic=lambda part: np.mean(np.abs(part))),
    "20.3 ms at 1000 Hz .* rounded up": lambda waveform, rate, window, hop: _energy(
        waveform, rate, math.ceil(window * rate) / rate, hop
    ),
    "rounded up": lambda *a: _energy(*a, rounding=math.ceil),
    "standard deviation": lambda *a: _energy(*a, statistic=np.std),
    "backwards": lambda *a: _energy(*a)[::-1],
}


def _over(deviation):
    """Standardised with `deviation(train)` under the line."""
    return lambda train, other: (other - train.mean(0)) / deviation(train)


WRONG["normalise"] = {
    "about itself": lambda train, other: (other - other.mean(0)) / np.maximum(other.std(0), 1e-9),
    "leaks": lambda train, other: _standardise(np.concatenate([train, other]), other),
    "scale of its own": lambda train, other: (other - train.mean()) / train.std(),
    "mean was not": lambda train, other: other / np.maximum(train.std(0), 1e-9),
    "variance": _over(lambda train: np.maximum(train.var(0), 1e-9)),
    "N - 1": _over(lambda train: train.std(0, ddof=1)),
    "far out were cut off": lambda train, other: _standardise(train, other).clip(-8, 8),
    "divide by 1": _over(lambda train: train.std(0)),
    "tiny number": _over(lambda train: train.std(0) + 1e-8),
    "blows it up": _over(lambda train: np.maximum(train.std(0), 1e-6)),
    "nan_to_num": lambda train, other: np.nan_to_num((other - train.mean(0)) / train.std(0)),
    "in place": lambda train, other: _in_place(train, other),
    "shape": lambda train, other: _standardise(train, train),
}


def _by_coins(speakers, share, seed):
    names = np.unique(speakers)
    test = np.isin(speakers, names[np.random.default_rng(seed).random(len(names)) < share])
    return ~test, test


def _from_a_set(speakers, share, seed):
    names = list(set(speakers))
    test = np.isin(speakers, np.random.default_rng(seed).permutation(names)[: round(share * len(names))])
    return ~test, test


WRONG["split_by_speaker"] = {
    "both sides": _split_clips,
    "of 20 speakers": _by_coins,
    "nearest to 7": lambda *given: _split(*given, rounding=int),
    "nearest to 6": lambda *given: _split(*given, rounding=math.ceil),
    "another order": _from_a_set,
    "exchanged": lambda *given: _split(*given)[::-1],
    "need an array": lambda *given: tuple(mask.tolist() for mask in _split(*given)),
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
