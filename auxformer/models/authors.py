"""The authors' checkpoints and the parity vectors: their parameter names to ours and back, read without running code."""

from dataclasses import replace
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from auxformer.config import preset
from auxformer.data.batch import Batch
from auxformer.errors import InputError
from auxformer.files import make_folder, whole_file
from auxformer.models.auxformer import AuxFormer, shared_loss

_BUFFERS = (".version", "._float_tensor")  # bookkeeping of their toolkit, no parameters


def to_ours(name: str) -> str:
    """Our parameter name for one of theirs: only the four layers of the auxiliary head live elsewhere.

    >>> to_ours("proj_aux1.weight"), to_ours("a_mem.layers.0.fc1.bias")
    ('aux.proj_aux1.weight', 'a_mem.layers.0.fc1.bias')
    """
    return f"aux.{name}" if name.startswith(("proj_aux", "out_layer_aux")) else name


def to_theirs(name: str) -> str:
    """Their parameter name for one of ours."""
    return name.removeprefix("aux.")


def parameters_of(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The parameters among the authors' tensors, under our names."""
    return {to_ours(name): value for name, value in weights.items() if not name.endswith(_BUFFERS)}


def build(weights: dict[str, torch.Tensor], metadata: dict[str, str] | None = None) -> AuxFormer:
    """A published network whose shape is read off the authors' tensors and whose weights are theirs.

    Args:
        weights: Tensors under their names.
        metadata: heads ("num_heads"), "attn_mask" and dropouts; what it does not say is as published (10 heads, mask on).

    Raises:
        InputError: when the tensors are not those of an AuxFormer.
    """
    weights, metadata = parameters_of(weights), metadata or {}
    try:
        width = weights["a_mem.layer_norm.weight"].numel()
        audio_dims = weights["conv_1d_a.weight"].shape[1] if "conv_1d_a.weight" in weights else width
        video_dims = weights["conv_1d_v.weight"].shape[1] if "conv_1d_v.weight" in weights else width
        classes = weights["out_layer.bias"].numel()
        hidden = (weights["aux.proj_aux1.bias"].numel(), weights["aux.proj_aux2.bias"].numel())
    except KeyError as error:
        raise InputError(f"these weights are not an AuxFormer of the authors: there is no tensor {error}.") from error
    layers = len({name.split(".")[2] for name in weights if name.startswith("a_mem.layers.")})
    dropouts = {key: float(metadata[key]) for key in ("attn_dropout", "relu_dropout", "res_dropout", "embed_dropout", "out_dropout") if key in metadata}  # fmt: skip
    config = replace(
        preset("paper").model, width=width, layers=layers, aux_hidden=hidden, heads=int(metadata.get("num_heads", 10)),
        attn_mask=metadata.get("attn_mask", "True") == "True", **dropouts,
    )  # fmt: skip
    model = AuxFormer(config, audio_dims, video_dims, classes)
    missing, unexpected = model.load_state_dict(weights, strict=False)
    if missing or unexpected:
        raise InputError(f"these weights do not fit an AuxFormer: missing {missing[:3]}, unknown {unexpected[:3]}.")
    return model.eval()


def read_vectors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Tensors and metadata of a safetensors file. Raises InputError when it is none, or holds what is no number."""
    try:
        with safe_open(path, "pt") as file:
            tensors, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: not a readable safetensors file ({error}).") from error
    return _numbers(tensors, path), metadata


def _numbers(tensors: dict[str, torch.Tensor], path: Path) -> dict[str, torch.Tensor]:
    for name, tensor in tensors.items():
        if tensor.is_complex() or not torch.isfinite(tensor.float()).all():
            raise InputError(f"{path}: {name} holds values that are not finite real numbers; ask its owner for another file.")
    return tensors


def parity(path: Path) -> dict[str, float]:
    """Largest difference per quantity between the authors' architecture and ours, on one file of parity vectors.

    Keys: "full.logits_av" and so on for `no_audio` and `no_video`, "loss" (absolute differences) and "grad_norm" (relative).
    """
    tensors, metadata = read_vectors(path)
    model = build(
        {name.removeprefix("weights."): t for name, t in tensors.items() if name.startswith("weights.")}, metadata
    )
    complete = _batch(tensors["audio"], tensors["video"], tensors["labels"], model.out_layer.out_features)
    differences = {}
    for condition, batch in {
        "full": complete,
        "no_audio": complete._replace(audio=torch.zeros_like(complete.audio)),
        "no_video": complete._replace(video=torch.zeros_like(complete.video)),
    }.items():
        logits = model(batch)
        for head in ("av", "a", "v"):
            name = f"{condition}.logits_{head}"
            differences[name] = float((getattr(logits, head) - tensors[name]).detach().abs().max())
    # Their code weighs each loss by .3333, not by a third.
    loss = shared_loss(model(complete), complete.target, (0.3333, 0.3333, 0.3333))
    loss.backward()
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    norm = torch.linalg.vector_norm(torch.stack([gradient.norm() for gradient in gradients]))
    differences["loss"] = float((loss.detach() - tensors["loss"]).abs().max())
    differences["grad_norm"] = float((norm / tensors["grad_norm"] - 1).abs().max())
    return differences


def _batch(audio, video, labels, classes: int) -> Batch:
    count = len(audio)
    present = torch.ones(count, dtype=torch.bool)
    return Batch(
        audio, torch.ones(audio.shape[:2], dtype=torch.bool), video, torch.ones(video.shape[:2], dtype=torch.bool),
        present, present, torch.nn.functional.one_hot(labels, classes).float(), tuple(str(i) for i in range(count)),
    )  # fmt: skip


def read_checkpoint(path: Path) -> dict[str, torch.Tensor]:
    """Tensors of one of the authors' checkpoints (.pt, .pth or .safetensors), without running code that it may hold.

    Raises:
        InputError: for a file that is no checkpoint, or that would have to run code to be read (a pickled model).
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: there is no such checkpoint.")
    if path.suffix == ".safetensors":
        return read_vectors(path)[0]
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch names a dozen types; each means: not plain tensors
        raise InputError(
            f"{path}: holds more than tensors, or is damaged; it was not opened because reading it could run code "
            f"({str(error).splitlines()[0][:120]}). Ask its owner for the state_dict alone."
        ) from error
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not all(torch.is_tensor(value) for value in content.values()):
        raise InputError(f"{path}: expected a state_dict (name -> tensor), found {type(content).__name__}.")
    return _numbers({name.removeprefix("module."): value for name, value in content.items()}, path)


def convert(checkpoint: Path, out: Path, heads: int = 10, attn_mask: bool = True) -> AuxFormer:
    """Write the authors' checkpoint as safetensors under our names; returns the network it makes."""
    model = build(read_checkpoint(checkpoint), {"num_heads": str(heads), "attn_mask": str(attn_mask)})
    make_folder(Path(out).parent)
    state = {name: value.contiguous() for name, value in model.state_dict().items()}
    about = {"num_heads": str(heads), "attn_mask": str(attn_mask), "variant": "auxformer-published"}
    with whole_file(out) as part:
        save_file(state, part, metadata=about)
    return model
