"""Each check kills every mutant of its exercise's solution, but for those that are listed as right, each with its reason."""

import contextlib
import io
import warnings
from pathlib import Path

import numpy as np
import pytest
from equivalent_mutants import EQUIVALENT
from mutants import mutants
from test_checks import EXERCISES, NAMES, answer_of, check_of

from auxformer.course.checks import CheckFailed

TABLE = Path(__file__).parents[1] / "build" / "mutants.md"
COUNTS: dict[str, tuple[int, int, int]] = {}


def survivors(lesson, exercise) -> tuple[list[str], int]:
    """The mutants that pass the check, and how many there are in all."""
    check, found = check_of(lesson, exercise), mutants(exercise.solution)
    passed = []
    for name, source in found.items():
        with contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                check(answer_of(lesson, exercise, source))
            except CheckFailed:
                continue
        passed.append(name)
    return passed, len(found)


@pytest.mark.parametrize("lesson, exercise", EXERCISES, ids=NAMES)
def test_every_mutant_is_killed_or_right(lesson, exercise):
    listed = EQUIVALENT.get(exercise.name, {})
    passed, count = survivors(lesson, exercise)
    COUNTS[f"{lesson.number} {exercise.name}"] = count, count - len(passed), len(passed)
    assert count >= 14
    assert sorted(set(passed) - set(listed)) == [], "the check lets these mutants pass"
    assert sorted(set(listed) - set(passed)) == [], "listed as right, but killed, or no longer made"


def test_the_table_of_mutants_is_written(capsys):
    """Last, for it takes its numbers from the tests above: `build/mutants.md`."""
    rows = [f"| {name} | {count} | {killed} | {right} |" for name, (count, killed, right) in COUNTS.items()]
    totals = [sum(column) for column in zip(*COUNTS.values())]
    if len(rows) < len(EXERCISES):
        pytest.skip("not all exercises were tried in this run")
    rows = [
        "| exercise | mutants | killed | right, with a reason |",
        "|---|---|---|---|",
        *rows,
        "| all | {} | {} | {} |".format(*totals),
    ]
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_text("\n".join(rows) + "\n", encoding="utf-8")
    with capsys.disabled():
        print(
            f"\n{totals[0]} mutants of {len(EXERCISES)} solutions, {totals[1]} killed, {totals[2]} right: build/mutants.md"
        )
    assert totals[0] > 1000 and totals[1] + totals[2] == totals[0]
