"""Are voice and face in step? What the task of synchrony answers on unseen puppets and on unseen people, against what is true.

    auxformer bench synchrony --runs runs/synchrony        trains the networks (an hour and a half on two cores)
    python benchmarks/synchrony.py runs/synchrony/puppets-auxformer-with-synchrony-* --ravdess RAVDESS \
        --face action_units_frames.safetensors --out data/results/in-step.csv

Rows per run: area under the ROC curve, balanced accuracy at a probability of one half, both with intervals over the speakers
of its test clips, and the share of clips in step whose likeliest lag is within 80 ms of none. Nobody told the networks which
clips are out of step; the generator of the puppets knows.

People: the task alone, without the rest of the network, learns from all actors of a file of frames but one and is asked about
that one. Each of their clips is shown twice, as it was recorded and with the face 320 to 480 ms early or late, both times as two
windows of the same length, so that nothing but the lag differs. Rows per actor that was left out, and for all.

Found (`data/results/in-step.csv`; the networks trained on two cores): on the test speakers of two puppet partitions, three seeds
each, a balanced accuracy of .901 to .936. The actors of RAVDESS are told apart better; they speak slowly, with a second of silence
before and after.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from torch.nn.utils.rnn import pad_sequence

from auxformer.benchmark.runs import partition_of
from auxformer.config import preset
from auxformer.corpora import read_corpus
from auxformer.data.normalise import Normalizer
from auxformer.data.task import Task
from auxformer.evaluation.intervals import interval, speaker_draws
from auxformer.evaluation.scores import RESULT_COLUMNS
from auxformer.models.layers import pool_frames
from auxformer.models.synchrony import InStep, Synchrony, same_pace
from auxformer.seeds import seed_of
from auxformer.training.run import load


def answers(folder: Path) -> pd.DataFrame:
    """Complete clips of a run's predictions: partition, seed, speaker, in_step, lag, and the truth of its puppets."""
    if not (folder / "predictions.parquet").is_file():
        raise SystemExit(f"{folder}: no run with predictions.parquet; `auxformer bench synchrony` makes them.")
    run, table = load(folder), pd.read_parquet(folder / "predictions.parquet")
    if "in_step" not in table:
        raise SystemExit(f"{folder}: its network was trained without model.synchrony.")
    table = table[table.condition == "complete"]
    truth = table["clip"].map(read_corpus(run.about["task"]["corpus"]).truth.bound).astype(bool)
    if truth.all():
        raise SystemExit(f"{folder}: all of its puppets are in step; there is nothing to tell apart.")
    told = {"partition": partition_of(run.about).name, "seed": run.config.training.seed}
    return table[["speaker", "in_step", "lag"]].assign(truth=truth, **told)


def with_interval(table: pd.DataFrame, score) -> tuple[float, float, float]:
    """A score `(truth, in_step, weight)` of the clips and its 95 % interval over speakers, of whom an interval takes five."""
    value = score(table.truth, table.in_step, np.ones(len(table)))
    number, speakers = table.speaker.factorize()
    drawn = speaker_draws(len(speakers))[:, number]  # how often each clip is there in each resample
    low, high = interval(np.array([score(table.truth, table.in_step, weight) for weight in drawn]), len(speakers))
    return value, low, high


def auc(truth, in_step, weight) -> float:
    """Area under the ROC curve."""
    return roc_auc_score(truth, in_step, sample_weight=weight)


def accuracy(truth, in_step, weight) -> float:
    """Balanced accuracy at a probability of one half."""
    return balanced_accuracy_score(truth, in_step > 0.5, sample_weight=weight)


def people(root: Path, face: str, epochs: int = 60) -> pd.DataFrame:
    """Answers about recorded clips of each actor, by a task that learned from the others: speaker, in_step, lag, truth."""
    task = Task(read_corpus(root, "ravdess"), "lld", f"arrays:{face}@29.97", target="intended")
    speaker = task.corpus.clips["speaker"]
    clips = [clip for clip in task.audio.clips if clip in task.video]
    rows = []
    for actor in sorted(set(speaker[clips])):
        known = [clip for clip in clips if speaker[clip] != actor]
        scale = [Normalizer.fit(store, known) for store in (task.audio, task.video)]
        streams = {clip: _at_one_pace(scale[0](task.audio[clip]), scale[1](task.video[clip])) for clip in clips}
        network = _learn(streams, known, epochs)
        rng = np.random.default_rng(seed_of("synchrony", actor))
        for clip in [clip for clip in clips if speaker[clip] == actor]:
            for lag in (0, int(rng.choice([-1, 1]) * rng.integers(8, 13))):
                step = _asked(network, *streams[clip], lag)
                rows.append((actor, float(step.probability()), float(step.lag()), lag == 0))
    return pd.DataFrame(rows, columns=["speaker", "in_step", "lag", "truth"])


