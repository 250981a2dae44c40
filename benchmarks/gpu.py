"""Figures of a GPU, for lesson 4: precision, compiled steps, graphs, batches, inference, transfers. `auxformer.benchmark.gpu` measures.

    python benchmarks/gpu.py --out data/results/gpu.csv
"""

import argparse
import sys

from auxformer.benchmark.gpu import measure_gpu
from auxformer.errors import InputError
from auxformer.files import whole_file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", help="CSV file to write")
    parser.add_argument("--repeats", type=int, default=20, help="timed repetitions of each")
    arguments = parser.parse_args()
    try:
        table = measure_gpu(arguments.repeats)
    except InputError as error:
        sys.exit(str(error))
    print(table.to_string(index=False))
    if arguments.out:
        with whole_file(arguments.out) as part:
            table.to_csv(part, index=False)


if __name__ == "__main__":
    main()
