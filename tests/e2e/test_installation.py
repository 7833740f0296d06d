"""What config/ installs: valid, restricted, with the rights that it lists and no others, and harmless to apply again."""

import asyncio
import base64
import difflib
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from mesh_injector.kube import validating
from mesh_injector.kube.entries import Target
from mesh_injector.server import certificate
from tests.e2e import installation, processes, writer
from tests.e2e.cluster import Cluster
from tests.e2e.conftest import Start
from tests.e2e.controlplane import build

ROOT = Path(__file__).parents[2]
RIGHTS = Path(__file__).parent / "rights.txt"
EVERYBODY = ("selfsubject", "[/", "clustertrustbundles")
"""What every account may do: ask for its own rights, read /api, /healthz and /version, and what certificates to trust."""
KIND = "validatingwebhookconfiguration"
TENANT = "--as=dana"
"""Who may edit the namespace `shop`, and nothing else."""


@pytest.fixture(scope="module")
def cluster(start_cluster: Start) -> Iterator[Cluster]:
    """A cluster with controllers into which everything was installed as the documents say, and a tenant's namespace."""
    with start_cluster() as running, running.controllers():
        installation.install(running)
        running.add_namespace("shop")
        running.add_namespace("other")
        running.kubectl("create", "rolebinding", "admins", "--clusterrole=admin", "--user=dana", "-n", "shop").ok()
        processes.eventually(lambda: may(running, "create", "meshes", "-n", "shop", TENANT), "the role `admin` has the rights of Meshes")
        yield running


@pytest.fixture(scope="module")
def with_tenant(cluster: Cluster) -> Cluster:
    """The cluster, where a tenant has applied the example."""
    cluster.kubectl("apply", "-k", str(ROOT / "config" / "tenant"), TENANT).ok()
    return cluster


def may(cluster: Cluster, *question: str) -> bool:
    return cluster.kubectl("auth", "can-i", *question).stdout == "yes\n"


def rights(cluster: Cluster, namespace: str) -> list[str]:
    """What the injector's account may do in a namespace beyond what every account may, sorted."""
    token = cluster.token_of("mesh-system", "mesh-injector")
    listed = cluster.kubectl("auth", "can-i", "--list", "-n", namespace, token=token).ok().splitlines()[1:]
    return sorted(re.sub(r" {2,}", "  ", line) for line in listed if not any(word in line for word in EVERYBODY))


def test_the_account_has_the_rights_that_are_listed_and_no_others(with_tenant: Cluster, pytestconfig: pytest.Config) -> None:
    found = "".join(f"# {name}\n" + "".join(f"{line}\n" for line in rights(with_tenant, name)) for name in ("mesh-system", "shop", "other"))
    if pytestconfig.getoption("--update-golden"):
        RIGHTS.write_text(found, encoding="utf-8")
    expected = RIGHTS.read_text(encoding="utf-8")
    assert found == expected, "".join(difflib.unified_diff(expected.splitlines(True), found.splitlines(True)))


def test_the_commands_of_the_page_make_a_certificate_that_serves_and_applying_again_keeps_it(cluster: Cluster, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")
    commands = re.findall(r"^\$ ((?:openssl|echo|kubectl (?:create|patch) secret) .*)$", page, re.MULTILINE)
    environment = {"PATH": f"{build.assets()}:{os.environ['PATH']}", "KUBECONFIG": str(cluster.kubeconfig), "HOME": str(tmp_path)}
    subprocess.run(["sh", "-ec", "\n".join(commands)], cwd=tmp_path, env=environment, check=True, capture_output=True)
    installation.install(cluster)
    data = cluster.get("secret", "mesh-injector-tls", "-n", "mesh-system")["data"]
    for name, content in data.items():
        (tmp_path / "mounted").mkdir(exist_ok=True)
        (tmp_path / "mounted" / name).write_bytes(base64.b64decode(content))
    assert certificate.serving_pair(tmp_path / "mounted").ca == (tmp_path / "ca.crt").read_bytes()


@pytest.mark.parametrize(
    "question",
    [
        ("create", "mutatingwebhookconfigurations"),
        ("delete", "mutatingwebhookconfigurations/mesh-injector"),
        ("patch", "validatingwebhookconfigurations/other"),
        ("get", "secrets", "-n", "mesh-system"),
        ("get", "secrets/mesh-injector-tls", "-n", "shop"),
        ("create", "leases", "-n", "mesh-system"),
        ("list", "configmaps", "-n", "other"),
        ("get", "pods", "-A"),
        ("update", "meshes", "-A"),
    ],
)
def test_what_would_be_too_much_is_forbidden(cluster: Cluster, question: tuple[str, ...]) -> None:
    assert not may(cluster, *question, "--as=system:serviceaccount:mesh-system:mesh-injector")


def test_our_own_pods_pass_the_restricted_pod_security_of_their_namespace(cluster: Cluster) -> None:
    processes.eventually(lambda: len(cluster.get("pods", "-n", "mesh-system")["items"]) == 2, "both replicas are created")
    labels = cluster.get("namespace", "mesh-system")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_applying_it_again_changes_nothing_and_keeps_what_was_written_into_it(cluster: Cluster) -> None:
    account = "--as=system:serviceaccount:mesh-system:mesh-injector"
    entry = {
        "name": "a.b.mesh-injector.io",
        "clientConfig": {"url": "https://127.0.0.1:1/"},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    body = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "mesh-injector"},
        "webhooks": [entry],
    }
    written = yaml.safe_dump(body)
    cluster.kubectl("apply", "--server-side", "--field-manager=leader", account, "-f", "-", stdin=written).ok()
    secret = '{"data": {"tls.crt": "YQ=="}}'
    cluster.kubectl("patch", "secret", "mesh-injector-tls", "-n", "mesh-system", "--type=merge", "-p", secret).ok()
    installation.install(cluster)
    assert cluster.kubectl("diff", "-k", str(installation.DEFAULT)).ok() == ""
    assert [one["name"] for one in cluster.get("mutatingwebhookconfiguration", "mesh-injector")["webhooks"]] == [entry["name"]]
    assert cluster.get("secret", "mesh-injector-tls", "-n", "mesh-system")["data"]["tls.crt"] == "YQ=="


