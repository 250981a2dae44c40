"""Benchmarks as files: a TOML file says corpus, systems and conditions; running it leaves a folder of tables.

results.csv        the long result table, people and the ideal observer among its rows
predictions.parquet   every posterior, from which any score can be computed again
comparisons.csv    paired tests of every two systems
classes.csv, groups.csv   scores per emotion, and per sex and age band of the speakers
cost.csv           parameters and training time of each system
people.csv         how people's answers confuse the classes, per condition
suite.json         what was run, and what failed
"""

import json
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import pandas as pd

import auxformer
from auxformer.benchmark.run import REFERENCES, config_of, predictions_of, score_all
from auxformer.config import Config, DataConfig, override, preset
from auxformer.data.corruption import CONDITIONS as MEDIA_CONDITIONS
from auxformer.data.corruption import parse_condition
from auxformer.data.missing import CONDITIONS, FRAME_CONDITIONS, PROTOCOL
from auxformer.data.task import Task, partitions_of, prepare, published_partitions
from auxformer.errors import InputError, suggest
from auxformer.evaluation.calibration import by_group, per_class
from auxformer.evaluation.robustness import (
    curve_area,
    divergence,
    relative_robustness,
    rising_confidence,
    whole_curves,
)
from auxformer.evaluation.scores import confusion_per_speaker
from auxformer.evaluation import people as humans
from auxformer.evaluation.tests import compare
from auxformer.files import whole_file
from auxformer.models import count_parameters
from auxformer.puppets import generate
from auxformer.report.page import write_report

FOLDER = Path(__file__).parent / "suites"
GROUPS = {"basic": list(CONDITIONS), "frames": list(FRAME_CONDITIONS)} | {
    f"{stream}-frames": [name for name in FRAME_CONDITIONS if name.startswith(f"{stream}-") and "burst" not in name]
    for stream in ("audio", "video", "both")
}
"""Words that stand for several conditions in a suite."""


@dataclass(frozen=True)
class Suite:
    """A benchmark: what is read from a TOML file.

    Attributes:
        name: Of the file.
        what: One line about it.
        systems: Models and references by name; "mult@mult-published" is a model with the settings of another preset.
        corpus: name, audio, video (extractors); root (folder; puppets are generated when it is absent), binding (share of
            puppet clips out of step).
        task: Fields of `DataConfig`: target, rule, classes.
        protocol: partitions (number of 70/15/15 partitions) or folds (by speaker) or published (the authors' files); seeds
            (number); conditions: names, or the groups of `GROUPS`; tests (conditions of the paired tests).
        settings: preset, and under `change` the settings that differ from it.
        variant: Label -> model, preset, change: a system that differs in some settings.
    """

    name: str
    what: str = ""
    systems: Sequence[str] = ()
    corpus: dict = field(default_factory=dict)
    task: dict = field(default_factory=dict)
    protocol: dict = field(default_factory=dict)
    settings: dict = field(default_factory=dict)
    variant: dict = field(default_factory=dict)

    _KEYS = {
        "corpus": ("name", "root", "audio", "video", "binding"),
        "task": tuple(item.name for item in fields(DataConfig)),
        "protocol": ("partitions", "folds", "published", "seeds", "conditions", "tests"),
        "settings": ("preset", "change"),
    }

    def __post_init__(self):
        for section, known in self._KEYS.items():
            _check_keys(f"{self.name}: {section}.", getattr(self, section), known)
        for label, values in self.variant.items():
            _check_keys(f"{self.name}: variant.{label}.", values, ("model", "preset", "change"))
        if not self.systems and not self.variant:
            raise InputError(f"{self.name}: names no systems.")

    @classmethod
    def load(cls, name: str | Path) -> "Suite":
        """A suite of the package by its name, or one of your own by its file.

        Raises:
            InputError: no such suite or file, or a key that means nothing, with the nearest one.
        """
        path = FOLDER / f"{name}.toml"
        if not path.is_file():
            path = Path(name)
        if path.suffix != ".toml" or not path.is_file():
            raise InputError(f'unknown suite "{name}".{suggest(str(name), list_suites())} Or give a TOML file.')
        try:
            values = tomllib.loads(path.read_text())
        except tomllib.TOMLDecodeError as error:
            raise InputError(f"{path}: not a readable suite ({error}).") from error
        _check_keys(f"{path}: ", values, tuple(item.name for item in fields(cls)))
        return cls(**{"name": path.stem, **values})

    def conditions(self) -> list[str]:
        """Names of the conditions, "complete" first, groups written out.

        Raises:
            InputError: for one that does not exist.
        """
        names = ["complete"]
        for name in self.protocol.get("conditions", ["basic"]):
            names += GROUPS.get(name, [name])
        for name in names:
            if name not in PROTOCOL:
                try:
                    parse_condition(name)
                except InputError as error:
                    known = [*PROTOCOL, *GROUPS, *MEDIA_CONDITIONS]
                    raise InputError(f"{self.name}: {error}{suggest(name, known)}") from error
        return list(dict.fromkeys(names))

    def configs(self) -> dict[str, Config]:
        """Label -> settings of every system."""
        base = override(preset(self.settings.get("preset", "default")), self.settings.get("change", {}))
        base = override(base, {"data": self.task})
        found = {name: config_of(name, base) for name in self.systems}
        for label, values in self.variant.items():
            own = override(preset(values["preset"]), {"data": self.task}) if "preset" in values else base
            found[label] = override(config_of(values.get("model", "auxformer"), own), values.get("change", {}))
        return found


