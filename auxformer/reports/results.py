"""A results folder, and which of its rows are shown, in which order, with which marks."""

import json
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from auxformer.data.missing import CONDITIONS, PROTOCOL
from auxformer.errors import InputError
from auxformer.evaluation.people import CONDITION_OF_WAY
from auxformer.evaluation.scores import RESULT_COLUMNS, confusion_per_speaker, headline
from auxformer.evaluation.tests import tied_with_best

PEOPLE = ("human-rater", "human-crowd", "human-rater-others")
REFERENCE_ROWS = (*PEOPLE, "ideal-observer")
"""Rows that no system competes with; they stand apart."""

BEST, TIED = "★", "≈"
"""The best system under a condition, and one that the paired tests do not set apart from it."""

LEVEL = 0.05
"""A corrected p below it sets two systems apart."""

_NO_CLASS = {"clip", "speaker", "condition", "truth", "predicted", "system", "partition", "seed", "of"}


def view(results: pd.DataFrame, metric: str | None = None, tests: pd.DataFrame | None = None) -> pd.DataFrame:
    """The rows of a leaderboard: every table, sentence and figure of a report shows some of them.

    A score is the mean over seeds, with the interval of that mean (rows with seed "all"; in tables of before 0.2, which lack
    them, the mean of the seeds' bounds). Where the predictions of a system's partitions were pooled (partition "all") those rows
    count, else the mean over its partitions.

    Args:
        results: Long result table.
        metric: A score of it; macro-F1, or the mean CCC of attributes, when none is given.
        tests: Paired tests (`evaluation.tests.compare`), for the marks.

    Returns:
        Indexed by (system, condition): systems from best to worst with both streams, then `REFERENCE_ROWS`; conditions
        in the order of the protocol, then those on media. Columns value, low, high, seeds, spread (sd between seeds) and
        mark (`BEST`, `TIED` or "").
    """
    part = results[results.metric == (metric or headline(results.metric))]
    pooled = part.partition.eq("all").groupby(part.system).transform("any").astype(bool)
    part = part[~pooled | (part.partition == "all")]
    of_mean, keys = part.seed.astype(str) == "all", ["system", "condition"]
    of_seed = part[~of_mean].groupby([*keys, "seed"], sort=False)[["value", "low", "high"]].mean()
    grouped = of_seed.groupby(level=keys, sort=False)
    rows = grouped.mean().assign(seeds=grouped.value.size(), spread=grouped.value.std(), mark="")
    rows.update(part[of_mean].groupby(keys, sort=False)[["value", "low", "high"]].mean())
    systems = [name for name in part.system.unique() if name not in REFERENCE_ROWS]
    systems.sort(key=lambda name: rows.value.get((name, "complete"), -np.inf), reverse=True)
    order = product([*systems, *REFERENCE_ROWS], dict.fromkeys([*PROTOCOL, *part.condition]))
    rows = rows.loc[[key for key in order if key in rows.index]]
    if tests is not None:
        between = tests[tests.system_a.isin(systems) & tests.system_b.isin(systems)]
        for condition, tied in tied_with_best(between, LEVEL).items():
            for key in product(tied, [condition]):
                if key in rows.index:
                    rows.loc[key, "mark"] = BEST if key[0] == tied[0] else TIED
    return rows


def read_results(path: str | Path) -> pd.DataFrame:
    """A long result table. Raises InputError when the file is none."""
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable result table ({error}).") from error
    missing = [column for column in RESULT_COLUMNS if column not in table]
    if missing:
        raise InputError(f"{path}: not a result table, it lacks the columns {', '.join(missing)}.")
    return table


def comparisons_beside(path: str | Path) -> pd.DataFrame | None:
    """The paired tests kept beside a result table: NAME-tests.csv, None when there are none."""
    path = Path(path)
    file = path.with_name(f"{path.stem}-tests.csv")
    return pd.read_csv(file) if file.is_file() else None


