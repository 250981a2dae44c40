"""auxformer corpus: make, check and spoil corpora."""

from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from auxformer.cli.options import Corpus, Jobs, Root
from auxformer.files import make_folder, whole_file

app = typer.Typer(
    no_args_is_help=True, help="Make and check corpora.", epilog="Example: auxformer corpus check CREMA-D"
)


@app.command("puppets")
def puppets(
    out: Annotated[Path, Argument(help="Folder to write.")],
    size: Annotated[str, Option(help="tiny, course or full.")] = "course",
    seed: Annotated[int, Option(help="Another seed, other puppets.")] = 0,
    binding: Annotated[float, Option(min=0, max=1, help="Share of clips whose voice and face are out of step.")] = 0.0,
    jobs: Jobs = 2,
):
    """Generate the embedded corpus: drawn faces that speak, in CREMA-D's layout.

    Example: auxformer corpus puppets data/corpora/puppets --size tiny
    """
    from auxformer.corpora import make_corpus

    print(make_corpus("puppets", out, size, seed, binding, jobs))


@app.command("check")
def check(
    root: Root,
    corpus: Corpus = "auto",
    partition: Annotated[list[Path] | None, Option(help="Official partition file; may be given again.")] = None,
):
    """What is there, missing, damaged, duplicated; clips kept per rule and class. Exit 1 when speakers leak.

    Example: auxformer corpus check CREMA-D --partition label_consensus_1.csv
    """
    from auxformer.corpora import read_corpus
    from auxformer.corpora.check import check_corpus

    report = check_corpus(read_corpus(root, corpus, on_error="skip"), partition or ())
    print("\n".join(report.lines()))
    raise typer.Exit(0 if report.ok else 1)


@app.command("faces")
def faces(
    root: Root,
    corpus: Corpus = "auto",
    out: Annotated[Path | None, Option(help="CSV file for the box and the share of every clip.")] = None,
    jobs: Jobs = 2,
):
    """In which films a face is found, in what share of the frames, and where.

    Example: auxformer corpus faces data/corpora/puppets-course-0 --out faces.csv
    """
    from auxformer.corpora import read_corpus
    from auxformer.features.face import face_summary, face_table

    table = face_table(read_corpus(root, corpus, on_error="skip"), jobs)
    if out:
        make_folder(out.parent)
        with whole_file(out) as part:
            table.to_csv(part, float_format="%.3f")
    print(face_summary(table))


@app.command("corrupt")
def corrupt(
    root: Root,
    out: Annotated[Path, Argument(help="Folder to write.")],
    condition: Annotated[str, Option(help="What goes wrong; see above.")],
    seed: Annotated[int, Option(help="Another seed, other noise.")] = 0,
    jobs: Jobs = 2,
):
    """Write a corpus again with media that went wrong, for the robustness protocol.

    Of one stream: audio-noise-snr-DB, audio-babble-snr-DB, audio-gaps-SHARE, video-blur, video-dark, video-occlude,
    video-drop-SHARE, desync-MS.

    Of both by one cause, SEVERITY 0 to 5: connection-SEVERITY, walking-away-SEVERITY, night-SEVERITY,
    crowd-SEVERITY, wind-SEVERITY, compression-SEVERITY.

    Example: auxformer corpus corrupt CREMA-D CREMA-D-noisy --condition audio-noise-snr-10
    """
    from auxformer.corruption import derive_corpus

    print(derive_corpus(root, out, condition, seed, jobs))
