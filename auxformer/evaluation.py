"""Predictions kept per clip, scores computed from them, intervals from a bootstrap over speakers.

A predictions table has one row per clip and condition: clip, speaker, condition, truth, predicted and one probability column
per class; of attributes, a column true-NAME and a column NAME per attribute, on 1..5. Any score can be recomputed from it; a score is a view, never the record.
"""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pandas as pd
import torch
from scipy.stats import norm
from scipy.stats import t as student

from auxformer.attributes import are_attributes, ccc_of, moments, unscaled
from auxformer.dataset import ClipDataset, eval_batches, seed_of
from auxformer.errors import InputError
from auxformer.memory import keep_freed_memory
from auxformer.missing import CONDITIONS, apply_condition

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


@torch.no_grad()
def predict(model, dataset: ClipDataset, conditions: Iterable[str] = tuple(CONDITIONS), device="cpu") -> pd.DataFrame:
    """Posteriors of every clip under every condition, as a predictions table without the speaker column.

    Args:
        model: A network of the registry, or anything that maps a `Batch` to `Logits`.
        dataset: The clips.
        conditions: Names from `auxformer.missing.CONDITIONS`.
        device: Where the network lives.
    """
    keep_freed_memory()
    was_training = getattr(model, "training", False)
    if was_training:
        model.eval()
    parts = []
    for batch in eval_batches(dataset):
        for condition in conditions:
            logits = model(apply_condition(batch, condition).to(device)).mean()  # [B, C]
            if dataset.kind == "attributes":
                parts.append(
                    attribute_table(batch.clips, condition, batch.target.numpy(), logits.cpu().numpy(), dataset.classes)
                )
                continue
            posterior = logits.softmax(-1).cpu().numpy()
            parts.append(prediction_table(batch.clips, condition, batch.target.numpy(), posterior, dataset.classes))
    if was_training:
        model.train()
    return pd.concat(parts, ignore_index=True)


def prediction_table(
    clips, condition: str, target: np.ndarray, posterior: np.ndarray, classes: Sequence[str]
) -> pd.DataFrame:
    """Rows of a predictions table for some clips under one condition.

    Args:
        clips: B names.
        condition: Its name.
        target: `[B, C]` target shares; the truth is the largest.
        posterior: `[B, C]` probabilities.
        classes: C names.

    Raises:
        InputError: when a posterior is not a number.
    """
    bad = ~np.isfinite(posterior).all(1)
    if bad.any():
        raise InputError(f"clip {np.asarray(clips)[bad][0]}: the posterior under {condition} is not a number.")
    names = np.asarray(classes)
    table = pd.DataFrame({"clip": list(clips), "condition": condition, "truth": names[target.argmax(1)], "predicted": names[posterior.argmax(1)]})  # fmt: skip
    table[list(classes)] = posterior
    return table


def attribute_table(
    clips, condition: str, target: np.ndarray, output: np.ndarray, attributes: Sequence[str]
) -> pd.DataFrame:
    """Rows of a predictions table of attributes for some clips under one condition.

    Args:
        clips: B names.
        condition: Its name.
        target, output: `[B, K]` on -1..1; the table is on the raters' scale.
        attributes: K names.

    Raises:
        InputError: when an output is not a number.
    """
    bad = ~np.isfinite(output).all(1)
    if bad.any():
        raise InputError(f"clip {np.asarray(clips)[bad][0]}: the prediction under {condition} is not a number.")
    table = pd.DataFrame({"clip": list(clips), "condition": condition})
    table[[f"true-{name}" for name in attributes]] = unscaled(target)
    table[list(attributes)] = unscaled(output)
    return table


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


def speaker_draws(speakers: int, resamples: int = 1000, seed: int = 0) -> np.ndarray:
    """How often each speaker is drawn in each resample, `[R, S]`; rows sum to S."""
    rng = np.random.default_rng(seed_of("bootstrap", seed))
    return rng.multinomial(speakers, np.full(speakers, 1 / speakers), resamples)


def resampled(sums: np.ndarray, score_of: Callable, resamples: int = 1000, seed: int = 0) -> np.ndarray:
    """A score of resampled speakers.

    Args:
        sums: `[S, ...]`, whatever adds up over speakers.
        score_of: Maps sums `[..., *]` of any number of resamples to scores `[...]` or `[..., K]`.
        resamples: R.
        seed: Of the draws.

    Returns:
        `[R]` or `[R, K]`.
    """
    return score_of(np.tensordot(speaker_draws(len(sums), resamples, seed), sums, axes=1))


def interval(values: np.ndarray, speakers: int) -> np.ndarray:
    """95 % interval, low and high `[2, ...]`, of resampled values `[R, ...]`; undefined ones are left out.

    With few speakers a bootstrap is too narrow, for what it draws from has a deviation that is too small and unsure: the
    percentiles are widened as Student's t is (Hesterberg 2015, The American Statistician 69(4)). Seen on simulated speakers
    (`benchmarks/intervals.py`): of 12, the plain interval covers the truth in 90 % of the cases, this one in 94 %.
    """
    freedom = max(speakers - 1, 1)
    levels = norm.cdf(np.sqrt(max(speakers, 2) / freedom) * student.ppf([0.025, 0.975], freedom))
    defined = ~np.isnan(values).all(0)
    ends = np.full((2, *values.shape[1:]), np.nan)
    ends[:, defined] = np.nanquantile(values[:, defined], levels, axis=0)
    return ends


def score(predictions: pd.DataFrame, classes: Sequence[str], resamples: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Scores per condition with a 95 % interval from a bootstrap over speakers.

    Speakers, not clips, are drawn with replacement: clips of one speaker are not independent.

    Returns:
        Columns condition, metric, value, low, high. Metrics are `METRICS`, or for attributes ccc-valence, ccc-arousal,
        ccc-dominance and their mean ccc.
    """
    of_speakers, scores_from, metrics = confusion_per_speaker, scores_of, METRICS
    if are_attributes(classes):
        of_speakers, scores_from, metrics = (
            moments_per_speaker,
            attribute_scores_of,
            (*(f"ccc-{name}" for name in classes), "ccc"),
        )
    rows = []
    for condition, part in predictions.groupby("condition", sort=False):
        counts = of_speakers(part, classes)  # [S, C, C] or [S, K, 6]
        # the same speakers for every system and condition
        low, high = interval(resampled(counts, scores_from, resamples, seed), len(counts))
        for i, (metric, value) in enumerate(zip(metrics, scores_from(counts.sum(0)))):
            rows.append((condition, metric, value, low[i], high[i]))
    return pd.DataFrame(rows, columns=["condition", "metric", "value", "low", "high"])


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
