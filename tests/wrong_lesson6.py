"""Likely mistakes in the exercises of lesson 6: exercise -> {word of the diagnosis: wrong answer}."""

import numpy as np
import torch

from auxformer.evaluation.scores import scores_of

WRONG: dict[str, dict] = {}


def _f1(counts):
    return scores_of(counts)[..., 0]


def _drawn(counts, resamples, rng, size=None):
    return counts[rng.integers(0, len(counts), (resamples, size or len(counts)))]  # [R, S, C, C]


def _clips(counts, resamples, rng):
    total = counts.sum(0)
    drawn = rng.multinomial(total.sum(), total.ravel() / total.sum(), resamples)
    return _f1(drawn.reshape(-1, *total.shape))


def _shuffled(counts, resamples, rng):
    return np.array([_f1(counts[rng.permutation(len(counts))].sum(0)) for _ in range(resamples)])


def _one_draw(counts, resamples, rng):
    return np.full(resamples, _f1(_drawn(counts, 1, rng)[0].sum(0)))


WRONG["speaker_bootstrap"] = {
    "whole speakers": _clips,
    "replacement": _shuffled,
    "same score": _one_draw,
    "mean of the speakers' own": lambda counts, resamples, rng: _f1(_drawn(counts, resamples, rng)).mean(1),
    "micro-F1": lambda counts, resamples, rng: scores_of(_drawn(counts, resamples, rng).sum(1))[:, 1],
    "draw as many as": lambda counts, resamples, rng: _f1(_drawn(counts, resamples, rng, 2 * len(counts)).sum(1)),
    "1 speakers are drawn": lambda counts, resamples, rng: _f1(_drawn(counts, resamples, rng, 1).sum(1)),
    "too much": lambda counts, resamples, rng: _f1(_drawn(counts, resamples, rng, 2).sum(1)),
    "shape": lambda counts, resamples, rng: scores_of(_drawn(counts, resamples, rng).sum(1)),
    "do not come from the generator": lambda counts, resamples, rng: _f1(
        _drawn(counts, resamples, np.random.default_rng(0)).sum(1)
    ),
}


def _swapped(a, b, swaps):
    swaps = swaps[:, :, None, None]
    return np.where(swaps, b, a), np.where(swaps, a, b)


def _chance(a, b, swaps):
    ours, theirs = _swapped(a, b, swaps)
    return _f1(ours.sum(1)) - _f1(theirs.sum(1))


def _found(a, b):
    return _f1(a.sum(0)) - _f1(b.sum(0))


def _share(large):
    return (1 + int(large.sum())) / (1 + len(large))


def _signs(a, b, swaps):
    own = _f1(a) - _f1(b)
    return _share(np.abs(np.where(swaps, -1, 1) @ own / len(own)) >= abs(own.mean()) - 1e-12)


def _one_sided(a, b, swaps):
    return _share(_chance(a, b, swaps) >= _found(a, b) - 1e-12)


WRONG["swap_test"] = {
    "could be 0": lambda a, b, swaps: float((np.abs(_chance(a, b, swaps)) >= abs(_found(a, b)) - 1e-12).mean()),
    "one side": _one_sided,
    "swap both": lambda a, b, swaps: _share(
        np.abs(_f1(_swapped(a, b, swaps)[0].sum(1)) - _f1(b.sum(0))) >= abs(_found(a, b)) - 1e-12
    ),
    "signs of the speakers": _signs,
    "take a hair off": lambda a, b, swaps: _share(np.abs(_chance(a, b, swaps)) >= abs(_found(a, b))),
    ">=, not >": lambda a, b, swaps: _share(np.abs(_chance(a, b, swaps)) > abs(_found(a, b)) + 1e-12),
    "shape": lambda a, b, swaps: np.abs(_chance(a, b, swaps)),
}


def _step_down(p, factors, cap=True, running=True):
    order, result = np.argsort(p), np.empty(len(p))
    adjusted = p[order] * factors
    adjusted = np.maximum.accumulate(adjusted) if running else adjusted
    result[order] = np.minimum(adjusted, 1) if cap else adjusted
    return result


def _falling(p):
    return np.arange(len(p), 0, -1)


def _benjamini(p):
    order, result = np.argsort(p), np.empty(len(p))
    scaled = p[order] * len(p) / np.arange(1, len(p) + 1)
    result[order] = np.minimum.accumulate(scaled[::-1])[::-1]
    return result


def _in_place(p):
    p[:] = _step_down(p, _falling(p))
    return p


WRONG["holm_adjust"] = {
    "Bonferroni": lambda p: np.minimum(p * len(p), 1),
    "fall below": lambda p: _step_down(p, _falling(p), running=False),
    "sorted order": lambda p: np.sort(_step_down(p, _falling(p))),
    "Benjamini": _benjamini,
    "wrong way": lambda p: _step_down(p, np.arange(1, len(p) + 1)),
    "one factor too few": lambda p: _step_down(p, np.maximum(_falling(p) - 1, 1)),
    "need an array": lambda p: _step_down(p, _falling(p)).tolist(),
    "above 1": lambda p: _step_down(p, _falling(p), cap=False),
    "in place": _in_place,
}


def _parts(batch, mean=None):
    def valid(x, mask):
        mask = mask.unsqueeze(-1).to(x.dtype)
        return (x * mask).sum(1) / mask.sum(1).clamp(min=1)

    mean = mean or valid
    flags = torch.stack([batch.audio_present, batch.video_present], 1).float()
    return mean(batch.audio, batch.audio_mask), mean(batch.video, batch.video_mask), flags


def _vector(batch, mean=None):
    a, v, flags = _parts(batch, mean)
    return torch.cat([a * flags[:, :1], v * flags[:, 1:], flags], 1)


def _without_flags(batch):
    return _vector(batch)[:, :-2]


def _leaking(batch):
    return torch.cat(_parts(batch), 1)


def _video_first(batch):
    a, v, flags = _parts(batch)
    return torch.cat([v * flags[:, 1:], a * flags[:, :1], flags], 1)


def _always_present(batch):
    a, v, flags = _parts(batch)
    return torch.cat([a * flags[:, :1], v * flags[:, 1:], torch.ones_like(flags)], 1)


def _turned_round(batch):
    a, v, flags = _parts(batch)
    return torch.cat([a * flags[:, :1], v * flags[:, 1:], 1 - flags], 1)


def _both_or_none(batch):
    a, v, flags = _parts(batch)
    both = flags.prod(1, keepdim=True)
    return torch.cat([a * both, v * both, flags], 1)


def _unclamped(x, mask):
    mask = mask.unsqueeze(-1).to(x.dtype)
    return (x * mask).sum(1) / mask.sum(1)


WRONG["clip_vector"] = {
    "flags are missing": _without_flags,
    "padding is averaged in": lambda batch: _vector(batch, lambda x, mask: x.mean(1)),
    "still counted": lambda batch: _vector(batch, lambda x, mask: (x * mask[..., None]).mean(1)),
    "sum over the frames": lambda batch: _vector(batch, lambda x, mask: (x * mask[..., None]).sum(1)),
    "last valid frame": lambda batch: _vector(batch, lambda x, mask: x[torch.arange(len(x)), mask.sum(1) - 1]),
    "video stands before": _video_first,
    "comes through": _leaking,
    "do not write ones": _always_present,
    "turned round": _turned_round,
    "each flag is for its own": _both_or_none,
    "flags stand first": lambda batch: _vector(batch).roll(2, 1),
    "float64": lambda batch: _vector(batch).double(),
    "at least 1": lambda batch: _vector(batch, _unclamped),
}
