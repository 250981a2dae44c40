"""Figures of a GPU, for lesson 4: precision, compiled steps, graphs, batches, inference, transfers. `auxformer.benchmark.gpu` measures.

    python benchmarks/gpu.py --out data/results/gpu.csv
"""

import argparse
import sys

import pandas as pd

from auxformer.benchmark.gpu import measure_gpu
from auxformer.errors import InputError
from auxformer.files import whole_file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", help="CSV file to write")
    parser.add_argument("--repeats", type=int, default=20, help="timed repetitions of each")
    parser.add_argument("--no-compile", action="store_true", help="leave out the compiled step, a minute for each preset")
    arguments = parser.parse_args()
    rows = []
    try:
        for row in measure_gpu(arguments.repeats, compiling=not arguments.no_compile):
            print(", ".join(f"{name} {value}" for name, value in row.items()), flush=True)
            rows.append(row)
            if arguments.out:  # after each: what is measured stays, however it ends
                with whole_file(arguments.out) as part:
                    pd.DataFrame(rows).to_csv(part, index=False)
    except InputError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
