"""Do 95 % intervals hold the true score in 95 % of samples, and does the paired test reject in 5 % under a true null?

    python benchmarks/intervals.py [--simulations 2000] [--speakers 6 12 24 91] [--out intervals.json]
    python benchmarks/intervals.py --only-looking --simulations 500 --speakers 12 40

Speakers are simulated: six classes as frequent as in CREMA-D, 53 to 77 clips each, and as much spread between speakers
as there is between those of CREMA-D (logits: 0.3 in skill, 0.7 per class). "True" is the macro-F1 of infinitely many.

Intervals compared:
  percentile   2.5 % and 97.5 % quantiles of resampled speakers: what `evaluation.score` does
  expanded     those quantiles moved out to make up for few speakers (Hesterberg 2015, The American Statistician 69(4))
  bca          of resampled speakers, bias-corrected and accelerated (Efron 1987, JASA 82)
  t            value +- t * standard deviation of the resamples * sqrt(S / (S - 1)), with S - 1 degrees of freedom
  jackknife-t  value +- t * standard error from leaving out one speaker at a time
  clips        percentiles of resampled clips: wrong, because clips of a speaker are not independent

Nulls of the paired test: "alike", two systems that differ by chance only; "unlike", two that confuse different things,
the second with more spread over speakers, but with the same true macro-F1. Beside them the power for a true difference.
The error (one standard deviation) of a share near .95 or .05 is .005 with 2,000 simulations.

Looking for the best of K systems and holding the others against it: how often somebody is set apart although all systems are
alike, by the rule of before 0.2 (each against the best, Holm for K - 1) and by max-T; and how often the better one of two is set
apart from a system that is truly .03 worse, among K.

Found, for 6, 12, 24 and 91 speakers at a true macro-F1 of .75 (.45 is alike): percentile holds the truth in .860, .904,
.928 and .941 of the samples, bca hardly more; expanded in .930, .945, .944, .945 and t in .944, .951, .943, .946;
clips in .77 to .79. The test rejects a true null in .035, .055, .053, .043 (alike), .029, .047, .047, .048 (unlike).
Of 3, 7 and 18 equal systems (1,000 simulations, an error of .008) somebody is set apart in .060, .099, .116 on 12 speakers and in .079,
.112, .145 on 40 by the old rule; by max-T in .048, .044, .029 and .061, .045, .039. A true difference of .03 is found by max-T in .065,
.015, .005 on 12 speakers and in .280, .098, .026 on 40: to see it takes fewer systems and more speakers.
"""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.stats import norm
from scipy.stats import t as student

from auxformer.seeds import seed_of
from auxformer.evaluation.intervals import speaker_draws
from auxformer.evaluation.scores import scores_of
from auxformer.evaluation.tests import max_t, permutation_test, tied_with_best

CLIPS = np.array([9.9, 9.8, 9.6, 13.1, 18.1, 4.4])  # mean clips per class and speaker with a majority label in CREMA-D
SPREAD = {"skill": 0.3, "class": 0.7}  # standard deviations between speakers, in logits
TARGET, POWER_AT = (0.025, 0.975), 0.03


def macro_f1(counts: np.ndarray) -> np.ndarray:
    """`[..., C, C]` -> `[...]`."""
    return scores_of(counts)[..., 0]


class System:
    """A system that answers right with log-odds `skill`, and wrong in its own favourite ways."""

    def __init__(self, skill: float, favourites: int, spread: float = 1.0):
        rng = np.random.default_rng(seed_of("favourites", favourites))
        self.base = rng.normal(0, 0.7, (6, 6)) + rng.normal(0, 0.5, 6)  # [C, C]: which wrong answer, and which at all
        np.fill_diagonal(self.base, 1.6 + rng.normal(0, 0.5, 6))
        self.skill, self.spread = skill, spread

    def answers(self, rng: np.random.Generator, shared: np.ndarray) -> np.ndarray:
        """Probabilities `[S, C, C]` of its answers to S speakers; `shared` `[S, C]` is how easy they are to anyone."""
        own = rng.normal(0, SPREAD["skill"], (len(shared), 1)) + rng.normal(0, SPREAD["class"], (len(shared), 6))
        logits = np.broadcast_to(self.base, (len(shared), 6, 6)).copy()
        # Half of the variance is the speaker's, for whichever system; the other half is between system and speaker.
        logits[:, range(6), range(6)] += self.skill + self.spread * (shared + own) * np.sqrt(0.5)
        logits -= logits.max(-1, keepdims=True)
        return np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)

    def truth(self, speakers: int = 100_000) -> float:
        """Macro-F1 over infinitely many speakers, or nearly."""
        rng = np.random.default_rng(seed_of("truth"))
        expected = self.answers(rng, ease(rng, speakers)).mean(0) * CLIPS[:, None]
        return float(macro_f1(expected))


