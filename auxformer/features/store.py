"""Where features are kept: a folder of shards that are mapped into memory, and a table that says where each clip lies.

    store.json                  the extractor: name, modality, width, settings, digests of these and of its code, libraries
    index.csv                   one `Row` per clip, sorted by its name
    shard-00000.safetensors     frames [N, D] float32 of many clips, one after the other; written once, never changed; a frame
                                that is not valid (no face in it, say) is NaN throughout
    skipped.json                clip -> the sentence that says why it has no features

Every file appears whole or not at all, and a clip exists once the index names it: a writer that is killed loses the
shard it had in hand and nothing else. Writers take turns by a lock on the folder; readers need none. Nothing is ever
unpickled.
"""

import functools
import hashlib
import json
import logging
import math
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
from auxformer.fingerprints import made_by, what_changed

FORMAT, EARLIER_FORMATS = 2, (1,)
CODE = ("auxformer.features.", "auxformer.media")
"""Beginnings of the names of the modules that decide what an extractor gives."""
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
        return cls(str(path), status.st_size, status.st_mtime_ns, _content(path, status.st_size, status.st_mtime_ns))


@functools.lru_cache(maxsize=4)
def _content(path: str | os.PathLike, size: int, modified_ns: int) -> str:
    """Fingerprint of a file; one that thousands of clips come from is read once."""
    return fingerprint_of_file(path)


class Extracted(NamedTuple):
    """One clip on its way into a store: features `[T, D]` float32, their rate in Hz, the file they come from, and in what share
    of its frames there is a face (NaN: nobody looked)."""

    clip: str
    features: np.ndarray
    frames_per_second: float
    source: Source
    faces: float = math.nan


