"""One progress bar for the whole package: live where somebody watches, one summary line where nobody does."""

import os
import sys
import time
from collections.abc import Iterable, Iterator


def is_watched() -> bool:
    """True in a terminal or in a live notebook front end; False under papermill, nbval, CI and pipes."""
    if os.environ.get("AUXFORMER_PROGRESS") in {"0", "off"}:
        return False
    return sys.stderr.isatty() or os.environ.get("AUXFORMER_PROGRESS") == "1"


def say(line: str) -> None:
    """Print a line about something that takes time: always on the command line, in a notebook only where somebody watches.

    What depends on who else is at work has no place among a lesson's outputs, which are compared.
    """
    if is_watched() or "ipykernel" not in sys.modules:
        print(line, flush=True)


def progress(
    items: Iterable, title: str, total: int | None = None, unit: str = "clip", summary: bool = True
) -> Iterator:
    """Yield from `items`, showing a bar when somebody watches and one summary line on stdout at the end.

    Args:
        items: What to go through.
        title: What is being done, in a word or two ("extracting lld").
        total: Number of items, when `items` has no length.
        unit: What one item is called, in the singular.
        summary: Print "title: 120 clips in 3.4 s" when done. Lessons whose outputs are compared switch it off.
    """
    from tqdm.auto import tqdm

    if total is None and hasattr(items, "__len__"):
        total = len(items)
    started, count = time.perf_counter(), 0
    for item in tqdm(
        items, desc=title, total=total, unit=unit, disable=not is_watched(), dynamic_ncols=True, leave=False
    ):
        yield item
        count += 1
    if summary:
        print(
            f"{title}: {count} {unit}{'' if count == 1 else 's'} in {time.perf_counter() - started:.1f} s", flush=True
        )
