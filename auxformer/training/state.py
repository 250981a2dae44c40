"""What resuming a run needs, on disk: whole or not at all, nothing pickled."""

import json
import os
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from auxformer.errors import InputError
from auxformer.files import make_folder, writing


def save_state(states: Path, epoch: int, tensors: dict[str, dict], values: dict, keep: int = 1) -> None:
    """Write `states/epoch-N` aside, move it into place, then drop all but the last `keep`: there is always a whole one.

    Args:
        states: Folder of the states.
        epoch: Its number, counted from 1.
        tensors: File name -> named tensors.
        values: What JSON can hold.
        keep: States to leave.

    Raises:
        InputError: when it cannot be written (disk full); the states before it are untouched.
    """
    aside, final = states / "writing", states / f"epoch-{epoch:05d}"
    shutil.rmtree(aside, ignore_errors=True)
    try:
        with writing(final):
            make_folder(aside)
            for name, named in tensors.items():
                whole = {key: value.detach().contiguous() for key, value in named.items()}
                save_file(whole, aside / f"{name}.safetensors")
            (aside / "state.json").write_text(json.dumps(values))
            shutil.rmtree(final, ignore_errors=True)
            os.replace(aside, final)
    except InputError as error:
        raise InputError(f"{error}; it goes on after the last epoch that was saved.") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    for old in sorted(states.glob("epoch-*"))[:-keep]:
        shutil.rmtree(old, ignore_errors=True)


def load_state(states: Path) -> tuple[dict[str, dict[str, torch.Tensor]], dict] | None:
    """Tensors and values of the last state, or None when there is none."""
    found = sorted(Path(states).glob("epoch-*"))
    if not found:
        return None
    tensors = {file.stem: load_file(file) for file in found[-1].glob("*.safetensors")}
    return tensors, json.loads((found[-1] / "state.json").read_text())


def optimizer_tensors(optimizer) -> dict[str, torch.Tensor]:
    """The optimiser's state as flat named tensors: "<parameter number>.<name>"."""
    state = optimizer.state_dict()["state"]
    flat = [(f"{index}.{name}", value) for index, entry in state.items() for name, value in entry.items()]
    return {name: torch.as_tensor(value).clone() for name, value in flat}


def load_optimizer_tensors(optimizer, tensors: dict[str, torch.Tensor]) -> None:
    """The inverse of `optimizer_tensors`."""
    state: dict[int, dict] = {}
    for name, value in tensors.items():
        index, entry = name.split(".", 1)
        state.setdefault(int(index), {})[entry] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
