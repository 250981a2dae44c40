"""A button in a lesson to choose a clip of one's own. What is chosen goes nowhere and is gone when the kernel ends."""

import shutil
import tempfile
import weakref
from pathlib import Path

ACCEPTED = ".mp4,.mov,.webm,.mkv,.avi,.flv,.wav,.mp3,.flac,.ogg,.m4a"
"""Endings that a browser offers for upload; what a file really holds is found out by decoding it."""


class Upload:
    """A clip to look at: the one chosen in the browser, or the default until then. `path` is its file."""

    def __init__(self, widget, default: str):
        self._widget, self._default = widget, str(default)
        self._folder = Path(tempfile.mkdtemp(prefix="own-clip-"))
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)  # gone with the kernel

    @property
    def chosen(self) -> bool:
        """Whether somebody chose a file."""
        return bool(self._widget.value)

    @property
    def path(self) -> str:
        """The file to look at."""
        if not self.chosen:
            return self._default
        file = self._widget.value[-1]
        path = self._folder / f"clip{Path(file['name']).suffix.lower()}"
        path.write_bytes(bytes(file["content"]))
        return str(path)


def choose_clip(default: str) -> Upload:
    """A button to choose a film of one's own; headless, and until one is chosen, it stands for `default`."""
    import ipywidgets

    from auxformer.course.widgets import display_controls

    widget = ipywidgets.FileUpload(accept=ACCEPTED, multiple=False, description="a clip of mine")
    display_controls([widget], "[a button to choose a film; until then, the default clip]")
    return Upload(widget, default)
