"""Every system on every partition and seed: predictions under every condition. Finished parts are never computed twice."""

import functools
import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import torch

from auxformer.benchmark.runs import discard, partition_of
from auxformer.config import Config
from auxformer.corpora.partitions import Partition
from auxformer.data.missing import CONDITIONS, PROTOCOL, conditions_of
from auxformer.data.split import ClipDataset, Split, parts_of
from auxformer.data.task import Task
from auxformer.errors import InputError, TrainingError, suggest
from auxformer.evaluation.calibration import calibration_of
from auxformer.evaluation.intervals import score
from auxformer.evaluation.predictions import posterior_table
from auxformer.evaluation.scores import RESULT_COLUMNS, headline
from auxformer.features.lacking import as_trained
from auxformer.files import locked, make_folder, whole_file, write_text
from auxformer.models import check_attributes, create_reference, list_models, list_references
from auxformer.models.balance import create_balance
from auxformer.models.code import computed_by, load_plugins
from auxformer.models.synchrony import check_synchrony
from auxformer.parallel import in_parallel
from auxformer.progress import progress, say
from auxformer.training.fit import fit
from auxformer.training.run import load


@dataclass(frozen=True)
class Work:
    """Where the work is done, and by whom.

    Attributes:
        runs: Folder of the runs.
        jobs: Processes, one thread each: networks this small gain more from a second run beside them than from a second
            thread.
        scheduler: Address of a Dask cluster whose workers share the work; they need the feature stores and `runs` under the
            same paths.
        plugins: Python files that register models of your own, imported by every process.
        fresh: Whether finished work is discarded and done again.
    """

    runs: Path = Path("runs")
    jobs: int = 1
    scheduler: str | None = None
    plugins: tuple[Path, ...] = ()
    fresh: bool = False


def usual_conditions(task: Task) -> tuple[str, ...]:
    """What is scored unless somebody asks: each stream absent in turn; "complete" alone where no clip has one of them."""
    return tuple(CONDITIONS) if task.audio.clips and task.video.clips else ("complete",)


