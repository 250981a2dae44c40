"""Puppets: drawn faces that speak, a twin of CREMA-D of which the best possible score is known."""

from auxformer.puppets.generate import generate
from auxformer.puppets.observer import ideal_observer

__all__ = ["generate", "ideal_observer"]
