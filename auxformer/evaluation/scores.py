"""Scores of a predictions table, as pure functions of confusion counts (of attributes, of sums) that add up over speakers."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from auxformer.corpora.base import ATTRIBUTES
from auxformer.corpora.labels import are_attributes
from auxformer.errors import InputError
from auxformer.evaluation.ccc import ccc_of, moments

METRICS = ("macro-f1", "micro-f1", "macro-precision", "micro-precision", "macro-recall", "micro-recall")
"""Names of the scores, in the order of `scores_of`. Macro-recall is also called UAR, micro-F1 accuracy."""

RESULT_COLUMNS = (
    "corpus", "target", "features", "system", "partition", "seed", "condition", "metric", "value", "low", "high",
)  # fmt: skip
"""Columns of the long result table, in order."""

NOT_CLASSES = ("system", "partition", "seed", "clip", "speaker", "condition", "truth", "predicted")
"""Columns of a predictions table that are no class."""


def classes_of(predictions: pd.DataFrame) -> list[str]:
    """The classes, or the attributes, that a predictions table is about, in the order of its columns.

    Raises:
        InputError: a table that lacks a column of a predictions table.
    """
    attributes = [name for name in ATTRIBUTES if f"true-{name}" in predictions]
    for column in ("clip", "condition", *(() if attributes else ("truth", "predicted"))):
        if column not in predictions:
            raise InputError(f'this is no predictions table: it has no column "{column}".')
    return attributes or [name for name in predictions if name not in NOT_CLASSES]


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


class Scorer(NamedTuple):
    """How to sum a predictions table per speaker, and what scores to get out of such sums.

    `sums_of(predictions, classes)` is `[S, ...]`, `score_of` maps sums `[..., *]` to scores `[..., K]`, `names` names the K.
    """

    sums_of: Callable
    score_of: Callable
    names: tuple[str, ...]

    @classmethod
    def of(cls, classes: Sequence[str]) -> "Scorer":
        """The `METRICS` of classes; of attributes the CCC of each, and "ccc", their mean."""
        if are_attributes(classes):
            return cls(moments_per_speaker, attribute_scores_of, (*(f"ccc-{name}" for name in classes), "ccc"))
        return cls(confusion_per_speaker, scores_of, METRICS)


def headline(metrics: Iterable[str]) -> str:
    """The one score that is shown where there is room for one: "ccc" (mean over the attributes) or "macro-f1"."""
    return "ccc" if "ccc" in set(metrics) else "macro-f1"


def headline_scores(predictions: pd.DataFrame, classes: Sequence[str] | None = None) -> dict[str, float]:
    """Condition -> macro-F1, or the mean CCC of attributes, without intervals; for choosing on dev."""
    classes = classes_of(predictions) if classes is None else classes
    scorer, found = Scorer.of(classes), {}
    column = scorer.names.index(headline(scorer.names))
    for condition, part in predictions.groupby("condition", sort=False):
        sums = scorer.sums_of(part.assign(speaker=""), classes).sum(0)
        found[condition] = float(scorer.score_of(sums)[column])
    return found
