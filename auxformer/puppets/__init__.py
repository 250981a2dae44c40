"""Puppets: drawn faces that speak, a twin of CREMA-D of which the best possible score is known."""

import importlib

from auxformer.corpora.cremad import looks_like_puppets, read_cremad
from auxformer.corpora.registry import register_corpus

__all__ = ["generate", "ideal_observer"]


def __getattr__(name: str):  # whoever only reads puppets does not wait for all that draws them
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = {"generate": "corpus", "ideal_observer": "observer"}[name]
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)


def _make(*arguments):
    from auxformer.puppets.corpus import generate

    return generate(*arguments)


register_corpus("puppets", read_cremad, looks_like_puppets, "the CREMA-D layout and truth.csv", _make)
