"""The video head adapted to one person: it learns from their clips, answers what it was told, and leaves the network alone."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from auxformer.config import override, preset
from auxformer.course.teach import adapt, known_split, leave_one_out, video_summaries
from auxformer.errors import InputError
from auxformer.models.auxformer import AuxiliaryHead
from auxformer.recognise import Features
from auxformer.training.fit import fit

MODEL = {"width": 16, "heads": 2, "layers": 1, "aux_hidden": [16, 16], "summary": "mean"}


@pytest.fixture(scope="module")
def run(tiny_split, tmp_path_factory):
    config = override(preset("quick"), {"model": MODEL, "training": {"epochs": 2, "device": "cpu"}})
    return fit(config, tiny_split, tmp_path_factory.mktemp("runs") / "small", progress=False)


@pytest.fixture(scope="module")
def person(tiny_split, run):
    """Function from a speaker to the features of their clips and what each face shows, as numbers."""
    corpus, scale = tiny_split.task.corpus, run.normalizers["video"]

    def of(speaker: str) -> tuple[list[Features], np.ndarray]:
        mine = [name for name in corpus.clips.index[corpus.clips.speaker == speaker] if name in tiny_split.test.video]
        clips = [Features(None, scale(tiny_split.test.video[name]), 100.0, 25.0, None) for name in mine]
        return clips, np.array([run.classes.index(face) for face in corpus.truth.face[mine]])

    return of


def clouds(seed: int = 0, classes: int = 3, each: int = 4, width: int = 8):
    """Summaries `[n, d]` of a person whose classes lie apart, their labels, and a head that knows nothing of them."""
    torch.manual_seed(seed)
    centres, labels = 2 * torch.randn(classes, width), np.repeat(np.arange(classes), each)
    summaries = centres[torch.as_tensor(labels)] + 0.3 * torch.randn(len(labels), width)
    return AuxiliaryHead(width, (12, 10), classes, 0.5), summaries, labels


def test_a_head_reads_the_clips_of_a_person_after_it_learned_from_the_others():
    shares = []
    for seed in range(5):
        head, summaries, labels = clouds(seed)
        shares.append([(answer == labels).mean() for answer in leave_one_out(head, summaries, labels)])
    before, after = np.mean(shares, axis=0)
    assert before < 0.7 and after > 0.9


def test_swapped_labels_give_swapped_answers():
    head, summaries, labels = clouds()
    swapped = np.array([1, 0, 2])[labels]
    assert (leave_one_out(head, summaries, swapped)[1] == swapped).mean() > 0.9
    assert np.array_equal(adapt(head, summaries, swapped)(summaries).argmax(1), swapped)


def test_a_clip_that_is_left_out_does_not_teach_its_own_label():
    """The one clip of a label among the others: nobody can know it."""
    head, summaries, labels = clouds(each=3)
    keep = (labels != 2) | (np.cumsum(labels == 2) == 1)
    after = leave_one_out(head, summaries[keep], labels[keep], steps=200)[1]
    assert after[-1] != 2


def test_what_is_learned_is_the_same_every_time_and_the_head_stays_as_it_was():
    head, summaries, labels = clouds()
    before = copy.deepcopy(head.state_dict())
    first, again = (adapt(head, summaries, labels).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert all(torch.equal(head.state_dict()[name], before[name]) for name in before)
    assert any(not torch.equal(first[name], before[name]) for name in first)


def test_too_few_clips_and_clips_without_a_label_get_a_sentence():
    head, summaries, labels = clouds()
    with pytest.raises(InputError, match="2 clips are too few"):
        leave_one_out(head, summaries[:2], labels[:2])
    with pytest.raises(InputError, match="12 clips and 11 labels"):
        leave_one_out(head, summaries, labels[1:])


def test_summaries_are_what_the_video_head_reads_whoever_else_is_there(run, person):
    clips, _ = person(run.about["partition"]["test"][0])
    recogniser = run.recogniser()
    summaries = video_summaries(recogniser, clips[:3])
    assert summaries.shape == (3, 16)
    for clip, summary in zip(clips, summaries):
        said = recogniser.posteriors(clip).loc["video"].to_numpy()
        assert np.allclose(run.model.aux(summary[None]).softmax(1)[0].detach(), said, atol=1e-5)
    assert not run.model.aux._forward_pre_hooks


def test_puppets_are_read_better_by_a_head_that_saw_their_other_clips(run, person, tiny_split):
    """Their films stand upside down to the network, as a stranger's face does: the order of the features is turned round."""
    shares = []
    for speaker in sorted(tiny_split.task.corpus.speakers.index)[:4]:
        clips, labels = person(speaker)
        strange = [clip._replace(video=clip.video[:, ::-1].copy()) for clip in clips]
        summaries = video_summaries(run.recogniser(), strange)
        shares.append([(answer == labels).mean() for answer in leave_one_out(run.model.aux, summaries, labels)])
    before, after = np.mean(shares, axis=0)
    assert after > before + 0.05, shares


def test_a_clip_without_pictures_and_a_network_without_a_video_head_are_refused(run, person):
    clips, _ = person(run.about["partition"]["test"][0])
    recogniser = run.recogniser()
    deaf = Features(np.zeros((9, recogniser.audio.dims), np.float32), None, 100.0, 25.0, None)
    with pytest.raises(InputError, match="no video in clip 2:"):
        video_summaries(recogniser, [clips[0], deaf])
    with pytest.raises(InputError, match="no auxiliary video head"):
        video_summaries(replace(recogniser, model=torch.nn.Linear(1, 1)), clips[:1])


def test_the_clips_that_a_run_knows_are_found_again_unless_they_are_gone(run, tiny_split):
    assert known_split(run).train.clips == tiny_split.train.clips
    elsewhere = copy.deepcopy(run.about)
    elsewhere["task"]["corpus"] += "-gone"
    assert known_split(replace(run, about=elsewhere)) is None
