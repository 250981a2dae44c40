"""The command line: every verb is also a function for notebooks. Imports wait until a verb needs them."""

import os
import sys
import warnings
from pathlib import Path
from typing import Annotated

import typer

from auxformer.errors import InputError, TrainingError

# Before torch is loaded: threads that wait for each other give the core away soon, which costs nothing on an idle machine and
# makes training many times as fast on a busy one.
os.environ.setdefault("GOMP_SPINCOUNT", "2000")
# loky replaces a worker whose memory has grown between two jobs; no job is lost, and nobody need read of it.
warnings.filterwarnings("ignore", "A worker stopped while some jobs were given")

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
Scheduler = Annotated[
    str | None,
    typer.Option(help="Address of a Dask cluster that does the work; it needs the same files under the same paths."),
]
OnError = Annotated[str, typer.Option(help='A clip that cannot be read: "skip" it and count, or "stop".')]


@corpus_app.command("puppets")
def corpus_puppets(
    out: Annotated[Path, typer.Argument(help="Folder to write.", show_default=False)],
    size: Annotated[str, typer.Option(help="tiny, course or full.")] = "course",
    seed: Annotated[int, typer.Option(help="Another seed, other puppets.")] = 0,
    binding: Annotated[
        float, typer.Option(min=0, max=1, help="Share of clips whose voice and face are out of step.")
    ] = 0.0,
    jobs: Jobs = 2,
):
    """Generate the embedded corpus: drawn faces that speak, in CREMA-D's layout.

    Example: auxformer corpus puppets data/corpora/puppets --size tiny
    """
    from auxformer.puppets import generate

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

    report = check_corpus(read_corpus(root, corpus, on_error="skip"), partition or ())
    print("\n".join(report.lines()))
    raise typer.Exit(0 if report.ok else 1)


@corpus_app.command("faces")
def corpus_faces(
    root: Root,
    corpus: Annotated[str, typer.Option(help='Name of the corpus, or "auto".')] = "auto",
    out: Annotated[Path | None, typer.Option(help="CSV file for the box and the share of every clip.")] = None,
    jobs: Jobs = 2,
):
    """In which films a face is found, in what share of the frames, and where.

    Example: auxformer corpus faces data/corpora/puppets-course-0 --out faces.csv
    """
    from auxformer.corpora import read_corpus
    from auxformer.features.face import face_summary, face_table

    table = face_table(read_corpus(root, corpus, on_error="skip"), jobs)
    if out:
        table.to_csv(out, float_format="%.3f")
    print(face_summary(table))


@corpus_app.command("corrupt")
def corpus_corrupt(
    root: Root,
    out: Annotated[Path, typer.Argument(help="Folder to write.", show_default=False)],
    condition: Annotated[str, typer.Option(help="What goes wrong; see below.", show_default=False)],
    seed: Annotated[int, typer.Option(help="Another seed, other noise.")] = 0,
    jobs: Jobs = 2,
):
    """Write a corpus again with media that went wrong, for the robustness protocol.

    Conditions: audio-noise-snr-DB, audio-babble-snr-DB, audio-gaps-SHARE, video-blur, video-dark, video-occlude,
    video-drop-SHARE, desync-MS.

    Example: auxformer corpus corrupt CREMA-D CREMA-D-noisy --condition audio-noise-snr-10
    """
    from auxformer.data.corruption import derive_corpus

    print(derive_corpus(root, out, condition, seed, jobs))


@features_app.command("extract")
def features_extract(
    root: Root,
    corpus: Annotated[str, typer.Option(help='Name of the corpus, or "auto".')] = "auto",
    audio: Annotated[str, typer.Option(help="lld, logmel, wav2vec2:MODEL or table:FILE.csv; empty for none.")] = "lld",
    video: Annotated[
        str, typer.Option(help="hog, vggface:FILE, emoca:FOLDER, hf-vision:MODEL or table:FILE.csv; empty for none.")
    ] = "hog",
    data: Data = Path("data/features"),
    jobs: Jobs = 2,
    on_error: OnError = "skip",
    scheduler: Scheduler = None,
):
    """Extract features into stores; run it again after a kill and it goes on.

    Example: auxformer features extract data/corpora/puppets --audio lld --video hog
    """
    from auxformer.corpora import read_corpus
    from auxformer.features import create_extractor
    from auxformer.features.extract import extract, store_folder

    read = read_corpus(root, corpus, on_error=on_error)
    for spec, modality in ((audio, "audio"), (video, "video")):
        if spec:
            extractor = create_extractor(spec, root=read.root, modality=modality)
            store = extract(read, extractor, store_folder(data, read, extractor), jobs, on_error, scheduler)
            print(f"{store.name}: {len(store.clips)} clips, {store.dims}-d, {len(store.skipped)} skipped")


