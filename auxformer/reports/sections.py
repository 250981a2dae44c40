"""The parts of a report, each made from a results folder; those with nothing to say are left out."""

import platform
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import tomli_w

import auxformer
from auxformer.reports import figures
from auxformer.reports.literature import literature
from auxformer.reports.results import LEVEL, ResultsFolder
from auxformer.reports.tables import (
    METRIC_NAMES,
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
    """A part of the report: anchor, title, a paragraph (code between backticks), tables, a figure, and text to copy.

    What stands below the paragraph of a `folded` one is shown when it is asked for.
    """

    name: str
    title: str
    text: str = ""
    tables: Sequence[Table] = ()
    figure: figures.Figure | None = None
    code: Sequence[str] = ()
    folded: bool = False


def report_sections(folder: ResultsFolder) -> list[Section]:
    """The parts of the report that the folder has something to say about, in their order."""
    sections = [
        Section("leaderboard", "Leaderboard", _failures_and_seeds(folder), [leaderboard(folder)]),
        Section("literature", "Results of others beside ours", tables=_literature(folder)),
        Section("curves", "When frames are lost", figure=figures.curves(folder)),
        Section("missing-training", "When training clips lack a stream", _MISSING, figure=figures.missing_training(folder)),
        Section("media", "When the recordings are worse", figure=figures.media(folder)),
        Section("storm", "When one cause strikes both streams", _STORM, figure=figures.storm(folder)),
        Section("conditions", "All conditions", tables=_all_conditions(folder), folded=True),
        Section("kept", "What is left", _KEPT, _scores(folder, "kept-shares", _KEPT_CAPTION, "area", "kept")),
        Section(
            "contributions", "Who contributes what", _CONTRIBUTIONS, _contributions(folder), figures.contributions(folder),
            folded=True,
        ),
        Section("confusions", "What is taken for what", _CONFUSIONS, _confusions(folder)),
        Section("people", "Distance from people's confusions", tables=_divergence(folder), folded=True),
        Section(
            "calibration", "Can the confidence be believed?", figure=figures.reliability_diagram(folder),
            tables=_scores(folder, "calibration", _CALIBRATION_CAPTION, "ece", "brier"),
        ),
        Section("classes-section", "Emotion by emotion", tables=_classes(folder), figure=figures.emotions(folder)),
        Section("attributes", "Attribute by attribute", tables=_attributes(folder)),
        Section("groups", "Group by group", _GROUPS, _groups(folder), folded=True),
        Section("rising", "Surer with less", _RISING, _scores(folder, "rising-table", _RISING_CAPTION, "rising"), folded=True),
        Section("cost", "Score and cost", figure=figures.cost(folder)),
        Section("tests", "Paired tests", _TESTS, _tests(folder), folded=True),
    ]  # fmt: skip
    return [*(part for part in sections if part.tables or part.figure), _again(folder)]


_STORM = (
    "What worsens the picture worsens the voice (stalls and gusts at the same moments); severity 0 is the recording as it was, 5 the worst. "
    "A reference that knows what was shown stays where it is."
)
_MISSING = (
    "Each of these training clips lacks the stream in every epoch, and no clip lacks both. With modality dropout, streams of "
    "the others are dropped besides. Dev and test clips have both streams."
)
_KEPT = "A system that loses nothing has its complete score as its area, and keeps 1."
_KEPT_CAPTION = (
    "Mean score from 0 to 90 % of the frames lost (area), and share of the complete score kept without a stream"
)
_CONTRIBUTIONS = (
    "What the voice and the face each add to the score, on average over the two orders in which they can come (Shapley values), "
    "counted from the best constant answer; as shares of what both add together. Equity is the smaller share divided by the "
    "larger. A share below 0 says that the score is better without that stream; a dash, that both streams together are not "
    "above the constant answer, so that there is nothing to divide. People are three groups: those who heard, those who saw, "
    "and those who did both."
)
_CONTRIBUTIONS_CAPTION = "Shares of the streams in the score, and equity; 95 % intervals over speakers"
_CONFUSIONS = "Rows are the truth, columns the answer, as shares of the row, of all partitions and seeds; on the diagonal is the recall."
_CALIBRATION_CAPTION = (
    "Expected calibration error (0 to 1) and Brier score (0 to 2), both better when lower; 95 % intervals over speakers"
)
_GROUPS = (
    "Few speakers make wide intervals: a difference between groups is one between these speakers until more are tested."
)
_RISING = (
    "Less evidence should make a system less sure: this share should be near none, but for clips whose voice and face "
    "contradict each other."
)
_RISING_CAPTION = (
    "Share of clips of which a system is surer without the stream than with both; 95 % intervals over speakers"
)
_TESTS = (
    "Permutation tests that swap all that two systems said about a speaker, corrected by max-T for all pairs, references too. "
    "The p-values stand in `comparisons.csv`."
)


def _failures_and_seeds(folder: ResultsFolder) -> str:
    text = [f"`{name}` failed and is left out ({reason})." for name, reason in folder.about.get("failed", {}).items()]
    spread = folder.own().spread.dropna()
    if len(spread):
        sd = f"{share(spread.median())} (median sd), at most by {share(spread.max())}"
        text.append(f"Between seeds a system's score varies by {sd}.")
    return " ".join(text)


def _literature(folder: ResultsFolder) -> list[Table]:
    """Where no clip has one of the streams, the results of those who went without it, beside ours with all there is."""
    lead, rows, known = folder.lead(), [], literature(folder.corpus)
    if folder.absent:
        known = known[known.condition == f"no-{folder.absent}"]
    for row in known.itertuples():
        spread = f"± {share(row.spread)}" if np.isfinite(row.spread) else ""
        cells = [Cell(row.condition), Cell(METRIC_NAMES[row.metric]), Cell(share(row.value), spread)]
        ours = "complete" if folder.absent else row.condition
        cells += [score_cell(folder.scores(row.metric), lead, ours), Cell(row.differs)]
        rows.append((row.system, [*cells, Cell(row.source, link=row.link)]))
    table = Table(
        "literature", f"Results on {folder.corpus} as others report them, and {lead} under our protocol",
        ["system", "streams", "metric", "reported", f"ours: {lead}", "what differs", "read in"], rows,
        note="No ranking: labels, speakers and features differ from row to row, and we measured only our own column.",
    )  # fmt: skip
    return [table] if rows else []


def _all_conditions(folder: ResultsFolder) -> list[Table]:
    if set(folder.conditions()) <= set(folder.streams()):
        return []
    values = folder.board.value.unstack("system").loc[folder.conditions(), folder.rows()]
    caption = f"{METRIC_NAMES[folder.metric]} of every system under every condition; the darker, the higher"
    return [Table("all-conditions", caption, ["condition", *values], shaded_rows(values), wide=True)]


def _scores(folder: ResultsFolder, name: str, caption: str, *metrics: str, order: Sequence[str] = ()) -> list[Table]:
    """A table of scores other than the headline one; none where the results have no such score."""
    columns = {}
    for metric in metrics:
        scores = folder.scores(metric)
        # An area is of a whole curve, "audio-frames" say, and not of a condition.
        conditions = folder.streams(scores) if metric != "area" else scores.index.unique("condition")
        label = METRIC_NAMES.get(metric, metric) if len(metrics) > 1 else ""
        columns |= {f"{label} {condition}".strip(): (metric, condition) for condition in conditions}
    return [score_table(folder, name, caption, columns, order)] if columns else []


def _contributions(folder: ResultsFolder) -> list[Table]:
    columns = {"audio": ("share", "audio"), "video": ("share", "video"), "equity": ("equity", "both")}
    views = {metric: folder.scores(metric) for metric, _ in columns.values()}
    known = [name for name in folder.rows() if (name, "audio") in views["share"].index]
    rows = [(name, [score_cell(views[metric], name, streams) for metric, streams in columns.values()]) for name in known]
    gains = [name for name, (audio, *_) in rows if audio.text != "–"]
    note = ", ".join(name for name in known if name not in gains)
    note = f"With both streams not above the best constant answer, so that there is nothing to divide: {note}." if note else ""
    table = Table("contributions-table", _CONTRIBUTIONS_CAPTION, ["system", *columns], rows, note)
    return [table] if rows else []


def _confusions(folder: ResultsFolder) -> list[Table]:
    tables = []
    for system, (condition, way) in product((folder.lead(), "human-rater", "ideal-observer"), folder.watched.items()):
        shares = folder.confusion(system, condition)
        if shares is not None:
            what = f"One rater, {way}" if system == "human-rater" else f"{system}, {condition}"
            rows = shaded_rows(shares, digits=2, low=0, high=1)
            head = ["truth", *(name[:3] for name in shares)]
            tables.append(Table(f"confusion-{system}-{condition}", what, head, rows))
    return tables


def _divergence(folder: ResultsFolder) -> list[Table]:
    order = folder.scores("divergence").value.groupby("system").mean().sort_values().index
    caption = (
        "Jensen-Shannon divergence of a system's confusions from one rater's who goes by the same streams, in bits: 0 alike, "
        "1 nothing in common; the most alike first"
    )
    return _scores(folder, "divergence", caption, "divergence", order=list(order))


def _attributes(folder: ResultsFolder) -> list[Table]:
    names = [name for name in dict.fromkeys(folder.results.metric) if name.startswith("ccc-")]
    columns = {name.removeprefix("ccc-"): (name, "complete") for name in names}
    caption = f"CCC per attribute with {folder.whole}"
    return [score_table(folder, "attributes-table", caption, columns)] if names else []


def _complete(table: pd.DataFrame | None, metric: str) -> pd.DataFrame:
    """The rows of a file beside the results that say a score under "complete"; without the file none."""
    return pd.DataFrame() if table is None else table[(table.metric == metric) & (table.condition == "complete")]


def _classes(folder: ResultsFolder) -> list[Table]:
    part = _complete(folder.classes, "f1")
    if part.empty:
        return []
    labels = folder.labels or list(dict.fromkeys(part["class"]))
    values = part.pivot_table(index="system", columns="class", values="value").reindex(columns=labels)
    values = values.loc[[name for name in folder.rows() if name in values.index]]
    clips = part[part.system == values.index[0]].set_index("class").clips.reindex(labels, fill_value=0)
    head = ["system", *(f"{name} ({int(number):,})" for name, number in clips.items())]
    caption = f"F1 per emotion with {folder.whole}; in brackets clips, counted once per seed and partition"
    return [Table("classes", caption, head, shaded_rows(values))]


def _groups(folder: ResultsFolder) -> list[Table]:
    part = _complete(folder.groups, folder.metric)
    if part.empty:
        return []
    groups = part.drop_duplicates(["column", "group"])
    keys = pd.MultiIndex.from_frame(groups[["column", "group"]])
    part = part.drop_duplicates(["system", "column", "group"]).set_index(["system", "column", "group"])
    rows = []
    for system in folder.rows():
        if system in part.index:
            scores = part.loc[system].reindex(keys)
            rows.append((system, [Cell(share(r.value), interval_text(r.low, r.high)) for r in scores.itertuples()]))
    head = ["system", *(f"{row.group} ({count(int(row.speakers), 'speaker')})" for row in groups.itertuples())]
    caption = f"{METRIC_NAMES[folder.metric]} with {folder.whole} per group of speakers, intervals drawn within the group"
    return [Table("groups-table", caption, head, rows)]


def _tests(folder: ResultsFolder) -> list[Table]:
    part = folder.comparisons
    part = pd.DataFrame() if part is None else part[part.condition == "complete"]
    if part.empty:
        return []
    found = {(row.system_a, row.system_b): (row.difference, row.p_corrected) for row in part.itertuples()}
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
    caption = f"Row minus column, {METRIC_NAMES[folder.metric]} with {folder.whole}; ▲ higher, ▽ lower with corrected p < {LEVEL}"
    return [Table("tests-table", caption, ["system", *names], rows, wide=crowded)]


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
    used = ", ".join(f"{name} {version(name)}" for name in libraries)
    text += f" Page written with auxformer {auxformer.__version__}, Python {platform.python_version()}, {used}; "
    text += f"`auxformer report {folder.path.name}` writes it again."
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
        before, now = ([*suite.get("systems", ()), *suite.get("variant", {})] for suite in (given, about))
        kept = [label for label in before if label in now]
        if len(kept) < len(before):
            words += [f"--system {_quoted(label)}" for label in kept]
        more = [label for label in about.get("systems", ()) if label not in given.get("systems", ())]
        words += [f"--add {_quoted(label)}" for label in more]
        if protocol.get("seeds", 1) != given.get("protocol", {}).get("seeds", 1):
            words += ["--seeds", str(protocol["seeds"])]
        official = protocol.get("official") or protocol.get("published")
        if official and official != given.get("protocol", {}).get("official"):  # "published" is what folders made before 0.2 say
            words += ["--official", "FOLDER"]
    return " ".join(words)


def _quoted(label: str) -> str:
    return f'"{label}"' if re.search(r"[^\w@.-]", label) else label


def count(number: int, what: str) -> str:
    """ "1 seed", "2 seeds"."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"
