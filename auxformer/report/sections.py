"""The parts of the report of a benchmark, each made from a results folder; those with nothing to say are left out."""

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
import auxformer.report.figures as drawing
from auxformer.data.missing import CONDITIONS
from auxformer.report.literature import published_results
from auxformer.report.tables import (
    LEVEL,
    METRIC_NAMES,
    WATCHED,
    Cell,
    ResultsFolder,
    Table,
    interval_text,
    leaderboard,
    score_cell,
    shades,
    share,
    signed,
)

SUITES = Path(__file__).parents[1] / "benchmark" / "suites"


@dataclass(frozen=True)
class Section:
    """A part of the report: anchor, title, paragraphs (code between backticks), tables, figures, and text to copy."""

    name: str
    title: str
    text: Sequence[str] = ()
    tables: Sequence[Table] = ()
    figures: Sequence[drawing.Figure] = ()
    code: Sequence[str] = ()


def report_sections(folder: ResultsFolder) -> list[Section]:
    """The parts of the report that the folder has something to say about, in their order."""
    builders = (
        _leaderboard, _published, _curves, _media, _all_conditions, _kept, _confusions, _divergence, _calibration, _classes,
        _groups, _rising, _cost, _tests, _again,
    )  # fmt: skip
    return [section for section in (build(folder) for build in builders) if section]


def _leaderboard(folder: ResultsFolder) -> Section:
    text = []
    for name, reason in folder.about.get("failed", {}).items():
        text.append(f"`{name}` failed and is left out: {reason}")
    spread = folder.scores().spread.dropna()
    spread = spread[spread.index.get_level_values("system").isin(folder.systems())]
    if len(spread):
        text.append(
            f"Between seeds a system's score varies by {share(spread.median())} (median sd), at most by {share(spread.max())}."
        )
    return Section("leaderboard", "Leaderboard", text, [leaderboard(folder)])


def _published(folder: ResultsFolder) -> Section | None:
    known = published_results(folder.corpus)
    if known.empty:
        return None
    lead, rows = folder.lead(), []
    for row in known.itertuples():
        spread = f"± {share(row.spread)}" if np.isfinite(row.spread) else ""
        scores = folder.scores(row.metric)
        cells = [Cell(row.condition), Cell(METRIC_NAMES[row.metric]), Cell(share(row.value), spread)]
        cells += [score_cell(scores, lead, row.condition), Cell(row.differs), Cell(row.source, link=row.link)]
        rows.append((row.system, cells))
    table = Table(
        "published", f"Results on {folder.corpus} as their authors report them or others list them, and {lead} under our protocol",
        ["system", "streams", "metric", "reported", f"ours: {lead}", "what differs", "read in"], rows,
        note="No ranking: labels, speakers and features differ from row to row. The first column of numbers is quoted, not measured by us.",
    )  # fmt: skip
    return Section("published", "Published results beside ours", (), [table])


def _curves(folder: ResultsFolder) -> Section | None:
    figure = drawing.curves(folder)
    return Section("curves", "When frames are lost", (), (), [figure]) if figure else None


def _media(folder: ResultsFolder) -> Section | None:
    figure = drawing.media(folder)
    return Section("media", "When the recordings are worse", (), (), [figure]) if figure else None


def _all_conditions(folder: ResultsFolder) -> Section | None:
    scores, conditions = folder.scores(), folder.conditions()
    columns = [*folder.systems(), *folder.references()]
    if len(conditions) <= len(CONDITIONS):
        return None
    values = scores.value.unstack("condition").reindex(columns)[conditions]
    shade = dict(zip(((system, name) for system in columns for name in conditions), shades(values.to_numpy().ravel())))
    rows = [
        (name, [Cell(share(values.loc[system, name]), shade=shade[system, name]) for system in columns])
        for name in conditions
    ]
    caption = f"{METRIC_NAMES[folder.metric]} of every system under every condition; the darker, the higher"
    return Section(
        "conditions", "All conditions", (), [Table("all-conditions", caption, ["condition", *columns], rows, wide=True)]
    )


