"""The report's figure of training clips that lack a stream, for the README: `python figures/missing.py` writes missing.svg, under 60 KB."""

from dataclasses import asdict
from pathlib import Path

import matplotlib

from auxformer.benchmark.suite import Suite
from auxformer.reports.figures import missing_training
from auxformer.reports.results import ResultsFolder, read_results

HERE = Path(__file__).parent
RESULTS = HERE.parent / "data" / "results"


def main() -> None:
    suite = Suite.load("missing-training")
    folder = ResultsFolder(RESULTS, read_results(RESULTS / f"{suite.name}.csv"), asdict(suite))
    with matplotlib.rc_context({"svg.fonttype": "none"}):  # letters as text, not as paths: half the size
        (HERE / "missing.svg").write_text(missing_training(folder).svg, "utf-8")


if __name__ == "__main__":
    main()
