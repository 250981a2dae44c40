"""Where the face is in every film of a corpus, and in what share of the frames looked at it was found.

The features of the face (`hog`, `vggface`, `hf-vision`) take the same box: one per clip, the median over the frames looked
at, so that it neither jumps nor breathes. A crop is aligned by that box (centred on the face, one scale per clip); eyes are
not brought to one level.
"""

import numpy as np
import pandas as pd

from auxformer import media
from auxformer.corpora.base import Corpus
from auxformer.errors import InputError, MediaError
from auxformer.features.hog import find_face
from auxformer.progress import progress

COLUMNS = ("found", "top", "left", "side", "frames", "uneven")


def face_table(corpus: Corpus, jobs: int = 2) -> pd.DataFrame:
    """One row per clip with a film: found (share of the frames looked at, 0 = the centre is taken), the box in pixels (top,
    left, side), frames, and uneven (largest gap between two frames over the median gap; 1 = a constant rate).

    A film that cannot be read has NaN in every column.

    Raises:
        InputError: the corpus has no films.
    """
    from joblib import Parallel, delayed

    films = corpus.clips["video"].dropna()
    if films.empty:
        raise InputError(f"{corpus.root}: has no films to look for faces in; add the media.")
    work = Parallel(n_jobs=jobs, return_as="generator")(delayed(_look)(path) for path in films)
    rows = list(progress(work, "looking for faces", total=len(films)))
    return pd.DataFrame(rows, index=films.index, columns=list(COLUMNS)).rename_axis("clip")


def summary(table: pd.DataFrame) -> str:
    """What a table of faces says, in a few lines: shares found, and the clips to look at."""
    unread = table.found.isna().sum()
    none = table.index[table.found == 0]
    lines = [
        f"{len(table):,} films, {unread} cannot be read",
        f"a face in {table.found.mean():.1%} of the frames looked at; in {(table.found == 1).mean():.1%} of the films in all of them",
        f"{len(none):,} films in which none is found (the centre is taken): {', '.join(none[:6])}{' ...' if len(none) > 6 else ''}",
    ]
    uneven = table.index[table.uneven > 1.5]
    if len(uneven):
        lines.append(f"{len(uneven):,} films of uneven frame rate (brought to an even one): {', '.join(uneven[:6])}")
    return "\n".join(lines)


def _look(path: str) -> tuple[float, ...]:
    try:
        frames, times = media.read_frames(path, grey=True)
    except MediaError:
        return (np.nan,) * len(COLUMNS)
    box, gaps = find_face(frames), np.diff(times)
    uneven = float(gaps.max() / max(np.median(gaps), 1e-9)) if len(gaps) else 1.0
    return box.found, box.top, box.left, box.side, len(frames), uneven
