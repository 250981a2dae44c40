"""The parts of a report, each made from a results folder; those with nothing to say are left out."""

import platform
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import tomli_w

import auxformer
from auxformer.reports import figures
from auxformer.reports.literature import literature
from auxformer.reports.results import LEVEL, ResultsFolder
from auxformer.reports.tables import (
    METRIC_NAMES,
    WATCHED,
    Cell,
    Table,
    interval_text,
    leaderboard,
    score_cell,
    score_table,
    shaded_rows,
    share,
    signed,
)

SUITES = Path(__file__).parents[1] / "benchmark" / "suites"


@dataclass(frozen=True)
class Section:
    """A part of the report: anchor, title, a paragraph (code between backticks), tables, a figure, and text to copy."""

    name: str
    title: str
    text: str = ""
    tables: Sequence[Table] = ()
    figure: figures.Figure | None = None
    code: Sequence[str] = ()


def report_sections(folder: ResultsFolder) -> list[Section]:
    """The parts of the report that the folder has something to say about, in their order."""
    sections = [
        Section("leaderboard", "Leaderboard", _failures_and_seeds(folder), [leaderboard(folder)]),
        _literature(folder),
        Section("curves", "When frames are lost", figure=figures.curves(folder)),
        Section("media", "When the recordings are worse", figure=figures.media(folder)),
        Section("conditions", "All conditions", tables=_all_conditions(folder)),
        _kept(folder),
        _confusions(folder),
        _divergence(folder),
        _calibration(folder),
        _attributes(folder) if folder.metric == "ccc" else _classes(folder),
        _groups(folder),
        _rising(folder),
        Section("cost", "Score and cost", figure=figures.cost(folder)),
        _tests(folder),
    ]
    return [*(part for part in sections if part and (part.tables or part.figure)), _again(folder)]


def _failures_and_seeds(folder: ResultsFolder) -> str:
    text = [f"`{name}` failed and is left out ({reason})." for name, reason in folder.about.get("failed", {}).items()]
    spread = folder.board.spread[folder.board.index.get_level_values("system").isin(folder.systems())].dropna()
    if len(spread):
        text.append(
            f"Between seeds a system's score varies by {share(spread.median())} (median sd), at most by {share(spread.max())}."
        )
    return " ".join(text)


def _literature(folder: ResultsFolder) -> Section | None:
    known = literature(folder.corpus)
    if known.empty:
        return None
    lead, rows = folder.lead(), []
    for row in known.itertuples():
        spread = f"± {share(row.spread)}" if np.isfinite(row.spread) else ""
        cells = [Cell(row.condition), Cell(METRIC_NAMES[row.metric]), Cell(share(row.value), spread)]
        cells += [score_cell(folder.scores(row.metric), lead, row.condition), Cell(row.differs)]
        rows.append((row.system, [*cells, Cell(row.source, link=row.link)]))
    table = Table(
        "literature", f"Results on {folder.corpus} as their authors report them or others list them, and {lead} under our protocol",
        ["system", "streams", "metric", "reported", f"ours: {lead}", "what differs", "read in"], rows,
        note="No ranking: labels, speakers and features differ from row to row. The first column of numbers is quoted, not measured by us.",
    )  # fmt: skip
    return Section("literature", "Results of others beside ours", tables=[table])


def _all_conditions(folder: ResultsFolder) -> list[Table]:
    if set(folder.conditions()) <= set(folder.streams()):
        return []
    values = folder.board.value.unstack("system").loc[folder.conditions(), folder.rows()]
    caption = f"{METRIC_NAMES[folder.metric]} of every system under every condition; the darker, the higher"
    return [Table("all-conditions", caption, ["condition", *values], shaded_rows(values), wide=True)]


def _kept(folder: ResultsFolder) -> Section | None:
    areas = dict.fromkeys(folder.scores("area").index.get_level_values("condition"))
    columns = {f"area {name}": ("area", name) for name in areas}
    columns |= {f"kept {name}": ("kept", name) for name in folder.streams(folder.scores("kept"))}
    if not columns:
        return None
    caption = "Area under the curves of frame loss (mean score from 0 to 90 % lost), and share of the complete score kept without a stream"
    text = "A system that loses nothing has its complete score as its area, and keeps 1."
    if "ideal-observer" in folder.references():
        text += (
            " The ideal observer loses nothing with the frames: it knows what was shown as long as a stream is there."
        )
    return Section("kept", "What is left", text, [score_table(folder, "kept-shares", caption, columns)])


