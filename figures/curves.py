"""The report's curves for the README: `python figures/curves.py` writes missing.svg and storm.svg, each under 60 KB."""

from dataclasses import asdict
from pathlib import Path

import matplotlib

from auxformer.benchmark.suite import Suite
from auxformer.reports import figures
from auxformer.reports.results import ResultsFolder, read_results

HERE = Path(__file__).parent
RESULTS = HERE.parent / "data" / "results"
DRAWN = {"missing-training": (figures.missing_training, "missing.svg"), "storm": (figures.storm, "storm.svg")}
"""Suite -> what draws it, and the file."""


def main() -> None:
    for name, (draw, file) in DRAWN.items():
        folder = ResultsFolder(RESULTS, read_results(RESULTS / f"{name}.csv"), asdict(Suite.load(name)))
        with matplotlib.rc_context({"svg.fonttype": "none"}):  # letters as text, not as paths: half the size
            (HERE / file).write_text(draw(folder).svg, "utf-8")


if __name__ == "__main__":
    main()