def _kept(folder: ResultsFolder) -> Section | None:
    area, kept = folder.scores("area"), folder.scores("kept")
    areas = list(dict.fromkeys(area.index.get_level_values("condition")))
    streams = [name for name in ("no-audio", "no-video") if name in set(kept.index.get_level_values("condition"))]
    if not areas and not streams:
        return None
    rows = []
    for system in [*folder.systems(), *(name for name in folder.references() if name == "ideal-observer")]:
        cells = [score_cell(area, system, name) for name in areas] + [
            score_cell(kept, system, name) for name in streams
        ]
        rows.append((system, cells))
    head = ["system", *(f"area {name}" for name in areas), *(f"kept {name}" for name in streams)]
    caption = (
        "Area under the curves of frame loss (mean score from 0 to 90 % lost), and share of the complete score "
        "kept without a stream"
    )
    text = ["A system that loses nothing has its complete score as its area, and keeps 1."]
    if "ideal-observer" in folder.references():
        text.append(
            "The ideal observer loses nothing with the frames: it knows what was shown as long as a stream is there."
        )
    return Section("kept", "What is left", [" ".join(text)], [Table("kept-shares", caption, head, rows)])


def _confusions(folder: ResultsFolder) -> Section | None:
    tables = []
    for system in (folder.lead(), "human-rater", "ideal-observer"):
        for condition in CONDITIONS:
            shares = folder.confusion(system, condition)
            if shares is not None:
                rows = [
                    (name, [Cell(share(value)[:-1] if value < 0.995 else "1", shade=value, strong=name == other) for other, value in row.items()])
                    for name, row in shares.iterrows()
                ]  # fmt: skip
                what = f"One rater, {WATCHED[condition]}" if system == "human-rater" else f"{system}, {condition}"
                head = ["truth", *(name[:3] for name in shares.columns)]
                tables.append(Table(f"confusion-{system}-{condition}", what, head, rows))
    if not tables:
        return None
    text = (
        "Rows are the truth, columns the answer, as shares of the row; partitions and seeds together. On the "
        "diagonal is the recall."
    )
    return Section("confusions", "What is taken for what", [text], tables)


def _divergence(folder: ResultsFolder) -> Section | None:
    scores = folder.scores("divergence")
    names = [name for name in CONDITIONS if name in set(scores.index.get_level_values("condition"))]
    if not names:
        return None
    mean = scores.value.groupby(level="system").mean()
    order = [name for name in mean.sort_values().index]
    rows = [(name, [Cell(share(scores.value.get((name, condition), np.nan))) for condition in names]) for name in order]
    text = (
        f"Does a system err as people do? `{order[0]}` confuses the classes most as one human rater does, "
        f"`{order[-1]}` least."
    )
    caption = (
        "Jensen-Shannon divergence of a system's confusions from one rater's who goes by the same streams, in "
        "bits: 0 alike, 1 nothing in common"
    )
    return Section(
        "people", "Distance from people's confusions", [text], [Table("divergence", caption, ["system", *names], rows)]
    )


def _calibration(folder: ResultsFolder) -> Section | None:
    scores = {metric: folder.scores(metric) for metric in ("ece", "brier")}
    names = [name for name in CONDITIONS if name in set(scores["ece"].index.get_level_values("condition"))]
    figure = drawing.reliability_diagram(folder, [name for name in CONDITIONS if name in folder.conditions()])
    if not names and not figure:
        return None
    tables = []
    if names:
        head = ["system", *(f"{METRIC_NAMES[metric]} {name}" for metric in scores for name in names)]
        rows = [
            (system, [score_cell(scores[metric], system, name) for metric in scores for name in names])
            for system in [*folder.systems(), *(name for name in folder.references() if name == "ideal-observer")]
        ]
        caption = (
            "Expected calibration error (0 to 1) and Brier score (0 to 2), both better when lower, with 95 % "
            "intervals over speakers"
        )
        tables = [Table("calibration", caption, head, rows)]
    return Section("calibration", "Can the confidence be believed?", (), tables, [figure] if figure else ())


