"""Certificates on a real API server: two replicas behind a Service, whose CA and certificate change under load, and nothing is lost."""

import base64
import concurrent.futures
import contextlib
import itertools
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mesh_injector import certs
from mesh_injector.certs import bundle, rotation
from mesh_injector.kube import secret
from tests.e2e import installation, processes, webhook
from tests.e2e.cluster import Cluster
from tests.e2e.stand import Stand

SAMPLES = Path(__file__).parents[2] / "config" / "samples"
SECRET = ("secret", "mesh-injector-tls", "-n", webhook.HOME)
OVERLAP = 2
NUMBERS = itertools.count()


PROBE = """
import base64, json, socket, ssl, sys, time, urllib.request

url, token, ca, host, *addresses = sys.argv[1:]
seen = []
while True:
    bundles = set()
    for kind in ("mutatingwebhookconfigurations", "validatingwebhookconfigurations"):
        path = f"{url}/apis/admissionregistration.k8s.io/v1/{kind}/mesh-injector"
        request = urllib.request.Request(path, headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request, context=ssl.create_default_context(cafile=ca)) as answer:
            for entry in json.load(answer).get("webhooks") or ():
                bundles.add(base64.b64decode(entry["clientConfig"]["caBundle"]).decode())
    seen.append((time.monotonic(), bundles))
    old = [each for at, each in seen if at < time.monotonic() - 1]
    for bundle in old[-1] if old else ():
        for address in addresses:
            context = ssl.create_default_context(cadata=bundle)
            try:
                with socket.create_connection((address, 8443), 5) as plain, context.wrap_socket(plain, server_hostname=host):
                    print("ok", flush=True)
            except OSError as error:
                print("failed", address, error, flush=True)
    seen = seen[-50:]
    time.sleep(0.05)
"""
"""An API server of a control plane of several, which sees each change of an entry a second late, and begins each call with a handshake:
the real one keeps its connections."""


@contextlib.contextmanager
def probed(made: Stand) -> Iterator[processes.Child]:
    """Call both replicas all the time while the block lasts."""
    cluster, log = made.cluster, made.cluster.folder / f"probe-{next(made.starts)}.log"
    addresses = [replica.address for replica in made.replicas.values()]
    command = (*made.enter, sys.executable, "-c", PROBE, cluster.url, cluster.token, str(cluster.folder / "pki" / "apiserver.crt"))
    with processes.child((*command, webhook.SERVICE, *addresses), log) as probe:
        processes.eventually(lambda: "ok" in probe.said(), "the replicas are called", 30, (probe,))
        yield probe
        before = len(probe.said())
        processes.eventually(lambda: "ok" in probe.said()[before:], "they still are", 30, (probe,))


def failures(probe: processes.Child) -> list[str]:
    return [line for line in probe.said().splitlines() if line.startswith("failed")]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """The installation with an empty Secret, two replicas with its account's rights, and a Mesh."""
    flags = ("--tls-secret=mesh-injector-tls", f"--certificate-overlap={OVERLAP}s")
    with installation.start(tmp_path_factory.mktemp("certificates"), *flags) as running:
        prepare(running.cluster)
        yield running


def prepare(cluster: Cluster) -> None:
    cluster.add_namespace("shop", team="shop")
    cluster.kubectl("apply", "-f", str(SAMPLES / "mesh-payments.yaml")).ok()
    cluster.kubectl("wait", "--for=condition=Ready", "mi/payments", "-n", webhook.HOME, "--timeout=60s").ok()
    processes.eventually(lambda: not create(cluster, 2), "pods are injected")


def data(cluster: Cluster) -> dict[str, bytes]:
    return {name: base64.b64decode(text) for name, text in (cluster.get(*SECRET).get("data") or {}).items()}


def annotations(cluster: Cluster) -> dict[str, str]:
    found: dict[str, str] = cluster.get(*SECRET)["metadata"].get("annotations") or {}
    return found


def put(cluster: Cluster, **entries: bytes | None) -> None:
    """Write entries of the Secret: `tls_crt` is `tls.crt`; None removes one."""
    values = {name.replace("_", "."): None if value is None else base64.b64encode(value).decode() for name, value in entries.items()}
    cluster.kubectl("patch", *SECRET, "--type=merge", "-p", json.dumps({"data": values})).ok()


