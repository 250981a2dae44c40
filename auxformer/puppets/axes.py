"""Random numbers by name: every draw of the puppets depends on the seed and on what it is for, never on draw order."""

import hashlib

import numpy as np


def generator(seed: int, axis: str, *names: str | int) -> np.random.Generator:
    """A generator of its own for one purpose, e.g. `generator(0, "votes", "1001_IEO_ANG_XX", "voice")`."""
    text = "\n".join([str(seed), axis, *map(str, names)])
    digest = hashlib.sha256(text.encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "little"))
