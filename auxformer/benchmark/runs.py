"""What lies in a folder of runs."""

import json
import math
from pathlib import Path

import pandas as pd

from auxformer.config import Config
from auxformer.training.run import read_metrics


def list_runs(folder: str | Path) -> pd.DataFrame:
    """Every run under `folder`, one row each: run, system, config (digest), seed, epochs ("7/15"), state, dev (best score).

    The state is "finished", "stopped" (it goes on when started again), "old" (of auxformer 0.1) or "reference" (nothing was
    trained).
    """
    rows = []
    for path in sorted(Path(folder).glob("*")):
        if (path / "config.toml").is_file():
            rows.append((path.name, *_row(path)))
        elif (path / "predictions.parquet").is_file():
            rows.append((path.name, "", "", 0, "", "reference", math.nan))
    return pd.DataFrame(rows, columns=["run", "system", "config", "seed", "epochs", "state", "dev"])


def _row(path: Path) -> tuple:
    if (path / "environment.json").is_file():
        return "", "", 0, "", "old", math.nan
    config, done = Config.load(path / "config.toml"), path / "finished.json"
    count = len(read_metrics(path)) if (path / "metrics.jsonl").is_file() else 0
    score = json.loads(done.read_text())["score"] if done.is_file() else math.nan
    state = "finished" if done.is_file() else "stopped"
    return config.model.name, config.digest(), config.training.seed, f"{count}/{config.training.epochs}", state, score
