"""A reflector ends up with what the API server has, and tells every deletion, whatever happens to its lists and watches."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from mesh_injector.kube import client
from mesh_injector.kube.client import Cluster
from mesh_injector.kube.credentials import Credentials
from mesh_injector.kube.lists import Scope
from mesh_injector.kube.reflector import Pace, Reflector
from mesh_injector.kube.resource import CONFIG_MAPS, MESHES, NAMESPACES, Key, Object, Resource
from tests.kube import fake
from tests.kube.fake import ApiServer, until

PACE = Pace(page=2, list_seconds=0.5, idle_seconds=0.3, first_backoff=0.001, last_backoff=0.02, lasting_seconds=0.05)


class Told:
    """What a reflector told: names that came or changed with a `+`, those that went with a `-`."""

    def __init__(self) -> None:
        self.changes: list[str] = []
        self.states = 0

    def changed(self, key: Key, body: Object | None) -> None:
        self.changes.append(("-" if body is None else "+") + key[1])

    def state(self) -> None:
        self.states += 1


@contextlib.asynccontextmanager
async def reflecting(cluster: Cluster, scope: Scope | Resource, pace: Pace = PACE) -> AsyncIterator[tuple[Reflector, Told]]:
    told = Told()
    reflector = Reflector(cluster, scope if isinstance(scope, Scope) else Scope(scope), told, pace)
    task = asyncio.create_task(reflector.run())
    try:
        yield reflector, told
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def names(reflector: Reflector) -> set[str]:
    return {name for _, name in reflector.objects}


def test_what_is_there_is_listed_page_by_page_and_what_comes_is_watched(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with fake.running(tmp_path) as (api, cluster):
            for name in "abcde":
                api.put("Namespace", name, metadata={"labels": {"team": name}})
            async with reflecting(cluster, NAMESPACES) as (reflector, told):
                await until(lambda: reflector.synced)
                assert (api.asked["list namespaces"], names(reflector), told.states) == (3, set("abcde"), 1)
                api.put("Namespace", "f")
                api.put("Namespace", "a", metadata={"labels": {"team": "x"}})
                api.remove("Namespace", "b")
                await until(lambda: told.changes[5:] == ["+f", "+a", "-b"])
                body = reflector.objects["", "a"]
                assert (body["kind"], body["apiVersion"], body["metadata"]["labels"]) == ("Namespace", "v1", {"team": "x"})
                assert all("managedFields" not in body["metadata"] for body in reflector.objects.values())
                assert reflector.last_event > 1.7e9
                assert api.asked["watch namespaces"] == 1

    asyncio.run(scenario())


def test_objects_of_a_list_know_their_kind_and_version_and_only_labelled_ones_of_the_namespace_come(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with fake.running(tmp_path) as (api, cluster):
            api.put("ConfigMap", "mine", "shop", metadata={"labels": {"our/label": "true"}})
            api.put("ConfigMap", "other", "shop")
            api.put("ConfigMap", "away", "bank", metadata={"labels": {"our/label": "true"}})
            async with reflecting(cluster, Scope(CONFIG_MAPS, "shop", "our/label=true")) as (reflector, _):
                await until(lambda: reflector.synced)
                assert reflector.objects.keys() == {("shop", "mine")}
                assert [(body["apiVersion"], body["kind"]) for body in reflector.objects.values()] == [("v1", "ConfigMap")]

    asyncio.run(scenario())


def test_after_a_410_it_lists_again_and_tells_the_deletions_that_the_watch_missed(tmp_path: Path) -> None:
    async def scenario() -> None:
        api = ApiServer()
        api.put("Mesh", "stays", "a")
        api.put("Mesh", "goes", "a")
        async with fake.running(tmp_path, api) as (_, cluster), reflecting(cluster, MESHES) as (reflector, told):
            await until(lambda: api.asked["watch meshes"])
            api.silent = True  # this watch hears nothing any more, and is given up for it
            api.remove("Mesh", "goes", "a")
            api.put("Mesh", "comes", "a")
            api.compact()
            api.silent = False
            await until(lambda: told.changes[2:] == ["-goes", "+comes"])
            assert names(reflector) == {"stays", "comes"}
            assert reflector.restarts["expired"] == 1

    asyncio.run(scenario())


def test_a_server_that_says_410_for_ever_is_listed_with_pauses_and_what_changes_is_still_seen(tmp_path: Path) -> None:
    async def scenario() -> None:
        api = ApiServer()
        api.gone = True
        pace = Pace(first_backoff=0.02, last_backoff=0.1)
        async with fake.running(tmp_path, api) as (_, cluster), reflecting(cluster, MESHES, pace) as (reflector, told):
            api.put("Mesh", "one", "a")
            await until(lambda: names(reflector) == {"one"})
            api.remove("Mesh", "one", "a")
            await until(lambda: not reflector.objects)
            assert told.changes == ["+one", "-one"]
            begun = api.asked["list meshes"]
            await until(lambda: api.asked["list meshes"] > begun + 5)
            assert api.most_listing == 1

    asyncio.run(scenario())


def test_a_watch_that_is_cut_again_and_again_goes_on_where_it_was_and_lists_only_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        api = ApiServer()
        api.cut = 0.06
        async with fake.running(tmp_path, api) as (_, cluster), reflecting(cluster, MESHES) as (reflector, told):
            await until(lambda: api.asked["watch meshes"] > 3)
            for number in range(20):
                api.put("Mesh", f"mesh-{number}", "a")
                await asyncio.sleep(0.01)
            await until(lambda: len(reflector.objects) == 20)
            assert (api.asked["list meshes"], len(told.changes)) == (1, 20)
            assert reflector.restarts["unreachable"] + reflector.restarts["ended"] > 3

    asyncio.run(scenario())


def test_a_connection_that_says_nothing_any_more_is_given_up_and_the_next_one_brings_what_was_missed(tmp_path: Path) -> None:
    async def scenario() -> None:
        api = ApiServer()
        api.silent = True
        async with fake.running(tmp_path, api) as (_, cluster), reflecting(cluster, MESHES) as (reflector, told):
            await until(lambda: api.asked["watch meshes"] == 1)
            api.put("Mesh", "missed", "a")
            await until(lambda: reflector.restarts["unreachable"])
            api.silent = False
            await until(lambda: told.changes == ["+missed"])
            assert (api.asked["list meshes"], list(reflector.restarts)) == (1, ["unreachable"])

    asyncio.run(scenario())


GARBAGE = {
    "no JSON": b"hello\n",
    "half a line": b'{"type": "ADDED", "obj',
    "no object": b"[1]\n",
    "no type": b"{}\n",
    "an event without an object": b'{"type": "ADDED"}\n',
    "an object without a name": b'{"type": "ADDED", "object": {"metadata": {"resourceVersion": "5"}}}\n',
    "an object without metadata": b'{"type": "ADDED", "object": {}}\n',
    "metadata of the wrong type": b'{"type": "MODIFIED", "object": {"metadata": ["x"]}}\n',
    "a name of the wrong type": b'{"type": "ADDED", "object": {"metadata": {"name": 7, "resourceVersion": "5"}}}\n',
    "deep nesting": b"[" * 100_000 + b"\n",
    "an endless line": b'{"a": "' + b"x" * 9_000_000 + b'"}\n',
    "an error that is no 410": b'{"type": "ERROR", "object": {"code": 500, "message": "etcd is gone"}}\n',
    "an error with a foolish code": b'{"type": "ERROR", "object": {"code": "x"}}\n',
    "no UTF-8": b'{"type": "\xff\xfe"}\n',
}


@pytest.mark.parametrize("line", GARBAGE.values(), ids=GARBAGE.keys())
def test_what_is_no_event_ends_the_watch_and_nothing_that_was_known_is_lost(tmp_path: Path, line: bytes) -> None:
    async def scenario() -> None:
        api = ApiServer()
        api.put("Mesh", "one", "a")
        api.garbage = line
        async with fake.running(tmp_path, api) as (_, cluster), reflecting(cluster, MESHES) as (reflector, told):
            await until(lambda: api.asked["list meshes"] > 2)  # it lists again: what the watch said cannot be trusted
            assert (names(reflector), told.changes) == ({"one"}, ["+one"])
            api.garbage = b""
            api.put("Mesh", "two", "a")
            await until(lambda: names(reflector) == {"one", "two"})
            assert reflector.restarts["unreadable"] + reflector.restarts["refused"] > 1
            assert not reflector.restarts["internal"]

    asyncio.run(scenario())


def test_a_list_that_takes_too_long_is_given_up_and_only_one_is_open_at_a_time(tmp_path: Path) -> None:
    async def scenario() -> None:
        api = ApiServer()
        api.put("Mesh", "one", "a")
        api.hang = True
        pace = Pace(list_seconds=0.05, first_backoff=0.001, last_backoff=0.01)
        async with fake.running(tmp_path, api) as (_, cluster), reflecting(cluster, MESHES, pace) as (reflector, _):
            await until(lambda: api.asked["list meshes"] > 3)
            assert not reflector.synced
            assert reflector.error is not None
            assert "takes longer" in str(reflector.error)
            assert api.most_listing <= 2  # the server may notice a moment later that its client has gone
            api.hang = False
            await until(lambda: reflector.synced)
            assert names(reflector) == {"one"}
            assert not reflector.error

    asyncio.run(scenario())


BAD_LISTS: dict[str, Any] = {
    "no items": {"metadata": {"resourceVersion": "1"}},
    "items that are no objects": {"metadata": {"resourceVersion": "1"}, "items": [1]},
    "no resource version": {"metadata": {}, "items": []},
    "an item without a name": {"metadata": {"resourceVersion": "1"}, "items": [{"metadata": {"resourceVersion": "1"}}]},
}


@pytest.mark.parametrize("body", BAD_LISTS.values(), ids=BAD_LISTS.keys())
def test_a_list_that_is_none_is_not_believed(tmp_path: Path, body: Any) -> None:
    class Strange(ApiServer):
        async def answer(self, request: web.Request) -> web.StreamResponse:  # noqa: ARG002 - it says the same to everybody
            self.asked["any"] += 1
            return web.Response(body=json.dumps(body).encode())

    async def scenario() -> None:
        async with fake.running(tmp_path, Strange()) as (api, cluster), reflecting(cluster, MESHES) as (reflector, told):
            await until(lambda: api.asked["any"] > 2)
            assert (reflector.synced, told.changes) == (False, [])
            assert reflector.restarts["unreadable"] >= 1

    asyncio.run(scenario())


def test_while_the_api_server_is_away_everything_is_kept_and_its_return_brings_what_changed(tmp_path: Path) -> None:
    async def scenario() -> None:
        api = ApiServer()
        api.put("Mesh", "kept", "a")
        api.put("Mesh", "goes", "a")
        async with contextlib.AsyncExitStack() as stack:
            up = await stack.enter_async_context(contextlib.AsyncExitStack())
            url = await up.enter_async_context(fake.serving(api))
            port = int(url.rpartition(":")[2])
            cluster = await stack.enter_async_context(client.connect(Credentials(str(fake.kubeconfig(tmp_path, url)))))
            reflector, _ = await stack.enter_async_context(reflecting(cluster, MESHES))
            await until(lambda: api.asked["watch meshes"])
            await up.aclose()
            await until(lambda: reflector.restarts["unreachable"] > 3)
            assert names(reflector) == {"kept", "goes"}
            assert reflector.error is not None
            api.remove("Mesh", "goes", "a")
            await up.enter_async_context(fake.serving(api, port))
            await until(lambda: names(reflector) == {"kept"})
            assert reflector.error is None

    asyncio.run(scenario())


def test_an_object_read_beside_the_watch_counts_only_where_the_watch_has_not_come_past_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        api = ApiServer()
        old = api.put("Mesh", "one", "a")
        async with fake.running(tmp_path, api) as (_, cluster), reflecting(cluster, MESHES) as (reflector, told):
            await until(lambda: api.asked["watch meshes"])
            api.remove("Mesh", "one", "a")
            await until(lambda: told.changes == ["+one", "-one"])
            reflector.offer(json.loads(json.dumps(old)))
            assert not reflector.objects
            api.silent = True
            newer = api.put("Mesh", "one", "a")
            reflector.offer(json.loads(json.dumps(newer)))
            assert told.changes == ["+one", "-one", "+one"]
            strange = {"metadata": {"name": "x", "resourceVersion": "not-a-number"}}
            reflector.offer(strange)
            assert names(reflector) == {"one"}

    asyncio.run(scenario())