@features_app.command("ls")
def features_ls(data: Data = Path("data/features")):
    """The feature stores: clips, width, skipped clips, folder."""
    from auxformer.features.store import find_stores

    for store in find_stores(data):
        print(
            f"{store.name:<10} {len(store):>6} clips {store.dims:>5}-d {len(store.skipped):>4} skipped  {store.folder}"
        )


@features_app.command("verify")
def features_verify(data: Data = Path("data/features")):
    """Read every stored feature; exit 1 when something is wrong."""
    from auxformer.features.store import find_stores

    problems = [problem for store in find_stores(data) for problem in store.verify()]
    print("\n".join(problems) or "every store is whole")
    raise typer.Exit(1 if problems else 0)


@features_app.command("rm")
def features_rm(
    folder: Annotated[Path, typer.Argument(help="Folder of the store, as `ls` shows it.", show_default=False)],
):
    """Delete a feature store."""
    from auxformer.features.store import FeatureStore

    FeatureStore.open(folder).remove()


Audio = Annotated[str, typer.Option(help="lld, logmel, wav2vec2:MODEL or table:FILE.csv.")]
Video = Annotated[str, typer.Option(help="hog, vggface:FILE, emoca:FOLDER, hf-vision:MODEL or table:FILE.csv.")]
Preset = Annotated[str, typer.Option(help="default, quick, small-corpus, paper or release.")]
ConfigFile = Annotated[Path | None, typer.Option(help="TOML file with settings that differ from the preset.")]
CorpusName = Annotated[str, typer.Option(help="puppets, crema-d, ravdess or msp-improv.")]
CorpusRoot = Annotated[Path | None, typer.Option(help="Folder of the corpus; puppets are generated when absent.")]
Target = Annotated[
    str | None,
    typer.Option(help="audiovisual, voice, face, intended; msp-improv: also secondary, secondary-four, attributes."),
]
Classes = Annotated[
    str | None, typer.Option(help='Classes to keep, separated by commas; "4" = angry,happy,neutral,sad.')
]
Published = Annotated[
    Path | None, typer.Option(help="Published partition file, or a folder of them; their labels are used.")
]
Folds = Annotated[
    int | None, typer.Option(min=0, help="Speaker folds (ravdess, msp-improv: 6); 0 = 70/15/15 partitions.")
]
Runs = Annotated[Path, typer.Option(help="Folder of the runs.")]

MODEL_OPTIONS = (
    "attn_dropout",
    "relu_dropout",
    "res_dropout",
    "embed_dropout",
    "out_dropout",
    "layers",
    "heads",
    "attn_mask",
)
TRAINING_OPTIONS = {"batch_size": "batch_size", "clip": "clip", "lr": "learning_rate", "optim": "optimizer", "epochs": "epochs", "decay": "decay", "accumulate": "accumulate", "precision": "precision", "device": "device", "name": "label", "seed": "seed"}  # fmt: skip


