"""Work on many items at once: in processes here, or on the workers of a Dask cluster."""

import contextlib
import functools
import itertools
import operator
import os
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator

from auxformer.errors import InputError

AHEAD = 2
"""Tasks handed out per worker thread of a cluster before the first is back."""
LOST = 60
"""Seconds without any worker after which a cluster is given up: a nanny begins another one in a few, or does not."""


def in_parallel(
    work: Callable, items: Iterable, jobs: int = 2, scheduler: str | None = None, ordered: bool = False
) -> Iterator[tuple]:
    """`work(item)` for every item, in processes of one thread each: pairs of the item and its result, as they are done.

    Items are taken as they are needed, so an iterator can end the work early; what is in work then is still finished. In
    processes here, the first exception that `work` raises ends it all. On a cluster the exception is the item's result,
    as it is when the item's worker dies twice (`KilledWorker`), and the others go on.

    Args:
        work: Picklable.
        items: Picklable, each.
        jobs: Processes here; 1 works in this one.
        scheduler: Address of a Dask scheduler ("tcp://host:8786") whose workers do the work instead. They need this
            package, and the corpus (and, for training, the folder of runs) under the same path.
        ordered: Give the pairs in the order of the items, late ones holding back those behind.

    Raises:
        InputError: Dask is not installed, there is no cluster at the address, or it has no workers, or none any more.
    """
    handed_out = []

    def handing_out() -> Iterator[tuple]:
        for item in items:
            handed_out.append(item)
            yield len(handed_out) - 1, item

    task = functools.partial(_numbered, work)
    if scheduler:
        finished = _on_cluster(task, handing_out(), scheduler)
    else:
        here = functools.partial(_with_parent, os.getpid(), task)
        finished = _in_processes(here, handing_out(), max(1, min(jobs, operator.length_hint(items, jobs))))
    waiting, turn = {}, 0
    try:
        for number, result in finished:
            if not ordered:
                yield handed_out[number], result
                continue
            waiting[number] = result
            while turn in waiting:
                yield handed_out[turn], waiting.pop(turn)
                turn += 1
    finally:
        finished.close()


def _numbered(work: Callable, numbered: tuple) -> tuple:
    """Work on an item that has a number, for results that come back in any order."""
    number, item = numbered
    return number, work(item)


def _with_parent(parent: int, task: Callable, item):
    """Work on an item in a process that ends when the one that asks for it is gone, however that ended."""
    if os.getpid() != parent:
        _watch(parent)
    return task(item)


@functools.cache
def _watch(parent: int) -> None:
    def look() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)  # nobody is left to hear why

    if os.getppid() == parent:  # where that can be seen
        threading.Thread(target=look, name="watch of the parent", daemon=True).start()


def _in_processes(task: Callable, numbered: Iterator[tuple], jobs: int) -> Iterator[tuple]:
    import joblib

    # loky replaces a worker whose memory has grown between two tasks; nothing is lost, and nobody need read of it
    warnings.filterwarnings("ignore", "A worker stopped while some jobs were given")
    with joblib.parallel_config("loky", inner_max_num_threads=1):
        parallel = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")
    return parallel(joblib.delayed(task)(item) for item in numbered)


def _on_cluster(task: Callable, numbered: Iterator[tuple], scheduler: str) -> Iterator[tuple]:
    """The same on a cluster. By hand, as joblib's Dask backend never comes back from a worker that died.

    Dask gives a task to another worker when its own dies, gives it up after some deaths
    (`distributed.scheduler.allowed-failures`), and blames what was waiting on the same workers, too. So those given up are
    tried once more at the end, one at a time.
    """
    try:
        from dask.distributed import Client, KilledWorker, wait
    except ImportError as error:
        raise InputError(
            '--scheduler needs Dask, which is not installed; try: pip install "auxformer[cluster]"'
        ) from error
    try:
        client = Client(scheduler, timeout=10)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{scheduler}: no Dask scheduler answers there ({error}); start one with `dask scheduler`."
        ) from error
    with client:
        threads = sum(client.nthreads().values())
        if not threads:
            raise InputError(f"{scheduler}: the cluster has no workers; start some with `dask worker {scheduler}`.")
        item_of, given_up = {}, []

        def submit(number: int) -> set:
            items = list(itertools.islice(numbered, number))
            futures = [client.submit(task, item, pure=False) for item in items]
            item_of.update({future.key: item for future, item in zip(futures, items)})
            return set(futures)

        def outcome(item, future) -> tuple:
            """The item's number, and its result or exception."""
            error = _asked(future.exception, client, scheduler)
            # Dask works a result out again whose worker is gone.
            return _asked(future.result, client, scheduler) if error is None else (item[0], error)

        running = submit(AHEAD * threads)
        while running:
            done = _asked(functools.partial(wait, running, return_when="FIRST_COMPLETED"), client, scheduler).done
            running -= done
            for future in done:
                item = item_of.pop(future.key)
                found = outcome(item, future)
                if isinstance(found[1], KilledWorker):
                    given_up.append(item)
                else:
                    yield found
                running |= submit(1)
        for item in given_up:
            yield outcome(item, client.submit(task, item, pure=False))


def _asked(question: Callable, client, scheduler: str):
    """The answer to a question of Dask's that takes a `timeout`.

    Raises:
        InputError: no worker has been there for `LOST` seconds; Dask would wait for ever.
    """
    while True:
        with contextlib.suppress(TimeoutError):
            return question(timeout=min(5, LOST))
        try:
            client.wait_for_workers(1, timeout=LOST)
        except TimeoutError as error:
            raise InputError(
                f"{scheduler}: the cluster has lost its workers; start some with `dask worker {scheduler}` and run this "
                "again. What is finished is kept."
            ) from error
