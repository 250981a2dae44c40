"""Right answers written in another way than the lesson's solution: exercise -> {what is other: answer}. Each has to pass."""

import math

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F

from auxformer.evaluation.scores import scores_of

RIGHT: dict[str, dict] = {}

RIGHT["recall_per_class"] = {
    "a list": lambda votes: [float(row[place] / sum(row)) for place, row in enumerate(votes)],
    "einsum": lambda votes: np.einsum("ii->i", votes) / np.einsum("ij->i", votes),
    "float32": lambda votes: (votes.diagonal() / votes.sum(1)).astype(np.float32),
    "PyTorch": lambda votes: (torch.from_numpy(votes).diag() / torch.from_numpy(votes).sum(1)).numpy(),
}
RIGHT["combine_cues"] = {
    "logarithms": lambda voice, face: np.exp(np.log(voice) + np.log(face) - np.log(voice @ face)),
    "a loop": lambda voice, face: np.array([a * b / sum(voice * face) for a, b in zip(voice, face)]),
    "softmax": lambda voice, face: (torch.tensor(voice).log() + torch.tensor(face).log()).softmax(0).numpy(),
}


def _f1_in_a_loop(confusion):
    total = 0.0
    for c in range(len(confusion)):
        hits = confusion[c, c]
        precision = hits / confusion[:, c].sum() if confusion[:, c].sum() else 0
        recall = hits / confusion[c].sum()
        total += 2 * precision * recall / (precision + recall) if precision + recall else 0
    return total / len(confusion)


RIGHT["macro_f1"] = {
    "a loop over precision and recall": _f1_in_a_loop,
    "a number of Python": lambda votes: float(np.mean(2 * np.diag(votes) / (votes.sum(0) + votes.sum(1)))),
    "an array without axes": lambda votes: np.asarray(np.mean(2 * np.diag(votes) / (votes.sum(0) + votes.sum(1)))),
}


def _strided(waveform, rate, window, hop):
    view = np.lib.stride_tricks.sliding_window_view(waveform, round(window * rate))[:: round(hop * rate)]
    return np.sqrt(np.einsum("tw,tw->t", view, view) / view.shape[1])


def _by_hand(waveform, rate, window, hop):
    length, step = int(window * rate + 0.5), int(hop * rate + 0.5)
    return [
        math.sqrt(sum(float(x) ** 2 for x in waveform[start : start + length]) / length)
        for start in range(0, len(waveform) - length + 1, step)
    ]


RIGHT["frame_energy"] = {
    "a list of floats": _by_hand,
    "einsum over strides": _strided,
    "unfold": lambda waveform, rate, window, hop: (
        torch.tensor(waveform).unfold(0, round(window * rate), round(hop * rate)).square().mean(1).sqrt().numpy()
    ),
}


def _in_columns(train, other):
    columns = []
    for feature in range(train.shape[1]):
        spread = train[:, feature].std()
        columns.append((other[:, feature] - train[:, feature].mean()) / (spread if spread > 1e-12 else 1))
    return np.stack(columns, 1)


def _zero_where_constant(train, other):
    spread = train.std(0)
    return np.where(spread > 0, (other - train.mean(0)) / np.where(spread > 0, spread, 1), 0.0)


RIGHT["normalise"] = {
    "a loop over the features": _in_columns,
    "0 where training never changes": _zero_where_constant,
    "einsum": lambda train, other: np.einsum(
        "td,d->td", other - train.mean(0), 1 / np.where(train.std(0) == 0, 1, train.std(0))
    ),
}


def _by_membership(speaker, share, seed):
    names = sorted(set(speaker))
    order = np.random.RandomState(seed).permutation(len(names))
    chosen = {names[place] for place in order[: int(share * len(names) + 0.5)]}
    test = np.array([name in chosen for name in speaker])
    return [~test, test]


def _choice(speaker, share, seed):
    names, codes = np.unique(speaker, return_inverse=True)
    chosen = np.random.default_rng(seed).choice(len(names), round(share * len(names)), replace=False)
    test = np.isin(codes, chosen)
    return np.stack([~test, test])


RIGHT["split_by_speaker"] = {"a list of two": _by_membership, "an array of two rows": _choice}


def _attention_in_loops(query, key, value, visible):
    answer = torch.zeros(len(query), query.shape[1], value.shape[2])
    for b in range(len(query)):
        keys, values = key[b][visible[b]], value[b][visible[b]]
        for t in range(query.shape[1]):
            scores = (keys @ query[b, t] / math.sqrt(query.shape[2])).exp()
            answer[b, t] = scores @ values / scores.sum()
    return answer


