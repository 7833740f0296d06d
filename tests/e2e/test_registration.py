"""Registration and status on a real API server: what the leader writes is accepted, kept, repaired, and true."""

import asyncio
import copy
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mesh_injector import store
from mesh_injector.errors import ClusterError
from mesh_injector.kube import client as api_client
from mesh_injector.kube import registration
from mesh_injector.kube.entries import MESHES, Entry, Target
from mesh_injector.kube.fence import Fenced
from mesh_injector.kube.leadership import Term
from tests.e2e import writer
from tests.e2e.cluster import Cluster
from tests.e2e.conftest import Start
from tests.e2e.writer import CONFIGURATION, HOME, SHIPPED, Leader, a_mesh, a_template

CRD = Path(__file__).parents[2] / "crds" / "mesh-injector.io_meshes.yaml"


@pytest.fixture(scope="module")
def running(start_cluster: Start) -> Iterator[Cluster]:
    """A cluster of these tests' own: there is one configuration in it."""
    with start_cluster() as made:
        made.kubectl("apply", "--server-side", "-f", str(CRD)).ok()
        made.kubectl("wait", "--for=condition=Established", "crd/meshes.mesh-injector.io", "--timeout=60s").ok()
        made.add_namespace(HOME)
        made.add_namespace("shop")
        yield made


@pytest.fixture
def cluster(running: Cluster) -> Cluster:
    """The cluster as it is when it has just been installed, with a template at home and in a tenant's namespace."""
    for namespace in (HOME, "shop"):
        running.kubectl("delete", f"--raw=/apis/mesh-injector.io/v1alpha1/namespaces/{namespace}/meshes").ok()  # one call for all
    running.kubectl("delete", "mutatingwebhookconfiguration", CONFIGURATION, "--ignore-not-found").ok()
    running.apply(SHIPPED, a_template(), a_template("shop")).ok()
    return running


def entries(cluster: Cluster) -> dict[str, Entry]:
    return {entry["name"]: entry for entry in cluster.get("mutatingwebhookconfiguration", CONFIGURATION).get("webhooks", ())}


def conditions(cluster: Cluster, name: str, namespace: str = HOME) -> dict[str, tuple[str, str]]:
    status = cluster.get("mi", name, "-n", namespace).get("status", {})
    return {one["type"]: (one["status"], one["reason"]) for one in status.get("conditions", ())}


