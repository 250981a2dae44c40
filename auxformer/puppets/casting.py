"""Who is in the corpus and what every clip shows and how it is judged: all of it tables, drawn before any media are
made.

A clip's draws depend on the seed and on the clip alone, so a clip that is in two sizes of the corpus is the same in
both.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from auxformer.corpora.base import EMOTIONS, WAYS
from auxformer.errors import InputError
from auxformer.puppets.axes import generator
from auxformer.puppets.perception import RATERS, answers, confusion
from auxformer.puppets.sentences import SENTENCES

EMOTION_CODES = dict(zip(EMOTIONS, ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD")))
VOTE_COLUMNS = ("A", "D", "F", "H", "N", "S")
"""Names of the emotions in the vote table, in the order of EMOTIONS."""
FIRST_SPEAKER = 1001


class Size(NamedTuple):
    """How many puppets say how many sentences (the first ones); `all_levels` gives sentence IEO at LO, MD and HI."""

    puppets: int
    sentences: int
    all_levels: bool


SIZES = {"tiny": Size(6, 4, False), "course": Size(40, 12, False), "full": Size(91, 12, True)}


class Puppet(NamedTuple):
    """A speaker: number, "female" or "male", and age in years."""

    speaker: int
    sex: str
    age: int


class Clip(NamedTuple):
    """One clip: what its name says, the classes its voice and face show, and whether the two are in step (`bound`)."""

    name: str
    number: int
    puppet: Puppet
    sentence: str
    level: str
    intended: str
    voice: str
    face: str
    bound: bool


def cast(size: str, seed: int) -> list[Puppet]:
    """The puppets of a corpus, in the order of their numbers; of every two in a row one is a woman."""
    puppets = []
    for place in range(known_size(size).puppets):
        woman_first = generator(seed, "sex", place // 2).random() < 0.5
        sex = "female" if woman_first == (place % 2 == 0) else "male"
        age = generator(seed, "age", FIRST_SPEAKER + place).integers(20, 75)
        puppets.append(Puppet(FIRST_SPEAKER + place, sex, int(age)))
    return puppets


def known_size(size: str) -> Size:
    """The size of that name. Raises `InputError` when there is none."""
    if size not in SIZES:
        raise InputError(f"there is no corpus size {size!r}, expected one of {', '.join(SIZES)}")
    return SIZES[size]


def cast_clips(size: str, seed: int, binding: float) -> list[Clip]:
    """All clips of a corpus, in the order of puppet, sentence, emotion and level.

    The classes shown are drawn without clumps (scrambled Sobol points, a separate set per intended emotion, one
    dimension for the voice, one for the face, one for binding): their shares follow the human confusion matrices
    closely even in a small corpus, while voice and face stay independent given the intended emotion.
    """
    from scipy.stats import qmc  # takes a second to import

    known_size(size)
    puppets = {puppet.speaker: puppet for puppet in cast("full", seed)}
    clips = []
    for intended in EMOTIONS:
        points = qmc.Sobol(3, rng=generator(seed, "shown", intended)).random_base2(11)  # [2048, 3], more than ever used
        voices = _inverse(confusion("voice")[EMOTIONS.index(intended)], points[:, 0])
        faces = _inverse(confusion("face")[EMOTIONS.index(intended)], points[:, 1])
        out_of_step = points[:, 2] < binding
        for place, (speaker, sentence, level, smallest) in enumerate(_slots(seed, intended)):
            if list(SIZES).index(smallest) <= list(SIZES).index(size):
                name = f"{speaker}_{sentence}_{EMOTION_CODES[intended]}_{level}"
                shown = voices[place], faces[place], not out_of_step[place]
                clips.append(Clip(name, 0, puppets[speaker], sentence, level, intended, *shown))
    clips = sorted(clips, key=_place)
    return [clip._replace(number=number) for number, clip in enumerate(clips, start=1)]


def _slots(seed: int, intended: str) -> list[tuple[int, str, str, str]]:
    """Every (speaker, sentence, level) of the full corpus and the smallest size it is in, small sizes first.

    Shuffled within a size, so that a prefix of the Sobol points belongs to each size and none to any one speaker.
    """
    slots = []
    for speaker in range(FIRST_SPEAKER, FIRST_SPEAKER + SIZES["full"].puppets):
        chosen = generator(seed, "level", speaker, intended).choice(["LO", "MD", "HI"])
        for place, sentence in enumerate(SENTENCES):
            has_levels = sentence == "IEO" and intended != "neutral"
            for level in ("LO", "MD", "HI") if has_levels else ("XX",):
                slots.append((speaker, sentence, level, _smallest_size(speaker, place, level in (chosen, "XX"))))
    order = generator(seed, "order", intended).permutation(len(slots))
    return sorted((slots[i] for i in order), key=lambda slot: list(SIZES).index(slot[3]))


def _smallest_size(speaker: int, sentence: int, main_level: bool) -> str:
    for name, size in SIZES.items():
        if speaker < FIRST_SPEAKER + size.puppets and sentence < size.sentences and (main_level or size.all_levels):
            return name
    raise AssertionError("every slot is in the full corpus")


def _inverse(probabilities: np.ndarray, points: np.ndarray) -> list[str]:
    """The class that each point in 0..1 stands for."""
    places = np.searchsorted(np.cumsum(probabilities), points, side="right")
    return [EMOTIONS[place] for place in np.minimum(places, len(EMOTIONS) - 1)]


def _place(clip: Clip) -> tuple:
    levels = ("XX", "LO", "MD", "HI")
    sentences = list(SENTENCES)
    return clip.puppet.speaker, sentences.index(clip.sentence), EMOTIONS.index(clip.intended), levels.index(clip.level)


def truth_table(clips: list[Clip]) -> pd.DataFrame:
    """Columns clip, intended, voice, face, bound."""
    columns = ["name", "intended", "voice", "face", "bound"]
    return pd.DataFrame(clips, columns=Clip._fields)[columns].rename(columns={"name": "clip"})


def vote_table(clips: list[Clip], seed: int) -> pd.DataFrame:
    """Ten votes per clip and way of watching, in the columns of CREMA-D's `tabulatedVotes.csv`.

    The index is CREMA-D's row id: 100000 + the clip's number for the voice, 200000 for the face, 300000 for both.
    """
    rows = {}
    for place, way in enumerate(WAYS, start=1):
        for clip in clips:
            shares = answers(way, clip.voice, clip.face, clip.bound)
            votes = generator(seed, "votes", clip.name, way).multinomial(RATERS, shares)
            row = dict(zip(VOTE_COLUMNS, votes.tolist()))
            winners = [column for column in VOTE_COLUMNS if row[column] == votes.max()]
            rows[place * 100_000 + clip.number] = row | {
                "fileName": clip.name,
                "numResponses": RATERS,
                "agreement": votes.max() / RATERS,
                "emoVote": ":".join(winners),
            }
    return pd.DataFrame.from_dict(rows, orient="index")


def demographics_table(puppets: list[Puppet]) -> pd.DataFrame:
    """Columns of CREMA-D's `VideoDemographics.csv`."""
    return pd.DataFrame(
        [
            {"ActorID": p.speaker, "Age": p.age, "Sex": p.sex.capitalize(), "Race": "Puppet", "Ethnicity": "Puppet"}
            for p in puppets
        ]
    )


def name_table(clips: list[Clip]) -> pd.DataFrame:
    """Columns of CREMA-D's `SentenceFilenames.csv`."""
    return pd.DataFrame([{"Stimulus_Number": clip.number, "Filename": clip.name} for clip in clips])
