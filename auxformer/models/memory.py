"""Keep freed memory for the next training step instead of giving it back to the system and asking for it again."""

import ctypes
import functools
import os

# From glibc's malloc.h.
M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4


@functools.cache
def keep_freed_memory() -> bool:
    """Tell C's allocator to keep what is freed, for the life of this process. Returns whether it can (glibc, so Linux, only).

    A step frees its large arrays and asks for the same sizes a moment later. By default each of them is mapped anew, and
    the kernel clears every page of it at the first touch: 20,000 pages in a step of the `default` preset. Results do not
    change. The price: memory once used stays with the process. `benchmarks/training.py` measures it; the settings are
    described in the manual page mallopt(3).
    """
    if os.name == "nt":  # where a process's own symbols have no name
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return bool(mallopt and mallopt(M_MMAP_MAX, 0) and mallopt(M_TRIM_THRESHOLD, -1))
