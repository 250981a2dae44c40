"""Corpus x features x system x partition x seed x condition -> one long result table. Finished parts are never run twice."""

import functools
import hashlib
import importlib.util
import json
import re
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import joblib
import numpy as np
import pandas as pd

from auxformer.config import Config, preset
from auxformer.corpora.partitions import Partition
from auxformer.data.batch import ClipDataset
from auxformer.data.missing import CONDITIONS, PROTOCOL
from auxformer.data.splits import Splits
from auxformer.data.task import Task, keep_classes, partitions_of, prepare, published_partitions, with_corrupted_media  # noqa: F401
from auxformer.errors import InputError, TrainingError, suggest
from auxformer.evaluation.calibration import calibration_of
from auxformer.evaluation.intervals import score
from auxformer.evaluation.predictions import predict, prediction_table
from auxformer.evaluation.scores import RESULT_COLUMNS, headline
from auxformer.files import whole_file
from auxformer.models import list_models, source_digest
from auxformer.parallel import on_cluster
from auxformer.progress import progress
from auxformer.training.fit import Run, fit, load_run

CLASSES_ONLY = ("functionals-lr", "ideal-observer", "decision-fusion")
"""Systems that are made of posteriors, hence of no use for attributes."""
REFERENCES = {
    "functionals-lr": "clip functionals and logistic regression",
    "ideal-observer": "knows what the voice and the face show (generated corpora only)",
}


def train(task: Task, config: Config, partition: Partition, folder: Path, show: bool = True) -> Run:
    """Train one network on one partition in `folder`, which remembers where its data came from (`task.json`)."""
    _check_knows(config.model.name, task)
    run = fit(config, task.splits(partition, config.training.video_order), folder, show)
    task_file = {**task.origin, "partition": asdict(partition)}
    (Path(folder) / "task.json").write_text(json.dumps(task_file, indent=1))
    return run


