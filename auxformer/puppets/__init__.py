"""Puppets: drawn faces that speak, a twin of CREMA-D of which the best possible score is known."""

import importlib
from pathlib import Path

from auxformer.corpora.cremad import looks_like_puppets, read_cremad
from auxformer.corpora.registry import register_corpus
from auxformer.errors import InputError
from auxformer.files import read_toml

__all__ = ["generate", "ideal_observer"]


def __getattr__(name: str):  # whoever only reads puppets does not wait for all that draws them
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = {"generate": "corpus", "ideal_observer": "observer"}[name]
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)


def _make(out, size, seed, binding, jobs):
    from auxformer.puppets.corpus import generate

    _refuse_what_is_there(Path(out), size, seed, binding)
    return generate(out, size, seed, binding, jobs)


def _refuse_what_is_there(out: Path, size: str, seed: int, binding: float) -> None:
    """Raise InputError for a folder of other puppets or with media of somebody else's: `generate` would remove them."""
    from auxformer.puppets.casting import SIZES, cast_clips
    from auxformer.puppets.corpus import SETTINGS

    if not (out / SETTINGS).is_file():
        return
    made = read_toml(out / SETTINGS)
    if (made.get("seed"), made.get("binding")) != (seed, binding):
        what = f"seed {made.get('seed')} and binding {made.get('binding')}"
        raise InputError(f"{out}: holds puppets of {what}, not of {seed} and {binding}; give another folder or remove it.")
    known = {clip.name for each in {size, made.get("size")} & set(SIZES) for clip in cast_clips(each, seed, binding)}
    for path in sorted([*out.glob("AudioWAV/*"), *out.glob("VideoFlash/*")]):
        if path.stem not in known and path.suffix != ".part":
            raise InputError(f"{path}: is no puppet's; a folder of puppets holds nothing else, so move it elsewhere.")


register_corpus("puppets", read_cremad, looks_like_puppets, "the CREMA-D layout and truth.csv", _make)
