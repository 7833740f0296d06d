"""`check` on a real API server: a healthy installation has no finding, and everything that can be wrong with one appears when it is."""

import asyncio
import base64
import contextlib
import json
import shlex
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from mesh_injector import certs, store
from mesh_injector.errors import ClusterError
from mesh_injector.formats.mesh import registering
from mesh_injector.kube import client, entries, objects, validating
from mesh_injector.kube.credentials import Credentials
from mesh_injector.kube.entries import Target
from mesh_injector.kube.resource import Object
from tests.cli.test_cluster import invoke
from tests.cli.test_examples import examples
from tests.e2e import installation, processes, webhook, writer
from tests.e2e.cluster import Cluster
from tests.e2e.conftest import Start

CORE, APPS, ADMISSION = "/api/v1", "/apis/apps/v1", "/apis/admissionregistration.k8s.io/v1"
HOME = "namespaces/mesh-system"
CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/meshes.mesh-injector.io"
DEPLOYMENT = f"{APPS}/{HOME}/deployments/mesh-injector"
SERVICE = f"{CORE}/{HOME}/services/mesh-injector"
SECRET = f"{CORE}/{HOME}/secrets/mesh-injector-tls"
LEASE = f"/apis/coordination.k8s.io/v1/{HOME}/leases/mesh-injector"
SLICE = f"/apis/discovery.k8s.io/v1/{HOME}/endpointslices/mesh-injector"
MUTATING = f"{ADMISSION}/mutatingwebhookconfigurations/mesh-injector"
VALIDATING = f"{ADMISSION}/validatingwebhookconfigurations/mesh-injector"
MESH = f"/apis/mesh-injector.io/v1alpha1/{HOME}/meshes/payments"
SHOP = f"{CORE}/namespaces/shop"
Change = Callable[[Any], object]
PAIR = certs.issue([webhook.SERVICE], datetime.now(UTC))
ANOTHER = certs.issue([webhook.SERVICE], datetime.now(UTC))


def ask(cluster: Cluster, method: str, path: str, body: Object | None = None) -> Object:
    async def asking() -> Object:
        async with client.connect(Credentials(str(cluster.kubeconfig))) as api:
            return await api.request(method, path, body)

    return asyncio.run(asking())


def put(cluster: Cluster, path: str, change: Change, part: str = "") -> None:
    """Change an object, or its status."""
    found = ask(cluster, "GET", path)
    change(found)
    ask(cluster, "PUT", path + part, found)


def put_back(cluster: Cluster, path: str, before: Object, part: str) -> None:
    """Bring an object to what it was, also one that is gone."""
    try:
        metadata = {**before["metadata"], "resourceVersion": ask(cluster, "GET", path)["metadata"]["resourceVersion"]}
        ask(cluster, "PUT", path + part, {**before, "metadata": metadata})
    except ClusterError as error:
        if error.status != 404:
            raise
        metadata = {name: value for name, value in before["metadata"].items() if name not in ("resourceVersion", "uid")}
        made = ask(cluster, "POST", path.rpartition("/")[0], {**before, "metadata": metadata})
        if "status" in before:
            ask(cluster, "PUT", f"{path}/status", {**made, "status": before["status"]})
    if path == MESH:  # it has another generation now
        put(cluster, MESH, ready, "/status")
        put(cluster, MUTATING, registered(cluster))


@contextlib.contextmanager
def changed(cluster: Cluster, path: str, change: Change | None, part: str = "") -> Iterator[None]:
    """Change an object while the block lasts, or (None) delete it."""
    before = ask(cluster, "GET", path)
    if change:
        put(cluster, path, change, part)
    else:
        ask(cluster, "DELETE", path)
    try:
        yield
    finally:
        put_back(cluster, path, before, part)


def check(kubeconfig: Path, *arguments: str) -> tuple[int, list[dict[str, Any]], str]:
    code, out, err = invoke(kubeconfig.parent, ["check", "-o", "json", "--kubeconfig", str(kubeconfig), *arguments])
    return code, json.loads(out)["items"] if out else [], out + err


