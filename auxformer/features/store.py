"""Where features are kept: a folder of shards that are mapped into memory, and a table that says where each clip lies.

    store.json                  the extractor: name, modality, width, digest, settings, library versions
    index.csv                   one row per clip, see `INDEX_COLUMNS`
    shard-00000.safetensors     frames [N, D] float32 of many clips, one after the other; written once, never changed
    skipped.json                clip -> the sentence that says why it has no features

Every file appears whole or not at all, and a clip exists once the index names it: a writer that is killed loses the
shard it had in hand and nothing else. Writers take turns by a lock on the folder; readers need none. Nothing is ever
unpickled.
"""

import contextlib
import hashlib
import importlib.metadata
import json
import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from auxformer.errors import InputError, MediaError
from auxformer.features.base import Extractor
from auxformer.files import fingerprint_of_file, locked, make_folder, whole_file, write_text

FORMAT = 1
INDEX_COLUMNS = {
    "clip": str,  # name
    "shard": int,  # number of the file
    "start": int,  # first row in it
    "length": int,  # rows, T
    "frames_per_second": float,  # Hz; 0 for one vector per clip
    "source": str,  # file that was read
    "size": int,  # its bytes
    "modified_ns": int,  # its time of change
    "hash": str,  # of its content
}
LIBRARIES = ("auxformer", "av", "numpy", "opensmile", "scikit-image", "transformers")
log = logging.getLogger(__name__)


class Source(NamedTuple):
    """What a source file was like when features were taken from it."""

    source: str
    size: int
    modified_ns: int
    hash: str

    @classmethod
    def of(cls, path: str | os.PathLike) -> "Source":
        """Look at the file as it is now; reads all of it. Raises OSError when it is not there."""
        status = os.stat(path)  # first, so that a file written to meanwhile looks changed later
        return cls(str(path), status.st_size, status.st_mtime_ns, fingerprint_of_file(path))


class Extracted(NamedTuple):
    """One clip on its way into a store: features `[T, D]` float32, their rate in Hz, and the file they come from."""

    clip: str
    features: np.ndarray
    frames_per_second: float
    source: Source


class Place(NamedTuple):
    """Where a clip's features lie: shard number, first row, rows, and their rate in Hz."""

    shard: int
    start: int
    length: int
    frames_per_second: float