def _at_one_pace(audio: np.ndarray, video: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Voice `[T, Da]` and face `[T, Dv]` of a clip, 25 frames a second; frames that are not valid are 0, the mean."""
    audio, video = (torch.from_numpy(np.nan_to_num(x)).float()[None] for x in (audio, video))
    audio, mask = pool_frames(audio, torch.ones(audio.shape[:2], dtype=torch.bool), 4)
    return audio[0], same_pace(video, torch.ones(video.shape[:2], dtype=torch.bool), mask)[0]


def _learn(streams: dict, clips: list[str], epochs: int) -> Synchrony:
    torch.manual_seed(0)
    network = Synchrony(preset("default").model, *(x.shape[1] for x in streams[clips[0]])).train()
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3, weight_decay=0.01)
    for _ in range(epochs):
        for part in torch.randperm(len(clips)).split(32):
            voices, faces = zip(*(streams[clips[i]] for i in part))
            optimizer.zero_grad()
            network.pretext(pad_sequence(voices, batch_first=True), pad_sequence(faces, batch_first=True), torch.tensor([len(voice) for voice in voices])).backward()
            optimizer.step()
    return network.eval()


@torch.no_grad()
def _asked(network: Synchrony, voice: torch.Tensor, face: torch.Tensor, lag: int) -> InStep:
    """What it says of the middle of a clip in which the face comes `lag` frames later."""
    size = len(voice) - 2 * 12
    voice, face = voice[None, 12 : 12 + size], face[None, 12 - lag : 12 - lag + size]
    return InStep(network.scores(voice, face, torch.ones(1, size, dtype=torch.bool)).softmax(1), torch.ones(1), None)


def rows(corpus: str, system: str, table: pd.DataFrame) -> list[dict]:
    """Rows of a long result table: what answers are worth, per partition and seed and for all of them together."""
    parts = [(*names, part) for names, part in table.groupby(["partition", "seed"])]
    parts += [("all", seed, part) for seed, part in table.groupby("seed")]
    if table.seed.nunique() > 1:
        parts.append(("all", "all", table))
    found = []
    for partition, seed, part in parts:
        near = (part.lag[part.truth].abs() <= 2).mean()
        scores = {"auc": with_interval(part, auc), "balanced-accuracy": with_interval(part, accuracy), "lag-near": (near, np.nan, np.nan)}
        for metric, (value, low, high) in scores.items():
            fixed = {"corpus": corpus, "target": "in-step", "features": "", "system": system, "partition": partition, "seed": seed}
            found.append(fixed | {"condition": "complete", "metric": metric, "value": value, "low": low, "high": high})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="*")
    parser.add_argument("--ravdess", type=Path, help="folder of the corpus")
    parser.add_argument("--face", help="file with an array of frames per clip, 29.97 of them a second")
    parser.add_argument("--out", type=Path, help="CSV file for the rows")
    chosen = parser.parse_args()
    if not chosen.runs and not chosen.ravdess or bool(chosen.ravdess) != bool(chosen.face):
        parser.error("name runs of `auxformer bench synchrony`, or --ravdess with --face, or both")
    found = []
    if chosen.runs:
        found += rows("puppets", "auxformer with synchrony", pd.concat(map(answers, chosen.runs)))
    if chosen.ravdess:
        table = people(chosen.ravdess, chosen.face)
        found += rows("ravdess", "synchrony alone", table.assign(partition="without " + table.speaker.astype(str), seed=0))
    table = pd.DataFrame(found)[list(RESULT_COLUMNS)].round(4)
    print(table.drop(columns=["target", "features", "condition"]).to_string(index=False, na_rep=""))
    if chosen.out:
        table.to_csv(chosen.out, index=False)


if __name__ == "__main__":
    main()