async def until(question: Callable[[], object], seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not await asyncio.to_thread(question):  # noqa: ASYNC110 # it is a cluster that is waited for
            await asyncio.sleep(0.05)


def lead(cluster: Cluster, story: Callable[[Leader], Awaitable[None]]) -> None:
    """Do what a story says while a leader works."""

    async def told() -> None:
        async with writer.leading(cluster) as leader:
            await story(leader)

    asyncio.run(told())


def ready(cluster: Cluster, name: str, namespace: str = HOME) -> bool:
    return conditions(cluster, name, namespace).get("Ready") == ("True", "Ready")


# --- what is written ------------------------------------------------------------------------------------------------------------------


def test_kubectl_waits_for_a_mesh_to_be_ready_and_its_entry_is_there(cluster: Cluster) -> None:
    cluster.apply(a_mesh("payments"), a_mesh("cart", "shop"), a_mesh("off", enableAutoInject=False)).ok()

    async def story(_: Leader) -> None:
        waiting = ("wait", "--for=condition=Ready", "--timeout=20s", "-n", HOME, "mi/payments")
        assert "condition met" in (await asyncio.to_thread(cluster.kubectl, *waiting)).ok()
        assert set(entries(cluster)) == {
            "asked.mesh-injector.io",
            "cart.shop.mesh-injector.io",
            "payments.mesh-system.mesh-injector.io",
        }
        await until(lambda: ready(cluster, "cart", "shop"))
        await until(lambda: conditions(cluster, "off")["Ready"] == ("False", "AutoInjectOff"))

    lead(cluster, story)


SELECTORS: dict[str, dict[str, Any]] = {
    "pods": {"podSelector": {}},
    "namespaces": {"namespaceSelector": {}},
    "both": {"podSelector": {"matchLabels": {"a": "b"}}, "namespaceSelector": {"matchLabels": {"example.com/team": "shop"}}},
    "every operator": {
        "podSelector": {
            "matchExpressions": [
                {"key": "a", "operator": "In", "values": ["1", "2"]},
                {"key": "b", "operator": "NotIn", "values": [""]},
                {"key": "c", "operator": "Exists"},
                {"key": "d.e/f", "operator": "DoesNotExist"},
            ]
        }
    },
    "as many as a Mesh may": {
        "podSelector": {"matchLabels": {f"{'k' * 61}{number:02}": "v" * 63 for number in range(64)}},
        "namespaceSelector": {"matchExpressions": [{"key": "k", "operator": "NotIn", "values": [f"v{n:0>62}" for n in range(256)]}]},
    },
}


def test_every_shape_of_a_selector_is_accepted_and_kept_as_it_is(cluster: Cluster) -> None:
    names = {f"mesh-{number}": selector for number, selector in enumerate(SELECTORS.values())}
    cluster.apply(*(a_mesh(name, injectionSelector=selector) for name, selector in names.items())).ok()

    async def story(_: Leader) -> None:
        for name in names:
            await until(lambda name=name: ready(cluster, name))  # type: ignore[misc]
        before = cluster.get("mutatingwebhookconfiguration", CONFIGURATION)["metadata"]["generation"]
        assert before == 2  # the API server keeps what it was given: nothing had to be written again
        assert len(entries(cluster)) == len(names) + 1

    lead(cluster, story)


def test_a_status_that_says_the_same_is_not_written_again_nor_the_configuration(cluster: Cluster) -> None:
    cluster.apply(a_mesh("payments")).ok()

    def versions() -> list[str]:
        found = cluster.get("mi", "payments", "-n", HOME), cluster.get("mutatingwebhookconfiguration", CONFIGURATION)
        return [one["metadata"]["resourceVersion"] for one in found]

    async def story(leader: Leader) -> None:
        await until(lambda: ready(cluster, "payments"))
        before = versions()
        cluster.apply(a_mesh("other")).ok()
        leader.look()
        await until(lambda: ready(cluster, "other"))
        assert versions()[0] == before[0]
        cluster.kubectl("label", "mi/other", "-n", HOME, "a=b").ok()
        before = versions()
        leader.look()
        leader.writing.nudge()
        cluster.apply(a_mesh("third", enableAutoInject=False)).ok()
        leader.look()
        await until(lambda: conditions(cluster, "third"))
        assert versions() == before

    lead(cluster, story)


@pytest.mark.parametrize("count", [MESHES, MESHES + 30])
def test_hundreds_of_meshes_are_registered(cluster: Cluster, count: int) -> None:
    tenants = [a_mesh(f"mesh-{number:03}", "shop") for number in range(count - MESHES + 30)]
    cluster.apply(*(a_mesh(f"mesh-{number:03}") for number in range(MESHES - 30)), *tenants).ok()

    async def story(leader: Leader) -> None:
        leader.target = Target(ca=b"x" * 2400)
        leader.writing.nudge()
        await until(lambda: len(entries(cluster)) > MESHES - 30, 60)
        await until(lambda: ready(cluster, "mesh-000"), 60)
        found = entries(cluster)
        assert ("all.in.shop.mesh-injector.io" in found) is (count > MESHES)
        assert len(found) == 1 + (MESHES if count == MESHES else MESHES - 30 + 1)

    lead(cluster, story)


def test_events_tell_of_a_mesh_that_breaks_and_is_mended(cluster: Cluster) -> None:
    cluster.apply(a_mesh("payments")).ok()

    def events() -> list[tuple[str, str]]:
        found = cluster.get("events", "-n", HOME)["items"]
        uid = cluster.get("mi", "payments", "-n", HOME)["metadata"]["uid"]
        return sorted((one["type"], one["reason"]) for one in found if one["involvedObject"].get("uid") == uid)

    async def story(leader: Leader) -> None:
        await until(lambda: ready(cluster, "payments"))
        cluster.apply(a_template(text="spec: {{ x.y() }}\n")).ok()
        leader.look()
        await until(lambda: conditions(cluster, "payments")["Ready"] == ("False", "TemplateInvalid"))
        message = next(iter(cluster.get("mi", "payments", "-n", HOME)["status"]["conditions"]))["message"]
        assert message.startswith("[MI301] ")
        assert message.endswith("the last good one serves on")
        cluster.apply(a_template()).ok()
        leader.look()
        await until(lambda: ready(cluster, "payments"))
        await until(lambda: events() == [("Normal", "Ready"), ("Normal", "TemplateValid"), ("Warning", "TemplateInvalid")])
        described = cluster.kubectl("describe", "mi", "payments", "-n", HOME).ok().partition("Events:")[2]
        assert "TemplateInvalid" in described
        assert "x2" in described

    lead(cluster, story)


# --- what others do to it -------------------------------------------------------------------------------------------------------------


def foreign() -> dict[str, Any]:
    """An entry that somebody else put there."""
    entry = {"name": "other.example.com", "clientConfig": {"url": "https://127.0.0.1:1/"}, "failurePolicy": "Ignore"}
    rules = [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["secrets"]}]
    return entry | {"rules": rules, "sideEffects": "None", "admissionReviewVersions": ["v1"]}


PATCHES = {
    "one that is gone": '[{"op": "remove", "path": "/webhooks/1"}]',
    "all of them": '[{"op": "remove", "path": "/webhooks"}]',
    "a policy": '[{"op": "replace", "path": "/webhooks/1/failurePolicy", "value": "Ignore"}]',
    "a selector": '[{"op": "add", "path": "/webhooks/1/objectSelector/matchLabels", "value": {"nobody": "has"}}]',
    "a bundle": '[{"op": "replace", "path": "/webhooks/0/clientConfig/caBundle", "value": ""}]',
}