class Row(NamedTuple):
    """A clip's line of the index, after its name: where its features lie, what they are, what its file was like (`Source`)."""

    shard: int  # number of the file
    start: int  # first row in it
    length: int  # rows, T
    frames_per_second: float  # Hz; 0 for one vector per clip
    content: str  # fingerprint of the features
    source: str
    size: int  # bytes
    modified_ns: int
    hash: str
    faces: float = math.nan  # share of its frames with a face, where somebody looked


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
        path = self.folder / "store.json"
        if not path.is_file():
            raise InputError(f"{folder}: is not a feature store (no store.json); extract features first")
        described = _read_json(path)
        try:
            self.name, self.modality, self.digest = described["name"], described["modality"], described["digest"]
            self.dims, written = int(described["dims"]), described["format"]
        except (KeyError, TypeError, ValueError) as error:
            raise _damaged(path, f"lacks {error}") from error
        if written != FORMAT:
            raise _damaged(path, f"is of format {written}, expected {FORMAT}")
        self._shards: dict[int, np.ndarray] = {}
        self._seen: set[str] = set()  # clips whose features are known to be those that were written
        self.made_by = {"code": described.get("code"), "libraries": described.get("libraries")}
        self.reload()

    @classmethod
    def open(cls, folder: str | os.PathLike) -> "FeatureStore":
        """The store in a folder, to be read; no features are read yet.

        Raises:
            InputError: There is no store, or its tables are damaged.
        """
        return cls(folder)

    @classmethod
    def prepare(cls, folder: str | os.PathLike, extractor: Extractor) -> "FeatureStore":
        """The store of an extractor, to be written; made if it is not there.

        Clips in damaged shards are forgotten; all are when the extractor's code or a library that it uses has changed, or
        when the store is of an earlier version of this package.

        Raises:
            InputError: The folder cannot be written, or belongs to another extractor.
        """
        folder = make_folder(folder)
        try:
            with locked(folder):
                if (folder / "store.json").exists() and _read_json(folder / "store.json").get("format") in EARLIER_FORMATS:
                    print(f"{folder}: is of an earlier version; its features are taken again.")
                    (folder / "index.csv").unlink(missing_ok=True)
                    (folder / "store.json").unlink()
                if not (folder / "store.json").exists():
                    write_text(folder / "store.json", json.dumps(_describe(extractor), indent=2))
        except InputError:
            if (whole := cls._unwritable(folder, extractor)) is None:
                raise
            return whole
        store = cls(folder)
        if (store.digest, store.dims) != (extractor.digest(), extractor.dims):
            raise InputError(
                f"{folder}: holds {store.name} features with settings {store.digest}, expected {extractor.name} with "
                f"{extractor.digest()}; choose another folder"
            )
        with locked(folder):
            if store.made_by != (now := made_by([type(extractor)], CODE)):
                print(f"{store.name}: {what_changed(store.made_by, now)} changed since; its features are taken again.")
                store._write_index({})
                write_text(folder / "store.json", json.dumps(_describe(extractor), indent=2))
                store = cls(folder)
        store._forget_damaged()
        return store

    @classmethod
    def _unwritable(cls, folder: Path, extractor: Extractor) -> "FeatureStore | None":
        """The store in a folder that cannot be written, where it is one of this extractor as it is now."""
        store = cls(folder) if (folder / "store.json").is_file() else None
        now = made_by([type(extractor)], CODE)
        if store is None or (store.digest, store.dims, store.made_by) != (extractor.digest(), extractor.dims, now):
            return None
        return None if store._damaged_shards() else store

    def reload(self) -> None:
        """Read the tables again, to see what another process has written since."""
        skipped = self.folder / "skipped.json"
        self._rows = _read_index(self.folder / "index.csv")
        self.skipped: dict[str, str] = _read_json(skipped) if skipped.exists() else {}

    @property
    def index(self) -> pd.DataFrame:
        """A row per clip, the fields of `Row` as columns."""
        return _table(self._rows)

    @property
    def clips(self) -> list[str]:
        """Names of the clips that have features, sorted."""
        return list(self._rows)

    @property
    def contents(self) -> dict[str, str]:
        """Fingerprint of each clip's features."""
        return {clip: row.content for clip, row in self._rows.items()}

    @property
    def lengths(self) -> dict[str, int]:
        """Number of frames per clip."""
        return {clip: row.length for clip, row in self._rows.items()}

    @property
    def faces(self) -> dict[str, float]:
        """Share of each clip's frames with a face; NaN where nobody looked, or the store is older."""
        return {clip: row.faces for clip, row in self._rows.items()}

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, clip: str) -> bool:
        return clip in self._rows

    def __getitem__(self, clip: str) -> np.ndarray:
        """Features `[T, D]` float32 of a clip, NaN in a frame that is not valid: a read-only view of the mapped shard.

        Raises:
            InputError: it has none, or they are not those that were written.
        """
        row = self._row(clip)
        frames = self._frames(row.shard)[row.start : row.start + row.length]
        if clip not in self._seen:
            if _fingerprint(frames) != row.content:
                raise InputError(self._not_as_written(clip))
            self._seen.add(clip)
        return frames

    def frames_per_second(self, clip: str) -> float:
        """Rate of a clip's features in Hz; 0 for one vector per clip."""
        return self._row(clip).frames_per_second

    def is_current(self, clip: str, source: str | None) -> bool:
        """Whether the clip's features are those of the file as it is now (or was, if it is no longer there).

        Size and time of change are compared first; the content only where the time differs.
        """
        if clip not in self:
            return False
        if source is None or not os.path.exists(source):
            return True
        row, status = self._rows[clip], os.stat(source)
        if row.size != status.st_size:
            return False
        return row.modified_ns == status.st_mtime_ns or row.hash == _content(source, status.st_size, status.st_mtime_ns)

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
            number = max(self._numbers(), default=-1) + 1
            frames = np.concatenate([item.features for item in items], dtype=np.float32)  # [N, D]
            with whole_file(self._shard_path(number)) as part:
                part.write_bytes(save({"frames": frames}))
            added, start = {}, 0
            for item in items:
                what = _fingerprint(frames[start : start + len(item.features)])
                added[item.clip] = Row(number, start, len(item.features), float(item.frames_per_second), what, *item.source, float(item.faces))
                start += len(item.features)
            self._write_index({**self._rows, **added})

    def record_skipped(self, reasons: Mapping[str, str]) -> None:
        """Note why clips have no features, drop those of an older state of their files, strike off what works now."""
        with locked(self.folder):
            self.reload()
            if not self._rows.keys().isdisjoint(reasons):
                self._write_index({clip: row for clip, row in self._rows.items() if clip not in reasons})
            skipped = {clip: why for clip, why in {**self.skipped, **reasons}.items() if clip not in self}
            if skipped != self.skipped:
                write_text(self.folder / "skipped.json", json.dumps(skipped, indent=2))
            self.skipped = skipped

    def verify(self) -> list[str]:
        """Read everything, the media too, and say what is wrong, a sentence per problem; empty when all is well."""
        damaged = self._damaged_shards()
        problems = list(damaged.values())
        if not len(self) and list(self.folder.glob("shard-*.safetensors")):
            problems.append(f"{self.folder / 'index.csv'}: names no clip although there are shards; extract again")
        for clip, row in self._rows.items():
            if row.shard in damaged:
                continue
            path, frames = self._shard_path(row.shard), self._frames(row.shard)[row.start : row.start + row.length]
            if row.start < 0 or len(frames) != row.length or not len(frames):
                problems.append(f"{path}: the rows of the clip {clip} are not all in it")
            elif _fingerprint(frames) != row.content:
                problems.append(self._not_as_written(clip))
            elif self._is_another_file(row):
                problems.append(
                    f"{row.source}: is another file than the one the features of the clip {clip} were taken from, although of its "
                    "size and time; touch it, and extract again"
                )
        return problems

    def remove(self) -> None:
        """Delete the store and its folder."""
        self._shards.clear()
        shutil.rmtree(self.folder)

    def __repr__(self) -> str:
        return f"FeatureStore({self.name}, {len(self)} clips, {self.dims} dims, {self.folder})"

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_shards": {}, "_seen": set()}  # another process maps the shards itself

    def _not_as_written(self, clip: str) -> str:
        path = self._shard_path(self._rows[clip].shard)
        return f"{path}: the features of the clip {clip} are not those that were written; delete the file and extract again"

    @staticmethod
    def _is_another_file(row: Row) -> bool:
        """Whether a file of the same size and time as the source has another content; `is_current` does not look that far."""
        if not os.path.isfile(row.source):
            return False
        now = os.stat(row.source)
        same = (row.size, row.modified_ns) == (now.st_size, now.st_mtime_ns)
        return same and row.hash != _content(row.source, now.st_size, now.st_mtime_ns)

    def _row(self, clip: str) -> Row:
        if clip not in self:
            why = self.skipped.get(clip, "it was not extracted")
            raise InputError(f"{self.folder}: has no features of the clip {clip} ({why})")
        return self._rows[clip]

    def _frames(self, number: int) -> np.ndarray:
        if number not in self._shards:
            self._shards[number] = _map_shard(self._shard_path(number), self.dims)
        return self._shards[number]

    def _holds(self, item: Extracted) -> bool:
        return item.clip in self and self._rows[item.clip].hash == item.source.hash

    def _shard_path(self, number: int) -> Path:
        return self.folder / f"shard-{number:05d}.safetensors"

    def _numbers(self) -> set[int]:
        return {row.shard for row in self._rows.values()}

    def _damaged_shards(self) -> dict[int, str]:
        """Number of every shard that cannot be mapped -> the sentence that says why."""
        damaged = {}
        for number in sorted(self._numbers()):
            try:
                self._frames(number)
            except InputError as error:
                damaged[number] = str(error)
        return damaged

    def _write_index(self, rows: Mapping[str, Row]) -> None:
        with whole_file(self.folder / "index.csv") as part:
            _table(rows).sort_index().to_csv(part, index_label="clip", na_rep="nan")  # workers finish in any order
        self.reload()

    def _forget_damaged(self) -> None:
        with locked(self.folder):
            self.reload()
            # writers hold the lock, so what is half written belongs to one that was killed
            for leftover in self.folder.glob(".*.part"):
                leftover.unlink(missing_ok=True)
            damaged = self._damaged_shards()
            for reason in damaged.values():
                log.warning("%s; its clips are extracted again", reason)
            if damaged:
                self._write_index({clip: row for clip, row in self._rows.items() if row.shard not in damaged})


