"""Run a suite, or what of it is not finished yet, and write the folder of its tables.

results.csv           the long result table, people and the ideal observer among its rows
predictions.parquet   every posterior, from which any score can be computed again
comparisons.csv       paired tests of every two systems
classes.csv, groups.csv   scores per emotion, and per sex and age band of the speakers
cost.csv              parameters and training time of each system
people.csv            how people's answers confuse the classes, per condition
suite.json            what was run, what failed, and which stream no clip has
"""

import json
from dataclasses import asdict
from pathlib import Path

import pandas as pd

import auxformer
from auxformer.benchmark.cost import count_parameters
from auxformer.benchmark.run import Work, predictions_of, results_of, run_name, write_predictions
from auxformer.benchmark.suite import Suite
from auxformer.config import Config
from auxformer.corpora.base import Corpus
from auxformer.corpora.labels import targets
from auxformer.data.missing import CONDITIONS, LOSSES
from auxformer.data.task import Task
from auxformer.evaluation import people
from auxformer.evaluation.calibration import by_group, per_class
from auxformer.evaluation.contributions import GAME, contributions, human_contributions
from auxformer.evaluation.intervals import score
from auxformer.evaluation.predictions import prediction_table
from auxformer.evaluation.robustness import curve_area, divergence, relative_robustness, rising_confidence, whole_curves
from auxformer.evaluation.scores import RESULT_COLUMNS, confusion_per_speaker
from auxformer.evaluation.tests import compare
from auxformer.files import make_folder, whole_file
from auxformer.models import list_references
from auxformer.training.run import read_metrics


def bench(
    suite: str | Path | Suite, out: str | Path | None = None, root: str | Path | None = None,
    data: str | Path = "data/features", work: Work = Work(jobs=2),
) -> pd.DataFrame:  # fmt: skip
    """Run what is not finished yet of a suite and write the folder of its tables (`report` makes a page of it).

    A system that fails is named with its reason and left out; run again, it is tried again, and only it.
    Two lines: `bench("quick")`, then `report("build/bench/quick")`.

    Args:
        suite: Name of a suite of the package, a TOML file of your own, or a `Suite`.
        out: Folder for the tables; `build/bench/NAME` when none is given.
        root: Folder of the corpus, instead of the suite's own.
        data: Folder of the feature stores.
        work: Folder of the runs, processes, plugins.

    Returns:
        The long result table: corpus, target, features, system, partition, seed, condition, metric, value, low, high.

    Raises:
        InputError: something in the suite does not exist or could not be trained, before any training starts; or every system
            failed.
    """
    suite = suite if isinstance(suite, Suite) else Suite.load(suite)
    out = Path(out or Path("build/bench") / suite.name)
    conditions, configs, tests = suite.conditions(), suite.configs(), suite.tests()
    make_folder(out)  # before hours of training
    if suite.absent:
        print(f'No clip has {suite.absent} here: "complete" is what elsewhere is called "no-{suite.absent}".', flush=True)
    task, partitions = suite.prepare(root and Path(root), Path(data), work.jobs)
    human_rows, confusions = _people(task, partitions, suite.absent)
    failed: dict[str, str] = {}
    seeds = range(suite.protocol.get("seeds", 1))
    predictions = predictions_of(task, configs, partitions, seeds, conditions, work, failed)
    # Of these rows there is one for all partitions together, as of people there is.
    pooled = "all" if len(partitions) > 1 else partitions[0].name
    more = [
        rows.assign(partition=pooled)
        for rows in (_robustness(task, predictions, confusions), human_rows)
        if rows is not None and len(rows)
    ]
    results = pd.concat([results_of(task, predictions), *more], ignore_index=True)
    metric = "ccc" if task.target == "attributes" else "macro-f1"
    tables = {
        "results.csv": results,
        "comparisons.csv": compare(predictions, task.classes, metric, tests),
        "classes.csv": _per_system(predictions, lambda part: per_class(part, task.classes)),
        "groups.csv": _groups(task, predictions),
        "cost.csv": _cost(task, configs, partitions, Path(work.runs)),
        "people.csv": _shares(confusions),
    }
    for name, table in tables.items():
        if table is not None:
            with whole_file(out / name) as part:
                table.to_csv(part, index=False, float_format="%.4f")
    write_predictions(predictions, out / "predictions.parquet")
    about = {**asdict(suite), "version": auxformer.__version__, "failed": failed, "classes": task.classes}
    about["absent"] = suite.absent
    with whole_file(out / "suite.json") as part:
        part.write_text(json.dumps(about, indent=1), "utf-8")
    return results


