"""Tables of scores as pages, figures, Markdown and LaTeX."""

from pathlib import Path


def report(folder: str | Path, out: str | Path | None = None) -> list[Path]:
    """Write the page of a results folder: report.html, and beside it report.md, report.tex and leaderboard.csv.

    Args:
        folder: What `auxformer bench` leaves; results.csv must be there, every other file may be missing.
        out: Where to write; the folder itself when left out.

    Returns:
        The four files.

    Raises:
        InputError: no readable results.csv, or a file beside it that cannot be read.

    Example:
        >>> af.report("build/bench/quick")  # doctest: +SKIP
        [PosixPath('build/bench/quick/report.html'), ...]
    """
    from auxformer.reports.page import write_report

    return write_report(Path(folder), out)
