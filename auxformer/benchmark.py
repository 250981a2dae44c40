"""Corpus x features x system x partition x seed x condition -> one long result table. Finished parts are never run twice."""

import functools
import hashlib
import json
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import joblib
import pandas as pd

from auxformer.config import Config, suggest
from auxformer.corpora import read_corpus
from auxformer.corpora.base import Corpus
from auxformer.corpora.labels import attribute_targets, targets
from auxformer.corpora.partitions import Partition, read_partition_file, speaker_folds, speaker_partitions
from auxformer.dataset import Splits, make_splits
from auxformer.errors import InputError, TrainingError
from auxformer.evaluation import headline, predict, prediction_table, score
from auxformer.features import create_extractor
from auxformer.features.extract import extract, store_folder
from auxformer.features.store import FeatureStore
from auxformer.media import whole_file
from auxformer.missing import CONDITIONS
from auxformer.models import list_models
from auxformer.parallel import on_cluster
from auxformer.progress import progress
from auxformer.training import Run, fit, load_run

RESULT_COLUMNS = (
    "corpus",
    "target",
    "features",
    "system",
    "partition",
    "seed",
    "condition",
    "metric",
    "value",
    "low",
    "high",
)
CLASSES_ONLY = ("functionals-lr", "ideal-observer", "decision-fusion")
"""Systems that are made of posteriors, hence of no use for attributes."""
REFERENCES = {
    "functionals-lr": "clip functionals and logistic regression",
    "ideal-observer": "knows what the voice and the face show (generated corpora only)",
}


@dataclass(frozen=True)
class Task:
    """A corpus with its features and targets, ready to be split.

    Attributes: corpus; audio and video, the feature stores; table, the target shares `[clips, classes]`, or the attributes
    `[clips, 3]` on 1..5; target, its name; origin, the arguments of `prepare` that give it again; features, "lld+hog".
    """

    corpus: Corpus
    audio: FeatureStore
    video: FeatureStore
    table: pd.DataFrame
    target: str
    origin: dict

    @property
    def features(self) -> str:
        return f"{self.audio.name}+{self.video.name}"

    def splits(self, partition: Partition, video_order: str = "time") -> Splits:
        """Train, dev and test of a partition."""
        return make_splits(self.audio, self.video, self.table, self.corpus.clips, partition, video_order)


def prepare(
    corpus: str, root: Path, audio: str = "lld", video: str = "hog", config: Config | None = None,
    data: Path = Path("data/features"), jobs: int = 2, on_error: str = "skip", scheduler: str | None = None,
) -> Task:  # fmt: skip
    """Read a corpus, extract what features are still missing, make the targets.

    Args:
        corpus, root: Name and folder of the corpus.
        audio, video: Extractors by name; "table:FILE.csv" for clip-level numbers.
        config: Its `data` section says target, label rule and classes.
        data: Folder under which the feature stores lie.
        jobs: Processes.
        on_error: "skip" a clip that cannot be read and count it, or "stop".
        scheduler: Address of a Dask cluster that extracts instead of processes here.
    """
    config = config or Config()
    read = read_corpus(corpus, root, on_error=on_error)
    stores, data = [], Path(data).absolute() if scheduler else data  # workers may stand in another folder
    for spec, modality in ((audio, "audio"), (video, "video")):
        extractor = create_extractor(spec, root=read.root, modality=modality)
        stores.append(extract(read, extractor, store_folder(data, read, extractor), jobs, on_error, scheduler))
    target = config.data.target if read.ratings or config.data.target in ("intended", "attributes") else "intended"
    if target != config.data.target:
        print(f"{read.name} has no ratings: the target is the intended emotion.")
    table = attribute_targets(read) if target == "attributes" else targets(read, target, config.data.rule)
    table = _usable(table, config, *stores)
    origin = {"corpus": read.name, "root": str(Path(root).resolve()), "audio": audio, "video": video, "data": str(data)}
    return Task(read, *stores, table, target, origin)


def _usable(table: pd.DataFrame, config: Config, audio: FeatureStore, video: FeatureStore) -> pd.DataFrame:
    """The targets of the classes asked for, of clips that have features."""
    if config.data.classes:
        table = keep_classes(table, config.data.classes)
    return table.loc[[clip for clip in table.index if clip in audio or clip in video]]


