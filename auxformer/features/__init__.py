"""From media files to sequences of feature vectors, and where they are kept.

Extractors are made by name: `create_extractor("lld")`. Each is imported when asked for: some pull large libraries.
"""

import importlib
import os
import re
from pathlib import Path

from auxformer.errors import InputError, suggest
from auxformer.features.absent import NoExtractor
from auxformer.features.base import Clip, Extractor

EXTRACTORS = {
    "lld": ("lld", "LowLevelDescriptors", "ComParE 2016 low-level descriptors and deltas, 130 at 100 Hz"),
    "logmel": ("logmel", "LogMel", "log-mel spectrogram, 80 at 100 Hz"),
    "voice": ("pretrained.voice", "SpeakerEncoder", "voice[:FILE], frames of a network that tells speakers apart, 256 at 100 Hz"),
    "wav2vec2": ("pretrained.wav2vec2", "Wav2Vec2", "wav2vec2[:MODEL], hidden states of wav2vec 2.0, 768 or 1024 at 50 Hz"),
    "hog": ("hog", "GradientHistograms", "histograms of oriented gradients of the face, which is followed, at the rate of the video"),
    "blendshapes": ("pretrained.blendshapes", "Blendshapes", "blendshapes[:FILE], 52 named movements of the face and the head's pose, per frame"),
    "vggface": ("pretrained.vggface", "VggFace", "vggface:FILE.safetensors, layer fc7 of VGG-Face, 4096 per frame of video"),
    "emoca": ("imported.emoca", "Emoca", "emoca:FOLDER, the AuxFormer release's EMOCA codes, 50 per frame of video"),
    "hf-vision": ("pretrained.hf_vision", "HuggingFaceVision", "hf-vision:MODEL, any vision network of transformers, per frame"),
    "openface": ("imported.openface", "OpenFace", "openface:FOLDER[@units,gaze,pose], outputs of OpenFace 2, a CSV file per clip"),
    "arrays": ("imported.arrays", "Arrays", "arrays:PATH@RATE, an array per clip: a folder of .npy, or one .npz or .safetensors file"),
    "table": ("imported.table", "TableFeatures", "table:FILE.csv, one row of numbers per clip"),
}  # fmt: skip
"""Name -> (module, class, one line)."""

ARGUMENTS = {
    "voice": ("path", "FILE", "weights of a speaker encoder"),
    "blendshapes": ("path", "FILE", "path of a face_landmarker.task"),
    "wav2vec2": ("model", "MODEL", "name or folder of a wav2vec 2.0 model"),
    "vggface": ("path", "FILE.safetensors", "path of the Oxford weights of VGG-Face (vgg_face_dag), which you obtain"),
    "emoca": ("folder", "FOLDER", "folder of the AuxFormer authors' features, with a folder of .npy files per clip"),
    "hf-vision": ("model", "MODEL", "name or folder of a vision model"),
    "openface": ("folder", "FOLDER", "folder of OpenFace's CSV files, named by their clips"),
    "arrays": ("path", "PATH@RATE", "folder of .npy files named by their clips, or an .npz or .safetensors file, and the frames per second"),
    "table": ("path", "FILE.csv", "path of a CSV file"),
}
"""Name -> (setting that takes what follows the colon, its form, what it is in words)."""

UNTOLD = ("wav2vec2", "voice", "blendshapes")
"""Those that know what to take when nothing follows."""

EITHER = ("arrays", "table")
"""Those that describe whichever stream they are asked for."""

__all__ = ["EXTRACTORS", "Clip", "Extractor", "create_extractor", "list_extractors", "reads_media"]


def list_extractors() -> dict[str, str]:
    """Name of every extractor and what it gives, in a line."""
    return {name: line for name, (_, _, line) in EXTRACTORS.items()}


def create_extractor(
    spec: str, root: str | os.PathLike | None = None, modality: str | None = None, **options
) -> Extractor:
    """Make an extractor by name.

    Args:
        spec: "lld", "logmel", "hog", or a name with what it needs: "table:FILE.csv", "wav2vec2:MODEL", "vggface:FILE",
            "emoca:FOLDER", "hf-vision:MODEL", "arrays:PATH@RATE". MODEL is a folder or a name in the local cache of
            Hugging Face models. Several of one stream are joined: "lld+voice" (`joined.SideBySide`). "" where no clip has the
            stream (`absent.NoExtractor`).
        root: Folder of the corpus, in which FILE and FOLDER are looked for before the working folder.
        modality: "audio" or "video": which stream it is wanted for. A table describes either (video unless told).
        options: Settings of the extractor, such as `orientations=9` for "hog".

    Raises:
        InputError: No such extractor, setting or file, or one for the other modality.
    """
    if not spec:
        return NoExtractor(modality or "video")
    several = split_spec(spec)
    if len(several) > 1:
        from auxformer.features.joined import SideBySide

        if options:
            raise _refusal(spec, f"settings are given to one extractor at a time, not to several: {', '.join(options)}")
        return SideBySide(tuple(create_extractor(each, root, modality) for each in several))
    name, _, what = spec.partition(":")
    if name not in EXTRACTORS:
        unknown = next(each for each in name.split("+") if each not in EXTRACTORS)
        raise InputError(f'unknown features "{unknown}".{suggest(unknown, EXTRACTORS)}')
    if name not in ARGUMENTS and what:
        raise _refusal(spec, 'expected "table:FILE.csv", or the name of another extractor without a file')
    module, kind, _ = EXTRACTORS[name]
    kind = getattr(importlib.import_module(f"auxformer.features.{module}"), kind)
    if name in ARGUMENTS and (what or name not in UNTOLD):
        setting, form, words = ARGUMENTS[name]
        if hasattr(kind, "said") and "@" in what:
            what, _, said = what.rpartition("@")
            options = {**kind.said(said), **options}
        if not what:
            raise _refusal(spec, f'expected "{name}:{form}"; give the {words}')
        options[setting] = _find(spec, what, root, setting == "model", words)
    if name in EITHER:
        options["modality"] = modality or "video"
    try:
        extractor = kind(**options)
    except TypeError as error:
        raise _refusal(spec, f"take no such settings: {', '.join(options)} ({error})") from error
    if modality and extractor.modality != modality:
        raise _refusal(spec, f"describe the {extractor.modality} stream, but were asked for as {modality}")
    return extractor


def split_spec(spec: str) -> list[str]:
    """The extractors that a name joins; a plus inside a path joins nothing.

    >>> split_spec("lld+voice:other.pt"), split_spec("table:a+b.csv")
    (['lld', 'voice:other.pt'], ['table:a+b.csv'])
    """
    names = "|".join(map(re.escape, EXTRACTORS))
    return re.split(rf"\+(?=(?:{names})(?:[:+]|$))", spec)


def reads_media(spec: str) -> bool:
    """Whether features are taken from sound and pictures here; if not, from files that somebody else made of them, or not at all."""
    names = [each.partition(":")[0] for each in split_spec(spec)]
    return bool(spec) and not any(EXTRACTORS[name][0].startswith("imported.") for name in names if name in EXTRACTORS)


def _find(spec: str, what: str, root: str | os.PathLike | None, may_be_a_name: bool, words: str) -> str:
    places = [*([Path(root) / what] if root is not None else []), Path(what)]
    for place in places:
        if place.exists():
            return str(place.resolve())
    if may_be_a_name:
        return what
    looked = " and in ".join(str(place.parent.resolve()) for place in places)
    raise _refusal(spec, f"there is no such file or folder in {looked}; give the {words}")


def _refusal(spec: str, what: str) -> InputError:
    return InputError(f'features "{spec}": {what}')
