"""Where a network computes."""

import torch

from auxformer.errors import InputError


def device_of(name: str) -> torch.device:
    """The device called "auto" (a GPU where there is one), "cpu" or "cuda". Raises InputError for a GPU that is not there."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise InputError(f'device is "{name}", but this machine has no GPU that torch can use; say "cpu" or "auto".')
    return torch.device(name)
