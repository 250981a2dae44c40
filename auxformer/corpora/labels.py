"""From the votes of many raters to one label per clip: plurality, majority, distributional.

The rules are those of the AuxFormer release (P, M and D). They are different tasks: each drops other clips.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from auxformer.corpora.base import ATTRIBUTE_SCALE, ATTRIBUTES, OTHER, Corpus
from auxformer.errors import InputError, check_choice, suggest

RULES = ("plurality", "majority", "distributional")
"""plurality: the class with most votes, ties dropped; majority: more than half of them; distributional: the shares."""

TARGETS = ("audiovisual", "voice", "face", "secondary", "secondary-four", "intended")
"""What is to be predicted: what raters perceived in one way of watching (secondary: all emotions they heard and saw beside
the main one, of ten classes or of four), or what the speaker intended."""

TOLERANCE = 1e-9
"""Shares of votes closer than this are equal: a tie must not be decided by the rounding of a division."""


def consensus(counts: pd.DataFrame, rule: str) -> pd.DataFrame:
    """Label every clip on which the raters agree enough for `rule`.

    Args:
        counts: Votes per class, `[clips, classes]`, not negative; only their proportions matter.
        rule: One of `RULES`.

    Returns:
        `[kept clips, classes]` float64, rows sum to 1: one-hot for plurality and majority, the shares of the votes for
        distributional. Clips in the order of `counts`; those absent were dropped (always: those without votes).

    Raises:
        InputError: An unknown rule, or counts that are negative or not finite numbers.

    >>> votes = pd.DataFrame([[6, 4], [5, 5]], index=["a", "b"], columns=["happy", "sad"])
    >>> consensus(votes, "majority")
       happy  sad
    a    1.0  0.0
    """
    check_choice("rule", rule, RULES)
    shares = _shares(counts)
    if rule == "distributional":
        return shares
    leaders = _leaders(shares)
    kept = leaders.sum(axis=1) == 1
    if rule == "majority":
        kept &= shares.max(axis=1) > 0.5 + TOLERANCE
    return leaders[kept].astype(np.float64)


def targets(corpus: Corpus, target: str = "audiovisual", rule: str = "majority") -> pd.DataFrame:
    """The labels of a corpus, `[clips, classes]`, rows sum to 1, in the order of `corpus.clips`.

    Votes for `OTHER` count in the consensus, so a clip can be lost to them; they are no class of the result.

    Args:
        corpus: A corpus that has been read.
        target: One of `TARGETS`: what is perceived by hearing and seeing, hearing or seeing, or what is intended.
        rule: One of `RULES`; how raters become a label (without effect on "intended", which needs no raters).

    Raises:
        InputError: An unknown target or rule, or a perceived target on a corpus without raters.
    """
    check_choice("rule", rule, RULES)
    check_choice("target", target, TARGETS)
    if target == "intended":
        intended = pd.Categorical(corpus.clips["intended"], corpus.classes)
        return pd.get_dummies(intended, dtype=np.float64).set_axis(corpus.clips.index)
    if target not in corpus.ratings:
        raters = {"voice": "voice-only", "face": "face-only"}.get(target, target)
        raise InputError(
            f"{corpus.root}: the corpus {corpus.name} has no votes of {raters} raters, so no {target} target; "
            "use target='intended' or add its rating table"
        )
    counts = corpus.ratings[target]
    rated = corpus.clips.index.intersection(counts.index, sort=False)
    columns = [name for name in counts if name != OTHER]
    if set(columns) == set(corpus.classes):
        columns = list(corpus.classes)
    labels = consensus(counts.loc[rated], rule)[columns]
    labels = labels[labels.sum(axis=1) > 0]
    return labels.div(labels.sum(axis=1), axis=0)


def attribute_targets(corpus: Corpus) -> pd.DataFrame:
    """Mean valence, arousal and dominance of every clip that has all three, `[clips, 3]` on 1..5.

    Raises:
        InputError: The corpus has no attributes.
    """
    if corpus.attributes is None:
        raise InputError(
            f"{corpus.root}: the corpus {corpus.name} has no ratings of valence, arousal and dominance; use another target"
        )
    return corpus.attributes.dropna()


def keep_classes(table: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Targets over some of the classes: clips whose votes all fall outside are dropped, the rest scaled to sum to 1.

    Raises:
        InputError: for a class that the corpus does not have or that is named twice, or fewer than two.
    """
    unknown = [name for name in classes if name not in table]
    if unknown:
        raise InputError(f'unknown class "{unknown[0]}".{suggest(unknown[0], table.columns)}')
    if twice := [name for name in classes if list(classes).count(name) > 1]:
        raise InputError(f"classes names {twice[0]} twice; name each once.")
    if len(classes) < 2:
        raise InputError("classes names one class; at least two are needed to tell apart.")
    part = table[list(classes)]
    part = part[part.sum(axis=1) > 0]
    return part.div(part.sum(axis=1), axis=0)


def _shares(counts: pd.DataFrame) -> pd.DataFrame:
    """Shares of the votes `[clips with votes, classes]`."""
    votes = counts.to_numpy(np.float64)
    bad = ~np.isfinite(votes) | (votes < 0)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise InputError(
            f"the clip {counts.index[row]} has {votes[row, column]} votes for {counts.columns[column]}, expected a "
            "number of 0 or more; correct the rating table"
        )
    total = votes.sum(axis=1)
    rated = total > 0
    shares = votes[rated] / total[rated, None]
    return pd.DataFrame(shares, index=counts.index[rated], columns=counts.columns)


def _leaders(shares: pd.DataFrame) -> pd.DataFrame:
    """True for every class that has the most votes of its clip; several where they tie."""
    return shares.ge(shares.max(axis=1) - TOLERANCE, axis=0)


CENTRE, HALF = sum(ATTRIBUTE_SCALE) / 2, (ATTRIBUTE_SCALE[1] - ATTRIBUTE_SCALE[0]) / 2


def are_attributes(names: Sequence[str]) -> bool:
    """True when the columns of a target are emotional attributes, False when they are classes."""
    return set(names) <= set(ATTRIBUTES)


def scaled(ratings):
    """Ratings on 1..5 as a network predicts them, on -1..1."""
    return (ratings - CENTRE) / HALF


def unscaled(predictions):
    """What a network predicts, on the raters' scale 1..5; not cut, so a prediction may lie outside."""
    return predictions * HALF + CENTRE