def _classes(folder: ResultsFolder) -> Section | None:
    if folder.metric == "ccc":
        return _attributes(folder)
    if folder.classes is None:
        return None
    part = folder.classes[(folder.classes.metric == "f1") & (folder.classes.condition == "complete")]
    if part.empty:
        return None
    labels = list(folder.labels or dict.fromkeys(part["class"]))
    values = part.pivot_table(index="system", columns="class", values="value").reindex(columns=labels)
    order = [name for name in [*folder.systems(), *folder.references()] if name in values.index]
    shade = np.array(shades(values.loc[order].to_numpy().ravel()), object).reshape(len(order), -1)
    rows = [
        (name, [Cell(share(value), shade=shade[i, j]) for j, value in enumerate(values.loc[name])])
        for i, name in enumerate(order)
    ]
    clips = part[part.system == order[0]].set_index("class").clips
    head = ["system", *(f"{name} ({int(clips.get(name, 0)):,})" for name in labels)]
    table = Table(
        "classes",
        "F1 per emotion with both streams; in brackets clips, counted once per seed and partition",
        head,
        rows,
    )
    figure = drawing.emotions(folder)
    return Section("classes-section", "Emotion by emotion", (), [table], [figure] if figure else ())


def _attributes(folder: ResultsFolder) -> Section | None:
    metrics = [name for name in dict.fromkeys(folder.results.metric) if name.startswith("ccc-")]
    scores = {metric: folder.scores(metric) for metric in metrics}
    if not metrics:
        return None
    rows = [(name, [score_cell(scores[metric], name, "complete") for metric in metrics]) for name in folder.systems()]
    head = ["system", *(metric.removeprefix("ccc-") for metric in metrics)]
    return Section(
        "attributes",
        "Attribute by attribute",
        (),
        [Table("attributes-table", "CCC per attribute with both streams", head, rows)],
    )


def _groups(folder: ResultsFolder) -> Section | None:
    if folder.groups is None or folder.groups.empty:
        return None
    part = folder.groups[(folder.groups.metric == folder.metric) & (folder.groups.condition == "complete")]
    groups = part.drop_duplicates(["column", "group"])
    if groups.empty:
        return None
    scores = part.set_index(["system", "column", "group"]).sort_index()
    order = [name for name in [*folder.systems(), *folder.references()] if name in set(part.system)]
    rows = []
    for system in order:
        cells = []
        for group in groups.itertuples():
            key = (system, group.column, group.group)
            row = scores.loc[[key]].iloc[0] if key in scores.index else None
            cells.append(Cell("–") if row is None else Cell(share(row.value), interval_text(row.low, row.high)))
        rows.append((system, cells))
    head = ["system", *(f"{group.group} ({count(int(group.speakers), 'speaker')})" for group in groups.itertuples())]
    caption = (
        f"{METRIC_NAMES[folder.metric]} with both streams per group of speakers, with 95 % intervals drawn within "
        "the group"
    )
    text = (
        "Few speakers make wide intervals: a difference between groups is one between these speakers until more "
        "are tested."
    )
    return Section("groups", "Group by group", [text], [Table("groups-table", caption, head, rows)])


def _rising(folder: ResultsFolder) -> Section | None:
    scores = folder.scores("rising")
    names = [name for name in CONDITIONS if name in set(scores.index.get_level_values("condition"))]
    if not names:
        return None
    rows = [
        (system, [score_cell(scores, system, name) for name in names])
        for system in [*folder.systems(), *folder.references()]
        if system in set(scores.index.get_level_values("system"))
    ]
    text = (
        "Taking a stream away takes evidence away: a system whose posteriors follow the evidence becomes less "
        "sure, so this share should be near none."
    )
    caption = (
        "Share of clips of which a system is surer without the stream than with both, with 95 % intervals over speakers"
    )
    if "ideal-observer" in dict(rows) and scores.value.xs("ideal-observer").gt(0).any():
        text += (
            " It need not be none: where voice and face contradict each other, even the ideal observer is surer "
            "with one of them."
        )
    return Section("rising", "Surer with less", [text], [Table("rising-table", caption, ["system", *names], rows)])


def _cost(folder: ResultsFolder) -> Section | None:
    figure = drawing.cost(folder)
    return Section("cost", "Score and cost", (), (), [figure]) if figure else None