def secret_of(pair: certs.Pair) -> Change:
    files = {"tls.crt": pair.certificate, "tls.key": pair.key, "ca.crt": pair.ca}
    return lambda body: body.update(data={name: base64.b64encode(content).decode() for name, content in files.items()})


def ready(body: Object) -> None:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    generation = body["metadata"]["generation"]
    told = {"reason": "Ready", "message": "all is well", "observedGeneration": generation, "lastTransitionTime": now}
    body["status"] = {"observedGeneration": generation, "conditions": [{"type": "Ready", "status": "True", **told}]}


def held(body: Object) -> None:
    at = datetime.now(UTC) + timedelta(hours=1)  # nobody renews it while these tests run
    body["spec"] = {"holderIdentity": "one", "leaseDurationSeconds": 15, "renewTime": at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}


def replicas(ready: int, updated: int = 2) -> Change:
    return lambda body: body.update(status={"replicas": 2, "readyReplicas": ready, "updatedReplicas": updated, "availableReplicas": ready})


def leading_to(*addresses: str) -> Change:
    return lambda body: body.update(endpoints=[{"addresses": [each], "conditions": {"ready": True}} for each in addresses])


def registered(cluster: Cluster) -> Change:
    documents = [objects.document(one) for one in cluster.get("mi", "-A")["items"]]
    plan = entries.Planner(Target(ca=PAIR.ca), "mesh-system").plan(registering.registrations(store.load(documents).loaded.meshes))
    return lambda body: body.update(webhooks=list(plan.entries.values()))


@pytest.fixture(scope="module")
def bare(start_cluster: Start) -> Iterator[Cluster]:
    with start_cluster() as made:
        yield made


@pytest.fixture(scope="module")
def before(bare: Cluster) -> dict[str, Any]:
    """What is said before there is an installation."""
    status = invoke(bare.folder, ["status", "--kubeconfig", str(bare.kubeconfig)])
    return {"pre": check(bare.kubeconfig, "--pre"), "plain": check(bare.kubeconfig), "status": status}


@pytest.fixture(scope="module")
def cluster(bare: Cluster, before: dict[str, Any]) -> Cluster:
    """An installation, as it is when two replicas run: their part is done by hand."""
    installation.install(bare)
    bare.add_namespace("shop", team="shop")
    bare.apply(writer.a_template(), writer.a_mesh("payments")).ok()
    slices = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4", "endpoints": []}
    labels = {"kubernetes.io/service-name": "mesh-injector"}
    bare.apply({**slices, "metadata": {"name": "mesh-injector", "namespace": "mesh-system", "labels": labels}}).ok()
    put(bare, SLICE, leading_to("10.1.0.11", "10.1.0.12"))
    put(bare, SECRET, secret_of(PAIR))
    put(bare, DEPLOYMENT, replicas(2), "/status")
    put(bare, LEASE, held)
    put(bare, MUTATING, registered(bare))
    put(bare, VALIDATING, lambda body: body.update(webhooks=list(validating.entries(Target(ca=PAIR.ca)).values())))
    put(bare, MESH, ready, "/status")
    return bare


def user(cluster: Cluster, name: str) -> Path:
    """A kubeconfig of somebody with an account's rights and no others."""
    cluster.kubectl("create", "serviceaccount", name, "-n", "shop")
    config: Any = yaml.safe_load(cluster.kubeconfig.read_text(encoding="utf-8"))
    config["users"][0]["user"] = {"token": cluster.token_of("shop", name)}
    written = cluster.folder / f"{name}.kubeconfig"
    written.write_text(yaml.safe_dump(config), encoding="utf-8")
    return written


