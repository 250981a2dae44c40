"""What a model costs, before anybody trains it: parameters, operations and memory of each of its parts.

Nothing is computed: the model and its inputs live on PyTorch's meta device, where tensors have a shape and no values.
"""

from collections import defaultdict

import pandas as pd
import torch
from torch.utils.flop_counter import FlopCounterMode

from auxformer.config import ModelConfig
from auxformer.data.batch import Batch
from auxformer.errors import InputError
from auxformer.models import create_model, fast


def count_parameters(name: str, config: ModelConfig, audio_dims: int, video_dims: int, classes: int) -> int:
    """Number of trained parameters; no memory is taken for them."""
    with torch.device("meta"):
        model = create_model(name, config, audio_dims, video_dims, classes)
    return sum(parameter.numel() for parameter in model.parameters())


def cost_table(
    config: ModelConfig, audio_dims: int, video_dims: int, classes: int = 6,
    audio_frames: int = 250, video_frames: int = 75, clips: int = 32,
) -> pd.DataFrame:  # fmt: skip
    """Cost of each part of a model, and in all (row "total").

    Args:
        config: Settings of the model.
        audio_dims, video_dims: Width of the feature vectors.
        classes: Number of classes.
        audio_frames, video_frames: Length of a clip; the defaults are 2.5 s at 100/s and 3 s at 25/s.
        clips: Clips in a batch, for the memory.

    Returns:
        Indexed by part. Columns: `parameters`; `mflops`, million floating-point operations of one clip's forward pass (a
        multiplication with its addition counts as two; elementwise work is left out, and so are the shortcuts of
        `models.fast`); `saved_mb`, megabytes (10⁶ bytes)
        that PyTorch keeps of one batch for the backward pass when nothing is recomputed.

    Raises:
        InputError: a model that looks at values, such as packed sequences do at lengths.
    """
    with torch.device("meta"):
        model = create_model(config.name, config, audio_dims, video_dims, classes).train()
        batch = _batch(clips, audio_frames, audio_dims, video_frames, video_dims, classes)
    saved, where = defaultdict(int), ["input and output"]
    hooks = [hook for name, part in model.named_children() for hook in _watch(name, part, where)]
    seen = {id(parameter.untyped_storage()) for parameter in model.parameters()}
    kept = []  # keeps storages alive, so that no two have one identity

    def note(tensor):
        storage = tensor.untyped_storage()
        if storage._cdata not in seen and not isinstance(tensor, torch.nn.Parameter):
            seen.add(storage._cdata)
            kept.append(storage)
            saved[where[-1]] += storage.nbytes()
        return tensor

    with (
        fast.switched_off(),
        FlopCounterMode(display=False, depth=1) as counter,
        torch.autograd.graph.saved_tensors_hooks(note, lambda t: t),
    ):
        try:
            model(batch)
        except NotImplementedError as error:  # PyTorch's word for "a value was asked for"
            raise InputError(
                f"{config.name}: what it computes depends on the data; its cost cannot be counted beforehand."
            ) from error
    for hook in hooks:
        hook.remove()
    counts = counter.get_flop_counts()
    flops = {name.split(".", 1)[1]: sum(ops.values()) for name, ops in counts.items() if name.count(".") == 1}
    total = sum(counts["Global"].values())
    flops["input and output"] = total - sum(flops.values())
    parameters = {name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()}
    everything = sum(p.numel() for p in model.parameters())
    parameters["input and output"] = everything - sum(parameters.values())
    table = pd.DataFrame({"parameters": parameters, "flops": flops, "saved": saved}).fillna(0)
    table = table[(table != 0).any(axis=1)]
    table.loc["total"] = table.sum()
    return pd.DataFrame({
        "parameters": table.parameters.astype(int),
        "mflops": (table.flops / clips / 1e6).round(2),
        "saved_mb": (table.saved / 1e6).round(1),
    })  # fmt: skip


def _watch(name: str, part: torch.nn.Module, where: list[str]):
    """Hooks that keep `where[-1]` the name of the part that is computing."""
    yield part.register_forward_pre_hook(lambda *_: where.append(name))
    yield part.register_forward_hook(lambda *_: where.pop() and None)


def _batch(clips, audio_frames, audio_dims, video_frames, video_dims, classes) -> Batch:
    audio, video = torch.empty(clips, audio_frames, audio_dims), torch.empty(clips, video_frames, video_dims)
    masks = torch.ones(clips, audio_frames, dtype=torch.bool), torch.ones(clips, video_frames, dtype=torch.bool)
    present = torch.ones(clips, dtype=torch.bool)
    return Batch(audio, masks[0], video, masks[1], present, present, torch.empty(clips, classes), ("",) * clips)
