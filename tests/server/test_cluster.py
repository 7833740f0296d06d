"""A server on a cluster: what its path tells it, what it does while the API server is away, and what it says of itself."""

import asyncio
import contextlib
import functools
import json
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from mesh_injector.engine.rules import Namespace
from mesh_injector.kube.credentials import Credentials
from mesh_injector.server import Addresses, Limits, Options, running
from mesh_injector.server import witness as witnesses
from mesh_injector.server.witness import Witness, witness
from tests.kube import fake
from tests.kube.fake import ApiServer, until_asked

MESH = {
    "enableAutoInject": True,
    "injectionSelector": {"podSelector": {"matchLabels": {"app": "cart"}}, "namespaceSelector": {"matchLabels": {"team": "shop"}}},
    "sidecarPatchConfigMap": {"name": "envoy"},
}
TEMPLATE = "containers: [{name: envoy, image: envoy:v1}]"
SHOP = {"labels": {"team": "shop"}}


@dataclass
class Door:
    """A running server, and what reaches it."""

    api: ApiServer
    addresses: Addresses
    session: aiohttp.ClientSession

    async def post(self, path: str, namespace: str = "shop", within: str = "5s", **labels: str) -> tuple[int, dict[str, Any]]:
        """Ask about a pod, and return the status and the answer's `response`."""
        pod = {"metadata": {"name": "cart", "labels": labels or {"app": "cart"}}, "spec": {"containers": [{"name": "app", "image": "a:1"}]}}
        request = {
            "uid": "1",
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "namespace": namespace,
            "operation": "CREATE",
            "object": pod,
        }
        body = {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}
        url = self.addresses.mutate.removesuffix("/mutate") + path
        async with self.session.post(url, json=body, params={"timeout": within}) as response:
            text = await response.text()
            return response.status, json.loads(text)["response"] if response.status == 200 else {"text": text}

    async def reason(self, path: str, namespace: str = "shop", within: str = "5s", **labels: str) -> str:
        """Why the pod got its answer; a `!` before it where it is refused."""
        status, response = await self.post(path, namespace, within, **labels)
        assert status == 200, response
        return ("" if response["allowed"] else "!") + str(response["auditAnnotations"]["reason"])

    async def answers(self, reason: str, **labels: str) -> bool:
        return await self.reason("/mutate", **labels) == reason

    async def is_known_without_asking(self, path: str) -> bool:
        before = self.api.asked["get meshes"]
        return await self.reason(path) == "Injected" and self.api.asked["get meshes"] == before

    async def has_other_patch(self, than: dict[str, Any]) -> bool:
        return bool((await self.post("/mutate"))[1]["patch"] != than["patch"])

    async def measures(self, text: str) -> bool:
        return text in await self.health("/metrics")

    async def health(self, path: str) -> str:
        async with self.session.get(self.addresses.health + path) as response:
            return await response.text()


@contextlib.asynccontextmanager
async def serving(folder: Path, api: ApiServer, *sources: str) -> AsyncIterator[Door]:
    """A server on an API server that has the namespace `shop`, a mesh at home and its template."""
    api.put("Namespace", "shop", metadata=SHOP)
    api.put("Mesh", "payments", "mesh-system", spec=MESH)
    api.put("ConfigMap", "envoy", "mesh-system", data={"patch": TEMPLATE}, metadata={"labels": {"mesh-injector.io/template": "true"}})
    async with fake.serving(api) as url:
        credentials = Credentials(str(fake.kubeconfig(folder, url)))
        limits = Limits(drain_seconds=1)
        options = Options((*sources, "cluster"), host="127.0.0.1", port=0, health_port=0, credentials=credentials, limits=limits)
        async with running(options) as addresses:
            context = ssl.create_default_context(cadata=addresses.ca.decode())
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
                yield Door(api, addresses, session)


PATH = "/mutate/mesh-system/payments"


def test_a_path_is_read_strictly() -> None:
    assert witness("/mutate") == Witness()
    assert witness("/mutate/shop") == Witness("shop")
    assert witness("/mutate/shop/payments/12") == Witness("shop", "payments", 12)
    for path in (
        *("/mutate/", "/mutate/a/", "/mutate/a/b", "/mutate/a/b/", "/mutate/a/b/0", "/mutate/a/b/01", "/mutate/a/b/x", "/mutate/a/b/1/c"),
        *("/mutate/../x/1", "/mutate/a/../1", "/mutate/A/b/1", "/mutate/a%2Fb/c/1", f"/mutate/{'a' * 64}/b/1", "/mutate/a/b/" + "9" * 30),
        *("/mutate/a/b/-1", "/mutate/a\n/b/1", "/mutate/a.b/c/1", "/mutate/a/b/١", "//mutate", "/mutates"),
    ):
        assert witness(path) is None, path


