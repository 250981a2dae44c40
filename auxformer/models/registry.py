"""Models by name: a decorator registers, a factory creates, a pattern lists."""

import fnmatch
import importlib
from collections.abc import Callable
from dataclasses import dataclass

from auxformer.config import ModelConfig
from auxformer.errors import InputError, suggest

WINGS = ("auxformer.models.auxformer", "auxformer.models.rivals", "auxformer.puppets.reference")
"""Modules that register models and references, imported when a name is first looked for."""

_MODELS: dict[str, tuple[Callable, str]] = {}
_CARDS: dict[str, "Card"] = {}
_REFERENCES: dict[str, tuple[Callable, str]] = {}


@dataclass(frozen=True)
class Card:
    """What one should know before believing a row of a result table.

    Attributes:
        source: Paper and code it follows.
        missing: What it does when a stream is missing.
        deviations: Where we deviate from its source, and why.
        published: Preset with its published hyper-parameters; "" where there are none.
        classes_only: Whether it is made of posteriors, hence of no use for attributes.
    """

    source: str
    missing: str
    deviations: str = "None."
    published: str = ""
    classes_only: bool = False


def register_model(name: str, card: Card | None = None):
    """Register a class or function `(config, audio_dims, video_dims, classes) -> nn.Module` under `name`.

    The module's `forward` takes a `Batch` and returns `Logits`. The first line of the docstring is what `list_models` and
    the leaderboard say about it; `card` says the rest.
    """

    def add(build: Callable) -> Callable:
        if card is not None:
            _CARDS[name] = card
        _MODELS[name] = (build, (build.__doc__ or name).strip().splitlines()[0])
        return build

    return add


def register_reference(name: str):
    """Register a system that is no network: a function `(split) -> answer`, fitted where it needs to be.

    `answer(dataset, conditions)` gives condition -> posteriors `[N, C]` in the order of `dataset.clips`. A reference knows
    classes only, no attributes, and has no seed. The first line of the docstring is what the leaderboard says about it.
    """

    def add(build: Callable) -> Callable:
        _REFERENCES[name] = (build, (build.__doc__ or name).strip().splitlines()[0].rstrip("."))
        return build

    return add


def list_references() -> dict[str, str]:
    """Name of every reference, with one line about each."""
    _load_wings()
    return {name: line for name, (_, line) in sorted(_REFERENCES.items())}


def create_reference(name: str, split) -> Callable:
    """The reference, fitted on the split: `answer(dataset, conditions)`, see `register_reference`."""
    return builder_of(name)(split)


def check_attributes(model: ModelConfig) -> None:
    """Raises InputError for a system that learns from classes only and so can't be asked for attributes."""
    _load_wings()
    what = "model.synchrony" if model.synchrony else model.name
    if model.synchrony or what in _REFERENCES or (what in _CARDS and _CARDS[what].classes_only):
        raise InputError(f"{what} knows classes only, not attributes; choose another system, or leave it off.")


def list_models(pattern: str = "*") -> dict[str, str]:
    """Registered names that match a shell pattern, with one line about each."""
    _load_wings()
    return {name: line for name, (_, line) in sorted(_MODELS.items()) if fnmatch.fnmatch(name, pattern)}


def card_of(name: str) -> Card:
    """The card of a registered model.

    Raises:
        InputError: for an unknown name, with the nearest one, and for a model registered without a card.
    """
    _known(name)
    if name not in _CARDS:
        raise InputError(f'model "{name}" was registered without a card.')
    return _CARDS[name]


def create_model(name: str, config: ModelConfig, audio_dims: int, video_dims: int, classes: int):
    """A fresh network.

    Args:
        name: Registered name.
        config: Its settings.
        audio_dims, video_dims: Width of the feature vectors.
        classes: Number of emotion classes C.

    Raises:
        InputError: for an unknown name, with the nearest one.
    """
    _known(name)
    return _MODELS[name][0](config, audio_dims, video_dims, classes)


def builder_of(name: str) -> Callable:
    """The class or function that was registered under the name of a model or a reference. Raises InputError as `create_model`."""
    _load_wings()
    if name in _REFERENCES:
        return _REFERENCES[name][0]
    _known(name)
    return _MODELS[name][0]


def _load_wings() -> None:
    for module in WINGS:
        importlib.import_module(module)


def _known(name: str) -> None:
    _load_wings()
    if name not in _MODELS:
        raise InputError(f'unknown model "{name}".{suggest(name, _MODELS)}')
