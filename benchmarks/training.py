"""Time of a training step and of inference, as ratios to a plain transcription in the same run; memory; what the cost grows with.

    python benchmarks/training.py --out training.json

Shapes of the paper: 32 clips, 250 audio frames x 130, 75 video frames x 4096, float32, published dropouts. Medians of
steps taken in turn, each contestant in a process of its own. `inference_bf16` is the published form under bfloat16 autocast,
whose logits differ in the third digit. `peak_memory` is ours as a share of the plain one's.
"""

import argparse
import json

import torch
from contestants import KINDS, median_seconds
from curves import curves, peak_memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", help="JSON file to write")
    parser.add_argument("--repeats", type=int, default=5, help="timed rounds after one warm-up round")
    parser.add_argument("--no-curves", action="store_true", help="leave out the cost against length, batch and width")
    arguments = parser.parse_args()
    training = median_seconds("training", KINDS, arguments.repeats)
    inference = median_seconds("inference", KINDS, arguments.repeats)
    (in_bfloat16,) = median_seconds("bf16", ["published"], arguments.repeats).values()
    memory = {name: peak_memory(name) for name in KINDS}
    result = {
        "threads": torch.get_num_threads(),
        "plain_training_seconds": round(training["plain"], 3),
        "train_published": round(training["plain"] / training["published"], 2),
        "train_recommended": round(training["plain"] / training["recommended"], 2),
        "plain_inference_seconds": round(inference["plain"], 3),
        "inference": round(inference["plain"] / inference["published"], 2),
        "inference_bf16": round(inference["plain"] / in_bfloat16, 2),
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
