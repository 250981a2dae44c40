"""The report of a benchmark: what it says must be what the tables say, and its page must stand alone."""

import json
import re
import shutil
import sys
from base64 import b64decode
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from auxformer.cli import main
from auxformer.data.missing import SHARES
from auxformer.errors import InputError
from auxformer.evaluation.calibration import calibration_of, per_class
from auxformer.evaluation.contributions import contributions
from auxformer.evaluation.intervals import score
from auxformer.evaluation.scores import RESULT_COLUMNS
from auxformer.evaluation.tests import compare
from auxformer.reports import report
from auxformer.reports.literature import LITERATURE_COLUMNS, literature
from auxformer.reports.page import summary
from auxformer.reports.results import BEST, REFERENCE_ROWS, TIED, ResultsFolder
from auxformer.reports.sections import command_of
from auxformer.reports.tables import escape_latex, leaderboard, share, signed

CLASSES = ["angry", "happy_ish", "sad"]
SYSTEMS = {"late_fusion & co": 0.92, "auxformer": 0.9, "poor": 0.4, "ideal-observer": 0.98}
KEPT = {"complete": 1.0, "no-audio": 0.8, "no-video": 0.6, "video-blur": 0.7}
KEPT |= {f"audio-frames-{p}": 1 - p / 2 for p in SHARES}
FILES = ["report.html", "report.md", "report.tex", "leaderboard.csv"]


def predictions_of(systems=SYSTEMS, seeds=(0, 1)) -> pd.DataFrame:
    """12 speakers of 18 clips; a system is right about a clip that is easier than it is good."""
    parts, names, truth = [], np.asarray(CLASSES), np.tile(np.arange(3), 72)
    clips = {"clip": [f"c{i}" for i in range(216)], "speaker": [f"s{i // 18:02d}" for i in range(216)]}
    for system, skill in systems.items():
        for seed in (0,) if system == "ideal-observer" else seeds:
            for condition, kept in KEPT.items():
                hard = np.random.default_rng([seed, *map(ord, condition)]).random(216)
                predicted = np.where(hard < skill * kept, truth, (truth + 1) % 3)
                posterior = np.full((216, 3), 0.15)
                posterior[np.arange(216), predicted] = 0.7
                table = pd.DataFrame(posterior, columns=CLASSES).assign(**clips, truth=names[truth])
                table = table.assign(predicted=names[predicted], condition=condition, system=system)
                parts.append(table.assign(partition="partition-1", seed=seed))
    return pd.concat(parts, ignore_index=True)


def results_of(predictions, corpus="puppets") -> pd.DataFrame:
    """The long table, with people beside and rows of what is derived from the predictions."""
    tables = []
    for (system, seed), part in predictions.groupby(["system", "seed"], sort=False):
        rows = pd.concat([score(part, CLASSES, 50), calibration_of(part, CLASSES, resamples=50)])
        more = [("audio-frames", "area", 0.5), ("no-audio", "kept", 0.8), ("no-audio", "rising", 0.1), ("complete", "divergence", 0.2)]  # fmt: skip
        more = pd.DataFrame([(*row, row[2], row[2]) for row in more], columns=rows.columns)
        streams = contributions(part, CLASSES, resamples=50).rename(columns={"streams": "condition"}).drop(columns="note")
        tables.append(pd.concat([rows, more, streams]).assign(system=system, seed=seed, partition="partition-1"))
    people = [
        ("human-rater", "complete", 0.8),
        ("human-rater-others", "complete", 0.75),
        ("human-rater", "no-video", 0.4),
    ]
    people = pd.DataFrame(people, columns=["system", "condition", "value"]).assign(
        metric="macro-f1", partition="all", seed=0
    )
    tables.append(people.assign(low=people.value - 0.1, high=people.value + 0.1))
    return pd.concat(tables).assign(corpus=corpus, target="audiovisual", features="lld+hog")[list(RESULT_COLUMNS)]


@pytest.fixture(scope="module")
def predictions():
    return predictions_of()