@app.command("train")
def train_command(
    corpus: CorpusName = "puppets",
    root: CorpusRoot = None,
    audio: Audio = "lld",
    video: Video = "hog",
    preset: Preset = "default",
    config: ConfigFile = None,
    target: Target = None,
    folds: Folds = None,
    partition: Annotated[int, typer.Option(min=1, help="Which fold or partition, from 1.")] = 1,
    classes: Classes = None,
    published: Published = None,
    attn_dropout: Annotated[float | None, typer.Option(help="Dropout on attention weights.")] = None,
    relu_dropout: Annotated[float | None, typer.Option(help="Dropout after the FFN's ReLU.")] = None,
    res_dropout: Annotated[float | None, typer.Option(help="Dropout on each residual branch.")] = None,
    embed_dropout: Annotated[float | None, typer.Option(help="Dropout on the input of a stack.")] = None,
    out_dropout: Annotated[float | None, typer.Option(help="Dropout inside the output MLPs.")] = None,
    layers: Annotated[int | None, typer.Option(help="Layers per stack.")] = None,
    heads: Annotated[int | None, typer.Option(help="Attention heads.")] = None,
    attn_mask: Annotated[bool | None, typer.Option(help="Causal attention mask.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Clips per batch.")] = None,
    clip: Annotated[float | None, typer.Option(help="Largest gradient norm, 0 = no clipping.")] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate.")] = None,
    optim: Annotated[str | None, typer.Option(help="adam, adamw or sgd.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs.")] = None,
    decay: Annotated[int | None, typer.Option(help="Patience of the plateau schedule, epochs.")] = None,
    accumulate: Annotated[int | None, typer.Option(help="Parts in which a batch goes through the network.")] = None,
    precision: Annotated[str | None, typer.Option(help="float32 or bf16.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of weights, order and dropout.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the run's folder.")] = None,
    data: Data = Path("data/features"),
    runs: Runs = Path("runs"),
    jobs: Jobs = 2,
):
    """Train one network on one partition; run it again after a kill and it goes on. Then: auxformer evaluate RUN

    Example: auxformer train --corpus puppets --layers 3 --lr 5e-4 --name three-layers

    On two processes: python -m torch.distributed.run --nproc_per_node 2 -m auxformer train ...; on GPUs also: accelerate
    launch -m auxformer train ...
    """
    from auxformer.benchmark import run as benchmark

    given = dict(locals())
    model = {key: given[key] for key in MODEL_OPTIONS if given[key] is not None}
    training = {key: given[option] for option, key in TRAINING_OPTIONS.items() if given[option] is not None}
    settings = _settings(preset, config, {"model": model, "training": training, "data": _data_section(target, classes)})
    task = benchmark.prepare(corpus, root or _puppets(corpus, jobs), audio, video, settings, data, jobs)
    task, parts = _partitions(task, folds, partition, published, settings)
    if partition > len(parts):
        raise InputError(f"--partition {partition}: there are only {len(parts)}.")
    chosen = parts[partition - 1]
    folder = runs / (name or benchmark.run_name(task, settings.model.name, settings, chosen))
    run = benchmark.train(task, settings, chosen, folder)
    key, name = ("dev_ccc_complete", "CCC") if task.target == "attributes" else ("dev_macro_f1_complete", "macro-F1")
    best = run.metrics.loc[run.metrics[key].idxmax()]
    if os.environ.get("RANK", "0") == "0":  # one of several processes speaks
        print(f"{len(run.metrics)} epochs; dev {name} at best {best[key]:.3f} (epoch {int(best.epoch)})\n{folder}")


@app.command("evaluate")
def evaluate_command(
    run: Annotated[Path, typer.Argument(help="Folder of a trained run.", show_default=False)],
    condition: Annotated[
        list[str] | None, typer.Option(help="complete, no-audio or no-video; may be given again.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where to write the scores (CSV).")] = None,
    jobs: Jobs = 2,
):
    """Score a run on its test speakers: F1, precision and recall, macro and micro, with intervals over speakers.

    Example: auxformer evaluate runs/three-layers --condition complete --condition no-video
    """
    from rich.console import Console
    from rich.table import Table

    from auxformer.benchmark import run as benchmark
    from auxformer.data.missing import CONDITIONS

    _, scores = benchmark.evaluate(run, tuple(condition or CONDITIONS), jobs)
    if out:
        scores.to_csv(out, index=False, float_format="%.4f")
    view = Table("condition", *dict.fromkeys(scores.metric), title=f"{run}: test speakers [95 % interval]")
    for name, rows in scores.groupby("condition", sort=False):
        view.add_row(name, *(f"{row.value:.3f}\n[{row.low:.3f}, {row.high:.3f}]" for row in rows.itertuples()))
    Console(width=130).print(view)


@app.command("show")
def show_command(
    file: Annotated[
        str,
        typer.Argument(help="A media file (wav, flac, mp3, mp4, avi, flv), or with --root a clip.", show_default=False),
    ],
    root: Annotated[Path | None, typer.Option(help="Folder of the corpus that has the clip.")] = None,
    out: Annotated[Path, typer.Option(help="Picture to write (PNG).")] = Path("build/show.png"),
):
    """Draw what a media file or a clip holds: frames with the face box, waveform, spectrogram, features.

    Example: auxformer show 1001_DFA_ANG_XX --root data/corpora/puppets-course-0 --out clip.png
    """
    from auxformer.show import draw_clip, draw_media

    if root:
        from auxformer.corpora import read_corpus

        figure = draw_clip(read_corpus(root, on_error="skip"), file)
    else:
        figure = draw_media(file)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=100, facecolor="white")
    print(out)


