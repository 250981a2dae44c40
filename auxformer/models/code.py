"""The code behind a model: what a result was computed with, and files of somebody's own that register models."""

import hashlib
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

from auxformer.errors import InputError
from auxformer.fingerprints import CODE_AS_RUN, code_of_files, files_imported, made_by
from auxformer.models.registry import builder_of

DECIDES = (
    "auxformer.data.", "auxformer.evaluation.ccc", "auxformer.evaluation.predictions", "auxformer.evaluation.scores",
    "auxformer.features.lacking", "auxformer.models.", "auxformer.puppets.", "auxformer.seeds", "auxformer.training.fit",
)  # fmt: skip
"""Beginnings of the names of the modules that decide what a training gives, and what a trained network or a reference says."""


def computed_by(system: str) -> dict:
    """The code and the libraries behind what a model or a reference says once it is trained, see `fingerprints.made_by`."""
    return made_by([builder_of(system), "auxformer.training.fit"], DECIDES)


def load_plugins(files: Sequence[Path]) -> None:
    """Run Python files that register models (`models.register_model`): each once, and again when it was edited since.

    A file and the modules beside it that it imports go together: an edit of one of them runs all of them again.

    Raises:
        InputError: a file that is not there or cannot be run.
    """
    for file in (Path(file).resolve() for file in files):
        name = f"auxformer_plugin_{hashlib.sha256(str(file).encode()).hexdigest()[:8]}"
        spec = importlib.util.spec_from_file_location(name, file)
        if spec is None or not file.is_file():  # not named *.py, or not there
            raise InputError(f"{file}: no Python file that could register a model.")
        try:
            sources = files_imported(file, file.parent)
            code = code_of_files(sources)
            if name in sys.modules and getattr(sys.modules[name], CODE_AS_RUN) == code:
                continue
            _forget(sources)
            module = sys.modules[name] = importlib.util.module_from_spec(spec)
            setattr(module, CODE_AS_RUN, code)
            spec.loader.exec_module(module)
        except Exception as error:  # whatever a file of somebody else's raises
            sys.modules.pop(name, None)
            raise InputError(f"{file}: cannot be imported ({type(error).__name__}: {error}).") from error


def _forget(files: Sequence[Path]) -> None:
    """Let modules be imported anew."""
    importlib.invalidate_caches()
    for name, module in list(sys.modules.items()):
        if getattr(module, "__file__", None) and Path(module.__file__).resolve() in files:
            del sys.modules[name]
