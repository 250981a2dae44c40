"""Who contributes what: the score with both streams, divided between the voice and the face.

The two streams are players of a game (Shapley 1953, "A value for n-person games"), and a score is what they win together:

    v(none)   what nobody needs a clip for: the best constant answer
    v(audio)  the score under "no-video"
    v(video)  the score under "no-audio"
    v(both)   the score under "complete"

The contribution of a stream is what it adds on average over the two orders in which the streams can come:

    audio = ½ [(v(audio) − v(none)) + (v(both) − v(video))]

Both contributions sum to v(both) − v(none), so they are points of the score. A share is a contribution divided by that sum,
equity the smaller contribution divided by the larger: 1 for two streams that add as much, 0 where one adds nothing.

v(none) is the score of the constant answer that suits the scored clips best: of macro-F1 and micro-F1 the most frequent
class, of the mean CCC 0. Zero in its place would give each stream half of what needs neither. A guess in proportion to the
classes would depend on a draw. The most frequent class of the training clips is not known of people, and could be another one
for each partition; the best constant is one number for all rows about the same clips, and no system without a clip can do better.

A contribution can be negative: then the score is better without the stream. Its share is then negative too, and the other's
above 1. Where both streams together are not above the best constant there is nothing to divide: shares and equity are NaN.

Source of the idea of equity: the Modality Equity Index of MissBench (Pham et al. 2026, arXiv 2603.09874), which measures how
evenly the modalities of one network contribute over configurations of missing ones. Ours has the same purpose and is not
their formula: it is for two streams and of scores alone, so that people and an ideal observer, who are no networks, have one
too. The two numbers must not be compared.
"""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pandas as pd

from auxformer.corpora.base import Corpus
from auxformer.corpora.labels import are_attributes
from auxformer.errors import InputError
from auxformer.evaluation.calibration import check_one, per_condition, scorer
from auxformer.evaluation.intervals import interval, resampled
from auxformer.evaluation.people import CONDITION_OF_WAY, confusions_by_speaker
from auxformer.evaluation.scores import RESULT_COLUMNS, Scorer, classes_of, headline

GAME = {"audio": "no-video", "video": "no-audio", "both": "complete"}
"""Streams that are there -> the condition that says what they score."""

QUANTITIES = [
    ("contribution", "audio"), ("contribution", "video"), ("share", "audio"), ("share", "video"), ("equity", "both"),
]  # fmt: skip
"""Metric and streams of the rows, in order."""

FEW = 0.025
"""Where more of the resamples have nothing to divide, the shares get no interval: their denominator may be 0."""


