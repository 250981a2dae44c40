"""Intervals from a bootstrap over speakers."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from scipy.special import ndtr, stdtrit

from auxformer.errors import InputError
from auxformer.evaluation.scores import Scorer, classes_of
from auxformer.seeds import seed_of

FEWEST = 5
"""Fewer speakers give no interval: how much speakers differ cannot be seen from so few."""


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
    NaN where there are fewer than `FEWEST` speakers.

    With few speakers a bootstrap is too narrow, for what it draws from has a deviation that is too small and unsure: the
    percentiles are widened as Student's t is (Hesterberg 2015, The American Statistician 69(4)). Seen on simulated speakers
    (`benchmarks/intervals.py`): of 12, the plain interval covers the truth in 90 % of the cases, this one in 94 %.
    """
    ends = np.full((2, *values.shape[1:]), np.nan)
    if speakers < FEWEST:
        return ends
    levels = ndtr(np.sqrt(speakers / (speakers - 1)) * stdtrit(speakers - 1, [0.025, 0.975]))
    defined = ~np.isnan(values).all(0)
    ends[:, defined] = np.nanquantile(values[:, defined], levels, axis=0)
    return ends


def with_interval(sums: np.ndarray, score_of: Callable, resamples: int = 1000, seed: int = 0) -> np.ndarray:
    """A score and its 95 % interval from a bootstrap over speakers: value, low and high `[3, ...]`.

    Args:
        sums: `[S, ...]`, whatever adds up over speakers.
        score_of, resamples, seed: As in `resampled`; with the same seed every system and condition meets the same speakers.
    """
    draws = resampled(sums, score_of, resamples, seed)
    return np.concatenate([score_of(sums.sum(0))[None], interval(draws, len(sums))])


def score(
    predictions: pd.DataFrame, classes: Sequence[str] | None = None, resamples: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """Scores per condition with a 95 % interval from a bootstrap over speakers.

    Speakers, not clips, are drawn with replacement: clips of one speaker are not independent. Of several seeds (a column seed)
    it is the mean of their scores, with the interval of that mean: all of them meet the same speakers in each resample.
    Two lines: `table = run.predict(split.test)`, then `score(table)`.

    Args:
        predictions: A predictions table of one system (`evaluation.predictions`).
        classes: Classes of the score, in order; None for those of the table.
        resamples, seed: Of the bootstrap.

    Returns:
        Columns condition, metric, value, low, high. Metrics are `METRICS`, or for attributes ccc-valence, ccc-arousal,
        ccc-dominance and their mean ccc.

    Raises:
        InputError: this is no predictions table, or its seeds were tested on different speakers.
    """
    classes = classes_of(predictions) if classes is None else classes
    scorer, rows = Scorer.of(classes), []
    for condition, part in predictions.groupby("condition", sort=False):
        of_seed = [scorer.sums_of(one, classes) for _, one in part.groupby("seed" if "seed" in part else "condition")]
        if len({sums.shape for sums in of_seed}) > 1:
            raise InputError(f"{condition}: the seeds were tested on different speakers; a seed is incomplete.")
        values = with_interval(np.stack(of_seed, 1), lambda sums: scorer.score_of(sums).mean(-2), resamples, seed)  # [3, K]
        rows += [(condition, metric, *values[:, i]) for i, metric in enumerate(scorer.names)]
    return pd.DataFrame(rows, columns=["condition", "metric", "value", "low", "high"])
