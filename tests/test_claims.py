"""Sentences that quote a result: the number before a marker is that of `data/results/`, and a difference is called one by its test.

A marker is a comment behind a number, invisible on the page:

    .956<!-- puppets: auxformer, complete -->              a macro-F1, as the table shows it
    .02<!-- seeds: auxformer - fusion-only, no-video -->   how far the first is above the second
    .003<!-- seeds: auxformer ~ fusion-only, no-video -->  the corrected p of their difference
    .36<!-- crema-d-people: human-rater, share:audio -->   another metric of the table, and its condition
"""

import re
from pathlib import Path

import pytest

from auxformer.reports.results import comparisons_beside, read_results, view

PROJECT = Path(__file__).parent.parent
PAGES = [PROJECT / "README.md", *sorted((PROJECT / "notebooks").glob("[0-9]*.ipynb")), PROJECT / "benchmarks" / "recipe.md"]
MARKER = re.compile(r"(?P<said>[-.\d]{0,8})<!-- (?P<table>[\w-]+): (?P<what>[^>]+), (?P<condition>[\w.:-]+) -->")


def claims():
    for page in PAGES:
        for found in MARKER.finditer(page.read_text("utf-8")):
            yield pytest.param(*found.groups(), id=f"{page.name}: {found['what']}, {found['condition']}")


def result(table: str, what: str, condition: str) -> float:
    """The number that a marker stands for, from the committed tables."""
    path = PROJECT / "data" / "results" / f"{table}.csv"
    first, sign, second = re.fullmatch(r"(.+?)(?: ([-~]) (.+))?", what.strip()).groups()
    if sign == "~":
        tests = comparisons_beside(path)
        pairs = tests.system_a.isin([first, second]) & tests.system_b.isin([first, second])
        (row,) = tests[pairs & (tests.condition == condition)].itertuples()
        return row.p_corrected
    *metric, condition = condition.split(":")
    value = view(read_results(path), *metric).value
    return value[first, condition] - (value[second, condition] if sign else 0)


def agrees(said: str, number: float) -> bool:
    """Whether `said` (".02") is `number` to as many digits as it has."""
    digits = re.fullmatch(r"-?(\d*)\.(\d+)", said)
    return bool(digits) and abs(float(said) - number) <= 0.5 * 10 ** -len(digits[2]) + 1e-9


@pytest.mark.parametrize(("said", "table", "what", "condition"), list(claims()))
def test_a_number_in_a_sentence_is_that_of_its_result_file(said, table, what, condition):
    number = result(table, what, condition)
    assert agrees(said, number), f"the text says {said}, data/results/{table}.csv has {number:.4f}"


def test_no_marker_is_broken_by_the_end_of_a_line():
    """It would not be found, and nobody would notice."""
    for page in PAGES:
        text = page.read_text("utf-8")
        begun, found = len(re.findall(r"<!-- [\w-]+: ", text)), len(MARKER.findall(text))
        assert begun == found, f"{page.name}: {begun} markers begin, {found} are whole"


def test_what_the_readme_says_of_results_is_marked():
    """A number like .956 in the prose of the section on results has a marker; the tables are checked elsewhere."""
    text = (PROJECT / "README.md").read_text("utf-8").split("## Results")[1].split("\n## ")[0]
    prose = re.sub(r"<!-- ([\w-]+) -->\n\|.*?<!-- /\1 -->", "", text, flags=re.DOTALL)
    unmarked = re.findall(r"(?<![\w.])\.\d+(?!\d)(?!<!-- )", prose)
    assert not unmarked, f"without a marker: {unmarked}"


@pytest.mark.parametrize(
    ("said", "number", "right"),
    [(".02", 0.0249, True), (".02", 0.0251, False), (".020", 0.0249, False), ("-.01", -0.0149, True), ("0.50", 0.5, True), ("two", 2, False)],
)  # fmt: skip
def test_a_number_agrees_to_its_own_digits(said, number, right):
    assert agrees(said, number) == right