@pytest.fixture(scope="module")
def tables(predictions, tmp_path_factory):
    """A results folder with every file, made once and not to be changed."""
    out = tmp_path_factory.mktemp("tables")
    results_of(predictions).to_csv(out / "results.csv", index=False)
    predictions.to_parquet(out / "predictions.parquet", index=False)
    compare(predictions, CLASSES, conditions=["complete", "no-audio"]).to_csv(out / "comparisons.csv", index=False)
    scores = [per_class(part, CLASSES, 50).assign(system=name) for name, part in predictions.groupby("system")]
    pd.concat(scores).to_csv(out / "classes.csv", index=False)
    groups = [score(part[part.speaker < "s06"], CLASSES, 50).assign(system=name, group="female", speakers=6, column="sex")
              for name, part in predictions.groupby("system")]  # fmt: skip
    pd.concat(groups).to_csv(out / "groups.csv", index=False)
    cost = [("auxformer", 512_000, 90.5), ("late_fusion & co", 9_000, float("nan"))]
    pd.DataFrame(cost, columns=["system", "parameters", "training_seconds"]).to_csv(out / "cost.csv", index=False)
    people = pd.DataFrame(np.eye(3) * 0.7 + 0.1, CLASSES, CLASSES).assign(condition="complete")
    people.to_csv(out / "people.csv", index_label="truth")
    about = {"name": "tiny", "what": "a <tiny> one", "systems": list(SYSTEMS), "corpus": {"name": "puppets", "root": "/secret/folder"},
             "protocol": {"seeds": 2}, "failed": {"mine": "ValueError: no"}, "classes": CLASSES, "version": "0.1.0"}  # fmt: skip
    (out / "suite.json").write_text(json.dumps(about))
    return out


@pytest.fixture
def folder(tables, tmp_path):
    """A results folder with every file, for one test to do with as it likes."""
    return Path(shutil.copytree(tables, tmp_path / "results"))


class Page(HTMLParser):
    """What the tests ask of a page: its tags with their attributes, and the texts of table cells."""

    VOID = ("meta", "br", "img", "link", "hr", "input")

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.rows, self.table = [], [], {}, None
        self.feed(text)
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append((tag, attrs))
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "table":
            self.table = self.rows.setdefault(attrs["id"], [])
        if tag == "tr":
            self.table.append([])
        if tag in ("td", "th"):
            self.table[-1].append("")

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag

    def handle_data(self, data):
        if self.open and {"td", "th"} & set(self.open):
            self.table[-1][-1] += data


@pytest.fixture(scope="module")
def reported(tables, tmp_path_factory):
    """The folder with its report, made once and not to be changed."""
    out = Path(shutil.copytree(tables, tmp_path_factory.mktemp("reported") / "results"))
    assert report(out) == [out / name for name in FILES]
    return out


@pytest.fixture(scope="module")
def page(reported):
    return Page((reported / "report.html").read_text())


def test_the_page_stands_alone_and_can_be_read_without_eyes(page, reported):
    text = (reported / "report.html").read_text()
    assert len(text) < 1_500_000
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    pictures = [attrs for tag, attrs in page.tags if tag == "img"]
    assert all(attrs["src"].startswith("data:image/svg+xml;base64,") and len(attrs["alt"]) > 30 for attrs in pictures)
    fetched = [
        (tag, attrs)
        for tag, attrs in page.tags
        if ("src" in attrs and tag != "img") or tag in ("link", "script", "iframe", "image", "svg")
    ]
    assert not fetched and "@import" not in text and not re.search(r"url\(\s*['\"]?(?!#)", text)
    for tag, attrs in page.tags:
        href = attrs.get("href", "")
        assert tag == "a" or not href or href[0] == "#", (tag, href)
        assert href[:1] != "#" or href[1:] in ids, href
        if tag == "th":
            assert attrs["scope"] in ("col", "row")
    tags = [tag for tag, _ in page.tags]
    assert tags.count("caption") == tags.count("table") >= 8
    drawn = [attrs["id"] for tag, attrs in page.tags if tag == "figure"]
    assert drawn == [f"figure-{name}" for name in ("curves", "media", "contributions", "reliability", "emotions", "cost")]
    assert len(pictures) == len(drawn)
    contents = [attrs["href"] for tag, attrs in page.tags if tag == "a" and attrs["href"][0] == "#"]
    assert len(contents) == tags.count("section") + 1
    assert "a &lt;tiny&gt; one" in text and "/secret" not in text