def test_a_path_that_is_too_long_to_be_one_takes_no_room() -> None:
    longest = f"/mutate/{'a' * 63}/{'b' * 63}/{'9' * 18}"
    assert witness(longest) == Witness("a" * 63, "b" * 63, int("9" * 18))
    before = witnesses._read.cache_info().currsize
    for number in range(100):
        assert witness(f"/mutate/{number}{'x' * 200}") is None
    assert witnesses._read.cache_info().currsize == before


def test_what_is_known_is_decided_without_asking_anybody(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(tmp_path, ApiServer()) as door:
            for path in ("/mutate", f"{PATH}/1", "/mutate/shop"):
                assert await door.reason(path) == "Injected"
            assert await door.reason(f"{PATH}/1", app="other") == "NoMeshMatched"
            assert (door.api.asked["get meshes"], door.api.asked["get namespaces"]) == (0, 0)
            for path in ("/mutate/a/b", "/mutate/", "/other"):
                assert (await door.post(path))[0] == 404

    asyncio.run(scenario())


def test_a_namespace_that_the_watch_has_not_brought_is_looked_up_and_one_that_is_not_there_is_refused(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(tmp_path, ApiServer()) as door:
            door.api.silent = True
            door.api.put("Namespace", "new", metadata=SHOP)
            assert await door.reason(f"{PATH}/1", "new") == "Injected"
            door.api.put("Namespace", "newer", metadata=SHOP)
            assert await door.reason("/mutate", "newer") == "Injected"
            assert door.api.asked["get namespaces"] == 2
            for path in ("/mutate", f"{PATH}/1", "/mutate/none"):
                assert await door.reason(path, "none") == "!NamespaceUnknown"
            assert await door.reason("/mutate", "../../evil") == "!NotReady"
            assert await door.reason("/mutate", "") == "!NotReady"

    asyncio.run(scenario())


def test_labels_of_a_namespace_that_disagree_with_the_api_server_are_looked_up(tmp_path: Path) -> None:
    async def scenario() -> None:
        api = ApiServer()
        api.put("Namespace", "late")
        api.put("Namespace", "opened", metadata={"labels": {"team": "shop", "mesh-injector.io/inject": "disabled"}})
        async with serving(tmp_path, api) as door:
            assert await door.reason("/mutate", "late") == "NoMeshMatched"
            assert await door.reason("/mutate", "opened") == "OptedOutByNamespace"
            api.silent = True
            api.put("Namespace", "late", metadata=SHOP)
            api.put("Namespace", "opened", metadata=SHOP)
            assert await door.reason("/mutate", "late") == "NoMeshMatched"  # nobody told that it should
            assert await door.reason(f"{PATH}/1", "late") == "Injected"
            assert await door.reason("/mutate/mesh-system", "opened") == "Injected"
            assert api.asked["get namespaces"] == 2
            api.put("Namespace", "other")
            assert await door.reason(f"{PATH}/1", "other") == "NoMeshMatched"  # looked up, and it does not match

    asyncio.run(scenario())


def test_a_mesh_or_generation_that_the_watch_has_not_brought_is_looked_up_and_injected(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(tmp_path, ApiServer()) as door:
            door.api.silent = True
            changed = {**MESH, "injectionSelector": {"podSelector": {}}}
            door.api.put("Mesh", "payments", "mesh-system", spec=changed)
            assert await door.reason("/mutate", app="other") == "NoMeshMatched"
            assert await door.reason(f"{PATH}/2", app="other") == "Injected"
            door.api.put("Mesh", "logs", "mesh-system", spec={**changed, "priority": 5})
            status, response = await door.post("/mutate/mesh-system/logs/1")
            assert (status, response["auditAnnotations"]["mesh"]) == (200, "mesh-system/logs")
            assert door.api.asked["get meshes"] == 2
            assert await door.reason(f"{PATH}/99") == "Injected"  # there is no such generation, and ours is the newest

    asyncio.run(scenario())


def test_a_mesh_that_was_created_anew_under_its_old_name_is_looked_up_although_its_generation_is_lower(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(tmp_path, ApiServer()) as door:
            for number in range(3):
                door.api.put("Mesh", "payments", "mesh-system", spec={**MESH, "values": {"n": number}}, metadata={"uid": "first"})
            await until_asked(functools.partial(door.is_known_without_asking, f"{PATH}/4"))
            assert await door.reason(f"{PATH}/1", app="other") == "NoMeshMatched"  # its entry is not up to date yet
            before = door.api.asked["get meshes"]
            assert [await door.reason(f"{PATH}/1") for _ in range(5)] == ["Injected"] * 5
            assert door.api.asked["get meshes"] == before
            door.api.silent = True
            door.api.remove("Mesh", "payments", "mesh-system")
            anew = {**MESH, "injectionSelector": {"podSelector": {}}}
            door.api.put("Mesh", "payments", "mesh-system", spec=anew, metadata={"uid": "second"})
            door.api.put("Mesh", "payments", "mesh-system", spec={**anew, "values": {"n": 1}}, metadata={"uid": "second"})
            assert await door.reason(f"{PATH}/2", app="other") == "Injected"

    asyncio.run(scenario())


def test_a_mesh_that_was_deleted_is_no_reason_to_refuse_and_one_nobody_can_ask_about_is(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(tmp_path, ApiServer()) as door:
            assert await door.reason("/mutate/mesh-system/gone/3", app="other") == "NoMeshMatched"
            assert await door.reason("/mutate/mesh-system/gone/3") == "Injected"
            door.api.refused = 503
            assert await door.reason("/mutate/mesh-system/never/1", app="other") == "!NotReady"
            assert await door.reason(f"{PATH}/2") == "!NotReady"
            assert await door.reason(f"{PATH}/1") == "Injected"
            assert await door.reason(f"{PATH}/1", "unheard-of") == "!NotReady"
            status, response = await door.post(f"{PATH}/7")
            assert response["status"]["details"]["retryAfterSeconds"] == 1
            assert "this replica does not know yet what the API server knows" in response["status"]["message"]
            assert status == 200

    asyncio.run(scenario())


def test_a_mesh_whose_newest_text_is_of_no_use_is_refused_on_its_own_path_and_holds_nobody_up(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(tmp_path, ApiServer()) as door:
            door.api.put("Mesh", "broken", "mesh-system", spec={"regoin": 1})
            assert await door.reason("/mutate/mesh-system/broken/1", app="other") == "!NotReady"
            door.api.put("Mesh", "payments", "mesh-system", spec={"regoin": 1})
            began = time.monotonic()
            assert await door.reason(f"{PATH}/2", within="30s") == "!NotReady"
            assert time.monotonic() - began < 10

    asyncio.run(scenario())


def test_whoever_reaches_the_port_cannot_make_a_flood_of_questions_to_the_api_server(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(tmp_path, ApiServer()) as door:
            names = [f"hostile-{number}" for number in range(300)]
            answers = await asyncio.gather(*(door.reason(f"/mutate/{name}/x/1", name) for name in names))
            assert set(answers) <= {"!NamespaceUnknown", "!NotReady"}
            same = await asyncio.gather(*(door.reason("/mutate/mesh-system/hostile/1") for _ in range(300)))
            assert set(same) <= {"Injected", "!NotReady"}
            assert door.api.asked["get namespaces"] + door.api.asked["get meshes"] < 150
            assert await door.reason(f"{PATH}/1") == "Injected"

    asyncio.run(scenario())


def test_a_change_is_live_soon_and_the_api_server_may_go_away_and_return(tmp_path: Path) -> None:
    async def scenario() -> None:
        api = ApiServer()
        api.cut = 0.5
        async with serving(tmp_path, api) as door:
            template = {"labels": {"mesh-injector.io/template": "true"}}
            _, first = await door.post("/mutate")
            door.api.put("ConfigMap", "envoy", "mesh-system", data={"patch": TEMPLATE.replace("v1", "v2")}, metadata=template)
            await until_asked(functools.partial(door.has_other_patch, first))
            _, before = await door.post("/mutate")
            door.api.refused = 500
            await until_asked(functools.partial(door.measures, 'mesh_injector_watch_restarts_total{kind="ConfigMap",reason="refused"}'))
            door.api.put("ConfigMap", "envoy", "mesh-system", data={"patch": TEMPLATE.replace("v1", "v3")}, metadata=template)
            for _ in range(20):
                assert (await door.post("/mutate"))[1]["patch"] == before["patch"]
            assert "readyz check passed" in await door.health("/readyz")
            door.api.refused = 0
            await until_asked(functools.partial(door.has_other_patch, before))

    asyncio.run(scenario())


def test_the_caches_and_their_age_are_among_the_metrics(tmp_path: Path) -> None:
    async def scenario() -> None:
        api = ApiServer()
        api.cut = 0.2
        async with serving(tmp_path, api) as door:
            text = await door.health("/metrics")
            for kind in ("Mesh", "ConfigMap", "Namespace"):
                assert f'mesh_injector_cache_synced{{kind="{kind}"}} 1.0' in text
                assert f'mesh_injector_cache_last_event_timestamp_seconds{{kind="{kind}"}} 1.' in text
            await until_asked(functools.partial(door.measures, 'mesh_injector_watch_restarts_total{kind="Namespace",reason="'))

    asyncio.run(scenario())


def test_until_everything_is_listed_reviews_are_refused_and_readyz_says_what_is_missing(tmp_path: Path) -> None:
    async def scenario() -> None:
        api = ApiServer()
        api.refused = 404
        async with fake.serving(api) as url:
            credentials = Credentials(str(fake.kubeconfig(tmp_path, url)))
            ports = fake.free_port(), fake.free_port()
            options = Options(("cluster",), host="127.0.0.1", port=ports[0], health_port=ports[1], credentials=credentials)
            manager = running(options)
            starting = asyncio.create_task(manager.__aenter__())
            async with aiohttp.ClientSession() as session:
                shown = ""

                async def is_told() -> bool:
                    nonlocal shown
                    with contextlib.suppress(aiohttp.ClientError):
                        async with session.get(f"http://127.0.0.1:{ports[1]}/readyz") as response:
                            shown = await response.text()
                    return "it will not" in shown

                await until_asked(is_told)
                assert "[-]source not ready: Mesh not listed yet (it will not)" in shown
                assert not starting.done()
                api.refused = 0
                await starting
                async with session.get(f"http://127.0.0.1:{ports[1]}/readyz") as response:
                    assert response.status == 200
            await manager.__aexit__(None, None, None)

    asyncio.run(scenario())


def test_a_folder_and_a_cluster_are_read_as_one_and_both_are_followed(tmp_path: Path) -> None:
    folder = tmp_path / "source"
    folder.mkdir()
    mesh = {"apiVersion": "mesh-injector.io/v1alpha1", "kind": "Mesh", "metadata": {"name": "own", "namespace": "mesh-system"}}
    spec = {**MESH, "injectionSelector": {"podSelector": {"matchLabels": {"app": "own"}}}}
    (folder / "mesh.json").write_text(json.dumps({**mesh, "spec": spec}))

    async def scenario() -> None:
        async with serving(tmp_path, ApiServer(), str(folder)) as door:
            assert await door.reason("/mutate", app="own") == "Injected"
            assert await door.reason("/mutate") == "Injected"
            (folder / "mesh.json").write_text(json.dumps({**mesh, "spec": {**spec, "enableAutoInject": False}}))
            await until_asked(functools.partial(door.answers, "AutoInjectOff", app="own"))
            door.api.remove("Mesh", "payments", "mesh-system")
            await until_asked(functools.partial(door.answers, "NoMeshMatched"))

    asyncio.run(scenario())


@pytest.mark.parametrize("labels", [{}, {"team": "shop"}])
def test_a_namespace_of_the_cluster_has_its_own_labels_and_its_name(tmp_path: Path, labels: dict[str, str]) -> None:
    from mesh_injector.store import Store

    store = Store()
    store.describe({"shop": Namespace("shop", labels)})
    assert store.snapshot is None
    store.replace(())
    assert store.snapshot is not None
    assert store.snapshot.namespace("shop").labels == labels
    store.describe({})
    assert store.snapshot.namespaces == {}
    assert tmp_path.exists()


def test_a_server_that_waits_for_its_cluster_ends_by_a_signal(tmp_path: Path) -> None:
    import signal
    import subprocess
    import sys

    kubeconfig = fake.kubeconfig(tmp_path, f"http://127.0.0.1:{fake.free_port()}")
    command = [
        sys.executable,
        "-m",
        "mesh_injector",
        "serve",
        "--source",
        "cluster",
        "--kubeconfig",
        str(kubeconfig),
        "--host",
        "127.0.0.1",
    ]
    with subprocess.Popen([*command, "--port", "0", "--health-port", "0"], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        assert next(lines) == "source: cluster\n"
        assert any("not watching" in line and "cannot be reached" in line for line in lines)
        process.send_signal(signal.SIGTERM)
        rest = process.stderr.read()
        assert process.wait(20) == 0
        assert "stopping" in rest
        assert "Traceback" not in rest


def test_the_news_that_a_review_waits_for_come_with_the_next_snapshot(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(tmp_path, ApiServer()) as door:
            door.api.silent = True
            door.api.put("Mesh", "logs", "mesh-system", spec={**MESH, "priority": 9})
            reasons = await asyncio.gather(*(door.reason("/mutate/mesh-system/logs/1") for _ in range(20)))
            assert set(reasons) == {"Injected"}
            assert door.api.asked["get meshes"] == 1

    asyncio.run(scenario())