@dataclass(frozen=True)
class ResultsFolder:
    """The files of a results folder (see `auxformer.benchmark.bench`) by their names; None for those that are not there.

    Attributes:
        about: suite.json, {} without one.
    """

    path: Path
    results: pd.DataFrame
    about: dict = field(default_factory=dict)
    predictions: pd.DataFrame | None = None
    comparisons: pd.DataFrame | None = None
    classes: pd.DataFrame | None = None
    groups: pd.DataFrame | None = None
    cost: pd.DataFrame | None = None
    people: pd.DataFrame | None = None

    @classmethod
    def read(cls, path: str | Path) -> "ResultsFolder":
        """Read what is there; only results.csv must be.

        Raises:
            InputError: no results.csv, a file that cannot be read, or results of more than one corpus or target.
        """
        path = Path(path)
        results = read_results(path / "results.csv")
        for column in ("corpus", "target"):
            if (number := results[column].nunique()) != 1:
                raise InputError(
                    f"{path / 'results.csv'}: holds {number} values of {column}; a report is of one benchmark."
                )
        names = ("comparisons", "classes", "groups", "cost", "people")
        found = {name: _if_there(path / f"{name}.csv", pd.read_csv) for name in names}
        found["predictions"] = _if_there(path / "predictions.parquet", pd.read_parquet)
        about = _if_there(path / "suite.json", lambda file: json.loads(file.read_text())) or {}
        return cls(path, results, about, **found)

    @cached_property
    def board(self) -> pd.DataFrame:
        """The `view` of the headline score, with marks."""
        return view(self.results, tests=self.comparisons)

    def scores(self, metric: str) -> pd.DataFrame:
        """The `view` of another score, without marks."""
        return view(self.results, metric)

    @property
    def metric(self) -> str:
        """The headline score: "macro-f1", or "ccc" of attributes."""
        return headline(self.results.metric)

    @property
    def corpus(self) -> str:
        return self.results.corpus.iloc[0]

    @property
    def target(self) -> str:
        return self.results.target.iloc[0]

    @property
    def labels(self) -> list[str]:
        """Classes, in their order; of attributes none."""
        if self.metric == "ccc":
            return []
        if self.about.get("classes"):
            return list(self.about["classes"])
        return [] if self.predictions is None else [name for name in self.predictions if name not in _NO_CLASS]

    def rows(self) -> list[str]:
        """Systems from best to worst, then the references."""
        return list(self.board.index.unique("system"))

    def systems(self) -> list[str]:
        return [name for name in self.rows() if name not in REFERENCE_ROWS]

    def references(self) -> list[str]:
        return [name for name in self.rows() if name in REFERENCE_ROWS]

    def own(self) -> pd.DataFrame:
        """The board without the references."""
        return self.board[~self.board.index.isin(REFERENCE_ROWS, level="system")]

    @property
    def absent(self) -> str:
        """The stream that no clip of the benchmark has, "audio" or "video"; "" where both are there."""
        return self.about.get("absent", "")

    @property
    def whole(self) -> str:
        """What a clip has under "complete", in words."""
        return {"": "both streams", "video": "the voice alone", "audio": "the face alone"}[self.absent]

    @property
    def watched(self) -> dict[str, str]:
        """Condition -> what a person goes by who has as much as a system then."""
        ways = {condition: way for way, condition in CONDITION_OF_WAY.items()}
        return {"complete": ways[f"no-{self.absent}"]} if self.absent else ways

    def missing_in_training(self) -> pd.DataFrame:
        """Systems of which some training clips lacked a stream, and those they are like without: a row each, indexed by name.

        Columns model, dropout (whether modality dropout was on), audio and video (share of the training clips that lacked it).
        Empty where no system of the suite had such clips.
        """
        base, rows = self.about.get("settings", {}), {}
        known = {name: {"model": name} for name in self.about.get("systems", ())} | self.about.get("variant", {})
        for name, own in known.items():
            settings = {**_training(base), **_training(own)}
            dropout = any(settings.get(f"drop_{stream}", 1) > 0 for stream in ("audio", "video"))
            lost = (float(settings.get(f"missing_{stream}", 0)) for stream in ("audio", "video"))
            rows[name] = (own.get("model", "auxformer"), dropout, *lost)
        table = pd.DataFrame.from_dict(rows, "index", columns=["model", "dropout", "audio", "video"])
        table = table[table.index.isin(self.systems())]
        lacking = table[(table.audio + table.video) > 0]
        return table[table.model.isin(lacking.model)]

    def lead(self) -> str:
        """The system that is looked at most closely: "auxformer", else the first one of the results."""
        names = [name for name in self.results.system.unique() if name not in REFERENCE_ROWS]
        return "auxformer" if "auxformer" in names else (names or self.references())[0]

    def shown(self, limit: int = 8) -> list[str]:
        """The systems of a figure, the closely watched one first: all, or with more than `limit` the best six and it."""
        names = self.systems()
        best = names if len(names) <= limit else names[: limit - 2]
        return [self.lead(), *(name for name in best if name != self.lead())]

    def conditions(self) -> list[str]:
        """Conditions of the headline score, in the order of the protocol, then those on media."""
        found = list(self.board.index.unique("condition"))
        return [name for name in dict.fromkeys([*PROTOCOL, *found]) if name in found]

    def streams(self, scores: pd.DataFrame | None = None) -> list[str]:
        """The conditions of a `view` in which whole streams are there or missing; of the headline score by default."""
        found = (self.board if scores is None else scores).index.unique("condition")
        return [name for name in CONDITIONS if name in found]

    def confusion(self, system: str, condition: str) -> pd.DataFrame | None:
        """How a system, or one human rater ("human-rater"), confuses the classes: `[C, C]`, rows truth, in shares."""
        if system == "human-rater":
            if self.people is None or condition not in set(self.people.condition):
                return None
            return self.people[self.people.condition == condition].set_index("truth").drop(columns="condition")
        if self.predictions is None or not self.labels:
            return None
        part = self.predictions[(self.predictions.system == system) & (self.predictions.condition == condition)]
        if part.empty:
            return None
        counts = pd.DataFrame(confusion_per_speaker(part, self.labels).sum(0), self.labels, self.labels)
        return counts.div(counts.sum(axis=1).replace(0, np.nan), axis=0)


def _training(values: dict) -> dict:
    """The settings of training that a suite or a variant changes."""
    return (values.get("change") or {}).get("training") or {}


def _if_there(path: Path, reader):
    if not path.is_file():
        return None
    try:
        return reader(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); run the benchmark again or remove the file.") from error
