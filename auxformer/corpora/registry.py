"""Which corpora there are, how a folder is told to hold one, how it is read and, where it is a generated one, made."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from auxformer.corpora.base import Corpus
from auxformer.errors import InputError

HOMES = {  # puppets before crema-d: they lie on disk like CREMA-D, with a table more
    "puppets": "auxformer.puppets",
    "crema-d": "auxformer.corpora.cremad",
    "ravdess": "auxformer.corpora.ravdess",
    "msp-improv": "auxformer.corpora.mspimprov",
}
"""Corpus -> the module that registers it when it is imported, in the order in which a folder is tried."""


class CorpusKind(NamedTuple):
    """How a kind of corpus is told from others and read: `read(root, **options)`, `looks_like(root)`, its `layout` in words.

    `make(out, size, seed, binding, jobs)` generates one; None for a corpus of recordings.
    """

    read: Callable[..., Corpus]
    looks_like: Callable[[Path], bool]
    layout: str
    make: Callable[..., Path] | None = None


_KINDS: dict[str, CorpusKind] = {}


def register_corpus(name: str, read, looks_like, layout: str, make=None) -> None:
    """Let `read_corpus` know a corpus; the arguments are those of `CorpusKind`."""
    _KINDS[name] = CorpusKind(read, looks_like, layout, make)


def corpora() -> dict[str, CorpusKind]:
    """Name -> kind of every corpus known, in the order in which a folder is tried; those of your own come last."""
    for home in HOMES.values():
        importlib.import_module(home)
    return {name: _KINDS[name] for name in dict.fromkeys([*HOMES, *_KINDS])}


def corpus_folder(
    name: str = "puppets", size: str = "course", seed: int = 0, binding: float = 0.0, under: str | Path = "data/corpora"
) -> Path:
    """Where a generated corpus lies unless somebody says otherwise, below `under`.

    >>> corpus_folder(binding=0.3).name
    'puppets-course-0-bound30'
    """
    return Path(under) / f"{name}-{size}-{seed}{f'-bound{100 * binding:g}' if binding else ''}"


def make_corpus(
    name: str = "puppets",
    out: str | Path | None = None,
    size: str = "course",
    seed: int = 0,
    binding: float = 0.0,
    jobs: int = 2,
) -> Path:
    """Generate a corpus, or finish one that was begun; what stands is kept.

    Args:
        name: A corpus that can be generated: "puppets".
        out: Folder to write; `corpus_folder` of the others when left out.
        size: "tiny", "course" or "full".
        seed: Another seed, another corpus.
        binding: Share of clips, 0..1, whose voice and face are out of step.
        jobs: Processes.

    Returns:
        The folder.

    Raises:
        InputError: A corpus of recordings, which lies where its folder says, or arguments that its maker objects to.
    """
    kind = corpora().get(name)
    if kind is None or kind.make is None:
        raise InputError(f"--root is missing: say in which folder the recordings of {name} lie.")
    return kind.make(out or corpus_folder(name, size, seed, binding), size, seed, binding, jobs)
