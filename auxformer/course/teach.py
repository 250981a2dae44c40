"""Teach it your face: the video head of a trained network, adapted to one person by a few clips of theirs.

The network stays as it is. What its video stack makes of a clip, one summary `[d]`, is computed once; a copy of the auxiliary
head that reads such summaries is trained a few steps on them. Nothing is written anywhere: the copy is gone with its kernel.
"""

import copy
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F

from auxformer.benchmark.runs import partition_of
from auxformer.data.split import Split
from auxformer.data.task import Task
from auxformer.errors import InputError
from auxformer.recognise import Features, Recogniser
from auxformer.training.run import Run

STEPS = 100
"""Steps of training, by which a handful of clips is learned by heart; with 30 the left-out clips of masked puppets were read worse."""
RATE = 3e-3
"""Learning rate of AdamW, without decay."""


@torch.no_grad()
def video_summaries(recogniser: Recogniser, clips: Sequence[Features]) -> torch.Tensor:
    """What the video stack of a network makes of each clip: `[n, d]`.

    Raises:
        InputError: the network has no video head of its own, or a clip has no video.
    """
    if not hasattr(recogniser.model, "auxiliary"):
        raise InputError("this network has no auxiliary video head to adapt; take a run of auxformer.")
    if missing := [str(number) for number, clip in enumerate(clips, 1) if clip.video is None]:
        raise InputError(f"no video in clip {', '.join(missing)}: only faces can be taught; film the person.")
    model, kept = recogniser.model, []
    hook = model.aux.register_forward_pre_hook(lambda head, given: kept.append(given[0]))
    try:
        for clip in clips:  # one by one: of many long clips only summaries are kept
            _, _, video, mask = model.inputs(recogniser.batch(clip.without("audio")))
            model.auxiliary(model.v_mem, video, mask)
    finally:
        hook.remove()
    return torch.cat(kept)


def adapt(
    head: torch.nn.Module, summaries: torch.Tensor, labels: Sequence[int], steps=STEPS, rate=RATE
) -> torch.nn.Module:
    """A copy of a head, trained on all clips at once; the same every time, for nothing in it is drawn.

    Args:
        head: `[n, d]` to logits `[n, C]`; it is not changed.
        summaries: Of the clips, `[n, d]`.
        labels: Their classes, n numbers of 0..C-1.
        steps, rate: Of AdamW; the loss is cross-entropy.
    """
    head = copy.deepcopy(head).eval().requires_grad_(True)  # without dropout
    optimizer = torch.optim.AdamW(head.parameters(), rate, weight_decay=0.0)
    target = torch.as_tensor(np.asarray(labels), dtype=torch.long)
    for _ in range(steps):
        optimizer.zero_grad()
        F.cross_entropy(head(summaries), target).backward()
        optimizer.step()
    return head


def leave_one_out(head, summaries: torch.Tensor, labels: Sequence[int], **how) -> tuple[np.ndarray, np.ndarray]:
    """The class `[n]` that a head gives to each clip as it is, and after it was adapted on all the *other* clips.

    A label that one clip alone has is not among the others when that clip is left out, so give each label two clips or more.

    Args:
        head, summaries, labels: As of `adapt`; `how` are its other arguments.

    Raises:
        InputError: fewer than three clips, or not a label for each.
    """
    labels = np.asarray(labels)
    if len(labels) != len(summaries):
        raise InputError(f"{len(summaries)} clips and {len(labels)} labels: give one label a clip.")
    if len(labels) < 3:
        raise InputError(f"{len(labels)} clips are too few to leave one out and learn from the others; give 3 or more.")
    after = []
    for left_out in range(len(labels)):
        others = np.arange(len(labels)) != left_out
        adapted = adapt(head, summaries[others], labels[others], **how)
        after.append(_answers(adapted, summaries[[left_out]])[0])
    return _answers(head, summaries), np.array(after)


@torch.no_grad()
def _answers(head, summaries: torch.Tensor) -> np.ndarray:
    return head(summaries).argmax(1).numpy()


def known_split(run: Run) -> Split | None:
    """The clips that a run was trained, chosen and tested on; None where its corpus or its features are not there any more."""
    try:
        return Task.again(run.about["task"], extracting=False).split(partition_of(run.about))
    except InputError:
        return None