def people_table(
    corpus: str, root: Path, target: str = "audiovisual", rule: str = "majority", resamples: int = 1000
) -> pd.DataFrame:
    """People alone as a result table, over all clips of a corpus: one rater and the crowd, per way of watching, and what the
    voice and the face contribute to their answers. "intended" is what the speakers meant, taken as an answer.

    Raises:
        InputError: the corpus has no ratings.
    """
    from auxformer.corpora import read_corpus

    found = read_corpus(root, corpus, on_error="skip")
    rows = people.human_rows(found, target, rule, resamples=resamples)
    shares = human_contributions(found, target, rule, resamples=resamples)
    return pd.concat([rows, _intended(found, target, rule, resamples), shares], ignore_index=True)


def _intended(corpus: Corpus, target: str, rule: str, resamples: int) -> pd.DataFrame:
    """Rows of what the speakers meant, as far as that is known of a clip; none where it is known of no clip."""
    meant = targets(corpus, "intended")
    truth = targets(corpus, target, rule)
    known = truth.index[meant.loc[truth.index].any(axis=1)]
    if known.empty:
        return pd.DataFrame(columns=list(RESULT_COLUMNS))
    about = known, corpus.clips.speaker[known], "complete"
    answers = prediction_table(*about, truth.loc[known].to_numpy(), meant.loc[known].to_numpy(), corpus.classes)
    fixed = {"corpus": corpus.name, "target": target, "features": "people", "system": "intended", "partition": "all", "seed": 0}
    return score(answers, corpus.classes, resamples).assign(**fixed)[list(RESULT_COLUMNS)]


def _people(task: Task, partitions, absent: str = "") -> tuple[pd.DataFrame | None, dict[str, pd.DataFrame]]:
    """Rows of people on the test clips, and condition -> how one rater confuses the classes, in shares per class.

    They are judged on the clips of the systems, by the labels of the systems, an official file's too. Where no clip has one of
    the streams (`absent`), those who went without it stand beside the systems, and nobody else does.
    """
    if task.target not in task.corpus.ratings or task.target not in people.CONDITION_OF_WAY:
        return None, {}
    speakers = {name for partition in partitions for name in partition.test}
    tested = task.corpus.clips.index[task.corpus.clips.speaker.isin(speakers)]
    clips = [clip for clip in tested if clip in task.audio or clip in task.video]
    judged = {"clips": clips, "classes": task.classes, "labels": task.table}
    rows = people.human_rows(task.corpus, task.target, task.rule, **judged)
    beside = {name: name for name in people.CONDITION_OF_WAY.values()} if not absent else {f"no-{absent}": "complete"}
    rows = rows[rows.condition.isin(beside)].assign(condition=lambda table: table.condition.map(beside))
    if not absent:
        rows = pd.concat([rows, human_contributions(task.corpus, task.target, task.rule, **judged)])
    tables = {}
    for way, condition in people.CONDITION_OF_WAY.items():
        if way in task.corpus.ratings and condition in beside:
            counts = people.human_confusions(task.corpus, "human-rater", way, task.target, task.rule, **judged).sum(0)
            shares = counts / counts.sum(1, keepdims=True)
            tables[beside[condition]] = pd.DataFrame(shares, task.classes, task.classes)
    return rows, tables