@pytest.fixture(scope="module")
def viewer(cluster: Cluster) -> Path:
    """Somebody with the role `view`, who sees Meshes and Namespaces too."""
    made = user(cluster, "viewer")
    cluster.kubectl("create", "clusterrolebinding", "viewer", "--clusterrole=view", "--serviceaccount=shop:viewer").ok()
    cluster.kubectl("create", "clusterrole", "meshes", "--verb=get,list", "--resource=meshes.mesh-injector.io,namespaces").ok()
    cluster.kubectl("create", "clusterrolebinding", "meshes", "--clusterrole=meshes", "--serviceaccount=shop:viewer").ok()
    processes.eventually(lambda: check(made)[0] == 0, "the authorizer has seen it")
    return made


def test_before_an_installation_it_says_that_there_may_be_one(before: dict[str, Any]) -> None:
    code, items, _ = before["pre"]
    assert (code, {one["level"] for one in items}) == (0, {"ok"})
    assert {one["section"] for one in items} == {"kubernetes-api", "admission", "your-rights", "what-is-there"}


def test_without_an_installation_everything_is_missing_and_nothing_is_a_traceback(before: dict[str, Any]) -> None:
    code, items, said = before["plain"]
    wrong = {one["section"] for one in items if one["level"] == "error"}
    assert code == 1
    assert wrong >= {"mesh-crd", "rights-of-the-injector", "replicas", "service", "leader", "certificate", "registration"}
    assert all(one["fix"] for one in items if one["level"] != "ok")
    assert "Traceback" not in said


def test_status_says_that_nothing_is_installed(before: dict[str, Any]) -> None:
    code, out, err = before["status"]
    assert (code, out, "there are no Meshes in this cluster" in err, "mesh-injector check" in err) == (4, "", True, True)


def test_a_healthy_installation_has_no_finding(cluster: Cluster) -> None:
    code, items, said = check(cluster.kubeconfig)
    assert (code, [one for one in items if one["level"] != "ok"]) == (0, []), said
    code, out, err = invoke(cluster.folder, ["check", "--kubeconfig", str(cluster.kubeconfig)])
    assert code == 0
    assert "√ Mesh mesh-system/payments is Ready" in out
    assert "everything is as it should be" in err