def _attention_by_einsum(query, key, value, visible):
    scores = torch.einsum("bqd,bkd->bqk", query, key) * query.shape[-1] ** -0.5
    weights = torch.softmax(torch.where(visible[:, None, :], scores, torch.tensor(-1e9)), dim=2)
    return torch.einsum("bqk,bkv->bqv", weights, value)


def _attention_in_numpy(query, key, value, visible):
    q, k, v = (part.double().numpy() for part in (query, key, value))
    weights = np.exp(q @ k.transpose(0, 2, 1) / math.sqrt(q.shape[-1])) * visible.numpy()[:, None]
    return torch.from_numpy(weights / weights.sum(-1, keepdims=True) @ v).to(query.dtype)


RIGHT["attention"] = {
    "loops over visible keys": _attention_in_loops,
    "einsum and a large negative number": _attention_by_einsum,
    "NumPy, masked after exp and divided by the sum": _attention_in_numpy,
}


def _layer_with_blend(layer, x, source, alpha=None):
    keep, add = (1, 1) if alpha is None else (alpha, 1 - alpha)
    first, second = layer.layer_norms
    x = keep * x + add * layer.self_attn(first(x), first(source))
    return keep * x + add * layer.fc2(F.relu(layer.fc1(second(x))))


def _layer_by_matrices(layer, x, source, alpha=None):
    x = _blend(x, layer.self_attn(layer.layer_norms[0](x), layer.layer_norms[0](source)), alpha)
    hidden = (torch.einsum("btd,hd->bth", layer.layer_norms[1](x), layer.fc1.weight) + layer.fc1.bias).clamp(min=0)
    return _blend(x, hidden @ layer.fc2.weight.T + layer.fc2.bias, alpha)


def _blend(old, new, alpha):
    return old + new if alpha is None else torch.lerp(new, old, alpha)


RIGHT["layer_step"] = {"factors": _layer_with_blend, "matrices with their biases": _layer_by_matrices}


def _last_in_a_loop(x, mask):
    return torch.stack([clip[valid][-1] for clip, valid in zip(x, mask)])


def _last_by_flip(x, mask):
    places = mask.shape[1] - 1 - mask.flip(1).int().argmax(1)
    return x.gather(1, places[:, None, None].expand(-1, 1, x.shape[2])).squeeze(1)


def _last_in_numpy(x, mask):
    places = (mask.numpy() * np.arange(1, mask.shape[1] + 1)).argmax(1)
    return torch.from_numpy(x.numpy()[np.arange(len(x)), places])


RIGHT["summarise_last_valid"] = {"a loop": _last_in_a_loop, "flip and gather": _last_by_flip, "NumPy": _last_in_numpy}


def _loss_in_a_loop(logits, target, weights):
    total = 0.0
    for head, present, weight in zip(logits[:3], logits.weights.T, weights):
        per_clip = -(target * F.log_softmax(head, dim=1)).sum(1)
        total = total + weight * (per_clip * present).sum()
    return total / len(target)


def _loss_in_double(logits, target, weights):
    log = torch.stack(logits[:3]).double().log_softmax(-1)  # [3, B, C]
    per_head = -torch.einsum("hbc,bc->bh", log, target.double())
    return torch.einsum("bh,bh,h->b", per_head, (logits.weights > 0).double(), torch.tensor(weights).double()).mean()


RIGHT["shared_loss"] = {"a loop": _loss_in_a_loop, "einsum in float64": _loss_in_double}


def _heads_in_a_loop(logits):
    rows = []
    for clip, weights in enumerate(logits.weights):
        rows.append(sum(w * head[clip] for w, head in zip(weights, logits[:3])) / sum(weights))
    return torch.stack(rows)


RIGHT["predict_with_present_heads"] = {
    "a loop": _heads_in_a_loop,
    "einsum": lambda logits: torch.einsum(
        "hbc,bh->bc", torch.stack(logits[:3]), logits.weights / logits.weights.sum(1)[:, None]
    ),
    "the package's": lambda logits: logits.mean(),
}


def _dropped(batch, no_audio, no_video):
    audio, video = batch.audio.clone(), batch.video.clone()
    audio[no_audio], video[no_video] = 0, 0
    present = batch.audio_present & ~no_audio, batch.video_present & ~no_video
    return batch._replace(audio=audio, video=video, audio_present=present[0], video_present=present[1])


def _by_multinomial(batch, drop_audio, drop_video, generator):
    fates = torch.tensor([drop_audio, drop_video, max(0.0, 1 - drop_audio - drop_video)])
    drawn = torch.multinomial(fates, len(batch.clips), replacement=True, generator=generator)
    return _dropped(batch, (drawn == 0) & batch.video_present, (drawn == 1) & batch.audio_present)


