"""What features taken from trained networks share: where a model lies, what it is, where it runs, how it is loaded.

Nothing is downloaded here and no code of a model's author runs: weights are safetensors files that are already there.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from auxformer.errors import InputError, check_choice
from auxformer.features.face import FaceExtractor
from auxformer.features.track import FaceTrack, level_crops
from auxformer.files import file_hash, whole_file

ABOUT = ("config.json", "preprocessor_config.json")
"""Files beside the weights that say what network they belong to and what it expects."""


class HubModel:
    """An extractor whose network `model` names: `folder` says where it lies, `content` is a hash of what it is."""

    kind: ClassVar[str]

    @property
    def name(self) -> str:
        """The extractor's name, a colon, and the last part of the model's."""
        return f"{self.kind}:{Path(self.model).name}"

    def look_up(self) -> Path:
        """Find the model, and note `folder` and `content`. Raises `InputError` as `find_model` does."""
        folder = find_model(self.model)
        object.__setattr__(self, "folder", str(folder))
        object.__setattr__(self, "content", model_hash(folder))
        return folder


class FaceNetwork(FaceExtractor):
    """An extractor whose network sees the face, cropped by `boxes` and `margin` as for `hog`, some frames at a time.

    Each has `frames_at_once` and `see`, from so many colour pictures `[B, H, W, 3]` to vectors `[B, D]` float32.
    """

    crop_size: ClassVar[int] = 224
    """Pixels per side of the crop, what networks of this kind are trained on."""

    def of_film(self, frames: np.ndarray, grey: np.ndarray | None, track: FaceTrack) -> np.ndarray:
        """Vectors `[T, D]` float32 of RGB frames uint8 `[T, H, W, 3]` with a face on a path."""
        return self.of_faces(level_crops(frames, track, self.crop_size, self.margin).round().astype(np.uint8))

    def of_faces(self, faces: np.ndarray) -> np.ndarray:
        """Vectors `[T, D]` float32 of colour pictures `[T, H, W, 3]` (RGB, 0..255) of any size."""
        starts = range(0, len(faces), self.frames_at_once)
        return np.concatenate([self.see(faces[at : at + self.frames_at_once]) for at in starts])


def find_model(name: str) -> Path:
    """The folder of a Hugging Face model: `name` itself, or where the local cache of the hub keeps it.

    Args:
        name: A folder, or a name on the hub ("facebook/wav2vec2-large-robust"), with "@REVISION" when not the main one.

    Raises:
        InputError: It is neither a folder nor in the cache, or holds no config.json and safetensors weights.
    """
    folder = Path(name).resolve() if Path(name).is_dir() else _in_cache(name)
    if not (folder / "config.json").is_file():
        raise _unusable(folder, "has no config.json")
    if not any(folder.glob("*.safetensors")):
        if (folder / "pytorch_model.bin").is_file():
            raise InputError(
                f"{folder}: has its weights only as pytorch_model.bin, expected model.safetensors; convert them with "
                f"python -c \"from auxformer.features.pretrained.networks import convert; convert('{folder}')\""
            )
        raise _unusable(folder, "has no safetensors weights")
    return folder


def convert(folder: str | os.PathLike) -> Path:
    """Write model.safetensors beside the pytorch_model.bin of a folder, without running code that the file may hold.

    Raises:
        InputError: The file is not there, is damaged, or holds more than tensors.
    """
    from safetensors.torch import save_file

    target = Path(folder) / "model.safetensors"
    weights = read_pickled(Path(folder) / "pytorch_model.bin")
    with whole_file(target) as part:
        save_file({name: value.clone().contiguous() for name, value in weights.items()}, part, {"format": "pt"})
    return target


def read_pickled(path: str | os.PathLike) -> dict:
    """Name -> tensor of a file that torch saved; only tensors are let in. Raises `InputError` for anything else."""
    return read_tensors(path)


def read_tensors(path: str | os.PathLike, part: str | None = None) -> dict:
    """The same of a file whose weights lie under the name `part`, beside what its training left there."""
    import torch

    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # of a damaged file, whatever the reader stumbles over
        raise _unusable(path, f"is not a plain file of weights ({_first_line(error)})") from error
    if part is not None:
        if not isinstance(weights, dict) or part not in weights:
            raise _unusable(path, f'holds nothing named "{part}"')
        weights = weights[part]
    if not isinstance(weights, dict):
        raise _unusable(path, f"is not a plain file of weights (it holds a {type(weights).__name__})")
    return {name: value for name, value in weights.items() if isinstance(value, torch.Tensor)}


def model_hash(folder: str | os.PathLike) -> str:
    """Hex digits over the weights and settings of a model's folder: the same wherever the folder lies."""
    files = [Path(folder) / name for name in ABOUT] + sorted(Path(folder).glob("*.safetensors"))
    hashes = [f"{file.name} {file_hash(file)}" for file in files if file.is_file()]
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def choose_device(name: str) -> str:
    """Where a network runs, "cuda" or "cpu": as told, or for "auto" on a GPU where there is one."""
    import torch

    check_choice("device", name, ("auto", "cpu", "cuda"))
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise InputError('device is "cuda", but this machine has no GPU that torch can use; say "cpu" or "auto".')
    return "cuda" if there and name != "cpu" else "cpu"