def _tests(folder: ResultsFolder) -> Section | None:
    if folder.comparisons is None:
        return None
    part = folder.comparisons[folder.comparisons.condition == "complete"]
    if part.empty:
        return None
    found = {(row.system_a, row.system_b): (row.difference, row.p_holm) for row in part.itertuples()}
    found |= {(b, a): (-difference, p) for (a, b), (difference, p) in found.items()}
    known = {*part.system_a, *part.system_b}
    names = [name for name in [*folder.systems(), *folder.references()] if name in known]

    def cell(row: str, column: str) -> Cell:
        if row == column or (row, column) not in found:
            return Cell("")
        difference, p = found[row, column]
        mark = "" if p >= LEVEL else "▲" if difference > 0 else "▽"
        small = "" if crowded else f"p {'< .001' if p < 0.001 else share(p)}"
        return Cell(signed(difference), small, mark, strong=bool(mark))

    crowded = len(names) > 9
    rows = [(name, [cell(name, other) for other in names]) for name in names]
    caption = (
        f"Row minus column, {METRIC_NAMES[folder.metric]} with both streams; ▲ higher, ▽ lower with Holm-corrected "
        f"p < {LEVEL}"
    )
    text = (
        "Permutation tests that swap all that two systems said about a speaker, corrected (Holm) for all the "
        "pairs under the condition, those with references among them."
    )
    text += " The p-values stand in `comparisons.csv`." if crowded else ""
    table = Table("tests-table", caption, ["system", *names], rows, wide=crowded)
    return Section("tests", "Paired tests", [text], [table])


def _again(folder: ResultsFolder) -> Section:
    about, text, code = folder.about, [], []
    if about:
        code.append(command_of(about))
        seeds, tested = about.get("protocol", {}).get("seeds", 1), about.get("protocol", {}).get("tests")
        numbers = f"seeds 0 to {seeds - 1}" if seeds > 1 else "seed 0"
        text.append(f"Made with auxformer {about.get('version', '(version not noted)')}, {numbers}.")
        if tested:
            text.append(f"Paired tests under {', '.join(tested)}.")
        said = {
            key: about[key]
            for key in ("what", "systems", "corpus", "task", "protocol", "settings", "variant")
            if about.get(key)
        }
        said.get("corpus", {}).pop("root", None)  # a folder of somebody's machine
        code.append(tomli_w.dumps({"what": said.pop("what", ""), **_without_none(said)}))
    else:
        text.append("The folder has no suite.json that says how it was made.")
    libraries = ", ".join(
        f"{name} {version(name)}" for name in ("torch", "numpy", "scikit-learn", "pandas", "matplotlib")
    )
    text.append(
        f"This page was written with auxformer {auxformer.__version__}, Python {platform.python_version()}, {libraries}; `auxformer report {folder.path.name}` writes it again."
    )
    return Section("again", "How to make this again", [" ".join(text)], (), (), code)


def _without_none(value):
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
        before, now = list(given.get("systems", ())), list(about.get("systems", ()))
        kept = [label for label in [*before, *given.get("variant", {})] if label in [*now, *about.get("variant", {})]]
        if len(kept) < len(before) + len(given.get("variant", {})):
            words += [word for label in kept for word in ("--system", _quoted(label))]
        words += [word for label in now if label not in before for word in ("--add", _quoted(label))]
        if protocol.get("seeds", 1) != given.get("protocol", {}).get("seeds", 1):
            words += ["--seeds", str(protocol["seeds"])]
        if protocol.get("published"):
            words += ["--published", "FOLDER"]
    return " ".join(words)


def _quoted(label: str) -> str:
    return f'"{label}"' if re.search(r"[^\w@.-]", label) else label


def count(number: int, what: str) -> str:
    """ "1 seed", "2 seeds"."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def list_of(names: Sequence[str], code: bool = True) -> str:
    """ "a, b and c", each as code."""
    names = [f"`{name}`" if code else name for name in names]
    return ", ".join(names[:-1]) + (" and " if len(names) > 1 else "") + names[-1] if names else ""
