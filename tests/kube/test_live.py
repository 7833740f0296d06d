"""Single objects are read so rarely that nobody can make a flood of it, and never answered by what was asked for too early."""

import asyncio
from pathlib import Path

import pytest

from mesh_injector.errors import ClusterError
from mesh_injector.kube.live import Limits, Live
from mesh_injector.kube.resource import MESHES, NAMESPACES
from tests.kube import fake
from tests.kube.fake import ApiServer


def test_an_object_is_read_and_one_that_is_not_there_is_none(tmp_path: Path) -> None:
    async def scenario() -> None:
        api = ApiServer()
        api.put("Mesh", "one", "a", spec={"region": "x"})
        async with fake.running(tmp_path, api) as (_, cluster):
            live = Live(cluster)
            found = await live.read(MESHES, "a", "one")
            assert found is not None
            assert found["spec"] == {"region": "x"}
            assert await live.read(MESHES, "a", "two") is None
            api.refused = 500
            with pytest.raises(ClusterError) as caught:
                await live.read(MESHES, "a", "three")
            assert caught.value.status == 500
            await live.stop()

    asyncio.run(scenario())


def test_a_thousand_equal_questions_at_once_are_one_and_later_ones_wait_for_a_newer_answer(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with fake.running(tmp_path) as (api, cluster):
            live = Live(cluster, Limits(spacing_seconds=0.1))
            answers = await asyncio.gather(*(live.read(NAMESPACES, "", "shop") for _ in range(1000)))
            assert (set(answers), api.asked["get namespaces"]) == ({None}, 1)
            api.put("Namespace", "shop")
            answers = await asyncio.gather(*(live.read(NAMESPACES, "", "shop") for _ in range(1000)))
            assert all(answers)  # what was asked before it was there would have been a lie
            assert api.asked["get namespaces"] == 2
            await live.stop()

    asyncio.run(scenario())


def test_the_same_is_not_asked_more_often_than_the_spacing_allows(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with fake.running(tmp_path) as (api, cluster):
            live = Live(cluster, Limits(spacing_seconds=30))
            await live.read(NAMESPACES, "", "shop")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(live.read(NAMESPACES, "", "shop"), 0.05)
            assert api.asked["get namespaces"] == 1
            await live.stop()

    asyncio.run(scenario())


def test_different_questions_are_bounded_by_a_rate_whoever_asks_them(tmp_path: Path) -> None:
    async def scenario() -> None:
        now = [0.0]
        async with fake.running(tmp_path) as (api, cluster):
            live = Live(cluster, Limits(per_second=2, burst=5, spacing_seconds=0, open=1000), lambda: now[0])

            async def ask(number: int) -> str:
                try:
                    await live.read(NAMESPACES, "", f"hostile-{number}")
                except ClusterError as error:
                    return str(error.status)
                return "answered"

            first = await asyncio.gather(*map(ask, range(500)))
            assert (first.count("answered"), first.count("429"), api.asked["get namespaces"]) == (5, 495, 5)
            now[0] = 1.0
            assert (await asyncio.gather(*map(ask, range(500, 600)))).count("answered") == 2
            now[0] = 1000.0
            assert (await asyncio.gather(*map(ask, range(600, 700)))).count("answered") == 5
            await live.stop()

    asyncio.run(scenario())


def test_only_so_many_questions_are_open_and_one_that_hangs_ends(tmp_path: Path) -> None:
    async def scenario() -> None:
        api = ApiServer()
        async with fake.running(tmp_path, api) as (_, cluster):
            live = Live(cluster, Limits(open=3, timeout_seconds=0.2, spacing_seconds=0, burst=100))
            api.hang = True
            tasks = [asyncio.create_task(live.read(NAMESPACES, "", f"n{number}")) for number in range(10)]
            done = await asyncio.gather(*tasks, return_exceptions=True)
            assert sorted(error.status for error in done if isinstance(error, ClusterError)) == [0] * 3 + [429] * 7
            api.hang = False
            await live.stop()

    asyncio.run(scenario())


def test_who_stops_waiting_takes_nothing_away_from_the_others(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with fake.running(tmp_path) as (api, cluster):
            api.put("Namespace", "shop")
            live = Live(cluster)
            one, two = (asyncio.create_task(live.read(NAMESPACES, "", "shop")) for _ in range(2))
            await asyncio.sleep(0)
            one.cancel()
            assert await two is not None
            assert api.asked["get namespaces"] == 1
            await live.stop()

    asyncio.run(scenario())