class FeatureStore:
    """Features of the clips of one corpus by one extractor: `store[clip]` is `[T, D]` float32.

    Made by `FeatureStore.open` (to read) or `FeatureStore.prepare` (to write).

    Attributes:
        folder: Where it lies.
        name, modality, dims, digest: Those of the extractor.
        skipped: Clip -> sentence, for clips that could not be used.
    """

    def __init__(self, folder: str | os.PathLike):
        self.folder = Path(folder)
        described = _read_json(self.folder / "store.json")
        try:
            self.name, self.modality, self.digest = described["name"], described["modality"], described["digest"]
            self.dims, self.format = int(described["dims"]), described["format"]
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"{self.folder / 'store.json'}: lacks {error}; delete the folder and extract again"
            ) from error
        if self.format != FORMAT:
            raise InputError(
                f"{self.folder}: is of format {self.format}, expected {FORMAT}; delete it and extract again"
            )
        self._shards: dict[int, np.ndarray] = {}
        self.reload()

    @classmethod
    def open(cls, folder: str | os.PathLike) -> "FeatureStore":
        """The store in a folder, to be read; no features are read yet.

        Raises:
            InputError: There is no store, or its tables are damaged.
        """
        if not (Path(folder) / "store.json").is_file():
            raise InputError(f"{folder}: is not a feature store (no store.json); extract features first")
        return cls(folder)

    @classmethod
    def prepare(cls, folder: str | os.PathLike, extractor: Extractor) -> "FeatureStore":
        """The store of an extractor, to be written; made if it is not there. Clips in damaged shards are forgotten.

        Raises:
            InputError: The folder cannot be written, or belongs to another extractor.
        """
        folder = make_folder(folder)
        with locked(folder):
            if not (folder / "store.json").exists():
                write_text(folder / "store.json", json.dumps(_describe(extractor), indent=2))
        store = cls(folder)
        if (store.digest, store.dims) != (extractor.digest(), extractor.dims):
            raise InputError(
                f"{folder}: holds {store.name} features with settings {store.digest}, expected {extractor.name} with "
                f"{extractor.digest()}; choose another folder"
            )
        store._forget_damaged()
        return store

    def reload(self) -> None:
        """Read the tables again, to see what another process has written since."""
        self.index = _read_index(self.folder / "index.csv")
        skipped = self.folder / "skipped.json"
        self.skipped: dict[str, str] = _read_json(skipped) if skipped.exists() else {}
        places = map(Place._make, self.index[list(Place._fields)].itertuples(index=False, name=None))
        self._places: dict[str, Place] = dict(zip(self.index.index, places, strict=True))

    @property
    def clips(self) -> list[str]:
        """Names of the clips that have features, sorted."""
        return list(self._places)

    @property
    def lengths(self) -> pd.Series:
        """Number of frames per clip."""
        return self.index["length"]

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, clip: str) -> bool:
        return clip in self._places

    def __getitem__(self, clip: str) -> np.ndarray:
        """Features `[T, D]` float32 of a clip: a read-only view of the mapped shard, nothing is copied."""
        place = self._place(clip)
        return self._frames(place.shard)[place.start : place.start + place.length]

    def frames_per_second(self, clip: str) -> float:
        """Rate of a clip's features in Hz; 0 for one vector per clip."""
        return float(self._place(clip).frames_per_second)

    def is_current(self, clip: str, source: str | None) -> bool:
        """Whether the clip's features are those of the file as it is now (or was, if it is no longer there).

        Size and time of change are compared first; the content only where they differ.
        """
        if clip not in self:
            return False
        if source is None or not os.path.exists(source):
            return True
        row, status = self.index.loc[clip], os.stat(source)
        if (row["size"], row["modified_ns"]) == (status.st_size, status.st_mtime_ns):
            return True
        return row["size"] == status.st_size and row["hash"] == Source.of(source).hash

    def append(self, items: Sequence[Extracted]) -> None:
        """Write clips as one more shard; a clip that is there already is replaced. Safe beside other writers.

        Raises:
            MediaError: Features that are not finite numbers `[T, D]`; nothing is written then.
            InputError: The folder cannot be written.
        """
        for item in items:
            check_features(item.features, self.dims, item.clip)
        with locked(self.folder):
            self.reload()
            items = [item for item in items if not self._holds(item)]
            if not items:
                return
            number = int(self.index["shard"].max()) + 1 if len(self.index) else 0
            frames = np.concatenate([item.features for item in items], dtype=np.float32)  # [N, D]
            with whole_file(self._shard_path(number)) as part:
                part.write_bytes(save({"frames": frames}, {"sha256": _checksum(frames)}))
            kept = self.index.drop([item.clip for item in items], errors="ignore")
            added = _index_rows(items, number)
            self._write_index(pd.concat([kept, added]) if len(kept) else added)

    def record_skipped(self, reasons: Mapping[str, str]) -> None:
        """Note why clips have no features, drop those of an older state of their files, strike off what works now."""
        with locked(self.folder):
            self.reload()
            outdated = self.index.index.intersection(list(reasons))
            if len(outdated):
                self._write_index(self.index.drop(outdated))
            skipped = {clip: why for clip, why in {**self.skipped, **reasons}.items() if clip not in self}
            if skipped != self.skipped:
                write_text(self.folder / "skipped.json", json.dumps(skipped, indent=2))
            self.skipped = skipped

    def verify(self) -> list[str]:
        """Read everything and say what is wrong, a sentence per problem; empty when all is well."""
        problems = []
        if not len(self.index) and list(self.folder.glob("shard-*.safetensors")):
            problems.append(f"{self.folder / 'index.csv'}: names no clip although there are shards; extract again")
        for number, rows in self.index.groupby("shard"):
            try:
                frames = self._frames(number)
            except InputError as error:
                problems.append(str(error))
                continue
            path, written = self._shard_path(number), _written_checksum(self._shard_path(number))
            if written and written != _checksum(frames):
                problems.append(f"{path}: its numbers are not those that were written; delete it and extract again")
            for clip, row in rows.iterrows():
                part = frames[row["start"] : row["start"] + row["length"]]
                if row["start"] < 0 or len(part) != row["length"] or not len(part):
                    problems.append(f"{self._shard_path(number)}: the rows of the clip {clip} are not all in it")
                elif not np.isfinite(part).all():
                    problems.append(f"{self._shard_path(number)}: the features of the clip {clip} are not all finite")
        return problems

    def remove(self) -> None:
        """Delete the store and its folder."""
        self._shards.clear()
        shutil.rmtree(self.folder)

    def __repr__(self) -> str:
        return f"FeatureStore({self.name}, {len(self)} clips, {self.dims} dims, {self.folder})"

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_shards": {}}  # another process maps the shards itself

    def _place(self, clip: str) -> Place:
        try:
            return self._places[clip]
        except KeyError:
            why = self.skipped.get(clip, "it was not extracted")
            raise InputError(f"{self.folder}: has no features of the clip {clip} ({why})") from None

    def _frames(self, number: int) -> np.ndarray:
        if number not in self._shards:
            self._shards[number] = _map_shard(self._shard_path(number), self.dims)
        return self._shards[number]

    def _holds(self, item: Extracted) -> bool:
        return item.clip in self and self.index.at[item.clip, "hash"] == item.source.hash

    def _shard_path(self, number: int) -> Path:
        return self.folder / f"shard-{number:05d}.safetensors"

    def _write_index(self, index: pd.DataFrame) -> None:
        with whole_file(self.folder / "index.csv") as part:
            index.sort_index().to_csv(part, index_label="clip")  # workers finish in any order
        self.reload()

    def _forget_damaged(self) -> None:
        with locked(self.folder):
            self.reload()
            # writers hold the lock, so what is half written belongs to one that was killed
            for leftover in self.folder.glob(".*.part"):
                leftover.unlink(missing_ok=True)
            damaged = []
            for number in self.index["shard"].unique():
                try:
                    self._frames(number)
                except InputError as error:
                    log.warning("%s; its clips are extracted again", error)
                    damaged.append(number)
            if damaged:
                self._write_index(self.index[~self.index["shard"].isin(damaged)])