def find_stores(root: str | os.PathLike) -> list[FeatureStore]:
    """Every store below a folder, sorted by path."""
    return [FeatureStore.open(path.parent) for path in sorted(Path(root).rglob("store.json"))]


def check_features(features: np.ndarray, dims: int, clip: str, whole: bool = False) -> None:
    """Raise `MediaError` unless features are finite numbers `[T, dims]` with T >= 1.

    Frames that are NaN throughout are not valid and may stand beside valid ones, unless `whole` is asked for.
    """
    shape = np.shape(features)
    if len(shape) != 2 or shape[1] != dims or shape[0] < 1:
        raise MediaError(f"clip {clip}: its features have the shape {shape}, expected [T, {dims}] with T at least 1")
    lost = np.isnan(features).all(1)  # [T]
    kept = features if whole or lost.all() else features[~lost]
    if not np.isfinite(kept).all():
        raise MediaError(
            f"clip {clip}: {np.sum(~np.isfinite(kept))} of its features are not finite; leave the clip out"
        )


def _describe(extractor: Extractor) -> dict:
    described = {name: getattr(extractor, name) for name in ("name", "modality", "dims")}
    more = {"digest": extractor.digest(), "settings": repr(extractor), **made_by([type(extractor)], CODE)}
    return {"format": FORMAT, **described, **more}


