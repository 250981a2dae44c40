"""What the report of a benchmark shows in numbers: a results folder, and tables for HTML, Markdown and LaTeX."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from auxformer.data.missing import CONDITIONS, PROTOCOL
from auxformer.errors import InputError
from auxformer.evaluation.people import CONDITION_OF_WAY
from auxformer.evaluation.scores import confusion_per_speaker, headline
from auxformer.evaluation.tests import tied_with_best
from auxformer.report.markdown import BEST, LEVEL, REFERENCE_ROWS, TIED, read_results

METRIC_NAMES = {
    "macro-f1": "macro-F1", "micro-f1": "micro-F1", "micro-recall": "accuracy (WAR)", "macro-recall": "UAR", "ccc": "mean CCC",
    "ece": "ECE", "brier": "Brier",
}  # fmt: skip

_NO_CLASS = {"clip", "speaker", "condition", "truth", "predicted", "system", "partition", "seed", "of"}
_LATEX = {
    "\\": r"\textbackslash{}", "_": r"\_", "&": r"\&", "%": r"\%", "#": r"\#", "$": r"\$", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "★": r"$^{\star}$", "≈": r"$^{\approx}$", "–": "--", "−": "$-$",
    "≥": r"$\geq$", "<": "$<$", ">": "$>$", "±": r"$\pm$", "▲": r"$\blacktriangle$", "▽": r"$\triangledown$", "…": r"\ldots{}",
}  # fmt: skip


@dataclass(frozen=True)
class ResultsFolder:
    """The files of a results folder (see `auxformer.benchmark.suite`); None for those that are not there.

    Attributes:
        path: The folder.
        results: The long result table.
        about: suite.json, {} without one.
        predictions, comparisons, classes, groups, cost, people: Tables of the files of these names.
    """

    path: Path
    results: pd.DataFrame
    about: dict = field(default_factory=dict)
    predictions: pd.DataFrame | None = None
    comparisons: pd.DataFrame | None = None
    classes: pd.DataFrame | None = None
    groups: pd.DataFrame | None = None
    cost: pd.DataFrame | None = None
    people: pd.DataFrame | None = None

    @classmethod
    def read(cls, path: str | Path) -> "ResultsFolder":
        """Read what is there; only results.csv must be.

        Raises:
            InputError: no results.csv, a file that cannot be read, or results of more than one corpus or target.
        """
        path = Path(path)
        results = read_results(path / "results.csv")
        for column in ("corpus", "target"):
            if results[column].nunique() != 1:
                raise InputError(
                    f"{path / 'results.csv'}: holds {results[column].nunique()} values of {column}, expected one; "
                    "a report is of one benchmark."
                )
        found = {}
        for name in ("comparisons", "classes", "groups", "cost", "people"):
            found[name] = _table(path / f"{name}.csv", pd.read_csv)
        found["predictions"] = _table(path / "predictions.parquet", pd.read_parquet)
        return cls(path, results, _table(path / "suite.json", lambda file: json.loads(file.read_text())) or {}, **found)

    @cached_property
    def metric(self) -> str:
        """The headline score: "macro-f1", or "ccc" of attributes."""
        return headline(self.results.metric)

    @property
    def corpus(self) -> str:
        return self.results.corpus.iloc[0]

    @property
    def target(self) -> str:
        return self.results.target.iloc[0]

    @property
    def labels(self) -> list[str]:
        """Classes, in their order; of attributes none."""
        if self.metric == "ccc":
            return []
        if self.about.get("classes"):
            return list(self.about["classes"])
        return [] if self.predictions is None else [name for name in self.predictions if name not in _NO_CLASS]

    @cached_property
    def _ranked(self) -> list[str]:
        complete = self.scores().value
        names = [name for name in dict.fromkeys(self.results.system) if name not in REFERENCE_ROWS]
        return sorted(names, key=lambda name: complete.get((name, "complete"), -np.inf), reverse=True)

    def systems(self) -> list[str]:
        """Systems without the reference rows, the best of the complete condition first."""
        return list(self._ranked)

    def references(self) -> list[str]:
        return [name for name in REFERENCE_ROWS if (self.results.system == name).any()]

    def lead(self) -> str:
        """The system that is looked at most closely: "auxformer", else the first one of the results."""
        names = [name for name in dict.fromkeys(self.results.system) if name not in REFERENCE_ROWS]
        return "auxformer" if "auxformer" in names else (names or self.references())[0]

    def shown(self, limit: int = 8) -> list[str]:
        """The systems of a figure, the closely watched one first: all, or with more than `limit` the best six and it."""
        names = self.systems()
        best = names if len(names) <= limit else names[: limit - 2]
        return [self.lead(), *(name for name in best if name != self.lead())]

    def conditions(self, metric: str | None = None) -> list[str]:
        """Conditions that have the score, in the order of the protocol, then media-level ones."""
        found = set(self.results.condition[self.results.metric == (metric or self.metric)])
        others = [name for name in dict.fromkeys(self.results.condition) if name not in PROTOCOL]
        return [name for name in [*PROTOCOL, *others] if name in found]

    @cached_property
    def _scores(self) -> dict[str, pd.DataFrame]:
        return {}

    def scores(self, metric: str | None = None) -> pd.DataFrame:
        """Means over seeds, indexed by (system, condition): columns value, low, high, seeds, spread (their sd).

        Where the predictions of a system's partitions were pooled (partition "all") those rows count, else the mean over
        its partitions. The headline score when no metric is given.
        """
        metric = metric or self.metric
        if metric not in self._scores:
            part = self.results[self.results.metric == metric]
            pooled = part.partition.eq("all").groupby(part.system).transform("any").astype(bool)
            part = part[~pooled | (part.partition == "all")]
            of_seed = part.groupby(["system", "condition", "seed"], sort=False)[["value", "low", "high"]].mean()
            grouped = of_seed.groupby(level=["system", "condition"], sort=False)
            self._scores[metric] = grouped.mean().assign(seeds=grouped.value.size(), spread=grouped.value.std())
        return self._scores[metric]

    def ties(self) -> dict[str, list[str]]:
        """Condition -> the best system and those the paired tests do not set apart from it, reference rows left out."""
        if self.comparisons is None:
            return {}
        tests = self.comparisons
        known = set(self.systems())
        return tied_with_best(tests[tests.system_a.isin(known) & tests.system_b.isin(known)], LEVEL)

    def confusion(self, system: str, condition: str) -> pd.DataFrame | None:
        """How a system, or one human rater ("human-rater"), confuses the classes: `[C, C]`, rows truth, in shares."""
        classes = self.labels
        if system == "human-rater":
            if self.people is None or condition not in set(self.people.condition):
                return None
            return self.people[self.people.condition == condition].set_index("truth").drop(columns="condition")
        if self.predictions is None or not classes:
            return None
        part = self.predictions[(self.predictions.system == system) & (self.predictions.condition == condition)]
        if part.empty:
            return None
        counts = pd.DataFrame(confusion_per_speaker(part, classes).sum(0), classes, classes)
        return counts.div(counts.sum(axis=1).replace(0, np.nan), axis=0)


def _table(path: Path, reader):
    if not path.is_file():
        return None
    try:
        return reader(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); run the benchmark again or remove the file.") from error


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
    """A table: `rows` and, set apart, `below`; each row is its name and a cell for every name of `head` but the first.

    The names above the columns of a `wide` one stand upright.
    """

    name: str
    caption: str
    head: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Cell]]]
    below: Sequence[tuple[str, Sequence[Cell]]] = ()
    note: str = ""
    wide: bool = False


def share(value: float) -> str:
    """ ".712", "1.000", "−.031", "–" for what is not defined."""
    if value is None or not np.isfinite(value):
        return "–"
    text = f"{abs(value):.3f}"
    text = text.removeprefix("0")
    return f"−{text}" if value < 0 and float(text) > 0 else text


def signed(value: float) -> str:
    text = share(value)
    return text if text[0] in "−–" or float(text) == 0 else f"+{text}"


def interval_text(low: float, high: float) -> str:
    """ "[.60, .72]" with three digits; nothing where the ends are one number, as those of a single speaker are."""
    return f"[{share(low)}, {share(high)}]" if np.isfinite([low, high]).all() and low != high else ""


def score_cell(scores: pd.DataFrame, system: str, condition: str, **look) -> Cell:
    """The cell of a system under a condition; "–" where there is no such score."""
    if (system, condition) not in scores.index:
        return Cell("–")
    row = scores.loc[(system, condition)]
    return Cell(share(row.value), interval_text(row.low, row.high), **look)


def shades(values: Iterable[float]) -> list[float | None]:
    """Values -> 0..1 from the smallest to the largest; None for those that are not defined."""
    values = np.asarray(list(values), float)
    defined = values[np.isfinite(values)]
    if not len(defined) or np.ptp(defined) == 0:
        return [None] * len(values)
    scaled = (values - defined.min()) / np.ptp(defined)
    return [float(value) if np.isfinite(value) else None for value in scaled]


def markdown(table: Table) -> str:
    """The table in Markdown, its caption above and its note below."""
    lines = [f"**{_in_markdown(table.caption)}**", "", "| " + " | ".join(map(_in_markdown, table.head)) + " |"]
    lines.append("|---" * len(table.head) + "|")
    for name, cells in [*table.rows, *table.below]:
        texts = []
        for cell in cells:
            text = f"**{cell.text}**" if cell.strong else _in_markdown(cell.text)
            text = f"[{text}]({cell.link})" if cell.link else text
            texts.append(" ".join(filter(None, (text, cell.mark, cell.small))))
        lines.append("| " + " | ".join([_in_markdown(name), *texts]) + " |")
    return "\n".join([*lines, *(["", table.note] if table.note else [])])


def _in_markdown(text: str) -> str:
    return text.replace("|", "\\|").replace("_", "\\_").replace("*", "\\*")


def latex(table: Table) -> str:
    """The table as a LaTeX `table` with booktabs; its rows below are parted by a rule."""
    columns = "l" + "l" * (len(table.head) - 1)
    lines = [
        "% needs \\usepackage{booktabs}",
        "\\begin{table}",
        "\\centering",
        f"\\caption{{{escape_latex(table.caption)}}}",
    ]
    lines += [f"\\label{{tab:{table.name}}}", f"\\begin{{tabular}}{{{columns}}}", "\\toprule"]
    lines += [" & ".join(map(escape_latex, table.head)) + r" \\", "\\midrule"]
    lines += [_latex_row(*row) for row in table.rows]
    if table.below:
        lines += ["\\midrule", *(_latex_row(*row) for row in table.below)]
    lines += ["\\bottomrule", "\\end{tabular}"]
    if table.note:
        lines.append(f"\n\\smallskip\\footnotesize {escape_latex(table.note)}")
    return "\n".join([*lines, "\\end{table}", ""])


def _latex_row(name: str, cells: Sequence[Cell]) -> str:
    texts = []
    for cell in cells:
        text = escape_latex(cell.text)
        text = f"\\textbf{{{text}}}" if cell.strong else text
        small = f" {{\\scriptsize {escape_latex(cell.small)}}}" if cell.small else ""
        texts.append(text + escape_latex(cell.mark) + small)
    return " & ".join([escape_latex(name), *texts]) + r" \\"


def escape_latex(text: str) -> str:
    """Text in which LaTeX finds nothing to obey.

    >>> escape_latex("late_fusion & 5 %")
    'late\\\\_fusion \\\\& 5 \\\\%'
    """
    return "".join(_LATEX.get(character, character) for character in text).replace("`", "")


def leaderboard(folder: ResultsFolder) -> Table:
    """Systems down, the three basic conditions across; ties with the best marked, reference rows set apart."""
    scores, ties = folder.scores(), folder.ties()
    conditions = [name for name in CONDITIONS if name in folder.conditions()]
    cost = folder.cost.set_index("system") if folder.cost is not None and len(folder.cost) else None

    def row(system: str) -> tuple[str, list[Cell]]:
        cells = []
        for condition in conditions:
            tied = ties.get(condition, [])
            mark = "" if system not in tied else BEST if system == tied[0] else TIED
            cells.append(score_cell(scores, system, condition, mark=mark, strong=system in tied))
        if cost is not None:
            known = system in cost.index
            cells.append(Cell(f"{int(cost.parameters[system]):,}" if known else "–"))
            seconds = cost.training_seconds[system] if known else np.nan
            cells.append(Cell(f"{seconds:,.0f}" if np.isfinite(seconds) else "–"))
        return system, cells

    name = METRIC_NAMES[folder.metric]
    own = scores[scores.index.get_level_values("system").isin(folder.systems())]
    seeds = int(own.seeds.max()) if len(own) else 1
    note = "In brackets 95 % intervals of a bootstrap over speakers"
    note += f", both their ends and the scores means over {seeds} seeds. " if seeds > 1 else ". "
    if ties:
        note += (
            f"{BEST} best; {TIED} not set apart from it by a paired permutation test over speakers (Holm-corrected "
            f"p ≥ {LEVEL})"
        )
        note += ", which is no proof of being as good. "
    of = {"people": REFERENCE_ROWS[:3], "what a generated corpus allows at best": REFERENCE_ROWS[3:]}
    beside = [what for what, names in of.items() if set(names) & set(folder.references())]
    if beside:
        note += f"The last rows are references: {' and '.join(beside)}."
    return Table(
        "leaderboard", f"{name} by condition, {folder.corpus}, {folder.target} target",
        ["system", *conditions, *(["parameters", "training s"] if cost is not None else [])],
        [row(system) for system in folder.systems()], [row(system) for system in folder.references()], note.strip(),
    )  # fmt: skip


def leaderboard_frame(folder: ResultsFolder) -> pd.DataFrame:
    """The leaderboard with a column per number, for a CSV file."""
    scores, ties = folder.scores(), folder.ties()
    rows = []
    for system in [*folder.systems(), *folder.references()]:
        row = {"system": system, "reference": system in REFERENCE_ROWS}
        for condition in (name for name in CONDITIONS if name in folder.conditions()):
            there = (system, condition) in scores.index
            for column in ("value", "low", "high"):
                row[f"{condition}-{column}"] = scores.loc[(system, condition), column] if there else np.nan
            tied = ties.get(condition, [])
            row[f"{condition}-mark"] = "" if system not in tied else "best" if system == tied[0] else "tied"
        own = scores.loc[[key for key in scores.index if key[0] == system]]
        rows.append({**row, "seeds": int(own.seeds.max()) if len(own) else 0})
    table = pd.DataFrame(rows)
    return table if folder.cost is None else table.merge(folder.cost, on="system", how="left")


WATCHED = {condition: way for way, condition in CONDITION_OF_WAY.items()}
"""Condition -> what a person goes by who has as much."""
