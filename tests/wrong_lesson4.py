"""Likely mistakes in the exercises of lesson 4: exercise -> {word of the diagnosis: wrong answer}."""

import numpy as np
import torch

WRONG: dict[str, dict] = {}


def _count(clips, frames, width, expansion=4, projections=4, maps=2, pairs=2, factor=2):
    per_frame = projections * width**2 + maps * expansion * width**2
    return factor * clips * (frames * per_frame + pairs * frames**2 * width)


WRONG["layer_operations"] = {
    "count 1": lambda *sizes: _count(*sizes, factor=1),
    "attention is missing": lambda *sizes: _count(*sizes, pairs=0),
    "one of the two products": lambda *sizes: _count(*sizes, pairs=1),
    "only the feed-forward": lambda *sizes: _count(*sizes, projections=0),
    "three projections": lambda *sizes: _count(*sizes, projections=3),
    "one is counted": lambda *sizes: _count(*sizes, maps=1),
    "branch is missing": lambda *sizes: _count(*sizes, maps=0),
    "clips are not counted": lambda clips, *sizes: _count(1, *sizes),
    "one number": lambda *sizes: [_count(*sizes)],
    "expansion is not used": lambda clips, frames, width, expansion=4: _count(clips, frames, width),
    "only their own clip": lambda clips, frames, width, expansion=4: _count(1, clips * frames, width, expansion),
}


def _cut(order, size):
    return [order[start : start + size] for start in range(0, len(order), size)]


def _in_place(lengths, size):
    order = np.argsort(lengths, kind="stable")
    lengths.sort()
    return _cut(order, size)


WRONG["bucket_batches"] = {
    "these are lengths": lambda lengths, size: _cut(np.sort(lengths), size),
    "order they came in": lambda lengths, size: _cut(np.arange(len(lengths)), size),
    "in no batch": lambda lengths, size: _cut(np.argsort(lengths), size)[:-1],
    "at most": lambda lengths, size: [np.argsort(lengths)],
    "only one may be smaller": lambda lengths, size: np.array_split(np.argsort(lengths), -(-len(lengths) // size)),
    "edited in place": _in_place,
    "whole numbers": lambda lengths, size: [batch.astype(float) for batch in _cut(np.argsort(lengths), size)],
    "a batch is empty": lambda lengths, size: [*_cut(np.argsort(lengths), size), np.array([], int)],
    "did you forget": lambda lengths, size: None,
}


def _parts(model, inputs, targets, part, weigh, zero="first", result="sum"):
    """Accumulate with a weight per part; `weigh(clips of the part, clips, parts)`."""
    if zero == "first":
        model.zero_grad()
    pieces = list(zip(inputs.split(part), targets.split(part)))
    values = []
    for x, y in pieces:
        if zero == "each":
            model.zero_grad()
        loss = ((model(x) - y) ** 2).mean() * weigh(len(x), len(inputs), len(pieces))
        loss.backward()
        values.append(loss.item())
    return sum(values) if result == "sum" else values[-1]


def _share(clips, all_clips, parts):
    return clips / all_clips


def _one_backward(model, x, y, part):
    model.zero_grad()
    parts = zip(x.split(part), y.split(part))
    loss = sum(((model(some) - truth) ** 2).sum() for some, truth in parts) / len(x)
    loss.backward()
    return loss.item()


def _and_return(model, inputs, targets, part, summarise):
    """The right gradient, and `summarise(means of the parts, their sizes)`."""
    _parts(model, inputs, targets, part, _share)
    with torch.no_grad():
        pieces = list(zip(inputs.split(part), targets.split(part)))
        return summarise([((model(x) - y) ** 2).mean().item() for x, y in pieces], [len(x) for x, _ in pieces])


def _kept_in_a_sum(model, inputs, targets, part):
    model.zero_grad()
    whole = 0.0
    for x, y in zip(inputs.split(part), targets.split(part)):
        loss = ((model(x) - y) ** 2).sum() / len(inputs)
        loss.backward()
        whole += loss
    return whole


WRONG["gradient_in_parts"] = {
    "weigh each": lambda *a: _parts(*a, lambda clips, all_clips, parts: 1),
    "plain mean over parts": lambda *a: _parts(*a, lambda clips, all_clips, parts: 1 / parts),
    "before each part": lambda *a: _parts(*a, _share, zero="each"),
    "sum over the clips": lambda *a: _parts(*a, lambda clips, all_clips, parts: clips),
    "from before": lambda *a: _parts(*a, _share, zero="never"),
    "last part's share": lambda *a: _parts(*a, _share, result="last"),
    "at once": lambda model, x, y, part: _parts(model, x, y, len(x), _share),
    "kept until": _one_backward,
    "and unweighed": lambda *a: _parts(*a, lambda clips, all_clips, parts: 1, zero="each"),
    "that of the last part": lambda *a: _and_return(*a, lambda means, sizes: means[-1]),
    "loss is the plain mean": lambda *a: _and_return(*a, lambda means, sizes: sum(means) / len(means)),
    "sum of the parts' means": lambda *a: _and_return(*a, lambda means, sizes: sum(means)),
    "still hangs on": _kept_in_a_sum,
    "not returned": lambda *a: (_parts(*a, _share), None)[1],
}
