"""Several processes of one stage: those that `accelerate launch` or torchrun start, and forks that share out jobs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

from pipeline.errors import UserError

MOST_FORKS = 8
"""Processes at most that answer side by side: each holds a batch's activations, some hundred megabytes."""


def processes() -> int:
    """Number of processes that share this stage's work."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def main_process() -> bool:
    """Whether this process is the one that prints and writes."""
    return int(os.environ.get("RANK", "0")) == 0


def local_process() -> int:
    """Number of this process among those of its machine, which is that of its GPU."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def chain() -> int | None:
    """Number of the runner that goes through the stages, where one started this process."""
    number = os.environ.get("DATASET_GENERATOR_CHAIN")
    return int(number) if number else None


class _Jobs:
    """What a DataLoader's workers fetch: the result of each job, or the error that its user can mend."""

    def __init__(self, work: Callable[[Any], Any], jobs: list[Any]) -> None:
        self.work, self.jobs = work, jobs

    def __len__(self) -> int:
        return len(self.jobs)

    def __getitem__(self, index: int) -> Any:
        try:
            return self.work(self.jobs[index])
        except UserError as error:
            return error


def in_forks(work: Callable[[Any], Any], jobs: list[Any]) -> Iterator[Any]:
    """`work(job)` of each job, in their order, by a process of one thread for each thread that torch would take.

    For work on a CPU between whose products much is done one after the other: there a second thread waits, a second
    process does not. Forks have what is in memory, a model say, once; results are pickled. Where there are few jobs or
    many cores, or no process can be started, this one does the work: a fork has one thread (OpenMP's do not survive
    it). Raises UserError where a process is killed.
    """
    import torch

    threads = torch.get_num_threads()
    count = min(threads, len(jobs), MOST_FORKS)
    if count < 2 or 2 * count < threads or sys.platform != "linux":
        yield from map(work, jobs)
        return
    loader = torch.utils.data.DataLoader(
        _Jobs(work, jobs), batch_size=None, num_workers=count, multiprocessing_context="fork",
        collate_fn=lambda made: made, generator=torch.Generator(),
    )  # fmt: skip
    try:
        results = iter(loader)
    except OSError:  # no semaphores on this machine, or no more processes
        yield from map(work, jobs)
        return
    try:
        for result in results:
            if isinstance(result, UserError):
                raise result
            yield result
    except RuntimeError as error:
        if "exited unexpectedly" not in str(error) and "killed by signal" not in str(error):
            raise
        raise UserError(
            f"one of {count} processes that answer side by side was killed, presumably for want of memory; set "
            "OMP_NUM_THREADS=1 to have one alone, or lower --batch-rows"
        ) from None
