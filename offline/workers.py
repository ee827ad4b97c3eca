"""Independent jobs, here one after the other or on a dask cluster; the results never depend on which.

A job is a function of something shared and one item. Results come back in the order of the items, whoever computed
them; a job that fails raises where its result is asked for.
"""

import importlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from threadpoolctl import threadpool_limits

from online.errors import ConfigError, EtholoopError

Shared = TypeVar("Shared")
Item = TypeVar("Item")
Result = TypeVar("Result")


class Workers(Protocol):
    """Where jobs run."""

    @property
    def count(self) -> int:
        """Jobs at a time."""
        ...

    def map(
        self, job: Callable[[Shared, Item], Result], shared: Shared, items: Sequence[Item]
    ) -> Iterator[Result | EtholoopError]:
        """Results in the order of items; an EtholoopError of a job is given in its place."""
        ...


@dataclass(frozen=True, slots=True)
class Here:
    """Jobs run in this process, one after the other."""

    count: int = 1

    def map(
        self, job: Callable[[Shared, Item], Result], shared: Shared, items: Sequence[Item]
    ) -> Iterator[Result | EtholoopError]:
        """See `Workers`."""
        for item in items:
            yield _guarded(job, shared, item)


@dataclass(frozen=True, slots=True)
class Cluster:
    """Jobs run on the workers of a dask scheduler."""

    client: Any
    count: int

    def map(
        self, job: Callable[[Shared, Item], Result], shared: Shared, items: Sequence[Item]
    ) -> Iterator[Result | EtholoopError]:
        """See `Workers`."""
        (everywhere,) = self.client.scatter([shared], broadcast=True, hash=False)
        futures = [self.client.submit(_guarded, job, everywhere, item, pure=False) for item in items]
        for future in futures:
            yield future.result()
            future.release()


def _guarded(job: Callable[[Shared, Item], Result], shared: Shared, item: Item) -> Result | EtholoopError:
    try:
        with threadpool_limits(1, user_api="blas"):  # a worker may have other cores than this machine
            return job(shared, item)
    except EtholoopError as error:
        return error


@contextmanager
def open_workers(count: int = 1, scheduler: str | None = None) -> Iterator[Workers]:
    """This process (`count` 1), a cluster of `count` processes on this machine, or the one at `scheduler`.

    Raises
    ------
    ConfigError
        if dask.distributed is not installed, or nothing answers at the address.
    """
    if scheduler is None and count == 1:
        yield Here()
        return
    try:
        distributed = importlib.import_module("distributed")
    except ImportError as error:
        raise ConfigError(
            "several workers need dask.distributed: pip install 'etholoop[cluster]', or leave out --workers and "
            "--scheduler"
        ) from error
    if scheduler is not None:
        try:
            client = distributed.Client(scheduler, timeout="10s")
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"--scheduler {scheduler}: no dask scheduler answers there ({error}); start one with 'dask scheduler'"
            ) from error
        with client:
            present = len(client.scheduler_info()["workers"])
            if present == 0:
                raise ConfigError(f"--scheduler {scheduler}: no workers yet; start some with 'dask worker {scheduler}'")
            yield Cluster(client, present)
        return
    local = distributed.LocalCluster(n_workers=count, threads_per_worker=1, dashboard_address=None)
    with local, distributed.Client(local) as client:
        yield Cluster(client, count)
