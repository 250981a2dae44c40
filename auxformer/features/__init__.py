"""From media files to sequences of feature vectors, and where they are kept.

Extractors are made by name: `create_extractor("lld")`. Each is imported when asked for: some pull large libraries.
"""

import importlib
import os
from pathlib import Path

from auxformer.config import suggest
from auxformer.errors import InputError
from auxformer.features.base import Clip, Extractor

EXTRACTORS = {
    "lld": ("audio", "LowLevelDescriptors", "ComParE 2016 low-level descriptors and deltas, 130 at 100 Hz"),
    "logmel": ("audio", "LogMel", "log-mel spectrogram, 80 at 100 Hz"),
    "hog": ("visual", "GradientHistograms", "histograms of oriented gradients of the face, at the rate of the video"),
    "table": ("table", "TableFeatures", "table:FILE.csv, one row of numbers per clip"),
}
"""Name -> (module, class, one line)."""

__all__ = ["EXTRACTORS", "Clip", "Extractor", "create_extractor", "list_extractors"]


def list_extractors() -> dict[str, str]:
    """Name of every extractor and what it gives, in a line."""
    return {name: line for name, (_, _, line) in EXTRACTORS.items()}


def create_extractor(
    spec: str, root: str | os.PathLike | None = None, modality: str | None = None, **options
) -> Extractor:
    """Make an extractor by name.

    Args:
        spec: "lld", "logmel", "hog", or "table:FILE.csv".
        root: Folder of the corpus, in which FILE is looked for before the working folder.
        modality: "audio" or "video": which stream it is wanted for. A table describes either (video unless told).
        options: Settings of the extractor, such as `orientations=9` for "hog".

    Raises:
        InputError: No such extractor, setting or file, or one for the other modality.
    """
    name, _, file = spec.partition(":")
    if name not in EXTRACTORS:
        raise InputError(f'unknown features "{spec}".{suggest(name, EXTRACTORS)}')
    if (name == "table") != bool(file):
        raise InputError(
            f'features "{spec}": expected "table:FILE.csv", or the name of another extractor without a file'
        )
    if name == "table":
        options |= {"path": _find_table(file, root), "modality": modality or "video"}
    module, kind, _ = EXTRACTORS[name]
    try:
        extractor = getattr(importlib.import_module(f"auxformer.features.{module}"), kind)(**options)
    except TypeError as error:
        raise InputError(f'features "{spec}" take no such settings: {", ".join(options)} ({error})') from error
    if modality and extractor.modality != modality:
        raise InputError(
            f'features "{spec}" describe the {extractor.modality} stream, but were asked for as {modality}'
        )
    return extractor


def _find_table(file: str, root: str | os.PathLike | None) -> str:
    places = [Path(root) / file] if root is not None else []
    for place in [*places, Path(file)]:
        if place.is_file():
            return str(place.resolve())
    looked = " and in ".join(str(place.parent.resolve()) for place in [*places, Path(file)])
    raise InputError(f'features "table:{file}": there is no such file in {looked}; give the path of a CSV file')
