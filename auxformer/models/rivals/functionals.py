"""The classical reference: a clip as statistics over its frames, then logistic regression. It knows nothing of time."""

import copy
from itertools import chain

import numpy as np

from auxformer.data.batch import collate
from auxformer.data.missing import apply_condition
from auxformer.data.split import ClipDataset
from auxformer.errors import InputError
from auxformer.models.registry import register_reference

STREAMS = {"complete": ("audio", "video"), "no-video": ("audio",), "no-audio": ("video",)}
"""Condition -> the streams that the reference reads under it; one logistic regression for each."""

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1)
"""Inverse regularisation strengths C tried on dev."""

LIMIT = 5.0
"""Standardised functionals beyond it are cut off: of a few frames some are millions of deviations from those of a clip."""


def functionals(frames: np.ndarray) -> np.ndarray:
    """Mean, standard deviation and percentiles 5, 25, 50, 75, 95 of each feature over the clip: `[T, D]` -> `[7·D]`."""
    ordered = np.sort(np.ascontiguousarray(frames.T))  # [D, T]; of sorted rows percentiles are found at once
    return np.concatenate([frames.mean(0), frames.std(0), *np.percentile(ordered, [5, 25, 50, 75, 95], axis=1)])


class FunctionalsLR:
    """Clip functionals and logistic regression, one for each set of streams that can be present.

    `fit` chooses the regularisation on dev by macro-F1; `posteriors` gives `[N, C]` per condition.
    """

    def fit(self, train: ClipDataset, dev: ClipDataset) -> "FunctionalsLR":
        """Fit on train, choose on dev; each regression on the clips that have its streams.

        Raises:
            InputError: no clip of train, or of dev, has both streams, where some have either.
        """
        tables = [(*_table(dataset), dataset.targets.to_numpy().argmax(1)) for dataset in (train, dev)]
        self.classes, self.models = len(train.classes), {}
        for condition, streams in STREAMS.items():
            if all(getattr(train, stream).clips for stream in streams):
                self.models[condition] = _best_model(*chain(*(_with_all(streams, *table) for table in tables)))
        return self

    def posterior(self, dataset: ClipDataset, condition: str) -> np.ndarray:
        """Class probabilities `[N, C]` under one condition; see `posteriors`."""
        return self.posteriors(dataset, [condition])[condition]

    def posteriors(self, dataset: ClipDataset, conditions) -> dict[str, np.ndarray]:
        """Condition -> class probabilities `[N, C]` in the order of `dataset.clips`; classes never seen in training get 0.

        A stream that has lost frames is described by those that are left, one that has lost all of them is missing.
        """
        result = {}
        for name in conditions:
            table, present = _table(dataset, name)
            result[name] = np.zeros((len(dataset), self.classes))
            for streams, (scaler, model) in ((STREAMS[key], model) for key, model in self.models.items()):
                rows = np.flatnonzero([there == streams for there in present])
                if len(rows):
                    x = _scaled(scaler, _beside(table, streams)[rows])
                    result[name][np.ix_(rows, model.classes_)] = model.predict_proba(x)
        return result


@register_reference("functionals-lr")
def _functionals_lr(split):
    """clip functionals and logistic regression"""
    return FunctionalsLR().fit(split.train, split.dev).posteriors


def _with_all(streams, table: dict[str, np.ndarray], present, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Functionals `[N', F]` and labels `[N']` of the clips that have all the streams."""
    rows = np.array([set(streams) <= set(there) for there in present])
    if not rows.any():
        raise InputError(f"functionals-lr: no clip has {' and '.join(streams)} to learn or to choose from.")
    return _beside(table, streams)[rows], labels[rows]


def _best_model(x_train, y_train, x_dev, y_dev):
    """Scaler and regression with the strength of highest dev macro-F1; each fit starts from the one before."""
    # here and not above, for every command would wait for them
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import f1_score
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(x_train)
    x_train, x_dev = _scaled(scaler, x_train), _scaled(scaler, x_dev)
    path, best, chosen = LogisticRegression(tol=1e-3, max_iter=500, warm_start=True), -1.0, None
    for strength in STRENGTHS:
        path.set_params(C=strength).fit(x_train, y_train)
        score = f1_score(y_dev, path.predict(x_dev), average="macro")
        if score > best:
            best, chosen = score, copy.deepcopy(path)
    return scaler, chosen


def _scaled(scaler, x: np.ndarray) -> np.ndarray:
    return np.clip(scaler.transform(x), -LIMIT, LIMIT)


def _beside(table: dict[str, np.ndarray], streams) -> np.ndarray:
    return np.concatenate([table[stream] for stream in streams], 1)


def _table(dataset: ClipDataset, condition: str = "complete") -> tuple[dict[str, np.ndarray], list[tuple[str, ...]]]:
    """Functionals of each stream, `[N, F]`, and which streams each clip has, in the order of the clips.

    Of a store of one vector per clip these are its functionals. Those of an absent stream are zeros, which nobody reads.
    """
    parts, present = {"audio": [], "video": []}, []
    whole = {name: max(getattr(dataset, name).lengths.values(), default=0) == 1 for name in parts}
    for index in range(len(dataset)):
        batch = apply_condition(collate([dataset[index]]), condition)
        present.append(tuple(name for name in parts if getattr(batch, f"{name}_present").item()))
        for name, rows in parts.items():
            frames = getattr(batch, name)[0].numpy()
            kept = getattr(batch, f"{name}_mask")[0].numpy()
            frames = frames[kept] if kept.any() else np.zeros_like(frames[:1])
            rows.append(frames[0] if whole[name] else functionals(frames))
    return {name: np.stack(rows) for name, rows in parts.items()}, present