def shapley(none: np.ndarray, audio: np.ndarray, video: np.ndarray, both: np.ndarray) -> np.ndarray:
    """Contributions, shares and equity of a game of two streams.

    Args:
        none, audio, video, both: Scores `[...]` of no stream, of each alone, of both.

    Returns:
        `[..., 5]` in the order of `QUANTITIES`. Shares and equity are NaN where `both` is not above `none`.

    >>> shapley(0.1, 0.4, 0.5, 0.7).round(3).tolist()
    [0.25, 0.35, 0.417, 0.583, 0.714]
    """
    none, audio, video, both = (np.asarray(score, float) for score in (none, audio, video, both))
    parts = np.stack([audio - none + both - video, video - none + both - audio], -1) / 2  # [..., 2]
    total = np.where(both - none > 1e-9, both - none, np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        equity = np.where(np.isnan(total), np.nan, parts.min(-1) / parts.max(-1))
    return np.concatenate([parts, parts / total[..., None], equity[..., None]], -1)


def best_constant(confusion: np.ndarray, score_of: Callable) -> np.ndarray:
    """The score `[...]` of the constant answer that suits the clips of confusions `[..., C, C]` best.

    >>> from auxformer.evaluation.scores import scores_of
    >>> round(best_constant(np.array([[3, 1], [0, 2]]), lambda counts: scores_of(counts)[..., 0]), 3)
    0.4
    """
    truth = confusion.sum(-1)  # [..., C]
    answers = np.eye(truth.shape[-1])  # a row per constant answer
    confusions = truth[..., None, :, None] * answers[:, None, :]  # [..., C answers, C, C]
    return score_of(confusions).max(-1)


def contributions(
    predictions: pd.DataFrame, classes: Sequence[str] | None = None, metric: str | None = None, resamples: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:  # fmt: skip
    """What each stream contributes to the score of one system, with 95 % intervals from a bootstrap over speakers.

    All four scores of a resample come from the same speakers, v(none) too.
    Two lines: `table = run.predict(split.test)`, then `contributions(table)`.

    Args:
        predictions: A predictions table of one system under complete, no-audio and no-video (`evaluation.predictions`).
        classes: Classes of the score, in order; None for those of the table.
        metric: One of `scores.METRICS`, or "ccc" of attributes; macro-F1 or "ccc" when none is given.
        resamples, seed: Of the bootstrap.

    Returns:
        Five rows (`QUANTITIES`): columns metric ("contribution" in points of the score, "share" of their sum, "equity"),
        streams (audio, video, both), value, low, high, and note, which says why a value or an interval is NaN.

    Raises:
        InputError: a condition is missing or was predicted for other clips; predictions of several systems; an unknown metric.
    """
    classes = classes_of(predictions) if classes is None else list(classes)
    metric = headline(Scorer.of(classes).names) if metric is None else metric
    check_one(["system"], predictions, classes)
    sums_of, score_of = scorer(classes, metric)
    for name in GAME.values():
        if name not in set(predictions.condition):  # the nearest name would be another of the three
            raise InputError(f'no predictions under "{name}"; expected complete, no-audio and no-video.')
    parts = per_condition(predictions, GAME.values())
    if len({tuple(sorted(part["clip"])) for part in parts.values()}) > 1:
        raise InputError(f"the conditions {', '.join(parts)} were predicted for different clips.")
    sums = np.stack([sums_of(part, classes) for part in parts.values()], axis=1)  # [S, 3, *]
    return _divided(sums, score_of, not are_attributes(classes), resamples, seed)


def human_contributions(
    corpus: Corpus,
    target: str = "audiovisual",
    rule: str = "majority",
    clips: Iterable[str] | None = None,
    classes: Sequence[str] | None = None,
    labels: pd.DataFrame | None = None,
    metric: str = "macro-f1",
    resamples: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """What the voice and the face contribute to the answers of people: of raters who went by the voice, the face, or both.

    They are three groups of people, not one in three conditions. "human-rater" judges all of them by the target. In
    "human-rater-others" those who made the target are judged by the consensus of the others (`evaluation.people`), which
    does not flatter them; its clips are slightly others, and v(none) is that of the clips of both streams.

    Args:
        corpus, target, rule, classes, labels: As in `people.human_confusions`.
        clips: Only these, of which only those with votes of all three ways of watching count.
        metric: One of `scores.METRICS`.
        resamples, seed: Of the bootstrap over speakers.

    Returns:
        Rows of a result table (`scores.RESULT_COLUMNS`), the streams as the condition; none where the corpus lacks the
        votes of a way of watching.

    Raises:
        InputError: as `people.human_confusions`.
    """
    rows, ways = [], {condition: way for way, condition in CONDITION_OF_WAY.items()}
    if not set(ways.values()) <= set(corpus.ratings):
        return pd.DataFrame(columns=list(RESULT_COLUMNS))
    chosen = set.intersection(*(set(corpus.ratings[way].index) for way in ways.values()))
    chosen &= set(corpus.clips.index if clips is None else clips)
    names = list(corpus.classes if classes is None else classes)
    _, score_of = scorer(names, metric)
    for system in ("human-rater", "human-rater-others"):
        if system == "human-rater-others" and target not in ways.values():
            continue
        counts = []
        for way in (ways[condition] for condition in GAME.values()):
            who = system if way == target else "human-rater"
            counts.append(confusions_by_speaker(corpus, who, way, target, rule, chosen, names, labels))
        speakers = sorted(set().union(*counts))
        nobody = np.zeros((len(names), len(names)))  # of a speaker without a clip that counts
        sums = np.stack([[count.get(name, nobody) for count in counts] for name in speakers])  # [S, 3, C, C]
        table = _divided(sums, score_of, True, resamples, seed)
        about = corpus.name, target, "people", system, "all", 0
        rows += [(*about, row.streams, row.metric, row.value, row.low, row.high) for row in table.itertuples()]
    return pd.DataFrame(rows, columns=list(RESULT_COLUMNS))


def _divided(sums: np.ndarray, score_of: Callable, of_classes: bool, resamples: int, seed: int) -> pd.DataFrame:
    """The table of `contributions` from sums `[S, 3, *]` in the order of `GAME`."""

    def scores(sums: np.ndarray) -> tuple[np.ndarray, ...]:
        alone_and_both = np.moveaxis(score_of(sums), -1, 0)  # [3, ...]
        none = best_constant(sums[..., 2, :, :], score_of) if of_classes else np.zeros_like(alone_and_both[0])
        return none, *alone_and_both

    none, *_, both = scores(sums.sum(0))
    value = shapley(*scores(sums.sum(0)))  # [5]
    draws = resampled(sums, lambda sums: shapley(*scores(sums)), resamples, seed)  # [R, 5]
    low, high = interval(draws, len(sums))
    note, of_shares = "", np.array([metric != "contribution" for metric, _ in QUANTITIES])
    undefined = np.isnan(draws[:, of_shares]).any(1).mean() if resamples else 0
    if np.isnan(value).any():
        note = f"with both streams the score is {both:.3f}, not above the {none:.3f} of the best constant answer"
    elif undefined > FEW:
        note = f"in {undefined:.0%} of the resamples the score is not above that of the best constant answer"
    if note:
        low, high = np.where(of_shares, np.nan, low), np.where(of_shares, np.nan, high)
    table = pd.DataFrame(QUANTITIES, columns=["metric", "streams"]).assign(value=value, low=low, high=high)
    return table.assign(note=np.where(of_shares, note, ""))
