"""Likely mistakes in the exercises of lesson 0: exercise -> {word of the diagnosis: wrong answer}."""

import numpy as np

WRONG: dict[str, dict] = {}


def _f1(votes, weights=None):
    f1 = 2 * np.diag(votes) / (votes.sum(0) + votes.sum(1))
    return np.average(f1, weights=weights)


WRONG["recall_per_class"] = {
    "diagonal": lambda votes: votes.max(axis=1) / votes.sum(axis=1),
    "entries are off": lambda votes: np.round(np.diag(votes) / votes.sum(axis=1), 2),
    "column sums": lambda votes: np.diag(votes) / votes.sum(axis=0),
    "all votes": lambda votes: np.diag(votes) / votes.sum(),
    "counts": lambda votes: np.diag(votes).astype(float),
    "shape": lambda votes: (np.diag(votes) / votes.sum(axis=1)).mean(),
    "return": lambda votes: None,
}


def _in_place(voice, face):
    voice *= face
    return voice / voice.sum()


WRONG["combine_cues"] = {
    "average": lambda voice, face: (voice + face) / 2,
    "sum to 1": lambda voice, face: voice * face,
    "compromise": lambda voice, face: np.sqrt(voice * face) / np.sqrt(voice * face).sum(),
    "largest entry": lambda voice, face: voice * face / (voice * face).max(),
    "need an array": lambda voice, face: [a * b / (voice @ face) for a, b in zip(voice, face)],
    "only the voice": lambda voice, face: voice,
    "`voice` was edited in place": _in_place,
    "entries are off": lambda voice, face: np.maximum(voice, face) / np.maximum(voice, face).sum(),
}


def _harmonic(a, b):
    return 2 * a * b / (a + b)


def _by_precision_and_recall(votes):
    precision, recall = np.diag(votes) / votes.sum(0), np.diag(votes) / votes.sum(1)
    return np.mean(2 * precision * recall / (precision + recall))


WRONG["macro_f1"] = {
    "accuracy": lambda votes: np.trace(votes) / votes.sum(),
    "mean recall": lambda votes: np.mean(np.diag(votes) / votes.sum(1)),
    "mean precision": lambda votes: np.mean(np.diag(votes) / np.maximum(votes.sum(0), 1)),
    "mean precision and the mean": lambda votes: _harmonic(
        np.mean(np.diag(votes) / votes.sum(0)), np.mean(np.diag(votes) / votes.sum(1))
    ),
    "mean of precision and recall": lambda votes: np.mean(
        [np.diag(votes) / votes.sum(0), np.diag(votes) / votes.sum(1)]
    ),
    "factor 2": lambda votes: _f1(votes) / 2,
    "rare class": lambda votes: _f1(votes, votes.sum(1)),
    "average the classes": lambda votes: 2 * np.diag(votes) / (votes.sum(0) + votes.sum(1)),
    "division by zero": _by_precision_and_recall,
}
