"""What is left when something is missing, and whether a system then errs as people do.

Pure functions of a predictions table (`auxformer.evaluation.scores`); intervals from a bootstrap over speakers.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.integrate import trapezoid
from scipy.special import rel_entr

from auxformer.data.missing import LOSSES, SHARES, frame_conditions
from auxformer.errors import InputError
from auxformer.evaluation.calibration import check_one, per_condition, scorer
from auxformer.evaluation.intervals import with_interval

TOLERANCE = 1e-6
"""Confidences closer than this are equal: float32 posteriors of the same clip differ by their rounding."""


class Estimate(NamedTuple):
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float


def _sums_per_condition(
    predictions: pd.DataFrame, classes: Sequence[str], metric: str, conditions: Sequence[str]
) -> tuple[np.ndarray, Callable]:
    """Sums `[S, conditions, *]`, so that all are resampled together, and what maps `[..., *]` of them to the metric `[...]`."""
    check_one(["system"], predictions, classes)
    sums_of, score_of = scorer(classes, metric)
    parts = per_condition(predictions, conditions)
    return np.stack([sums_of(part, classes) for part in parts.values()], axis=1), score_of


def curve_area(
    predictions: pd.DataFrame,
    classes: Sequence[str],
    metric: str = "macro-f1",
    resamples: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Area under the degradation curve of one system: its mean score while 0 to 90 % of the frames are lost.

    The curve goes through the shares 0 (complete) and `missing.SHARES`; the area under its straight pieces is divided
    by the width of the range, so it is on the scale of the score. A system that loses nothing has its complete score.

    Returns:
        One row per curve that is there: columns stream (audio, video, both), kind (of `missing.LOSSES`), value, low, high.

    Raises:
        InputError: no curve is whole. Those with holes are left out: an area over other shares could not be compared.
    """
    curves = whole_curves(predictions.condition)
    if not curves:
        raise InputError("no whole curve of frame loss (audio-frames-0.1, -0.3 and so on) among the conditions.")
    needed = ["complete", *chain(*curves.values())]
    sums, score_of = _sums_per_condition(predictions, classes, metric, needed)
    places = [[0, *map(needed.index, names)] for names in curves.values()]  # [curves, shares]
    shares = np.array([0, *SHARES])
    areas = with_interval(
        sums, lambda sums: trapezoid(score_of(sums)[..., places], shares) / shares[-1], resamples, seed
    )  # [3, curves]
    rows = [(*curve, *area) for curve, area in zip(curves, areas.T, strict=True)]
    return pd.DataFrame(rows, columns=["stream", "kind", "value", "low", "high"])


def whole_curves(conditions: Iterable[str]) -> dict[tuple[str, str], list[str]]:
    """(stream, kind) -> the conditions of a curve of frame loss, for those of which every share is there."""
    curves = {
        (stream, kind): list(frame_conditions(stream, kind).values())
        for stream in ("audio", "video", "both")
        for kind in LOSSES
    }
    known = set(conditions)
    return {key: names for key, names in curves.items() if known.issuperset(names)}


def relative_robustness(
    predictions: pd.DataFrame,
    classes: Sequence[str],
    metric: str = "macro-f1",
    resamples: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """The share of its complete score that a system keeps under every other condition.

    Both scores of a ratio come from the same draws of speakers, so the interval is narrower than that of either.

    Returns:
        Columns condition, value, low, high.

    Raises:
        InputError: no predictions under "complete", or a complete score that is not above 0.
    """
    _, *others = conditions = list(dict.fromkeys(["complete", *predictions.condition]))
    sums, score_of = _sums_per_condition(predictions, classes, metric, conditions)

    def kept(sums: np.ndarray) -> np.ndarray:
        scores = score_of(sums)  # [..., conditions]
        if not (scores[..., 0] > 0).all():
            lowest = scores[..., 0].min()
            raise InputError(f"the complete {metric} is {lowest:.3f} for some speakers; no share of it can be said.")
        return scores[..., 1:] / scores[..., :1]

    values = with_interval(sums, kept, resamples, seed)  # [3, conditions - 1]
    return pd.DataFrame(values.T, columns=["value", "low", "high"]).assign(condition=others)[
        ["condition", "value", "low", "high"]
    ]


def rising_confidence(
    predictions: pd.DataFrame, classes: Sequence[str], condition: str, resamples: int = 1000, seed: int = 0
) -> Estimate:
    """Share of clips whose largest posterior is higher under a condition than under "complete".

    Taking something away should not make a system surer: the share should be near none.

    Args:
        predictions, classes: Of one system under "complete" and `condition`, any number of seeds and partitions; C names.
        condition: "no-audio", say.
        resamples, seed: Of the bootstrap.

    Raises:
        InputError: a condition that is not there, or one that was predicted for other clips.
    """
    check_one(["system"], predictions, classes)
    keys = ["clip", *(name for name in ("partition", "seed") if name in predictions)]
    parts = {
        name: part.assign(confidence=part[list(classes)].max(axis=1)).set_index(keys).sort_index()
        for name, part in per_condition(predictions, ("complete", condition)).items()
    }
    complete, changed = parts["complete"], parts[condition]
    if not complete.index.equals(changed.index) or not complete.index.is_unique:
        raise InputError(f'"complete" and "{condition}" were not predicted once each for the same clips.')
    rises = changed.confidence - complete.confidence > TOLERANCE
    per_speaker = rises.groupby(complete.speaker).agg(["sum", "count"]).to_numpy(float)  # [S, 2]
    return Estimate(*with_interval(per_speaker, lambda sums: sums[..., 0] / sums[..., 1], resamples, seed).tolist())


def divergence(confusion_a: np.ndarray, confusion_b: np.ndarray) -> float:
    """Do two confuse the same things? Jensen-Shannon divergence of their answers in bits, 0 (alike) to 1.

    Args:
        confusion_a, confusion_b: `[C, C]` counts, possibly fractional; rows truth, columns answer. Rows are scaled to
            sum to 1; the divergence is the mean over the classes that occur as truth in both.

    Raises:
        InputError: no such class, or different shapes.

    >>> divergence(np.array([[3, 1], [0, 2]]), np.array([[6, 2], [5, 0]]))
    0.5
    """
    a, b = np.asarray(confusion_a, float), np.asarray(confusion_b, float)
    if a.shape != b.shape:
        raise InputError(f"confusions of shapes {a.shape} and {b.shape}; expected the same classes in both.")
    both = (a.sum(1) > 0) & (b.sum(1) > 0)
    if not both.any():
        raise InputError("no class occurs as truth in both confusions.")
    p, q = (rows[both] / rows[both].sum(1, keepdims=True) for rows in (a, b))  # [C', C]
    middle = (p + q) / 2
    per_row = (rel_entr(p, middle) + rel_entr(q, middle)).sum(1) / (2 * np.log(2))
    return float(np.clip(per_row.mean(), 0, 1))