def test_a_dark_page_and_paper_can_show_it(reported, page, tmp_path):
    """The page has colours of its own for the dark; a drawing brings its white ground along, and is the same when drawn again."""
    text = (reported / "report.html").read_text()
    assert "prefers-color-scheme: dark" in text and "@media print" in text
    for _, attrs in (tag for tag in page.tags if tag[0] == "img"):
        drawing = b64decode(attrs["src"].split(",")[1]).decode()
        ground = re.search(r'<g id="patch_1">\s*<path d="M 0 [^"]*"\s*style="([^"]*)"', drawing)[1]
        assert "fill: #ffffff" in ground and "opacity" not in ground
    report(reported, tmp_path)
    assert (tmp_path / "report.html").read_text() == text


def test_the_leaderboard_says_what_the_results_say(page, reported):
    results = pd.read_csv(reported / "results.csv")
    shown = {row[0]: row[1:] for row in page.rows["leaderboard-t"][1:]}
    assert page.rows["leaderboard-t"][0] == ["system", "complete", "no-audio", "no-video", "parameters", "training s"]
    f1 = results[results.metric == "macro-f1"].groupby(["system", "condition"])[["value", "low", "high"]].mean()
    for system in SYSTEMS:
        for cell, condition in zip(shown[system], ("complete", "no-audio", "no-video")):
            row = f1.loc[system, condition]
            assert cell.startswith(share(row.value)) and f"[{share(row.low)}, {share(row.high)}]" in cell
    assert shown["auxformer"][3:] == ["512,000", "90"] and shown["poor"][3:] == ["–", "–"]
    assert list(shown) == [
        "late_fusion & co",
        "auxformer",
        "poor",
        "human-rater",
        "human-rater-others",
        "ideal-observer",
    ]
    table = pd.read_csv(reported / "leaderboard.csv").set_index("system")
    assert table["complete-value"]["auxformer"] == pytest.approx(f1.value["auxformer", "complete"], abs=1e-4)
    assert table.reference.sum() == 3 and table.seeds["auxformer"] == 2


def test_the_streams_shares_stand_folded_in_a_table_and_a_figure(reported, page):
    found = ResultsFolder.read(reported)
    rows = {name: cells for name, *cells in page.rows["contributions-table-t"][1:]}
    for name in SYSTEMS:
        audio, video = (found.scores("share").loc[(name, stream)] for stream in ("audio", "video"))
        assert rows[name][0] == f"{share(audio.value)} [{share(audio.low)}, {share(audio.high)}]"
        assert audio.value + video.value == pytest.approx(1)
    before, after = (reported / "report.html").read_text().split('<figure id="figure-contributions">')
    assert before.count("<details>") == before.count("</details>") + 1 and "</details>" in after


def test_streams_missing_in_training_are_a_curve(folder):
    """auxformer, and late fusion with every clip: a variant without dropout, and two with clips that lack a stream."""
    about = json.loads((folder / "suite.json").read_text())
    lost = {"missing_audio": 0.15, "missing_video": 0.15}
    about["systems"] = ["auxformer", "late_fusion & co", "ideal-observer"]
    about["variant"] = {"poor": {"model": "auxformer", "change": {"training": {**lost, "drop_audio": 0.0, "drop_video": 0.0}}}}
    (folder / "suite.json").write_text(json.dumps(about))
    found = ResultsFolder.read(folder).missing_in_training()
    assert found.loc["poor"].tolist() == ["auxformer", False, 0.15, 0.15]
    assert found.loc["auxformer"].tolist() == ["auxformer", True, 0, 0] and len(found) == 2
    page = Page(report(folder)[0].read_text())
    alt = next(attrs["alt"] for tag, attrs in page.tags if tag == "img" and "missing in training" in attrs["alt"])
    value = ResultsFolder.read(folder).board.value["poor", "no-audio"]
    assert f"no-audio, auxformer, no dropout: {share(value)} at 15% / 15%" in alt