def evaluate(folder: Path, conditions=tuple(CONDITIONS), jobs: int = 2) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Predictions and scores of a trained run on its test speakers; predictions are kept in its folder.

    Raises:
        InputError: when `folder` holds no run of `train`.
    """
    folder = Path(folder)
    if not (folder / "task.json").is_file():
        raise InputError(f'{folder}: holds no trained run; make one with "auxformer train".')
    origin = json.loads((folder / "task.json").read_text())
    partition = Partition(
        **{key: tuple(value) if isinstance(value, list) else value for key, value in origin.pop("partition").items()}
    )
    config, published = Config.load(folder / "config.toml"), origin.pop("published", None)
    task = prepare(**origin, config=config, jobs=jobs)
    if published:
        task, _ = published_partitions(task, published, config)
    splits = task.splits(partition, config.training.video_order)
    predictions = predict(load_run(folder, splits.train).model, splits.test, conditions)
    predictions = _keep(task, [], [predictions], folder / "predictions.parquet")
    return predictions, _rows(task, config.model.name, partition.name, config.training.seed, predictions)


def run_one(
    task: Task, system: str, config: Config, partition: Partition, folder: Path, conditions=tuple(CONDITIONS), show=True
) -> pd.DataFrame:
    """Predictions of one system on the test speakers of one partition; kept in `folder/predictions.parquet`.

    Finished predictions are read back and conditions that they lack are added, an unfinished training goes on where it
    stopped.

    Args:
        task: Corpus, features, targets; with media-level conditions, one from `with_corrupted_media`.
        system: A registered model or one of `REFERENCES`.
        config: Settings; its model is `system`, but for references.
        partition: Speakers.
        folder: Of the run.
        conditions: What to score under.
        show: Whether to show a progress bar.
    """
    path = folder / "predictions.parquet"
    kept = pd.read_parquet(path) if path.is_file() else None
    wanted = [name for name in conditions if kept is None or name not in set(kept.condition)]
    if wanted:
        splits = task.splits(partition, config.training.video_order)
        scorer = _scorer(task, system, config, splits, folder, show)
        kept = _keep(task, [] if kept is None else [kept], _under(task, splits.test, wanted, scorer), path)
    return kept[kept.condition.isin(conditions)].reset_index(drop=True)


def _scorer(task: Task, system: str, config: Config, splits: Splits, folder: Path, show: bool) -> Callable:
    """Dataset, conditions -> predictions table, of a system that has been trained where it needs to be."""
    if system == "ideal-observer":
        return lambda dataset, names: _ideal(task, dataset, names)
    if system == "functionals-lr":
        from auxformer.models.rivals.functionals import FunctionalsLR

        reference = FunctionalsLR().fit(splits.train, splits.dev)
        return lambda dataset, names: posterior_table(dataset, reference.posteriors(dataset, names))
    run = fit(config, splits, folder, show)
    return lambda dataset, names: predict(run.model, dataset, names)


def _under(task: Task, test: ClipDataset, conditions: Sequence[str], scorer: Callable) -> list[pd.DataFrame]:
    """Predictions under conditions on features, then under each one on media."""
    on_features = [name for name in conditions if name in PROTOCOL]
    parts = [scorer(test, on_features)] if on_features else []
    for name in (name for name in conditions if name not in PROTOCOL):
        stream, store = task.corrupted[name]
        parts.append(scorer(test.with_store(stream, store), ["complete"]).assign(condition=name))
    return parts


def _keep(task: Task, before: list[pd.DataFrame], parts: list[pd.DataFrame], path: Path) -> pd.DataFrame:
    """Add the speakers and write the table, whole or not at all."""
    new = pd.concat(parts, ignore_index=True)
    new.insert(1, "speaker", task.corpus.clips.speaker.reindex(new["clip"]).to_numpy())
    predictions = pd.concat([*before, new], ignore_index=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as part:
        predictions.to_parquet(part, index=False)
    return predictions


def config_of(system: str, config: Config) -> Config:
    """The settings of a system by name: rivals take the shape and the training of `config`, or their own preset.

    "mult" is the model of that name, "mult@mult-published" the same with another preset's settings. AuxFormer in either
    form keeps the config's own name.
    """
    name, _, settings = system.partition("@")
    if settings:
        other = preset(settings)
        training = replace(other.training, seed=config.training.seed, device=config.training.device)
        config = replace(other, training=training, data=config.data)
    if name in REFERENCES or (name == "auxformer" and config.model.name.startswith("auxformer")):
        return config
    return replace(config, model=replace(config.model, name=name))


def posterior_table(dataset: ClipDataset, posteriors: dict[str, np.ndarray]) -> pd.DataFrame:
    """Predictions table of a dataset from posteriors `[N, C]` per condition, in the order of its clips."""
    truth = dataset.targets.to_numpy()
    parts = [prediction_table(dataset.clips, name, truth, p, dataset.classes) for name, p in posteriors.items()]
    return pd.concat(parts, ignore_index=True)


def _ideal(task: Task, test: ClipDataset, conditions) -> pd.DataFrame:
    """The observer knows what was shown however many frames are lost or dark: there it is a ceiling nobody need reach."""
    from auxformer.puppets import ideal_observer

    if task.corpus.truth is None:
        raise InputError(f"corpus {task.corpus.name}: nobody knows its best possible score; leave ideal-observer out.")
    truth = task.corpus.truth.loc[list(test.clips)]
    seen = {name: name if name in CONDITIONS else "complete" for name in conditions}
    posteriors = {
        name: ideal_observer(truth, task.target, known, test.classes).loc[list(test.clips)].to_numpy()
        for name, known in seen.items()
    }
    return posterior_table(test, posteriors)


def run(
    task: Task, systems: Sequence[str] | Mapping[str, Config], config: Config, partitions: Sequence[Partition],
    seeds: Sequence[int] = (0,), runs: Path = Path("runs"), conditions=tuple(CONDITIONS), jobs: int = 1,
    scheduler: str | None = None, plugins: Sequence[Path] = (),
) -> pd.DataFrame:  # fmt: skip
    """Every system on every partition and seed; a long table of scores per condition with speaker-bootstrap intervals.

    With more than one partition, rows with partition "all" score the predictions of all of them together; where a speaker
    is tested in several, that speaker is drawn as one in the bootstrap. The arguments are those of `predictions_of`.
    """
    predictions = predictions_of(task, systems, config, partitions, seeds, runs, conditions, jobs, scheduler, plugins)
    return score_all(task, predictions)


def predictions_of(
    task: Task, systems: Sequence[str] | Mapping[str, Config], config: Config, partitions: Sequence[Partition],
    seeds: Sequence[int] = (0,), runs: Path = Path("runs"), conditions=tuple(CONDITIONS), jobs: int = 1,
    scheduler: str | None = None, plugins: Sequence[Path] = (), failed: dict[str, str] | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Predictions of every system on the test speakers of every partition, for every seed. Finished parts are read back.

    `jobs` processes share the work, one thread each: networks this small gain more from a second run beside them than from
    a second thread. With `scheduler`, the address of a Dask cluster, its workers share the work; they need the feature
    stores and `runs` under the same paths.

    Args:
        task: Corpus, features, targets.
        systems: Names as `config_of` reads them, or label -> settings, whose `model.name` says the model or reference.
        config: Settings of the systems that are only named.
        partitions: Speakers of train, dev and test.
        seeds: References have no seed and run once.
        runs: Folder of the runs.
        conditions: Missing-data conditions (`missing.PROTOCOL`) and media-level ones (`corruption.CONDITIONS`).
        jobs: Processes.
        scheduler: Address of a Dask cluster.
        plugins: Python files that register models of your own, imported by every process.
        failed: Where to note systems that failed, label -> reason; such a system is left out and the others go on. None
            stops at the first failure. What has failed is never kept: the next run tries it again.

    Returns:
        A predictions table with the columns system, partition and seed before the others.

    Raises:
        InputError: for a system or a condition that does not exist, before any training starts.
    """
    load_plugins(plugins)
    settings = dict(systems) if isinstance(systems, Mapping) else {name: config_of(name, config) for name in systems}
    for label, own in settings.items():
        _check_system(label, own, task)
    task = with_corrupted_media(task, partitions, conditions, jobs)
    units = [
        (label, seed, partition)
        for label in settings
        for seed in (seeds if label not in REFERENCES else (0,))
        for partition in partitions
    ]
    shared = jobs > 1 or bool(scheduler)
    common = task, settings, Path(runs).absolute(), tuple(conditions), shared, tuple(plugins)
    work = functools.partial(_unit if failed is None else _unit_or_error, *common)
    done = _on_cluster(scheduler, work, units, failed is None) if scheduler else _in_processes(work, units, jobs)
    parts = []
    for (label, seed, partition), predictions in zip(units, progress(done, "scoring", len(units), "run")):
        if isinstance(predictions, Exception):
            failed[label] = f"{type(predictions).__name__}: {predictions}"
            print(f"{label}, {partition.name}, seed {seed}: FAILED, {failed[label]}", flush=True)
            continue
        parts.append(predictions.assign(system=label, partition=partition.name, seed=seed))
        print(
            f"{label}, {partition.name}, seed {seed}: {one_line(_rows(task, label, partition.name, seed, predictions, 0))}",
            flush=True,
        )
    parts = [part for part in parts if not failed or part.system.iloc[0] not in failed]
    if not parts:
        raise InputError(f"every system failed; the last with {list(failed.values())[-1]}")
    table = pd.concat(parts, ignore_index=True)
    first = ["system", "partition", "seed"]
    return table[first + [name for name in table if name not in first]]