def _damaged(path: Path, what: str) -> InputError:
    return InputError(f"{path}: {what}; delete its folder and extract the features again")


def _map_shard(path: Path, dims: int) -> np.ndarray:
    """Frames `[N, dims]` of a shard, mapped. The library checks the header; a slice from it would be a copy, which takes
    twice as long."""
    try:
        with safe_open(path, "np") as shard:
            frames = shard.get_slice("frames")
            shape, kind = frames.get_shape(), frames.get_dtype()
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: cannot be read ({error}); extract the features again") from error
    if kind != "F32" or len(shape) != 2 or shape[1] != dims:
        raise InputError(f"{path}: holds {kind} of shape {shape}, expected F32 [N, {dims}]; extract the features again")
    start = path.stat().st_size - 4 * shape[0] * dims  # the numbers are the end of the file
    return np.memmap(path, "<f4", "r", offset=start, shape=tuple(shape)).view(np.ndarray)  # [N, D]


def _fingerprint(frames: np.ndarray) -> str:
    return hashlib.blake2b(np.ascontiguousarray(frames, np.float32), digest_size=8).hexdigest()


def _read_json(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(path, f"cannot be read ({error})") from error


def _table(rows: Mapping[str, Row]) -> pd.DataFrame:
    return pd.DataFrame.from_dict(rows, "index", columns=Row._fields)


def _read_index(path: Path) -> dict[str, Row]:
    if not path.exists():
        return {}
    columns = {"clip": str, **Row.__annotations__}
    try:
        table = pd.read_csv(path, dtype=columns, keep_default_na=False, na_values={"faces": "nan"})
        table = table.assign(faces=table.get("faces", math.nan))[list(columns)]  # older stores have no such column
    except (OSError, ValueError, KeyError) as error:
        raise _damaged(path, f"is damaged ({error})") from error
    if table["clip"].duplicated().any():
        raise _damaged(path, f"lists the clip {table['clip'][table['clip'].duplicated()].iloc[0]} twice")
    return {clip: Row(*row) for clip, *row in table.itertuples(index=False, name=None)}
