"""The search for the default recipe: candidates scored on dev speakers only. `recipe.md` tells what came of it.

    auxformer corpus puppets data/corpora/puppets-course-1 --seed 1; auxformer features extract data/corpora/puppets-course-1
    python benchmarks/recipe.py --ravdess FOLDER            every candidate, two at a time; finished ones are skipped
    python benchmarks/recipe.py --only base "smoothing .1"  some of them, on puppets alone

Each candidate changes some settings of a base (puppets: `default`, the first two of four folds; RAVDESS actors 1-12: the
same with 30 epochs, six folds). Score: macro-F1 of the dev speakers at the checkpoint that the recipe itself would keep, mean
over folds. The test speakers are never looked at; the puppets are forty others than those of the benchmark, whose every
speaker is tested in some partition.
"""

import argparse
import json
from pathlib import Path

import joblib
import pandas as pd

from auxformer.config import override, preset
from auxformer.data.task import Task
from auxformer.reports.tables import fill_markers
from auxformer.training.fit import fit

HERE = Path(__file__).parent
SCORES = HERE / "recipe.csv"
PUPPETS = Path("data/corpora/puppets-course-1")
CONDITIONS = ("complete", "no-audio", "no-video")


def dropouts(p: float) -> dict:
    return {f"{name}_dropout": p for name in ("relu", "res", "embed", "out")}


CANDIDATES = {
    "base": {},
    "base, seed 1": {"training": {"seed": 1}},
    "base, seed 2": {"training": {"seed": 2}},
    "dropout .05": {"model": dropouts(0.05)},
    "dropout .2": {"model": dropouts(0.2)},
    "dropout .3": {"model": dropouts(0.3)},
    "embedding dropout .25": {"model": {"embed_dropout": 0.25}},
    "attention dropout .1": {"model": {"attn_dropout": 0.1, "cross_attn_dropout": 0.1}},
    "smoothing .1": {"training": {"label_smoothing": 0.1}},
    "width 32": {"model": {"width": 32}},
    "width 128": {"model": {"width": 128, "heads": 8}},
    "1 layer": {"model": {"layers": 1}},
    "3 layers": {"model": {"layers": 3}},
    "last frame": {"model": {"summary": "last"}},
    "fusion loss half": {"training": {"loss_weights": (0.5, 0.25, 0.25)}},
    "fusion loss only": {"training": {"loss_weights": (1.0, 0.0, 0.0)}},
    "auxiliary losses .4": {"training": {"loss_weights": (0.2, 0.4, 0.4)}},
    "drop .3": {"training": {"drop_audio": 0.3, "drop_video": 0.3}},
    "drop .1": {"training": {"drop_audio": 0.1, "drop_video": 0.1}},
    "drop per batch": {"training": {"drop_unit": "batch"}},
    "rate 5e-4": {"training": {"learning_rate": 5e-4}},
    "rate 2e-3": {"training": {"learning_rate": 2e-3}},
    "decay .1": {"training": {"weight_decay": 0.1}},
    "batch 16": {"training": {"batch_size": 16}},
    "8 epochs": {"training": {"epochs": 8}},
    "30 epochs": {"training": {"epochs": 30}},
    "60 epochs": {"training": {"epochs": 60}},
    "60 epochs, smoothing .1": {"training": {"epochs": 60, "label_smoothing": 0.1}},
    "published, 1 epoch": {"preset": "paper", "training": {"epochs": 1}},
    "constant rate": {"training": {"schedule": "constant"}},
    "not relative": {"model": {"relative": False}},
    "audio in 16": {"model": {"audio_pool": 16}},
    "audio in 4": {"model": {"audio_pool": 4}},
    "fusion-only": {"model": {"name": "fusion-only"}},
    "late-fusion-transformer": {"model": {"name": "late-fusion-transformer"}},
}
"""Name -> what it changes. One thing at a time first; what won is joined at the end. The two other models are for scale."""


BASE = {"puppets": {}, "ravdess": {"training": {"epochs": 30}}}
"""Corpus -> what the base of its search changes in the preset `default`."""


