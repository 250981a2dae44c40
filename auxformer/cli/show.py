"""auxformer show: a picture of a media file or a clip."""

from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from auxformer.files import make_folder, whole_file

app = typer.Typer()


@app.command("show")
def show(
    file: Annotated[str, Argument(help="A media file (wav, flac, mp3, mp4, avi, flv), or with --root a clip.")],
    root: Annotated[Path | None, Option(help="Folder of the corpus that has the clip.")] = None,
    out: Annotated[Path, Option(help="Picture to write (PNG).")] = Path("build/show.png"),
):
    """Draw what a media file or a clip holds: frames with the face box, waveform, spectrogram, features.

    Example: auxformer show 1001_DFA_ANG_XX --root data/corpora/puppets-course-0 --out clip.png
    """
    from auxformer.show import draw_clip, draw_media

    if root:
        from auxformer.corpora import read_corpus

        figure = draw_clip(read_corpus(root, on_error="skip"), file)
    else:
        figure = draw_media(file)
    make_folder(out.parent)
    with whole_file(out) as part:
        figure.savefig(part, dpi=100, facecolor="white", format=out.suffix.removeprefix(".") or "png")
    print(out)