def test_the_configurations_are_shipped_without_entries() -> None:
    shipped = yaml.safe_load_all((ROOT / "config" / "webhook" / "configurations.yaml").read_text(encoding="utf-8"))
    assert [(one["kind"], "webhooks" in one) for one in shipped] == [
        ("MutatingWebhookConfiguration", False),
        ("ValidatingWebhookConfiguration", False),
    ]


def test_a_tenant_edits_the_meshes_of_its_namespace_and_of_no_other(with_tenant: Cluster) -> None:
    assert with_tenant.kubectl("get", "mi", "logs", "-n", "shop", TENANT).code == 0
    assert not may(with_tenant, "create", "meshes", "-n", "mesh-system", TENANT)
    assert not may(with_tenant, "patch", "meshes", "--subresource=status", "-n", "shop", TENANT)


def test_the_crd_that_is_installed_is_the_one_that_is_generated() -> None:
    generated, installed = (ROOT / folder / "mesh-injector.io_meshes.yaml" for folder in ("crds", "config/crd"))
    assert installed.read_bytes() == generated.read_bytes()


def test_the_api_server_takes_our_entries_as_they_are_written(cluster: Cluster) -> None:
    made = validating.entries(Target(url="https://127.0.0.1:1"))
    head = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration", "metadata": {"name": "written"}}
    cluster.apply({**head, "webhooks": list(made.values())}).ok()
    try:
        found = {one["name"]: one for one in cluster.get("validatingwebhookconfiguration", "written")["webhooks"]}
        assert found == made
    finally:
        cluster.kubectl("delete", "validatingwebhookconfiguration", "written").ok()


def validated(cluster: Cluster) -> set[str]:
    """The entries of the ValidatingWebhookConfiguration."""
    return {one["name"] for one in cluster.get("validatingwebhookconfiguration", "mesh-injector").get("webhooks") or ()}


def test_the_leader_fills_the_validating_configuration_repairs_it_and_never_makes_it_anew(cluster: Cluster) -> None:
    def work() -> None:
        names = set(validating.entries(Target()))
        processes.eventually(lambda: validated(cluster) == names, "the leader has filled it")
        cluster.kubectl("patch", KIND, "mesh-injector", "--type=merge", "-p", '{"webhooks": []}').ok()
        processes.eventually(lambda: validated(cluster) == names, "the leader has repaired it")
        cluster.kubectl("label", KIND, "mesh-injector", "a=b").ok()
        cluster.kubectl("delete", KIND, "mesh-injector").ok()

    async def lead() -> None:
        async with writer.leading(cluster) as leader:
            await asyncio.to_thread(work)
            leader.look()
            until = processes.eventually
            await asyncio.to_thread(
                until, lambda: "webhooks" in cluster.get("mutatingwebhookconfiguration", "mesh-injector"), "it works on"
            )

    asyncio.run(lead())
    assert cluster.kubectl("get", KIND, "mesh-injector").code == 1
    installation.install(cluster)
    assert validated(cluster) == set()