@pytest.mark.parametrize("example", examples("check"))
def test_the_examples_of_the_help_work(cluster: Cluster, example: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MESH_INJECTOR_KUBECONFIG", str(cluster.kubeconfig))
    assert invoke(cluster.folder, shlex.split(example)[1:])[0] == 0


def entry_changed(body: Object) -> None:
    entry = next(one for one in body["webhooks"] if one["name"].startswith("payments"))
    entry |= {"failurePolicy": "Ignore", "namespaceSelector": {}}


def bundle(content: bytes) -> Change:
    return lambda body: [one["clientConfig"].update(caBundle=base64.b64encode(content).decode()) for one in body["webhooks"]]


def another_entry(name: str) -> Change:
    return lambda body: body["webhooks"].append({**body["webhooks"][0], "name": name})


def spec(**fields: Any) -> Change:
    return lambda body: body["spec"].update(fields)


def not_ready(body: Object) -> None:
    ready(body)
    body["status"]["conditions"][0] |= {"status": "False", "reason": "TemplateInvalid", "message": "line 3"}


def disabled(value: str) -> Change:
    return lambda body: body["metadata"]["labels"].update({"mesh-injector.io/inject": value})


def other_key(body: Object) -> None:
    body["data"]["tls.key"] = base64.b64encode(ANOTHER.key).decode()


EXPIRED = certs.issue([webhook.SERVICE], datetime.now(UTC) - timedelta(days=20_000))
SOON = certs.issue([webhook.SERVICE], datetime.now(UTC) - (certs.expires(PAIR) - datetime.now(UTC)) + timedelta(days=3))
STRANGER = certs.issue(["example.com"], datetime.now(UTC))
WRONG: dict[str, tuple[str, Change | None, str, str, str, str]] = {
    "not served": (CRD, lambda b: b["spec"]["versions"][0].update(subresources={}), "", "mesh-crd", "error", "not served as v1alpha1"),
    "no deployment": (DEPLOYMENT, None, "", "replicas", "error", "there is no Deployment mesh-injector"),
    "none ready": (DEPLOYMENT, replicas(0), "/status", "replicas", "error", "no replica is ready, of 2"),
    "one ready": (DEPLOYMENT, replicas(1), "/status", "replicas", "warning", "1 of 2 replicas are ready"),
    "rolling": (DEPLOYMENT, replicas(2, 1), "/status", "replicas", "warning", "1 of 2 replicas are of the newest template"),
    "one wanted": (DEPLOYMENT, spec(replicas=1), "", "replicas", "warning", "there is one replica"),
    "no service": (SERVICE, None, "", "service", "error", "there is no Service"),
    "port": (SERVICE, spec(ports=[{"port": 444, "name": "https"}]), "", "service", "error", "has no port 443"),
    "no endpoint": (SLICE, leading_to(), "", "service", "error", "leads to no ready pod"),
    "one endpoint": (SLICE, leading_to("10.1.0.11"), "", "service", "warning", "leads to one ready pod"),
    "no lease": (LEASE, None, "", "leader", "error", "there is no Lease"),
    "no leader": (LEASE, lambda b: b.update(spec={}), "", "leader", "error", "no replica leads"),
    "old leader": (LEASE, spec(renewTime="2026-01-01T00:00:00.000000Z"), "", "leader", "error", "renewed its Lease since 2026-01"),
    "no secret": (SECRET, None, "", "certificate", "error", "there is no Secret"),
    "empty secret": (SECRET, lambda b: b.update(data={}), "", "certificate", "error", "holds no tls.crt"),
    "garbage": (SECRET, lambda b: b["data"].update({"tls.crt": "AAAA"}), "", "certificate", "error", "no certificate in PEM"),
    "mismatch": (SECRET, other_key, "", "certificate", "error", "the key"),
    "expired": (SECRET, secret_of(EXPIRED), "", "certificate", "error", "expired at"),
    "soon": (SECRET, secret_of(SOON), "", "certificate", "warning", "less than 14 days"),
    "stranger": (SECRET, secret_of(STRANGER), "", "certificate", "error", "it is not for mesh-injector.mesh-system.svc"),
    "rotated": (SECRET, secret_of(ANOTHER), "", "certificate", "error", "no CA of the bundle has signed it"),
    "no bundle": (MUTATING, bundle(b""), "", "certificate", "error", "it is empty"),
    "old bundle": (MUTATING, bundle(EXPIRED.ca), "", "certificate", "error", "every CA of the bundle is expired"),
    "no configuration": (MUTATING, None, "", "registration", "error", "no pod is injected"),
    "no entries": (MUTATING, lambda b: b.pop("webhooks"), "", "registration", "error", "entry payments.mesh-system"),
    "changed": (MUTATING, entry_changed, "", "registration", "error", "not as its Mesh asks: failurePolicy, namespaceSelector"),
    "left over": (MUTATING, another_entry("old.shop.mesh-injector.io"), "", "registration", "warning", "belongs to no Mesh"),
    "foreign": (MUTATING, another_entry("a.example.com"), "", "registration", "warning", "entry a.example.com is not ours"),
    "no validation": (VALIDATING, None, "", "validation", "warning", "there is no ValidatingWebhookConfiguration"),
    "not validated": (VALIDATING, lambda b: b["webhooks"].pop(), "", "validation", "warning", "is missing: mistakes"),
    "not ready": (MESH, not_ready, "/status", "meshes", "error", "is not Ready: TemplateInvalid: line 3"),
    "unobserved": (MESH, spec(priority=7), "", "meshes", "warning", "newest change of Mesh mesh-system/payments"),
    "no conditions": (MESH, lambda b: b.update(status={}), "/status", "meshes", "error", "has no conditions yet"),
    "disabled": (SHOP, disabled("disabled"), "", "namespaces", "warning", "none of its pods is injected"),
    "odd label": (SHOP, disabled("no"), "", "namespaces", "warning", "has no effect"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_found_with_the_step_that_mends_it(cluster: Cluster, case: str) -> None:
    path, change, part, section, level, words = WRONG[case]
    with changed(cluster, path, change, part):
        code, items, _ = check(cluster.kubeconfig)
    told = [one for one in items if one["section"] == section and words in one["what"]]
    assert [(one["level"], bool(one["fix"])) for one in told] == [(level, True)], items
    assert code == (1 if any(one["level"] == "error" for one in items) else 0)
    assert code == 1 or level == "warning"


def test_a_mesh_that_is_off_and_a_cluster_without_any(cluster: Cluster) -> None:
    with changed(cluster, MESH, spec(enableAutoInject=False)):
        told = [one["what"] for one in check(cluster.kubeconfig)[1]]
        assert "Mesh mesh-system/payments is off" in told
        ask(cluster, "DELETE", MESH)
        assert [one["what"] for one in check(cluster.kubeconfig)[1] if one["section"] == "meshes"] == [
            "there is no Mesh, so no pod is injected"
        ]


def test_a_right_that_the_account_lacks(cluster: Cluster) -> None:
    binding = f"/apis/rbac.authorization.k8s.io/v1/{HOME}/rolebindings/mesh-injector-templates"
    with changed(cluster, binding, None):
        found = processes.eventually(lambda: _wrong(cluster, "rights-of-the-injector"), "the authorizer has seen it")
    assert {one["what"] for one in found} >= {"account mesh-system/mesh-injector may not list configmaps -n mesh-system"}
    processes.eventually(lambda: not _wrong(cluster, "rights-of-the-injector"), "the right is back")


def _wrong(cluster: Cluster, section: str) -> list[dict[str, Any]]:
    return [one for one in check(cluster.kubeconfig)[1] if one["section"] == section and one["level"] != "ok"]


@pytest.mark.parametrize(("service", "level", "words"), [("mesh-injector", "error", "leads here too"), ("gone", "warning", "our own pods")])
def test_webhooks_of_others_that_matter(cluster: Cluster, service: str, level: str, words: str) -> None:
    reached = {"service": {"name": service, "namespace": "mesh-system", "path": "/mutate"}}
    nothing = {"matchLabels": {"nothing": "has-it"}}
    cluster.apply(webhook.registration("theirs", reached, PAIR.ca, objectSelector=nothing)).ok()
    try:
        assert [(one["level"], words in one["what"]) for one in _wrong(cluster, "other-webhooks")] == [(level, True)]
    finally:
        cluster.kubectl("delete", "mutatingwebhookconfiguration", "theirs").ok()


def test_what_somebody_may_not_see_is_told_with_the_right_that_it_needs(viewer: Path) -> None:
    code, items, said = check(viewer)
    needs = [one["what"].partition("needs ")[2].strip("`") for one in items if one["level"] == "warning"]
    assert code == 0
    assert set(needs) >= {
        "get customresourcedefinitions.apiextensions.k8s.io/meshes.mesh-injector.io",
        "get secrets/mesh-injector-tls -n mesh-system",
        "list mutatingwebhookconfigurations.admissionregistration.k8s.io",
        "create subjectaccessreviews.authorization.k8s.io",
    }
    assert "" not in needs
    assert "Traceback" not in said


def test_who_may_see_nothing_gets_exit_4_and_one_line(cluster: Cluster) -> None:
    code, items, said = check(user(cluster, "nobody"))
    assert (code, items, said.count("\n")) == (4, [], 1)


def test_before_an_installation_remains_and_missing_rights_are_told(cluster: Cluster, viewer: Path) -> None:
    code, items, _ = check(cluster.kubeconfig, "--pre")
    told = {one["what"] for one in items if one["level"] == "warning"}
    assert (code, "there is already: Deployment mesh-system/mesh-injector" in told) == (0, True)
    with changed(cluster, DEPLOYMENT, None):
        left = [one for one in check(cluster.kubeconfig, "--pre")[1] if "was left behind" in one["what"]]
    assert [one["level"] for one in left] == ["error"]
    code, items, _ = check(viewer, "--pre")
    missing = [one["what"] for one in items if one["section"] == "your-rights"]
    assert (code, "you may not create deployments.apps -n mesh-system" in missing) == (1, True)
