"""Time of a training step and of inference, as ratios to a plain transcription in the same run.

    python benchmarks/training.py --out training.json

Shapes of the paper: 32 clips, 250 audio frames x 130, 75 video frames x 4096, float32, published dropouts. Medians; the
order of the contestants alternates, so that a drifting machine treats them alike.
"""

import argparse
import json
import statistics
import time

import torch
import torch.nn.functional as F
from plain import PlainAuxFormer

from auxformer.config import preset
from auxformer.dataset import Batch
from auxformer.models import create_model, shared_loss
from auxformer.training import make_optimizer

SHAPE = dict(audio_dims=130, video_dims=4096, classes=6)


def make_batch(clips=32, audio_frames=250, video_frames=75) -> Batch:
    generator = torch.Generator().manual_seed(0)
    audio = torch.randn(clips, audio_frames, 130, generator=generator)
    video = torch.randn(clips, video_frames, 4096, generator=generator)
    present = torch.ones(clips, dtype=torch.bool)
    target = F.one_hot(torch.arange(clips) % 6, 6).float()
    return Batch(audio, torch.ones(audio.shape[:2], dtype=torch.bool), video, torch.ones(video.shape[:2], dtype=torch.bool), present, present, target, tuple(map(str, range(clips))))  # fmt: skip


def plain_step(batch: Batch, settings):
    config = preset("paper").model
    model = PlainAuxFormer(config, **SHAPE).train()
    optimizer = torch.optim.Adam(model.parameters(), settings.learning_rate)

    def step():
        loss = sum(F.cross_entropy(head, batch.target) for head in model(batch.audio, batch.video)) / 3
        optimizer.zero_grad()
        loss.backward()
        nn_clip(model, settings.clip)
        optimizer.step()

    return step, lambda: model(batch.audio, batch.video), model


def our_step(batch: Batch, name: str):
    config = preset(name)
    model = create_model(config.model.name, config.model, **SHAPE).train()
    optimizer = make_optimizer(model, config.training)

    def step():
        loss = shared_loss(model(batch), batch.target, config.training.loss_weights)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn_clip(model, config.training.clip)
        optimizer.step()

    return step, lambda: model(batch), model


def nn_clip(model, norm: float) -> None:
    if norm:
        torch.nn.utils.clip_grad_norm_(model.parameters(), norm)


def median_seconds(actions: dict, repeats: int) -> dict[str, float]:
    """Median seconds of each action, taken in turn."""
    times = {name: [] for name in actions}
    for round_ in range(repeats + 1):
        for name, action in actions.items():
            started = time.perf_counter()
            action()
            if round_:  # the first round warms up
                times[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", help="JSON file to write")
    parser.add_argument("--repeats", type=int, default=5, help="timed rounds after one warm-up round")
    arguments = parser.parse_args()
    batch = make_batch()
    contestants = {"plain": plain_step(batch, preset("paper").training), "published": our_step(batch, "paper"), "recommended": our_step(batch, "default")}  # fmt: skip
    training = median_seconds({name: parts[0] for name, parts in contestants.items()}, arguments.repeats)
    for *_, model in contestants.values():
        model.eval()
    with torch.no_grad():
        inference = median_seconds({name: parts[1] for name, parts in contestants.items()}, arguments.repeats)
    result = {
        "threads": torch.get_num_threads(),
        "plain_training_clips_per_second": round(len(batch.clips) / training["plain"], 2),
        "train_published": round(training["plain"] / training["published"], 2),
        "train_recommended": round(training["plain"] / training["recommended"], 2),
        "inference": round(inference["plain"] / inference["published"], 2),
        "inference_recommended": round(inference["plain"] / inference["recommended"], 2),
    }
    print("\n".join(f"{key:<36}{value}" for key, value in result.items()))
    if arguments.out:
        with open(arguments.out, "w") as file:
            json.dump(result, file, indent=1)


if __name__ == "__main__":
    main()