def evaluate(folder: Path, conditions: Sequence[str] | None = None, jobs: int = 2) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Predictions and scores of a trained run on its test speakers, under `usual_conditions` unless told; predictions are kept in
    its folder.

    Raises:
        InputError: when `folder` holds no run of a task, or its corpus is no longer what the run was made from.
    """
    run = load(folder)
    if not run.about["task"]:
        raise InputError(f"{folder}: does not know which corpus it was trained on; use run.predict(split.test).")
    task = Task.again(run.about["task"], jobs=jobs)
    partition = partition_of(run.about)
    if task.made_from(partition)["clips"] != run.about["clips"]:
        raise InputError(
            f"{folder}: the clips, speakers or labels of {task.corpus.root} have changed since; train again."
        )
    split = as_trained(task.split(partition), run.config.training)
    predictions = run.predict(split.test, conditions or usual_conditions(task))
    write_predictions(predictions, Path(folder) / "predictions.parquet")
    return predictions, result_rows(task, run.config.model.name, partition.name, run.config.training.seed, predictions)


def predict_one(
    task: Task, system: str, config: Config, partition: Partition, folder: Path, conditions="basic", show=True
) -> pd.DataFrame:
    """Predictions of one system on the test speakers of one partition; kept in `folder/predictions.parquet`.

    Finished predictions are read back and conditions that they lack are added, an unfinished training goes on where it
    stopped.

    Args:
        task: Corpus, features, targets; with media-level conditions, one from `Task.under`.
        system: A registered model or reference.
        config: Settings of the model; of a reference only which training clips lack a stream.
        partition: Speakers.
        folder: Of the run.
        conditions: What to score under.
        show: Whether to show a progress bar.
    """
    path = folder / "predictions.parquet"
    tested = sorted(parts_of(task.table, task.corpus.clips.speaker, partition)["test"].index)
    conditions = {name: _state_of(task, tested, name) for name in conditions_of(conditions, task.corrupted)}
    kept, wanted = _kept(path, conditions, tested)
    if wanted:
        with locked(make_folder(folder), f"{folder}: another process is at work in it; waiting for that."):
            kept, wanted = _kept(path, conditions, tested)  # by the process that was waited for
            if wanted:
                split = as_trained(task.split(partition), config.training)
                predictor = _predictor(system, config, split, folder, show)
                kept = pd.concat([kept, *_under(task, split.test, wanted, predictor)], ignore_index=True)
                write_predictions(kept, path)
                states = {**_states(path), **{name: conditions[name] for name in wanted if conditions[name]}}
                write_text(path.with_suffix(".json"), json.dumps(states, indent=1))
    place = dict(zip(conditions, range(len(conditions))))  # rows come in the order asked for, whenever they were made
    wanted = kept[kept.condition.isin(conditions)]
    return wanted.sort_values("condition", key=lambda names: names.map(place), kind="stable", ignore_index=True)


def _kept(path: Path, conditions: Mapping[str, str], tested: list[str]) -> tuple[pd.DataFrame | None, list[str]]:
    """Predictions that are there already (None without any), and the conditions that they lack or have of other media or of
    other clips than the tested ones."""
    if not path.is_file():
        return None, list(conditions)
    from pyarrow import ArrowException

    try:
        kept, states = pd.read_parquet(path), _states(path)
        whole = {name: sorted(part["clip"]) == tested for name, part in kept.groupby("condition")}
    except (OSError, ValueError, KeyError, ArrowException) as error:
        say(f"{path}: cannot be read ({str(error).splitlines()[0]}); it is made again.")
        return None, list(conditions)
    old = [name for name, state in conditions.items() if state and states.get(name) != state]
    kept = kept[kept.condition.map(whole).fillna(False).astype(bool) & ~kept.condition.isin(old)]
    return kept, [name for name in conditions if name not in set(kept.condition)]


def _states(path: Path) -> dict[str, str]:
    """Condition on media -> what its features were when the predictions at `path` were made (`_state_of`)."""
    file = path.with_suffix(".json")
    return json.loads(file.read_text("utf-8")) if file.is_file() else {}


def _state_of(task: Task, tested: list[str], condition: str) -> str:
    """What the tested clips' features under a condition on media are, in ten hex digits; "" of a condition on features."""
    if condition not in task.corrupted:
        return ""
    contents = [store.contents for store in task.corrupted[condition].values()]
    known = [(clip, *(content.get(clip) for content in contents)) for clip in tested]
    return hashlib.sha256(repr(known).encode()).hexdigest()[:10]


def _predictor(system: str, config: Config, split: Split, folder: Path, show: bool) -> Callable:
    """Dataset, conditions -> predictions table, of a system that has been trained where it needs to be."""
    if system in list_references():
        answer = create_reference(system, split)
        return lambda dataset, names: posterior_table(dataset, answer(dataset, names))
    return fit(config, split, folder, show).predict


def _under(task: Task, test: ClipDataset, conditions: Sequence[str], predictor: Callable) -> list[pd.DataFrame]:
    """Predictions under conditions on features, then under each one on media."""
    on_features = [name for name in conditions if name in PROTOCOL]
    parts = [predictor(test, on_features)] if on_features else []
    for name in (name for name in conditions if name not in PROTOCOL):
        parts.append(predictor(test.with_(**task.corrupted[name]), ["complete"]).assign(condition=name))
    return parts


def write_predictions(predictions: pd.DataFrame, path: Path) -> None:
    """Write a predictions table (parquet), whole or not at all."""
    make_folder(path.parent)
    with whole_file(path) as part:
        predictions.to_parquet(part, index=False)