def _check_keys(where: str, values: dict, known: Sequence[str]) -> None:
    for key in values:
        if key not in known:
            raise InputError(f"{where}{key}: unknown key.{suggest(key, known)}")


def list_suites() -> dict[str, str]:
    """Name -> one line, of the suites of the package."""
    return {path.stem: tomllib.loads(path.read_text())["what"] for path in sorted(FOLDER.glob("*.toml"))}


def run_suite(
    suite: Suite, out: Path, root: Path | None = None, data: Path = Path("data/features"), runs: Path = Path("runs"),
    jobs: int = 2, scheduler: str | None = None, plugins: Sequence[Path] = (),
) -> pd.DataFrame:  # fmt: skip
    """Run what is not finished yet and write the folder of tables.

    A system that fails is named with its reason and left out; run again, it is tried again, and only it.

    Args:
        suite: What to run.
        out: Folder for the tables.
        root: Folder of the corpus, instead of the suite's own.
        data, runs: Folders of feature stores and runs.
        jobs: Processes, one thread each.
        scheduler: Address of a Dask cluster that does the work instead.
        plugins: Python files that register models of your own.

    Returns:
        The long result table.

    Raises:
        InputError: something in the suite does not exist, before any training starts; or every system failed.
    """
    conditions = suite.conditions()
    task, partitions = _task(suite, root, data, jobs)
    people_rows, people = _people(task, partitions, suite.task.get("rule", DataConfig().rule))
    configs, failed = suite.configs(), {}
    predictions = predictions_of(
        task, configs, Config(), partitions, range(suite.protocol.get("seeds", 1)), runs, conditions, jobs,
        scheduler, plugins, failed,
    )  # fmt: skip
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    # Of these rows there is one for all partitions together, as of people there is.
    pooled = "all" if len(partitions) > 1 else partitions[0].name
    more = [
        rows.assign(partition=pooled)
        for rows in (_robustness(task, predictions, people), people_rows)
        if rows is not None
    ]
    results = pd.concat([score_all(task, predictions), *more], ignore_index=True)
    tests = suite.protocol.get("tests", [name for name in conditions if name in CONDITIONS])
    classes, metric = list(task.table.columns), "ccc" if task.target == "attributes" else "macro-f1"
    tables = {
        "results.csv": results,
        "comparisons.csv": compare(predictions, classes, metric, tests),
        "classes.csv": _per_system(predictions, lambda part: per_class(part, classes)),
        "groups.csv": _groups(task, predictions),
        "cost.csv": _cost(task, configs, partitions, runs),
        "people.csv": pd.concat([_with_truth(name, table) for name, table in people.items()]) if people else None,
    }
    for name, table in tables.items():
        if table is not None:
            with whole_file(out / name) as part:
                table.to_csv(part, index=False, float_format="%.4f")
    with whole_file(out / "predictions.parquet") as part:
        predictions.to_parquet(part, index=False)
    with whole_file(out / "suite.json") as part:
        about = {**asdict(suite), "version": auxformer.__version__, "failed": failed, "classes": classes}
        part.write_text(json.dumps(about, indent=1))
    write_report(out)
    return results


def people_table(
    corpus: str, root: Path, target: str = "audiovisual", rule: str = "majority", resamples: int = 1000
) -> pd.DataFrame:
    """People alone as a result table, over all clips of a corpus: one rater and the crowd, per way of watching.

    Raises:
        InputError: the corpus has no ratings.
    """
    from auxformer.corpora import read_corpus

    return humans.human_rows(read_corpus(root, corpus, on_error="skip"), target, rule, resamples=resamples)