def keep_classes(table: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Targets over some of the classes: clips whose votes all fall outside are dropped, the rest scaled to sum to 1.

    Raises:
        InputError: for a class that the corpus does not have, or fewer than two.
    """
    unknown = [name for name in classes if name not in table]
    if unknown:
        raise InputError(f'unknown class "{unknown[0]}".{suggest(unknown[0], table.columns)}')
    if len(classes) < 2:
        raise InputError("data.classes names one class; at least two are needed to tell apart.")
    part = table[list(classes)]
    part = part[part.sum(axis=1) > 0]
    return part.div(part.sum(axis=1), axis=0)


def partitions_of(
    corpus: Corpus, table: pd.DataFrame, folds: int | None, count: int = 1, seed: int = 0
) -> list[Partition]:
    """`folds` speaker folds (every speaker tested once), or `count` 70/15/15 partitions by speaker.

    Raises:
        InputError: no folds for a corpus whose speakers were recorded together, or too few speakers.
    """
    clips = corpus.clips.loc[table.index]
    if not folds and "session" in corpus.speakers:
        raise InputError(
            f"the speakers of {corpus.name} were recorded in pairs that must stay together; say --folds 6."
        )
    if folds:
        return speaker_folds(corpus.speakers.loc[sorted(clips.speaker.unique())], folds, seed)
    return speaker_partitions(clips, corpus.speakers, table, count=count, seed=seed)


def published_partitions(task: Task, path: str | Path, config: Config | None = None) -> tuple[Task, list[Partition]]:
    """The authors' partitions, and the task with the labels of their files.

    Args:
        task: Of the corpus that the files divide.
        path: A partition file (`label_consensus_N.csv`), or a folder of them.
        config: Its `data` section says label rule and classes.

    Returns:
        The task whose targets are those of the files, and one partition per file.

    Raises:
        InputError: no file there, one that is no partition of this corpus, or files that label a clip differently.
    """
    config = config or Config()
    files = sorted(Path(path).glob("*.csv")) if Path(path).is_dir() else [Path(path)]
    if not files:
        raise InputError(f"{path}: holds no partition files (label_consensus_N.csv).")
    partitions, tables = zip(*(read_partition_file(file, task.corpus, config.data.rule) for file in files))
    table = pd.concat(tables).groupby(level=0).first()
    for file, labels in zip(files, tables):
        other = labels.index[(labels != table.loc[labels.index]).any(axis=1)]
        if len(other):
            raise InputError(
                f"{file}: labels {other[0]} and {len(other) - 1} more clips otherwise than the files before it."
            )
    table = _usable(table, config, task.audio, task.video)
    origin = {**task.origin, "published": str(Path(path).resolve())}
    return replace(task, table=table, origin=origin), list(partitions)


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
    predictions = _keep(task, predictions, folder / "predictions.parquet")
    return predictions, _rows(task, config.model.name, partition.name, config.training.seed, predictions)


def run_one(
    task: Task, system: str, config: Config, partition: Partition, folder: Path, conditions=tuple(CONDITIONS), show=True
) -> pd.DataFrame:
    """Predictions of one system on the test speakers of one partition; kept in `folder/predictions.parquet`.

    Finished predictions are read back, an unfinished training goes on where it stopped.
    """
    kept = folder / "predictions.parquet"
    if kept.is_file():
        return pd.read_parquet(kept)
    splits = task.splits(partition, config.training.video_order)
    if system == "ideal-observer":
        predictions = _ideal(task, splits, conditions)
    elif system == "functionals-lr":
        predictions = _functionals(splits, conditions)
    else:
        run = fit(_with_model(config, system), splits, folder, show)
        predictions = predict(run.model, splits.test, conditions)
    return _keep(task, predictions, kept)


def _keep(task: Task, predictions: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Add the speakers and write the table, whole or not at all."""
    predictions.insert(1, "speaker", task.corpus.clips.speaker.reindex(predictions["clip"]).to_numpy())
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as part:
        predictions.to_parquet(part, index=False)
    return predictions


def _with_model(config: Config, system: str) -> Config:
    """Rivals take the shape of the config; AuxFormer in either form keeps the config's own name."""
    if system == "auxformer" and config.model.name.startswith("auxformer"):
        return config
    return replace(config, model=replace(config.model, name=system))


def _functionals(splits: Splits, conditions) -> pd.DataFrame:
    from auxformer.models.functionals import FunctionalsLR

    reference = FunctionalsLR().fit(splits.train, splits.dev)
    test = splits.test
    posteriors = reference.posteriors(test, conditions)
    truth = test.targets.to_numpy()
    return pd.concat(
        [prediction_table(test.clips, name, truth, p, test.classes) for name, p in posteriors.items()],
        ignore_index=True,
    )


def _ideal(task: Task, splits: Splits, conditions) -> pd.DataFrame:
    from auxformer.corpora.puppets import ideal_observer

    if task.corpus.truth is None:
        raise InputError(f"corpus {task.corpus.name}: nobody knows its best possible score; leave ideal-observer out.")
    test, truth = splits.test, task.corpus.truth.loc[list(splits.test.clips)]
    parts = []
    for name in conditions:
        posterior = ideal_observer(truth, task.target, name, test.classes).loc[list(test.clips)]
        parts.append(prediction_table(test.clips, name, test.targets.to_numpy(), posterior.to_numpy(), test.classes))
    return pd.concat(parts, ignore_index=True)


def run(
    task: Task, systems: Sequence[str], config: Config, partitions: Sequence[Partition], seeds: Sequence[int] = (0,),
    runs: Path = Path("runs"), conditions=tuple(CONDITIONS), jobs: int = 1, scheduler: str | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Every system on every partition and seed; a long table of scores per condition with speaker-bootstrap intervals.

    With more than one partition, rows with partition "all" score the predictions of all of them together; where a speaker
    is tested in several, that speaker is drawn as one in the bootstrap. `jobs` processes share the work, one thread each:
    networks this small gain more from a second run beside them than from a second thread. With `scheduler`, the address of
    a Dask cluster, its workers share the work; they need the feature stores and `runs` under the same paths.

    Raises:
        InputError: for a system that does not exist, before any work starts.
    """
    known = {**list_models(), **REFERENCES}
    for system in systems:
        if system not in known:
            raise InputError(f'unknown system "{system}".{suggest(system, known)}')
        _check_knows(system, task)
    units = [
        (system, seed, partition)
        for system in systems
        for seed in (seeds if system not in REFERENCES else (0,))
        for partition in partitions
    ]
    rows, pooled = [], {}
    work = functools.partial(_unit, task, config, Path(runs).absolute(), conditions, jobs > 1 or bool(scheduler))
    done = _on_cluster(scheduler, work, units) if scheduler else _in_processes(work, units, jobs)
    for (system, seed, partition), predictions in zip(units, progress(done, "scoring", len(units), "run")):
        rows.append(_rows(task, system, partition.name, seed, predictions))
        pooled.setdefault((system, seed), []).append(predictions)
        print(f"{system}, {partition.name}, seed {seed}: {one_line(rows[-1])}", flush=True)
    if len(partitions) > 1:
        rows += [_rows(task, system, "all", seed, pd.concat(parts)) for (system, seed), parts in pooled.items()]
    return pd.concat(rows, ignore_index=True)


def _in_processes(work, units: list, jobs: int):
    """Results of the units in their order, `jobs` at a time."""
    with joblib.parallel_config("loky", inner_max_num_threads=1 if jobs > 1 else None), warnings.catch_warnings():
        # loky replaces a worker whose memory has grown between two runs; no run is lost, and nobody need read of it
        warnings.filterwarnings("ignore", "A worker stopped while some jobs were given")
        yield from joblib.Parallel(n_jobs=min(jobs, len(units)), return_as="generator")(
            joblib.delayed(work)(unit) for unit in units
        )


def _on_cluster(scheduler: str, work, units: list):
    """The same from the workers of a cluster; the first unit that failed for good stops the benchmark, the finished ones are kept."""
    results, failed = {}, None
    for unit, result in on_cluster(scheduler, work, units):
        results[unit], failed = result, failed or (result if isinstance(result, Exception) else None)
    if failed and not isinstance(failed, (InputError, TrainingError)):
        failed = TrainingError(f"a run failed on the cluster: {failed}")
    if failed:
        raise failed
    yield from (results[unit] for unit in units)


def _check_knows(system: str, task: Task) -> None:
    if task.target == "attributes" and system in CLASSES_ONLY:
        raise InputError(f"{system} knows classes only, not attributes; choose another system.")


def _unit(task: Task, config: Config, runs: Path, conditions, shared: bool, unit: tuple) -> pd.DataFrame:
    """One (system, seed, partition), in a process of its own when the cores are shared."""
    import torch

    if shared:
        torch.set_num_threads(1)
    system, seed, partition = unit
    seeded = replace(config, training=replace(config.training, seed=seed))
    folder = runs / run_name(task, system, seeded, partition)
    return run_one(task, system, seeded, partition, folder, conditions, show=not shared)


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
    what += [config.digest(), partition.train, partition.dev, partition.test, sorted(task.table.index)]
    digest = hashlib.sha256(json.dumps(what).encode()).hexdigest()[:10]
    return f"{task.corpus.name}-{system}-{partition.name}-s{config.training.seed}-{digest}"


def one_line(rows: pd.DataFrame) -> str:
    """ "complete .71, no-audio .62, no-video .48" (macro-F1, or the mean CCC of attributes)."""
    metric = headline(rows.metric)
    part = rows[rows.metric == metric]
    return ("CCC " if metric == "ccc" else "macro-F1 ") + ", ".join(
        f"{row.condition} {row.value:.3f}" for row in part.itertuples()
    )


def _rows(task: Task, system: str, partition: str, seed: int, predictions: pd.DataFrame) -> pd.DataFrame:
    rows = score(predictions, list(task.table.columns))
    fixed = {"corpus": task.corpus.name, "target": task.target, "features": task.features, "system": system}
    return rows.assign(**fixed, partition=partition, seed=seed)[list(RESULT_COLUMNS)]
