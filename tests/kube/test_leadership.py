"""One leader at a time: whatever a renewal meets, who leads stops before anybody else begins."""

import asyncio
import contextlib
import copy
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, cast

import pytest

from mesh_injector import reasons
from mesh_injector.errors import ClusterError, Problem
from mesh_injector.kube.client import Cluster
from mesh_injector.kube.fence import Fenced
from mesh_injector.kube.leadership import Deposed, Leadership, Pace, Term

PACE: Final = Pace(renew=0.3, retry=0.02, call=0.1, release=0.1)
NAME: Final = ("mesh-system", "mesh-injector")


class Leases:
    """One Lease in an API server that a test can break: `fault` is done before each request, and may raise or wait."""

    def __init__(self) -> None:
        self.body: dict[str, Any] | None = {"metadata": {"name": NAME[1], "resourceVersion": "1"}}
        self.fault: Callable[[str], Awaitable[None]] | None = None
        self.asked: list[str] = []

    @property
    def holder(self) -> str:
        return str((self.body or {}).get("spec", {}).get("holderIdentity", ""))

    async def get(self, path: str) -> dict[str, Any]:
        return await self.request("GET", path)

    async def request(self, method: str, _path: str, body: dict[str, Any] | None = None, *_how: Any) -> dict[str, Any]:
        self.asked.append(method)
        if self.fault:
            await self.fault(method)
        if self.body is None:
            raise refused(404)
        if method == "PUT" and body:
            if body["metadata"]["resourceVersion"] != self.body["metadata"]["resourceVersion"]:
                raise refused(409)
            version = str(int(self.body["metadata"]["resourceVersion"]) + 1)
            self.body = {**body, "metadata": {**body["metadata"], "resourceVersion": version}}
        return copy.deepcopy(self.body)


def refused(status: int) -> ClusterError:
    return ClusterError(Problem(reasons.CLUSTER_REFUSED, f"HTTP {status}"), status)


