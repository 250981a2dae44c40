"""Draw what is left of four systems when training clips lack a stream: `python figures/missing.py` writes missing.png, under 60 KB.

From data/results/missing-training.csv, whose labels say the rates: "vavl 0/0.9, no dropout".
"""

from pathlib import Path

import pandas as pd
from matplotlib import pyplot as plt

HERE = Path(__file__).parent
TABLE = HERE.parent / "data" / "results" / "missing-training.csv"
LABEL = r"(?P<model>[\w-]+)(?: (?P<audio>[\d.]+)/(?P<video>[\d.]+))?(?P<without>, no dropout)?"
RATES = [(0, 0), (0.15, 0.15), (0.25, 0.25), (0.35, 0.35), (0.1, 0.7), (0.7, 0.1), (0, 0.9)]
SHARED = 4
"""So many rates are the same for both streams; they are joined by a line."""
LOOKS = {
    "auxformer": ("#C25200", "o"), "vavl": ("#00704F", "D"), "late-fusion-transformer": ("#0072B2", "s"),
    "functionals-lr": ("#555555", "^"),
}  # fmt: skip


def scores() -> pd.DataFrame:
    """Macro-F1 over all test speakers: model, audio and video (rates), with or without modality dropout, condition, value."""
    table = pd.read_csv(TABLE)
    table = table[table.metric == "macro-f1"].reset_index(drop=True)
    parts = table.system.str.fullmatch(LABEL)
    told = table.system.str.extract(f"^{LABEL}$")
    told[["audio", "video"]] = told[["audio", "video"]].astype(float).fillna(0)
    return told.join(table[["condition", "value"]])[parts & told.model.isin(LOOKS)]


def main() -> None:
    table = scores()
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.3), sharey=True, layout="constrained")
    for axis, condition in zip(axes, ("complete", "no-audio")):
        for (model, without), part in table[table.condition == condition].groupby(["model", "without"], dropna=False, sort=False):
            values = part.set_index(["audio", "video"]).value.reindex(RATES).to_numpy()
            colour, marker = LOOKS[model]
            plain = without == ", no dropout"
            look = {"color": colour, "marker": marker, "markersize": 5, "markerfacecolor": "white" if plain else colour}
            name = f"{model}{', no modality dropout' if plain else ''}"
            axis.plot(range(SHARED), values[:SHARED], label=name, linestyle="--" if plain else "-", linewidth=1.3, **look)
            axis.plot(range(SHARED, len(RATES)), values[SHARED:], linestyle="none", **look)
        axis.set_xticks(range(len(RATES)), [f"{audio:.0%}\n{video:.0%}" for audio, video in RATES], fontsize=8)
        axis.set(title=f"tested {condition}", xlabel="training clips without voice, without face", ylim=(0.3, 1))
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("macro-F1")
    axes[0].legend(fontsize=7, frameon=False, loc="lower left")
    figure.savefig(HERE / "missing.png", dpi=85)


if __name__ == "__main__":
    main()
