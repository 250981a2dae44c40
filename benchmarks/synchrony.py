"""Are voice and face in step? What networks with the task of synchrony answer on unseen puppets, against what is true.

    auxformer bench synchrony                       trains them (half an hour on two cores)
    python benchmarks/synchrony.py runs/puppets-auxformer-with-synchrony-*

A row per run: area under the ROC curve, balanced accuracy at a probability of one half, both with intervals over the speakers
of its test clips, and the share of clips in step whose likeliest lag is within 80 ms of none. Nobody told the networks which
clips are out of step; the generator of the puppets knows.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from auxformer.puppets.casting import cast_clips


def answers(run: Path, size: str, seed: int, binding: float) -> pd.DataFrame:
    """Complete clips of a run's predictions: speaker, in_step, lag, and the truth."""
    table = pd.read_parquet(run / "predictions.parquet")
    if "in_step" not in table:
        raise SystemExit(f"{run}: its network was trained without model.synchrony.")
    truth = {clip.name: clip.bound for clip in cast_clips(size, seed, binding)}
    table = table[table.condition == "complete"]
    return table[["speaker", "in_step", "lag"]].assign(truth=table["clip"].map(truth).astype(bool))


def with_interval(table: pd.DataFrame, score, resamples: int = 1000) -> str:
    """A score and its 95 % percentile interval over speakers."""
    parts = [part for _, part in table.groupby("speaker")]
    rng = np.random.default_rng(0)
    draws = [pd.concat([parts[i] for i in rng.integers(len(parts), size=len(parts))]) for _ in range(resamples)]
    low, high = np.quantile([score(draw) for draw in draws], [0.025, 0.975])
    return f"{score(table):.3f} [{low:.3f}, {high:.3f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--size", default="course", help="of the puppets that the runs were trained on")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--binding", type=float, default=0.3)
    chosen = parser.parse_args()
    print(f"{'run':<60}{'area':>22}{'balanced accuracy':>24}{'lag of those in step':>22}")
    for run in chosen.runs:
        table = answers(run, chosen.size, chosen.seed, chosen.binding)
        area = with_interval(table, lambda rows: roc_auc_score(rows.truth, rows.in_step))
        balanced = with_interval(table, lambda rows: balanced_accuracy_score(rows.truth, rows.in_step > 0.5))
        near = (table.lag[table.truth].abs() <= 2).mean()
        print(f"{run.name:<60}{area:>22}{balanced:>24}{near:>22.3f}")


if __name__ == "__main__":
    main()
