"""Likely mistakes in the exercises of lesson 0: exercise -> {word of the diagnosis: wrong answer}."""

import numpy as np

WRONG: dict[str, dict] = {}


def _f1(votes, weights=None):
    f1 = 2 * np.diag(votes) / (votes.sum(0) + votes.sum(1))
    return np.average(f1, weights=weights)


WRONG["recall_per_class"] = {
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
    "only the voice": lambda voice, face: voice,
    "`voice` was edited in place": _in_place,
    "off by": lambda voice, face: np.maximum(voice, face) / np.maximum(voice, face).sum(),
}
WRONG["macro_f1"] = {
    "accuracy": lambda votes: np.trace(votes) / votes.sum(),
    "mean recall": lambda votes: np.mean(np.diag(votes) / votes.sum(1)),
    "mean precision": lambda votes: np.mean(np.diag(votes) / np.maximum(votes.sum(0), 1)),
    "factor 2": lambda votes: _f1(votes) / 2,
    "rare class": lambda votes: _f1(votes, votes.sum(1)) if len(votes) > 2 else _f1(votes),
    "average the classes": lambda votes: 2 * np.diag(votes) / (votes.sum(0) + votes.sum(1)),
    "division by zero": lambda votes: _f1(votes) if votes[:, -1].any() else np.nan,
}
