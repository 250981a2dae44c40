"""Models by name: a decorator registers, a factory creates, a pattern lists."""

import fnmatch
from collections.abc import Callable

from auxformer.config import ModelConfig, suggest
from auxformer.errors import InputError

_MODELS: dict[str, tuple[Callable, str]] = {}


def register_model(name: str):
    """Register a class or function `(config, audio_dims, video_dims, classes) -> nn.Module` under `name`.

    The module's `forward` takes a `Batch` and returns `Logits`. The first line of the docstring is what `list_models` and
    the leaderboard say about it.
    """

    def add(build: Callable) -> Callable:
        _MODELS[name] = (build, (build.__doc__ or name).strip().splitlines()[0])
        return build

    return add


def list_models(pattern: str = "*") -> dict[str, str]:
    """Registered names that match a shell pattern, with one line about each."""
    return {name: line for name, (_, line) in sorted(_MODELS.items()) if fnmatch.fnmatch(name, pattern)}


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
    if name not in _MODELS:
        raise InputError(f'unknown model "{name}".{suggest(name, _MODELS)}')
    return _MODELS[name][0](config, audio_dims, video_dims, classes)
