"""Predictions kept per clip, scores computed from them, intervals from a bootstrap over speakers.

A predictions table has one row per clip and condition: clip, speaker, condition, truth, predicted and one probability column
per class; of attributes, a column true-NAME and a column NAME per attribute, on 1..5. Any score can be recomputed from it; a score is a view, never the record.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from auxformer.evaluation.ccc import ccc_of, moments

METRICS = ("macro-f1", "micro-f1", "macro-precision", "micro-precision", "macro-recall", "micro-recall")
"""Names of the scores, in the order of `scores_of`. Macro-recall is also called UAR, micro-F1 accuracy."""


RESULT_COLUMNS = (
    "corpus",
    "target",
    "features",
    "system",
    "partition",
    "seed",
    "condition",
    "metric",
    "value",
    "low",
    "high",
)
"""Columns of the long result table, in order."""


def scores_of(confusion: np.ndarray) -> np.ndarray:
    """The six scores of `METRICS` from confusion counts `[..., C, C]` (rows truth, columns prediction): `[..., 6]`.

    Per class precision = hits/predicted, recall = hits/true, F1 = 2·hits/(predicted + true); macro = mean over classes,
    micro = over all clips together. A class never predicted has precision and F1 0. A class that occurs neither as truth
    nor as prediction is left out of the mean.

    >>> scores_of(np.array([[2, 0], [1, 1]])).round(3).tolist()
    [0.733, 0.75, 0.833, 0.75, 0.75, 0.75]
    """
    hits = np.diagonal(confusion, axis1=-2, axis2=-1).astype(float)  # [..., C]
    true, predicted = confusion.sum(-1), confusion.sum(-2)
    used = (true + predicted) > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(predicted > 0, hits / predicted, 0.0)
        recall = np.where(true > 0, hits / true, 0.0)
        f1 = np.where(used, 2 * hits / (true + predicted), 0.0)
        micro = hits.sum(-1) / confusion.sum((-2, -1))
    classes = used.sum(-1)
    macro = [score.sum(-1) / classes for score in (f1, precision, recall)]
    return np.stack([macro[0], micro, macro[1], micro, macro[2], micro], -1)


def confusion_per_speaker(predictions: pd.DataFrame, classes: Sequence[str]) -> np.ndarray:
    """Confusion counts `[S, C, C]` of one condition, speakers in sorted order."""
    index = {name: i for i, name in enumerate(classes)}
    speakers = sorted(predictions.speaker.unique())
    counts = np.zeros((len(speakers), len(classes), len(classes)), int)
    rows = predictions.speaker.map({speaker: i for i, speaker in enumerate(speakers)}).to_numpy()
    np.add.at(counts, (rows, predictions.truth.map(index).to_numpy(), predictions.predicted.map(index).to_numpy()), 1)
    return counts


def moments_per_speaker(predictions: pd.DataFrame, attributes: Sequence[str]) -> np.ndarray:
    """Sums `[S, K, 6]` from which the CCC of one condition is computed, speakers in sorted order."""
    predicted = predictions[list(attributes)].to_numpy(float)
    true = predictions[[f"true-{name}" for name in attributes]].to_numpy(float)
    rows = [(predictions.speaker == speaker).to_numpy() for speaker in sorted(predictions.speaker.unique())]
    return np.stack([moments(predicted[row], true[row]) for row in rows])


def attribute_scores_of(sums: np.ndarray) -> np.ndarray:
    """CCC of each attribute, and their mean, from sums `[..., K, 6]`: `[..., K + 1]`."""
    values = ccc_of(sums)  # [..., K]
    return np.concatenate([values, values.mean(-1, keepdims=True)], -1)


def headline(metrics: Iterable[str]) -> str:
    """The one score that is shown where there is room for one: "ccc" (mean over the attributes) or "macro-f1"."""
    return "ccc" if "ccc" in set(metrics) else "macro-f1"


def mean_ccc(predictions: pd.DataFrame, attributes: Sequence[str]) -> dict[str, float]:
    """Condition -> mean CCC of the attributes, without intervals; for choosing on dev."""
    result = {}
    for condition, part in predictions.groupby("condition", sort=False):
        sums = moments_per_speaker(part.assign(speaker=""), attributes).sum(0)
        result[condition] = float(attribute_scores_of(sums)[-1])
    return result


def macro_f1(predictions: pd.DataFrame, classes: Sequence[str]) -> dict[str, float]:
    """Condition -> macro-F1, without intervals; for choosing on dev."""
    result = {}
    for condition, part in predictions.groupby("condition", sort=False):
        confusion = confusion_per_speaker(part.assign(speaker=""), classes).sum(0)
        result[condition] = float(scores_of(confusion)[0])
    return result
