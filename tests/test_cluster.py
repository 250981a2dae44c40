"""The same work on a Dask cluster of two processes, one of which may die."""

import os
import signal
import time

import numpy as np
import pytest

from auxformer import parallel
from auxformer.corpora import read_corpus
from auxformer.errors import InputError
from auxformer.features import create_extractor
from auxformer.features.extract import extract
from auxformer.parallel import in_parallel


@pytest.fixture
def cluster():
    """One for each test: after one in which workers died none may be there for a while."""
    from dask.distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    ) as running:
        yield running.scheduler_address


def square_or_die(item):
    """Kills its own process the first time (a marker says so), or every time for 13."""
    number, folder = item
    marker = os.path.join(folder, str(number))
    if number == 13 or (number == 5 and not os.path.exists(marker)):
        with open(marker, "w"):
            pass
        time.sleep(0.5)  # a worker that dies while its nanny is still starting it is not replaced
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 7:
        raise ValueError("seven")
    return number**2


def test_a_worker_that_dies_costs_only_its_own_task(cluster, tmp_path):
    from dask.distributed import KilledWorker

    items = [(n, str(tmp_path)) for n in range(20)]
    found = {item[0]: result for item, result in in_parallel(square_or_die, items, scheduler=cluster)}
    assert isinstance(found.pop(13), KilledWorker) and str(found.pop(7)) == "seven"
    assert found == {n: n**2 for n in range(20) if n not in (7, 13)}
    assert (tmp_path / "5").exists(), "nobody died"


def slow_when_even(number):
    if number == 3:
        raise ValueError("three")
    time.sleep(0.2 * (number % 2 == 0))
    return -number


@pytest.mark.parametrize("jobs", [1, 2])
def test_processes_here_give_pairs_in_order_when_asked_and_stop_at_an_error(jobs):
    numbers = [0, 1, 2, 4, 5]
    assert list(in_parallel(slow_when_even, numbers, jobs, ordered=True)) == [(n, -n) for n in numbers]
    assert sorted(in_parallel(slow_when_even, iter(numbers), jobs)) == [(n, -n) for n in numbers]
    assert list(in_parallel(slow_when_even, [], jobs)) == []
    with pytest.raises(ValueError, match="three"):
        list(in_parallel(slow_when_even, range(9), jobs))


def test_the_cluster_gives_pairs_in_order_when_asked(cluster):
    found = list(in_parallel(slow_when_even, range(6), scheduler=cluster, ordered=True))
    assert [number for number, _ in found] == list(range(6)) and str(found[3][1]) == "three"


def test_extraction_on_the_cluster_gives_the_same_bits(cluster, tiny_puppets, tmp_path):
    corpus = read_corpus(tiny_puppets[0], "puppets")
    extractor = create_extractor("logmel")
    here = extract(corpus, extractor, tmp_path / "here", jobs=1)
    there = extract(corpus, extractor, tmp_path / "there", scheduler=cluster)
    assert set(here.clips) == set(there.clips) == set(corpus.clips.index)
    assert all(np.array_equal(here[clip], there[clip]) for clip in here.clips)


def slow(number):
    time.sleep(0.1)
    return number


@pytest.mark.parametrize("after", [1, 3])
def test_a_cluster_that_has_lost_its_workers_is_given_up_in_a_sentence(monkeypatch, after):
    from dask.distributed import LocalCluster

    monkeypatch.setattr(parallel, "LOST", 1)
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0", silence_logs=50) as leaving:
        results = in_parallel(slow, range(9), scheduler=leaving.scheduler_address)
        assert sorted(next(results)[1] for _ in range(after)) == list(range(after))
        time.sleep(0.3)  # by now more is done, but not fetched
        leaving.scale(0)
        with pytest.raises(InputError, match="has lost its workers"):
            list(results)


def test_no_scheduler_at_the_address_is_said_in_a_sentence():
    with pytest.raises(InputError, match="no Dask scheduler answers there"):
        list(in_parallel(square_or_die, [], scheduler="tcp://127.0.0.1:9"))