def _confusions(folder: ResultsFolder) -> Section:
    tables = []
    for system in (folder.lead(), "human-rater", "ideal-observer"):
        for condition, watched in WATCHED.items():
            shares = folder.confusion(system, condition)
            if shares is not None:
                what = f"One rater, {watched}" if system == "human-rater" else f"{system}, {condition}"
                head = ["truth", *(name[:3] for name in shares)]
                rows = shaded_rows(shares, digits=2, low=0, high=1)
                tables.append(Table(f"confusion-{system}-{condition}", what, head, rows))
    text = "Rows are the truth, columns the answer, as shares of the row; partitions and seeds together. On the diagonal is the recall."
    return Section("confusions", "What is taken for what", text, tables)


def _divergence(folder: ResultsFolder) -> Section | None:
    scores = folder.scores("divergence")
    columns = {name: ("divergence", name) for name in folder.streams(scores)}
    if not columns:
        return None
    order = list(scores.value.groupby("system").mean().sort_values().index)
    text = f"Does a system err as people do? `{order[0]}` confuses the classes most as one human rater does, `{order[-1]}` least."
    caption = (
        "Jensen-Shannon divergence of a system's confusions from one rater's who goes by the same streams, in bits: 0 alike, "
        "1 nothing in common"
    )
    table = score_table(folder, "divergence", caption, columns, order)
    return Section("people", "Distance from people's confusions", text, [table])


def _calibration(folder: ResultsFolder) -> Section:
    caption = "Expected calibration error (0 to 1) and Brier score (0 to 2), both better when lower, with 95 % intervals over speakers"
    columns = {
        f"{METRIC_NAMES[metric]} {name}": (metric, name)
        for metric in ("ece", "brier")
        for name in folder.streams(folder.scores(metric))
    }
    tables = [score_table(folder, "calibration", caption, columns)] if columns else []
    return Section(
        "calibration", "Can the confidence be believed?", tables=tables, figure=figures.reliability_diagram(folder)
    )


def _classes(folder: ResultsFolder) -> Section | None:
    if folder.classes is None:
        return None
    part = folder.classes[(folder.classes.metric == "f1") & (folder.classes.condition == "complete")]
    if part.empty:
        return None
    labels = folder.labels or list(dict.fromkeys(part["class"]))
    values = part.pivot_table(index="system", columns="class", values="value").reindex(columns=labels)
    values = values.loc[[name for name in folder.rows() if name in values.index]]
    clips = part[part.system == values.index[0]].set_index("class").clips.reindex(labels, fill_value=0)
    head = ["system", *(f"{name} ({int(number):,})" for name, number in clips.items())]
    caption = "F1 per emotion with both streams; in brackets clips, counted once per seed and partition"
    table = Table("classes", caption, head, shaded_rows(values))
    return Section("classes-section", "Emotion by emotion", tables=[table], figure=figures.emotions(folder))


def _attributes(folder: ResultsFolder) -> Section:
    metrics = [name for name in dict.fromkeys(folder.results.metric) if name.startswith("ccc-")]
    columns = {metric.removeprefix("ccc-"): (metric, "complete") for metric in metrics}
    table = score_table(folder, "attributes-table", "CCC per attribute with both streams", columns)
    return Section("attributes", "Attribute by attribute", tables=[table] if metrics else [])


def _groups(folder: ResultsFolder) -> Section | None:
    if folder.groups is None:
        return None
    part = folder.groups[(folder.groups.metric == folder.metric) & (folder.groups.condition == "complete")]
    if part.empty:
        return None
    groups = part.drop_duplicates(["column", "group"])
    found = part.drop_duplicates(["system", "column", "group"]).set_index(["system", "column", "group"])
    scores = found[["value", "low", "high"]].to_dict("index")

    def cell(key: tuple[str, str, str]) -> Cell:
        row = scores.get(key)
        return Cell(share(row["value"]), interval_text(row["low"], row["high"])) if row else Cell("–")

    keys = list(zip(groups.column, groups.group, strict=True))
    order = [name for name in folder.rows() if name in set(part.system)]
    rows = [(system, [cell((system, *key)) for key in keys]) for system in order]
    head = ["system", *(f"{group.group} ({count(int(group.speakers), 'speaker')})" for group in groups.itertuples())]
    caption = f"{METRIC_NAMES[folder.metric]} with both streams per group of speakers, with 95 % intervals drawn within the group"
    text = "Few speakers make wide intervals: a difference between groups is one between these speakers until more are tested."
    return Section("groups", "Group by group", text, [Table("groups-table", caption, head, rows)])


