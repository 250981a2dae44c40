"""What the lessons call to train: done once, and read back when the lesson is started again."""

import pytest

from auxformer.benchmark import run as benchmark
from auxformer.benchmark.suite import Suite
from auxformer.corpora import read_corpus
from auxformer.course import lab
from auxformer.errors import InputError

SUITE = Suite(
    "lesson-of-a-test", systems=["functionals-lr"], corpus={"name": "puppets", "audio": "lld", "video": "hog"},
    protocol={"partitions": 1, "tests": ["complete"]}, settings={"preset": "quick"},
)  # fmt: skip


def test_a_lesson_started_again_reads_back_what_it_trained(tiny_puppets, tmp_path, monkeypatch):
    root, features = tiny_puppets
    corpus = read_corpus(root, "puppets")
    monkeypatch.setattr(lab, "run_root", lambda: tmp_path / "runs")
    monkeypatch.setattr(lab, "feature_root", lambda: features)
    first, _ = lab.run_suite(SUITE, corpus, "first", jobs=1)

    lab._scratch.cache_clear()  # another kernel has another scratch folder

    def refuse(*_):
        raise AssertionError("it was trained again")

    monkeypatch.setattr(benchmark, "_predictor", refuse)
    again, _ = lab.run_suite(SUITE, corpus, "second", jobs=1)
    assert again.equals(first)

    lab.forget(SUITE, "functionals-lr")
    with pytest.raises(InputError, match="it was trained again"):
        lab.run_suite(SUITE, corpus, "third", jobs=1)
