"""Posteriors kept per clip and condition, from which any score can be computed again.

A predictions table has one row per clip and condition: clip, speaker, condition, truth, predicted and one probability column
per class (and of some networks "in_step", a probability, and "lag", in frames); of attributes, a column true-NAME and a column
NAME per attribute, on 1..5. A score is a view, never the record.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
import torch

from auxformer.corpora.base import ATTRIBUTES
from auxformer.corpora.labels import unscaled
from auxformer.data.batch import eval_batches
from auxformer.data.missing import apply_condition, conditions_of
from auxformer.data.split import ClipDataset
from auxformer.errors import InputError
from auxformer.models.memory import keep_freed_memory


@torch.no_grad()
def predict(
    model, dataset: ClipDataset, conditions: str | Iterable[str] = "basic", device="cpu", change=apply_condition, vote=None
) -> pd.DataFrame:
    """Posteriors of every clip under every condition, as a predictions table.

    Args:
        model: A network of the registry, or anything that maps a `Batch` to `Logits`.
        dataset: The clips.
        conditions: Names from `data.missing`, or its groups: "basic", "frames", "all".
        device: Where the network lives.
        change: `(batch, condition) -> batch`, what happens to a batch under a condition.
        vote: `Logits -> [B, C]`, how the heads answer together; `Logits.mean` unless told.
    """
    conditions = conditions_of(conditions)
    keep_freed_memory()
    was_training = getattr(model, "training", False)
    if was_training:
        model.eval()
    parts, speaker = [], dict(zip(dataset.clips, dataset.speakers))
    for batch in eval_batches(dataset):
        speakers, target = [speaker[clip] for clip in batch.clips], batch.target.numpy()
        for condition in conditions:
            heads = model(change(batch, condition).to(device))
            logits = heads.mean() if vote is None else vote(heads)  # [B, C]
            output = (logits if dataset.kind == "attributes" else logits.softmax(-1)).cpu().numpy()
            parts.append(prediction_table(batch.clips, speakers, condition, target, output, dataset.classes))
            if heads.in_step is not None:
                parts[-1]["in_step"], parts[-1]["lag"] = heads.in_step.cpu().numpy(), heads.lag.cpu().numpy()
    if was_training:
        model.train()
    return pd.concat(parts, ignore_index=True)


def posterior_table(dataset: ClipDataset, posteriors: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Predictions table of a dataset from posteriors `[N, C]` per condition, in the order of its clips."""
    about = dataset.clips, dataset.speakers
    truth = dataset.targets.to_numpy()
    parts = [prediction_table(*about, name, truth, p, dataset.classes) for name, p in posteriors.items()]
    return pd.concat(parts, ignore_index=True)


def prediction_table(clips, speakers, condition: str, target: np.ndarray, output: np.ndarray, classes) -> pd.DataFrame:
    """Rows of a predictions table for some clips under one condition.

    Args:
        clips, speakers: B names each.
        condition: Its name.
        target: `[B, C]` target shares, of which the largest is the truth; attributes on -1..1.
        output: `[B, C]` probabilities; attributes on -1..1.
        classes: C names, of classes or of attributes.

    Raises:
        InputError: when an output is not a number.
    """
    bad = ~np.isfinite(output).all(1)
    if bad.any():
        raise InputError(f"clip {np.asarray(clips)[bad][0]}: the posterior under {condition} is not a number.")
    table = pd.DataFrame({"clip": list(clips), "speaker": list(speakers), "condition": condition})
    names = list(classes)
    if set(names) <= set(ATTRIBUTES):
        table[[f"true-{name}" for name in names]] = unscaled(target)
        table[names] = unscaled(output)
        return table
    table["truth"] = np.asarray(names)[target.argmax(1)]
    table["predicted"] = np.asarray(names)[output.argmax(1)]
    table[names] = output
    return table