def find_stores(root: str | os.PathLike) -> list[FeatureStore]:
    """Every store below a folder, sorted by path."""
    return [FeatureStore.open(path.parent) for path in sorted(Path(root).rglob("store.json"))]


def check_features(features: np.ndarray, dims: int, clip: str) -> None:
    """Raise `MediaError` unless features are finite numbers `[T, dims]` with T >= 1."""
    shape = np.shape(features)
    if len(shape) != 2 or shape[1] != dims or shape[0] < 1:
        raise MediaError(f"clip {clip}: its features have the shape {shape}, expected [T, {dims}] with T at least 1")
    if not np.isfinite(features).all():
        raise MediaError(
            f"clip {clip}: {np.sum(~np.isfinite(features))} of its features are not finite; leave the clip out"
        )


def _describe(extractor: Extractor) -> dict:
    versions = {}
    for library in LIBRARIES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[library] = importlib.metadata.version(library)
    described = {name: getattr(extractor, name) for name in ("name", "modality", "dims")}
    return {
        "format": FORMAT,
        **described,
        "digest": extractor.digest(),
        "settings": repr(extractor),
        "libraries": versions,
    }


def _index_rows(items: Sequence[Extracted], number: int) -> pd.DataFrame:
    lengths = [len(item.features) for item in items]
    starts = np.cumsum([0, *lengths[:-1]])
    rows = [
        {"clip": item.clip, "shard": number, "start": start, "length": length,
         "frames_per_second": item.frames_per_second, **item.source._asdict()}
        for item, start, length in zip(items, starts, lengths, strict=True)
    ]  # fmt: skip
    return pd.DataFrame(rows).set_index("clip")


def _map_shard(path: Path, dims: int) -> np.ndarray:
    """Frames `[N, dims]` of a shard, mapped. The library checks the header; a slice from it would be a copy, which takes
    twice as long."""
    try:
        with safe_open(path, "np") as shard:
            frames = shard.get_slice("frames")
            shape, kind = frames.get_shape(), frames.get_dtype()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); extract the features again") from error
    except SafetensorError as error:
        raise InputError(f"{path}: is damaged ({error}); extract the features again") from error
    if kind != "F32" or len(shape) != 2 or shape[1] != dims:
        raise InputError(f"{path}: holds {kind} of shape {shape}, expected F32 [N, {dims}]; extract the features again")
    start = path.stat().st_size - 4 * shape[0] * dims  # the numbers are the end of the file
    mapped = np.memmap(path, "<f4", "r", offset=start, shape=tuple(shape))
    return mapped.view(np.ndarray)  # [N, D]


def _checksum(frames: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(frames)).hexdigest()


def _written_checksum(path: Path) -> str | None:
    """What the frames of a shard gave when they were written; None in shards of before there were checksums."""
    with safe_open(path, "np") as shard:
        return (shard.metadata() or {}).get("sha256")


def _read_json(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); delete the folder and extract again") from error


def _read_index(path: Path) -> pd.DataFrame:
    if not path.exists():
        empty = {name: pd.Series(dtype=kind) for name, kind in INDEX_COLUMNS.items()}
        return pd.DataFrame(empty).set_index("clip")
    try:
        index = pd.read_csv(path, dtype=INDEX_COLUMNS, keep_default_na=False)[list(INDEX_COLUMNS)].set_index("clip")
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path}: is damaged ({error}); delete the folder and extract again") from error
    if index.index.has_duplicates:
        raise InputError(f"{path}: lists the clip {index.index[index.index.duplicated()][0]} twice; extract again")
    return index
