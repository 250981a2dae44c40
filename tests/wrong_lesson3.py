"""Likely mistakes in the exercises of lesson 3: exercise -> {word of the diagnosis: wrong answer}."""

import torch
import torch.nn.functional as F

from auxformer.data.missing import modality_dropout, without

WRONG: dict[str, dict] = {}


def _losses(logits, target):
    return torch.stack([F.cross_entropy(head, target, reduction="none") for head in logits[:3]], 1)  # [B, 3]


def _loss(logits, target, weights, counted=None):
    counted = logits.weights if counted is None else counted
    return (_losses(logits, target) * counted * torch.tensor(weights)).sum(1).mean()


def _probabilities(logits):
    return logits._replace(av=logits.av.softmax(-1), a=logits.a.softmax(-1), v=logits.v.softmax(-1))


WRONG["shared_loss"] = {
    "three equal thirds": lambda logits, target, weights: _losses(logits, target).mean(),
    "simply added": lambda logits, target, weights: _losses(logits, target).sum(1).mean(),
    "one cross-entropy": lambda logits, target, weights: F.cross_entropy(logits.mean(), target),
    "applied twice": lambda logits, target, weights: _loss(_probabilities(logits), target, weights),
    "sum over the clips": lambda logits, target, weights: _loss(logits, target, weights) * len(target),
    "another order": lambda logits, target, weights: _loss(logits, target, [weights[i] for i in (0, 2, 1)]),
    "largest class": lambda logits, target, weights: _loss(logits, F.one_hot(target.argmax(1), 5).float(), weights),
    "still counted": lambda logits, target, weights: _loss(logits, target, weights, torch.ones(len(target), 3)),
    "scaled up": lambda logits, target, weights: (
        (_losses(logits, target) * logits.weights * torch.tensor(weights)).sum(1)
        / (logits.weights * torch.tensor(weights)).sum(1)
    ).mean(),
    "whole batch": lambda logits, target, weights: _loss(logits, target, weights, logits.weights.amin(0)),
    "only the loss of the fusion": lambda logits, target, weights: F.cross_entropy(logits.av, target),
    "clips that have it": lambda logits, target, weights: (
        (_losses(logits, target) * logits.weights).sum(0) / logits.weights.sum(0) @ torch.tensor(weights)
    ),
    "divided by their sum": lambda logits, target, weights: _loss(logits, target, weights) / sum(weights),
    "gradient for the audio head": lambda logits, target, weights: _loss(
        logits._replace(a=logits.a.detach()), target, weights
    ),
    "expected a tensor": lambda logits, target, weights: _loss(logits, target, weights).item(),
    "lost its gradient": lambda logits, target, weights: _loss(logits, target, weights).detach(),
    "shape": lambda logits, target, weights: (_losses(logits, target) * torch.tensor(weights)).sum(1),
}


def _mean(logits, weights, divisor):
    return (torch.stack(logits[:3], 1) * weights.unsqueeze(-1)).sum(1) / divisor


WRONG["predict_with_present_heads"] = {
    "plain mean": lambda logits: torch.stack(logits[:3]).mean(0),
    "divided by 3": lambda logits: _mean(logits, logits.weights, 3),
    "sum of the present": lambda logits: _mean(logits, logits.weights, 1),
    "softmax, which": lambda logits: _mean(logits, logits.weights.softmax(1), 1),
    "only the fusion": lambda logits: logits.av,
    "mean of probabilities": lambda logits: _probabilities(logits).mean(),
    "yes or no": lambda logits: logits._replace(weights=(logits.weights > 0).float()).mean(),
}


def _two_coins(batch, drop_audio, drop_video, generator):
    draws = torch.rand(2, len(batch.clips), generator=generator)
    return without(batch, draws[0] < drop_audio, draws[1] < drop_video)


def _second_chance(batch, drop_audio, drop_video, generator):
    draws = torch.rand(2, len(batch.clips), generator=generator)
    audio = draws[0] < drop_audio
    return without(batch, audio, ~audio & (draws[1] < drop_video))


def _in_place(batch, drop_audio, drop_video, generator):
    dropped = modality_dropout(batch, drop_audio, drop_video, "clip", generator)
    batch.audio.copy_(dropped.audio)
    return dropped


def _no_flag(batch, *arguments):
    dropped = modality_dropout(batch, *arguments[:2], "clip", arguments[2])
    return dropped._replace(audio_present=batch.audio_present, video_present=batch.video_present)


def _only_flags(batch, *arguments):
    dropped = modality_dropout(batch, *arguments[:2], "clip", arguments[2])
    return dropped._replace(audio=batch.audio, video=batch.video)


def _last_stream(batch, drop_audio, drop_video, generator):
    draw = torch.rand(len(batch.clips), generator=generator)
    return without(batch, draw < drop_audio, (draw >= drop_audio) & (draw < drop_audio + drop_video))


def _rescaled(batch, drop_audio, drop_video, generator):
    """As nn.Dropout does it with single values."""
    dropped = modality_dropout(batch, drop_audio, drop_video, "clip", generator)
    return dropped._replace(audio=dropped.audio / max(1e-6, 1 - drop_audio))


WRONG["modality_dropout"] = {
    "dropped whole": _rescaled,
    "targets or names": lambda batch, a, v, generator: modality_dropout(batch, a, v, "clip", generator)._replace(
        target=torch.zeros_like(batch.target)
    ),
    "lost both": _two_coins,
    "edited in place": _in_place,
    "one coin": lambda batch, a, v, generator: modality_dropout(batch, a, v, "batch", generator),
    "flag": _no_flag,
    "still there": _only_flags,
    "shares of all clips": _second_chance,
    "do not come from": lambda batch, a, v, generator: modality_dropout(
        batch, a, v, "clip", torch.Generator().manual_seed(0)
    ),
    "at the rates": lambda batch, a, v, generator: modality_dropout(batch, a / (a + v + 1e-9), 0.0, "clip", generator),
    "expected bool": lambda batch, a, v, generator: modality_dropout(batch, a, v, "clip", generator)._replace(
        audio_present=torch.ones(len(batch.clips))
    ),
    "two of one seed": lambda batch, a, v, generator: modality_dropout(batch, a, v, "clip"),
    "only stream": _last_stream,
}
