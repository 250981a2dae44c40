"""Puppets: drawn faces that speak, a twin of CREMA-D of which the best possible score is known."""

from auxformer.corpora.puppets.generate import generate
from auxformer.corpora.puppets.observer import ideal_observer

__all__ = ["generate", "ideal_observer"]
