"""The best that anybody can do on a puppet corpus: an observer who knows how the clips were made.

It sees without error which class a voice shows, which class a face shows and whether they are in step, but, like any
model, neither the intended emotion nor the raters' votes. Its posterior is exact, so its score is the ceiling.
"""

import functools
import itertools

import numpy as np
import pandas as pd

from auxformer.corpora.base import EMOTIONS
from auxformer.corpora.labels import RULES
from auxformer.errors import InputError, check_choice
from auxformer.puppets.perception import RATERS, combine, confusion, perceived

TARGETS = ("intended", "voice", "face", "audiovisual")
CONDITIONS = ("complete", "no-audio", "no-video")


def ideal_observer(
    truth: pd.DataFrame,
    target: str = "audiovisual",
    condition: str = "complete",
    classes: tuple[str, ...] = EMOTIONS,
    rule: str = "majority",
) -> pd.DataFrame:
    """Posterior over the target's label for every clip, given all that can be known from its media.

    Args:
        truth: `Corpus.truth`: indexed by clip (or with a column clip); columns voice, face (class shown), bound (bool).
        target: "intended", or the label that the raters by "voice", "face" or "audiovisual" give a clip (given that they
            give one, as the clips without are dropped).
        condition: "complete", "no-audio" or "no-video". The missing stream is averaged over with a uniform prior over
            intended emotions; whether the two were in step can then not be seen, only how often they are in `truth`.
        classes: Order of the columns.
        rule: How ten votes become a label, one of `labels.RULES`. Of a distributional target it is the largest share, the
            first of `classes` where several are largest: that is what every system is scored by.

    Returns:
        `[clips, classes]`, rows sum to 1, indexed by clip.

    Raises:
        InputError: Unknown target, condition, classes or rule, or a truth table that lacks a column.
    """
    _check(truth, target, condition, classes, rule)
    if "clip" in truth:
        truth = truth.set_index("clip")
    voice = truth["voice"].map(EMOTIONS.index).to_numpy()  # [clips]
    face = truth["face"].map(EMOTIONS.index).to_numpy()
    in_step, out_of_step = (_joint(target, together, rule, tuple(classes)) for together in (True, False))
    bound = truth["bound"].to_numpy(dtype=bool)
    share = bound.mean() if len(bound) else 1.0
    unseen = share * in_step + (1 - share) * out_of_step
    if condition == "no-audio":
        likelihood = unseen.sum(axis=0)[face]  # [face, label] -> [clips, label]
    elif condition == "no-video":
        likelihood = unseen.sum(axis=1)[voice]  # [voice, label] -> [clips, label]
    else:
        likelihood = np.where(bound[:, None], in_step[voice, face], out_of_step[voice, face])  # [clips, label]
    posterior = likelihood / likelihood.sum(axis=1, keepdims=True)
    return pd.DataFrame(posterior, index=truth.index, columns=list(EMOTIONS))[list(classes)]


def _joint(target: str, is_bound: bool, rule: str, classes: tuple[str, ...]) -> np.ndarray:
    """P(voice shows a, face shows f, label) `[6, 6, 6]` over clips of which a sixth intends each emotion.

    For a target by raters it may sum to less than 1: the rest are clips without a label.
    """
    shown = np.einsum("ea,ef->afe", confusion("voice"), confusion("face")) / len(EMOTIONS)  # [voice, face, intended]
    if target == "intended":
        return shown
    by_voice = perceived("voice")[:, None, :]  # [voice, 1, answer]
    by_face = perceived("face")[None, :, :]  # [1, face, answer]
    if target == "face":
        answer = np.broadcast_to(by_face, shown.shape)
    elif target == "voice" or not is_bound:
        answer = np.broadcast_to(by_voice, shown.shape)
    else:
        answer = combine(by_voice, by_face)  # [voice, face, answer]
    votes, ways = _all_votes()
    chance = ways * np.exp(np.log(answer) @ votes.T)  # [voice, face, V]
    return shown.sum(axis=2, keepdims=True) * (chance @ _labels(votes, rule, classes))


@functools.cache
def _all_votes() -> tuple[np.ndarray, np.ndarray]:
    """Every result `[V = 3003, 6]` of a vote of `RATERS` people, and in how many ways `[V]` it comes about."""
    ends = np.array(list(itertools.combinations(range(RATERS + len(EMOTIONS) - 1), len(EMOTIONS) - 1)))  # bars among stars
    edges = np.pad(ends, ((0, 0), (1, 1)), constant_values=((0, 0), (-1, RATERS + len(EMOTIONS) - 1)))
    votes = np.diff(edges) - 1
    factorial = np.cumprod([1.0, *range(1, RATERS + 1)])
    return votes, factorial[RATERS] / factorial[votes].prod(axis=1)


def _labels(votes: np.ndarray, rule: str, classes: tuple[str, ...]) -> np.ndarray:
    """1 at the label that votes `[V, 6]` give by a rule, `[V, 6]`; a row of 0 where they give none."""
    order = [EMOTIONS.index(name) for name in classes]
    first = np.array(order)[votes[:, order].argmax(axis=1)]  # [V], the first of the classes with most votes
    most = votes.max(axis=1)
    alone = (votes == most[:, None]).sum(axis=1) == 1
    given = {"majority": most > RATERS / 2, "plurality": alone, "distributional": np.ones(len(votes), bool)}[rule]
    return np.eye(len(EMOTIONS))[first] * given[:, None]


def _check(truth, target, condition, classes, rule) -> None:
    check_choice("target", target, TARGETS)
    check_choice("rule", rule, RULES)
    check_choice("condition", condition, CONDITIONS)
    if sorted(classes) != sorted(EMOTIONS):
        raise InputError(f"classes are {list(classes)}, expected the six of the puppets in any order: {list(EMOTIONS)}")
    missing = [column for column in ("voice", "face", "bound") if column not in truth]
    if missing:
        raise InputError(f"the truth table lacks the columns {missing}; pass Corpus.truth of a puppet corpus")
    unknown = sorted(set(truth["voice"]).union(truth["face"]) - set(EMOTIONS))
    if unknown:
        raise InputError(f"the truth table names the emotions {unknown}, expected {list(EMOTIONS)}")