def ease(rng: np.random.Generator, speakers: int) -> np.ndarray:
    """How easy speakers are to anyone, `[S, C]` in logits."""
    return rng.normal(0, SPREAD["skill"], (speakers, 1)) + rng.normal(0, SPREAD["class"], (speakers, 6))


def sample(rng: np.random.Generator, speakers: int, *systems: System) -> list[np.ndarray]:
    """Confusion counts `[S, C, C]` of each system on the same clips of the same new speakers."""
    shared = ease(rng, speakers)
    clips = rng.multinomial(rng.integers(53, 78, speakers), CLIPS / CLIPS.sum())  # [S, C]
    return [rng.multinomial(clips, system.answers(rng, shared)) for system in systems]


def with_truth(value: float, favourites: int, spread: float = 1.0) -> System:
    """A system whose true macro-F1 is `value`."""

    def too_good(skill: float) -> float:
        return System(skill, favourites, spread).truth(20_000) - value

    return System(brentq(too_good, -3, 8, xtol=1e-4), favourites, spread)


def intervals(counts: np.ndarray, draws: np.ndarray, rng: np.random.Generator) -> dict[str, tuple[float, float]]:
    """Every interval of the macro-F1 of one sample `[S, C, C]`."""
    speakers, total = len(counts), counts.sum(0)
    value, values = float(macro_f1(total)), macro_f1(np.tensordot(draws, counts, axes=1))  # [R]
    left_out = macro_f1(total - counts)  # [S]
    centred = left_out.mean() - left_out
    t = student.ppf(TARGET[1], speakers - 1)

    expanded = norm.cdf(np.sqrt(speakers / (speakers - 1)) * student.ppf(TARGET, speakers - 1))
    bias = norm.ppf(np.clip((values < value).mean(), 1e-3, 1 - 1e-3))
    acceleration = (centred**3).sum() / (6 * (centred**2).sum() ** 1.5)
    shifted = bias + norm.ppf(TARGET)
    bca = norm.cdf(bias + shifted / (1 - acceleration * shifted))
    half = t * values.std(ddof=1) * np.sqrt(speakers / (speakers - 1))
    half_jackknife = t * np.sqrt((speakers - 1) / speakers * (centred**2).sum())
    clips = rng.multinomial(total.sum(), total.ravel() / total.sum(), len(draws)).reshape(-1, *total.shape)
    return {
        "percentile": tuple(np.quantile(values, TARGET)),
        "expanded": tuple(np.quantile(values, expanded)),
        "bca": tuple(np.quantile(values, bca)),
        "t": (value - half, value + half),
        "jackknife-t": (value - half_jackknife, value + half_jackknife),
        "clips": tuple(np.quantile(macro_f1(clips), TARGET)),
    }


def coverage(system: System, speakers: int, simulations: int, resamples: int) -> dict[str, dict[str, float]]:
    """Method -> share of samples whose interval holds the truth, those below and above it, and the mean width."""
    rng = np.random.default_rng(seed_of("coverage", speakers, system.skill))
    draws, truth = speaker_draws(speakers, resamples), system.truth()
    found = [intervals(sample(rng, speakers, system)[0], draws, rng) for _ in range(simulations)]
    result = {}
    for method in found[0]:
        low, high = np.array([one[method] for one in found]).T
        result[method] = {
            "covered": float(((low <= truth) & (truth <= high)).mean()),
            "interval_below": float((high < truth).mean()),
            "interval_above": float((low > truth).mean()),
            "width": float((high - low).mean()),
        }
    return result


def rejections(a: System, b: System, speakers: int, simulations: int, permutations: int) -> float:
    """Share of samples in which the paired test says p < .05."""
    rng = np.random.default_rng(seed_of("rejections", speakers, a.skill, b.skill))
    p_values = []
    for number in range(simulations):
        sums = (counts.astype(float) for counts in sample(rng, speakers, a, b))
        p_values.append(permutation_test(*sums, macro_f1, permutations, seed=number)[1])
    return float((np.array(p_values) < 0.05).mean())


