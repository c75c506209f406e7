"""What a crowd wants at the same time is done in one go, each gets their own answer, and one who fails harms nobody."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy.exc import OperationalError

from campaign.edges.together import Together


class Doubling:
    """Doubles numbers; remembers how many at a time, and can be made to wait while a crowd gathers."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.may_go = threading.Event()
        self.may_go.set()
        self.has_begun = threading.Event()

    def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.has_begun.set()
        assert self.may_go.wait(10)
        self.sizes.append(len(numbers))
        if -1 in numbers:
            raise ZeroDivisionError
        if -2 in numbers:
            raise OperationalError("", {}, Exception("away"))
        return [number * 2 for number in numbers]


def ask_all(together: Together[int, int], doubling: Doubling, numbers: Sequence[int]) -> list[int | BaseException]:
    """Ask for the first, and for the others while it is being done."""

    def ask(number: int) -> int | BaseException:
        try:
            return together.ask(number)
        except Exception as error:
            return error

    doubling.may_go.clear()
    with ThreadPoolExecutor(len(numbers)) as pool:
        first = pool.submit(ask, numbers[0])
        assert doubling.has_begun.wait(10)
        others = [pool.submit(ask, number) for number in numbers[1:]]
        while len(together._waiting) < len(others):
            threading.Event().wait(0.001)
        doubling.may_go.set()
        return [asked.result(10) for asked in (first, *others)]


def test_those_who_come_meanwhile_are_done_together_and_each_gets_their_own() -> None:
    doubling = Doubling()
    assert ask_all(Together(doubling, most=32), doubling, list(range(12))) == list(range(0, 24, 2))
    assert doubling.sizes == [1, 11]


def test_no_more_than_the_most_are_done_at_once_and_the_next_leads() -> None:
    doubling = Doubling()
    together = Together(doubling, most=4)
    assert sorted(ask_all(together, doubling, list(range(12)))) == list(range(0, 24, 2))
    assert doubling.sizes == [1, 4, 4, 3]
    assert together.ask(21) == 42, "the last who led gave the lead back"


def test_one_who_fails_fails_alone() -> None:
    doubling = Doubling()
    found = ask_all(Together(doubling, most=32), doubling, [1, 2, -1, 3])
    assert [found[0], found[1], found[3]] == [2, 4, 6]
    assert isinstance(found[2], ZeroDivisionError)
    assert doubling.sizes == [1, 3, 1, 1, 1]


def test_a_database_that_is_away_is_away_for_all_and_asked_once() -> None:
    doubling = Doubling()
    found = ask_all(Together(doubling, most=32), doubling, [1, 2, -2, 3])
    assert found[0] == 2
    assert {type(one) for one in found[1:]} == {OperationalError}
    assert doubling.sizes == [1, 3]


def test_a_leader_that_fails_leads_nobody_into_waiting_for_ever() -> None:
    doubling = Doubling()
    together = Together(doubling, most=2)
    with pytest.raises(ZeroDivisionError):
        together.ask(-1)
    assert together.ask(4) == 8