def ask(cluster: Cluster, what: str) -> None:
    """Ask the leader for a new leaf or CA, and wait until it is in force everywhere."""
    before = data(cluster)["tls.crt"]
    cluster.kubectl("annotate", *SECRET, f"mesh-injector.io/renew={what}", "--overwrite").ok()
    processes.eventually(lambda: data(cluster)["tls.crt"] != before, f"a new certificate after {what}", 60)
    processes.eventually(lambda: "mesh-injector.io/renew" not in annotations(cluster), "nothing more is asked")


def pod(name: str) -> dict[str, Any]:
    labels = {"app": "app", "mesh-injector.io/virtual-node": "app-vn"}
    container = {"name": "app", "image": "shop/app:1", "ports": [{"containerPort": 80}]}
    metadata = {"name": name, "namespace": "shop", "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}


def create(cluster: Cluster, count: int) -> list[str]:
    """Create pods; the names of those that were not created with their proxy."""
    names = [f"pod-{next(NUMBERS)}" for _ in range(count)]
    cluster.create(*map(pod, names))
    found = {one["metadata"]["name"]: len(one["spec"]["containers"]) for one in cluster.get("pods", "-n", "shop")["items"]}
    cluster.kubectl("delete", "pods", *names, "-n", "shop", "--grace-period=0", "--force", "--ignore-not-found").ok()
    return [name for name in names if found.get(name) != 2]


@contextlib.contextmanager
def load(cluster: Cluster) -> Iterator[tuple[list[int], list[str]]]:
    """Create pods, ten at a time, while the block lasts: the sizes of the batches, and the names of the pods that failed."""
    over, batches, failed = threading.Event(), list[int](), list[str]()

    def work() -> None:
        while not over.is_set() and len(batches) < 400:
            failed.extend(create(cluster, 10))
            batches.append(10)

    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        working = thread.submit(work)
        try:
            yield batches, failed
        finally:
            over.set()
            working.result(60)


def abrupt(cluster: Cluster) -> None:
    """Put another CA and a certificate of it into the Secret at once, as cert-manager does."""
    pair = certs.issue([webhook.SERVICE], datetime.now(UTC))
    put(cluster, tls_crt=pair.certificate, tls_key=pair.key, ca_crt=pair.ca)


def trusted(cluster: Cluster) -> list[bytes]:
    """The CA bundle of each entry."""
    kinds = ("mutatingwebhookconfiguration", "validatingwebhookconfiguration")
    found = [entry for kind in kinds for entry in cluster.get(kind, "mesh-injector").get("webhooks") or ()]
    return [base64.b64decode(entry["clientConfig"]["caBundle"]) for entry in found]


def test_the_leader_fills_the_empty_secret_and_both_replicas_serve_it(made: Stand) -> None:
    kept = data(made.cluster)
    assert set(kept) == {"tls.crt", "tls.key", "ca.crt", "ca.key"}
    assert annotations(made.cluster)["mesh-injector.io/certificate"] == "self-managed"
    assert all("certificate loaded" in replica.process.said() for replica in made.replicas.values())
    assert set(trusted(made.cluster)) == {kept["ca.crt"]}


def test_a_ca_and_a_leaf_every_two_seconds_under_load_lose_no_pod_and_no_handshake(made: Stand) -> None:
    with probed(made) as probe, load(made.cluster) as (batches, failed):
        for what in ("leaf", "leaf", "ca", "leaf", "ca", "leaf"):
            ask(made.cluster, what)
    assert failed == []
    assert failures(probe) == []
    assert len(batches) > 5
    processes.eventually(lambda: bundle.count(data(made.cluster)["ca.crt"]) == 1, "the old CAs are forgotten", 60)
    processes.eventually(lambda: set(trusted(made.cluster)) == {data(made.cluster)["ca.crt"]}, "and are in no entry", 60)
    assert create(made.cluster, 4) == []


@pytest.mark.parametrize(
    "broken", [{"tls_crt": b"x"}, {"tls_key": None}, {"ca_key": b""}, {"tls_crt": None, "tls_key": None, "ca_crt": None, "ca_key": None}]
)
def test_a_secret_that_somebody_breaks_is_healed_and_no_pod_is_lost(made: Stand, broken: dict[str, bytes | None]) -> None:
    before = data(made.cluster)
    with probed(made) as probe, load(made.cluster) as (_, failed):
        put(made.cluster, **broken)
        processes.eventually(lambda: data(made.cluster) != before and heals(made.cluster), "the leader has healed it", 60)
    assert (failed, failures(probe)) == ([], [])
    assert create(made.cluster, 4) == []


def heals(cluster: Cluster) -> bool:
    """Whether the Secret holds a pair and the CA that signed it, whose key is there."""
    kept = secret.kept(cluster.get(*SECRET))
    signer = rotation.signing(kept)
    return (
        signer is not None
        and rotation.is_usable(kept.pair, datetime.now(UTC))
        and bundle.trusts(signer.certificate, kept.pair, datetime.now(UTC))
    )


def test_a_leader_that_is_killed_in_the_middle_of_a_rotation_is_followed_by_one_that_goes_on(made: Stand) -> None:
    cluster, before = made.cluster, data(made.cluster)
    processes.eventually(lambda: bundle.count(data(cluster)["ca.crt"]) == 1, "older rotations are over", 60)
    leader = next(name for name, each in made.replicas.items() if leads(each))
    with probed(made) as probe:
        cluster.kubectl("annotate", *SECRET, "mesh-injector.io/renew=ca", "--overwrite").ok()
        processes.eventually(lambda: bundle.count(data(cluster)["ca.crt"]) == 2, "the new CA is there")
        made.drain(leader)
        made.replicas[leader].process.kill()
        assert data(cluster)["tls.crt"] == before["tls.crt"]
        processes.eventually(lambda: data(cluster)["tls.crt"] != before["tls.crt"], "another leader goes on", 90)
        assert create(cluster, 4) == []
    assert [line for line in failures(probe) if made.replicas[leader].address not in line] == []
    made.add(leader)
    processes.eventually(lambda: bundle.count(data(cluster)["ca.crt"]) == 1, "the old CA is forgotten", 60)
    assert create(cluster, 4) == []


def leads(replica: webhook.Replica) -> bool:
    said = replica.process.said()
    return said.count("] leading") > said.count("no longer leading")


def cli(made: Stand, *words: str) -> tuple[int, str, str]:
    command = (*made.enter, sys.executable, "-m", "mesh_injector", "certs", *words, f"--kubeconfig={made.cluster.kubeconfig}")
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout, done.stderr


def test_the_command_line_shows_the_certificates_and_has_them_renewed(made: Stand) -> None:
    before = data(made.cluster)
    code, shown, said = cli(made)
    assert (code, "self-managed" in said, webhook.SERVICE in shown) == (0, True, True)
    code, _, said = cli(made, "renew", "--ca")
    assert (code, said.splitlines()[0], said.splitlines()[-1]) == (0, "asked the leader to renew: ca", "done")
    assert data(made.cluster)["tls.crt"] != before["tls.crt"]
    code, shown, _ = cli(made, "-o", "json")
    found = json.loads(shown)
    assert (code, found["findings"], found["certificates"][0]["hosts"]) == (0, [], [webhook.SERVICE])
    assert {len(one["trustedBy"]) for one in found["certificates"] if one["what"] == "ca"} == {4}
    assert cli(made, "--tls-secret=other")[0] == 4


def test_a_foreign_secret_is_never_written_its_ca_is_told_first_and_what_is_wrong_in_it_is_an_event(made: Stand) -> None:
    cluster = made.cluster
    with probed(made) as probe, load(cluster) as (_, failed):
        cluster.kubectl("annotate", *SECRET, "cert-manager.io/certificate-name=mesh-injector").ok()
        abrupt(cluster)
        pair = data(cluster)
        processes.eventually(lambda: all(pair["ca.crt"].strip() in each for each in trusted(cluster)), "its CA is told")
        loaded = f"expires={certs.expires(certs.Pair(pair['tls.crt'], b'')).isoformat()}"
        processes.eventually(lambda: all(loaded in one.process.said() for one in made.replicas.values()), "both serve it", 30)
        put(cluster, tls_crt=b"nonsense")
        processes.eventually(lambda: "CertificateInvalid" in cluster.kubectl("get", "events", "-n", webhook.HOME).stdout, "an event tells")
        assert create(cluster, 4) == []
    assert (failed, failures(probe)) == ([], [])
    assert data(cluster) == pair | {"tls.crt": b"nonsense"}
    code, _, said = cli(made)
    assert (code, "[MI601]" in said) == (1, True)
    code, _, said = cli(made, "renew")
    assert (code, "is not kept by the leader" in said) == (1, True)


def test_the_wrong_order_loses_handshakes_so_the_tests_above_can_fail(tmp_path: Path) -> None:
    with installation.start(tmp_path, "--tls-secret=mesh-injector-tls", "--certificate-overlap=0s") as made:
        prepare(made.cluster)
        with probed(made) as probe:
            abrupt(made.cluster)
            processes.eventually(lambda: failures(probe), "a certificate that served before its CA was trusted fails")