def settings_of(candidate: str, corpus: str):
    """The settings of a candidate: the base with its changes, or another preset with them."""
    changes = dict(CANDIDATES[candidate])
    if "preset" in changes:
        return override(preset(changes.pop("preset")), changes)
    return override(override(preset("default"), BASE[corpus]), changes)


def tasks(ravdess: Path | None) -> dict:
    """Corpus -> task, partitions."""
    puppets = Task(PUPPETS)
    found = {"puppets": (puppets, puppets.partitions(folds=4)[:2])}
    if ravdess:
        task = Task(ravdess, video="table:action_units_mean.csv")
        found["ravdess"] = (task, task.partitions(folds=6))
    return found


def dev_score(corpus: str, task: Task, partition, config, name: str) -> dict:
    """One training; macro-F1 on dev per condition at the epoch that was kept, and the seconds of training."""
    import torch

    torch.set_num_threads(1)
    folder = Path("build/recipe") / f"{corpus}-{partition.name}-{config.digest()}"
    run = fit(config, task.split(partition), folder, progress=False)
    lines = run.metrics
    columns = [f"dev_macro_f1_{condition}" for condition in CONDITIONS]
    kept = lines.loc[
        lines.dev_loss.idxmin() if config.training.select == "loss" else lines[columns].mean(axis=1).idxmax()
    ]
    seconds = (len(task.split(partition).train) / lines.clips_per_second).sum()
    row = dict(zip(CONDITIONS, kept[columns])) | {"seconds": seconds}
    return {"corpus": corpus, "candidate": name, "partition": partition.name, **row}


def table(scores: pd.DataFrame) -> str:
    """Markdown: candidates down, by their mean difference from the base on the same folds."""
    scores = scores.assign(mean=scores[list(CONDITIONS)].mean(axis=1))
    parts = []
    for corpus, rows in scores.groupby("corpus"):
        base = rows[rows.candidate == "base"].set_index("partition")["mean"]
        lines = []
        for name, own in rows.groupby("candidate"):
            gain = own.set_index("partition")["mean"] - base
            cells = " | ".join(f"{own[key].mean():.3f}".lstrip("0") for key in ("mean", *CONDITIONS))
            spread = f"{gain.mean():+.3f} ± {gain.std():.3f}" if name != "base" else ""
            lines.append((gain.mean(), f"| {name} | {len(own)} | {spread} | {cells} | {own.seconds.mean():.0f} |"))
        parts += [
            f"**{corpus}**",
            "",
            "| candidate | folds | against base | mean | " + " | ".join(CONDITIONS) + " | seconds |",
        ]
        parts += ["|---" * 8 + "|", *(line for _, line in sorted(lines, reverse=True)), ""]
    return "\n".join(parts).strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ravdess", type=Path, help="folder with the recordings of actors 1-12")
    parser.add_argument("--only", nargs="*", default=list(CANDIDATES), help="candidates", metavar="NAME")
    parser.add_argument("--corpora", nargs="*", help="of puppets and ravdess (default: both where given)")
    parser.add_argument("--folds", type=int, help="only the first so many")
    parser.add_argument("--jobs", type=int, default=2, help="trainings at a time, one thread each")
    arguments = parser.parse_args()
    scores = pd.read_csv(SCORES) if SCORES.is_file() else pd.DataFrame(columns=["corpus", "candidate", "partition"])
    done = set(zip(scores.corpus, scores.candidate, scores.partition))
    found = tasks(arguments.ravdess)
    units = [
        (corpus, found[corpus][0], partition, settings_of(name, corpus), name)
        for name in arguments.only
        for corpus in arguments.corpora or found
        for partition in found[corpus][1][: arguments.folds]
        if (corpus, name, partition.name) not in done
    ]
    parallel = joblib.Parallel(n_jobs=arguments.jobs, return_as="generator")
    for row in parallel(joblib.delayed(dev_score)(*unit) for unit in units):
        scores = pd.concat([scores, pd.DataFrame([row])], ignore_index=True)
        scores.round(4).to_csv(SCORES, index=False)
        print(json.dumps(row), flush=True)
    text = (HERE / "recipe.md").read_text()
    (HERE / "recipe.md").write_text(fill_markers(text, "scores", table(scores)))


if __name__ == "__main__":
    main()
