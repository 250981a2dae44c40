"""Likely mistakes in the exercises of lesson 2: exercise -> {word of the diagnosis: wrong answer}."""

import math

import torch
import torch.nn.functional as F

WRONG: dict[str, dict] = {}


def _scores(query, key):
    return query @ key.transpose(1, 2) / math.sqrt(query.shape[-1])  # [B, Tq, Tk]


def _attend(query, key, value, hidden, fill=-math.inf, factor=1.0, axis=-1):
    return (factor * _scores(query, key)).masked_fill(hidden[:, None], fill).softmax(axis) @ value


WRONG["attention"] = {
    "not divided": lambda q, k, v, visible: _attend(q, k, v, ~visible, factor=math.sqrt(q.shape[-1])),
    "divided by d": lambda q, k, v, visible: _attend(q, k, v, ~visible, factor=1 / math.sqrt(q.shape[-1])),
    "number of keys": lambda q, k, v, visible: _attend(
        q, k, v, ~visible, factor=math.sqrt(q.shape[-1]) / math.sqrt(k.shape[1])
    ),
    "along the queries": lambda q, k, v, visible: _attend(q, k, v, ~visible, axis=1),
    "clips of the batch": lambda q, k, v, visible: _attend(q, k, v, ~visible, axis=0),
    "softmax is missing": lambda q, k, v, visible: _scores(q, k) @ v,
    "mask is not used": lambda q, k, v, visible: _scores(q, k).softmax(-1) @ v,
    "counts the same": lambda q, k, v, visible: _attend(q, k, v, visible, fill=-1e9),
    "ready function": lambda q, k, v, visible: F.scaled_dot_product_attention(q, k, v, visible[:, None]),
    "width of the values": lambda q, k, v, visible: _attend(
        q, k, v, ~visible, factor=math.sqrt(q.shape[-1]) / math.sqrt(v.shape[-1])
    ),
    "after the softmax; divide": lambda q, k, v, visible: (
        (q @ k.transpose(1, 2)).masked_fill(~visible[:, None], -math.inf).softmax(-1) / math.sqrt(q.shape[-1]) @ v
    ),
    "entries are off": lambda q, k, v, visible: _attend(q, k, v, ~visible, fill=-10.0),
    "expected float32": lambda q, k, v, visible: _attend(q.double(), k.double(), v.double(), ~visible),
    "expected a tensor": lambda q, k, v, visible: _attend(q, k, v, ~visible).numpy(),
    "have to be -∞": lambda q, k, v, visible: _attend(q, k, v, ~visible, fill=0.0),
    "no longer sum to 1": lambda q, k, v, visible: (_scores(q, k).softmax(-1) * visible[:, None]) @ v,
    "wrong way round": lambda q, k, v, visible: _attend(q, k, v, visible),
    "stopped with": lambda q, k, v, visible: q @ k @ v,
}


def _think(layer, value):
    return layer.fc2(F.relu(layer.fc1(value)))


def _layer(
    layer,
    x,
    source,
    alpha=None,
    first=True,
    second=True,
    source_norm=0,
    second_norm=1,
    blends=(True, True),
    truthy=False,
):
    """A layer with what is left out or mistaken."""

    def join(residual, branch, blend, add):
        if alpha is None or not blend or (truthy and not alpha):
            return residual + branch if add else branch
        return alpha * residual + (1 - alpha) * branch

    keys = source if source_norm is None else layer.layer_norms[source_norm](source)
    asked = layer.self_attn(layer.layer_norms[0](x), keys)
    x = join(x, asked, blends[0], first)
    normed = x if second_norm is None else layer.layer_norms[second_norm](x)
    return join(x, _think(layer, normed), blends[1], second)


def _normed_residual(layer, x, source, alpha=None):
    x = layer.layer_norms[0](x)
    x = x + layer.self_attn(x, layer.layer_norms[0](source))
    return x + _think(layer, layer.layer_norms[1](x))


def _old_x(layer, x, source, alpha=None):
    asked = layer.self_attn(layer.layer_norms[0](x), layer.layer_norms[0](source))
    return x + asked + _think(layer, layer.layer_norms[1](x))


def _think_after(layer, x):
    return x + _think(layer, layer.layer_norms[1](x))


def _without_biases(layer, x, source, alpha=None):
    x = x + layer.self_attn(layer.layer_norms[0](x), layer.layer_norms[0](source))
    return x + F.relu(layer.layer_norms[1](x) @ layer.fc1.weight.T) @ layer.fc2.weight.T


def _in_place(layer, x, source, alpha=None):
    x += 1
    return _layer(layer, x, source, alpha)


WRONG["layer_step"] = {
    "`x` was edited in place": _in_place,
    "asks itself": lambda layer, x, source, alpha=None: _layer(layer, x, x, alpha),
    "length of the stream": lambda layer, x, source, alpha=None: _layer(layer, source, x, alpha),
    "first residual": lambda layer, x, source, alpha=None: _layer(layer, x, source, alpha, first=False),
    "second residual": lambda layer, x, source, alpha=None: _layer(layer, x, source, alpha, second=False),
    "residual stays": _normed_residual,
    "source is not normalised": lambda layer, x, source, alpha=None: _layer(layer, x, source, alpha, source_norm=None),
    "nothing is normalised": lambda layer, x, source, alpha=None: _layer(layer, x, source, alpha, second_norm=None),
    "stands before fc1": lambda layer, x, source, alpha=None: _layer(layer, x, source, alpha, second_norm=0),
    "old x; it starts": _old_x,
    "no thinking": lambda layer, x, source, alpha=None: (
        x + layer.self_attn(layer.layer_norms[0](x), layer.layer_norms[0](source))
    ),
    "before it asks": lambda layer, x, source, alpha=None: _think_after(
        layer, x + layer.self_attn(x, layer.layer_norms[0](source))
    ),
    "biases of fc1": _without_biases,
    "α is not used": lambda layer, x, source, alpha=None: _layer(layer, x, source),
    "first branch only": lambda layer, x, source, alpha=None: _layer(layer, x, source, alpha, blends=(True, False)),
    "second branch only": lambda layer, x, source, alpha=None: _layer(layer, x, source, alpha, blends=(False, True)),
    "wrong way round": lambda layer, x, source, alpha=None: _layer(
        layer, x, source, None if alpha is None else 1 - alpha
    ),
    "taken for None": lambda layer, x, source, alpha=None: _layer(layer, x, source, alpha, truthy=True),
}


def _pick(x, index):
    return x[torch.arange(len(x)), index]


WRONG["summarise_last_valid"] = {
    "may be padding": lambda x, mask: x[:, -1],
    "one frame too far": lambda x, mask: _pick(x, mask.sum(1).clamp(max=x.shape[1] - 1)),
    "mean of the valid": lambda x, mask: (x * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True),
    "first frame": lambda x, mask: x[:, 0],
    "whole batch": lambda x, mask: x[:, mask.sum(1).min() - 1],
    "with holes": lambda x, mask: _pick(x, mask.sum(1) - 1),
    "before the first hole": lambda x, mask: _pick(x, (mask.long().cumprod(1).sum(1) - 1).clamp(min=0)),
    "shape": lambda x, mask: x[mask],
}