def _rising(folder: ResultsFolder) -> Section | None:
    scores = folder.scores("rising")
    columns = {name: ("rising", name) for name in folder.streams(scores)}
    if not columns:
        return None
    text = (
        "Taking a stream away takes evidence away: a system whose posteriors follow the evidence becomes less sure, so this "
        "share should be near none."
    )
    if (scores.value[scores.index.get_level_values("system") == "ideal-observer"] > 0).any():
        text += " It need not be none: where voice and face contradict each other, even the ideal observer is surer with one of them."
    caption = (
        "Share of clips of which a system is surer without the stream than with both, with 95 % intervals over speakers"
    )
    return Section("rising", "Surer with less", text, [score_table(folder, "rising-table", caption, columns)])


def _tests(folder: ResultsFolder) -> Section | None:
    if folder.comparisons is None:
        return None
    part = folder.comparisons[folder.comparisons.condition == "complete"]
    if part.empty:
        return None
    found = {(row.system_a, row.system_b): (row.difference, row.p_holm) for row in part.itertuples()}
    found |= {(b, a): (-difference, p) for (a, b), (difference, p) in found.items()}
    names = [name for name in folder.rows() if name in {*part.system_a, *part.system_b}]
    crowded = len(names) > 9

    def cell(pair: tuple[str, str]) -> Cell:
        if pair not in found:
            return Cell("")
        difference, p = found[pair]
        mark = "" if p >= LEVEL else "▲" if difference > 0 else "▽"
        small = "" if crowded else f"p {'< .001' if p < 0.001 else share(p)}"
        return Cell(signed(difference), small, mark, strong=bool(mark))

    rows = [(name, [cell((name, other)) for other in names]) for name in names]
    caption = f"Row minus column, {METRIC_NAMES[folder.metric]} with both streams; ▲ higher, ▽ lower with Holm-corrected p < {LEVEL}"
    text = (
        "Permutation tests that swap all that two systems said about a speaker, corrected (Holm) for all the pairs under the "
        "condition, those with references among them."
    )
    text += " The p-values stand in `comparisons.csv`." if crowded else ""
    return Section(
        "tests", "Paired tests", text, [Table("tests-table", caption, ["system", *names], rows, wide=crowded)]
    )


def _again(folder: ResultsFolder) -> Section:
    about, code = folder.about, []
    text = "The folder has no suite.json that says how it was made."
    if about:
        protocol = about.get("protocol", {})
        seeds = protocol.get("seeds", 1)
        text = f"Made with auxformer {about.get('version', '(version not noted)')}, "
        text += f"seeds 0 to {seeds - 1}." if seeds > 1 else "seed 0."
        if protocol.get("tests"):
            text += f" Paired tests under {', '.join(protocol['tests'])}."
        keys = ("what", "systems", "corpus", "task", "protocol", "settings", "variant")
        said = {"what": "", **_without_none({key: about[key] for key in keys if about.get(key)})}
        said.get("corpus", {}).pop("root", None)  # a folder of somebody's machine
        code = [command_of(about), tomli_w.dumps(said)]
    libraries = ("torch", "numpy", "scikit-learn", "pandas", "matplotlib")
    text += (
        f" This page was written with auxformer {auxformer.__version__}, Python {platform.python_version()}, "
        f"{', '.join(f'{name} {version(name)}' for name in libraries)}; `auxformer report {folder.path.name}` writes it again."
    )
    return Section("again", "How to make this again", text, code=code)


def _without_none(value):
    """TOML knows no null."""
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return value


def command_of(about: dict) -> str:
    """The command line that runs a suite again, from the content of suite.json.

    A suite that the package does not have is named as the file that one would save its text in.
    """
    name, protocol = about.get("name", "suite"), about.get("protocol", {})
    path = SUITES / f"{name}.toml"
    given = tomllib.loads(path.read_text()) if path.is_file() else None
    words = ["auxformer", "bench", name if given else f"{name}.toml"]
    if about.get("corpus", {}).get("name", "puppets") != "puppets":
        words += ["--root", "FOLDER"]
    if given:
        before = [*given.get("systems", ()), *given.get("variant", {})]
        now = [*about.get("systems", ()), *about.get("variant", {})]
        kept = [label for label in before if label in now]
        if len(kept) < len(before):
            words += [word for label in kept for word in ("--system", _quoted(label))]
        words += [word for label in about.get("systems", ()) if label not in given.get("systems", ()) for word in ("--add", _quoted(label))]  # fmt: skip
        if protocol.get("seeds", 1) != given.get("protocol", {}).get("seeds", 1):
            words += ["--seeds", str(protocol["seeds"])]
        if protocol.get("official") or protocol.get("published"):  # "published" is what folders made before 0.2 say
            words += ["--official", "FOLDER"]
    return " ".join(words)


def _quoted(label: str) -> str:
    return f'"{label}"' if re.search(r"[^\w@.-]", label) else label


def count(number: int, what: str) -> str:
    """ "1 seed", "2 seeds"."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"
