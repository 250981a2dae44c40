"""Tables in the terminal: as many columns as fit, all of them with `--wide`; numbers are never broken over lines."""

import codecs
import itertools
import math
import re
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

PLAIN = {"…": "...", "★": "*", "•": "*", "²": "2", "×": "x", "–": "-", "—": "-", "±": "+-", "√": "sqrt ", "→": "->"}
FIRST_METRICS = ("macro-f1", "macro-precision", "macro-recall", "micro-f1")
GAP = "  "
NUMBER = re.compile(r"[-+]?[\d,]*\.?\d+")
MIN_TEXT = 24
"""Columns of the terminal below which running text is left out rather than broken into slivers."""


def speak_plainly_where_needed() -> None:
    """Have stdout and stderr write signs that the terminal cannot show in plain ones, instead of raising."""
    codecs.register_error("plain", lambda error: (_plain(error.object[error.start : error.end]), error.end))
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="plain")


def _plain(text: str) -> str:
    return "".join(PLAIN.get(sign, "?") for sign in text)


def show(rows: Sequence[Sequence], columns: Sequence[str], title: str = "", wide: bool = False, text: str = "") -> None:
    """Print a table.

    Args:
        rows: Cells, as strings or numbers.
        columns: Their headings, the most important first: from the right, those are left out that do not fit.
        title: Above it.
        wide: Leave nothing out.
        text: Name of the column of running text, which may be broken between words.
    """
    room = shutil.get_terminal_size().columns
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *cells)]
    needed = [min(width, MIN_TEXT) if name == text else width for name, width in zip(columns, widths)]
    kept = len(columns) if wide else _fitting(needed, room)
    names, widths = columns[:kept], widths[:kept]
    if text in names and not wide:
        others = sum(width + len(GAP) for name, width in zip(names, widths) if name != text)
        widths[names.index(text)] = min(widths[names.index(text)], room - others)
    print("\n".join([*textwrap.wrap(title, room), *_lines([names, ["-" * width for width in widths], *cells], widths)]))
    if kept < len(columns):
        print(textwrap.fill(f"not shown: {', '.join(columns[kept:])} (--wide)", room))


def _lines(rows: Sequence[Sequence[str]], widths: Sequence[int]) -> Iterator[str]:
    """The rows, cells side by side; what is wider than its column goes on in the next line, broken between words."""
    for row in rows:
        broken = [textwrap.wrap(cell, width, break_long_words=False) for cell, width in zip(row, widths)]
        for parts in itertools.zip_longest(*broken, fillvalue=""):
            cells = (
                part.rjust(width) if NUMBER.fullmatch(part) else part.ljust(width) for part, width in zip(parts, widths)
            )
            yield GAP.join(cells).rstrip()


def _fitting(widths: Sequence[int], room: int) -> int:
    """How many columns fit side by side; at least the first."""
    used = itertools.accumulate(width + len(GAP) for width in widths)
    return max(1, sum(end - len(GAP) <= room for end in used))


def write_csv(table, file: Path) -> None:
    """A long result table with four digits; its folder is made."""
    file.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(file, index=False, float_format="%.4f")


def number(value: float, digits: int = 3) -> str:
    """ ".712", "-.050", "1.000"; "" for what is not a number."""
    return "" if math.isnan(value) else re.sub(r"^(-?)0\.", r"\1.", f"{value:.{digits}f}")


def with_interval(value: float, low: float, high: float, wide: bool = False) -> str:
    """ ".712 [.65,.77]", or ".712 [.651, .768]" where there is room."""
    if math.isnan(value):
        return ""
    ends = [number(end, 3 if wide else 2) for end in (low, high)]
    return f"{number(value)} [{(', ' if wide else ',').join(ends)}]"


def show_scores(scores, title: str, wide: bool = False) -> None:
    """One row per condition, one column per metric, of a table with condition, metric, value, low, high."""
    cells = {
        (row.condition, row.metric): with_interval(row.value, row.low, row.high, wide) for row in scores.itertuples()
    }
    metrics = dict.fromkeys([*(name for name in FIRST_METRICS if name in set(scores.metric)), *scores.metric])
    rows = [[name, *(cells.get((name, metric), "") for metric in metrics)] for name in dict.fromkeys(scores.condition)]
    show(rows, ["condition", *metrics], title, wide)


def show_results(results, wide: bool = False) -> None:
    """Macro-F1 per system and condition of a long result table; of attributes, every CCC.

    One row per system and seed, with attributes one per attribute and one for their mean. Without `wide` only the basic
    conditions.
    """
    from auxformer.data.missing import CONDITIONS, PROTOCOL

    attributes = "ccc" in set(results.metric)
    part = results[results.metric.str.startswith("ccc") if attributes else results.metric == "macro-f1"]
    part = part[part.partition == "all"] if "all" in set(part.partition) else part
    if not wide:
        part = part[part.condition.isin(CONDITIONS)]
    found = set(part.condition)
    conditions = list(dict.fromkeys([*(name for name in PROTOCOL if name in found), *part.condition]))
    named = ["system", *(["metric"] if attributes else []), *(["seed"] if part.seed.nunique() > 1 else [])]
    rows = []
    for _, own in part.groupby(["system", "metric", "seed"], sort=False):
        means = own.groupby("condition")[["value", "low", "high"]].mean().reindex(conditions)
        cells = [with_interval(row.value, row.low, row.high, wide) for row in means.itertuples()]
        rows.append([*(own[name].iloc[0] for name in named), *cells])
    score = "CCC" if attributes else "macro-F1"
    title = f"{results.corpus.iloc[0]}: {score} [95 % interval over speakers], target {results.target.iloc[0]}"
    show(rows, [*named, *conditions], title, wide)
