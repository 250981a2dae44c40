"""The report of a benchmark: one page that needs no network, and its tables in Markdown, LaTeX and CSV.

Everything is read from a results folder (`auxformer.benchmark.suite` lists its files); what is not there is left out.
"""

import html
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from auxformer.data.missing import CONDITIONS
from auxformer.files import whole_file
from auxformer.report.figures import DARK, LIGHT
from auxformer.report.sections import Section, count, list_of, report_sections
from auxformer.report.tables import (
    METRIC_NAMES,
    ResultsFolder,
    interval_text,
    latex,
    leaderboard,
    leaderboard_frame,
    markdown,
    share,
    signed,
)

TEMPLATES = Path(__file__).parent / "templates"
STREAMS = {"complete": "with both streams", "no-audio": "without audio", "no-video": "without video"}


def write_report(folder: Path, out: Path | None = None) -> list[Path]:
    """Write report.html, report.md, report.tex and leaderboard.csv of a results folder.

    Args:
        folder: What `suite.run_suite` leaves; results.csv must be there, every other file may be missing.
        out: Where to write; the folder itself when left out.

    Returns:
        The four files.

    Raises:
        InputError: no readable results.csv, or a file beside it that cannot be read.
    """
    found = ResultsFolder.read(folder)
    sections = report_sections(found)
    out = Path(out or folder)
    out.mkdir(parents=True, exist_ok=True)
    texts = {
        "report.html": html_page(found, sections),
        "report.md": markdown_page(found, sections),
        "report.tex": latex(leaderboard(found)),
        "leaderboard.csv": leaderboard_frame(found).to_csv(index=False, float_format="%.4f"),
    }
    for name, text in texts.items():
        with whole_file(out / name) as part:
            part.write_text(text, encoding="utf-8")
    return [out / name for name in texts]


def title(folder: ResultsFolder) -> str:
    return f"Benchmark {folder.about.get('name') or folder.corpus}"


def summary(folder: ResultsFolder) -> list[str]:
    """The results in a few sentences, computed from the tables; code between backticks."""
    scores, systems = folder.scores(), folder.systems()
    sentences = [_what_was_run(folder)]
    if not systems:
        return [" ".join([*sentences, "Only people and references were scored."])]
    ties, leaders = folder.ties(), {}
    for condition in (name for name in CONDITIONS if name in folder.conditions()):
        values = scores.value.xs(condition, level="condition").reindex(systems).dropna()
        if values.empty:
            continue
        leader = ties.get(condition, [values.idxmax()])[0]
        leaders[condition] = values[leader]
        row = scores.loc[(leader, condition)]
        score = f"{share(row.value)} {interval_text(row.low, row.high)}".strip()
        if len(systems) == 1:
            sentences.append(
                f"{_capital(STREAMS[condition])}, `{leader}` scores {METRIC_NAMES[folder.metric]} {score}."
            )
            continue
        verb = f"leads with {METRIC_NAMES[folder.metric]}" if condition == "complete" else "leads with"
        sentences.append(
            f"{_capital(STREAMS[condition])}, `{leader}` {verb} {score}{_tied_words(ties.get(condition))}."
        )
    sentences += _distances(scores, leaders)
    if folder.about.get("failed"):
        sentences.append(f"Failed and left out: {', '.join(f'`{name}`' for name in folder.about['failed'])}.")
    return [" ".join(sentences)]


def _what_was_run(folder: ResultsFolder) -> str:
    results, systems = folder.results, folder.systems()
    own = results[results.system.isin(systems)]
    parts = [count(len(systems), "system"), f"on {folder.corpus} ({folder.target} target"]
    kinds = [name for name in own.features.unique() if name != "people"]
    parts[-1] += f", features {', '.join(kinds)})" if kinds else ")"
    partitions = [name for name in own.partition.unique() if name != "all"]
    seeds = int(own.seed.nunique()) if len(own) else 0
    if len(own):
        parts.append(f"over {count(len(partitions), 'partition')} and {count(seeds, 'seed')}")
        parts.append(f"under {count(len(folder.conditions()), 'condition')}")
    text = " ".join(parts)
    if folder.predictions is not None:
        text += (
            f"; {folder.predictions['clip'].nunique():,} clips of "
            f"{count(folder.predictions.speaker.nunique(), 'test speaker')}"
        )
    return text + "."


def _tied_words(tied: Sequence[str] | None) -> str:
    if tied is None:
        return ""
    others = tied[1:]
    if not others:
        return "; the paired tests set it apart from all others"
    if len(others) <= 3:
        return f"; the paired tests do not set {list_of(others)} apart from it"
    return f"; the paired tests do not set {len(others)} others apart from it ({', '.join(f'`{name}`' for name in others[:3])} …)"


def _distances(scores: pd.DataFrame, leaders: dict[str, float]) -> list[str]:
    """How far the leaders are from the ideal observer and from people."""

    def against(names: dict[str, str]) -> str:
        told = []
        for condition, name in names.items():
            value = scores.value.get((name, condition))
            if value is not None:
                told.append(f"{share(value)} {STREAMS[condition]} ({signed(leaders[condition] - value)})")
        return list_of(told, code=False)

    sentences = []
    if said := against({condition: "ideal-observer" for condition in leaders}):
        sentences.append(
            f"The ideal observer, which knows what was shown, scores {said}; in brackets the leader's distance from it."
        )
    rater = {condition: "human-rater" for condition in leaders}
    if ("human-rater-others", "complete") in scores.index and "complete" in rater:
        rater["complete"] = "human-rater-others"
    if said := against(rater):
        judged = ", judged by the other raters," if rater.get("complete") == "human-rater-others" else ""
        sentences.append(f"One human rater who goes by the same streams{judged} scores {said}.")
    return sentences


def html_page(folder: ResultsFolder, sections: Sequence[Section]) -> str:
    """The report as one page that fetches nothing."""
    from jinja2 import Environment, FileSystemLoader

    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["prose"] = _prose
    return environment.get_template("report.html.j2").render(
        title=title(folder), what=folder.about.get("what", ""), summary=summary(folder), sections=sections,
        light=LIGHT, dark=DARK,
    )  # fmt: skip


def markdown_page(folder: ResultsFolder, sections: Sequence[Section]) -> str:
    """The report without its figures, in Markdown."""
    lines = [f"# {title(folder)}", "", *summary(folder)]
    for section in sections:
        if not (section.text or section.tables or section.code):
            continue
        lines += ["", f"## {section.title}"]
        for text in section.text:
            lines += ["", text]
        for table in section.tables:
            lines += ["", markdown(table)]
        for code in section.code:
            lines += ["", "```", code.strip(), "```"]
    return "\n".join(lines) + "\n"


def _prose(text: str) -> str:
    """HTML of a text, with what stands between backticks as code."""
    parts = html.escape(text).split("`")
    return "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