def test_shares_below_nothing_and_undefined_ones_are_shown_as_such(folder):
    results = pd.read_csv(folder / "results.csv")
    of = (results.metric == "share") & (results.system == "poor")
    results.loc[of & (results.condition == "audio"), "value"] = -0.2
    results.loc[of & (results.condition == "video"), "value"] = 1.2
    other = results.metric.isin(["share", "equity"]) & (results.system == "auxformer")
    results.loc[other, ["value", "low", "high"]] = np.nan
    results.to_csv(folder / "results.csv", index=False)
    page = Page(report(folder)[0].read_text())
    rows = {name: cells for name, *cells in page.rows["contributions-table-t"][1:]}
    assert rows["poor"][0].startswith("−.200") and rows["poor"][1].startswith("1.200")
    assert rows["auxformer"] == ["– [–]"] * 3 and "nothing to divide: auxformer." in (folder / "report.html").read_text()
    alt = next(attrs["alt"] for tag, attrs in page.tags if tag == "img" and "Shares of the streams" in attrs["alt"])
    assert "poor −.200 audio and 1.200 video" in alt and "auxformer" not in alt


def test_ties_are_marked_for_the_right_systems(folder):
    """The ideal observer beats everybody and must not take the star; no-video was not tested and has no marks."""
    for a, b, p in (
        ("auxformer", "late_fusion & co", 0.4),
        ("late_fusion & co", "poor", 0.01),
        ("auxformer", "poor", 0.2),
    ):
        tests = pd.read_csv(folder / "comparisons.csv")
        both = tests.system_a.isin([a, b]) & tests.system_b.isin([a, b])
        tests.loc[both & (tests.condition == "complete"), ["p", "p_corrected"]] = p
        tests.to_csv(folder / "comparisons.csv", index=False)
    rows = {name: [cell.mark for cell in cells][:3] for name, cells in leaderboard(ResultsFolder.read(folder)).rows}
    assert rows["late_fusion & co"][0] == BEST and rows["auxformer"][0] == TIED and rows["poor"][0] == ""
    assert {marks[2] for marks in rows.values()} == {""}
    assert list(rows)[-3:] == ["human-rater", "human-rater-others", "ideal-observer"]
    assert not any(mark for name in REFERENCE_ROWS for mark in rows.get(name, ()))
    text = summary(ResultsFolder.read(folder))
    assert "`late_fusion & co` leads" in text and "do not set `auxformer` apart from it" in text
    assert "Failed and left out: `mine`" in text and "judged by the other raters" in text


def test_the_summary_tells_distances(folder):
    read = ResultsFolder.read(folder)
    value = read.board.value
    gap = signed(value["late_fusion & co", "complete"] - value["ideal-observer", "complete"])
    assert f"{share(value['ideal-observer', 'complete'])} with both streams ({gap})" in summary(read)