def _shares(confusions: dict[str, pd.DataFrame]) -> pd.DataFrame | None:
    tables = [
        table.rename_axis("truth").reset_index().assign(condition=condition) for condition, table in confusions.items()
    ]
    return pd.concat(tables) if tables else None


def _robustness(task: Task, predictions: pd.DataFrame, confusions: dict) -> pd.DataFrame | None:
    """Rows of what is left under each condition, areas under the curves, rising confidence, distance from people, and of what
    each stream contributes.

    Metrics: `kept`, the share of the complete score; `area`, under a curve of frame loss (condition "audio-frames");
    `rising`, the share of clips that the system is surer of without a stream; `divergence` of its confusions from one
    rater's, in bits; `contribution`, `share` and `equity` (`evaluation.contributions`), with the streams as the condition.
    """
    if task.target == "attributes":
        return None
    classes, rows = task.classes, []
    for (system, seed), part in predictions.groupby(["system", "seed"], sort=False):
        add = []
        if part.condition.nunique() > 1:
            add += [
                (row.condition, "kept", row.value, row.low, row.high)
                for row in relative_robustness(part, classes).itertuples()
            ]
        if whole_curves(part.condition):
            curves = curve_area(part, classes)
            add += [
                (f"{row.stream}-frames{LOSSES[row.kind][0]}", "area", row.value, row.low, row.high)
                for row in curves.itertuples()
            ]
        for condition in [name for name in ("no-audio", "no-video") if name in set(part.condition)]:
            add.append((condition, "rising", *rising_confidence(part, classes, condition)))
        if set(GAME.values()) <= set(part.condition):
            of_stream = contributions(part, classes)
            add += [(row.streams, row.metric, row.value, row.low, row.high) for row in of_stream.itertuples()]
        for condition, table in confusions.items():
            own = part[part.condition == condition]
            if len(own):
                value = divergence(confusion_per_speaker(own, classes).sum(0), table.to_numpy())
                add.append((condition, "divergence", value, value, value))
        table = pd.DataFrame(add, columns=["condition", "metric", "value", "low", "high"])
        rows.append(table.assign(system=system, seed=seed))
    fixed = {"corpus": task.corpus.name, "target": task.target, "features": task.features}
    return pd.concat(rows).assign(**fixed)


def _per_system(predictions: pd.DataFrame, scores) -> pd.DataFrame | None:
    if "truth" not in predictions:  # attributes have no classes
        return None
    parts = [scores(part).assign(system=name) for name, part in predictions.groupby("system", sort=False)]
    return pd.concat(parts, ignore_index=True)


def _groups(task: Task, predictions: pd.DataFrame) -> pd.DataFrame | None:
    """Scores per sex and per age band, where the corpus knows them."""
    speakers, tables = task.corpus.speakers, []
    for column in ("sex", "age"):
        if column in speakers and speakers[column].reindex(predictions.speaker.unique()).notna().any():
            basic = predictions[predictions.condition.isin(CONDITIONS)]
            scores = lambda part, column=column: by_group(part, speakers, task.classes, column)
            tables.append(_per_system(basic, scores).assign(column=column))
    return pd.concat(tables, ignore_index=True) if tables else None


def _cost(task: Task, configs: dict[str, Config], partitions, runs: Path) -> pd.DataFrame:
    """Parameters and the seconds of training with the first seed on the first partition, by system."""
    rows = []
    for label, config in configs.items():
        if config.model.name in list_references():
            continue
        parameters = count_parameters(
            config.model.name, config.model, task.audio.dims, task.video.dims, task.table.shape[1]
        )
        folder = Path(runs) / run_name(task, label, config, partitions[0])
        seconds = float("nan")
        if (folder / "metrics.jsonl").is_file():
            clips = task.corpus.clips.speaker.reindex(task.table.index).isin(partitions[0].train).sum()
            seconds = float((clips / read_metrics(folder).clips_per_second).sum())
        rows.append((label, parameters, round(seconds, 1)))
    return pd.DataFrame(rows, columns=["system", "parameters", "training_seconds"])
