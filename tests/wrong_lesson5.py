"""Likely mistakes in the exercises of lesson 5: exercise -> {word of the diagnosis: wrong answer}."""

import numpy as np
import torch

WRONG: dict[str, dict] = {}


def _lose(features, mask, coins, share):
    kept = mask & (coins >= share)
    return features.masked_fill(~kept.unsqueeze(-1), 0.0), kept, kept.any(1)


def _with(mask=None, present=None, features=None):
    """The right answer with one part replaced; each replacement is a function of the arguments."""

    def answer(*given):
        right = list(_lose(*given))
        for place, part in enumerate((features, mask, present)):
            if part is not None:
                right[place] = part(*given)
        return tuple(right)

    return answer


def _edited_in_place(features, mask, coins, share):
    mask &= coins >= share
    features[~mask] = 0.0
    return features, mask, mask.any(1)


def _guessed_from_zeros(features, mask, coins, share):
    left = _lose(features, mask, coins, share)[0]
    kept = (left != 0).any(-1)
    return left, kept, kept.any(1)


WRONG["lose_frames"] = {
    "has 2 parts": lambda *given: _lose(*given)[:2],
    "expected bool": _with(present=lambda *given: _lose(*given)[1].any(1).float()),
    "edited in place": _edited_in_place,
    "still calls": _with(mask=lambda features, mask, coins, share: mask),
    "coin is the share itself": lambda features, mask, coins, share: _lose(features, mask, coins, share + 1e-6),
    "coin is .below": _with(mask=lambda features, mask, coins, share: mask & (coins < share)),
    "first frame alone": _with(present=lambda *given: _lose(*given)[1][:, 0]),
    "last frame alone": _with(present=lambda *given: _lose(*given)[1][:, -1]),
    "presence was guessed": _with(present=lambda *given: (_lose(*given)[0] != 0).any(-1).any(1)),
    "expected float32": _with(features=lambda *given: _lose(*given)[0].double()),
    "padding has come back": _with(mask=lambda features, mask, coins, share: coins >= share),
    "that are lost, not": _with(mask=lambda features, mask, coins, share: mask & (coins < share)),
    "guessed from zeros": _guessed_from_zeros,
    "one coin for all": lambda features, mask, coins, share: _lose(features, mask, coins[:1].expand_as(coins), share),
    "still hold": _with(features=lambda features, *_: features),
    "were changed": _with(features=lambda *given: _lose(*given)[0] / max(1 - given[3], 1e-9)),
    "called present": _with(present=lambda features, mask, *_: mask.any(1)),
    "have them all": _with(present=lambda *given: (_lose(*given)[1] == given[1]).all(1)),
    "turned round": _with(present=lambda *given: ~_lose(*given)[1].any(1)),
}


def _left_stairs(shares, scores):
    return np.tensordot(np.diff(shares), scores[:-1], 1) / (shares[-1] - shares[0])


def _area(shares, scores):
    return np.trapezoid(scores, shares, axis=0)


WRONG["area_under_curve"] = {
    "not divided": _area,
    "mean of the scores": lambda shares, scores: scores.mean(0),
    "trapezia's heights": lambda shares, scores: ((scores[1:] + scores[:-1]) / 2).mean(0),
    "left score": _left_stairs,
    "right score": lambda shares, scores: _left_stairs(shares, np.concatenate([scores[1:], scores[-1:]])),
    "above": lambda shares, scores: scores[0] - _area(shares, scores) / np.ptp(shares),
    "first score": lambda shares, scores: _area(shares, scores) / np.ptp(shares) / scores[0],
    "not halved": lambda shares, scores: 2 * _area(shares, scores) / np.ptp(shares),
    "sign": lambda shares, scores: -_area(shares, scores) / np.ptp(shares),
    "last share": lambda shares, scores: _area(shares, scores) / shares[-1],
    "shape": lambda shares, scores: _area(shares, scores.reshape(len(shares), -1)).sum() / np.ptp(shares),
    "ValueError": lambda shares, scores: np.trapezoid(scores, shares) / np.ptp(shares),
    "need an array": lambda shares, scores: (_area(shares, scores) / np.ptp(shares)).tolist(),
}


def _rise(complete, reduced):
    return reduced.max(1) - complete.max(1)


def _of_the_chosen(complete, reduced):
    rows, chosen = np.arange(len(complete)), complete.argmax(1)
    return (reduced[rows, chosen] - complete[rows, chosen] > 1e-6).mean()


def _entropy(p):
    return -(p * np.log(p)).sum(1)


def _margin(p):
    return np.sort(p, 1)[:, -1] - np.sort(p, 1)[:, -2]


WRONG["rising_share"] = {
    "shape": lambda complete, reduced: _rise(complete, reduced) > 1e-6,
    "up to rounding": lambda complete, reduced: (_rise(complete, reduced) > 0).mean(),
    "stays the same": lambda complete, reduced: (_rise(complete, reduced) >= 0).mean(),
    "chosen before": _of_the_chosen,
    "falls": lambda complete, reduced: (_rise(reduced, complete) > 1e-6).mean(),
    "on average": lambda complete, reduced: _rise(complete, reduced).mean(),
    "number of clips": lambda complete, reduced: (_rise(complete, reduced) > 1e-6).sum(),
    "entropy": lambda complete, reduced: (_entropy(complete) - _entropy(reduced) > 1e-6).mean(),
    "margin": lambda complete, reduced: (_margin(reduced) - _margin(complete) > 1e-6).mean(),
    "sum of squares": lambda complete, reduced: ((reduced**2).sum(1) - (complete**2).sum(1) > 1e-6).mean(),
    "rises by .001": lambda complete, reduced: (_rise(complete, reduced) > 0.01).mean(),
    "every posterior": lambda complete, reduced: (reduced - complete > 1e-6).mean(),
    "whose answer changes": lambda complete, reduced: (complete.argmax(1) != reduced.argmax(1)).mean(),
}


def _heads(logits):
    return torch.stack(logits[:3], 1)  # [B, 3, C]


def _votes(logits):
    return _heads(logits) * logits.weights.unsqueeze(-1)


def _edited(logits):
    for head, present in zip(logits[:3], logits.weights.T):
        head *= present.unsqueeze(-1)
    return _heads(logits).mean(1)


def _uniform(logits):
    there = logits.weights.unsqueeze(-1) > 0
    return torch.where(there, _heads(logits).softmax(-1), torch.tensor(1 / logits.av.shape[1])).mean(1)


WRONG["vote_of_three"] = {
    "as before": lambda logits: logits.mean(),
    "plain mean": lambda logits: _heads(logits).mean(1),
    "the sum of the votes": lambda logits: _votes(logits).sum(1),
    "leave the softmax": lambda logits: _votes(logits).mean(1).softmax(-1),
    "probabilities are averaged": _uniform,
    "votes 1": lambda logits: torch.where(logits.weights.unsqueeze(-1) > 0, _heads(logits), torch.ones(())).mean(1),
    "only the fusion": lambda logits: logits.av,
    "in place": _edited,
    "shape": lambda logits: _votes(logits).mean(2),
}