@course_app.command("ls")
def course_ls():
    """The lessons, their questions and how long they take."""
    from auxformer.course.lessons import describe_lessons, find_lessons

    print(describe_lessons(find_lessons()))


@course_app.command("run")
def course_run(
    lessons: Annotated[list[str] | None, typer.Argument(help="Numbers or names; all when none is given.")] = None,
    parameter: Annotated[
        list[str] | None, typer.Option("-p", "--parameter", help="NAME=VALUE; may be given again.")
    ] = None,
    profile: Annotated[str, typer.Option(help="quick or full.")] = "quick",
    out: Annotated[Path, typer.Option(help="Folder for the executed lessons and their pages.")] = Path("build/course"),
    fresh: Annotated[bool, typer.Option(help="Run lessons again whose source has not changed.")] = False,
):
    """Run lessons headless; stops at the first that fails and names the cell.

    Example: auxformer course run 2 3 -p epochs=4
    """
    from auxformer.course.run import LessonFailed, run_lessons

    try:
        run_lessons(lessons or None, _parameters(parameter or ()), profile, out, reuse=not fresh)
    except LessonFailed as error:
        print(f"auxformer: {error}", file=sys.stderr)
        raise typer.Exit(1) from error


@course_app.command("build")
def course_build(
    lessons: Annotated[list[str] | None, typer.Argument(help="Numbers or names; all when none is given.")] = None,
    texts_only: Annotated[bool, typer.Option(help="Run nothing and keep the outputs: for a change of words.")] = False,
):
    """Run the sources and write the notebooks that are committed, with their student versions.

    Examples: auxformer course build 5
    | auxformer course build --texts-only
    """
    from auxformer.course.build import build_lessons
    from auxformer.course.run import LessonFailed

    try:
        for path in build_lessons(lessons or None, texts_only=texts_only):
            print(path)
    except LessonFailed as error:
        print(f"auxformer: {error}", file=sys.stderr)
        raise typer.Exit(1) from error


@course_app.command("student")
def course_student(
    lessons: Annotated[list[str] | None, typer.Argument(help="Numbers or names; all when none is given.")] = None,
):
    """Write the student notebooks (stubs in place of solutions) without running anything."""
    from auxformer.course.build import build_students

    for path in build_students(lessons or None):
        print(path)


def _parameters(pairs) -> dict:
    """{"epochs": 4} from "epochs=4": values as TOML reads them, else as text."""
    import tomllib

    values = {}
    for pair in pairs:
        name, sign, text = pair.partition("=")
        if not sign:
            raise InputError(f'-p {pair}: expected NAME=VALUE, such as "epochs=4".')
        try:
            values[name] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            values[name] = text
    return values


@app.command("run")
def run_command(
    corpus: CorpusName = "puppets",
    root: CorpusRoot = None,
    audio: Audio = "lld",
    video: Video = "hog",
    folds: Folds = None,
    partitions: Annotated[int, typer.Option(min=1, help="Number of 70/15/15 partitions when there are no folds.")] = 1,
    preset: Preset = "default",
    config: ConfigFile = None,
    system: Annotated[list[str] | None, typer.Option(help="A model or reference; may be given again.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Number of seeds.")] = 1,
    target: Target = None,
    classes: Classes = None,
    published: Published = None,
    out: Annotated[Path | None, typer.Option(help="Where to write the long result table (CSV).")] = None,
    data: Data = Path("data/features"),
    runs: Runs = Path("runs"),
    jobs: Jobs = 2,
    on_error: OnError = "skip",
    scheduler: Scheduler = None,
):
    """From recordings to a table of scores per condition. A second call goes on where the first stopped.

    Example: auxformer run --corpus ravdess --root RAVDESS --audio lld --video table:action_units_mean.csv
    """
    from auxformer.benchmark import run as benchmark

    settings = _settings(preset, config, {"data": _data_section(target, classes)})
    task = benchmark.prepare(
        corpus, root or _puppets(corpus, jobs), audio, video, settings, data, jobs, on_error, scheduler
    )
    references = ["ideal-observer"] if task.corpus.truth is not None else []
    systems = system or (["auxformer"] if task.target == "attributes" else ["functionals-lr", "auxformer", *references])
    task, parts = _partitions(task, folds, partitions, published, settings)
    table = benchmark.run(task, systems, settings, parts, range(seeds), runs, jobs=jobs, scheduler=scheduler)
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        table.to_csv(out, index=False, float_format="%.4f")
    print_results(table)


