"""Files that appear whole or not at all, a lock that writers take in turns, and what a file's content is told by."""

import contextlib
import errno
import functools
import hashlib
import os
import re
import tomllib
import uuid
from collections.abc import Iterator
from pathlib import Path

from auxformer.errors import InputError
from auxformer.progress import say

LFS_POINTER = b"version https://git-lfs"
"""How a Git-LFS pointer begins, the text that lies in a clone in place of a large file."""
REMEDIES = {
    errno.ENOSPC: "make room on the disk and run it again",
    errno.EDQUOT: "make room within your quota and run it again",
    errno.EROFS: "choose a folder that can be written",
    errno.EACCES: "check its permissions and those of the folder, or choose another one",
    errno.EPERM: "check its permissions and those of the folder, or choose another one",
    errno.ENOENT: "make its folder first",
    errno.ENOTDIR: "a file lies where its folder should be, so choose another one",
    errno.EISDIR: "a folder of this name is in the way, so choose another name",
}
"""What to do about a file that cannot be written, by the system's number for the reason."""


@contextlib.contextmanager
def whole_file(path: str | os.PathLike) -> Iterator[Path]:
    """A temporary path beside `path` that is renamed to it when the block ends well, and removed when it does not.

    Raises:
        InputError: The file cannot be written (disk full, read-only, no such folder).
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}.part")  # of threads and of other machines, too
    try:
        with writing(path):
            yield part
            os.replace(part, path)
    finally:
        with contextlib.suppress(OSError):  # where nothing can be written nothing can be removed either
            part.unlink(missing_ok=True)


@contextlib.contextmanager
def writing(path: str | os.PathLike) -> Iterator[None]:
    """What the system refuses while a file or folder is written in the block becomes an `InputError` of one sentence."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        number, reason = _system_error(error)
        if reason is None:
            raise
        remedy = REMEDIES.get(number, "check the disk and the folder")
        raise InputError(f"{path}: cannot be written ({reason}); {remedy}") from error


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write a text as UTF-8 with plain line ends, whole or not at all. Raises `InputError` as `whole_file` does."""
    with whole_file(path) as part:
        part.write_text(text, encoding="utf-8", newline="\n")


def read_text(path: str | os.PathLike) -> str:
    """The text of a UTF-8 file. Raises InputError for a file that is none."""
    try:
        return Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as UTF-8 text ({error}).") from error


def read_toml(path: str | os.PathLike) -> dict:
    """The content of a TOML file. Raises InputError for a file that is none."""
    try:
        return tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: cannot be read as TOML ({error}).") from error


def make_folder(path: str | os.PathLike) -> Path:
    """Make a folder and those above it; it may be there already. Raises `InputError` when that cannot be."""
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be made ({error.strerror}); choose a folder that can be written") from error
    return Path(path)


@contextlib.contextmanager
def locked(folder: str | os.PathLike, waiting: str = "") -> Iterator[None]:
    """Wait until no other process has the folder locked, and lock it for the block; a process that dies lets go.

    A block inside another of the same folder in the same process passes through.

    Args:
        folder: It must be there.
        waiting: Said when another process has it (`progress.say`).

    Raises:
        InputError: The folder cannot be written.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(Path(folder).resolve() / ".lock", thread_local=False, is_singleton=True)
    with writing(folder):
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if waiting:
                say(waiting)
            lock.acquire(poll_interval=0.01)
    try:
        yield
    finally:
        lock.release()


def fingerprint_of_file(path: str | os.PathLike) -> str:
    """Sixteen hex digits (BLAKE2b) that change with a file's content; reads all of it. Raises OSError."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=8)).hexdigest()


def is_lfs_pointer(path: str | os.PathLike) -> bool:
    """Whether a file is a Git-LFS pointer, not what it stands for; reads a few bytes. Raises OSError."""
    if not os.path.isfile(path):  # a pipe would be waited for
        return False
    with open(path, "rb") as file:
        return file.read(len(LFS_POINTER)) == LFS_POINTER


def _system_error(error: Exception) -> tuple[int | None, str | None]:
    """Number and words of what the system said; (None, None) when it was not the system that refused."""
    if isinstance(error, OSError):
        return error.errno, error.strerror or str(error)
    told = re.search(r"\(os error (\d+)\)", str(error))  # as safetensors passes it on, as an exception of its own
    return (int(told[1]), os.strerror(int(told[1]))) if told else (None, None)


def file_hash(path: str | os.PathLike) -> str:
    """SHA-256 of a file as hex digits; a file that has not changed is read once per process."""
    status = os.stat(path)
    return _file_hash(os.fspath(path), status.st_size, status.st_mtime_ns)


@functools.cache
def _file_hash(path: str, size: int, modified_ns: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
