"""auxformer train, evaluate, runs, run: from recordings to networks and their scores."""

import os
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from auxformer.cli.options import Jobs, SettingsOptions, TaskOptions, Wide, WorkOptions, with_options
from auxformer.cli.settings import EPILOG, SettingsCommand
from auxformer.cli.tables import number, show, show_results, show_scores, write_csv
from auxformer.errors import InputError, check_name

app = typer.Typer()


@app.command("train", cls=SettingsCommand, epilog=EPILOG)
@with_options(TaskOptions, SettingsOptions, WorkOptions)
def train(
    task_options: TaskOptions,
    settings_options: SettingsOptions,
    work: WorkOptions,
    partition: Annotated[int, Option(min=1, help="Which fold or partition, from 1.")] = 1,
    name: Annotated[str | None, Option(help="Name of the run's folder.")] = None,
):
    """Train one network on one partition; run it again after a kill and it goes on. Then: auxformer evaluate RUN

    Examples:

    - auxformer train --layers 3 --lr 5e-4 --name three-layers
    - auxformer train --preset paper --set training.drop_law=soft
    - on two processes: python -m torch.distributed.run --nproc_per_node 2 -m auxformer train ...
    - on GPUs also: accelerate launch -m auxformer train ...
    """
    if name:
        check_name("--name", name)
    settings = settings_options.read(**({"label": name} if name else {}))
    from auxformer.benchmark.run import run_name
    from auxformer.benchmark.runs import discard
    from auxformer.training.fit import fit

    task, partitions = task_options.partitions(task_options.read(work), partition)
    if partition > len(partitions):
        raise InputError(f"--partition {partition}: there are only {len(partitions)}.")
    chosen = partitions[partition - 1]
    folder = work.runs / (name or run_name(task, settings.model.name, settings, chosen))
    if work.fresh and os.environ.get("RANK", "0") == "0":
        discard(folder)
    run = fit(settings, task.split(chosen), folder)
    key, score = ("dev_ccc_complete", "CCC") if task.target == "attributes" else ("dev_macro_f1_complete", "macro-F1")
    best = run.metrics.loc[run.metrics[key].idxmax()]
    if os.environ.get("RANK", "0") == "0":  # one of several processes speaks
        print(f"{len(run.metrics)} epochs; dev {score} at best {best[key]:.3f} (epoch {int(best.epoch)})\n{folder}")


@app.command("evaluate")
def evaluate(
    run: Annotated[Path, Argument(help="Folder of a trained run.")],
    condition: Annotated[list[str] | None, Option(help="complete, no-audio or no-video; may be given again.")] = None,
    out: Annotated[Path | None, Option(help="Where to write the scores (CSV).")] = None,
    jobs: Jobs = 2,
    wide: Wide = False,
):
    """Score a run on its test speakers: F1, precision and recall, macro and micro, with intervals over speakers.

    Example: auxformer evaluate runs/three-layers --condition complete --condition no-video
    """
    from auxformer.benchmark.run import evaluate as scores_of

    _, scores = scores_of(run, condition, jobs)
    if out:
        write_csv(scores, out)
    show_scores(scores, f"{run}: test speakers [95 % interval]", wide)


@app.command("runs")
def runs(folder: Annotated[Path, Argument(help="Folder that holds runs.")] = Path("runs"), wide: Wide = False):
    """Runs with their best dev score, epochs, state, and with --wide the system, the config's digest and the seed.

    Example: auxformer runs --wide
    """
    from auxformer.benchmark.runs import list_runs

    table = list_runs(folder)
    if table.empty:
        raise InputError(f'{folder}: holds no runs; "auxformer train" and "auxformer run" make some.')
    table["dev"] = [number(score) for score in table.dev]
    columns = ["run", "dev", "epochs", "state", "system", "config", "seed"]
    show(table[columns].values.tolist(), columns, wide=wide)


@app.command("run", cls=SettingsCommand, epilog=EPILOG)
@with_options(TaskOptions, SettingsOptions, WorkOptions)
def run(
    task_options: TaskOptions,
    settings_options: SettingsOptions,
    work: WorkOptions,
    partitions: Annotated[int, Option(min=1, help="Number of 70/15/15 partitions when there are no folds.")] = 1,
    system: Annotated[list[str] | None, Option(help="A model or reference; may be given again.")] = None,
    seeds: Annotated[int, Option(min=1, help="Number of seeds.")] = 1,
    out: Annotated[Path | None, Option(help="Where to write the long result table (CSV).")] = None,
    wide: Wide = False,
):
    """From recordings to a table of scores per condition. A second call goes on where the first stopped.

    Example: auxformer run --corpus ravdess --root RAVDESS --audio lld --video table:action_units_mean.csv
    """
    settings = settings_options.read()
    from auxformer.benchmark.run import predictions_of, results_of
    from auxformer.config import config_for, override

    task, chosen = task_options.partitions(task_options.read(work), partitions)
    names = system or usual_systems(task)
    configs = {name: config_for(name, settings) for name in names}
    if not system:  # nobody asked the references to take what is for networks alone
        plain = override(settings, {"training": {"balance": "none"}, "model": {"synchrony": False}})
        configs |= {name: config_for(name, plain) for name in names if name != "auxformer"}
    results = results_of(task, predictions_of(task, configs, chosen, range(seeds), work=work.work()))
    if out:
        write_csv(results, out)
    show_results(results, wide)


def usual_systems(task) -> list[str]:
    """What a task is tried with unless somebody names systems: ours, the classical reference, and the best possible."""
    if task.target == "attributes":
        return ["auxformer"]
    return ["functionals-lr", "auxformer", *(["ideal-observer"] if task.corpus.truth is not None else [])]
