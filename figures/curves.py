"""The report's curves for the README: `python figures/curves.py` writes missing.svg and storm.svg, each under 60 KB."""

from dataclasses import asdict
from pathlib import Path

import matplotlib

from auxformer.benchmark.suite import Suite
from auxformer.reports import figures
from auxformer.reports.results import ResultsFolder, read_results

HERE = Path(__file__).parent
RESULTS = HERE.parent / "data" / "results"
LEFT_OUT = {"functionals-lr", "audio-only", "video-only"}
"""Of the curves of `storm`, which are in its report: with them the file is too large."""


def main() -> None:
    draw("missing-training", figures.missing_training, "missing.svg")
    draw("storm", figures.storm, "storm.svg", LEFT_OUT)


def draw(suite: str, figure, file: str, left_out=frozenset()) -> None:
    """Write the figure that the report has of a suite, from its committed results."""
    results = read_results(RESULTS / f"{suite}.csv")
    folder = ResultsFolder(RESULTS, results[~results.system.isin(left_out)], asdict(Suite.load(suite)))
    # Letters as text, not as paths, with two fonts to choose from, not ten: half the size.
    with matplotlib.rc_context({"svg.fonttype": "none", "font.sans-serif": ["DejaVu Sans", "Arial"]}):
        lines = figure(folder).svg.splitlines()
    (HERE / file).write_text("\n".join(map(str.strip, lines)) + "\n", "utf-8")


if __name__ == "__main__":
    main()
