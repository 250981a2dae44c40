"""The best that anybody can do on a puppet corpus: an observer who knows how the clips were made.

It sees without error which class a voice shows, which class a face shows and whether they are in step, but, like any
model, neither the intended emotion nor the raters' votes. Its posterior is exact, so its score is the ceiling.
"""

import numpy as np
import pandas as pd

from auxformer.corpora.base import EMOTIONS
from auxformer.errors import InputError, check_choice
from auxformer.puppets.perception import RATERS, combine, confusion, perceived

TARGETS = ("intended", "voice", "face", "audiovisual")
CONDITIONS = ("complete", "no-audio", "no-video")


def ideal_observer(
    truth: pd.DataFrame,
    target: str = "audiovisual",
    condition: str = "complete",
    classes: tuple[str, ...] = EMOTIONS,
) -> pd.DataFrame:
    """Posterior over the target's label for every clip, given all that can be known from its media.

    Args:
        truth: `Corpus.truth`: indexed by clip (or with a column clip); columns voice, face (class shown), bound (bool).
        target: "intended", or the label of more than half of the raters by "voice", "face" or "audiovisual" (given
            that there is one, as the clips without one are dropped).
        condition: "complete", "no-audio" or "no-video". The missing stream is averaged over with a uniform prior over
            intended emotions; whether the two were in step can then not be seen, only how often they are in `truth`.
        classes: Order of the columns.

    Returns:
        `[clips, classes]`, rows sum to 1, indexed by clip.

    Raises:
        InputError: Unknown target, condition or classes, or a truth table that lacks a column.
    """
    _check(truth, target, condition, classes)
    if "clip" in truth:
        truth = truth.set_index("clip")
    voice = truth["voice"].map(EMOTIONS.index).to_numpy()  # [clips]
    face = truth["face"].map(EMOTIONS.index).to_numpy()
    bound = truth["bound"].to_numpy(dtype=bool)
    in_step, out_of_step = (_joint(target, is_bound) for is_bound in (True, False))  # [voice, face, label] each
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


def _joint(target: str, is_bound: bool) -> np.ndarray:
    """P(voice shows a, face shows f, label) `[6, 6, 6]` over clips of which a sixth intends each emotion.

    For a target by raters it sums to less than 1: the rest are clips without a majority.
    """
    from scipy.stats import binom  # takes a second to import

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
    majority = binom.sf(RATERS // 2, RATERS, answer)  # more than half of the raters give this answer
    return shown.sum(axis=2, keepdims=True) * majority


def _check(truth, target, condition, classes) -> None:
    check_choice("target", target, TARGETS)
    check_choice("condition", condition, CONDITIONS)
    if sorted(classes) != sorted(EMOTIONS):
        raise InputError(f"classes are {list(classes)}, expected the six of the puppets in any order: {list(EMOTIONS)}")
    missing = [column for column in ("voice", "face", "bound") if column not in truth]
    if missing:
        raise InputError(f"the truth table lacks the columns {missing}; pass Corpus.truth of a puppet corpus")
    unknown = sorted(set(truth["voice"]).union(truth["face"]) - set(EMOTIONS))
    if unknown:
        raise InputError(f"the truth table names the emotions {unknown}, expected {list(EMOTIONS)}")