def _task(suite: Suite, root: Path | None, data: Path, jobs: int) -> tuple:
    """Corpus, features and targets, and the partitions."""
    given, protocol = suite.corpus, suite.protocol
    name, binding = given.get("name", "puppets"), given.get("binding", 0.0)
    root = root or given.get("root")
    if root is None:
        if name != "puppets":
            raise InputError(f"{suite.name}: say with --root in which folder the recordings of {name} lie.")
        root = Path(f"data/corpora/puppets-course-0{f'-binding-{binding:g}' if binding else ''}")
        generate(root, size="course", seed=0, binding=binding, jobs=jobs)
    config = override(Config(), {"data": suite.task})
    task = prepare(name, Path(root), given.get("audio", "lld"), given.get("video", "hog"), config, data, jobs)
    if protocol.get("published"):
        return published_partitions(task, protocol["published"], config)
    return task, partitions_of(task.corpus, task.table, protocol.get("folds") or None, protocol.get("partitions", 1))


def _people(task: Task, partitions, rule: str) -> tuple[pd.DataFrame | None, dict[str, pd.DataFrame]]:
    """Rows of people on the test speakers, and condition -> how one rater confuses the classes, in shares per class."""
    if task.target not in task.corpus.ratings or task.target not in humans.CONDITION_OF_WAY:
        return None, {}
    speakers = sorted({name for partition in partitions for name in partition.test})
    classes = list(task.table.columns)
    rows = humans.human_rows(task.corpus, task.target, rule, speakers=speakers, classes=classes)
    clips = task.corpus.clips.index[task.corpus.clips.speaker.isin(speakers)]
    tables = {}
    for way, condition in humans.CONDITION_OF_WAY.items():
        if way in task.corpus.ratings:
            counts = humans.human_confusions(task.corpus, "human-rater", way, task.target, rule, clips, classes).sum(0)
            tables[condition] = pd.DataFrame(counts / counts.sum(1, keepdims=True), index=classes, columns=classes)
    return rows, tables


def _with_truth(condition: str, shares: pd.DataFrame) -> pd.DataFrame:
    return shares.rename_axis("truth").reset_index().assign(condition=condition)


def _robustness(task: Task, predictions: pd.DataFrame, people: dict) -> pd.DataFrame | None:
    """Rows of what is left under each condition, areas under the curves, rising confidence, distance from people.

    Metrics: `kept`, the share of the complete score; `area`, under a curve of frame loss (condition "audio-frames");
    `rising`, the share of clips that the system is surer of without a stream; `divergence` of its confusions from one
    rater's, in bits.
    """
    if task.target == "attributes":
        return None
    classes, rows = list(task.table.columns), []
    for (system, seed), part in predictions.groupby(["system", "seed"], sort=False):
        add = []
        if part.condition.nunique() > 1:
            add += [
                (row.condition, "kept", row.value, row.low, row.high)
                for row in relative_robustness(part, classes).itertuples()
            ]
        if whole_curves(part.condition):
            curves = curve_area(part, classes)
            endings = {"single": "", "burst": "-burst"}
            add += [
                (f"{row.stream}-frames{endings[row.kind]}", "area", row.value, row.low, row.high)
                for row in curves.itertuples()
            ]
        for condition in [name for name in ("no-audio", "no-video") if name in set(part.condition)]:
            add.append((condition, "rising", *rising_confidence(part, classes, condition)))
        for condition, table in people.items():
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
            scores = lambda part, column=column: by_group(part, speakers, list(task.table.columns), column)
            tables.append(_per_system(basic, scores).assign(column=column))
    return pd.concat(tables, ignore_index=True) if tables else None


def _cost(task: Task, configs: dict[str, Config], partitions, runs: Path) -> pd.DataFrame:
    """Parameters and the seconds of training with the first seed on the first partition, by system."""
    from auxformer.benchmark.run import run_name
    from auxformer.training.fit import read_metrics

    rows = []
    for label, config in configs.items():
        if label in REFERENCES:
            continue
        parameters = count_parameters(
            config.model.name, config.model, task.audio.dims, task.video.dims, task.table.shape[1]
        )
        folder = Path(runs) / run_name(task, label, config, partitions[0])
        seconds = float("nan")
        if (folder / "metrics.jsonl").is_file():
            clips = len(task.splits(partitions[0]).train)
            seconds = float((clips / read_metrics(folder).clips_per_second).sum())
        rows.append((label, parameters, round(seconds, 1)))
    return pd.DataFrame(rows, columns=["system", "parameters", "training_seconds"])
