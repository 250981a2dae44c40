"""The command line: a file per group of verbs. Every verb is also a function; imports wait until a verb needs them."""

import os
import sys
import warnings

import typer

from auxformer.cli import bench, corpus, course, features, models, show, train
from auxformer.cli.tables import speak_plainly_where_needed
from auxformer.errors import InputError, TrainingError
from auxformer.files import REMEDIES

# Before torch is loaded: threads that wait for each other give the core away soon, which costs nothing on an idle machine
# and makes training many times as fast on a busy one.
os.environ.setdefault("GOMP_SPINCOUNT", "2000")
# loky replaces a worker whose memory has grown between two jobs; no job is lost, and nobody need read of it.
warnings.filterwarnings("ignore", "A worker stopped while some jobs were given")

app = typer.Typer(
    no_args_is_help=True, add_completion=False, rich_markup_mode="markdown", pretty_exceptions_enable=False,
    help="Audiovisual emotion recognition with missing modalities: corpora, features, training, benchmark, course.",
    epilog="Example: auxformer bench quick. Every command has a --help of its own.",
)  # fmt: skip
app.add_typer(corpus.app, name="corpus")
app.add_typer(features.app, name="features")
app.add_typer(course.app, name="course")
for verbs in (train, bench, models, show):
    app.add_typer(verbs.app)


def main() -> None:
    """Entry point: one sentence on stderr and exit code 2 for bad input, 1 when a training or a lesson fails."""
    speak_plainly_where_needed()
    try:
        app()
    except (InputError, TrainingError) as error:
        print(f"auxformer: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, InputError) else 1)
    except OSError as error:  # a full disk or a read-only folder that nobody has put into a sentence yet
        if error.errno not in REMEDIES:
            raise
        where = f"{error.filename}: " if error.filename else ""
        print(f"auxformer: {where}{error.strerror}; {REMEDIES[error.errno]}.", file=sys.stderr)
        sys.exit(2)
