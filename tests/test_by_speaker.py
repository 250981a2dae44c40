"""Features on each speaker's own scale: from that speaker's clips only, without labels, and said wherever results are shown."""

import pickle

import numpy as np
import pandas as pd
import pytest

import auxformer as af
from auxformer.config import override, preset
from auxformer.data.normalise import Normalizer
from auxformer.data.task import Task
from auxformer.errors import InputError
from auxformer.features.by_speaker import SpeakerStore
from auxformer.recognise import decode

SMALL = override(preset("quick"), {"model": {"width": 16, "layers": 1, "heads": 2}, "training": {"epochs": 1, "device": "cpu"}})


@pytest.fixture(scope="module")
def task(tiny_puppets):
    root, features = tiny_puppets
    return Task(root, data=features, normalise="speaker")


@pytest.fixture(scope="module")
def plain(tiny_puppets):
    root, features = tiny_puppets
    return Task(root, data=features)


def test_every_speaker_has_mean_0_and_deviation_1(task):
    clips = task.corpus.clips
    for speaker in clips.speaker.unique()[:3]:
        frames = np.concatenate([task.audio[clip] for clip in clips.index[clips.speaker == speaker]])
        assert np.abs(frames.mean(0)).max() < 0.05 and abs(np.median(frames.std(0)) - 1) < 0.05


def test_only_the_speakers_own_clips_set_the_scale(plain):
    """Whatever the clips of others are, a speaker's features stay the same bits; one more own clip changes them all."""
    speakers = plain.corpus.clips.speaker
    first = [clip for clip in plain.audio.clips if speakers[clip] == speakers.iloc[0]]
    other = next(clip for clip in plain.audio.clips if speakers[clip] != speakers.iloc[0])
    whole = SpeakerStore(plain.audio, speakers, Normalizer.fit)

    class Without:
        name, modality, dims, digest = "lld", "audio", plain.audio.dims, "x"

        def __init__(self, gone):
            self.clips = [clip for clip in plain.audio.clips if clip != gone]
            self.contents = {clip: plain.audio.contents[clip] for clip in self.clips}

        def __getitem__(self, clip):
            return plain.audio[clip]

    same, less = (SpeakerStore(Without(gone), speakers, Normalizer.fit) for gone in (other, first[-1]))
    np.testing.assert_array_equal(same[first[0]], whole[first[0]])
    assert same.contents[first[0]] == whole.contents[first[0]] != less.contents[first[0]]
    assert not np.array_equal(less[first[0]], whole[first[0]])


def test_it_is_named_wherever_results_are_shown(task, plain):
    assert task.features == "lld-by-speaker+hog-by-speaker" and plain.features == "lld+hog"
    assert task.audio.digest != plain.audio.digest and len(task.audio) == len(plain.audio)
    assert task.made_from(task.partitions(1)[0])["clips"] != plain.made_from(plain.partitions(1)[0])["clips"]
    again = Task.again(task.origin)
    assert again.features == task.features
    old = {key: value for key, value in plain.origin.items() if key != "normalise"}
    assert Task.again(old).features == "lld+hog", "a run made before there was a choice"
    clip = task.audio.clips[0]
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(task.audio))[clip], task.audio[clip])
    with pytest.raises(InputError, match="normalise is"):
        Task(task.corpus, data=task.origin["data"], normalise="speakers")


def test_one_film_is_refused_and_ten_of_a_person_are_taken(task, tmp_path):
    run = af.fit(SMALL, task.split(0), tmp_path / "run", progress=False)
    clips = task.corpus.clips
    speaker = clips.speaker.iloc[0]
    films = list(clips.video[clips.speaker == speaker])
    with pytest.raises(InputError, match="10 or more clips of the person"):
        run.recognise(films[0])
    with pytest.raises(InputError, match="3 clips of the person with audio are too few"):
        run.recognise(films[0], of_speaker=films[:3])
    known = run.recogniser().of_speaker(films)
    clip = clips.index[clips.speaker == speaker][0]
    found = known.features(decode(clips.video[clip])).video
    np.testing.assert_allclose(found, run.normalizers["video"](task.video[clip]), atol=0.02)
    assert isinstance(run.recognise(films[0], of_speaker=films).posteriors, pd.DataFrame)
