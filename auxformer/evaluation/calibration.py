"""What more a predictions table says of one system: how far its posteriors can be believed, scores per class and per group.

Pure functions of a predictions table (`auxformer.evaluation.scores`). Everything is computed from sums per speaker, which add up, and
its intervals hang on the same draws of speakers as those of `evaluation.score`.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import product

import numpy as np
import pandas as pd

from auxformer.errors import InputError, suggest
from auxformer.evaluation.intervals import score, with_interval
from auxformer.evaluation.scores import Scorer, confusion_per_speaker

CALIBRATION_METRICS = ("ece", "brier")
"""Names of the scores of `calibration_of`, both better when lower."""

CLASS_METRICS = ("precision", "recall", "f1")
"""Names of the scores of `per_class`."""

AGE_BANDS = {"under 30": 0, "30-49": 30, "50 and over": 50}
"""Band -> the age in years at which it begins."""


def scorer(classes: Sequence[str], metric: str) -> tuple[Callable, Callable]:
    """How to sum a predictions table per speaker, and how to get the metric out of such sums."""
    sums_of, score_of, names = Scorer.of(classes)
    if metric not in names:
        raise InputError(f'unknown metric "{metric}".{suggest(metric, names)}')
    column = names.index(metric)
    return sums_of, lambda sums: score_of(sums)[..., column]


def check_one(what: Sequence[str], predictions: pd.DataFrame, classes: Sequence[str]) -> None:
    """Refuse an empty table, one of several of `what` (system, condition), and truths that are no class."""
    if predictions.empty:
        raise InputError("the predictions table is empty.")
    for column in what:
        if column in predictions and predictions[column].nunique() > 1:
            raise InputError(f"predictions of {predictions[column].nunique()} {column}s; give those of one at a time.")
    if "truth" in predictions and not predictions.truth.isin(classes).all():
        other = predictions.truth[~predictions.truth.isin(classes)].iloc[0]
        raise InputError(f'a clip\'s truth is "{other}", expected one of {", ".join(classes)}.')


def _per_condition_scores(
    predictions: pd.DataFrame, sums_of: Callable, score_of: Callable, names: Sequence, resamples: int, seed: int
) -> pd.DataFrame:
    """Columns condition, name, value, low, high; `score_of` maps sums `[..., *]` to as many scores as there are names."""
    rows = []
    for condition, part in predictions.groupby("condition", sort=False):
        values = with_interval(sums_of(part), score_of, resamples, seed).reshape(3, -1)
        rows += [(condition, name, *values[:, i]) for i, name in enumerate(names)]
    return pd.DataFrame(rows, columns=["condition", "name", "value", "low", "high"])


def per_condition(predictions: pd.DataFrame, conditions: Iterable[str]) -> dict[str, pd.DataFrame]:
    """Condition -> its predictions; the speakers are the same in all of them, so that their draws are too."""
    parts = {name: predictions[predictions.condition == name] for name in conditions}
    for name, part in parts.items():
        if part.empty:
            raise InputError(f'no predictions under "{name}".{suggest(name, predictions.condition.unique())}')
    speakers = {frozenset(part.speaker) for part in parts.values()}
    if len(speakers) > 1:
        raise InputError(f"the conditions {', '.join(parts)} were predicted for different speakers.")
    return parts


def calibration_per_speaker(predictions: pd.DataFrame, classes: Sequence[str], bins: int = 15) -> np.ndarray:
    """Sums `[S, bins, 4]` of one condition from which the calibration is computed, speakers in sorted order.

    Per bin of confidence (equal widths, open below: 0.2 belongs to the bin that ends there): number of clips, and sums
    of confidence, of hits, and of the squared error over the classes.
    """
    posterior = predictions[list(classes)].to_numpy(float)  # [clips, C]
    truth = pd.get_dummies(pd.Categorical(predictions.truth, classes)).to_numpy(float)  # [clips, C]
    confidence, hits = posterior.max(1), (predictions.predicted == predictions.truth).to_numpy()
    parts = np.stack([np.ones(len(posterior)), confidence, hits, ((posterior - truth) ** 2).sum(1)], -1)  # [clips, 4]
    speakers, rows = np.unique(predictions.speaker.to_numpy(str), return_inverse=True)
    # The rounding keeps a confidence that was meant to be an edge, as 0.6 = 9/15, in the bin that ends there.
    bin_of = np.clip(np.ceil(np.round(confidence * bins, 6)).astype(int) - 1, 0, bins - 1)
    sums = np.zeros((len(speakers), bins, 4))
    np.add.at(sums, (rows, bin_of), parts)
    return sums


def calibration_scores(sums: np.ndarray) -> np.ndarray:
    """The two `CALIBRATION_METRICS` from sums `[..., bins, 4]` of `calibration_per_speaker`: `[..., 2]`."""
    clips, confidence, hits, squares = np.moveaxis(sums, -1, 0)  # [..., bins]
    return np.stack([np.abs(confidence - hits).sum(-1), squares.sum(-1)], -1) / clips.sum(-1)[..., None]


def calibration_of(
    predictions: pd.DataFrame, classes: Sequence[str], bins: int = 15, resamples: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """How far the posteriors of one system can be believed, per condition.

    - ece: expected calibration error, the mean over clips of |accuracy - mean confidence| of the clip's bin, 0 to 1
      (Guo et al. 2017, ICML, section 2). With few clips it is above 0 by chance, and more so in a resample: its
      interval can lie above the value and should be read as a comparison between systems.
    - brier: squared error of the posterior against the one true class, summed over the classes, 0 to 2 (Brier 1950).

    Returns:
        Columns condition, metric (`CALIBRATION_METRICS`), value, low, high.

    Raises:
        InputError: predictions of several systems, or none.
    """
    check_one(["system"], predictions, classes)
    sums_of = partial(calibration_per_speaker, classes=classes, bins=bins)
    table = _per_condition_scores(predictions, sums_of, calibration_scores, CALIBRATION_METRICS, resamples, seed)
    return table.rename(columns={"name": "metric"})


def reliability(predictions: pd.DataFrame, classes: Sequence[str], bins: int = 15) -> pd.DataFrame:
    """The reliability diagram of one system under one condition, as a table with a row per bin.

    Returns:
        Columns low and high (edges of the bin), confidence (its mean in the bin), accuracy, clips; confidence and
        accuracy are NaN in an empty bin.

    Raises:
        InputError: predictions of several systems or conditions, or none.
    """
    check_one(["system", "condition"], predictions, classes)
    clips, confidence, hits, _ = calibration_per_speaker(predictions.assign(speaker=""), classes, bins)[0].T
    edges = np.linspace(0, 1, bins + 1)
    some = np.where(clips > 0, clips, np.nan)
    table = {"low": edges[:-1], "high": edges[1:], "confidence": confidence / some, "accuracy": hits / some}
    return pd.DataFrame(table | {"clips": clips.astype(int)})


def by_group(
    predictions: pd.DataFrame,
    speakers: pd.DataFrame,
    classes: Sequence[str],
    column: str,
    resamples: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Scores of one system per group of speakers.

    Args:
        predictions, classes: Of one system, under any conditions; C names.
        speakers: `Corpus.speakers`: indexed by speaker, with columns sex and age.
        column: The column that makes the groups; "age" makes `AGE_BANDS`. Speakers without a value are left out.
        resamples, seed: Of the bootstrap, which draws within the group.

    Returns:
        Columns group, speakers (how many), condition, metric, value, low, high.

    Raises:
        InputError: no such column, or speakers that the table lacks.
    """
    check_one(["system"], predictions, classes)
    if column not in speakers:
        raise InputError(f'the speakers table has no column "{column}".{suggest(column, speakers.columns)}')
    unknown = sorted(set(predictions.speaker) - set(speakers.index))
    if unknown:
        raise InputError(f"the speakers table lacks the speaker {unknown[0]} of the predictions.")
    groups = speakers[column]
    if column == "age":
        groups = pd.cut(groups, [*AGE_BANDS.values(), np.inf], right=False, labels=list(AGE_BANDS))
    tables = [
        score(part, classes, resamples, seed).assign(group=name, speakers=part.speaker.nunique())
        for name, part in predictions.groupby(predictions.speaker.map(groups), observed=True)
    ]
    if not tables:
        raise InputError(f'no speaker of the predictions has a value in "{column}".')
    columns = ["group", "speakers", "condition", "metric", "value", "low", "high"]
    return pd.concat(tables, ignore_index=True)[columns]