def score_all(task: Task, predictions: pd.DataFrame) -> pd.DataFrame:
    """The long result table of `predictions_of`'s predictions."""
    rows = [
        _rows(task, *names, part) for names, part in predictions.groupby(["system", "partition", "seed"], sort=False)
    ]
    if predictions.partition.nunique() > 1:
        pooled = predictions.groupby(["system", "seed"], sort=False)
        rows += [_rows(task, system, "all", seed, part) for (system, seed), part in pooled]
    return pd.concat(rows, ignore_index=True)


def load_plugins(files: Sequence[Path]) -> None:
    """Import Python files that register models (`models.register_model`), each once.

    Raises:
        InputError: a file that is not there or cannot be run.
    """
    for file in map(Path, files):
        name = f"auxformer_plugin_{hashlib.sha256(str(file.resolve()).encode()).hexdigest()[:8]}"
        if name in sys.modules:
            continue
        spec = importlib.util.spec_from_file_location(name, file)
        if spec is None or not file.is_file():
            raise InputError(f"{file}: no Python file that could register a model.")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except Exception as error:  # whatever a file of somebody else's raises
            del sys.modules[name]
            raise InputError(f"{file}: cannot be imported ({type(error).__name__}: {error}).") from error


def _in_processes(work, units: list, jobs: int):
    """Results of the units in their order, `jobs` at a time."""
    with joblib.parallel_config("loky", inner_max_num_threads=1 if jobs > 1 else None), warnings.catch_warnings():
        # loky replaces a worker whose memory has grown between two runs; no run is lost, and nobody need read of it
        warnings.filterwarnings("ignore", "A worker stopped while some jobs were given")
        yield from joblib.Parallel(n_jobs=min(jobs, len(units)), return_as="generator")(
            joblib.delayed(work)(unit) for unit in units
        )


