"""The long result table as a Markdown table, also between the markers of a README; `report_page` makes a page of a folder."""

from pathlib import Path

import pandas as pd

from auxformer.benchmark import RESULT_COLUMNS
from auxformer.errors import InputError
from auxformer.evaluation import headline
from auxformer.missing import CONDITIONS


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


def markdown_table(results: pd.DataFrame, metric: str | None = None) -> str:
    """Systems down, conditions across: mean over seeds of a score with its 95 % interval over speakers.

    Without `metric` it is macro-F1, or the mean CCC of attributes.
    Only whole streams missing; `report_page` shows every condition. Where predictions of several partitions were pooled
    (partition "all"), those rows are shown; else the mean over partitions.
    """
    part = results[results.metric == (metric or headline(results.metric))]
    if (part.partition == "all").any():
        part = part[part.partition == "all"]
    conditions = [
        name for name in dict.fromkeys(part.condition) if name in CONDITIONS
    ]  # the others fill a page of their own
    lines = ["| system | " + " | ".join(conditions) + " |", "|---" * (len(conditions) + 1) + "|"]
    for system, rows in part.groupby("system", sort=False):
        mean = rows.groupby("condition")[["value", "low", "high"]].mean().reindex(conditions)
        there = mean.value.notna()
        cells = [
            f"{_share(row.value)} [{_share(row.low)}, {_share(row.high)}]" if known else ""
            for row, known in zip(mean.itertuples(), there)
        ]
        lines.append(f"| `{system}` | " + " | ".join(cells) + " |")
    return "\n".join(lines)


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