def per_class(predictions: pd.DataFrame, classes: Sequence[str], resamples: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Precision, recall and F1 of every class, per condition, of one system.

    As in `evaluation.scores_of` a class that is never predicted has precision 0. A class without clips has recall
    NaN, one that is not predicted either has precision and F1 NaN too.

    Returns:
        Columns condition, class, metric (`CLASS_METRICS`), value, low, high, clips (true ones of the class).
    """
    check_one(["system"], predictions, classes)
    sums_of, names = partial(confusion_per_speaker, classes=classes), list(product(classes, CLASS_METRICS))
    table = _per_condition_scores(predictions, sums_of, _class_scores, names, resamples, seed)
    table["class"], table["metric"] = zip(*table.name, strict=True)
    clips = predictions.groupby(["condition", "truth"]).size().rename("clips")
    table = table.join(clips, on=["condition", "class"]).fillna({"clips": 0}).astype({"clips": int})
    return table[["condition", "class", "metric", "value", "low", "high", "clips"]]


def _class_scores(confusion: np.ndarray) -> np.ndarray:
    """`[..., C, C]` -> precision, recall, F1 `[..., C, 3]`."""
    hits = np.diagonal(confusion, axis1=-2, axis2=-1).astype(float)
    true, predicted = confusion.sum(-1), confusion.sum(-2)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(predicted > 0, hits / predicted, np.where(true > 0, 0.0, np.nan))
        return np.stack([precision, hits / true, 2 * hits / (true + predicted)], -1)