def _on_cluster(scheduler: str, work, units: list, stop: bool):
    """The same from the workers of a cluster; with `stop` the first unit that failed for good ends the benchmark, the finished ones are kept."""
    results, failed = {}, None
    for unit, result in on_cluster(scheduler, work, units):
        results[unit], failed = result, failed or (result if isinstance(result, Exception) else None)
    if failed and not isinstance(failed, (InputError, TrainingError)):
        failed = TrainingError(f"a run failed on the cluster: {failed}")
    if failed and stop:
        raise failed
    yield from (results[unit] for unit in units)


def _check_system(label: str, config: Config, task: Task) -> None:
    system, known = _model_of(label, config), {**list_models(), **REFERENCES}
    if system not in known:
        raise InputError(f'unknown system "{system}".{suggest(system, known)}')
    _check_knows(system, task)


def _check_knows(system: str, task: Task) -> None:
    if task.target == "attributes" and system in CLASSES_ONLY:
        raise InputError(f"{system} knows classes only, not attributes; choose another system.")


def _model_of(label: str, config: Config) -> str:
    return label if label in REFERENCES else config.model.name


def _unit(task: Task, settings: dict, runs: Path, conditions, shared: bool, plugins, unit: tuple) -> pd.DataFrame:
    """One (system, seed, partition), in a process of its own when the cores are shared."""
    import torch

    if shared:
        torch.set_num_threads(1)
    load_plugins(plugins)
    label, seed, partition = unit
    config = replace(settings[label], training=replace(settings[label].training, seed=seed))
    folder = runs / run_name(task, label, config, partition)
    return run_one(task, _model_of(label, config), config, partition, folder, conditions, show=not shared)


def _unit_or_error(*arguments) -> pd.DataFrame | Exception:
    try:
        return _unit(*arguments)
    except Exception as error:  # of any system, one of somebody else's too: it must not take the others with it
        return error


def run_name(task: Task, system: str, config: Config, partition: Partition) -> str:
    """Folder name of a run: readable, and different whenever anything that changes its result is."""
    what = [
        task.corpus.name,
        str(task.corpus.root.resolve()),
        task.target,
        task.audio.digest,
        task.video.digest,
        system,
    ]
    what += [
        config.digest() if system not in REFERENCES else "",
        partition.train,
        partition.dev,
        partition.test,
        sorted(task.table.index),
    ]
    own = source_digest(_model_of(system, config))
    what += [own] if own else []
    digest = hashlib.sha256(json.dumps(what).encode()).hexdigest()[:10]
    system = re.sub(r"[^\w@.-]+", "-", system)
    return f"{task.corpus.name}-{system}-{partition.name}-s{config.training.seed}-{digest}"


def one_line(rows: pd.DataFrame) -> str:
    """ "complete .71, no-audio .62, no-video .48" (macro-F1, or the mean CCC of attributes)."""
    metric = headline(rows.metric)
    part = rows[(rows.metric == metric) & rows.condition.isin(CONDITIONS)]
    return ("CCC " if metric == "ccc" else "macro-F1 ") + ", ".join(
        f"{row.condition} {row.value:.3f}" for row in part.itertuples()
    )


def _rows(
    task: Task, system: str, partition: str, seed: int, predictions: pd.DataFrame, resamples: int = 1000
) -> pd.DataFrame:
    classes = list(task.table.columns)
    rows = score(predictions, classes, resamples)
    if task.target != "attributes" and resamples:
        rows = pd.concat([rows, calibration_of(predictions, classes, resamples=resamples)])
    fixed = {"corpus": task.corpus.name, "target": task.target, "features": task.features, "system": system}
    return rows.assign(**fixed, partition=partition, seed=seed)[list(RESULT_COLUMNS)]
