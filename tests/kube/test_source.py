"""A cluster as a source: what is watched, when there is a reading, and what a namespace that forbids it does to others."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from mesh_injector import store
from mesh_injector.documents import Reading
from mesh_injector.engine.rules import Namespace
from mesh_injector.errors import ClusterError
from mesh_injector.formats import mesh as meshes
from mesh_injector.kube import listing, source
from mesh_injector.kube.client import Cluster
from mesh_injector.kube.credentials import Credentials
from mesh_injector.kube.reflector import Pace
from mesh_injector.kube.source import ClusterSource, Tempo
from tests.kube import fake
from tests.kube.fake import ApiServer, until

TEMPO = Tempo(settle=0.01, patience=0.3, reflecting=Pace(first_backoff=0.001, last_backoff=0.02, idle_seconds=5))
LABELS = {"labels": {"mesh-injector.io/template": "true"}}
TEMPLATE = "containers: [{name: envoy, image: envoy:v1}]"


def add_mesh(api: ApiServer, namespace: str, name: str = "payments", of: str | None = None, **spec: Any) -> None:
    ref = {"name": "envoy", "key": "patch"} | ({"namespace": of} if of else {})
    fields = {"enableAutoInject": True, "injectionSelector": {"podSelector": {}}, "sidecarPatchConfigMap": ref, **spec}
    api.put("Mesh", name, namespace, spec=fields, status={"conditions": []})


def add_template(api: ApiServer, namespace: str, text: str = TEMPLATE) -> None:
    api.put("ConfigMap", "envoy", namespace, data={"patch": text}, metadata=LABELS)


class Described:
    """What was told of namespaces."""

    def __init__(self) -> None:
        self.namespaces: Mapping[str, Namespace] = {}
        self.times = 0

    def __call__(self, namespaces: Mapping[str, Namespace]) -> None:
        self.namespaces = namespaces
        self.times += 1


@contextlib.asynccontextmanager
async def following(
    cluster: Cluster, tempo: Tempo = TEMPO
) -> AsyncIterator[tuple[ClusterSource, AsyncGenerator[Reading, None], Described]]:
    described = Described()
    async with source.following(cluster, "mesh-system", described, tempo) as followed, contextlib.aclosing(followed.readings()) as readings:
        yield followed, readings, described


def loaded(reading: Reading, last: store.Snapshot | None = None) -> store.Snapshot:
    return store.load(reading.documents, last=last, unread=reading.unread)


def told(snapshot: store.Snapshot) -> list[str]:
    return [f"{problem.code} {problem.what}" for problem in snapshot.problems]


def test_the_first_reading_has_everything_and_only_labelled_config_maps_of_namespaces_with_meshes(tmp_path: Path) -> None:
    async def scenario() -> None:
        api = ApiServer()
        add_mesh(api, "shop")
        add_mesh(api, "mesh-system", of="central")
        for namespace in ("shop", "mesh-system", "central", "elsewhere"):
            add_template(api, namespace)
            api.put("ConfigMap", "unrelated", namespace, data={"patch": TEMPLATE})
            api.put("Namespace", namespace, metadata={"labels": {"team": namespace}, "annotations": {"a": "b"}})
        async with fake.running(tmp_path, api) as (_, cluster), following(cluster) as (_, readings, described):
            snapshot = loaded(await anext(readings))
            assert {str(mesh) for mesh in snapshot.loaded.meshes} == {"shop/payments", "mesh-system/payments"}
            assert snapshot.problems == ()
            found = {document.origin.source for document in snapshot.documents if document.kind == "ConfigMap"}
            assert found == {f"ConfigMap {namespace}/envoy" for namespace in ("shop", "mesh-system", "central")}
            assert described.namespaces["elsewhere"] == Namespace(
                "elsewhere", {"team": "elsewhere", "kubernetes.io/metadata.name": "elsewhere"}, {"a": "b"}
            )
            assert described.times <= 2
            assert [mesh.generation for mesh in snapshot.loaded.meshes] == [1, 1]

    asyncio.run(scenario())


def test_changes_that_come_together_are_one_reading_and_a_status_is_no_change(tmp_path: Path) -> None:
    async def scenario() -> None:
        api = ApiServer()
        add_mesh(api, "shop")
        add_template(api, "shop")
        async with fake.running(tmp_path, api) as (_, cluster), following(cluster) as (followed, readings, _):
            first = await anext(readings)
            body = api.objects["meshes", "shop", "payments"]
            api.put("Mesh", "payments", "shop", spec=body["spec"], status={"conditions": [{"type": "Ready"}]})
            await until(lambda: followed.meshes.objects["shop", "payments"]["status"]["conditions"])
            for number in range(50):
                add_template(api, "shop", f"containers: [{{name: envoy, image: envoy:v{number}}}]")
            second = await anext(readings)
            assert second.documents[0] is first.documents[0]
            assert second.documents[1].body["data"]["patch"].endswith("v49}]")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(readings), 0.1)

    asyncio.run(scenario())


def test_config_maps_are_watched_as_soon_as_a_mesh_comes_and_no_longer_than_the_last_one_stays(tmp_path: Path) -> None:
    async def scenario() -> None:
        api = ApiServer()
        add_template(api, "shop")
        async with fake.running(tmp_path, api) as (_, cluster), following(cluster) as (_, readings, _):
            assert (await anext(readings)).documents == ()
            assert api.asked["list configmaps"] == 1  # home
            add_mesh(api, "shop")
            snapshot = loaded(await anext(readings))
            assert snapshot.problems == ()  # never a reading with the mesh and without its template
            api.remove("Mesh", "payments", "shop")
            assert (await anext(readings)).documents == ()
            asked = api.asked["watch configmaps"]
            add_mesh(api, "shop")
            assert loaded(await anext(readings)).problems == ()
            assert api.asked["watch configmaps"] <= asked + 1

    asyncio.run(scenario())


def test_a_namespace_that_forbids_its_config_maps_harms_only_its_own_meshes_and_the_missing_right_is_printed(tmp_path: Path) -> None:
    async def scenario() -> None:
        api = ApiServer()
        api.forbidden = {"shop"}
        for namespace in ("shop", "bank"):
            add_mesh(api, namespace)
            add_template(api, namespace)
        async with fake.running(tmp_path, api) as (_, cluster), following(cluster) as (followed, readings, _):
            snapshot = loaded(await anext(readings))
            assert followed.missing() == ""
            assert told(snapshot) == ["MI206 mesh shop/payments: mesh-injector may not read the ConfigMaps of namespace shop"]
            assert snapshot.problems[0].fix == (
                "grant it: kubectl create rolebinding mesh-injector-templates -n shop --clusterrole=mesh-injector-templates "
                "--serviceaccount=mesh-system:injector"
            )
            assert [str(mesh) for mesh in snapshot.loaded.meshes if mesh.fault is None] == ["bank/payments"]
            api.forbidden = set()
            assert loaded(await anext(readings), snapshot).problems == ()

    asyncio.run(scenario())


def test_a_right_that_is_withdrawn_leaves_what_was_read_serving_and_says_so(tmp_path: Path) -> None:
    async def scenario() -> None:
        api = ApiServer()
        add_mesh(api, "shop")
        add_template(api, "shop")
        api.cut = 0.2
        async with fake.running(tmp_path, api) as (_, cluster), following(cluster) as (_, readings, _):
            before = loaded(await anext(readings))
            api.forbidden, api.cut = {"shop"}, 0.01  # whoever watches is cut off, and comes again
            after = loaded(await anext(readings), before)
            assert [(mesh.fault, bool(mesh.template)) for mesh in after.loaded.meshes] == [(None, True)]
            assert "what was read before serves on" in after.problems[0].what
            assert after.loaded.stale == {"shop/payments"}
            assert [reason.value for reason, _ in after.loaded.wrong["shop/payments"]] == ["ConfigMapForbidden"]

    asyncio.run(scenario())


def test_there_is_no_reading_until_everything_is_listed_and_what_is_missing_is_told(tmp_path: Path) -> None:
    async def scenario() -> None:
        api = ApiServer()
        api.refused = 404
        async with fake.running(tmp_path, api) as (_, cluster), following(cluster) as (followed, readings, _):
            first = asyncio.ensure_future(anext(readings))
            await until(lambda: "it will not" in followed.missing())
            assert "Mesh not listed yet (it will not)" in followed.missing()
            assert [(state.kind, state.synced) for state in followed.states()] == [
                ("Mesh", False),
                ("ConfigMap", False),
                ("Namespace", False),
            ]
            assert not first.done()
            api.refused = 0
            assert (await first).documents == ()
            states = {state.kind: state for state in followed.states()}
            assert all(state.synced and state.last_event > 1.7e9 for state in states.values())
            assert states["Mesh"].restarts["refused"] > 0

    asyncio.run(scenario())


def test_a_namespace_whose_list_hangs_does_not_hold_up_the_others(tmp_path: Path) -> None:
    async def scenario() -> None:
        api = ApiServer()
        add_mesh(api, "bank")
        add_template(api, "bank")
        async with fake.running(tmp_path, api) as (_, cluster), following(cluster) as (followed, readings, _):
            await anext(readings)
            api.hang = True
            add_mesh(api, "shop")
            snapshot = loaded(await anext(readings))
            assert told(snapshot) == ["MI504 mesh shop/payments: the ConfigMaps of namespace shop have not been read yet"]
            assert "ConfigMap of namespace shop" in followed.missing()
            add_template(api, "bank", "containers: [{name: envoy, image: envoy:v2}]")
            await asyncio.wait_for(anext(readings), TEMPO.patience)  # patience was spent once
            api.hang = False
            add_template(api, "shop")
            while (snapshot := loaded(await anext(readings), snapshot)).problems:
                pass

    asyncio.run(scenario())


def test_a_namespace_that_comes_goes_or_changes_is_told_without_a_reading(tmp_path: Path) -> None:
    async def scenario() -> None:
        api = ApiServer()
        async with fake.running(tmp_path, api) as (_, cluster), following(cluster) as (followed, readings, described):
            await anext(readings)
            api.put("Namespace", "shop", metadata={"labels": {"team": "shop"}})
            await until(lambda: "shop" in described.namespaces)
            api.put("Namespace", "shop", metadata={"labels": {"team": "bank"}})
            await until(lambda: described.namespaces["shop"].labels["team"] == "bank")
            api.remove("Namespace", "shop")
            await until(lambda: not described.namespaces)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(readings), 0.05)
            api.silent = True
            followed.offer_namespace(json.loads(json.dumps(api.put("Namespace", "late"))))
            assert "late" in described.namespaces

    asyncio.run(scenario())


def test_the_cluster_is_read_once_for_the_offline_commands(tmp_path: Path) -> None:
    async def scenario() -> None:
        api = ApiServer()
        api.forbidden = {"bank"}
        for namespace in ("shop", "bank"):
            add_mesh(api, namespace)
            add_template(api, namespace)
            api.put("Namespace", namespace)
            api.put("Pod", "cart", namespace, metadata={"labels": {"app": "cart"}}, spec={"containers": []})
        api.put("Pod", "other", "shop")
        async with fake.serving(api) as url:
            given = Credentials(str(fake.kubeconfig(tmp_path, url)))
            reading = await asyncio.to_thread(listing.read, given, "mesh-system")
            snapshot = loaded(reading)
            assert snapshot.namespaces.keys() == {"shop", "bank"}
            assert [mesh.fault is None for mesh in snapshot.loaded.meshes] == [False, True]
            assert api.asked["list meshes"] == api.asked["list namespaces"] == 1
            everywhere = await asyncio.to_thread(listing.pods, given, "", "app=cart")
            assert [(pod.kind, pod.namespace, pod.name) for pod in everywhere] == [("Pod", "shop", "cart"), ("Pod", "bank", "cart")]
            (cart,) = await asyncio.to_thread(listing.pods, given, "shop", "app=cart")
            assert cart.body["spec"] == {"containers": []}
            (other,) = await asyncio.to_thread(listing.pods, given, "shop", "", "other")
            assert (other.name, other.kind, "managedFields" in other.body["metadata"]) == ("other", "Pod", False)
            with pytest.raises(ClusterError) as caught:
                await asyncio.to_thread(listing.pods, given, "shop", "", "none")
            assert caught.value.status == 404

    asyncio.run(scenario())


def test_what_a_user_writes_as_a_config_map_reference_never_breaks_the_watching() -> None:
    from mesh_injector.kube import objects

    strange: tuple[Any, ...] = (
        None,
        7,
        [],
        {"sidecarPatchConfigMap": "x"},
        {"sidecarPatchConfigMap": {"namespace": 7}},
        {"sidecarPatchConfigMap": {}},
    )
    for spec in strange:
        body = {"apiVersion": "mesh-injector.io/v1alpha1", "kind": "Mesh", "metadata": {"name": "a", "namespace": "home"}, "spec": spec}
        document = objects.document(body)
        assert objects.template_namespaces((document,), "home") == {"home"}
        assert meshes.is_mesh(document)
