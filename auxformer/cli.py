"""The command line: every verb is also a function for notebooks. Imports wait until a verb needs them."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from auxformer.errors import InputError, TrainingError

app = typer.Typer(
    no_args_is_help=True, add_completion=False, rich_markup_mode="markdown", pretty_exceptions_enable=False,
    help="Audiovisual emotion recognition with missing modalities: corpora, features, training, benchmark, course.",
)  # fmt: skip
corpus_app = typer.Typer(no_args_is_help=True, help="Make and check corpora.")
features_app = typer.Typer(no_args_is_help=True, help="Extract features and look after feature stores.")
course_app = typer.Typer(no_args_is_help=True, help="Build and run the lessons.")
app.add_typer(corpus_app, name="corpus")
app.add_typer(features_app, name="features")
app.add_typer(course_app, name="course")

Root = Annotated[Path, typer.Argument(help="Folder of the corpus.", show_default=False)]
Data = Annotated[Path, typer.Option(help="Folder under which feature stores lie.")]
Jobs = Annotated[int, typer.Option(min=1, help="Processes.")]
OnError = Annotated[str, typer.Option(help='A clip that cannot be read: "skip" it and count, or "stop".')]


@corpus_app.command("puppets")
def corpus_puppets(
    out: Annotated[Path, typer.Argument(help="Folder to write.", show_default=False)],
    size: Annotated[str, typer.Option(help="tiny, course or full.")] = "course",
    seed: Annotated[int, typer.Option(help="Another seed, other puppets.")] = 0,
    binding: Annotated[float, typer.Option(min=0, max=1, help="Share of clips whose voice and face are out of step.")] = 0.0,
    jobs: Jobs = 2,
):
    """Generate the embedded corpus: drawn faces that speak, in CREMA-D's layout.

    Example: auxformer corpus puppets data/corpora/puppets --size tiny
    """
    from auxformer.corpora.puppets import generate

    print(generate(out, size=size, seed=seed, binding=binding, jobs=jobs))


@corpus_app.command("check")
def corpus_check(
    root: Root,
    corpus: Annotated[str, typer.Option(help='Name of the corpus, or "auto".')] = "auto",
    partition: Annotated[list[Path] | None, typer.Option(help="Published partition file; may be given again.")] = None,
):
    """What is there, missing, damaged, duplicated; clips kept per rule and class. Exit 1 when speakers leak.

    Example: auxformer corpus check CREMA-D --partition label_consensus_1.csv
    """
    from auxformer.corpora import read_corpus
    from auxformer.corpora.check import check_corpus

    report = check_corpus(read_corpus(corpus, root, on_error="skip"), partition or ())
    print("\n".join(report.lines()))
    raise typer.Exit(0 if report.ok else 1)


@features_app.command("extract")
def features_extract(
    root: Root,
    corpus: Annotated[str, typer.Option(help='Name of the corpus, or "auto".')] = "auto",
    audio: Annotated[str, typer.Option(help="lld, logmel or table:FILE.csv; empty for none.")] = "lld",
    video: Annotated[str, typer.Option(help="hog or table:FILE.csv; empty for none.")] = "hog",
    data: Data = Path("data/features"),
    jobs: Jobs = 2,
    on_error: OnError = "skip",
):
    """Extract features into stores; run it again after a kill and it goes on.

    Example: auxformer features extract data/corpora/puppets --audio lld --video hog
    """
    from auxformer.corpora import read_corpus
    from auxformer.features import create_extractor
    from auxformer.features.extract import extract, store_folder

    read = read_corpus(corpus, root, on_error=on_error)
    for spec, modality in ((audio, "audio"), (video, "video")):
        if spec:
            extractor = create_extractor(spec, root=read.root, modality=modality)
            store = extract(read, extractor, store_folder(data, read, extractor), jobs=jobs, on_error=on_error)
            print(f"{store.name}: {len(store.clips)} clips, {store.dims}-d, {len(store.skipped)} skipped")


@app.command("run")
def run_command(
    corpus: Annotated[str, typer.Option(help="puppets, crema-d or ravdess.")] = "puppets",
    root: Annotated[Path | None, typer.Option(help="Folder of the corpus; puppets are generated when absent.")] = None,
    audio: Annotated[str, typer.Option(help="Audio features.")] = "lld",
    video: Annotated[str, typer.Option(help="Video features.")] = "hog",
    folds: Annotated[int, typer.Option(min=0, help="Speaker folds; 0 = one 70/15/15 partition.")] = 0,
    partitions: Annotated[int, typer.Option(min=1, max=5, help="Partitions when there are no folds.")] = 1,
    preset: Annotated[str, typer.Option(help="default, quick, paper or release.")] = "default",
    config: Annotated[Path | None, typer.Option(help="TOML file with settings that differ from the preset.")] = None,
    system: Annotated[list[str] | None, typer.Option(help="System; may be given again.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Number of seeds.")] = 1,
    target: Annotated[str, typer.Option(help="audiovisual, voice, face or intended.")] = "",
    out: Annotated[Path | None, typer.Option(help="Where to write the long result table (CSV).")] = None,
    data: Data = Path("data/features"),
    runs: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs"),
    jobs: Jobs = 2,
    on_error: OnError = "skip",
):
    """From recordings to a table of scores per condition. A second call goes on where the first stopped.

    Example: auxformer run --corpus ravdess --root RAVDESS --audio lld --video table:action_units_mean.csv --folds 6
    """
    from auxformer import benchmark

    settings = _settings(preset, config, {"data": {"target": target}} if target else {})
    root = root or _puppets(corpus, jobs)
    task = benchmark.prepare(corpus, root, audio, video, settings, data, jobs, on_error)
    if not folds and corpus == "ravdess":
        folds = 6 if len(task.corpus.speakers) % 6 == 0 else min(6, len(task.corpus.speakers))
    parts = benchmark.partitions_of(task.corpus, task.table, folds, partitions)
    systems = system or ["functionals-lr", "auxformer"] + (["ideal-observer"] if task.corpus.truth is not None else [])
    table = benchmark.run(task, systems, settings, parts, range(seeds), runs, jobs=jobs)
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        table.to_csv(out, index=False, float_format="%.4f")
    print_results(table)


def print_results(table) -> None:
    """Macro-F1 per system and condition, with intervals, as a table in the terminal."""
    from rich.console import Console
    from rich.table import Table

    part = table[(table.metric == "macro-f1") & (table.partition == ("all" if "all" in set(table.partition) else table.partition))]
    view = Table(title=f"{table.corpus[0]}: macro-F1 [95 % interval over speakers], target {table.target[0]}")
    conditions = list(dict.fromkeys(part.condition))
    for column in ("system", "seed", *conditions):
        view.add_column(column)
    for (system, seed), rows in part.groupby(["system", "seed"], sort=False):
        cells = rows.groupby("condition").agg({"value": "mean", "low": "mean", "high": "mean"}).loc[conditions]
        view.add_row(system, str(seed), *(f"{row.value:.3f} [{row.low:.3f}, {row.high:.3f}]" for row in cells.itertuples()))
    Console(width=110).print(view)


def _settings(name: str, file: Path | None, changes: dict):
    import tomllib

    from auxformer.config import override, preset

    settings = preset(name)
    if file:
        try:
            settings = override(settings, tomllib.loads(file.read_text()))
        except (OSError, tomllib.TOMLDecodeError) as error:
            raise InputError(f"{file}: not a readable config file ({error}).") from error
    return override(settings, changes)


def _puppets(corpus: str, jobs: int) -> Path:
    if corpus != "puppets":
        raise InputError(f"--root is missing: say in which folder the recordings of {corpus} lie.")
    from auxformer.corpora.puppets import generate

    return generate(Path("data/corpora/puppets-course-0"), size="course", seed=0, jobs=jobs)


@app.command()
def parity(files: Annotated[list[Path], typer.Argument(help="Parity vectors (safetensors).", show_default=False)]):
    """Largest difference per tensor against parity vectors; exit 1 above 1e-5 (gradient norm: 1e-4, relative).

    Example: auxformer parity tests/parity/*.safetensors
    """
    from auxformer.models.published import parity as differences_of

    worst = 0.0
    for file in files:
        differences = differences_of(file)
        print(f"{file}: " + ", ".join(f"{name} {value:.1e}" for name, value in differences.items()))
        worst = max([worst, differences.pop("grad_norm") / 10, *differences.values()])
    print(f"largest difference {worst:.1e}: {'within' if worst <= 1e-5 else 'ABOVE'} 1e-5")
    raise typer.Exit(0 if worst <= 1e-5 else 1)


@app.command()
def convert(
    checkpoint: Annotated[Path, typer.Argument(help="The authors' .pt, .pth or .safetensors file.", show_default=False)],
    out: Annotated[Path, typer.Argument(help="File to write (safetensors).", show_default=False)],
    heads: Annotated[int, typer.Option(help="Attention heads; no tensor tells.")] = 10,
    attn_mask: Annotated[bool, typer.Option(help="Whether it was trained with the causal mask.")] = True,
):
    """The authors' checkpoint to safetensors, without running any code in the file."""
    from auxformer.models.published import convert as convert_checkpoint

    model = convert_checkpoint(checkpoint, out, heads, attn_mask)
    count = sum(parameter.numel() for parameter in model.parameters())
    print(f"{out}: {count:,} parameters, width {model.config.width}, {model.config.layers} layers")


def main() -> None:
    """Entry point: one sentence on stderr and exit code 2 for bad input, 1 when training fails."""
    try:
        app()
    except InputError as error:
        print(f"auxformer: {error}", file=sys.stderr)
        sys.exit(2)
    except TrainingError as error:
        print(f"auxformer: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
