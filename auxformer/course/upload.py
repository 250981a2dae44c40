"""A button in a lesson to choose a clip of one's own. What is chosen goes nowhere and is gone when the kernel ends."""

import shutil
import tempfile
import weakref
from pathlib import Path

from auxformer.errors import MediaError
from auxformer.files import whole_file
from auxformer.media import duration

ACCEPTED = ".mp4,.mov,.webm,.mkv,.avi,.flv,.wav,.mp3,.flac,.ogg,.m4a"
"""Endings that a browser offers for upload; what a file really holds is found out by decoding it."""


LIMIT = "JupyterLab drops uploads of more than 10 MB without a word unless it was started by `make lab`, which takes 256 MB."
"""What to know when a chosen clip does not arrive."""


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
        with whole_file(path) as part:
            part.write_bytes(bytes(file["content"]))
        return str(path)

    @property
    def what(self) -> str:
        """Which file is looked at: its name, size and duration. An upload that did not arrive is seen by it."""
        path = Path(self.path)
        name = self._widget.value[-1]["name"] if self.chosen else path.name
        try:
            seconds = f"{duration(path):.1f} s"
        except MediaError as error:
            seconds = f"no film or sound that can be read ({error})"
        about = f"{name}, {path.stat().st_size / 1e6:.1f} MB, {seconds}"
        if self.chosen:
            return f"your clip: {about}"
        return f"the default clip: {about}. No clip of yours is here: none was chosen, or it did not arrive. {LIMIT}"


def choose_clip(default: str) -> Upload:
    """A button to choose a film of one's own; headless, and until one is chosen, it stands for `default`."""
    import ipywidgets

    from auxformer.course.widgets import display_controls

    widget = ipywidgets.FileUpload(accept=ACCEPTED, multiple=False, description="a clip of mine")
    display_controls([widget], "[a button to choose a film; until then, the default clip]")
    return Upload(widget, default)