def _partitions(task, folds: int | None, count: int, published: Path | None, settings) -> tuple:
    """The task, with the labels of published partitions where these are asked for, and its partitions."""
    from auxformer.benchmark.run import partitions_of, published_partitions

    if published:
        return published_partitions(task, published, settings)
    if folds is None:
        speakers = task.corpus.speakers
        together = speakers["session"].nunique() if "session" in speakers else len(speakers)
        folds = min(6, together) if task.corpus.name in ("ravdess", "msp-improv") else 0
    return task, partitions_of(task.corpus, task.table, folds, count)


def _data_section(target: str | None, classes: str | None) -> dict:
    section = {"target": target} if target else {}
    if classes:
        classes = "angry,happy,neutral,sad" if classes == "4" else classes  # the four that most corpora share
        section["classes"] = [word.strip() for word in classes.split(",")]
    return section


def print_results(table) -> None:
    """Macro-F1 per system and condition, with intervals, as a table in the terminal; of attributes, every CCC.

    Without attributes there is one row per system and seed, with them one per attribute and one for their mean.
    """
    from rich.console import Console
    from rich.table import Table

    attributes = "ccc" in set(table.metric)
    part = table[
        (table.metric.str.startswith("ccc") if attributes else table.metric == "macro-f1")
        & (table.partition == ("all" if "all" in set(table.partition) else table.partition))
    ]
    view = Table(
        title=f"{table.corpus[0]}: {'CCC' if attributes else 'macro-F1'} [95 % interval over speakers], target {table.target[0]}"
    )
    conditions = list(dict.fromkeys(part.condition))
    for column in ("system", "seed", *(["metric"] if attributes else []), *conditions):
        view.add_column(column)
    for (system, seed, metric), rows in part.groupby(["system", "seed", "metric"], sort=False):
        cells = rows.groupby("condition").agg({"value": "mean", "low": "mean", "high": "mean"}).reindex(conditions)
        named = [system, str(seed), *([metric] if attributes else [])]
        shown = [f"{row.value:.3f} [{row.low:.3f}, {row.high:.3f}]" for row in cells.itertuples()]
        view.add_row(*named, *("" if "nan" in cell else cell for cell in shown))
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
    from auxformer.puppets import generate

    return generate(Path("data/corpora/puppets-course-0"), size="course", seed=0, jobs=jobs)


