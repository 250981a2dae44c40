"""Tables in the terminal: as many columns as fit, all of them with `--wide`; numbers are never broken over lines."""

import codecs
import io
import itertools
import math
import re
import shutil
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

from auxformer.files import make_folder, whole_file

PLAIN = {"…": "...", "★": "*", "•": "*", "²": "2", "×": "x", "–": "-", "—": "-", "±": "+-", "√": "sqrt ", "→": "->"}
FIRST_METRICS = ("macro-f1", "macro-precision", "macro-recall", "micro-f1")
GAP = 2
NUMBER = re.compile(r"[-+]?[\d,]*\.?\d+")
MIN_TEXT = 24
"""Columns of the terminal below which running text is left out rather than broken into slivers."""


def speak_plainly_where_needed() -> None:
    """Have stdout and stderr write signs that the terminal cannot show in plain ones, instead of raising."""

    def plain(error):
        return "".join(PLAIN.get(sign, "?") for sign in error.object[error.start : error.end]), error.end

    codecs.register_error("plain", plain)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="plain")


def show(rows: Sequence[Sequence], columns: Sequence[str], title: str = "", wide: bool = False, text: str = "") -> None:
    """Print a table: without `wide` as many columns as fit, from the left; only the column `text` may be broken."""
    from rich.console import Console
    from rich.table import Table

    room = shutil.get_terminal_size().columns
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, cells)) for cells in zip(columns, *rows)]
    needed = [min(width, MIN_TEXT) if name == text else width for name, width in zip(columns, widths)]
    ends = itertools.accumulate(width + GAP for width in needed)
    kept = len(columns) if wide else max(1, sum(end - GAP <= room for end in ends))
    table = Table(box=None, padding=(0, GAP, 0, 0))
    for name, width, *cells in zip(columns[:kept], widths if wide else needed, *rows):
        justify = "right" if cells and all(NUMBER.fullmatch(cell) for cell in cells) else "left"
        table.add_column(name, min_width=width, no_wrap=name != text, justify=justify)
    for row in rows:
        table.add_row(*row[:kept])
    # The gap after the last column is cut off again.
    width = GAP + (sum(widths) + GAP * kept if wide else max(room, needed[0]))
    console = Console(width=width, file=io.StringIO(), markup=False, emoji=False, highlight=False, no_color=True)
    console.print(table)
    lines = [line.rstrip() for line in console.file.getvalue().splitlines()]
    print("\n".join([*textwrap.wrap(title, room), *lines]))
    if kept < len(columns):
        print(textwrap.fill(f"not shown: {', '.join(columns[kept:])} (--wide)", room))


def write_csv(table, file: Path) -> None:
    """A long result table with four digits; its folder is made."""
    make_folder(file.parent)
    with whole_file(file) as part:
        table.to_csv(part, index=False, float_format="%.4f")


def number(value: float, digits: int = 3) -> str:
    """ ".712", "-.050", "1.000"; "" for what is not a number."""
    return "" if math.isnan(value) else re.sub(r"^(-?)0\.", r"\1.", f"{value:.{digits}f}")


def with_interval(value: float, low: float, high: float, wide: bool = False) -> str:
    """ ".712 [.65,.77]", or ".712 [.651, .768]" where there is room."""
    if math.isnan(value):
        return ""
    if math.isnan(low):
        return f"{number(value)} [-]"
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
    _say_why_no_interval(scores)


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
    _say_why_no_interval(part)


def show_shares(results) -> None:
    """What each stream contributes to the score, of the rows of a long result table that say it; nothing where none does."""
    part = results[results.metric.isin(("share", "equity"))]
    rows = []
    for system, own in part.groupby("system", sort=False):
        own = own.set_index("condition")[["value", "low", "high"]].loc[["audio", "video", "both"]]
        rows.append([system, *(with_interval(*row, True) for row in own.itertuples(index=False))])
    if rows:
        show(rows, ["system", "voice's share", "face's share", "equity"], "who contributes what")


def _say_why_no_interval(scores) -> None:
    if (scores.value.notna() & scores.low.isna()).any():
        why = "[-]: no interval; fewer than five test speakers do not show how much speakers differ."
        print(textwrap.fill(why, shutil.get_terminal_size().columns))
