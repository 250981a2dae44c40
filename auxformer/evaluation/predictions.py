"""Posteriors kept per clip and condition, from which any score can be computed again."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
import torch

from auxformer.corpora.labels import unscaled
from auxformer.data.batch import ClipDataset, eval_batches
from auxformer.data.missing import CONDITIONS, apply_condition
from auxformer.errors import InputError
from auxformer.models.memory import keep_freed_memory


@torch.no_grad()
def predict(model, dataset: ClipDataset, conditions: Iterable[str] = tuple(CONDITIONS), device="cpu") -> pd.DataFrame:
    """Posteriors of every clip under every condition, as a predictions table without the speaker column.

    Args:
        model: A network of the registry, or anything that maps a `Batch` to `Logits`.
        dataset: The clips.
        conditions: Names from `auxformer.data.missing.CONDITIONS`.
        device: Where the network lives.
    """
    keep_freed_memory()
    was_training = getattr(model, "training", False)
    if was_training:
        model.eval()
    parts = []
    for batch in eval_batches(dataset):
        for condition in conditions:
            logits = model(apply_condition(batch, condition).to(device)).mean()  # [B, C]
            if dataset.kind == "attributes":
                parts.append(
                    attribute_table(batch.clips, condition, batch.target.numpy(), logits.cpu().numpy(), dataset.classes)
                )
                continue
            posterior = logits.softmax(-1).cpu().numpy()
            parts.append(prediction_table(batch.clips, condition, batch.target.numpy(), posterior, dataset.classes))
    if was_training:
        model.train()
    return pd.concat(parts, ignore_index=True)


def prediction_table(
    clips, condition: str, target: np.ndarray, posterior: np.ndarray, classes: Sequence[str]
) -> pd.DataFrame:
    """Rows of a predictions table for some clips under one condition.

    Args:
        clips: B names.
        condition: Its name.
        target: `[B, C]` target shares; the truth is the largest.
        posterior: `[B, C]` probabilities.
        classes: C names.

    Raises:
        InputError: when a posterior is not a number.
    """
    bad = ~np.isfinite(posterior).all(1)
    if bad.any():
        raise InputError(f"clip {np.asarray(clips)[bad][0]}: the posterior under {condition} is not a number.")
    names = np.asarray(classes)
    table = pd.DataFrame({"clip": list(clips), "condition": condition, "truth": names[target.argmax(1)], "predicted": names[posterior.argmax(1)]})  # fmt: skip
    table[list(classes)] = posterior
    return table


def attribute_table(
    clips, condition: str, target: np.ndarray, output: np.ndarray, attributes: Sequence[str]
) -> pd.DataFrame:
    """Rows of a predictions table of attributes for some clips under one condition.

    Args:
        clips: B names.
        condition: Its name.
        target, output: `[B, K]` on -1..1; the table is on the raters' scale.
        attributes: K names.

    Raises:
        InputError: when an output is not a number.
    """
    bad = ~np.isfinite(output).all(1)
    if bad.any():
        raise InputError(f"clip {np.asarray(clips)[bad][0]}: the prediction under {condition} is not a number.")
    table = pd.DataFrame({"clip": list(clips), "condition": condition})
    table[[f"true-{name}" for name in attributes]] = unscaled(target)
    table[list(attributes)] = unscaled(output)
    return table
