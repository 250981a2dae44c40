"""The corpora: `read_corpus(root)` reads any of them into the same tables."""

import difflib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from auxformer.corpora import cremad, mspimprov, ravdess
from auxformer.corpora.base import EMOTIONS, WAYS, Corpus
from auxformer.errors import InputError

__all__ = ["CORPORA", "EMOTIONS", "WAYS", "Corpus", "CorpusKind", "detect_corpus", "read_corpus"]


class CorpusKind(NamedTuple):
    """How a kind of corpus is told from others and read."""

    read: Callable[..., Corpus]
    looks_like: Callable[[Path], bool]
    layout: str


CORPORA = {  # puppets before crema-d: they lie on disk like CREMA-D, with a table more
    "puppets": CorpusKind(cremad.read_cremad, cremad.looks_like_puppets, "the CREMA-D layout and truth.csv"),
    "crema-d": CorpusKind(cremad.read_cremad, cremad.looks_like_cremad, cremad.LAYOUT),
    "ravdess": CorpusKind(ravdess.read_ravdess, ravdess.looks_like_ravdess, ravdess.LAYOUT),
    "msp-improv": CorpusKind(mspimprov.read_mspimprov, mspimprov.looks_like_mspimprov, mspimprov.LAYOUT),
}


def detect_corpus(root: str | Path) -> str:
    """Name of the corpus that lies at ROOT.

    Raises:
        InputError: ROOT is no folder or none of `CORPORA`.
    """
    root = Path(root).absolute()
    if not root.is_dir():
        what = "a file" if root.exists() else "not there"
        raise InputError(f"{root}: is {what}, expected the folder of a corpus; check the path")
    for name, kind in CORPORA.items():
        if kind.looks_like(root):
            return name
    expected = "; ".join(f"{name}: {kind.layout}" for name, kind in CORPORA.items())
    raise InputError(
        f"{root}: is none of the corpora known here, expected one of ({expected}); give the folder that holds them"
    )


def read_corpus(root: str | Path, name: str = "auto", **options) -> Corpus:
    """Read a corpus: its tables only, no media are decoded.

    Args:
        root: Folder of the corpus.
        name: "puppets", "crema-d", "ravdess" or "msp-improv", or "auto" to go by what lies at ROOT.
        options: Of its reader, such as on_error="skip" (leave unusable clips out instead of stopping) or, for RAVDESS,
            song=True.

    Raises:
        InputError: An unknown name or option, another corpus at ROOT, or anything the reader objects to.
    """
    if str(root) in ("auto", *CORPORA) and not Path(root).is_dir() and Path(name).is_dir():
        raise InputError(f'the folder comes first: read_corpus("{name}", "{root}")')
    if name != "auto" and name not in CORPORA:
        near = difflib.get_close_matches(name.lower().replace("_", "-"), CORPORA, n=1, cutoff=0.5)
        hint = f", did you mean {near[0]}?" if near else ""
        raise InputError(f"there is no corpus {name!r}{hint} (known: {', '.join(CORPORA)}, or auto)")
    found = detect_corpus(root)
    if name not in ("auto", found):
        raise InputError(f"{root}: holds the corpus {found}, not {name}; ask for {found!r} or give another folder")
    reader = CORPORA[found].read
    known = reader.__annotations__.keys() - {"root", "return"}
    for option in options:
        if option not in known:
            raise InputError(
                f"the reader of {found} has no option {option!r}, expected some of {', '.join(sorted(known))}"
            )
    return reader(root, **options)
