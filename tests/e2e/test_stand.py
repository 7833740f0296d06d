"""Two replicas behind a Service: whatever happens to one of them, a pod is injected or refused, and never silently neither."""

import concurrent.futures
import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import processes, stand
from tests.e2e.stand import Stand

SAMPLES = Path(__file__).parents[2] / "config" / "samples"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """The stand, with the samples' namespace and a registration of one second's patience."""
    with stand.start(tmp_path_factory.mktemp("stand"), SAMPLES) as made:
        made.cluster.add_namespace("shop", team="shop")
        selector = {"matchLabels": {"kubernetes.io/metadata.name": "shop"}}
        made.register(timeoutSeconds=1, reinvocationPolicy="Never", namespaceSelector=selector)
        processes.eventually(lambda: create(made, ["registered"])["registered"] is True, "the registration is in force")
        yield made


def create(made: Stand, names: list[str]) -> dict[str, bool | None]:
    """Create pods; for each whether it is injected, or None where it was refused."""
    done = made.cluster.create(*(pod(name) for name in names))
    found = {one["metadata"]["name"]: one for one in made.cluster.get("pods", "-n", "shop")["items"]}
    created = {
        name: name in found and any(container["name"] == "envoy" for container in found[name]["spec"]["containers"]) for name in names
    }
    assert done.stderr.count("failed calling webhook") == len(names) - len(names & found.keys()), done.stderr
    made.cluster.kubectl("delete", "pods", "--all", "-n", "shop", "--grace-period=0", "--force").ok()
    return {name: created[name] if name in found else None for name in names}


def pod(name: str) -> dict[str, Any]:
    container = {"name": "app", "image": "shop/app:1", "ports": [{"containerPort": 80}]}
    labels = {"app": "app", "mesh-injector.io/virtual-node": "app-vn"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop", "labels": labels},
        "spec": {"containers": [container]},
    }


def networks() -> Iterator[str]:
    """The network namespaces of all processes."""
    for link in Path("/proc").glob("[0-9]*/ns/net"):
        with contextlib.suppress(OSError):  # it has just ended
            yield str(link.readlink())


def names(prefix: str, count: int) -> list[str]:
    return [f"{prefix}-{number}" for number in range(count)]


def test_both_replicas_answer(running: Stand) -> None:
    before = {name: replica.reviews() for name, replica in running.replicas.items()}
    assert set(create(running, names("both", 20)).values()) == {True}
    grown = {name: replica.reviews() - before[name] for name, replica in running.replicas.items()}
    assert sum(grown.values()) == 20
    assert min(grown.values()) > 0


@pytest.mark.parametrize("fault", ["cut", "freeze"])
def test_with_one_replica_gone_silent_a_pod_is_injected_or_refused(running: Stand, fault: str) -> None:
    one = running.replicas["one"]
    running.cut("one") if fault == "cut" else one.process.freeze()
    try:
        outcomes = list(create(running, names(fault, 8)).values())
    finally:
        running.join("one") if fault == "cut" else one.process.thaw()
    assert False not in outcomes
    processes.eventually(lambda: None not in create(running, names("again", 4)).values(), "every pod is injected again")


def test_a_drained_replica_gets_no_reviews_and_nothing_is_lost(running: Stand) -> None:
    running.drain("two")
    two = running.replicas["two"]

    def is_left_alone() -> bool:
        before = two.reviews()
        return set(create(running, names("moving", 4)).values()) == {True} and two.reviews() == before

    processes.eventually(is_left_alone, "the API server has seen the EndpointSlice")
    before = two.reviews()
    assert set(create(running, names("drained", 12)).values()) == {True}
    assert two.reviews() == before
    running.enlist("two")
    processes.eventually(lambda: set(create(running, names("back", 4)).values()) == {True} and two.reviews() > before, "it is asked again")


def test_a_rolling_restart_loses_no_pod(running: Stand) -> None:
    restarted = threading.Event()

    def create_meanwhile() -> list[dict[str, bool | None]]:
        """Batches of pods, one after the other, until the restart is over; at most twelve."""
        batches = [create(running, names("rolling", 10))]
        while len(batches) < 12 and not restarted.is_set():
            batches.append(create(running, names(f"rolling-{len(batches)}", 10)))
        return batches

    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        creating = thread.submit(create_meanwhile)
        try:
            assert running.restart("two") == 0
        finally:
            restarted.set()
        batches = creating.result()
    assert [name for batch in batches for name, injected in batch.items() if not injected] == []
    assert len(batches) > 2
    new = running.replicas["two"]
    processes.eventually(lambda: set(create(running, names("new", 4)).values()) == {True} and new.reviews(), "the new replica is asked")


def test_with_every_replica_dead_pods_are_refused_and_none_is_created_without_its_proxy(tmp_path: Path) -> None:
    with stand.start(tmp_path, SAMPLES) as made:
        made.cluster.add_namespace("shop", team="shop")
        made.register(timeoutSeconds=1, namespaceSelector={"matchLabels": {"kubernetes.io/metadata.name": "shop"}})
        processes.eventually(lambda: create(made, ["registered"])["registered"] is True, "the registration is in force")
        for replica in made.replicas.values():
            replica.process.kill()
        assert set(create(made, names("dead", 3)).values()) == {None}
        inside = [child.process.pid for child in processes.running[-5:]]
        namespace = str(Path(f"/proc/{inside[0]}/ns/net").readlink())
    assert [pid for pid in inside if Path(f"/proc/{pid}").exists()] == []
    assert [link for link in networks() if link == namespace] == []
