"""Concurrent requests are processed in one batch: each caller gets its own result, and a failing request does not affect the others."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import pytest
from sqlalchemy.exc import OperationalError

from campaign.edges.group_commit import GroupCommit
from tests.patience import PATIENCE_SECONDS


class Doubling:
    """Doubles numbers, records the size of each batch, and can be blocked while requests accumulate."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.may_go = threading.Event()
        self.may_go.set()
        self.has_begun = threading.Event()

    def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.has_begun.set()
        assert self.may_go.wait(PATIENCE_SECONDS)
        self.sizes.append(len(numbers))
        if -1 in numbers:
            raise ZeroDivisionError
        if -2 in numbers:
            raise OperationalError("", {}, Exception("unavailable"))
        return [number * 2 for number in numbers]


def submit_all(group: GroupCommit[int, int], doubling: Doubling, numbers: Sequence[int]) -> list[int | BaseException]:
    """Submit the first number, and the others while it is being processed."""

    def submit(number: int) -> int | BaseException:
        try:
            return group.submit(number)
        except Exception as error:
            return error

    doubling.may_go.clear()
    with ThreadPoolExecutor(len(numbers)) as pool:
        first = pool.submit(submit, numbers[0])
        assert doubling.has_begun.wait(PATIENCE_SECONDS)
        others = [pool.submit(submit, number) for number in numbers[1:]]
        while len(group._waiting) < len(others):
            threading.Event().wait(0.001)
        doubling.may_go.set()
        return [future.result(PATIENCE_SECONDS) for future in (first, *others)]


def test_requests_that_arrive_meanwhile_are_processed_together_and_each_gets_its_own_result() -> None:
    doubling = Doubling()
    assert submit_all(GroupCommit(doubling, max_batch=32), doubling, list(range(12))) == list(range(0, 24, 2))
    assert doubling.sizes == [1, 11]


def test_a_batch_is_limited_in_size_and_a_waiting_caller_leads_the_next() -> None:
    doubling = Doubling()
    group = GroupCommit(doubling, max_batch=4)
    assert sorted(cast("list[int]", submit_all(group, doubling, list(range(12))))) == list(range(0, 24, 2))
    assert doubling.sizes == [1, 4, 4, 3]
    assert group.submit(21) == 42, "the last leader passed the lead on"


def test_a_request_that_fails_fails_alone() -> None:
    doubling = Doubling()
    found = submit_all(GroupCommit(doubling, max_batch=32), doubling, [1, 2, -1, 3])
    assert [found[0], found[1], found[3]] == [2, 4, 6]
    assert isinstance(found[2], ZeroDivisionError)
    assert doubling.sizes == [1, 3, 1, 1, 1]


def test_an_unavailable_database_fails_the_whole_batch_after_one_attempt() -> None:
    doubling = Doubling()
    found = submit_all(GroupCommit(doubling, max_batch=32), doubling, [1, 2, -2, 3])
    assert found[0] == 2
    assert {type(error) for error in found[1:]} == {OperationalError}
    assert doubling.sizes == [1, 3]


def test_a_leader_that_fails_does_not_block_later_callers() -> None:
    doubling = Doubling()
    group = GroupCommit(doubling, max_batch=2)
    with pytest.raises(ZeroDivisionError):
        group.submit(-1)
    assert group.submit(4) == 8