def _clip_by_clip(batch, drop_audio, drop_video, generator):
    no_audio, no_video = (torch.zeros(len(batch.clips), dtype=torch.bool) for _ in range(2))
    for clip in range(len(batch.clips)):
        u = float(torch.rand(1, generator=generator))
        both = bool(batch.audio_present[clip] and batch.video_present[clip])
        no_audio[clip] = both and u < drop_audio
        no_video[clip] = both and 1 - drop_video <= u
    return _dropped(batch, no_audio, no_video)


RIGHT["modality_dropout"] = {"multinomial": _by_multinomial, "a loop, the video from above": _clip_by_clip}

RIGHT["layer_operations"] = {
    "an int, term by term": lambda clips, frames, width, expansion=4: (
        clips * (8 * frames * width**2 + 4 * frames * expansion * width**2 + 4 * frames * frames * width)
    ),
    "NumPy": lambda clips, frames, width, expansion=4: np.float64(
        2 * clips * frames * width * ((4 + 2 * expansion) * width + 2 * frames)
    ),
}


def _longest_first(lengths, size):
    order = sorted(range(len(lengths)), key=lambda place: -lengths[place])
    return [order[start : start + size] for start in range(0, len(order), size)]


RIGHT["bucket_batches"] = {
    "lists, the longest first": _longest_first,
    "array_split at places": lambda lengths, size: np.split(np.argsort(lengths), range(size, len(lengths), size)),
    "PyTorch": lambda lengths, size: [part.numpy() for part in torch.tensor(lengths).argsort().split(size)],
}


def _loss_read_apart(model, inputs, targets, part):
    model.zero_grad()
    for x, y in zip(inputs.split(part), targets.split(part)):
        (((model(x) - y) ** 2).sum() / len(inputs)).backward()
    with torch.no_grad():
        pieces = [((model(x) - y) ** 2).sum() for x, y in zip(inputs.split(part), targets.split(part))]
    return float(sum(pieces)) / len(inputs)


def _gradients_added(model, inputs, targets, part):
    parameters, whole = list(model.parameters()), 0.0
    for parameter in parameters:
        parameter.grad = torch.zeros_like(parameter)
    for start in range(0, len(inputs), part):
        loss = ((model(inputs[start : start + part]) - targets[start : start + part]) ** 2).sum() / len(inputs)
        for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters)):
            parameter.grad += gradient
        whole += loss.detach()
    return whole


RIGHT["gradient_in_parts"] = {
    "the loss read under no_grad": _loss_read_apart,
    "autograd.grad, a tensor returned": _gradients_added,
}


def _frame_by_frame(features, mask, coins, share):
    features, mask = features.clone(), mask.clone()
    for b in range(len(mask)):
        for t in range(mask.shape[1]):
            if coins[b, t] < share:
                features[b, t], mask[b, t] = 0, False
    return [features, mask, mask.sum(1) > 0]


RIGHT["lose_frames"] = {
    "a loop, a list": _frame_by_frame,
    "multiplied": lambda features, mask, coins, share: (
        features * (mask & ~(coins < share))[..., None],
        mask & ~(coins < share),
        (mask & ~(coins < share)).any(dim=1),
    ),
}


def _area_in_a_loop(shares, scores):
    area = 0.0
    for k in range(len(shares) - 1):
        area = area + (shares[k + 1] - shares[k]) * (scores[k] + scores[k + 1]) / 2
    return area / (shares[-1] - shares[0])


RIGHT["area_under_curve"] = {
    "a loop": _area_in_a_loop,
    "einsum": lambda shares, scores: (
        np.einsum("k,k...->...", np.diff(shares), (scores[1:] + scores[:-1]) / 2) / np.ptp(shares)
    ),
    "PyTorch": lambda shares, scores: torch.trapezoid(torch.tensor(scores), torch.tensor(shares), dim=0).numpy() / np.ptp(shares),
}  # fmt: skip
RIGHT["rising_share"] = {
    "a loop": lambda complete, reduced: sum(max(b) - max(a) > 1e-6 for a, b in zip(complete, reduced)) / len(complete),
    "PyTorch": lambda complete, reduced: (
        (torch.tensor(reduced).amax(1) - torch.tensor(complete).amax(1) > 1e-6).double().mean().item()
    ),
}
RIGHT["vote_of_three"] = {
    "a sum by three": lambda logits: (
        sum(head * present[:, None] for head, present in zip(logits[:3], logits.weights.T)) / 3
    ),
    "einsum": lambda logits: torch.einsum("hbc,bh->bc", torch.stack(logits[:3]), logits.weights) / 3,
}


