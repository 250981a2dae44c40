"""Work on other machines: tasks go to a running Dask cluster, results come back as they are done."""

from collections.abc import Callable, Iterable, Iterator

from auxformer.errors import InputError

AHEAD = 2
"""Tasks handed out per worker thread before the first is back."""


def on_cluster(scheduler: str, function: Callable, items: Iterable) -> Iterator[tuple[object, object]]:
    """`function(item)` for every item on the workers of a cluster: pairs of the item and its result, in any order.

    A task whose worker dies is given to another. Dask gives it up after some deaths (`distributed.scheduler.allowed-failures`)
    and blames what was waiting on the same worker, too; so those given up are tried once more at the end, one at a time. If a
    worker dies again, the result is the exception `KilledWorker`. Other tasks go on meanwhile. What `function` itself raises is the result, too. Workers need this package, and the corpus (and,
    for training, the folder of runs) under the same path.

    Args:
        scheduler: Address of the scheduler ("tcp://host:8786").
        function: Picklable.
        items: Picklable, each.

    Raises:
        InputError: Dask is not installed, there is no cluster at the address, or it has no workers.
    """
    try:
        from dask.distributed import Client, KilledWorker, as_completed
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
        waiting, item_of = iter(items), {}

        def submit() -> list:
            for item in waiting:
                future = client.submit(function, item, pure=False)
                item_of[future.key] = item
                return [future]
            return []

        running = as_completed([future for _ in range(AHEAD * threads) for future in submit()])
        given_up = []
        for future in running:
            error = future.exception()
            if isinstance(error, KilledWorker):
                given_up.append(item_of.pop(future.key))
                running.update(submit())
                continue
            yield item_of.pop(future.key), future.result() if error is None else error
            running.update(submit())
        for item in given_up:
            future = client.submit(function, item, pure=False)
            error = future.exception()
            yield item, future.result() if error is None else error
