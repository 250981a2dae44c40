"""auxformer bench, report: suites of the benchmark and their pages."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from auxformer.cli.options import Corpus, Official, Wide, WorkOptions, with_options
from auxformer.cli.settings import SettingsCommand
from auxformer.cli.tables import show_results, show_shares, write_csv
from auxformer.errors import InputError
from auxformer.files import read_text, write_text

app = typer.Typer()

KEPT = ("macro-f1", "ccc", "ece", "brier", "area", "rising", "divergence", "contribution", "share", "equity")
"""Metrics that `--table` keeps."""


@dataclass(frozen=True)
class SuiteOptions:
    """What is different from the suite's file."""

    system: Annotated[list[str] | None, Option(help="Only these systems of the suite; may be given again.")] = None
    add: Annotated[list[str] | None, Option(help="A system beside those of the suite; may be given again.")] = None
    models: Annotated[list[Path] | None, Option(help="Python file that registers a model; may be given again.")] = None
    seeds: Annotated[int | None, Option(min=1, help="Number of seeds, instead of the suite's.")] = None
    official: Official = None

    def read(self, name: str):
        """The suite of that name or file, changed."""
        from auxformer.benchmark.suite import Suite

        suite = Suite.load(name)
        suite = suite.only(self.system) if self.system else suite
        return suite.with_(self.add or (), seeds=self.seeds, official=str(self.official) if self.official else None)


@app.command("bench", cls=SettingsCommand)
@with_options(SuiteOptions, WorkOptions)
def bench(
    changes: SuiteOptions,
    work: WorkOptions,
    suite: Annotated[
        str,
        Argument(
            help="quick, puppets, seeds, binding, synchrony, storm, missing-training, rivals, ablation, ravdess, ravdess-seeds, "
            "ravdess-voice, ravdess-speaker, ravdess-frames, crema-d, crema-d-voice, msp-improv, a TOML file of your own, or "
            '"humans".'
        ),
    ],
    root: Annotated[Path | None, Option(help="Folder of the corpus; puppets are generated when absent.")] = None,
    out: Annotated[Path | None, Option(help="Folder for the tables and the report (humans: CSV file).")] = None,
    table: Annotated[
        Path | None,
        Option(help="CSV file for the main scores over all partitions; the paired tests go into NAME-tests.csv."),
    ] = None,
    corpus: Corpus = "auto",
    target: Annotated[str, Option(help="humans: audiovisual, voice or face.")] = "audiovisual",
    wide: Wide = False,
):
    """Run a benchmark: systems x conditions x seeds, with intervals, paired tests, people and a report.

    Run it again after a kill and it goes on. Copy a file of auxformer/benchmark/suites, edit it and give its name for one
    of your own.

    Examples:

    - auxformer bench quick
    - auxformer bench ravdess --root RAVDESS
    - auxformer bench quick --models mine.py --add mine
    - auxformer bench humans --root CREMA-D --out humans.csv
    """
    from auxformer.benchmark.bench import bench as run_suite
    from auxformer.benchmark.bench import people_table

    if suite == "humans":
        if root is None:
            raise InputError("--root is missing: say in which folder the ratings lie.")
        results = people_table(corpus, root, target)
        if out:
            write_csv(results, out)
        show_results(results, wide)
        show_shares(results)
        return
    from auxformer.reports import report

    chosen = changes.read(suite)
    out = out or Path("build/bench") / chosen.name
    results = run_suite(chosen, out, root, work.data, work.work(tuple(changes.models or ())))
    written = report(out)
    if table:
        pooled = results.partition == "all"
        write_csv(results[(pooled if pooled.any() else ~pooled) & results.metric.isin(KEPT)], table)
        write_text(table.with_name(f"{table.stem}-tests.csv"), (out / "comparisons.csv").read_text("utf-8"))
    show_results(results, wide)
    print(f"tables: {out}\nreport: {written[0]}")
    failed = json.loads((out / "suite.json").read_text("utf-8"))["failed"]
    if failed:
        print(f"failed and left out: {', '.join(failed)}; mended and run again, only they are computed.")
        raise typer.Exit(1)


@app.command("report")
def report(
    results: Annotated[list[Path], Argument(help="Results folders, or long result tables (CSV).")],
    into: Annotated[Path | None, Option(help="File whose <!-- NAME --> markers are filled; NAME is the CSV's.")] = None,
    out: Annotated[
        Path | None, Option(help="Folder for the report of a results folder, instead of that folder.")
    ] = None,
):
    """A results folder as a page, Markdown, LaTeX and CSV; a result table as Markdown, printed or put into a file.

    Examples:

    - auxformer report build/bench/quick
    - auxformer report build/bench/quick --out paper
    - auxformer report data/results/puppets.csv --into README.md
    """
    from auxformer.reports import report as write_report
    from auxformer.reports.results import comparisons_beside, read_results
    from auxformer.reports.tables import fill_markers, markdown_table

    folders = [path for path in results if path.is_dir()]
    if out and (len(folders) != 1 or len(results) != 1):
        raise InputError(
            f"--out takes the report of one results folder, not of {len(results)} arguments; leave it out."
        )
    if into and folders:
        raise InputError(f"{folders[0]}: is a folder; --into takes result tables (CSV).")
    for path in results:
        if path in folders:
            print("\n".join(str(written) for written in write_report(path, out)))
            continue
        table = markdown_table(read_results(path), tests=comparisons_beside(path))
        if into:
            write_text(into, fill_markers(read_text(into), path.stem, table))
        else:
            print(table)
