"""Results that others have published on our corpora, with their sources and with what differs from our protocol."""

import tomllib
from pathlib import Path

import pandas as pd

from auxformer.data.missing import CONDITIONS
from auxformer.errors import InputError
from auxformer.evaluation.scores import METRICS

FILE = Path(__file__).with_name("literature.toml")
LITERATURE_COLUMNS = ("corpus", "system", "metric", "condition", "value", "spread", "source", "link", "differs")
_NEEDED = {"corpus", "system", "metric", "condition", "value", "source", "differs"}


def literature(corpus: str | None = None, file: Path = FILE) -> pd.DataFrame:
    """What others report as their results, in the order of the file.

    Args:
        corpus: Only on this one, by its name in a result table; None for all.
        file: A TOML file laid out as `literature.toml` of the package.

    Returns:
        Columns `LITERATURE_COLUMNS`: value on 0..1, spread as the source prints it after "±" (NaN where it prints none),
        source in words and its link. No rows where nothing with a source is known.

    Raises:
        InputError: a row that lacks something, says a value outside 0..1 or a metric or condition that we do not have.
    """
    content = tomllib.loads(Path(file).read_text())
    rows = []
    for row in content.get("result", []):
        who = f"{file}: result of {row.get('system', 'a system without a name')}"
        if missing := _NEEDED - set(row):
            raise InputError(f"{who}: lacks {', '.join(sorted(missing))}.")
        if not 0 <= row["value"] <= 1:
            raise InputError(f"{who}: the value is {row['value']}, expected 0..1.")
        for key, known in (("metric", METRICS), ("condition", CONDITIONS), ("source", content.get("sources", {}))):
            if row[key] not in known:
                raise InputError(f'{who}: unknown {key} "{row[key]}"; known are {", ".join(known)}.')
        source = content["sources"][row["source"]]
        rows.append({"spread": float("nan"), **row, "source": source["text"], "link": source["link"]})
    table = pd.DataFrame(rows, columns=list(LITERATURE_COLUMNS))
    return table if corpus is None else table[table.corpus == corpus].reset_index(drop=True)