@pytest.mark.parametrize("patch", PATCHES.values(), ids=PATCHES.keys())
def test_what_somebody_changes_is_repaired(cluster: Cluster, patch: str) -> None:
    cluster.apply(a_mesh("payments")).ok()

    async def story(_: Leader) -> None:
        await until(lambda: ready(cluster, "payments"))
        before = entries(cluster)
        cluster.kubectl("patch", "mutatingwebhookconfiguration", CONFIGURATION, "--type=json", "-p", patch).ok()
        await until(lambda: entries(cluster) == before)

    lead(cluster, story)


def test_entries_of_others_stay_and_so_do_ours_where_the_shipped_file_is_applied_again(cluster: Cluster) -> None:
    cluster.apply(a_mesh("payments")).ok()
    cluster.kubectl(
        "apply", "--server-side", "--field-manager=other", "-f", "-", stdin=json.dumps(SHIPPED | {"webhooks": [foreign()]})
    ).ok()

    async def story(leader: Leader) -> None:
        await until(lambda: ready(cluster, "payments"))
        before = entries(cluster)
        assert {"other.example.com", "payments.mesh-system.mesh-injector.io"} <= before.keys()
        cluster.apply(SHIPPED).ok()
        assert entries(cluster) == before
        cluster.kubectl("delete", "mi/payments", "-n", HOME).ok()
        leader.look()
        await until(lambda: set(entries(cluster)) == {"asked.mesh-injector.io", "other.example.com"})

    lead(cluster, story)


def test_a_configuration_that_was_deleted_is_not_made_again_and_every_mesh_says_so(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.apply(a_mesh("payments"), a_mesh("off", enableAutoInject=False)).ok()

    async def story(_: Leader) -> None:
        await until(lambda: ready(cluster, "payments"))
        cluster.kubectl("delete", "mutatingwebhookconfiguration", CONFIGURATION).ok()
        await until(lambda: conditions(cluster, "payments")["Registered"] == ("False", "NotReady"))
        assert conditions(cluster, "payments")["Ready"] == ("False", "NotReady")
        assert cluster.kubectl("get", "mutatingwebhookconfiguration", CONFIGURATION).code != 0
        cluster.apply(SHIPPED).ok()
        await until(lambda: ready(cluster, "payments"))

    lead(cluster, story)
    assert "[warning  ] not registered" in "".join(capsys.readouterr())


def test_a_selector_that_has_become_wrong_keeps_its_entry_and_harms_no_other_mesh(cluster: Cluster) -> None:
    """The CRD refuses such a selector; a CRD of another release might not."""
    cluster.apply(a_mesh("payments"), a_mesh("cart")).ok()

    async def story(leader: Leader) -> None:
        await until(lambda: ready(cluster, "payments"))
        before = entries(cluster)["payments.mesh-system.mesh-injector.io"]
        cluster.apply(a_mesh("late")).ok()
        leader.look()
        broken = copy.deepcopy(leader.snapshot.documents)
        for document in broken:
            if document.name == "payments" and document.kind == "Mesh":
                document.body["spec"]["injectionSelector"] = {"podSelector": {"matchLabels": {"a b": "c"}}}
        leader.snapshot = store.load(broken, HOME)  # as a leader that was started just now
        leader.writing.nudge()
        await until(lambda: ready(cluster, "late"))
        await until(lambda: conditions(cluster, "payments")["SelectorValid"] == ("False", "SelectorInvalid"))
        assert entries(cluster)["payments.mesh-system.mesh-injector.io"] == before
        assert ready(cluster, "cart")

    lead(cluster, story)


def test_two_leaders_that_do_not_know_of_each_other_do_not_both_write(cluster: Cluster) -> None:
    """What was worked out from a version that another leader has replaced is refused, however late it arrives."""
    cluster.apply(a_mesh("payments")).ok()

    async def story() -> None:
        async with writer.client(cluster) as api:
            snapshot, path = writer.read(cluster), registration.CONFIGURATIONS.path(name=CONFIGURATION)
            terms = [Term(f"leader-{number}/1") for number in range(2)]
            for term in terms:
                term.last_until(1e12)
            before = await api.get(path)
            old, new = (registration.Registration(Fenced(api, term), CONFIGURATION, HOME) for term in terms)
            _, first = await old.reconcile(snapshot, Target(), before)
            _, second = await new.reconcile(snapshot, Target(), first)
            assert second is not None
            assert second["metadata"]["annotations"][registration.LEADER] == "leader-1/1"
            found, written = await old.reconcile(snapshot, Target(ca=b"stale"), first)
            assert (written, found.failed) == (None, True)
            assert (await api.get(path)) == second
            with pytest.raises(ClusterError) as caught:
                await api.request("PATCH", path, {**stale(first), "webhooks": []}, {"fieldManager": "x"}, api_client.APPLY)
            assert caught.value.status == 409

    asyncio.run(story())


def stale(found: dict[str, Any] | None) -> dict[str, Any]:
    assert found is not None
    metadata = {name: found["metadata"][name] for name in ("name", "uid", "resourceVersion")}
    return {"apiVersion": SHIPPED["apiVersion"], "kind": SHIPPED["kind"], "metadata": metadata}