def looking(
    systems: Sequence[System], speakers: int, simulations: int, permutations: int
) -> tuple[float, float, float]:
    """Shares of samples in which somebody is set apart from the best: by Holm against the best, by max-T; and in which max-T
    sets the last system apart from the first."""
    rng = np.random.default_rng(seed_of("looking", speakers, len(systems), systems[-1].skill))
    names, count = [f"system-{i:02d}" for i in range(len(systems))], np.zeros(3)
    for number in range(simulations):
        sums = [counts.astype(float) for counts in sample(rng, speakers, *systems)]
        rows = max_t(sums, macro_f1, permutations, seed=number)
        table = pd.DataFrame(rows, columns=["a", "b", "difference", "p", "p_corrected"]).assign(condition="complete")
        table["system_a"], table["system_b"] = [table[side].map(dict(enumerate(names))) for side in "ab"]
        for place, kept in enumerate((table.drop(columns="p_corrected"), table)):
            count[place] += len(tied_with_best(kept)["complete"]) < len(systems)
        count[2] += float(table.p_corrected[(table.a == 0) & (table.b == len(systems) - 1)].iloc[0]) < 0.05
    return tuple(count / simulations)


def show_looking(speakers: Sequence[int], simulations: int, permutations: int) -> dict:
    """Print and return the shares of `looking` for 3, 7 and 18 systems."""
    alike, worse = with_truth(0.75, favourites=1), with_truth(0.75 - POWER_AT, favourites=1)
    print(f"\n{'systems':<10}{'speakers':<10}{'Holm, best':>12}{'max-T':>9}{f'power at {POWER_AT}':>15}")
    found = {}
    for count in (3, 7, 18):
        for number in speakers:
            by_holm, by_max_t, _ = looking([alike] * count, number, simulations, permutations)
            power = looking([alike] * (count - 1) + [worse], number, simulations, permutations)[2]
            found[f"{count} systems, {number} speakers"] = {"holm": by_holm, "max_t": by_max_t, "power": power}
            print(f"{count:<10}{number:<10}{by_holm:12.3f}{by_max_t:9.3f}{power:15.3f}", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--simulations", type=int, default=2000)
    parser.add_argument("--speakers", type=int, nargs="+", default=[6, 12, 24, 91])
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--permutations", type=int, default=1000)
    parser.add_argument("--only-looking", action="store_true", help="leave out intervals and single tests")
    parser.add_argument("--out", help="JSON file to write")
    arguments = parser.parse_args()
    result = {"simulations": arguments.simulations, "coverage": {}, "rejections": {}}
    result["looking"] = show_looking(arguments.speakers, arguments.simulations, arguments.permutations)
    if arguments.only_looking:
        return
    started = time.perf_counter()
    strong, weak = with_truth(0.75, favourites=1), with_truth(0.45, favourites=1)
    pairs = {
        "alike": (strong, strong),
        "unlike": (strong, with_truth(0.75, favourites=2, spread=1.6)),
        f"power at {POWER_AT}": (strong, with_truth(0.75 - POWER_AT, favourites=1)),
    }
    print(f"{'true F1':<10}{'speakers':<10}{'interval':<14}{'covered':>9}{'below':>9}{'above':>9}{'width':>9}")
    for name, system in (("0.75", strong), ("0.45", weak)):
        for speakers in arguments.speakers:
            found = coverage(system, speakers, arguments.simulations, arguments.resamples)
            result["coverage"][f"{name}, {speakers} speakers"] = found
            for method, row in found.items():
                numbers = "".join(f"{value:9.3f}" for value in row.values())
                print(f"{name:<10}{speakers:<10}{method:<14}{numbers}", flush=True)
    print(f"\n{'paired test':<20}" + "".join(f"{speakers:>6} sp." for speakers in arguments.speakers))
    for name, (a, b) in pairs.items():
        shares = [
            rejections(a, b, count, arguments.simulations, arguments.permutations) for count in arguments.speakers
        ]
        result["rejections"][name] = dict(zip(map(str, arguments.speakers), shares))
        print(f"{name:<20}" + "".join(f"{share:10.3f}" for share in shares), flush=True)
    print(f"\n{time.perf_counter() - started:.0f} s")
    if arguments.out:
        Path(arguments.out).write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
