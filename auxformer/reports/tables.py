"""Scores as tables for HTML, Markdown and LaTeX."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from auxformer.data.missing import CONDITIONS
from auxformer.errors import InputError
from auxformer.evaluation.intervals import FEWEST
from auxformer.reports.results import BEST, LEVEL, PEOPLE, REFERENCE_ROWS, TIED, ResultsFolder, view

METRIC_NAMES = {
    "macro-f1": "macro-F1", "micro-f1": "micro-F1", "micro-recall": "accuracy (WAR)", "macro-recall": "UAR", "ccc": "mean CCC",
    "ece": "ECE", "brier": "Brier",
}  # fmt: skip


def share(value: float, digits: int = 3) -> str:
    """ ".712", "1.000", "−.031", "–" for what is not defined."""
    if value is None or not np.isfinite(value):
        return "–"
    text = f"{abs(value):.{digits}f}".removeprefix("0")
    return f"−{text}" if value < 0 and float(text) > 0 else text


def signed(value: float) -> str:
    """ "+.020", "−.020", ".000"."""
    text = share(value)
    return text if text[0] in "−–" or float(text) == 0 else f"+{text}"


NO_INTERVAL = "[–]"
"""What stands in place of an interval where too few speakers were tested."""


def interval_text(low: float, high: float) -> str:
    """ "[.600, .720]"; nothing where the ends are one number, as those of a single speaker are."""
    if not np.isfinite([low, high]).all():
        return NO_INTERVAL
    return f"[{share(low)}, {share(high)}]" if low != high else ""


@dataclass(frozen=True)
class Cell:
    """A cell: its text, what stands small beside it, a mark, weight, shade (0..1, None for none), and a link."""

    text: str
    small: str = ""
    mark: str = ""
    strong: bool = False
    shade: float | None = None
    link: str = ""


@dataclass(frozen=True)
class Table:
    """A table: each row is its name and a cell for every name of `head` but the first; names of a `wide` one stand upright."""

    name: str
    caption: str
    head: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Cell]]]
    note: str = ""
    wide: bool = False


def score_cell(scores: pd.DataFrame, system: str, condition: str) -> Cell:
    """The cell of a system under a condition, from a `view`; "–" where there is no such score."""
    if (system, condition) not in scores.index:
        return Cell("–")
    row = scores.loc[(system, condition)]
    return Cell(share(row.value), interval_text(row.low, row.high), row.mark, strong=bool(row.mark))


def shaded_rows(values: pd.DataFrame, digits: int = 3, low: float | None = None, high: float | None = None) -> list:
    """Rows of cells, the higher the darker from `low` to `high` (those of the table itself when left out)."""
    low, high = (values.min(axis=None), values.max(axis=None)) if low is None else (low, high)

    def cell(value: float, diagonal: bool) -> Cell:
        shade = (value - low) / (high - low) if high > low and np.isfinite(value) else None
        return Cell(share(value, digits), strong=diagonal, shade=shade)

    return [(name, [cell(value, name == other) for other, value in row.items()]) for name, row in values.iterrows()]


def markdown_table(results: pd.DataFrame, metric: str | None = None, tests: pd.DataFrame | None = None) -> str:
    """A `view` in Markdown, for a README: systems down, only whole streams missing across."""
    rows = view(results, metric, tests)
    rows = rows[rows.index.isin(list(CONDITIONS), level="condition")]
    texts = [f"{share(row.value)} {interval_text(row.low, row.high)} {row.mark}" for row in rows.itertuples()]
    cells = pd.Series(texts, rows.index).str.split().str.join(" ").unstack("condition", fill_value="")
    cells = cells.loc[rows.index.unique("system"), [name for name in CONDITIONS if name in cells]]
    return _pipes(["system", *cells], [[f"`{name}`", *row] for name, row in cells.T.items()])


def markdown(table: Table) -> str:
    """The table in Markdown, its caption above and its note below."""

    def plain(text: str) -> str:
        return text.replace("|", "\\|").replace("_", "\\_").replace("*", "\\*")

    def shown(cell: Cell) -> str:
        text = f"**{cell.text}**" if cell.strong else plain(cell.text)
        text = f"[{text}]({cell.link})" if cell.link else text
        return " ".join(filter(None, (text, cell.mark, cell.small)))

    rows = [[plain(name), *map(shown, cells)] for name, cells in table.rows]
    parts = [f"**{plain(table.caption)}**", _pipes([plain(name) for name in table.head], rows), table.note]
    return "\n\n".join(filter(None, parts))


def _pipes(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(cells) + " |" for cells in (head, *rows)]
    return "\n".join([lines[0], "|---" * len(head) + "|", *lines[1:]])


def latex(table: Table) -> str:
    """The table as a LaTeX `table` with booktabs; reference rows are parted by a rule."""

    def shown(cell: Cell) -> str:
        text = f"\\textbf{{{escape_latex(cell.text)}}}" if cell.strong else escape_latex(cell.text)
        small = f" {{\\scriptsize {escape_latex(cell.small)}}}" if cell.small else ""
        return text + escape_latex(cell.mark) + small

    rows = [[escape_latex(name), *map(shown, cells)] for name, cells in table.rows]
    first = next((i for i, (name, _) in enumerate(table.rows) if name in REFERENCE_ROWS), None)
    if first is not None:
        rows[first][0] = f"\\midrule\n{rows[first][0]}"
    text = pd.DataFrame(rows, columns=[*map(escape_latex, table.head)]).to_latex(
        index=False, caption=escape_latex(table.caption), label=f"tab:{table.name}", column_format="l" * len(table.head)
    )
    note = f"\n\\smallskip\\footnotesize {escape_latex(table.note)}\n" if table.note else ""
    text = text.replace("\\end{table}", f"{note}\\end{{table}}")
    return "% needs \\usepackage{booktabs}\n" + text.replace("\\begin{table}", "\\begin{table}\n\\centering")


_LATEX = {
    "\\": r"\textbackslash{}", "_": r"\_", "&": r"\&", "%": r"\%", "#": r"\#", "$": r"\$", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "★": r"$^{\star}$", "≈": r"$^{\approx}$", "–": "--", "−": "$-$",
    "≥": r"$\geq$", "<": "$<$", ">": "$>$", "±": r"$\pm$", "▲": r"$\blacktriangle$", "▽": r"$\triangledown$",
    "…": r"\ldots{}", "`": "",
}  # fmt: skip


def escape_latex(text: str) -> str:
    """Text in which LaTeX finds nothing to obey.

    >>> escape_latex("late_fusion & 5 %")
    'late\\\\_fusion \\\\& 5 \\\\%'
    """
    return "".join(_LATEX.get(character, character) for character in text)


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


def score_table(
    folder: ResultsFolder, name: str, caption: str, columns: Mapping[str, tuple[str, str]], order: Sequence[str] = ()
) -> Table:
    """A column per score, head -> (metric, condition), and a row per system that has one, in `order` or from best to worst.

    Only the headline score has marks.
    """
    views = {metric: folder.scores(metric) for metric, _ in columns.values()} | {folder.metric: folder.board}
    rows = [
        (system, [score_cell(views[metric], system, condition) for metric, condition in columns.values()])
        for system in order or folder.rows()
    ]
    rows = [(system, cells) for system, cells in rows if any(cell.text != "–" for cell in cells)]
    return Table(name, caption, ["system", *columns], rows)


def leaderboard(folder: ResultsFolder) -> Table:
    """Systems down, the three basic conditions across; ties with the best marked, reference rows last."""
    caption = f"{METRIC_NAMES[folder.metric]} by condition, {folder.corpus}, {folder.target} target"
    table = score_table(folder, "leaderboard", caption, {name: (folder.metric, name) for name in folder.streams()})
    if folder.cost is not None and len(folder.cost):
        costs = folder.cost.set_index("system")[["parameters", "training_seconds"]].reindex(
            [name for name, _ in table.rows]
        )
        table.head.extend(["parameters", "training s"])
        for (_, cells), numbers in zip(table.rows, costs.to_numpy(float), strict=True):
            cells += [Cell(f"{number:,.0f}" if np.isfinite(number) else "–") for number in numbers]
    return replace(table, note=_note(folder))


def _note(folder: ResultsFolder) -> str:
    own, references = folder.own(), folder.references()
    note = "In brackets 95 % intervals of a bootstrap over speakers"
    note += f"; scores are means over {own.seeds.max():.0f} seeds." if own.seeds.max() > 1 else "."
    if own.low.isna().any():
        note += f" {NO_INTERVAL}: fewer than {FEWEST} speakers, from whom no interval can be had."
    if own.mark.any():
        note += f" {BEST} best; {TIED} not set apart from it by paired permutation tests over speakers (max-T, "
        note += f"corrected p ≥ {LEVEL}), which is no proof of being as good."
    if folder.absent:
        note += f' No clip has {folder.absent} here: "complete" is {folder.whole}, elsewhere called "no-{folder.absent}".'
    beside = ["people"] if set(PEOPLE) & set(references) else []
    beside += ["what a generated corpus allows at best"] if "ideal-observer" in references else []
    return note + (f" The last rows are references: {' and '.join(beside)}." if beside else "")


def leaderboard_frame(folder: ResultsFolder) -> pd.DataFrame:
    """The leaderboard with a column per number, for a CSV file."""
    board = folder.board.replace({"mark": {BEST: "best", TIED: "tied"}})
    numbers = board[["value", "low", "high", "mark"]].unstack("condition")
    numbers.columns = [f"{condition}-{column}" for column, condition in numbers.columns]
    kept = [f"{condition}-{column}" for condition in folder.streams() for column in ("value", "low", "high", "mark")]
    table = numbers[kept].assign(seeds=board.seeds.groupby("system").max()).loc[folder.rows()].reset_index()
    table.insert(1, "reference", table.system.isin(REFERENCE_ROWS))
    return table if folder.cost is None else table.merge(folder.cost, on="system", how="left")
