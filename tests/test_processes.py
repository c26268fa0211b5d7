"""Jobs that forks share out: nothing of a result changes, and a process that dies is told in a sentence."""

from __future__ import annotations

import os
import signal

import pytest
import torch

from pipeline.errors import UserError
from pipeline.processes import in_forks


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_forks_do_every_job_in_its_order_with_a_thread_each(two_threads):
    made = list(in_forks(lambda job: (job, os.getpid(), torch.get_num_threads()), list(range(7))))
    assert [job for job, _, _ in made] == list(range(7))
    assert len({process for _, process, _ in made} - {os.getpid()}) == 2
    assert {threads for _, _, threads in made} == {1}


@pytest.mark.parametrize(("threads", "jobs"), [(2, 0), (2, 1), (1, 2), (5, 2)], ids=str)
def test_this_process_works_where_forks_would_leave_most_threads_idle(two_threads, threads, jobs):
    torch.set_num_threads(threads)
    made = list(in_forks(lambda job: (os.getpid(), torch.get_num_threads()), list(range(jobs))))
    assert made == [(os.getpid(), threads)] * jobs


def test_this_process_works_where_no_other_can_be_started(two_threads, monkeypatch):
    def refused() -> None:
        raise BlockingIOError("Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", refused)
    assert list(in_forks(lambda job: os.getpid(), [1, 2])) == [os.getpid()] * 2


def test_what_a_user_can_mend_is_said_as_it_was(two_threads):
    def work(job: int) -> int:
        if job == 1:
            raise UserError("the second is not to be had; take the first")
        return job

    made = in_forks(work, [0, 1, 2])
    assert next(made) == 0
    with pytest.raises(UserError, match=r"^the second is not to be had; take the first$"):
        next(made)


def test_a_bug_in_a_fork_is_no_word_of_memory(two_threads):
    with pytest.raises(ZeroDivisionError):
        list(in_forks(lambda job: 1 // job, [1, 0]))


def test_a_killed_fork_is_a_sentence_with_the_way_out(two_threads):
    with pytest.raises(UserError, match=r"one of 2 processes .* was killed.*; set OMP_NUM_THREADS=1"):
        list(in_forks(lambda job: os.kill(os.getpid(), signal.SIGKILL), [1, 2]))


def test_answers_of_several_processes_are_those_of_one(two_threads, tiny_student, schema_rows):
    from pipeline.students.evaluation import Answerer

    answerer = Answerer(tiny_student.model, tiny_student.renderer, max_new_tokens=40)
    rows = [{"query": f"request {index}", "current_date": "2024-03-17"} for index in range(6)]
    calls = [
        {"schema_rows": [schema_row] * 6, "rows": rows, **more}
        for schema_row in schema_rows[:2]
        for more in ({"constrained": [False, True] * 3}, {"temperature": 1.0, "seeded": 7})
    ]

    def made(each: bool) -> list[list[dict]]:
        mine = [dict(call) for call in calls]
        for call in mine:
            if seed := call.pop("seeded", None):
                call["generator"] = torch.Generator().manual_seed(seed)
        return list(answerer.each(mine)) if each else [answerer.answers(**call) for call in mine]

    assert made(True) == made(False) == made(True)


def test_batches_hold_every_row_once_and_no_more_rows_than_they_may():
    from pipeline.students.evaluation import batches

    counts = {"a": 3, "b": 4, "c": 25, "d": 1, "e": 8}
    rows = [{"row_id": f"{name}{i}", "schema_id": name} for name, count in counts.items() for i in range(count)]
    made = batches(rows, {name: {} for name in counts}, 8)
    assert [row for batch in made for row in batch] == rows
    assert [len(batch) for batch in made] == [7, 6, 6, 6, 8, 8]
    assert batches([], {}, 8) == []
