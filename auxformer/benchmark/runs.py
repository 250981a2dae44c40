"""What lies in a folder of runs, and whether it is still what it was made from."""

import functools
import json
import math
import shutil
from pathlib import Path

import pandas as pd

from auxformer.config import Config
from auxformer.corpora.partitions import PARTS, Partition
from auxformer.data.task import Task
from auxformer.errors import InputError
from auxformer.models.code import computed_by
from auxformer.training.run import differences, read_about, read_metrics


def list_runs(folder: str | Path) -> pd.DataFrame:
    """Every run under `folder`, one row each: run, system, config (digest), seed, epochs ("7/15"), state, dev (best score).

    The state is "finished", "stopped" (it goes on when started again), "old" (of another version of this package), "damaged",
    "reference" (nothing was trained) or "stale: " and what has changed since. Features are not extracted to find out: where they, or the
    corpus, are gone, what is known of them counts.
    """
    _task_of.cache_clear()  # files may have changed since the last listing
    rows = []
    for path in sorted(Path(folder).glob("*")):
        if (path / "config.toml").is_file():
            rows.append((path.name, *_row(path)))
        elif (path / "predictions.parquet").is_file():
            rows.append((path.name, "", "", 0, "", "reference", math.nan))
    return pd.DataFrame(rows, columns=["run", "system", "config", "seed", "epochs", "state", "dev"])


def stale(about: dict, system: str) -> str:
    """What has changed since a run was made, in words; "" where nothing has.

    Args:
        about: The content of its `run.json`.
        system: Its model; where that is not registered here, its code is left out of the comparison.
    """
    now = dict(about)
    try:
        now["made_by"] = computed_by(system)
        now |= _task_of(json.dumps(about["task"])).made_from(partition_of(about)) if about["task"] else {}
    except InputError:  # a model that is registered elsewhere, a corpus or features that are gone
        pass
    return differences(about, now)


def partition_of(about: dict) -> Partition:
    """The partition of a run, from the content of its `run.json`. Raises InputError where that holds none."""
    try:
        parts = {part: tuple(map(str, about["partition"][part])) for part in PARTS}
        return Partition(str(about["partition"]["name"]), **parts)
    except (LookupError, TypeError) as error:
        raise InputError(f"the run does not know its partition ({error!r}); train it again.") from error


@functools.lru_cache(maxsize=8)
def _task_of(origin: str) -> Task:
    return Task.again(json.loads(origin), extracting=False)


def discard(folder: Path) -> None:
    """Delete a run; what is none is left alone. Raises InputError when it cannot be deleted."""
    if any((folder / name).is_file() for name in ("run.json", "predictions.parquet", "environment.json")):
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise InputError(f"{folder}: cannot be removed ({error.strerror}); check its permissions.") from error


def _row(path: Path) -> tuple:
    try:
        about = read_about(path)
    except InputError:
        about = None
    try:
        config = Config.load(path / "config.toml")
    except InputError:  # with settings that are no longer known
        return "", "", 0, "", "old", math.nan
    settings = config.model.name, config.digest(), config.training.seed
    if about is None:
        return *settings, "", "old", math.nan
    done = path / "finished.json"
    try:
        count = len(read_metrics(path)) if (path / "metrics.jsonl").is_file() else 0
        score = float(json.loads(done.read_text("utf-8"))["score"]) if done.is_file() else math.nan
    except (OSError, ValueError, TypeError, LookupError):
        return *settings, "", "damaged", math.nan
    changed = stale(about, config.model.name)
    state = f"stale: {changed}" if changed else "finished" if done.is_file() else "stopped"
    return *settings, f"{count}/{config.training.epochs}", state, score
