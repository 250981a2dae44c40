"""People as reference systems: what their votes score against a target, with a voice, a face or both to go by.

Voice-only raters stand where a system has no video, face-only raters where it has no audio. Three readings of "people":

- human-crowd: the class with most votes of all raters of a clip; tied classes share the credit.
- human-rater: one rater drawn at random, each clip weighing the same: the expected confusion is the shares of the
  votes.
- human-rater-others: where the raters are those who made the target (audiovisual raters, audiovisual target), that
  rater is judged by a consensus that they helped to make, which flatters them. Here each rater is judged by the
  consensus of the *others*. A rater counts where the others have one, as 1/n of a clip with n raters. The clips are
  all that have such raters, not only those with a label: a clip may have its label thanks to the rater who is judged.

On CREMA-D, target the audiovisual majority (5,913 clips), macro/micro-F1: the crowd .563/.601 from the voice and
.810/.843 from the face; one audiovisual rater .778/.800, judged by the others (6,534 clips) .719/.745. Another
weighting changes the last: .720/.747 when every vote weighs the same, .662/.686 when every clip does, however few of
its raters count.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from auxformer.corpora.base import OTHER, WAYS, Corpus
from auxformer.corpora.labels import TOLERANCE, consensus, targets
from auxformer.errors import InputError, suggest
from auxformer.evaluation.intervals import with_interval
from auxformer.evaluation.scores import METRICS, RESULT_COLUMNS, scores_of

SYSTEMS = {
    "human-crowd": "the class with most votes of all raters; tied classes share the credit",
    "human-rater": "one rater drawn at random",
    "human-rater-others": "one rater drawn at random, judged by the consensus of the others",
}
"""The reference rows and what they are."""

CONDITION_OF_WAY = {"audiovisual": "complete", "face": "no-audio", "voice": "no-video"}
"""Way of watching -> the missing-data condition in which a system has as much to go by."""


def human_confusions(
    corpus: Corpus,
    system: str,
    way: str,
    target: str = "audiovisual",
    rule: str = "majority",
    clips: Iterable[str] | None = None,
    classes: Sequence[str] | None = None,
    labels: pd.DataFrame | None = None,
) -> np.ndarray:
    """Expected confusion of people, per speaker.

    Args:
        corpus: One with ratings per way of watching.
        system: One of `SYSTEMS`; "human-rater-others" only for `way` = `target`.
        way: "voice", "face" or "audiovisual": what the raters went by.
        target: What they are judged by, one of `labels.TARGETS` over the corpus's own classes.
        rule: One of `labels.RULES`. The truth of a distributional target is its largest share, as for every system.
        clips: Only these, as far as they have a label and votes; None for all. For human-rater-others do not choose
            clips by whether they have a label (see above): give all clips of some speakers.
        classes: Only these, clips and votes of others are left out, as the benchmark leaves them out; None for all.
        labels: What they are judged by instead, `[clips, classes]`, and on which clips: the table of a `Task`, whose labels
            may be an official file's. Without effect on human-rater-others, who are judged by each other.

    Returns:
        `[S, C, C]` float64, rows truth, columns answer, speakers in sorted order (those with at least one clip). Votes
        for something else are left out of the answers: the systems beside these rows cannot give them either.

    Raises:
        InputError: an unknown system, way or class, a corpus without such votes, or no clip left.
    """
    return np.stack(list(confusions_by_speaker(corpus, system, way, target, rule, clips, classes, labels).values()))


def confusions_by_speaker(
    corpus: Corpus, system: str, way: str, target: str = "audiovisual", rule: str = "majority",
    clips: Iterable[str] | None = None, classes: Sequence[str] | None = None, labels: pd.DataFrame | None = None,
) -> dict[str, np.ndarray]:  # fmt: skip
    """The same as `human_confusions`, with names: speaker -> expected confusion `[C, C]`, speakers in sorted order."""
    if system not in SYSTEMS:
        raise InputError(f'unknown system "{system}".{suggest(system, SYSTEMS)}')
    if way not in corpus.ratings or way not in WAYS:
        raise InputError(
            f"{corpus.root}: the corpus {corpus.name} has no votes of {way} raters, so no people to score."
        )
    classes = list(corpus.classes if classes is None else classes)
    unknown = [name for name in classes if name not in corpus.classes]
    if unknown:
        raise InputError(f'unknown class "{unknown[0]}".{suggest(unknown[0], corpus.classes)}')
    votes = corpus.ratings[way].loc[corpus.clips.index.intersection(corpus.ratings[way].index, sort=False)]
    if clips is not None:
        votes = votes.loc[votes.index.isin(set(clips))]
    if system == "human-rater-others":
        if way != target:
            raise InputError(f"{way} raters take no part in the {target} target; use human-rater.")
        confusions = _of_others(votes, rule, classes)
    else:
        labels = targets(corpus, target, rule) if labels is None else labels
        confusions = _of_all(votes, labels, system, classes)
    if confusions.empty:
        raise InputError(f"no clip has votes of {way} raters and a {target} label by {rule}.")
    speakers = corpus.clips.speaker.loc[confusions.index.get_level_values("clip")].to_numpy()
    names, rows = np.unique(speakers.astype(str), return_inverse=True)
    result = np.zeros((len(names), len(classes), len(classes)))
    np.add.at(result, (rows, confusions.index.get_level_values("truth").to_numpy()), confusions.to_numpy())
    return dict(zip(names.tolist(), result))


def _of_all(votes: pd.DataFrame, labels: pd.DataFrame, system: str, classes: list[str]) -> pd.DataFrame:
    """Answers `[clips, C]`, rows sum to 1, indexed by (clip, truth as a number)."""
    unknown = [name for name in classes if name not in labels]
    if unknown:
        raise InputError(f"the target has no class {unknown[0]}, so the votes cannot be judged by it.")
    answers = consensus(votes[classes], "distributional")  # drops clips on which nobody voted for one of the classes
    if system == "human-crowd":
        leaders = answers.ge(answers.max(axis=1) - TOLERANCE, axis=0).astype(float)
        answers = leaders.div(leaders.sum(axis=1), axis=0)
    labels = labels.loc[labels[classes].sum(axis=1) > 0, classes]
    labels = labels.loc[labels.index.isin(answers.index)]
    return _indexed(answers.loc[labels.index], labels)


def _of_others(votes: pd.DataFrame, rule: str, classes: list[str]) -> pd.DataFrame:
    """The same of each rater judged by the others: one row per clip and answer that some rater gave."""
    raters = votes[classes].sum(axis=1)
    parts = []
    for name in classes:
        given = votes[votes[name] > 0]
        others = given.assign(**{name: given[name] - 1})  # the votes but that of one rater who answered `name`
        labels = consensus(others, rule).drop(columns=OTHER, errors="ignore")[classes]
        labels = labels[labels.sum(axis=1) > 0]
        share = given.loc[labels.index, name] / raters.loc[labels.index]
        answers = pd.DataFrame(0.0, labels.index, classes)
        answers[name] = share
        parts.append(_indexed(answers, labels))
    return pd.concat(parts)


def _indexed(answers: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    truth = labels.to_numpy().argmax(1)
    return answers.set_index(pd.MultiIndex.from_arrays([answers.index, truth], names=["clip", "truth"]))


def human_rows(
    corpus: Corpus,
    target: str = "audiovisual",
    rule: str = "majority",
    speakers: Iterable[str] | None = None,
    clips: Iterable[str] | None = None,
    classes: Sequence[str] | None = None,
    resamples: int = 1000,
    labels: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """People's rows of a result table, under the conditions that their ways of watching stand for.

    The crowd gets no row where its own plurality is the target (it would score 1 by definition), and human-rater-others
    only a row there.

    Args:
        corpus, target, rule, classes, labels: As in `human_confusions`.
        speakers: Only clips of these, the test speakers of a partition, say; None for all.
        clips: Only these clips; None for all.
        resamples: Draws of speakers, the same as those of `evaluation.score`.

    Returns:
        Columns corpus, target, features ("people"), system, partition ("all"), seed (0), condition, metric, value, low,
        high. Ways of watching that the corpus has no votes of are left out.

    Raises:
        InputError: as `human_confusions`; a speaker or clip the corpus does not have; no ratings at all.
    """
    chosen = _chosen(corpus, speakers, clips)
    ways = [way for way in CONDITION_OF_WAY if way in corpus.ratings]
    if not ways:
        raise InputError(f"{corpus.root}: the corpus {corpus.name} has no ratings, so no people to score.")
    rows = []
    for system in SYSTEMS:
        for way in ways:
            if (system == "human-crowd" and way == target) or (system == "human-rater-others" and way != target):
                continue
            counts = human_confusions(corpus, system, way, target, rule, chosen, classes, labels)
            values = with_interval(counts, scores_of, resamples)  # [3, 6]
            about = corpus.name, target, "people", system, "all", 0, CONDITION_OF_WAY[way]
            rows += [(*about, metric, *values[:, i]) for i, metric in enumerate(METRICS)]
    return pd.DataFrame(rows, columns=list(RESULT_COLUMNS))


def _chosen(corpus: Corpus, speakers: Iterable[str] | None, clips: Iterable[str] | None) -> list[str]:
    """The clips that are asked for, in the order of the corpus."""
    chosen = pd.Series(True, index=corpus.clips.index)
    known = {"speaker": corpus.clips.speaker, "clip": corpus.clips.index.to_series()}
    for (kind, values), asked in zip(known.items(), (speakers, clips)):
        if asked is None:
            continue
        asked = list(asked)
        unknown = sorted(set(asked) - set(values))
        if unknown:
            raise InputError(f"the corpus {corpus.name} has no {kind} {unknown[0]}.")
        chosen &= values.isin(asked)
    return list(chosen.index[chosen])
