"""The long result table as a Markdown table, also between the markers of a README; `report_page` makes a page of a folder."""

from pathlib import Path

import pandas as pd

from auxformer.benchmark.run import RESULT_COLUMNS
from auxformer.data.missing import CONDITIONS
from auxformer.errors import InputError
from auxformer.evaluation.scores import headline
from auxformer.evaluation.tests import tied_with_best

REFERENCE_ROWS = ("human-rater", "human-crowd", "human-rater-others", "ideal-observer")
"""Rows that no system competes with; they stand apart."""

BEST, TIED = "★", "≈"
"""The best system under a condition, and one that the paired tests do not set apart from it."""

LEVEL = 0.05
"""A Holm-corrected p below it sets two systems apart."""


def read_results(path: str | Path) -> pd.DataFrame:
    """A long result table. Raises InputError when the file is none."""
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable result table ({error}).") from error
    missing = [column for column in RESULT_COLUMNS if column not in table]
    if missing:
        raise InputError(f"{path}: not a result table, it lacks the columns {', '.join(missing)}.")
    return table


def markdown_table(results: pd.DataFrame, metric: str | None = None, tests: pd.DataFrame | None = None) -> str:
    """Systems down, the best on complete clips first, then people and ideal observer; conditions across.

    A cell is the mean over seeds of a score with its 95 % interval over speakers. Only whole streams missing; `report_page`
    shows every condition. Where predictions of several partitions were pooled (partition "all"), those rows are shown; else
    the mean over partitions.

    Args:
        results: Long result table.
        metric: A score of it; macro-F1, or the mean CCC of attributes, when none is given.
        tests: Paired tests (`significance.compare`): cells of the best system and of those tied with it are marked.
    """
    part = results[results.metric == (metric or headline(results.metric))]
    if (part.partition == "all").any():
        part = part[part.partition == "all"]
    conditions = [
        name for name in dict.fromkeys(part.condition) if name in CONDITIONS
    ]  # the others fill a page of their own
    scores = part.groupby(["system", "condition"])[["value", "low", "high"]].mean()
    best_first = scores.value.unstack()[conditions].sort_values(conditions, ascending=False).index
    ranked = [name for name in best_first if name not in REFERENCE_ROWS]
    marks = _marks(ranked, tests)
    lines = ["| system | " + " | ".join(conditions) + " |", "|---" * (len(conditions) + 1) + "|"]
    for system in [*ranked, *(name for name in REFERENCE_ROWS if name in best_first)]:
        cells = []
        for condition in conditions:
            known = (system, condition) in scores.index
            cells.append(_cell(scores.loc[(system, condition)], marks.get((system, condition), "")) if known else "")
        lines.append(f"| `{system}` | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _marks(systems: list[str], tests: pd.DataFrame | None) -> dict[tuple[str, str], str]:
    """(system, condition) -> mark, of the best under each condition and of those tied with it."""
    if tests is None:
        return {}
    between = tests[tests.system_a.isin(systems) & tests.system_b.isin(systems)]
    tied = tied_with_best(between, LEVEL)
    return {
        (name, condition): TIED if place else BEST
        for condition, names in tied.items()
        for place, name in enumerate(names)
    }


def _cell(row, mark: str) -> str:
    return f"{_share(row.value)} [{_share(row.low)}, {_share(row.high)}]" + (f" {mark}" if mark else "")


def comparisons_beside(path: str | Path) -> pd.DataFrame | None:
    """The paired tests kept beside a result table: NAME-tests.csv, None when there are none."""
    path = Path(path)
    file = path.with_name(f"{path.stem}-tests.csv")
    return pd.read_csv(file) if file.is_file() else None


def fill_markers(text: str, name: str, content: str) -> str:
    """`text` with what stands between `<!-- name -->` and `<!-- /name -->` replaced.

    Raises:
        InputError: when the markers are not there.
    """
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    if text.count(start) != 1 or text.count(end) != 1:
        raise InputError(f"the text lacks the markers {start} and {end}.")
    before, rest = text.split(start)
    return f"{before}{start}\n{content}\n{end}{rest.split(end)[1]}"


def _share(value: float) -> str:
    return f"{value:.3f}".lstrip("0")
