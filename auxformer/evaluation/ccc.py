"""Emotional attributes (valence, arousal, dominance): their agreement by Lin's CCC, as a loss and as a score."""

import numpy as np
import torch

EPSILON = 1e-8
"""Kept off zero: the denominator of the CCC where neither side varies; far below any spread of ratings on -1..1."""


def ccc(prediction: torch.Tensor, target: torch.Tensor, weight: torch.Tensor | None = None) -> torch.Tensor:
    """Lin's concordance correlation coefficient of each attribute over the clips of a batch.

    2 cov(p, t) / (var p + var t + (mean p - mean t)^2), variances over n (Lin 1989, Biometrics 45(1)): 1 when p = t, 0
    without agreement, down to -1. Unlike a correlation it also falls with another mean or spread. Where nothing varies
    it is 0, with a gradient of 0.

    Args:
        prediction, target: `[B, K]`, on the same scale.
        weight: `[B]`, how much each clip counts, at least 0; None = all the same.

    Returns:
        `[K]`, in -1..1.

    >>> ccc(torch.tensor([[1], [2], [3]]).double(), torch.tensor([[2], [3], [4]])).round(decimals=3).tolist()
    [0.571]
    """
    weight = prediction.new_ones(len(prediction)) if weight is None else weight
    share = (weight / weight.sum().clamp(min=EPSILON)).unsqueeze(1)  # [B, 1]
    p_mean, t_mean = (share * prediction).sum(0), (share * target).sum(0)  # [K]
    p, t = prediction - p_mean, target - t_mean  # [B, K]
    spread = (share * (p**2 + t**2)).sum(0) + (p_mean - t_mean) ** 2
    return 2 * (share * p * t).sum(0) / (spread + EPSILON)


def ccc_loss(logits, target: torch.Tensor, loss_weights=(1 / 3, 1 / 3, 1 / 3)) -> torch.Tensor:
    """w_av·L_av + w_a·L_a + w_v·L_v with L = mean over the attributes of 1 - CCC; scalar, 0 (perfect) to 2 at weights of sum 1.

    A head sees the clips whose stream is there (`logits.weights`) and counts by their share of the batch, as in
    `models.shared_loss`; a model's own `logits.extra` is added likewise.

    Args:
        logits: Of a model, `[B, K]` per head.
        target: `[B, K]` attributes on -1..1.
        loss_weights: Of the fusion, audio and video heads.
    """
    losses = [
        weight * counts.mean() * (1 - ccc(head, target, counts)).mean()
        for head, counts, weight in zip(logits[:3], logits.weights.unbind(1), loss_weights)
    ]
    loss = torch.stack(losses).sum()
    return loss if logits.extra is None else loss + loss_weights[0] * logits.extra


def moments(prediction: np.ndarray, target: np.ndarray) -> np.ndarray:
    """What the CCC of some clips can be computed from, and added up over clips: `[clips, K]` each -> `[K, 6]`.

    Number of clips and sums of p, t, p^2, t^2 and p·t.
    """
    ones = np.ones_like(prediction, dtype=float)
    parts = (ones, prediction, target, prediction**2, target**2, prediction * target)
    return np.stack([part.sum(0) for part in parts], -1)


def ccc_of(sums: np.ndarray) -> np.ndarray:
    """CCC from sums `[..., 6]` of `moments`: `[...]`, in -1..1; 0 where nothing varies.

    >>> float(ccc_of(moments(np.array([[1.0], [2.0], [3.0]]), np.array([[2.0], [3.0], [4.0]]))).round(3)[0])
    0.571
    """
    count, p, t, pp, tt, pt = np.moveaxis(sums, -1, 0)
    spread = pp / count - (p / count) ** 2 + tt / count - (t / count) ** 2 + ((p - t) / count) ** 2
    covariance = pt / count - p * t / count**2
    return np.where(spread > EPSILON, 2 * covariance / np.maximum(spread, EPSILON), 0.0)
