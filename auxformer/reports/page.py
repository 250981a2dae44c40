"""The report of a benchmark: one page that needs no network, and its tables in Markdown, LaTeX and CSV."""

import html
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from auxformer.files import make_folder, whole_file
from auxformer.reports.results import BEST, REFERENCE_ROWS, TIED, ResultsFolder
from auxformer.reports.sections import Section, count, report_sections
from auxformer.reports.tables import (
    METRIC_NAMES,
    interval_text,
    latex,
    leaderboard,
    leaderboard_frame,
    markdown,
    share,
    signed,
)

STREAMS = {"no-audio": "without audio", "no-video": "without video"}


def write_report(folder: Path, out: Path | None = None) -> list[Path]:
    """See `auxformer.reports.report`."""
    found = ResultsFolder.read(folder)
    sections = report_sections(found)
    out = make_folder(out or folder)
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


def summary(folder: ResultsFolder) -> str:
    """The results in a few sentences, computed from the tables; code between backticks."""
    systems, sentences, leaders = folder.systems(), [_what_was_run(folder)], {}
    streams = {"complete": f"with {folder.whole}", **STREAMS}
    if not systems:
        return f"{sentences[0]} Only people and references were scored."
    for condition in folder.streams():
        rows = folder.board.xs(condition, level="condition").reindex(systems).dropna(subset="value")
        if rows.empty:
            continue
        tested = rows.mark.eq(BEST).any()
        leader = rows.mark.eq(BEST).idxmax() if tested else rows.value.idxmax()
        row = rows.loc[leader]
        leaders[condition] = row.value
        verb = "scores" if len(systems) == 1 else "leads with"
        metric = f" {METRIC_NAMES[folder.metric]}" if condition == "complete" or len(systems) == 1 else ""
        score = f"{share(row.value)} {interval_text(row.low, row.high)}".strip()
        ties = _told_ties(rows[rows.mark == TIED].value.sort_values(ascending=False).index) if tested else ""
        sentences.append(f"{streams[condition].capitalize()}, `{leader}` {verb}{metric} {score}{ties}.")
    sentences += _distances(folder.board, leaders, streams)
    if folder.about.get("failed"):
        sentences.append(f"Failed and left out: {', '.join(f'`{name}`' for name in folder.about['failed'])}.")
    return " ".join(sentences)


def _what_was_run(folder: ResultsFolder) -> str:
    own = folder.results[folder.results.system.isin(folder.systems())]
    kinds = [name for name in own.features.unique() if name != "people"]
    text = f"{count(len(folder.systems()), 'system')} on {folder.corpus} ({folder.target} target"
    text += f", features {', '.join(kinds)})" if kinds else ")"
    if len(own):
        partitions = len(set(own.partition) - {"all"})
        text += f" over {count(partitions, 'partition')} and" if partitions else " over"
        text += f" {count(len(set(own.seed.astype(str)) - {'all'}), 'seed')}"
        text += f" under {count(len(folder.conditions()), 'condition')}"
    if folder.predictions is not None:
        speakers = count(folder.predictions.speaker.nunique(), "test speaker")
        text += f"; {folder.predictions['clip'].nunique():,} clips of {speakers}"
    return f"{text}."


def _told_ties(others: Sequence[str]) -> str:
    if not len(others):
        return "; the paired tests set it apart from all others"
    named = _list_of([f"`{name}`" for name in others]) if len(others) <= 3 else f"{len(others)} others"
    return f"; the paired tests do not set {named} apart from it"


def _distances(board: pd.DataFrame, leaders: Mapping[str, float], streams: Mapping[str, str]) -> list[str]:
    """How far the leaders are from the ideal observer and from people."""

    def scores_of(names: Mapping[str, str]) -> str:
        known = [(condition, board.value.get((name, condition))) for condition, name in names.items()]
        text = "{} {} ({})".format
        return _list_of([text(share(v), streams[c], signed(leaders[c] - v)) for c, v in known if v is not None])

    sentences = []
    if said := scores_of(dict.fromkeys(leaders, "ideal-observer")):
        sentences.append(
            f"The ideal observer, which knows what was shown, scores {said}; in brackets the leader's distance."
        )
    raters, judged = dict.fromkeys(leaders, "human-rater"), ""
    if "complete" in leaders and ("human-rater-others", "complete") in board.index:
        raters["complete"], judged = "human-rater-others", ", judged by the other raters,"
    if said := scores_of(raters):
        sentences.append(f"One human rater who goes by the same streams{judged} scores {said}.")
    return sentences


def _list_of(words: Sequence[str]) -> str:
    """ "a, b and c"."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def html_page(folder: ResultsFolder, sections: Sequence[Section]) -> str:
    """The report as one page that fetches nothing."""
    from jinja2 import Environment, PackageLoader

    environment = Environment(
        loader=PackageLoader("auxformer.reports"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["prose"] = _prose
    template = environment.get_template("report.html.j2")
    what = folder.about.get("what", "")
    return template.render(
        title=title(folder), what=what, summary=summary(folder), sections=sections, references=REFERENCE_ROWS
    )


def _prose(text: str) -> str:
    """HTML of a text, with what stands between backticks as code."""
    parts = html.escape(text).split("`")
    return "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts))


def markdown_page(folder: ResultsFolder, sections: Sequence[Section]) -> str:
    """The report without its figures, in Markdown."""
    parts = [f"# {title(folder)}", summary(folder)]
    for section in sections:
        if section.text or section.tables:
            code = [f"```\n{text.strip()}\n```" for text in section.code]
            parts += [f"## {section.title}", section.text, *map(markdown, section.tables), *code]
    return "\n\n".join(filter(None, parts)) + "\n"