@app.command("bench")
def bench_command(
    suite: Annotated[
        str,
        typer.Argument(
            help='quick, puppets, seeds, binding, ablation, ravdess, crema-d, msp-improv, a TOML file of your own, or "humans".'
        ),
    ],
    root: Annotated[Path | None, typer.Option(help="Folder of the corpus; puppets are generated when absent.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the tables and the report (humans: CSV file).")] = None,
    system: Annotated[
        list[str] | None, typer.Option(help="Only these systems of the suite; may be given again.")
    ] = None,
    add: Annotated[
        list[str] | None, typer.Option(help="A system beside those of the suite; may be given again.")
    ] = None,
    models: Annotated[
        list[Path] | None, typer.Option(help="Python file that registers a model; may be given again.")
    ] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Number of seeds, instead of the suite's.")] = None,
    published: Published = None,
    table: Annotated[
        Path | None,
        typer.Option(
            help="CSV file for the main scores over all partitions, small enough to keep; the paired tests go beside it, into NAME-tests.csv."
        ),
    ] = None,
    corpus: Annotated[str, typer.Option(help='humans: name of the corpus, or "auto".')] = "auto",
    target: Annotated[str, typer.Option(help="humans: audiovisual, voice or face.")] = "audiovisual",
    data: Data = Path("data/features"),
    runs: Runs = Path("runs"),
    jobs: Jobs = 2,
    scheduler: Scheduler = None,
):
    """Run a benchmark: systems x conditions x seeds, with intervals, paired tests, people and a report.

    Run it again after a kill and it goes on. Copy a file of auxformer/suites, edit it and give its name for one of your own.

    Examples: auxformer bench quick
    | auxformer bench ravdess --root RAVDESS
    | auxformer bench quick --models mine.py --add mine
    | auxformer bench humans --root CREMA-D --out humans.csv
    """
    import shutil
    from dataclasses import replace

    from auxformer.benchmark.suite import Suite, people_table, run_suite

    if suite == "humans":
        if root is None:
            raise InputError("--root is missing: say in which folder the ratings lie.")
        table = people_table(corpus, root, target)
        if out:
            out.parent.mkdir(parents=True, exist_ok=True)
            table.to_csv(out, index=False, float_format="%.4f")
        print_results(table)
        return
    chosen = Suite.load(suite)
    if system:
        unknown = sorted(set(system) - set(chosen.systems) - set(chosen.variant))
        if unknown:
            raise InputError(f"{unknown[0]}: not in the suite {chosen.name}; --add puts a system beside it.")
        kept = {label: values for label, values in chosen.variant.items() if label in system}
        chosen = replace(chosen, systems=[name for name in chosen.systems if name in system], variant=kept)
    changes = {"seeds": seeds, "published": str(published) if published else None}
    protocol = chosen.protocol | {key: value for key, value in changes.items() if value is not None}
    chosen = replace(chosen, systems=[*chosen.systems, *(add or [])], protocol=protocol)
    out = out or Path("build/bench") / chosen.name
    results = run_suite(chosen, out, root, data, runs, jobs, scheduler, models or ())
    if table:
        whole = results[results.partition == "all"] if (results.partition == "all").any() else results
        whole = whole[whole.metric.isin(["macro-f1", "ccc", "ece", "brier", "area", "rising", "divergence"])]
        table.parent.mkdir(parents=True, exist_ok=True)
        whole.to_csv(table, index=False, float_format="%.4f")
        shutil.copyfile(out / "comparisons.csv", table.with_name(f"{table.stem}-tests.csv"))
    print_results(results[results.condition.isin(["complete", "no-audio", "no-video"])])
    print(f"tables: {out}    report: {out / 'report.html'}")


@app.command("report")
def report_command(
    results: Annotated[
        list[Path], typer.Argument(help="Results folders, or long result tables (CSV).", show_default=False)
    ],
    into: Annotated[
        Path | None, typer.Option(help="File whose <!-- NAME --> markers are filled; NAME is the CSV's.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the report of a results folder, instead of that folder.")
    ] = None,
):
    """A results folder as a page, Markdown, LaTeX and CSV; a result table as Markdown, printed or put into a file.

    Examples: auxformer report build/bench/quick
    | auxformer report build/bench/quick --out paper
    | auxformer report data/results/puppets.csv --into README.md
    """
    from auxformer.report.markdown import comparisons_beside, fill_markers, markdown_table, read_results

    folders = [path for path in results if path.is_dir()]
    if out and (len(folders) != 1 or len(results) != 1):
        raise InputError(
            f"--out takes the report of one results folder, not of {len(results)} arguments; leave it out."
        )
    if into and folders:
        raise InputError(f"{folders[0]}: is a folder; --into takes result tables (CSV).")
    for path in results:
        if path in folders:
            from auxformer.report.page import write_report

            for written in write_report(path, out):
                print(written)
            continue
        table = markdown_table(read_results(path), tests=comparisons_beside(path))
        if into:
            into.write_text(fill_markers(into.read_text(), path.stem, table))
        else:
            print(table)