def predictions_of(
    task: Task, systems: Mapping[str, Config], partitions: Sequence[Partition], seeds: Sequence[int] = (0,),
    conditions: Sequence[str] | None = None, work: Work = Work(), failed: dict[str, str] | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Predictions of every system on the test speakers of every partition, for every seed. Finished parts are read back.

    Args:
        task: Corpus, features, targets.
        systems: Label -> settings, whose `model.name` is the model or the reference (`config.config_for`).
        partitions: Speakers of train, dev and test.
        seeds: References have no seed and run once.
        conditions: Missing-data conditions (`data.missing.PROTOCOL`) and media-level ones (`corruption.CONDITIONS`);
            `usual_conditions` unless told.
        work: Where it is done.
        failed: Where to note systems that failed, label -> reason; such a system is left out and the others go on. None
            stops at the first failure. What has failed is never kept: the next time it is tried again.

    Returns:
        A predictions table with the columns system, partition and seed before the others.

    Raises:
        InputError: for a system or a condition that does not exist, or a system that could not be trained (`check_systems`),
            before any training starts.
    """
    load_plugins(work.plugins)
    check_systems(task, systems, partitions)
    conditions = tuple(conditions or usual_conditions(task))
    task = task.under(conditions, partitions, work.jobs)
    references = list_references()
    units = [
        (label, seed, partition)
        for label, config in systems.items()
        for seed in (seeds if config.model.name not in references else (0,))
        for partition in partitions
    ]
    one = functools.partial(_unit if failed is None else _unit_or_error, task, systems, _absolute(work), conditions)
    done = in_parallel(one, units, work.jobs, work.scheduler, ordered=True)
    parts = []
    for (label, seed, partition), predictions in progress(done, "scoring", len(units), "run"):
        if isinstance(predictions, Exception):
            if failed is None:  # from a cluster; processes here raise it themselves
                raise _sentence(predictions)
            failed[label] = f"{type(predictions).__name__}: {predictions}"
            print(f"{label}, {partition.name}, seed {seed}: FAILED, {failed[label]}", flush=True)
            continue
        parts.append(predictions.assign(system=label, partition=partition.name, seed=seed))
        line = one_line(result_rows(task, label, partition.name, seed, predictions, 0))
        print(f"{label}, {partition.name}, seed {seed}: {line}", flush=True)
    parts = [part for part in parts if not failed or part.system.iloc[0] not in failed]
    if not parts:
        raise InputError(f"every system failed; the last with {list(failed.values())[-1]}")
    table = pd.concat(parts, ignore_index=True)
    first = ["system", "partition", "seed"]
    return table[first + [name for name in table if name not in first]]


def _absolute(work: Work) -> Work:
    return replace(work, runs=Path(work.runs).absolute())


def results_of(task: Task, predictions: pd.DataFrame) -> pd.DataFrame:
    """The long result table of `predictions_of`'s predictions: scores per condition with intervals over speakers.

    With more than one partition, rows with partition "all" score the predictions of all of them together; where a speaker
    is tested in several, that speaker is drawn as one in the bootstrap. With more than one seed, rows with seed "all" hold the
    mean over seeds, and its interval.
    """
    rows = [
        result_rows(task, *names, part)
        for names, part in predictions.groupby(["system", "partition", "seed"], sort=False)
    ]
    name = "all" if predictions.partition.nunique() > 1 else predictions.partition.iloc[0]
    if name == "all":
        pooled = predictions.groupby(["system", "seed"], sort=False)
        rows += [result_rows(task, system, name, seed, part) for (system, seed), part in pooled]
    for system, part in predictions.groupby("system", sort=False):
        if part.seed.nunique() > 1:
            rows.append(result_rows(task, system, name, "all", part))
    return pd.concat(rows, ignore_index=True)


def _sentence(error: Exception) -> Exception:
    if isinstance(error, (InputError, TrainingError)):
        return error
    return TrainingError(f"a run failed on the cluster: {error}")


def check_systems(task: Task, systems: Mapping[str, Config], partitions: Sequence[Partition]) -> None:
    """What `fit` refuses of its settings and clips, asked of all systems before any is trained; reads no features.

    Args:
        task, systems, partitions: As `predictions_of` takes them.

    Raises:
        InputError: an unknown system; or one that could not be trained, with its label.
    """
    known = {**list_models(), **list_references()}
    for config in systems.values():
        if config.model.name not in known:
            raise InputError(f'unknown system "{config.model.name}".{suggest(config.model.name, known)}')
    splits = [_unread_split(task, partition) for partition in partitions]
    for label, config in systems.items():
        try:
            if task.target == "attributes":
                check_attributes(config.model)
            for split in splits:
                _check_training(config, split)
        except InputError as error:
            raise InputError(f"{label}: {error}") from error
        except Exception:  # of a model of one's own: its training fails with it too, and `failed` says what happens then
            pass


class _Unread:
    """In place of a normaliser, where clips are counted and no features read."""

    @staticmethod
    def fit(store, clips):
        return _Unread


def _unread_split(task: Task, partition: Partition) -> Split:
    """The training clips of a partition, made without reading features; as dev and test too, which nobody looks at."""
    train = parts_of(task.table, task.corpus.clips.speaker, partition)["train"]
    clips = ClipDataset(task.audio, task.video, train, _Unread, _Unread)
    return Split(clips, clips, clips)


def _check_training(config: Config, split: Split) -> None:
    """Raise InputError when these settings cannot be trained on these clips, or would pass over what they promise."""
    name, training = config.model.name, config.training
    laws = ["training.balance"] if training.balance != "none" else []
    laws += ["model.synchrony"] if config.model.synchrony else []
    if laws and name in list_references():
        raise InputError(f"{laws[0]} is for networks; {name} is none and would be the same without: leave it off there.")
    if not laws and not training.missing_audio and not training.missing_video:
        return  # nothing that could be refused: no need to look at the clips
    train = as_trained(split, training).train
    if training.balance != "none":
        create_balance(config, train)
    check_synchrony(config, train)


def _unit(task: Task, systems: Mapping[str, Config], work: Work, conditions, unit: tuple) -> pd.DataFrame:
    """One (label, seed, partition), in a process of its own when the cores are shared."""
    shared = work.jobs > 1 or bool(work.scheduler)
    if shared:
        torch.set_num_threads(1)
    load_plugins(work.plugins)
    label, seed, partition = unit
    config = replace(systems[label], training=replace(systems[label].training, seed=seed))
    folder = work.runs / run_name(task, label, config, partition)
    if work.fresh:
        discard(folder)
    return predict_one(task, config.model.name, config, partition, folder, conditions, show=not shared)


def _unit_or_error(*arguments) -> pd.DataFrame | Exception:
    try:
        return _unit(*arguments)
    except Exception as error:  # of any system, one of somebody else's too: it must not take the others with it
        return error


def run_name(task: Task, label: str, config: Config, partition: Partition) -> str:
    """Folder name of a run: readable, and different whenever anything that changes its result is.

    Args:
        task: Corpus, features, target.
        label: The system's name in tables; with references it decides nothing but the name.
        config: Its settings; of a reference only the shares of training clips that lack a stream count.
        partition: Speakers.
    """
    system = config.model.name
    missing = config.training.missing_audio, config.training.missing_video
    settings = config.digest() if system not in list_references() else list(missing) if any(missing) else ""
    what = [task.corpus.name, task.target, task.rule, task.audio.digest, task.video.digest, label, settings]
    what += [task.made_from(partition), computed_by(system)]
    digest = hashlib.sha256(json.dumps(what).encode()).hexdigest()[:10]
    label = re.sub(r"[^\w@.-]+", "-", label)
    return f"{task.corpus.name}-{label}-{partition.name}-s{config.training.seed}-{digest}"


def one_line(rows: pd.DataFrame) -> str:
    """ "complete .71, no-audio .62, no-video .48" (macro-F1, or the mean CCC of attributes)."""
    metric = headline(rows.metric)
    part = rows[(rows.metric == metric) & rows.condition.isin(CONDITIONS)]
    return ("CCC " if metric == "ccc" else "macro-F1 ") + ", ".join(
        f"{row.condition} {row.value:.3f}" for row in part.itertuples()
    )


def result_rows(
    task: Task, system: str, partition: str, seed: int | str, predictions: pd.DataFrame, resamples: int = 1000
) -> pd.DataFrame:
    """Rows of the long result table for the predictions of one run, or of one system's runs."""
    classes = task.classes
    rows = score(predictions, classes, resamples)
    if task.target != "attributes" and resamples and seed != "all":
        rows = pd.concat([rows, calibration_of(predictions, classes, resamples=resamples)])
    fixed = {"corpus": task.corpus.name, "target": task.target, "features": task.features, "system": system}
    return rows.assign(**fixed, partition=partition, seed=seed)[list(RESULT_COLUMNS)]
