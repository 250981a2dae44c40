"""The classical reference: a clip as statistics over its frames, then logistic regression. It knows nothing of time."""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from auxformer.dataset import ClipDataset
from auxformer.errors import InputError

STREAMS = {"complete": ("audio", "video"), "no-video": ("audio",), "no-audio": ("video",)}
"""Condition -> the streams that the reference reads under it; one logistic regression for each."""

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1)
"""Inverse regularisation strengths C tried on dev."""


def functionals(frames: np.ndarray) -> np.ndarray:
    """Mean, standard deviation and percentiles 5, 25, 50, 75, 95 of each feature over the clip: `[T, D]` -> `[7·D]`.

    One frame has only its values: `[1, D]` -> `[D]`.
    """
    if len(frames) == 1:
        return frames[0]
    return np.concatenate([frames.mean(0), frames.std(0), *np.percentile(frames, [5, 25, 50, 75, 95], axis=0)])


class FunctionalsLR:
    """Clip functionals and logistic regression, one for each set of streams that can be present.

    `fit` chooses the regularisation on dev by macro-F1; `posterior` gives `[N, C]` under a condition.
    """

    def fit(self, train: ClipDataset, dev: ClipDataset) -> "FunctionalsLR":
        """Fit on train, choose on dev."""
        tables = {dataset: _table(dataset) for dataset in (train, dev)}
        truth = {dataset: dataset.targets.to_numpy().argmax(1) for dataset in (train, dev)}
        self.classes = len(train.classes)
        self.regressions: dict[str, Pipeline] = {}
        for condition, streams in STREAMS.items():
            x_train, x_dev = (np.concatenate([tables[d][s] for s in streams], 1) for d in (train, dev))
            best = -1.0
            for strength in STRENGTHS:
                model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=500))
                model.fit(x_train, truth[train])
                score = f1_score(truth[dev], model.predict(x_dev), average="macro")
                if score > best:
                    best, self.regressions[condition] = score, model
        return self

    def posterior(self, dataset: ClipDataset, condition: str) -> np.ndarray:
        """Class probabilities `[N, C]` in the order of `dataset.clips`; classes never seen in training get 0.

        Raises:
            InputError: for a condition that takes only part of a stream away.
        """
        if condition not in STREAMS:
            raise InputError(f'functionals-lr knows the conditions {", ".join(STREAMS)}, not "{condition}".')
        model = self.regressions[condition]
        tables = _table(dataset)
        seen = model.predict_proba(np.concatenate([tables[stream] for stream in STREAMS[condition]], 1))
        posterior = np.zeros((len(dataset), self.classes))
        posterior[:, model.classes_] = seen
        return posterior


def _table(dataset: ClipDataset) -> dict[str, np.ndarray]:
    """Functionals of each stream, `[N, F]`, in the order of the clips."""
    rows = [dataset[index] for index in range(len(dataset))]
    return {"audio": np.stack([functionals(row[1]) for row in rows]), "video": np.stack([functionals(row[2]) for row in rows])}