class Candidate:
    """A replica: whether it leads, and whether its work runs, which asks its term before each step."""

    def __init__(self, leases: Leases, name: str, work: Callable[[Term], Awaitable[None]] | None = None) -> None:
        self.told: list[bool] = []
        self.working = 0
        self.ended = asyncio.Event()
        self._work = work
        self.leadership = Leadership(cast("Cluster", leases), NAME, name, self.told.append, PACE)

    async def work(self, term: Term) -> None:
        self.working += 1
        try:
            await (self._work(term) if self._work else asyncio.Event().wait())
        finally:
            self.working -= 1
            self.ended.set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Candidate"]:
        task = asyncio.create_task(self.leadership.lead(self.work))
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def until(question: Callable[[], object], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not question():  # noqa: ASYNC110 # what is asked comes from several places
            await asyncio.sleep(0.005)


def test_one_of_two_leads_and_the_other_does_as_soon_as_it_has_gone() -> None:
    async def story() -> None:
        leases = Leases()
        async with Candidate(leases, "two").running() as two:
            async with Candidate(leases, "one").running() as one:
                await until(lambda: one.working + two.working)
                first, second = (one, two) if one.working else (two, one)
                await asyncio.wait_for(until(lambda: len(leases.asked) > 20), 10)
                assert (first.told, second.told) == ([False, True], [False])
            await until(lambda: two.working)
            assert (leases.holder, one.working, one.told[-1]) == ("two", 0, False)

    asyncio.run(story())


async def _raises(_method: str) -> None:
    raise RuntimeError("something that nobody thought of")


async def _hangs(_method: str) -> None:
    await asyncio.Event().wait()


async def _forbids(_method: str) -> None:
    raise refused(403)


async def _hangs_at_writes(method: str) -> None:
    if method == "PUT":
        await asyncio.Event().wait()


@pytest.mark.parametrize("fault", [_raises, _hangs, _forbids, _hangs_at_writes])
def test_who_cannot_renew_ends_its_work_and_leads_again_when_it_can(fault: Callable[[str], Awaitable[None]]) -> None:
    async def story() -> None:
        leases = Leases()
        async with Candidate(leases, "one").running() as one:
            await until(lambda: one.working)
            leases.fault = fault
            await until(lambda: one.told[-1] is False)
            assert one.working == 0
            leases.fault = None
            await until(lambda: one.working)

    asyncio.run(story())


def test_one_renewal_that_fails_is_no_reason_to_stop() -> None:
    async def story() -> None:
        leases = Leases()
        async with Candidate(leases, "one").running() as one:
            await until(lambda: one.working)
            leases.fault = _raises
            before = len(leases.asked)
            await until(lambda: len(leases.asked) > before)
            leases.fault = None
            await until(lambda: len(leases.asked) > before + 30)
            assert one.told == [False, True]

    asyncio.run(story())


def test_who_finds_another_name_in_its_lease_stops_at_once() -> None:
    async def story() -> None:
        leases = Leases()
        async with Candidate(leases, "one").running() as one:
            await until(lambda: one.working)
            assert leases.body
            leases.body["metadata"]["resourceVersion"] = "77"
            leases.body["spec"] |= {"holderIdentity": "two"}
            await until(lambda: one.told[-1] is False)
            assert (one.working, leases.holder) == (0, "two")

    asyncio.run(story())


def test_a_lease_that_is_not_there_is_not_made(capsys: pytest.CaptureFixture[str]) -> None:
    async def story() -> None:
        leases = Leases()
        leases.body = None
        async with Candidate(leases, "one").running() as one:
            await until(lambda: len(leases.asked) > 5)
            assert (set(leases.asked), one.told, one.working) == ({"GET"}, [False], 0)

    asyncio.run(story())
    said = "".join(capsys.readouterr())
    assert said.count("can be neither taken nor renewed") == 1
    assert "Traceback" not in said


def test_a_work_that_fails_gives_the_lease_to_another(capsys: pytest.CaptureFixture[str]) -> None:
    async def fails(_term: Term) -> None:
        raise RuntimeError("a bug")

    async def story() -> None:
        leases = Leases()
        async with Candidate(leases, "one", fails).running() as one:
            await until(one.ended.is_set)
            await until(lambda: leases.holder == "")

    asyncio.run(story())
    assert "internal error: the leader's work ended" in "".join(capsys.readouterr())


def test_nobody_waits_for_a_lease_that_is_given_back_at_the_end_of_a_process() -> None:
    async def story() -> None:
        leases = Leases()
        async with Candidate(leases, "one").running() as one:
            await until(lambda: one.working)
        assert (leases.holder, one.working, one.told) == ("", 0, [False, True, False])

    asyncio.run(story())


def test_the_work_has_ended_before_the_lease_is_given_back() -> None:
    async def story() -> None:
        leases, seen = Leases(), []

        async def slow_to_end(_term: Term) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                seen.append(leases.holder)

        async with Candidate(leases, "one", slow_to_end).running() as one:
            await until(lambda: one.working)
        assert seen == ["one"]

    asyncio.run(story())


# --- the fence ------------------------------------------------------------------------------------------------------------------------


class Clock:
    """A clock that a test sets, as a process finds it that was frozen."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_after_its_term_a_leader_sends_nothing_even_if_it_does_not_know_yet() -> None:
    async def story() -> None:
        leases, clock = Leases(), Clock()
        term = Term("one/1", clock)
        fenced = Fenced(cast("Cluster", leases), term)
        with pytest.raises(Deposed):
            await fenced.get("/before")
        term.last_until(110)
        await fenced.get("/within")
        clock.now = 110.0
        for ask in (fenced.get("/a"), fenced.apply("/a", {}), fenced.request("POST", "/a")):
            with pytest.raises(Deposed):
                await ask
        assert leases.asked == ["GET"]

    asyncio.run(story())


def test_a_request_takes_no_longer_than_the_term_lasts() -> None:
    async def story() -> None:
        leases, clock = Leases(), Clock()
        leases.fault = _hangs
        term = Term("one/1", clock)
        term.last_until(clock.now + 0.05)
        with pytest.raises(ClusterError) as caught:
            await Fenced(cast("Cluster", leases), term).get("/a")
        assert (caught.value.status, caught.value.problem.code) == (0, reasons.CLUSTER_UNREACHABLE)

    asyncio.run(story())


def test_a_term_that_was_ended_gives_no_seconds() -> None:
    term = Term("one/1", Clock())
    term.last_until(200)
    assert (term.seconds(5), term.seconds(1000)) == (5, 100)
    term.end()
    with pytest.raises(Deposed):
        term.seconds(5)
