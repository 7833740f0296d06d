"""Whose review is decided next when there is more work than time."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest

from mesh_injector.server.turns import SLICE_SECONDS, Turns


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Work:
    """Reviews that wait for their turn, in the order in which they had it."""

    turns: Turns
    done: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    async def review(self, flow: str, cost: float, due: float = 100.0) -> None:
        if self.turns.is_busy and not await self.turns.wait(flow, due):
            self.refused.append(flow)
            return
        self.done.append(flow)
        self.turns.spend(flow, cost)


def run(waiting: int, story: Callable[[Work, Clock], Coroutine[Any, Any, None]]) -> Work:
    async def tell() -> Work:
        clock = Clock()
        work = Work(Turns(waiting, clock))
        await story(work, clock)
        return work

    return asyncio.run(tell())


async def all_of(*reviews: Coroutine[Any, Any, None]) -> None:
    await asyncio.gather(*reviews)


def test_quick_reviews_do_not_wait() -> None:
    async def story(work: Work, _: Clock) -> None:
        for _number in range(100):
            assert not work.turns.is_busy
            await work.review("shop", SLICE_SECONDS / 1000)

    assert len(run(0, story).done) == 100


def test_what_reviews_took_in_earlier_rounds_does_not_count() -> None:
    """Else one in many quick reviews would have to wait, however idle the server is."""

    async def story(work: Work, _: Clock) -> None:
        for _number in range(10):
            assert not work.turns.is_busy
            await work.review("shop", SLICE_SECONDS * 0.75)
            await asyncio.sleep(0)

    assert len(run(0, story).done) == 10


def test_reviews_of_one_round_wait_when_they_have_taken_a_slice() -> None:
    async def story(work: Work, _: Clock) -> None:
        for _number in range(3):
            assert not work.turns.is_busy
            await work.review("shop", SLICE_SECONDS * 0.4)
        assert work.turns.is_busy

    run(0, story)


def test_a_flow_that_costs_much_lets_the_others_pass() -> None:
    async def story(work: Work, _: Clock) -> None:
        heavy = [work.review("heavy", 1.0) for _ in range(10)]
        light = [work.review("light", 0.001) for _ in range(5)]
        await all_of(*heavy, *light)

    work = run(100, story)
    assert work.refused == []
    assert work.done.index("light") <= 2
    assert work.done.count("heavy") == 10
    assert "heavy" not in work.done[3:7], work.done


def test_flows_that_cost_the_same_take_turns() -> None:
    async def story(work: Work, _: Clock) -> None:
        await all_of(*(work.review(flow, 1.0) for flow in ["a"] * 6 + ["b"] * 6))

    done = run(100, story).done
    assert all(abs(done[:at].count("a") - done[:at].count("b")) <= 2 for at in range(12)), done


def test_who_was_away_has_not_saved_up() -> None:
    """A flow that comes late begins with what the others have had by then, else it would keep them waiting until it had caught up."""

    async def story(work: Work, _: Clock) -> None:
        old = [asyncio.create_task(work.review("old", 1.0)) for _ in range(40)]
        for _round in range(20):
            await asyncio.sleep(0)
        new = [asyncio.create_task(work.review("new", 1.0)) for _ in range(15)]
        await asyncio.gather(*old, *new)

    done = run(100, story).done
    assert done[20:36].count("old") >= 6, done


def test_a_review_whose_time_is_over_is_told_and_not_decided() -> None:
    async def story(work: Work, clock: Clock) -> None:
        reviews = [asyncio.create_task(work.review("shop", 1.0, due)) for due in (9.0, 1.0, 2.0, 9.0)]
        await asyncio.sleep(0)
        clock.now = 5.0
        await asyncio.gather(*reviews)

    work = run(100, story)
    assert (work.done, work.refused) == (["shop", "shop"], ["shop", "shop"])


@pytest.mark.parametrize(("flow", "refused"), [("heavy", ["heavy"] * 2), ("light", ["heavy"] * 2)])
def test_where_too_many_wait_the_flow_that_waits_most_gives_way(flow: str, refused: list[str]) -> None:
    async def story(work: Work, _: Clock) -> None:
        await all_of(*(work.review("heavy", 1.0) for _ in range(6)), work.review(flow, 1.0))

    work = run(4, story)
    assert work.refused == refused
    assert len(work.done) == 5


def test_a_review_that_was_cancelled_while_it_waited_holds_up_nobody() -> None:
    async def story(work: Work, _: Clock) -> None:
        reviews = [asyncio.create_task(work.review("shop", 1.0)) for _ in range(3)]
        await asyncio.sleep(0)
        reviews[1].cancel()
        await reviews[2]

    assert run(100, story).done == ["shop", "shop"]


def test_a_bug_in_the_order_is_told_to_all_that_wait_since_silence_would_be_a_yes() -> None:
    class Broken(Clock):
        def __call__(self) -> float:
            if self.now:
                raise ZeroDivisionError("a bug")
            return 0.0

    async def story() -> list[bool | BaseException]:
        clock = Broken()
        turns = Turns(9, clock)
        waiting = [asyncio.create_task(turns.wait(flow, 100.0)) for flow in "aab"]
        clock.now = 1.0
        told = await asyncio.gather(*waiting, return_exceptions=True)
        assert not turns.is_busy
        clock.now = 0.0
        return [*told, await turns.wait("a", 100.0)]

    *told, after = asyncio.run(asyncio.wait_for(story(), 10))
    assert [type(each) for each in told] == [ZeroDivisionError] * 3
    assert after is True