@app.command("models")
def models_command(
    name: Annotated[
        str | None, typer.Argument(help="A model; all of them when none is given.", show_default=False)
    ] = None,
    audio_dims: Annotated[int, typer.Option(min=1, help="Width of the audio features, for the parameters.")] = 130,
    video_dims: Annotated[int, typer.Option(min=1, help="Width of the video features, for the parameters.")] = 4096,
    classes: Annotated[int, typer.Option(min=2, help="Number of classes, for the parameters.")] = 6,
):
    """The models there are, or the card of one: source, parameters, what it does when a stream is missing, deviations.

    Example: auxformer models mmin
    """
    from rich.console import Console
    from rich.table import Table

    from auxformer.config import preset
    from auxformer.models import card_of, count_parameters, list_models

    def parameters(model: str, settings: str) -> str:
        return f"{count_parameters(model, preset(settings).model, audio_dims, video_dims, classes):,}"

    view = Table(title=name, show_header=name is None)
    for column in ("model", "what it is", "parameters", "published", "parameters") if name is None else ("", ""):
        view.add_column(column)
    for model, line in list_models().items() if name is None else ():
        published = card_of(model).published
        view.add_row(
            model, line, parameters(model, "default"), published, parameters(model, published) if published else ""
        )
    if name is not None:
        card = card_of(name)
        sizes = [
            f"{parameters(name, settings)} (preset {settings})" for settings in ("default", card.published) if settings
        ]
        rows = {"source": card.source, "parameters": ", ".join(sizes), "a stream missing": card.missing}
        for left, right in {**rows, "deviations": card.deviations}.items():
            view.add_row(left, right)
    Console(width=130).print(view)


@app.command("runs")
def runs_command(folder: Annotated[Path, typer.Argument(help="Folder that holds runs.")] = Path("runs")):
    """Runs with their config digest, epochs, state and best dev score.

    Example: auxformer runs
    """
    from auxformer.training.fit import list_runs

    table = list_runs(folder)
    if table.empty:
        raise InputError(f'{folder}: holds no runs; "auxformer train" and "auxformer run" make some.')
    print(table.to_string(index=False, na_rep="", float_format="{:.3f}".format))


@app.command("cost")
def cost_command(
    preset: Annotated[str, typer.Option(help="Preset whose model is priced.")] = "default",
    audio_dims: Annotated[int, typer.Option(min=1, help="Width of the audio features.")] = 130,
    video_dims: Annotated[int, typer.Option(min=1, help="Width of the video features.")] = 4096,
    audio_frames: Annotated[int, typer.Option(min=1, help="Audio frames of a clip.")] = 250,
    video_frames: Annotated[int, typer.Option(min=1, help="Video frames of a clip.")] = 75,
    clips: Annotated[int, typer.Option(min=1, help="Clips in a batch, for the memory.")] = 32,
):
    """Parameters, operations per clip and memory per batch, by stack. Nothing is computed.

    Example: auxformer cost --preset paper
    """
    import auxformer.config
    from auxformer.benchmark.cost import cost_table

    model = auxformer.config.preset(preset).model
    frames = {"audio_frames": audio_frames, "video_frames": video_frames, "clips": clips}
    table = cost_table(model, audio_dims, video_dims, **frames)
    shown = {"parameters": "{:,}".format, "mflops": "{:,.1f}".format, "saved_mb": "{:,.1f}".format}
    print(table.to_string(formatters=shown))
    note = f"mflops: forward, of a clip of {audio_frames} audio and {video_frames} video frames"
    print(f"{note}; saved_mb: kept of {clips} clips for backward")


@app.command()
def parity(files: Annotated[list[Path], typer.Argument(help="Parity vectors (safetensors).", show_default=False)]):
    """Largest difference per tensor against parity vectors; exit 1 above 1e-5 (gradient norm: 1e-4, relative).

    Example: auxformer parity tests/parity/*.safetensors
    """
    from auxformer.models.authors import parity as differences_of

    worst = 0.0
    for file in files:
        differences = differences_of(file)
        print(f"{file}: " + ", ".join(f"{name} {value:.1e}" for name, value in differences.items()))
        worst = max([worst, differences.pop("grad_norm") / 10, *differences.values()])
    print(f"largest difference {worst:.1e}: {'within' if worst <= 1e-5 else 'ABOVE'} 1e-5")
    raise typer.Exit(0 if worst <= 1e-5 else 1)


@app.command()
def convert(
    checkpoint: Annotated[
        Path, typer.Argument(help="The authors' .pt, .pth or .safetensors file.", show_default=False)
    ],
    out: Annotated[Path, typer.Argument(help="File to write (safetensors).", show_default=False)],
    heads: Annotated[int, typer.Option(help="Attention heads; no tensor tells.")] = 10,
    attn_mask: Annotated[bool, typer.Option(help="Whether it was trained with the causal mask.")] = True,
):
    """The authors' checkpoint to safetensors, without running any code in the file."""
    from auxformer.models.authors import convert as convert_checkpoint

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
