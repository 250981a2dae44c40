"""The corpora: `read_corpus(root)` reads any of them into the same tables."""

import difflib
from pathlib import Path

from auxformer.corpora.base import EMOTIONS, WAYS, Corpus
from auxformer.corpora.registry import CorpusKind, corpora, corpus_folder, make_corpus, register_corpus
from auxformer.errors import InputError

__all__ = [
    "EMOTIONS", "WAYS", "Corpus", "CorpusKind", "corpora", "corpus_folder", "detect_corpus", "make_corpus", "read_corpus",
    "register_corpus",
]  # fmt: skip


def detect_corpus(root: str | Path) -> str:
    """Name of the corpus that lies at ROOT.

    Raises:
        InputError: ROOT is no folder or holds none of `corpora()`.
    """
    root = Path(root).absolute()
    if not root.is_dir():
        what = "a file" if root.exists() else "not there"
        raise InputError(f"{root}: is {what}, expected the folder of a corpus; check the path")
    for name, kind in corpora().items():
        if kind.looks_like(root):
            return name
    expected = "; ".join(f"{name}: {kind.layout}" for name, kind in corpora().items())
    raise InputError(
        f"{root}: is none of the corpora known here, expected one of ({expected}); give the folder that holds them"
    )


def read_corpus(root: str | Path, name: str = "auto", **options) -> Corpus:
    """Read a corpus: its tables only, no media are decoded.

    Two lines: `corpus = read_corpus("CREMA-D")`, then `corpus.clips` has a row per clip.

    Args:
        root: Folder of the corpus.
        name: "puppets", "crema-d", "ravdess" or "msp-improv", or "auto" to go by what lies at ROOT.
        options: Of its reader, such as on_error="skip" (leave unusable clips out instead of stopping) or, for RAVDESS,
            song=True.

    Raises:
        InputError: An unknown name or option, another corpus at ROOT, or anything the reader objects to.
    """
    known = corpora()
    if str(root) in ("auto", *known) and not Path(root).is_dir() and Path(name).is_dir():
        raise InputError(f'the folder comes first: read_corpus("{name}", "{root}")')
    if name != "auto" and name not in known:
        near = difflib.get_close_matches(name.lower().replace("_", "-"), known, n=1, cutoff=0.5)
        hint = f", did you mean {near[0]}?" if near else ""
        raise InputError(f"there is no corpus {name!r}{hint} (known: {', '.join(known)}, or auto)")
    found = detect_corpus(root)
    if name not in ("auto", found):
        raise InputError(f"{root}: holds the corpus {found}, not {name}; ask for {found!r} or give another folder")
    reader = known[found].read
    allowed = reader.__annotations__.keys() - {"root", "return"}
    for option in options:
        if option not in allowed:
            expected = ", ".join(sorted(allowed))
            raise InputError(f"the reader of {found} has no option {option!r}, expected some of {expected}")
    return reader(root, **options)
