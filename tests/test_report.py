from pathlib import Path

import pandas as pd
import pytest

from auxformer.errors import InputError
from auxformer.evaluation.scores import RESULT_COLUMNS
from auxformer.reports.results import comparisons_beside, read_results
from auxformer.reports.tables import fill_markers, markdown_table

ROOT = Path(__file__).parents[1]


def rows(system, condition, value, partition="partition-1", seed=0, metric="macro-f1"):
    return (
        "puppets",
        "audiovisual",
        "lld+hog",
        system,
        partition,
        seed,
        condition,
        metric,
        value,
        value - 0.1,
        value + 0.1,
    )


def test_the_table_has_a_row_per_system_and_the_mean_over_seeds():
    table = pd.DataFrame([rows("a", "complete", 0.5), rows("a", "complete", 0.7, seed=1), rows("a", "no-audio", 0.25), rows("a", "complete", 0.99, metric="micro-f1")], columns=RESULT_COLUMNS)  # fmt: skip
    assert markdown_table(table).splitlines()[2] == "| `a` | .600 [.500, .700] | .250 [.150, .350] |"


def test_pooled_rows_are_shown_where_there_are_some():
    table = pd.DataFrame([rows("a", "complete", 0.5), rows("a", "complete", 0.4, "all")], columns=RESULT_COLUMNS)
    assert ".400" in markdown_table(table) and ".500 [" not in markdown_table(table)


def test_the_best_come_first_ties_are_marked_and_people_stand_below():
    scores = {"poor": 0.3, "good": 0.6, "better": 0.62, "ideal-observer": 0.9, "human-rater": 0.95}
    table = pd.DataFrame([rows(name, "complete", value) for name, value in scores.items()], columns=RESULT_COLUMNS)
    pairs = [("poor", "good", -0.3, 0.01), ("good", "better", -0.02, 0.6), ("poor", "better", -0.32, 0.01), ("ideal-observer", "better", 0.28, 0.01)]  # fmt: skip
    tests = pd.DataFrame(
        [(a, b, "complete", difference, p, p) for a, b, difference, p in pairs],
        columns=["system_a", "system_b", "condition", "difference", "p", "p_corrected"],
    )
    lines = markdown_table(table, tests=tests).splitlines()[2:]
    assert [line.split("`")[1] for line in lines] == ["better", "good", "poor", "human-rater", "ideal-observer"]
    assert [line[-3] for line in lines] == ["★", "≈", "]", "]", "]"]


def test_markers_are_filled_again_and_again():
    text = "before\n<!-- x -->\nold\n<!-- /x -->\nafter"
    once = fill_markers(text, "x", "new")
    assert once == "before\n<!-- x -->\nnew\n<!-- /x -->\nafter" == fill_markers(once, "x", "new")
    with pytest.raises(InputError, match="<!-- y -->"):
        fill_markers(text, "y", "new")


def test_what_is_no_result_table_is_refused(tmp_path):
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="lacks the columns corpus"):
        read_results(tmp_path / "other.csv")
    with pytest.raises(InputError, match="not a readable"):
        read_results(tmp_path / "none.csv")


@pytest.mark.parametrize("name", ["puppets", "seeds", "ravdess", "binding"])
def test_the_readme_quotes_the_committed_results(name):
    readme = (ROOT / "README.md").read_text()
    path = ROOT / "data" / "results" / f"{name}.csv"
    table = markdown_table(read_results(path), tests=comparisons_beside(path))
    assert fill_markers(readme, name, table) == readme, (
        f"run: auxformer report data/results/{name}.csv --into README.md"
    )


def test_the_model_of_ones_own_in_the_readme_runs():
    """The ten lines that a researcher copies must train."""
    import re

    import torch

    from auxformer.config import preset
    from auxformer.data.batch import Batch
    from auxformer.models import create_model, registry, shared_loss

    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (code,) = [block for block in blocks if "register_model" in block]
    exec(code, {"__name__": "readme"})
    try:
        model = create_model("mean-pool", preset("default").model, 5, 4, 3)
        mask, present = torch.ones(2, 6, dtype=torch.bool), torch.ones(2, dtype=torch.bool)
        batch = Batch(
            torch.randn(2, 6, 5), mask, torch.randn(2, 6, 4), mask, present, present, torch.eye(3)[:2], ("a", "b")
        )
        shared_loss(model(batch), batch.target).backward()
        assert all(parameter.grad.abs().sum() > 0 for parameter in model.parameters())
    finally:
        del registry._MODELS["mean-pool"]
