"""Sequences that somebody else extracted: an array of numbers per clip, `[T, D]`, at a rate that you say."""

import functools
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from auxformer.errors import InputError, MediaError, check_range
from auxformer.features.base import Clip, settings_digest

ONE_FILE = (".npz", ".safetensors")
"""Endings of files that hold the arrays of all clips, each under its clip's name."""
TORCH_ONLY = ("BF16", "F8_E4M3", "F8_E5M2")
"""Number types of safetensors files that NumPy has not."""


@dataclass(frozen=True)
class Arrays:
    """PATH is a folder of CLIP.npy, or one .npz or .safetensors file with an array per clip; numbers of any type.

    Attributes:
        path: The folder or file.
        frames_per_second: Rate of the sequences, Hz; no file says it.
        modality: "video" or "audio": which stream they describe.
        dims: Width of every array, that of the first by name.
    """

    path: str = field(repr=False)
    frames_per_second: float | None = None
    modality: str = "video"
    dims: int = field(init=False)

    def __post_init__(self):
        if self.frames_per_second is None:
            raise InputError(f'arrays: how many frames a second are in {self.path}? Say it as "arrays:PATH@29.97".')
        check_range("frames_per_second", self.frames_per_second, 0.1, 10_000)
        if self.modality not in ("audio", "video"):
            raise InputError(f'arrays: modality is "{self.modality}", expected "audio" or "video".')
        if not Path(self.path).is_dir() and Path(self.path).suffix not in ONE_FILE:
            raise InputError(f"{self.path}: expected a folder of .npy files, or an .npz or .safetensors file.")
        first = self._first()
        object.__setattr__(self, "dims", self._array(first).shape[1])

    @classmethod
    def said(cls, words: str) -> dict:
        """Settings that stand behind the path's @: frames per second."""
        try:
            return {"frames_per_second": float(words)}
        except ValueError as error:
            raise InputError(f'arrays: "@{words}" is no number of frames per second; say "arrays:PATH@29.97".') from error

    @property
    def name(self) -> str:
        """"arrays:" and the name of the folder or file."""
        return f"arrays:{Path(self.path).name}"

    def digest(self) -> str:
        """Changes with the rate, the stream and the place: other arrays are expected to lie elsewhere."""
        return settings_digest(self, str(Path(self.path).resolve()))

    def source(self, clip: Clip) -> str | None:
        """The clip's .npy file, or the file that holds all arrays."""
        return str(Path(self.path) / f"{clip.name}.npy") if Path(self.path).is_dir() else self.path

    def __call__(self, clip: Clip) -> np.ndarray:
        """The clip's array as `[T, D]` float32. Raises `MediaError` when it has none, or one of another width."""
        array = self._array(clip.name)
        if array.shape[1] != self.dims:
            raise MediaError(
                f"{self.path}: the array of {clip.name} has {array.shape[1]} numbers per frame, expected {self.dims} as "
                f"{self._first()} has"
            )
        return array

    def _first(self) -> str:
        if Path(self.path).is_dir():
            names = sorted(file.stem for file in Path(self.path).glob("*.npy"))
        else:
            names = sorted(_open(self.path)[0])
        if not names:
            raise InputError(f"{self.path}: holds no arrays, expected one per clip under the clip's name.")
        return names[0]

    def _array(self, name: str) -> np.ndarray:
        file = Path(self.path) / f"{name}.npy"
        try:
            if Path(self.path).is_dir():
                array = np.load(file, allow_pickle=False)
            else:
                names, read = _open(self.path)
                if name not in names:
                    raise MediaError(f"{self.path}: has no array named {name}; add it or leave the clip out")
                array = read(name)
        except FileNotFoundError as error:
            raise MediaError(f"{file}: there is no such file; add it or leave the clip out") from error
        except MediaError:
            raise
        except (OSError, ValueError, EOFError, TypeError, zipfile.BadZipFile) as error:
            raise MediaError(f"{self.path}: the array of {name} cannot be read ({error}); obtain it again") from error
        if array.ndim != 2 or 0 in array.shape or array.dtype.kind not in "biuf":
            raise MediaError(
                f"{self.path}: the array of {name} is {array.dtype} of shape {list(array.shape)}, expected numbers [T, D]"
            )
        with np.errstate(over="ignore"):  # what float32 cannot hold is infinite then, and refused
            array = array.astype(np.float32)
        if not np.isfinite(array).all():
            frame, column = np.argwhere(~np.isfinite(array))[0]
            raise MediaError(
                f"{self.path}: the array of {name} has {array[frame, column]} in frame {frame}, column {column}, expected "
                "finite numbers; mend it or leave the clip out"
            )
        return array


def _open(path: str) -> tuple[frozenset[str], Callable[[str], np.ndarray]]:
    """Names of the arrays in a file and a function that reads one; a file that has not changed is opened once per process."""
    try:
        status = os.stat(path)
        return _opened(path, status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); obtain it again.") from error


@functools.lru_cache(maxsize=2)
def _opened(path: str, size: int, modified_ns: int) -> tuple[frozenset[str], Callable[[str], np.ndarray]]:
    from safetensors import SafetensorError, safe_open

    try:
        if Path(path).suffix == ".npz":
            arrays = np.load(path, allow_pickle=False)
            return frozenset(arrays.files), arrays.__getitem__
        file = safe_open(path, "np")
    except (ValueError, EOFError, zipfile.BadZipFile, AttributeError, SafetensorError) as error:
        raise InputError(f"{path}: cannot be read as {Path(path).suffix} ({error}); obtain it again.") from error

    def read(name: str) -> np.ndarray:
        if file.get_slice(name).get_dtype() not in TORCH_ONLY:
            return file.get_tensor(name)
        with safe_open(path, "pt") as again:
            return again.get_tensor(name).float().numpy()

    return frozenset(file.keys()), read
