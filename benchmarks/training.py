"""Time of a training step and of inference, as ratios to a plain transcription in the same run; memory; what the cost grows with.

    python benchmarks/training.py --out training.json

Shapes of the paper: 32 clips, 250 audio frames x 130, 75 video frames x 4096, float32, published dropouts. Medians; the
order of the contestants alternates, so that a drifting machine treats them alike. `inference_bf16` is the published form
under bfloat16 autocast, whose logits differ in the third digit. `peak_memory` is ours as a share of the plain one's.
"""

import argparse
import json
import statistics
import time

import torch
from curves import curves, peak_memory
from shapes import make_batch, our_step, plain_step

from auxformer.config import preset


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
    parser.add_argument("--no-curves", action="store_true", help="leave out the cost against length, batch and width")
    arguments = parser.parse_args()
    batch = make_batch()
    contestants = {
        "plain": plain_step(batch),
        "published": our_step(batch, preset("paper")),
        "recommended": our_step(batch, preset("default")),
    }
    training = median_seconds({name: parts[0] for name, parts in contestants.items()}, arguments.repeats)
    for *_, model in contestants.values():
        model.eval()
    forward = {name: parts[1] for name, parts in contestants.items()}

    def in_bfloat16():
        with torch.autocast("cpu", torch.bfloat16):
            forward["published"]()

    with torch.no_grad():
        inference = median_seconds({**forward, "bf16": in_bfloat16}, arguments.repeats)
    memory = {name: peak_memory(name) for name in contestants}
    result = {
        "threads": torch.get_num_threads(),
        "plain_training_clips_per_second": round(len(batch.clips) / training["plain"], 2),
        "train_published": round(training["plain"] / training["published"], 2),
        "train_recommended": round(training["plain"] / training["recommended"], 2),
        "inference": round(inference["plain"] / inference["published"], 2),
        "inference_bf16": round(inference["plain"] / inference["bf16"], 2),
        "inference_recommended": round(inference["plain"] / inference["recommended"], 2),
        "peak_memory": round(memory["published"] / memory["plain"], 3),
        "peak_memory_recommended": round(memory["recommended"] / memory["plain"], 3),
        "memory_mib": memory,
    }
    if not arguments.no_curves:
        result["curves"] = curves()
    for key, value in {**result, **result.get("curves", {})}.items():
        print(f"{key:<36}{value}")
    if arguments.out:
        with open(arguments.out, "w") as file:
            json.dump(result, file, indent=1)


if __name__ == "__main__":
    main()