def load_model(kind: type, folder: str | os.PathLike, may_lack: Sequence[str] = (), **options) -> tuple:
    """A trained network, ready to be used, and the names of its parameters that the weights lack.

    Args:
        kind: Class of the transformers library with `from_pretrained`.
        folder: Where config.json and the weights lie.
        may_lack: Beginnings of the names of parameters that may be absent (drawn at random then, so leave them unused).
        options: Settings that replace those of config.json.

    Raises:
        InputError: The weights are damaged, or lack parameters, or have other shapes than config.json says.
    """
    import torch
    from safetensors import SafetensorError

    sources = {"local_files_only": True, "use_safetensors": True, "trust_remote_code": False}
    try:
        with _quiet():
            model, report = kind.from_pretrained(
                folder, **sources, output_loading_info=True, dtype=torch.float32, **options
            )  # float32: weights kept in half precision are not meant to be computed with on a CPU
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, SafetensorError) as error:
        said = f"cannot be loaded ({_first_line(error)}), expected config.json and the safetensors weights of it"
        raise _unusable(folder, said) from error
    lacking = sorted(report["missing_keys"])
    unknown = [name for name in lacking if not name.startswith(tuple(may_lack))]
    if unknown:
        raise _unusable(
            folder, f"its weights lack {unknown[0]} and {len(unknown) - 1} others that config.json describes"
        )
    return model.eval().requires_grad_(False), lacking


def read_config(kind: type, folder: str | os.PathLike, **options):
    """What config.json (or preprocessor_config.json) says, read by a class of transformers. Raises `InputError`."""
    try:
        with _quiet():
            return kind.from_pretrained(folder, local_files_only=True, **options)
    except (OSError, ValueError, KeyError, TypeError, ImportError) as error:
        raise _unusable(folder, f"its settings cannot be read ({_first_line(error)})") from error


def _unusable(path: str | os.PathLike, what: str) -> InputError:
    return InputError(f"{path}: {what}; download the whole model again")


def _in_cache(name: str) -> Path:
    from huggingface_hub import try_to_load_from_cache

    repository, _, revision = name.partition("@")
    found = None
    with contextlib.suppress(ValueError):  # not a possible name
        found = try_to_load_from_cache(repository, "config.json", revision=revision or None)
    if not isinstance(found, str):
        revised = f" --revision {revision}" if revision else ""
        raise InputError(
            f'model "{name}": is neither a folder nor in the local cache of Hugging Face models, and nothing is '
            f"downloaded unasked; run `hf download {repository}{revised}` where there is a network, or give the folder "
            "of a copy"
        )
    return Path(found).parent


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)  # what matters of its report, `load_model` says itself
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
