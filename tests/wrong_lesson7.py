"""Likely mistakes in the exercises of lesson 7: exercise -> {word of the diagnosis: wrong answer}."""

import numpy as np
import pandas as pd

WRONG: dict[str, dict] = {}


def _each(change, first=True):
    """An answer whose hidden masks `change(mask, window)` makes."""

    def answer(probability, mask, width):
        windows = [slice(start, start + width) for start in range(0, len(mask), width)]
        after = np.array([probability(change(mask, window)) for window in windows])
        return probability(mask) - after if first else after

    return answer


def _without(mask, window):
    kept = mask.copy()
    kept[window] = False
    return kept


def _only(mask, window):
    kept = np.zeros(len(mask), bool)
    kept[window] = mask[window]
    return kept


def _in_place(mask, window):
    mask[window] = False
    return mask


def _cumulative(probability, mask, width):
    before, kept = probability(mask), mask.copy()
    return np.array([before - probability(_in_place(kept, slice(s, s + width))) for s in range(0, len(mask), width)])


def _whole_windows(probability, mask, width):
    before = probability(mask)
    starts = range(0, len(mask) - width + 1, width)
    return np.array([before - probability(_without(mask, slice(start, start + width))) for start in starts])


def _not_copied(probability, mask, width):
    before = probability(mask)
    return np.array([before - probability(_in_place(mask, slice(s, s + width))) for s in range(0, len(mask), width)])


right_drops = _each(_without)
WRONG["occlusion"] = {
    "sign is reversed": lambda probability, mask, width: -right_drops(probability, mask, width),
    "not drops": _each(_without, first=False),
    "only the window": _each(_only),
    "stay hidden": _cumulative,
    "padding came back": _each(lambda mask, window: _without(np.ones(len(mask), bool), window)),
    "mask was not used": lambda probability, mask, width: right_drops(probability, np.ones(len(mask), bool), width),
    "last window is missing": _whole_windows,
    "need an array": lambda *given: right_drops(*given).tolist(),
    "in place": _not_copied,
}


def _distance(values, train, scale=True, squared=True):
    z = (values - train.mean(0)) / (train.std(0) if scale else 1)
    return np.sqrt((z**2).mean(-1)) if squared else z.mean(-1)


def _share(clip, train, others, **how):
    return (1 + (_distance(others, train, **how) >= _distance(clip, train, **how)).sum()) / (1 + len(others))


WRONG["typicality"] = {
    "other way round": lambda clip, train, others: (
        (1 + (_distance(others, train) < _distance(clip, train)).sum()) / (1 + len(others))
    ),
    "never 0": lambda clip, train, others: (_distance(others, train) >= _distance(clip, train)).mean(),
    "missing below the line": lambda clip, train, others: _share(clip, train, others) * (1 + len(others)) / len(others),
    "largest unit": lambda clip, train, others: _share(clip, train, others, scale=False),
    "from the other clips": lambda clip, train, others: _share(clip, others, others),
    "cancel": lambda clip, train, others: _share(clip, train, others, squared=False),
    "that is the distance": lambda clip, train, others: _distance(clip, train),
    "compared with the training": lambda clip, train, others: _share(clip, train, train),
    "dimension": lambda clip, train, others: (clip - train.mean(0)) / train.std(0),
    "exactly as far": lambda clip, train, others: (
        (1 + (_distance(others, train) > _distance(clip, train)).sum()) / (1 + len(others))
    ),
}


def _frame(missed, group, speaker):
    return pd.DataFrame({"missed": missed, "group": group, "speaker": speaker})


def _by_speaker(missed, group, speaker):
    return _frame(missed, group, speaker).groupby(["group", "speaker"]).missed.mean().groupby("group")


WRONG["miss_rates"] = {
    "mean over clips": lambda *table: _frame(*table).groupby("group").missed.mean().to_dict(),
    "share of all misses": lambda *table: (_frame(*table).groupby("group").missed.sum() / table[0].sum()).to_dict(),
    "was found": lambda *table: (1 - _by_speaker(*table).mean()).to_dict(),
    "added up": lambda *table: _by_speaker(*table).sum().to_dict(),
    "at least once": lambda *table: (
        _frame(*table).groupby(["group", "speaker"]).missed.max().groupby("group").mean().to_dict()
    ),
    "median": lambda *table: _by_speaker(*table).median().to_dict(),
    "has no rate": lambda *table: {
        name: rate for name, rate in _by_speaker(*table).mean().to_dict().items() if rate > 0
    },
    "expected a dictionary": lambda *table: _by_speaker(*table).mean().to_list(),
}