def _one_by_one(counts, resamples, rng):
    scores = []
    for _ in range(resamples):
        drawn = rng.choice(len(counts), len(counts), replace=True)
        scores.append(float(scores_of(counts[drawn].sum(axis=0))[0]))
    return scores


def _by_weights(counts, resamples, rng):
    times = rng.multinomial(len(counts), np.full(len(counts), 1 / len(counts)), resamples)  # [R, S]
    return scores_of(np.einsum("rs,sij->rij", times, counts))[:, 0]


RIGHT["speaker_bootstrap"] = {"a loop, a list": _one_by_one, "how often each is drawn, einsum": _by_weights}


def _swap_in_a_loop(counts_a, counts_b, swaps):
    found, large = abs(scores_of(counts_a.sum(0))[0] - scores_of(counts_b.sum(0))[0]), 0
    for swap in swaps:
        a, b = counts_a.copy(), counts_b.copy()
        a[swap], b[swap] = counts_b[swap], counts_a[swap]
        large += abs(scores_of(a.sum(0))[0] - scores_of(b.sum(0))[0]) > found - 1e-9
    return (large + 1) / (len(swaps) + 1)


RIGHT["swap_test"] = {"a loop": _swap_in_a_loop}


def _holm_in_a_loop(p):
    adjusted, least = np.zeros(len(p)), 0.0
    for rank, place in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        least = max(least, min(1.0, (len(p) - rank) * p[place]))
        adjusted[place] = least
    return adjusted


RIGHT["holm_adjust"] = {"a loop": _holm_in_a_loop}


def _clip_by_clip_means(batch):
    rows = []
    for b in range(len(batch.clips)):
        parts = []
        for x, mask, present in (
            (batch.audio[b], batch.audio_mask[b], batch.audio_present[b]),
            (batch.video[b], batch.video_mask[b], batch.video_present[b]),
        ):
            empty = not (present and mask.any())
            parts.append(torch.zeros(x.shape[1]) if empty else x[mask].mean(0))
        rows.append(torch.cat([*parts, torch.stack([batch.audio_present[b], batch.video_present[b]]).float()]))
    return torch.stack(rows)


def _einsum_means(batch):
    parts = []
    for x, mask, present in (
        (batch.audio, batch.audio_mask, batch.audio_present),
        (batch.video, batch.video_mask, batch.video_present),
    ):
        weights = (mask & present[:, None]).float()
        parts.append(torch.einsum("btd,bt->bd", x, weights) / weights.sum(1, keepdim=True).clamp(min=1e-6))
    return torch.cat([*parts, batch.audio_present[:, None].float(), batch.video_present[:, None].float()], dim=-1)


RIGHT["clip_vector"] = {"a loop": _clip_by_clip_means, "einsum": _einsum_means}


def _hidden_in_a_comprehension(probability, mask, width):
    frames = np.arange(len(mask))
    windows = range(-(-len(mask) // width))
    return np.array([probability(mask) - probability(mask & (frames // width != window)) for window in windows])


def _split_windows(probability, mask, width):
    whole, drops = probability(list(mask)), []
    for window in np.split(np.arange(len(mask)), range(width, len(mask), width)):
        drops.append(whole - probability([bool(m) and t not in window for t, m in enumerate(mask)]))
    return np.asarray(drops)


RIGHT["occlusion"] = {"arithmetic of frames": _hidden_in_a_comprehension, "masks as lists": _split_windows}


def _norms(clip, train, others):
    mean, spread = train.mean(0), train.std(0, ddof=1)
    own = np.linalg.norm((clip - mean) / spread)
    return (1 + sum(np.linalg.norm((other - mean) / spread) >= own for other in others)) / (len(others) + 1)


def _sums_of_squares(clip, train, others):
    both = np.vstack([others, clip])
    z = (both - np.mean(train, 0)) / np.std(train, 0)
    far = np.einsum("nd,nd->n", z, z)
    return float(np.mean(far >= far[-1]))


RIGHT["typicality"] = {"norms, N - 1 under the root": _norms, "sums of squares, the clip among them": _sums_of_squares}


def _nested_lists(missed, group, speaker):
    rates = {}
    for name in sorted(set(group)):
        own = {}
        for m, g, s in zip(missed, group, speaker):
            if g == name:
                own.setdefault(s, []).append(bool(m))
        rates[name] = sum(sum(films) / len(films) for films in own.values()) / len(own)
    return rates


RIGHT["miss_rates"] = {
    "lists in dictionaries": _nested_lists,
    "pandas": lambda missed, group, speaker: (
        pd.DataFrame({"m": missed, "g": group, "s": speaker}).groupby(["g", "s"]).m.mean().groupby("g").mean().to_dict()
    ),
}