def test_markdown_and_latex_have_as_many_columns_in_every_row(reported, page):
    blocks = re.findall(r"(?:^\|.*\n)+", (reported / "report.md").read_text(), re.MULTILINE)
    assert len(blocks) >= 8
    for block in blocks:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1, block
    assert "| late\\_fusion & co |" in blocks[0] and "**" in blocks[0]
    tex = (reported / "report.tex").read_text()
    body = tex[tex.index("\\toprule") : tex.index("\\bottomrule")]
    columns = len(re.search(r"begin\{tabular\}\{(l+)\}", tex)[1])
    rows = [line for line in body.splitlines() if line.endswith(r"\\")]
    assert len(rows) == 7 and {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {columns - 1}
    assert not re.search(r"(?<!\\)[_%#]", tex.split("\n", 1)[1]) and tex.isascii()
    assert tex.count("{") == tex.count("}") and tex.count("\\begin") == tex.count("\\end")
    assert escape_latex("50 % of a_b & c") == r"50 \% of a\_b \& c"


@pytest.mark.parametrize("missing", ["suite.json", "predictions.parquet", "comparisons.csv", "classes.csv", "groups.csv", "cost.csv", "people.csv"])  # fmt: skip
def test_any_file_beside_the_results_may_be_missing(folder, missing):
    (folder / missing).unlink()
    report(folder)
    Page((folder / "report.html").read_text())


def test_results_alone_are_enough_and_another_folder_can_take_the_report(folder, tmp_path):
    for path in folder.iterdir():
        if path.name != "results.csv":
            path.unlink()
    paths = report(folder, tmp_path / "other" / "place")
    assert [path.parent.name for path in paths] == ["place"] * 4 and not (folder / "report.html").exists()
    text = paths[0].read_text()
    assert BEST not in text and 'id="curves"' in text and 'id="tests"' not in text and 'id="confusions"' not in text


def test_one_system_with_one_seed(tmp_path, predictions):
    part = predictions[(predictions.system == "poor") & (predictions.seed == 0)]
    results = results_of(part)
    results[results.system == "poor"].to_csv(tmp_path / "results.csv", index=False)
    part.to_parquet(tmp_path / "predictions.parquet")
    compare(part, CLASSES).to_csv(tmp_path / "comparisons.csv", index=False)
    report(tmp_path)
    assert "`poor` scores macro-F1" in (tmp_path / "report.md").read_text()
    assert "means over" not in (tmp_path / "report.md").read_text()


def test_attributes(tmp_path):
    rows = [
        (
            "msp-improv",
            "attributes",
            "lld+hog",
            name,
            "fold-1",
            seed,
            condition,
            metric,
            value,
            value - 0.1,
            value + 0.1,
        )
        for name, level in (("auxformer", 0.5), ("mult", -0.02))
        for seed in (0, 1, 2, "all")  # "all" is their mean and no seed
        for condition, less in (("complete", 0), ("no-audio", 0.01), ("both-frames-0.5", 0.02))
        for metric, value in (("ccc-valence", level - less), ("ccc", level - less))
    ]
    pd.DataFrame(rows, columns=RESULT_COLUMNS).to_csv(tmp_path / "results.csv", index=False)
    report(tmp_path)
    page = Page((tmp_path / "report.html").read_text())
    assert page.rows["attributes-table-t"][0] == ["system", "valence"]
    assert page.rows["leaderboard-t"][2][:2] == ["mult", "−.020 [−.120, .080]"]
    text = (tmp_path / "report.md").read_text()
    assert "over 1 partition and 3 seeds under" in text and "means over 3 seeds" in text


def test_many_systems_are_thinned_in_figures_only(tmp_path):
    systems = {f"system-{i}": 0.9 - i / 40 for i in range(12)} | {"auxformer": 0.45}
    results_of(predictions_of(systems, seeds=(0,))).to_csv(tmp_path / "results.csv", index=False)
    read = ResultsFolder.read(tmp_path)
    assert read.shown() == ["auxformer", *(f"system-{i}" for i in range(6))] and len(read.systems()) == 13
    report(tmp_path)
    page = Page((tmp_path / "report.html").read_text())
    assert set(systems) < set(page.rows["all-conditions-t"][0])
    assert "the other 6 stand in the table" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize(
    "spoil, message",
    [
        (lambda folder: (folder / "results.csv").unlink(), "results.csv: not a readable"),
        (lambda folder: (folder / "suite.json").write_text("{"), "suite.json: cannot be read"),
        (lambda folder: (folder / "cost.csv").write_text(""), "cost.csv: cannot be read"),
        (lambda folder: (folder / "predictions.parquet").write_bytes(b"PAR1"), "predictions.parquet: cannot be read"),
        (lambda folder: results_of(predictions_of({"a": 0.5}), "other").to_csv(folder / "results.csv", mode="a", index=False, header=False), "2 values of corpus"),
    ],
)  # fmt: skip
def test_what_cannot_be_reported_is_a_sentence(folder, spoil, message):
    spoil(folder)
    with pytest.raises(InputError, match=message):
        report(folder)
    assert not (folder / "report.html").exists()


def test_numbers_are_written_alike():
    assert [share(value) for value in (0.7124, 1.0, -0.031, 0.0, float("nan"), -0.0001)] == [
        ".712",
        "1.000",
        "−.031",
        ".000",
        "–",
        ".000",
    ]
    assert [signed(value) for value in (0.02, -0.02, 0.0)] == ["+.020", "−.020", ".000"]


def test_the_command_that_runs_it_again():
    assert command_of({"name": "own", "corpus": {"name": "ravdess"}}) == "auxformer bench own.toml --root FOLDER"
    from dataclasses import asdict

    from auxformer.benchmark.suite import Suite

    about = json.loads(json.dumps(asdict(Suite.load("quick"))))
    assert command_of(about) == "auxformer bench quick"
    about["protocol"]["seeds"] = 5
    about["systems"].append("my model")
    assert command_of(about) == 'auxformer bench quick --add "my model" --seeds 5'
    about["systems"] = ["auxformer", "mmin"]
    assert command_of(about) == "auxformer bench quick --system auxformer --system mmin --seeds 5"
    about["protocol"]["official"] = "/some/folder"
    assert command_of(about).endswith("--seeds 5 --official FOLDER")


def test_results_of_others_have_sources_and_stand_beside_ours(folder):
    table = literature()
    assert tuple(table.columns) == LITERATURE_COLUMNS
    assert (table.link.str.startswith("https://") | table.source.str.contains("second hand")).all()
    assert not table.duplicated(["corpus", "system", "metric", "condition"]).any()
    assert set(table.corpus) == {"crema-d", "ravdess"} and literature("msp-improv").empty
    results = pd.read_csv(folder / "results.csv").assign(corpus="ravdess")
    results.to_csv(folder / "results.csv", index=False)
    report(folder)
    rows = Page((folder / "report.html").read_text()).rows["literature-t"]
    assert rows[1][0] == "SFAV" and rows[1][3].startswith(".816")
    ours = ResultsFolder.read(folder).scores("micro-recall").value["auxformer", "complete"]
    assert rows[1][4].startswith(share(ours))


@pytest.mark.parametrize(
    "change, message",
    [
        (("value = 0.5", "value = 50"), "the value is 50"), (('"macro-f1"', '"f1"'), 'unknown metric "f1"'),
        (('source = "a"', 'source = "b"'), 'unknown source "b"'), (('differs = "x"', ""), "lacks differs"),
    ],
)  # fmt: skip
def test_a_result_of_others_without_its_source_is_refused(tmp_path, change, message):
    text = '[sources.a]\ntext = "A"\nlink = "https://a"\n[[result]]\ncorpus = "c"\nsystem = "s"\nmetric = "macro-f1"\n'
    text += 'condition = "complete"\nvalue = 0.5\nsource = "a"\ndiffers = "x"\n'
    (tmp_path / "good.toml").write_text(text)
    assert literature("c", tmp_path / "good.toml").spread.isna().all()
    (tmp_path / "bad.toml").write_text(text.replace(*change))
    with pytest.raises(InputError, match=message):
        literature(file=tmp_path / "bad.toml")


def run_cli(monkeypatch, *words) -> int:
    monkeypatch.setattr(sys, "argv", ["auxformer", "report", *map(str, words)])
    with pytest.raises(SystemExit) as end:
        main()
    return end.value.code


def test_the_command_line_takes_folders_and_tables(folder, tmp_path, monkeypatch, capsys):
    assert run_cli(monkeypatch, folder, "--out", tmp_path / "paper") == 0
    assert capsys.readouterr().out.split() == [str(tmp_path / "paper" / name) for name in FILES]
    results = pd.read_csv(folder / "results.csv")
    results[results.system.isin(SYSTEMS)].to_csv(tmp_path / "systems.csv", index=False)
    assert run_cli(monkeypatch, tmp_path / "systems.csv") == 0
    assert capsys.readouterr().out.startswith("| system |")
    assert run_cli(monkeypatch, folder, "--into", tmp_path / "README.md") == 2
    assert "takes result tables" in capsys.readouterr().err
